#include "nn/layers.h"

/* ---- packing ---- */

static tt_status pack(tt_device *device, tt_op_code code, const tt_weights *w, tt_type type,
                      tt_packed **packed, tt_op *like, tt_error *err)
{
    like->code = code;
    return tt_pack(device, like, w, type, packed, err);
}

tt_status tt_linear_pack(tt_device *device, tt_linear *layer, const tt_weights *w, tt_type type,
                         tt_error *err)
{
    tt_op like = {.attr.linear.activation = layer->activation};
    layer->out = w->shape[0];
    layer->in = w->shape[1];
    return pack(device, TT_OP_LINEAR, w, type, &layer->packed, &like, err);
}

static void set_conv(const tt_conv *layer, tt_op *op)
{
    op->attr.conv.stride_y = op->attr.conv.stride_x = layer->stride;
    op->attr.conv.pad_top = layer->pad_top;
    op->attr.conv.pad_left = layer->pad_left;
    op->attr.conv.pad_bottom = layer->pad_bottom;
    op->attr.conv.pad_right = layer->pad_right;
}

tt_status tt_conv_pack(tt_device *device, tt_conv *layer, const tt_weights *w, tt_type type, tt_error *err)
{
    tt_op like = {0};
    set_conv(layer, &like);
    layer->out = w->shape[0];
    layer->in = w->shape[1];
    layer->kernel = (int)w->shape[2];
    if (w->shape[2] != w->shape[3])
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "a convolution kernel of %lld by %lld: only square ones are done",
                       (long long)w->shape[2], (long long)w->shape[3]);
    return pack(device, TT_OP_CONV2D, w, type, &layer->packed, &like, err);
}

tt_status tt_norm_pack(tt_device *device, tt_norm *layer, const tt_weights *w, tt_type type, tt_error *err)
{
    tt_op like = {.attr.norm = {layer->groups, layer->silu, layer->eps}};
    layer->channels = w->shape[0];
    return pack(device, layer->groups ? TT_OP_GROUP_NORM : TT_OP_LAYER_NORM, w, type, &layer->packed, &like,
                err);
}

/* ---- applying ---- */

tt_status tt_linear_apply(tt_scope *scope, const tt_linear *layer, const tt_tensor *x,
                          const tt_tensor *residual, tt_tensor *y, tt_error *err)
{
    if (x->rank < 1) return tt_fail(err, TT_ERR_INVALID, "linear: an input without dimensions");
    int64_t shape[TT_MAX_RANK];
    for (int32_t i = 0; i < x->rank; i++)
        shape[i] = x->shape[i];
    shape[x->rank - 1] = layer->out;
    tt_status s = tt_tensor_create(scope, x->type, x->rank, shape, y, err);
    if (s) return s;
    tt_op op = {.code = TT_OP_LINEAR, .in = {x, residual}, .out = {y}, .packed = layer->packed};
    op.attr.linear.activation = layer->activation;
    return tt_run(tt_scope_device(scope), &op, err);
}

tt_status tt_conv_apply(tt_scope *scope, const tt_conv *layer, const tt_tensor *x, const tt_tensor *residual,
                        const tt_tensor *channel_bias, tt_tensor *y, tt_error *err)
{
    if (x->rank != 4)
        return tt_fail(err, TT_ERR_INVALID, "conv2d: the input must be [batch, height, width, channels]");
    int64_t height = x->shape[1] + layer->pad_top + layer->pad_bottom - layer->kernel;
    int64_t width = x->shape[2] + layer->pad_left + layer->pad_right - layer->kernel;
    if (height < 0 || width < 0)
        return tt_fail(err, TT_ERR_INVALID, "conv2d: an image of %lldx%lld is smaller than the kernel",
                       (long long)x->shape[2], (long long)x->shape[1]);
    const int64_t shape[4] = {x->shape[0], height / layer->stride + 1, width / layer->stride + 1, layer->out};
    tt_status s = tt_tensor_create(scope, x->type, 4, shape, y, err);
    if (s) return s;
    tt_op op = {.code = TT_OP_CONV2D, .in = {x, residual, channel_bias}, .out = {y}, .packed = layer->packed};
    set_conv(layer, &op);
    return tt_run(tt_scope_device(scope), &op, err);
}

tt_status tt_norm_apply(tt_scope *scope, const tt_norm *layer, const tt_tensor *x, tt_tensor *y,
                        tt_error *err)
{
    tt_status s = tt_tensor_create(scope, x->type, x->rank, x->shape, y, err);
    if (s) return s;
    tt_op op = {.code = layer->groups ? TT_OP_GROUP_NORM : TT_OP_LAYER_NORM,
                .in = {x},
                .out = {y},
                .packed = layer->packed,
                .attr.norm = {layer->groups, layer->silu, layer->eps}};
    return tt_run(tt_scope_device(scope), &op, err);
}
