#include "models/blocks.h"

#include <math.h>

tt_status tt_value_create(tt_device *device, tt_type type, int32_t rank, const int64_t *shape, tt_value *v,
                          tt_error *err)
{
    *v = (tt_value){0};
    tt_status status = tt_scope_open(device, &v->scope, err);
    if (status) return status;
    status = tt_tensor_create(v->scope, type, rank, shape, &v->t, err);
    if (status) tt_value_free(v);
    return status;
}

void tt_value_free(tt_value *v)
{
    tt_scope_close(v->scope);
    *v = (tt_value){0};
}

void tt_value_move(tt_value *to, tt_value *from)
{
    tt_scope_close(to->scope);
    *to = *from;
    *from = (tt_value){0};
}

/* ---- one operation, one value ---- */

tt_status tt_value_linear(tt_device *device, const tt_linear *layer, const tt_tensor *x,
                          const tt_tensor *residual, tt_value *y, tt_error *err)
{
    *y = (tt_value){0};
    tt_status status = tt_scope_open(device, &y->scope, err);
    if (!status) status = tt_linear_apply(y->scope, layer, x, residual, &y->t, err);
    if (status) tt_value_free(y);
    return status;
}

tt_status tt_value_conv(tt_device *device, const tt_conv *layer, const tt_tensor *x,
                        const tt_tensor *residual, const tt_tensor *channel_bias, tt_value *y, tt_error *err)
{
    *y = (tt_value){0};
    tt_status status = tt_scope_open(device, &y->scope, err);
    if (!status) status = tt_conv_apply(y->scope, layer, x, residual, channel_bias, &y->t, err);
    if (status) tt_value_free(y);
    return status;
}

tt_status tt_value_norm(tt_device *device, const tt_norm *layer, const tt_tensor *x, tt_value *y,
                        tt_error *err)
{
    *y = (tt_value){0};
    tt_status status = tt_scope_open(device, &y->scope, err);
    if (!status) status = tt_norm_apply(y->scope, layer, x, &y->t, err);
    if (status) tt_value_free(y);
    return status;
}

/* Creates y and runs op into it. */
static tt_status run_into(tt_device *device, tt_op *op, tt_type type, int32_t rank, const int64_t *shape,
                          tt_value *y, tt_error *err)
{
    tt_status status = tt_value_create(device, type, rank, shape, y, err);
    if (status) return status;
    op->out[0] = &y->t;
    status = tt_run(device, op, err);
    if (status) tt_value_free(y);
    return status;
}

tt_status tt_value_cast(tt_device *device, const tt_tensor *x, tt_type type, tt_value *y, tt_error *err)
{
    tt_op op = {.code = TT_OP_CAST, .in = {x}};
    return run_into(device, &op, type, x->rank, x->shape, y, err);
}

tt_status tt_value_concat(tt_device *device, const tt_tensor *a, const tt_tensor *b, tt_value *y,
                          tt_error *err)
{
    int64_t shape[TT_MAX_RANK] = {0};
    for (int32_t i = 0; i < a->rank; i++)
        shape[i] = a->shape[i];
    shape[a->rank - 1] += b->shape[b->rank - 1];
    tt_op op = {.code = TT_OP_CONCAT, .in = {a, b}};
    return run_into(device, &op, a->type, a->rank, shape, y, err);
}

tt_status tt_value_upsample(tt_device *device, const tt_tensor *x, int64_t height, int64_t width, tt_value *y,
                            tt_error *err)
{
    const int64_t shape[4] = {x->shape[0], height, width, x->shape[3]};
    tt_op op = {.code = TT_OP_UPSAMPLE_NEAREST, .in = {x}};
    return run_into(device, &op, x->type, 4, shape, y, err);
}

tt_status tt_value_geglu(tt_device *device, const tt_tensor *x, tt_value *y, tt_error *err)
{
    int64_t shape[TT_MAX_RANK] = {0};
    for (int32_t i = 0; i < x->rank; i++)
        shape[i] = x->shape[i];
    shape[x->rank - 1] /= 2;
    tt_op op = {.code = TT_OP_GEGLU, .in = {x}};
    return run_into(device, &op, x->type, x->rank, shape, y, err);
}

