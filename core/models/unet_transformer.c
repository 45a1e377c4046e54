/* Transformer2DModel of the UNet (specs/models-sd15.md 1.2, "Xf"). */
#include "base/mem.h"
#include "models/unet_internal.h"

#include <stdio.h>

static tt_status load_self(const tt_loader *l, tt_unet_block *b, const char *name, int64_t c, tt_error *err)
{
    char parts[3][TT_NAME_MAX];
    tt_status status = TT_OK;
    const char *const which[3] = {"to_q", "to_k", "to_v"};
    for (int i = 0; i < 3 && !status; i++)
        status = tt_name(parts[i], err, "%s.attn1.%s", name, which[i]);
    if (!status) status = tt_load_linear_stack(l, &b->self_qkv, parts, 3, c, c, false, err);
    if (!status) status = tt_name(parts[0], err, "%s.attn1.to_out.0", name);
    if (!status) status = tt_load_linear(l, &b->self_out, parts[0], c, c, true, TT_ACT_NONE, err);
    return status;
}

static tt_status load_cross(const tt_loader *l, tt_unet_block *b, const char *name, int64_t c, int64_t width,
                            tt_error *err)
{
    char parts[2][TT_NAME_MAX];
    tt_status status = tt_name(parts[0], err, "%s.attn2.to_q", name);
    if (!status) status = tt_load_linear(l, &b->cross_q, parts[0], c, c, false, TT_ACT_NONE, err);
    if (!status) status = tt_name(parts[0], err, "%s.attn2.to_k", name);
    if (!status) status = tt_name(parts[1], err, "%s.attn2.to_v", name);
    if (!status) status = tt_load_linear_stack(l, &b->cross_kv, parts, 2, width, c, false, err);
    if (!status) status = tt_name(parts[0], err, "%s.attn2.to_out.0", name);
    if (!status) status = tt_load_linear(l, &b->cross_out, parts[0], c, c, true, TT_ACT_NONE, err);
    return status;
}

static tt_status load_block(const tt_loader *l, tt_unet_block *b, const char *name, int64_t c, int64_t width,
                            tt_error *err)
{
    char part[TT_NAME_MAX];
    tt_norm *const norms[3] = {&b->norm1, &b->norm2, &b->norm3};
    tt_status status = TT_OK;
    for (int i = 0; i < 3 && !status; i++) {
        status = tt_name(part, err, "%s.norm%d", name, i + 1);
        if (!status) status = tt_load_norm(l, norms[i], part, c, 0, 1e-5, false, err);
    }
    if (!status) status = load_self(l, b, name, c, err);
    if (!status) status = load_cross(l, b, name, c, width, err);
    if (!status) status = tt_name(part, err, "%s.ff.net.0.proj", name);
    if (!status) status = tt_load_linear(l, &b->feed_in, part, c, 8 * c, true, TT_ACT_NONE, err);
    if (!status) status = tt_name(part, err, "%s.ff.net.2", name);
    if (!status) status = tt_load_linear(l, &b->feed_out, part, 4 * c, c, true, TT_ACT_NONE, err);
    return status;
}

tt_status tt_transformer_load(const tt_loader *l, tt_transformer *x, const char *name, int64_t channels,
                              int heads, int n_blocks, int groups, int cross_width, int *next_site,
                              tt_error *err)
{
    char part[TT_NAME_MAX];
    x->channels = channels;
    x->heads = heads;
    x->blocks = tt_alloc_array((size_t)n_blocks, sizeof *x->blocks);
    if (!x->blocks) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", name);
    x->n_blocks = n_blocks;
    tt_status status = tt_name(part, err, "%s.norm", name);
    if (!status) status = tt_load_norm(l, &x->norm, part, channels, groups, 1e-6, false, err);
    if (!status) status = tt_name(part, err, "%s.proj_in", name);
    /* [C,C,1,1] or, with use_linear_projection, [C,C]: the same product over the channels of a pixel */
    if (!status) status = tt_load_linear(l, &x->proj_in, part, channels, channels, true, TT_ACT_NONE, err);
    for (int i = 0; i < n_blocks && !status; i++) {
        x->blocks[i].site = (*next_site)++;
        status = tt_name(part, err, "%s.transformer_blocks.%d", name, i);
        if (!status) status = load_block(l, &x->blocks[i], part, channels, cross_width, err);
    }
    if (!status) status = tt_name(part, err, "%s.proj_out", name);
    if (!status) status = tt_load_linear(l, &x->proj_out, part, channels, channels, true, TT_ACT_NONE, err);
    return status;
}

void tt_transformer_unload(tt_device *device, tt_transformer *x)
{
    for (int i = 0; i < x->n_blocks; i++) {
        tt_unet_block *b = &x->blocks[i];
        tt_packed *const all[] = {b->norm1.packed,    b->norm2.packed,     b->norm3.packed,
                                  b->self_qkv.packed, b->self_out.packed,  b->cross_q.packed,
                                  b->cross_kv.packed, b->cross_out.packed, b->feed_in.packed,
                                  b->feed_out.packed};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            tt_unpack(device, all[j]);
    }
    tt_unpack(device, x->norm.packed);
    tt_unpack(device, x->proj_in.packed);
    tt_unpack(device, x->proj_out.packed);
    tt_free(x->blocks);
    *x = (tt_transformer){0};
}

