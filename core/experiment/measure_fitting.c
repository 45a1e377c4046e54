/* Batches that did not fit into a device's memory: what fits, and who need not try. */
#include "experiment/measure_internal.h"
#include "runtime/protocol.h"

#include <string.h>

/* A model with its batch that was too large, and how much is not. */
struct tt_measure_too_large {
    struct tt_measure_too_large *next;
    tt_digest model;
    uint32_t fitting;
    tt_error why;
};

static bool digest_model(const tt_spec *spec, const tt_spec_model *model, tt_digest *digest)
{
    tt_buf text = {0};
    bool good = tt_measure_model_text(spec, model, &text);
    if (good) *digest = tt_sha256_of(text.data, text.size);
    tt_buf_free(&text);
    return good;
}

/* Without memory for it others try, too. */
static void note(tt_measure_team *t, const tt_spec *spec, const tt_spec_model *model, uint32_t fitting,
                 const tt_error *why)
{
    struct tt_measure_too_large *one = tt_alloc_zero(sizeof *one);
    if (!one || !digest_model(spec, model, &one->model)) {
        tt_free(one);
        return;
    }
    one->fitting = fitting;
    one->why = *why;
    pthread_mutex_lock(&t->lock);
    one->next = t->too_large;
    t->too_large = one;
    pthread_mutex_unlock(&t->lock);
}

void tt_measure_ask_fitting(tt_measure_session *x, tt_measure_active *a, const tt_error *why)
{
    tt_measure_step *step = a->step;
    for (uint32_t i = 0; i < step->plan->n_roles; i++) {
        const tt_spec_model *model = tt_plan_role(step->spec, step->model, step->plan->roles[i].role);
        tt_buf none = {0};
        tt_reply reply;
        tt_error ignored = {0};
        if (!model || tt_child_call(&x->hosts.list[a->hosts[i]]->child, TT_MSG_HOST_FITTING, &none, -1,
                                    &reply, &ignored))
            continue;
        uint32_t fitting = tt_get_u32(&reply.in);
        tt_get_u32(&reply.in); /* the batch of now: where it can change, nothing fails */
        if (tt_reply_end(&reply, &ignored) || !fitting) continue;
        step->fitting_batch = fitting;
        step->fitting_model = (size_t)(model - step->spec->models);
        note(x->team, step->spec, model, fitting, why);
    }
}

static const struct tt_measure_too_large *find(tt_measure_team *t, const tt_digest *model)
{
    pthread_mutex_lock(&t->lock);
    const struct tt_measure_too_large *one = t->too_large;
    while (one && memcmp(one->model.bytes, model->bytes, sizeof model->bytes) != 0)
        one = one->next;
    pthread_mutex_unlock(&t->lock);
    return one; /* entries do not change */
}

tt_status tt_measure_check_fitting(tt_measure_team *t, tt_measure_step *step, tt_error *err)
{
    for (uint32_t i = 0; i < step->plan->n_roles; i++) {
        const tt_spec_model *model = tt_plan_role(step->spec, step->model, step->plan->roles[i].role);
        tt_digest digest;
        if (!model || !digest_model(step->spec, model, &digest)) continue;
        const struct tt_measure_too_large *known = find(t, &digest);
        if (!known) continue;
        step->fitting_batch = known->fitting;
        step->fitting_model = (size_t)(model - step->spec->models);
        return tt_fail(err, known->why.code, "%s", known->why.message);
    }
    return TT_OK;
}

void tt_measure_forget_fitting(tt_measure_team *t)
{
    for (struct tt_measure_too_large *one = t->too_large, *next; one; one = next) {
        next = one->next;
        tt_free(one);
    }
    t->too_large = NULL;
}
