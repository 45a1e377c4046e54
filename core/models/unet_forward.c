/* The forward pass (specs/models-sd15.md 1.2). Every value has a scope of its own and is freed when it was
 * read for the last time: at most the skips, the current activation and one layer's temporaries are alive. */
#include "base/mem.h"
#include "models/unet_internal.h"

/* ---- text ---- */

tt_status tt_unet_text_create(tt_unet *u, const float *states, int tokens, tt_unet_text **text, tt_error *err)
{
    *text = NULL;
    if (tokens < 1) return tt_fail(err, TT_ERR_INVALID, "UNet text: %d tokens: must be >= 1", tokens);
    tt_value x = {0};
    tt_unet_text *t = tt_alloc_zero(sizeof *t);
    size_t n = (size_t)u->n_sites;
    tt_status status = t ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "UNet text: out of memory");
    if (status) return status;
    t->unet = u;
    t->n_sites = u->n_sites;
    t->tokens = tokens;
    t->kv = tt_alloc_array(3 * n + 1, sizeof *t->kv);
    if (!t->kv) {
        status = tt_fail(err, TT_ERR_MEMORY, "UNet text: out of memory");
        goto done;
    }
    t->k = t->kv + n;
    t->v = t->k + n;
    const int64_t shape[3] = {1, tokens, u->config.cross_attention_dim};
    status = tt_scope_open(u->device, &t->scope, err);
    if (!status) status = tt_value_create(u->device, u->type, 3, shape, &x, err);
    if (!status) status = tt_tensor_upload_f32(u->device, &x.t, states, err);
    for (size_t i = 0; i < n && !status; i++) {
        const tt_linear *kv = &u->sites[i]->cross_kv;
        status = tt_linear_apply(t->scope, kv, &x.t, NULL, &t->kv[i], err);
        if (status) break;
        t->k[i] = tt_tensor_columns(&t->kv[i], 0, kv->out / 2);
        t->v[i] = tt_tensor_columns(&t->kv[i], kv->out / 2, kv->out / 2);
    }
done:
    tt_value_free(&x);
    if (status)
        tt_unet_text_destroy(t);
    else
        *text = t;
    return status;
}

void tt_unet_text_destroy(tt_unet_text *t)
{
    if (!t) return;
    tt_scope_close(t->scope);
    tt_free(t->kv);
    tt_free(t);
}

/* ---- the pass ---- */

typedef struct pass {
    tt_unet *u;
    tt_device *device;
    const tt_unet_context *context;
    tt_value time; /* silu of the time embedding, [B, 4·first] */
    tt_value h;
    tt_value *skips;
    int n_skips;
} pass;

/* silu(L2·silu(L1·f)): both silus ride on the products. */
static tt_status embed_time(pass *p, const tt_tensor *features, tt_error *err)
{
    tt_value a = {0}, b = {0};
    tt_status status = tt_value_linear(p->device, &p->u->time_1, features, NULL, &a, err);
    if (!status) status = tt_value_linear(p->device, &p->u->time_2, &a.t, NULL, &b, err);
    if (!status && p->u->type != TT_F32)
        status = tt_value_cast(p->device, &b.t, p->u->type, &p->time, err);
    else if (!status)
        tt_value_move(&p->time, &b);
    tt_value_free(&a);
    tt_value_free(&b);
    return status;
}

static tt_status embed_input(pass *p, const tt_tensor *x, tt_error *err)
{
    tt_value y = {0};
    tt_status status = tt_value_conv(p->device, &p->u->conv_in, x, NULL, NULL, &y, err);
    if (!status && p->u->type != TT_F32)
        status = tt_value_cast(p->device, &y.t, p->u->type, &p->h, err);
    else if (!status)
        tt_value_move(&p->h, &y);
    tt_value_free(&y);
    return status;
}

/* h becomes layer(h). */
static tt_status run_layer(pass *p, const tt_unet_layer *layer, tt_error *err)
{
    tt_value y = {0};
    tt_status status = tt_resnet_apply(p->device, &layer->resnet, &p->h, &p->time.t, &y, err);
    if (!status) tt_value_move(&p->h, &y);
    if (status || !layer->attention.n_blocks) return status;
    status = tt_transformer_apply(p->device, &layer->attention, &p->h, p->context, &y, err);
    if (!status) tt_value_move(&p->h, &y);
    return status;
}

