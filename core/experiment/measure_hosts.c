#include "experiment/measure_hosts.h"
#include "experiment/measure.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for hosts");
}

uint64_t tt_measure_money(double amount)
{
    return (uint64_t)llround(amount * TT_MONEY_UNIT);
}

tt_status tt_measure_tell(tt_child *child, uint16_t type, tt_buf *request, tt_error *err)
{
    tt_reply reply;
    tt_status s = tt_child_call(child, type, request, -1, &reply, err);
    if (!s) tt_reply_free(&reply);
    tt_buf_free(request);
    return s;
}

bool tt_measure_model_text(const tt_spec *spec, const tt_spec_model *model, tt_buf *text)
{
    tt_buf params = {0};
    bool good = tt_params_canonical(model->plugin.params, 0, false, &params);
    tt_put_text(text, model->plugin.info->name);
    tt_put_text(text, params.data);
    tt_put_device(text, spec->backend.info->name, &spec->device);
    tt_buf_free(&params);
    return good && !text->failed;
}

bool tt_measure_host_request(const tt_spec *spec, const tt_spec_model *model, const tt_universe *universe,
                             tt_buf *request)
{
    if (!model) {
        tt_put_u8(request, universe->apply_orientation);
        return !request->failed;
    }
    bool good = tt_measure_model_text(spec, model, request);
    tt_put_u64(request, spec->seed);
    tt_put_u8(request, universe->apply_orientation);
    return good && !request->failed;
}

static tt_status send_samples(const tt_universe *universe, tt_child *host, tt_error *err)
{
    tt_buf b = {0};
    tt_put_u32(&b, (uint32_t)universe->n);
    for (size_t i = 0; i < universe->n; i++) {
        const tt_sample_ref *r = &universe->refs[i];
        tt_put_u64(&b, r->id);
        tt_put_text(&b, r->item->path);
        tt_put_digest(&b, &r->item->digest);
    }
    return tt_measure_tell(host, TT_MSG_HOST_SAMPLES, &b, err);
}

static tt_status send_price(const tt_spec_price *price, tt_child *host, tt_error *err)
{
    if (!price->currency) return TT_OK;
    tt_buf b = {0};
    tt_put_u64(&b, tt_measure_money(price->prediction));
    tt_put_u64(&b, tt_measure_money(price->image));
    return tt_measure_tell(host, TT_MSG_HOST_PRICE, &b, err);
}

static tt_status open_host(const tt_measure_hosts *x, const tt_spec_model *model, tt_measure_host *h,
                           tt_error *err)
{
    char name[64] = "images";
    if (model) snprintf(name, sizeof name, "model %.48s", model->role);
    tt_status s = tt_child_start(x->launch, TT_CHILD_HOST, name, &h->child, err);
    if (s) return s;
    tt_reply reply;
    s = tt_child_call(&h->child, model ? TT_MSG_HOST_OPEN : TT_MSG_HOST_IMAGES, &h->request, -1, &reply, err);
    if (!s) tt_reply_free(&reply);
    if (s && s != TT_ERR_CRASHED && model) tt_fail_in(err, "models.%s", model->role);
    if (!s) s = send_price(&h->price, &h->child, err);
    return s ? s : send_samples(x->universe, &h->child, err);
}

/* What two specs say of one model's price may differ: then it has a host for each. */
static bool is_host(const tt_measure_host *h, const tt_buf *request, const tt_spec_price *price)
{
    return h->request.size == request->size && memcmp(h->request.data, request->data, request->size) == 0 &&
           !h->price.currency == !price->currency && h->price.image == price->image &&
           h->price.prediction == price->prediction;
}

static tt_measure_host *add(tt_measure_hosts *x, tt_buf *request)
{
    tt_measure_host *h = tt_alloc_zero(sizeof *h);
    tt_measure_host **grown = h ? tt_realloc(x->list, (x->n + 1) * sizeof(tt_measure_host *)) : NULL;
    if (!grown) {
        tt_free(h);
        return NULL;
    }
    x->list = grown;
    x->list[x->n++] = h;
    h->request = *request;
    *request = (tt_buf){0};
    return h;
}

tt_status tt_measure_hosts_take(tt_measure_hosts *x, const tt_measure_step *step, const char *role,
                                size_t *index, tt_error *err)
{
    const tt_spec_model *model = tt_plan_role(step->spec, step->model, role);
    tt_buf request = {0};
    bool good = tt_measure_host_request(step->spec, model, x->universe, &request);
    size_t i = 0;
    tt_spec_price price = model ? model->price : (tt_spec_price){0};
    while (good && i < x->n && !is_host(x->list[i], &request, &price))
        i++;
    if (good && i == x->n) {
        tt_measure_host *h = add(x, &request);
        good = h != NULL;
        if (h) h->price = price;
        if (h) open_host(x, model, h, &h->unusable);
    }
    tt_buf_free(&request);
    if (!good) return no_memory(err);
    *index = i;
    const tt_error *why = &x->list[i]->unusable;
    return why->code ? tt_fail(err, why->code, "%s", why->message) : TT_OK;
}

void tt_measure_hosts_stop(tt_measure_hosts *x)
{
    for (size_t i = 0; i < x->n; i++) {
        tt_child_memory held;
        tt_error gone = {0};
        tt_child_ask_memory(&x->list[i]->child, &held, &gone); /* its peak is kept for run.json */
        tt_child_stop(&x->list[i]->child);
        tt_buf_free(&x->list[i]->request);
        tt_free(x->list[i]);
    }
    tt_free((void *)x->list);
    x->list = NULL;
    x->n = 0;
}
