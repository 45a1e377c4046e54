/* Encoding and decoding (specs/models-sd15.md 2.2). */
#include "base/mem.h"
#include "models/vae_internal.h"
#include "telltale/backend.h"

/* A decoder's widest activation is hundreds of times the image, so a batch goes through in groups of about
 * one 512x512 image's pixels. Batch invariance makes the grouping invisible; where a device has none, each
 * image goes alone. */
#define PIXELS_AT_ONCE ((int64_t)512 * 512)

static int group_size(const tt_device *device, int n, int64_t pixels)
{
    bool of_batch = tt_device_backend(device)->traits & TT_BACKEND_BATCH_IN_BITS;
    int64_t group = of_batch ? 1 : PIXELS_AT_ONCE / pixels;
    return group < 1 ? 1 : group > n ? n : (int)group;
}

/* h becomes h cast to `type` */
static tt_status cast_to(tt_device *device, tt_value *h, tt_type type, tt_error *err)
{
    tt_value y = {0};
    if (h->t.type == type) return TT_OK;
    tt_status status = tt_value_cast(device, &h->t, type, &y, err);
    if (!status) tt_value_move(h, &y);
    return status;
}

static tt_status apply_resnet(tt_device *device, const tt_resnet *r, tt_value *h, tt_error *err)
{
    tt_value y = {0};
    tt_status status = tt_resnet_apply(device, r, h, NULL, &y, err);
    if (!status) tt_value_move(h, &y);
    return status;
}

static tt_status apply_conv(tt_device *device, const tt_conv *conv, tt_value *h, tt_error *err)
{
    tt_value y = {0};
    tt_status status = tt_value_conv(device, conv, &h->t, NULL, NULL, &y, err);
    if (!status) tt_value_move(h, &y);
    return status;
}

static tt_status apply_linear(tt_device *device, const tt_linear *linear, tt_value *h, tt_error *err)
{
    tt_value y = {0};
    tt_status status = tt_value_linear(device, linear, &h->t, NULL, &y, err);
    if (!status) tt_value_move(h, &y);
    return status;
}

static tt_status apply_attention(tt_device *device, const tt_vae_mid *mid, tt_value *h, tt_error *err)
{
    tt_value n = {0}, qkv = {0}, a = {0}, y = {0};
    const int64_t height = h->t.shape[1], width = h->t.shape[2], c = h->t.shape[3];
    const tt_tensor residual = tt_as_tokens(&h->t);
    tt_status status = tt_value_norm(device, &mid->norm, &h->t, &n, err);
    if (!status) {
        const tt_tensor tokens = tt_as_tokens(&n.t);
        status = tt_value_linear(device, &mid->qkv, &tokens, NULL, &qkv, err);
    }
    tt_value_free(&n);
    if (!status) {
        const tt_tensor q = tt_tensor_columns(&qkv.t, 0, c);
        const tt_tensor k = tt_tensor_columns(&qkv.t, c, c), v = tt_tensor_columns(&qkv.t, 2 * c, c);
        const tt_tensor *ks = &k, *vs = &v;
        status = tt_value_attention(device, &q, &ks, &vs, 0, 1, false, &a, err);
    }
    tt_value_free(&qkv);
    if (!status) status = tt_value_linear(device, &mid->out, &a.t, &residual, &y, err);
    tt_value_free(&a);
    if (!status) {
        y.t = tt_as_image(&y.t, height, width);
        tt_value_move(h, &y);
    }
    return status;
}

static tt_status apply_mid(tt_device *device, const tt_vae_mid *mid, tt_value *h, tt_error *err)
{
    tt_status status = apply_resnet(device, &mid->first, h, err);
    if (!status) status = apply_attention(device, mid, h, err);
    if (!status) status = apply_resnet(device, &mid->last, h, err);
    return status;
}

/* conv_out(silu(GN(h))), the convolution in f32 */
static tt_status apply_out(tt_device *device, const tt_vae_half *half, tt_value *h, tt_error *err)
{
    tt_value y = {0};
    tt_status status = tt_value_norm(device, &half->norm_out, &h->t, &y, err);
    if (!status) tt_value_move(h, &y);
    if (!status) status = cast_to(device, h, TT_F32, err);
    if (!status) status = apply_conv(device, &half->conv_out, h, err);
    return status;
}

/* ---- batches ---- */

/* a shape's key: images, height, width, channels */
static tt_status create(void *vae, tt_shape *s, tt_error *err)
{
    (void)vae;
    const int64_t shape[4] = {s->key[0], s->key[1], s->key[2], s->key[3]};
    return tt_tensor_create(s->scope, TT_F32, 4, shape, &s->inputs[0], err);
}

/* *s is to be given back, also after a failure. */
static tt_status run_group(tt_shapes *shapes, const int key[TT_SHAPE_KEYS], const float *input, tt_shape **s,
                           tt_error *err)
{
    tt_status status = tt_shape_take(shapes, key, s, err);
    if (!status) status = tt_tensor_upload_chw(shapes->device, &(*s)->inputs[0], input, err);
    return status ? status : tt_shape_run(*s, err);
}

/* The flat moments [n][2z][pixels] of one group into mean and clamped logvar. */
static void split_moments(const float *moments, int n, size_t half, float *mean, float *logvar)
{
    for (size_t i = 0; i < (size_t)n; i++)
        for (size_t j = 0; j < half; j++) {
            float lv = moments[(2 * i + 1) * half + j];
            mean[i * half + j] = moments[2 * i * half + j];
            if (logvar) logvar[i * half + j] = lv < -30 ? -30 : lv > 20 ? 20 : lv;
        }
}