/* The stack takes h over; h goes on as a view of it (scope NULL: freeing it frees nothing). */
static void push(pass *p)
{
    p->skips[p->n_skips++] = p->h;
    p->h.scope = NULL;
}

static tt_status run_down(pass *p, tt_error *err)
{
    const tt_unet_config *c = &p->u->config;
    tt_status status = TT_OK;
    push(p);
    for (int b = 0; b < c->levels && !status; b++) {
        const tt_unet_level *level = &p->u->down[b];
        for (int j = 0; j < level->n_layers && !status; j++) {
            status = run_layer(p, &level->layers[j], err);
            if (!status) push(p);
        }
        if (status || !level->has_sampler) continue;
        tt_value y = {0};
        status = tt_value_conv(p->device, &level->sampler, &p->h.t, NULL, NULL, &y, err);
        if (status) break;
        tt_value_move(&p->h, &y);
        push(p);
    }
    return status;
}

static tt_status run_mid(pass *p, tt_error *err)
{
    tt_value y = {0};
    tt_status status = run_layer(p, &p->u->mid, err);
    if (status || !p->u->config.mid_cross) return status;
    status = tt_resnet_apply(p->device, &p->u->mid_last, &p->h, &p->time.t, &y, err);
    if (!status) tt_value_move(&p->h, &y);
    return status;
}

/* Upsampled to the size of the skip that comes next, which is twice the size except where an odd size was
 * halved on the way down. */
static tt_status upsample(pass *p, const tt_unet_level *level, tt_error *err)
{
    tt_value y = {0}, z = {0};
    const tt_tensor *next = &p->skips[p->n_skips - 1].t;
    tt_status status = tt_value_upsample(p->device, &p->h.t, next->shape[1], next->shape[2], &y, err);
    tt_value_free(&p->h);
    if (!status) status = tt_value_conv(p->device, &level->sampler, &y.t, NULL, NULL, &z, err);
    tt_value_free(&y);
    if (!status) tt_value_move(&p->h, &z);
    return status;
}

static tt_status run_up(pass *p, tt_error *err)
{
    const tt_unet_config *c = &p->u->config;
    tt_status status = TT_OK;
    for (int b = 0; b < c->levels && !status; b++) {
        const tt_unet_level *level = &p->u->up[b];
        for (int j = 0; j < level->n_layers && !status; j++) {
            tt_value joined = {0};
            tt_value *skip = &p->skips[p->n_skips - 1];
            status = tt_value_concat(p->device, &p->h.t, &skip->t, &joined, err);
            tt_value_free(skip);
            p->n_skips--;
            if (status) break;
            tt_value_move(&p->h, &joined);
            status = run_layer(p, &level->layers[j], err);
        }
        if (!status && level->has_sampler) status = upsample(p, level, err);
    }
    return status;
}

static tt_status finish(pass *p, tt_value *out, tt_error *err)
{
    tt_value n = {0}, y = {0};
    tt_status status = tt_value_norm(p->device, &p->u->norm_out, &p->h.t, &n, err);
    tt_value_free(&p->h);
    if (!status && p->u->type != TT_F32) {
        status = tt_value_cast(p->device, &n.t, TT_F32, &y, err);
        if (!status) tt_value_move(&n, &y);
    }
    if (!status) status = tt_value_conv(p->device, &p->u->conv_out, &n.t, NULL, NULL, out, err);
    tt_value_free(&n);
    return status;
}

static int count_skips(const tt_unet_config *c)
{
    int n = c->levels; /* conv_in and the samplers */
    for (int b = 0; b < c->levels; b++)
        n += c->layers_per_block[b];
    return n;
}

