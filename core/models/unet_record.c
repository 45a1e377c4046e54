/* Batches of one shape on a device that records. All that differs between two batches (noisy latents,
 * features of timesteps, keys and values of texts) is brought to fixed places; what the device does with it
 * is then the same sequence every time, recorded at the second batch of a shape and replayed from the third
 * on. */
#include "base/mem.h"
#include "models/unet_internal.h"
#include "tensor/device.h"
#include "tensor/recording.h"

#include <string.h>

struct tt_unet_shape {
    tt_unet *unet;
    int n, height, width, tokens;
    tt_unet_inputs in;
    tt_scope *scope; /* of kv */
    tt_tensor *kv;   /* for each site [n, tokens, 2C] */
    tt_copy_region *copies;
    tt_value out;
    int batches; /* so far */
    tt_recording *recording;
};

bool tt_unet_records(const tt_unet *u, int n, tt_unet_text *const *texts)
{
    if (!tt_device_records(u->device)) return false;
    for (int i = 1; i < n && u->n_sites; i++)
        if (texts[i]->tokens != texts[0]->tokens) return false;
    return true;
}

static void shape_free(tt_unet_shape *s)
{
    if (!s) return;
    tt_recording_free(s->recording);
    tt_value_free(&s->out);
    tt_unet_inputs_free(&s->in);
    tt_scope_close(s->scope);
    tt_free(s->copies);
    tt_free(s->kv);
    tt_free(s);
}

void tt_unet_forget_shapes(tt_unet *u)
{
    for (int i = 0; i < TT_UNET_SHAPES; i++) {
        shape_free(u->shapes[i]);
        u->shapes[i] = NULL;
    }
}

static tt_status make_kv(tt_unet_shape *s, tt_error *err)
{
    tt_unet *u = s->unet;
    size_t sites = (size_t)u->n_sites;
    s->kv = tt_alloc_array(sites + 1, sizeof *s->kv);
    s->copies = tt_alloc_array(sites * (size_t)s->n + 1, sizeof *s->copies);
    if (!s->kv || !s->copies) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    tt_status status = tt_scope_open(u->device, &s->scope, err);
    for (int i = 0; i < u->n_sites && !status; i++) {
        const int64_t shape[3] = {s->n, s->tokens, u->sites[i]->cross_kv.out};
        status = tt_tensor_create(s->scope, u->type, 3, shape, &s->kv[i], err);
    }
    return status;
}

static tt_status shape_make(tt_unet *u, int n, int height, int width, int tokens, tt_unet_shape **out,
                            tt_error *err)
{
    tt_unet_shape *s = tt_alloc_zero(sizeof *s);
    if (!s) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    *s = (tt_unet_shape){.unet = u, .n = n, .height = height, .width = width, .tokens = tokens};
    tt_status status = tt_unet_inputs_create(u, n, height, width, &s->in, err);
    if (!status) status = make_kv(s, err);
    if (status)
        shape_free(s);
    else
        *out = s;
    return status;
}

/* The shape, moved to the front; a new one takes the place of that which was not asked for longest. */
static tt_status find_shape(tt_unet *u, int n, int height, int width, int tokens, tt_unet_shape **out,
                            tt_error *err)
{
    int at = 0;
    for (; at < TT_UNET_SHAPES && u->shapes[at]; at++) {
        const tt_unet_shape *s = u->shapes[at];
        if (s->n == n && s->height == height && s->width == width && s->tokens == tokens) break;
    }
    tt_unet_shape *found = at < TT_UNET_SHAPES ? u->shapes[at] : NULL;
    if (!found) {
        if (at == TT_UNET_SHAPES) {
            shape_free(u->shapes[--at]);
            u->shapes[at] = NULL;
        }
        tt_status status = shape_make(u, n, height, width, tokens, &found, err);
        if (status) return status;
    }
    memmove(u->shapes + 1, u->shapes, (size_t)at * sizeof(tt_unet_shape *));
    u->shapes[0] = *out = found;
    return TT_OK;
}

static tt_status gather_texts(tt_unet_shape *s, tt_unet_text *const *texts, tt_error *err)
{
    tt_device *device = s->unet->device;
    size_t n = 0;
    for (int site = 0; site < s->unet->n_sites; site++)
        for (int i = 0; i < s->n; i++) {
            const tt_tensor to = tt_tensor_batch(&s->kv[site], i, 1), *from = &texts[i]->kv[site];
            s->copies[n++] = (tt_copy_region){to.data, from->data,
                                              (size_t)tt_tensor_count(from) * tt_type_size(from->type)};
        }
    return n ? device->backend->copy(device->self, n, s->copies, err) : TT_OK;
}

static tt_status compute(void *shape, tt_error *err)
{
    tt_unet_shape *s = shape;
    const tt_unet_context context = {.kv = s->kv};
    tt_value_free(&s->out);
    return tt_unet_compute(s->unet, &s->in.features.t, &s->in.x.t, &context, &s->out, err);
}

static tt_status run(tt_unet_shape *s, tt_error *err)
{
    if (s->recording) return tt_recording_replay(s->recording, err);
    if (s->batches++ == 0) return compute(s, err); /* a shape may never come again */
    tt_value_free(&s->out);
    return tt_recording_make(s->unet->device, compute, s, &s->recording, err);
}

tt_status tt_unet_forward_recorded(tt_unet *u, int n, int height, int width, const float *inputs,
                                   const float *timesteps, tt_unet_text *const *texts, float *outputs,
                                   tt_error *err)
{
    tt_unet_shape *s;
    int tokens = u->n_sites ? texts[0]->tokens : 0;
    tt_status status = find_shape(u, n, height, width, tokens, &s, err);
    if (!status) status = tt_unet_inputs_upload(u, &s->in, inputs, timesteps, err);
    if (!status) status = gather_texts(s, texts, err);
    if (!status) status = run(s, err);
    if (!status) status = tt_tensor_download_chw(u->device, &s->out.t, outputs, err);
    return status;
}