tt_status tt_value_attention(tt_device *device, const tt_tensor *q, const tt_tensor *const *k,
                             const tt_tensor *const *v, int n_pairs, int heads, bool causal, tt_value *y,
                             tt_error *err)
{
    tt_status status = tt_value_create(device, q->type, q->rank, q->shape, y, err);
    int64_t head_size = q->shape[q->rank - 1] / heads;
    tt_op op = {.code = TT_OP_ATTENTION};
    op.attr.attention.heads = heads;
    op.attr.attention.causal = causal;
    op.attr.attention.scale = 1.0 / sqrt((double)head_size);
    for (int i = 0; i < (n_pairs ? n_pairs : 1) && !status; i++) {
        tt_tensor qi = n_pairs ? tt_tensor_batch(q, i, 1) : *q;
        tt_tensor yi = n_pairs ? tt_tensor_batch(&y->t, i, 1) : y->t;
        op.in[0] = &qi;
        op.in[1] = k[i];
        op.in[2] = v[i];
        op.out[0] = &yi;
        status = tt_run(device, &op, err);
    }
    if (status) tt_value_free(y);
    return status;
}

tt_tensor tt_as_tokens(const tt_tensor *image)
{
    const int64_t shape[3] = {image->shape[0], image->shape[1] * image->shape[2], image->shape[3]};
    return tt_tensor_reshape(image, 3, shape);
}

tt_tensor tt_as_image(const tt_tensor *tokens, int64_t height, int64_t width)
{
    const int64_t shape[4] = {tokens->shape[0], height, width, tokens->shape[2]};
    return tt_tensor_reshape(tokens, 4, shape);
}

/* ---- ResNet block ---- */

tt_status tt_resnet_load(const tt_loader *l, tt_resnet *r, const char *name, int64_t in, int64_t out,
                         int64_t time_width, int groups, double eps, tt_error *err)
{
    char part[TT_NAME_MAX];
    tt_status status;
    if ((status = tt_name(part, err, "%s.norm1", name))) return status;
    if ((status = tt_load_norm(l, &r->norm1, part, in, groups, eps, true, err))) return status;
    if ((status = tt_name(part, err, "%s.conv1", name))) return status;
    if ((status = tt_load_conv(l, &r->conv1, part, in, out, 3, 1, 1, false, err))) return status;
    if (time_width) {
        if ((status = tt_name(part, err, "%s.time_emb_proj", name))) return status;
        status = tt_load_linear(l, &r->time, part, time_width, out, true, TT_ACT_NONE, err);
        if (status) return status;
    }
    if ((status = tt_name(part, err, "%s.norm2", name))) return status;
    if ((status = tt_load_norm(l, &r->norm2, part, out, groups, eps, true, err))) return status;
    if ((status = tt_name(part, err, "%s.conv2", name))) return status;
    if ((status = tt_load_conv(l, &r->conv2, part, out, out, 3, 1, 1, false, err))) return status;
    if (in == out) return TT_OK;
    if ((status = tt_name(part, err, "%s.conv_shortcut", name))) return status;
    /* a 1x1 convolution is a linear layer over the channels of each pixel */
    return tt_load_linear(l, &r->shortcut, part, in, out, true, TT_ACT_NONE, err);
}

void tt_resnet_unload(tt_device *device, tt_resnet *r)
{
    tt_unpack(device, r->norm1.packed);
    tt_unpack(device, r->norm2.packed);
    tt_unpack(device, r->conv1.packed);
    tt_unpack(device, r->conv2.packed);
    tt_unpack(device, r->time.packed);
    tt_unpack(device, r->shortcut.packed);
    *r = (tt_resnet){0};
}

/* r = conv1(silu(GN(x))) + time; y = conv2(silu(GN(r))) + shortcut(x): the time term rides on conv1 as its
 * channel bias, the sum on conv2 as its residual. */
tt_status tt_resnet_apply(tt_device *device, const tt_resnet *r, tt_value *x, const tt_tensor *time,
                          tt_value *y, tt_error *err)
{
    tt_value a = {0}, b = {0}, t = {0};
    tt_status status = TT_OK;
    *y = (tt_value){0};
    if (r->time.packed) status = tt_value_linear(device, &r->time, time, NULL, &t, err);
    if (!status) status = tt_value_norm(device, &r->norm1, &x->t, &a, err);
    if (!status) status = tt_value_conv(device, &r->conv1, &a.t, NULL, t.scope ? &t.t : NULL, &b, err);
    tt_value_free(&a);
    if (!status) status = tt_value_norm(device, &r->norm2, &b.t, &a, err);
    tt_value_free(&b);
    if (!status && r->shortcut.packed) {
        status = tt_value_linear(device, &r->shortcut, &x->t, NULL, &b, err);
        if (!status) tt_value_move(x, &b);
    }
    if (!status) status = tt_value_conv(device, &r->conv2, &a.t, &x->t, NULL, y, err);
    tt_value_free(&a);
    tt_value_free(&t);
    tt_value_free(x);
    return status;
}
