/* Batches on a device that records. All that differs between two batches (noisy latents, features of
 * timesteps, keys and values of texts) is brought to fixed places; what the device does with it is then the
 * same sequence every time. */
#include "base/mem.h"
#include "models/unet_internal.h"
#include "tensor/device.h"

/* a shape's inputs: the two of tt_unet_inputs_create, then for each site keys and values [n, tokens, 2C] */
enum { KV = TT_UNET_INPUTS };

bool tt_unet_records(const tt_unet *u, int n, tt_unet_text *const *texts)
{
    if (!tt_device_records(u->device)) return false;
    for (int i = 1; i < n && u->n_sites; i++)
        if (texts[i]->tokens != texts[0]->tokens) return false;
    return true;
}

static tt_status create(void *unet, tt_shape *s, tt_error *err)
{
    tt_unet *u = unet;
    tt_status status = tt_unet_inputs_create(u, s->scope, s->key[0], s->key[1], s->key[2], s->inputs, err);
    for (int i = 0; i < u->n_sites && !status; i++) {
        const int64_t shape[3] = {s->key[0], s->key[3], u->sites[i]->cross_kv.out};
        status = tt_tensor_create(s->scope, u->type, 3, shape, &s->inputs[KV + i], err);
    }
    return status;
}

static tt_status compute(void *unet, tt_shape *s, tt_error *err)
{
    const tt_unet_context context = {.kv = s->inputs + KV};
    return tt_unet_compute(unet, s->inputs, &context, &s->out, err);
}

void tt_unet_shapes_init(tt_unet *u)
{
    u->shapes = (tt_shapes){u->device, u, KV + u->n_sites, create, compute, {NULL}};
}

static tt_status gather_texts(const tt_unet *u, const tt_shape *s, tt_unet_text *const *texts, tt_error *err)
{
    const tt_device *device = u->device;
    size_t n = 0;
    tt_copy_region *copies = tt_alloc_array((size_t)(s->key[0] * u->n_sites) + 1, sizeof *copies);
    if (!copies) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    for (int site = 0; site < u->n_sites; site++)
        for (int i = 0; i < s->key[0]; i++) {
            const tt_tensor to = tt_tensor_batch(&s->inputs[KV + site], i, 1), *from = &texts[i]->kv[site];
            copies[n++] = (tt_copy_region){to.data, from->data,
                                           (size_t)tt_tensor_count(from) * tt_type_size(from->type)};
        }
    tt_status status = n ? device->backend->copy(device->self, n, copies, err) : TT_OK;
    tt_free(copies);
    return status;
}

tt_status tt_unet_forward_recorded(tt_unet *u, int n, int height, int width, const float *inputs,
                                   const float *timesteps, tt_unet_text *const *texts, float *outputs,
                                   tt_error *err)
{
    tt_shape *s;
    const int key[TT_SHAPE_KEYS] = {n, height, width, u->n_sites ? texts[0]->tokens : 0};
    tt_status status = tt_shape_take(&u->shapes, key, &s, err);
    if (!status) status = tt_unet_inputs_upload(u, s->inputs, inputs, timesteps, err);
    if (!status) status = gather_texts(u, s, texts, err);
    if (!status) status = tt_shape_run(s, err);
    if (!status) status = tt_tensor_download_chw(u->device, &s->out.t, outputs, err);
    tt_shape_give(s);
    return status;
}