static tt_status encode(void *network, tt_shape *s, tt_error *err)
{
    tt_vae *vae = network;
    tt_device *d = vae->device;
    const tt_vae_config *c = &vae->config;
    tt_value *h = &s->out;
    h->t = s->inputs[0]; /* scope NULL: a view */
    tt_status status = apply_conv(d, &vae->encoder.conv_in, h, err);
    if (!status) status = cast_to(d, h, vae->type, err);
    for (int b = 0; b < c->levels && !status; b++) {
        const tt_vae_level *level = &vae->encoder.levels[b];
        for (int j = 0; j < level->n_layers && !status; j++)
            status = apply_resnet(d, &level->layers[j], h, err);
        if (!status && level->has_sampler) status = apply_conv(d, &level->sampler, h, err);
    }
    if (!status) status = apply_mid(d, &vae->encoder.mid, h, err);
    if (!status) status = apply_out(d, &vae->encoder, h, err);
    if (!status) status = apply_linear(d, &vae->encoder.quant, h, err);
    return status;
}

tt_status tt_vae_encode(tt_vae *vae, int n, int height, int width, const float *images, float *mean,
                        float *logvar, tt_error *err)
{
    const tt_vae_config *c = &vae->config;
    int factor = 1 << (c->levels - 1);
    if (n < 1 || height < factor || width < factor)
        return tt_fail(err, TT_ERR_INVALID, "VAE: %d images of %dx%d: at least one of at least %dx%d", n,
                       width, height, factor, factor);
    size_t image = (size_t)c->in_channels * (size_t)height * (size_t)width;
    int group = group_size(vae->device, n, (int64_t)height * width);
    float *moments = NULL;
    tt_status status = TT_OK;
    for (int i = 0; i < n && !status; i += group) {
        int m = n - i < group ? n - i : group;
        tt_shape *s;
        const int key[TT_SHAPE_KEYS] = {m, height, width, c->in_channels};
        status = run_group(&vae->encoded, key, images + (size_t)i * image, &s, err);
        const int64_t *shape = status ? NULL : s->out.t.shape;
        size_t half = status ? 0 : (size_t)(shape[1] * shape[2]) * (size_t)c->latent_channels;
        if (!status && !moments) {
            moments = tt_alloc_array(2 * half * (size_t)group, sizeof *moments);
            if (!moments) status = tt_fail(err, TT_ERR_MEMORY, "VAE: out of memory");
        }
        if (!status) status = tt_tensor_download_chw(vae->device, &s->out.t, moments, err);
        if (!status)
            split_moments(moments, m, half, mean + (size_t)i * half,
                          logvar ? logvar + (size_t)i * half : NULL);
        tt_shape_give(s);
    }
    tt_free(moments);
    return status;
}

static tt_status decode(void *network, tt_shape *s, tt_error *err)
{
    tt_vae *vae = network;
    tt_device *d = vae->device;
    const tt_vae_config *c = &vae->config;
    tt_value *h = &s->out;
    h->t = s->inputs[0];
    tt_status status = apply_linear(d, &vae->decoder.quant, h, err);
    if (!status) status = apply_conv(d, &vae->decoder.conv_in, h, err);
    if (!status) status = cast_to(d, h, vae->type, err);
    if (!status) status = apply_mid(d, &vae->decoder.mid, h, err);
    for (int b = 0; b < c->levels && !status; b++) {
        const tt_vae_level *level = &vae->decoder.levels[b];
        for (int j = 0; j < level->n_layers && !status; j++)
            status = apply_resnet(d, &level->layers[j], h, err);
        if (status || !level->has_sampler) continue;
        tt_value y = {0};
        status = tt_value_upsample(d, &h->t, 2 * h->t.shape[1], 2 * h->t.shape[2], &y, err);
        if (!status) tt_value_move(h, &y);
        if (!status) status = apply_conv(d, &level->sampler, h, err);
    }
    if (!status) status = apply_out(d, &vae->decoder, h, err);
    return status;
}

tt_status tt_vae_decode(tt_vae *vae, int n, int latent_height, int latent_width, const float *latents,
                        float *images, tt_error *err)
{
    const tt_vae_config *c = &vae->config;
    if (n < 1 || latent_height < 1 || latent_width < 1)
        return tt_fail(err, TT_ERR_INVALID, "VAE: %d latents of %dx%d: all must be >= 1", n, latent_width,
                       latent_height);
    size_t factor = (size_t)1 << (c->levels - 1);
    size_t pixels = (size_t)latent_height * (size_t)latent_width;
    size_t latent = (size_t)c->latent_channels * pixels,
           image = (size_t)c->out_channels * pixels * factor * factor;
    int group = group_size(vae->device, n, (int64_t)(pixels * factor * factor));
    tt_status status = TT_OK;
    for (int i = 0; i < n && !status; i += group) {
        int m = n - i < group ? n - i : group;
        tt_shape *s;
        const int key[TT_SHAPE_KEYS] = {m, latent_height, latent_width, c->latent_channels};
        status = run_group(&vae->decoded, key, latents + (size_t)i * latent, &s, err);
        if (!status) status = tt_tensor_download_chw(vae->device, &s->out.t, images + (size_t)i * image, err);
        tt_shape_give(s);
    }
    return status;
}

void tt_vae_shapes_init(tt_vae *vae)
{
    vae->encoded = (tt_shapes){vae->device, vae, 1, create, encode, {NULL}};
    vae->decoded = (tt_shapes){vae->device, vae, 1, create, decode, {NULL}};
}