/* h + O1(attn(Q n, K n, V n)), n = LN1(h) */
static tt_status apply_self(tt_device *device, const tt_unet_block *b, int heads, tt_value *h, tt_error *err)
{
    tt_value n = {0}, qkv = {0}, a = {0}, y = {0};
    int64_t c = h->t.shape[2];
    tt_status status = tt_value_norm(device, &b->norm1, &h->t, &n, err);
    if (!status) status = tt_value_linear(device, &b->self_qkv, &n.t, NULL, &qkv, err);
    tt_value_free(&n);
    if (!status) {
        const tt_tensor q = tt_tensor_columns(&qkv.t, 0, c);
        const tt_tensor k = tt_tensor_columns(&qkv.t, c, c), v = tt_tensor_columns(&qkv.t, 2 * c, c);
        const tt_tensor *ks = &k, *vs = &v;
        status = tt_value_attention(device, &q, &ks, &vs, 0, heads, false, &a, err);
    }
    tt_value_free(&qkv);
    if (!status) status = tt_value_linear(device, &b->self_out, &a.t, &h->t, &y, err);
    tt_value_free(&a);
    if (!status) tt_value_move(h, &y);
    return status;
}

/* attn(q, K c, V c) of a batch whose keys and values lie together */
static tt_status attend_together(tt_device *device, const tt_tensor *kv, int heads, const tt_tensor *q,
                                 tt_value *a, tt_error *err)
{
    int64_t c = kv->shape[2] / 2;
    const tt_tensor k = tt_tensor_columns(kv, 0, c), v = tt_tensor_columns(kv, c, c);
    const tt_tensor *ks = &k, *vs = &v;
    return tt_value_attention(device, q, &ks, &vs, 0, heads, false, a, err);
}

/* The same, each sample against its own text; size: the layer's height and width. */
static tt_status attend_apart(tt_device *device, const tt_unet_context *context, int site, int heads,
                              const int size[2], const tt_tensor *q, tt_value *a, tt_error *err)
{
    int batch = (int)q->shape[0];
    const tt_tensor **k = tt_alloc_array(2 * (size_t)batch, sizeof *k), **v = k ? k + batch : NULL;
    if (!k) return tt_fail(err, TT_ERR_MEMORY, "cross-attention: out of memory");
    for (int i = 0; i < batch; i++) {
        k[i] = &context->texts[i]->k[site];
        v[i] = &context->texts[i]->v[site];
    }
    tt_status status = TT_OK;
    if (context->maps) status = tt_unet_maps_add(device, context->maps, q, k, heads, size[0], size[1], err);
    if (!status) status = tt_value_attention(device, q, k, v, batch, heads, false, a, err);
    tt_free(k);
    return status;
}

/* h + O2(attn(Q n, K c, V c)), n = LN2(h) */
static tt_status apply_cross(tt_device *device, const tt_unet_block *b, int heads,
                             const tt_unet_context *context, const int size[2], tt_value *h, tt_error *err)
{
    tt_value n = {0}, q = {0}, a = {0}, y = {0};
    tt_status status = tt_value_norm(device, &b->norm2, &h->t, &n, err);
    if (!status) status = tt_value_linear(device, &b->cross_q, &n.t, NULL, &q, err);
    tt_value_free(&n);
    if (!status)
        status = context->kv ? attend_together(device, &context->kv[b->site], heads, &q.t, &a, err)
                             : attend_apart(device, context, b->site, heads, size, &q.t, &a, err);
    tt_value_free(&q);
    if (!status) status = tt_value_linear(device, &b->cross_out, &a.t, &h->t, &y, err);
    tt_value_free(&a);
    if (!status) tt_value_move(h, &y);
    return status;
}

/* h + W2(value·gelu(gate)), [value | gate] = W LN3(h) */
static tt_status apply_feed(tt_device *device, const tt_unet_block *b, tt_value *h, tt_error *err)
{
    tt_value a = {0}, y = {0};
    tt_status status = tt_value_norm(device, &b->norm3, &h->t, &a, err);
    if (!status) status = tt_value_linear(device, &b->feed_in, &a.t, NULL, &y, err);
    tt_value_free(&a);
    if (!status) status = tt_value_geglu(device, &y.t, &a, err);
    tt_value_free(&y);
    if (!status) status = tt_value_linear(device, &b->feed_out, &a.t, &h->t, &y, err);
    tt_value_free(&a);
    if (!status) tt_value_move(h, &y);
    return status;
}

tt_status tt_transformer_apply(tt_device *device, const tt_transformer *x, tt_value *h,
                               const tt_unet_context *context, tt_value *y, tt_error *err)
{
    tt_value n = {0}, t = {0};
    const int64_t height = h->t.shape[1], width = h->t.shape[2];
    const int size[2] = {(int)height, (int)width};
    const tt_tensor residual = tt_as_tokens(&h->t);
    *y = (tt_value){0};
    tt_status status = tt_value_norm(device, &x->norm, &h->t, &n, err);
    if (!status) {
        const tt_tensor tokens = tt_as_tokens(&n.t);
        status = tt_value_linear(device, &x->proj_in, &tokens, NULL, &t, err);
    }
    tt_value_free(&n);
    for (int i = 0; i < x->n_blocks && !status; i++) {
        status = apply_self(device, &x->blocks[i], x->heads, &t, err);
        if (!status) status = apply_cross(device, &x->blocks[i], x->heads, context, size, &t, err);
        if (!status) status = apply_feed(device, &x->blocks[i], &t, err);
    }
    if (!status) status = tt_value_linear(device, &x->proj_out, &t.t, &residual, y, err);
    if (!status) y->t = tt_as_image(&y->t, height, width);
    tt_value_free(&t);
    tt_value_free(h);
    return status;
}