tt_status tt_unet_compute(tt_unet *u, const tt_tensor in[TT_UNET_INPUTS], const tt_unet_context *context,
                          tt_value *out, tt_error *err)
{
    pass p = {.u = u, .device = u->device, .context = context};
    p.skips = tt_alloc_array((size_t)count_skips(&u->config), sizeof *p.skips);
    if (!p.skips) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    tt_status status = embed_time(&p, &in[0], err);
    if (!status) status = embed_input(&p, &in[1], err);
    if (!status) status = run_down(&p, err);
    if (!status) status = run_mid(&p, err);
    if (!status) status = run_up(&p, err);
    if (!status) status = finish(&p, out, err);
    tt_value_free(&p.h);
    tt_value_free(&p.time);
    while (p.n_skips > 0)
        tt_value_free(&p.skips[--p.n_skips]);
    tt_free(p.skips);
    return status;
}

/* ---- inputs and outputs ---- */

tt_status tt_unet_inputs_create(tt_unet *u, tt_scope *scope, int n, int height, int width,
                                tt_tensor in[TT_UNET_INPUTS], tt_error *err)
{
    const int64_t features[2] = {n, u->config.block_out_channels[0]};
    const int64_t x[4] = {n, height, width, u->config.in_channels};
    tt_status status = tt_tensor_create(scope, TT_F32, 2, features, &in[0], err);
    return status ? status : tt_tensor_create(scope, TT_F32, 4, x, &in[1], err);
}

tt_status tt_unet_inputs_upload(tt_unet *u, tt_tensor in[TT_UNET_INPUTS], const float *inputs,
                                const float *timesteps, tt_error *err)
{
    size_t n = (size_t)in[0].shape[0], width = (size_t)in[0].shape[1];
    float *features = tt_alloc_array(n * width, sizeof *features);
    if (!features) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    for (size_t i = 0; i < n; i++)
        tt_unet_time_features(&u->config, timesteps[i], features + i * width);
    tt_status status = tt_tensor_upload_f32(u->device, &in[0], features, err);
    tt_free(features);
    return status ? status : tt_tensor_upload_chw(u->device, &in[1], inputs, err);
}

/* ---- forward ---- */

static tt_status check_arguments(const tt_unet *u, int n, int height, int width, tt_unet_text *const *texts,
                                 tt_error *err)
{
    if (n < 1 || height < 1 || width < 1)
        return tt_fail(err, TT_ERR_INVALID, "UNet: %d samples of %dx%d: all must be >= 1", n, height, width);
    for (int i = 0; i < n && u->n_sites; i++)
        if (!texts || !texts[i] || texts[i]->unet != u)
            return tt_fail(err, TT_ERR_INVALID,
                           "UNet: sample %d has no condition, or one made by another UNet", i);
    return TT_OK;
}

tt_status tt_unet_forward_maps(tt_unet *u, int n, int height, int width, const float *inputs,
                               const float *timesteps, tt_unet_text *const *texts, float *outputs,
                               const tt_unet_maps *maps, tt_error *err)
{
    tt_status status = check_arguments(u, n, height, width, texts, err);
    if (status) return status;
    if (!maps && tt_unet_records(u, n, texts))
        return tt_unet_forward_recorded(u, n, height, width, inputs, timesteps, texts, outputs, err);
    tt_scope *scope = NULL;
    tt_tensor in[TT_UNET_INPUTS];
    tt_value out = {0};
    const tt_unet_context context = {.texts = texts, .maps = maps};
    status = tt_scope_open(u->device, &scope, err);
    if (!status) status = tt_unet_inputs_create(u, scope, n, height, width, in, err);
    if (!status) status = tt_unet_inputs_upload(u, in, inputs, timesteps, err);
    if (!status) status = tt_unet_compute(u, in, &context, &out, err);
    if (!status) status = tt_tensor_download_chw(u->device, &out.t, outputs, err);
    tt_value_free(&out);
    tt_scope_close(scope);
    return status;
}

tt_status tt_unet_forward(tt_unet *u, int n, int height, int width, const float *inputs,
                          const float *timesteps, tt_unet_text *const *texts, float *outputs, tt_error *err)
{
    return tt_unet_forward_maps(u, n, height, width, inputs, timesteps, texts, outputs, NULL, err);
}
