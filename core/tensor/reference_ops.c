/* The loops of the reference backend. Shapes were checked by tt_run; what depends on packed weights is
 * checked here. */
#include "tensor/reference.h"

#include <math.h>
#include <string.h>

static tt_status misfit(const tt_op *op, tt_error *err)
{
    return tt_fail(err, TT_ERR_INVALID, "%s: the packed weights have another shape than the tensors",
                   tt_op_name(op->code));
}

static int64_t width(const tt_tensor *t)
{
    return t->shape[t->rank - 1];
}

tt_status tt_ref_linear(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *residual = op->in[1];
    tt_tensor *y = op->out[0];
    const tt_packed *w = op->packed;
    int64_t k = width(x), n = width(y), rows = tt_tensor_rows(y);
    if (w->rank != 2 || w->shape[0] != n || w->shape[1] != k) return misfit(op, err);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++) {
            double sum = w->bias ? w->bias[j] : 0;
            for (int64_t i = 0; i < k; i++)
                sum += tt_ref_at(x, r, i) * w->weight[j * k + i];
            sum = tt_ref_activate(op->attr.linear.activation, sum);
            if (residual) sum += tt_ref_at(residual, r, j);
            tt_ref_store(y->type, y->data, r * n + j, sum);
        }
    return TT_OK;
}

/* One output element: channel o of pixel (y0, x0), the window's corner in the padded input. */
static double conv_at(const tt_tensor *x, const tt_packed *w, int64_t b, int64_t y0, int64_t x0, int64_t o)
{
    int64_t height = x->shape[1], columns = x->shape[2], channels = x->shape[3], kh = w->shape[2],
            kw = w->shape[3];
    double sum = w->bias ? w->bias[o] : 0;
    for (int64_t dy = 0; dy < kh; dy++)
        for (int64_t dx = 0; dx < kw; dx++) {
            int64_t py = y0 + dy, px = x0 + dx;
            if (py < 0 || py >= height || px < 0 || px >= columns) continue;
            for (int64_t c = 0; c < channels; c++)
                sum += tt_ref_load(x->type, x->data, ((b * height + py) * columns + px) * channels + c) *
                       w->weight[((o * channels + c) * kh + dy) * kw + dx];
        }
    return sum;
}

tt_status tt_ref_conv(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *residual = op->in[1], *channel_bias = op->in[2];
    tt_tensor *y = op->out[0];
    const tt_packed *w = op->packed;
    int64_t kh = w->shape[2], kw = w->shape[3], n = y->shape[3];
    int64_t tall = x->shape[1] + op->attr.conv.pad_top + op->attr.conv.pad_bottom - kh;
    int64_t wide = x->shape[2] + op->attr.conv.pad_left + op->attr.conv.pad_right - kw;
    if (w->rank != 4 || w->shape[0] != n || w->shape[1] != x->shape[3] || tall < 0 || wide < 0 ||
        y->shape[1] != tall / op->attr.conv.stride_y + 1 || y->shape[2] != wide / op->attr.conv.stride_x + 1)
        return misfit(op, err);
    int64_t at = 0;
    for (int64_t b = 0; b < y->shape[0]; b++)
        for (int64_t i = 0; i < y->shape[1]; i++)
            for (int64_t j = 0; j < y->shape[2]; j++)
                for (int64_t o = 0; o < n; o++, at++) {
                    double sum = conv_at(x, w, b, i * op->attr.conv.stride_y - op->attr.conv.pad_top,
                                         j * op->attr.conv.stride_x - op->attr.conv.pad_left, o);
                    if (channel_bias) sum += tt_ref_load(channel_bias->type, channel_bias->data, b * n + o);
                    if (residual) sum += tt_ref_load(residual->type, residual->data, at);
                    tt_ref_store(y->type, y->data, at, sum);
                }
    return TT_OK;
}

/* Normalises channels [first, first + count) of `pixels` rows from row `row`. */
static void normalise(const tt_op *op, int64_t row, int64_t pixels, int64_t first, int64_t count)
{
    const tt_tensor *x = op->in[0];
    tt_tensor *y = op->out[0];
    int64_t channels = width(x);
    double n = (double)(pixels * count), mean = 0, variance = 0;
    for (int64_t p = row; p < row + pixels; p++)
        for (int64_t c = first; c < first + count; c++)
            mean += tt_ref_at(x, p, c) / n;
    for (int64_t p = row; p < row + pixels; p++)
        for (int64_t c = first; c < first + count; c++) {
            double d = tt_ref_at(x, p, c) - mean;
            variance += d * d / n;
        }
    double scale = 1 / sqrt(variance + op->attr.norm.eps);
    for (int64_t p = row; p < row + pixels; p++)
        for (int64_t c = first; c < first + count; c++) {
            double v = (tt_ref_at(x, p, c) - mean) * scale * op->packed->weight[c] + op->packed->bias[c];
            if (op->code == TT_OP_GROUP_NORM && op->attr.norm.silu) v = tt_ref_activate(TT_ACT_SILU, v);
            tt_ref_store(y->type, y->data, p * channels + c, v);
        }
}

tt_status tt_ref_norm(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0];
    int64_t rows = tt_tensor_rows(x), channels = width(x);
    if (op->packed->rank != 1 || op->packed->shape[0] != channels) return misfit(op, err);
    if (op->code == TT_OP_LAYER_NORM) {
        for (int64_t r = 0; r < rows; r++)
            normalise(op, r, 1, 0, channels);
        return TT_OK;
    }
    int64_t batch = x->shape[0], pixels = rows / batch, size = channels / op->attr.norm.groups;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t g = 0; g < op->attr.norm.groups; g++)
            normalise(op, b * pixels, pixels, g * size, size);
    return TT_OK;
}

/* softmax of n values in place, the largest subtracted first */
static void softmax(double *p, int64_t n)
{
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        top = p[i] > top ? p[i] : top;
    for (int64_t i = 0; i < n; i++) {
        p[i] = exp(p[i] - top);
        sum += p[i];
    }
    for (int64_t i = 0; i < n; i++)
        p[i] /= sum;
}

tt_status tt_ref_attention(const tt_op *op, tt_error *err)
{
    const tt_tensor *q = op->in[0], *k = op->in[1], *v = op->in[2];
    tt_tensor *y = op->out[0], *maps = op->out[1];
    int64_t batch = q->shape[0], tq = q->shape[1], tk = k->shape[1], heads = op->attr.attention.heads;
    int64_t d = width(q) / heads;
    double *p = tt_alloc_array((size_t)tk, sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "attention: out of memory");
    for (int64_t b = 0; b < batch; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < tq; i++) {
                for (int64_t j = 0; j < tk; j++) {
                    double dot = 0;
                    for (int64_t c = 0; c < d; c++)
                        dot += tt_ref_at(q, b * tq + i, h * d + c) * tt_ref_at(k, b * tk + j, h * d + c);
                    p[j] = op->attr.attention.causal && j > i ? -INFINITY : dot * op->attr.attention.scale;
                }
                softmax(p, tk);
                for (int64_t j = 0; maps && j < tk; j++)
                    tt_ref_store(TT_F32, maps->data, ((b * heads + h) * tq + i) * tk + j, p[j]);
                for (int64_t c = 0; c < d; c++) {
                    double sum = 0;
                    for (int64_t j = 0; j < tk; j++)
                        sum += p[j] * tt_ref_at(v, b * tk + j, h * d + c);
                    tt_ref_store(y->type, y->data, (b * tq + i) * heads * d + h * d + c, sum);
                }
            }
    tt_free(p);
    return TT_OK;
}

static tt_status embedding(const tt_op *op, tt_error *err)
{
    const tt_tensor *ids = op->in[0];
    tt_tensor *y = op->out[0];
    int64_t n = tt_tensor_count(ids), c = width(y);
    if (op->packed->rank != 2 || op->packed->shape[1] != c) return misfit(op, err);
    for (int64_t i = 0; i < n; i++) {
        int32_t id;
        memcpy(&id, (const char *)ids->data + (size_t)i * sizeof id, sizeof id);
        if (id < 0 || id >= op->packed->shape[0])
            return tt_fail(err, TT_ERR_INVALID, "embedding: id %d: must be between 0 and %lld", id,
                           (long long)op->packed->shape[0] - 1);
        for (int64_t j = 0; j < c; j++)
            tt_ref_store(y->type, y->data, i * c + j, op->packed->weight[id * c + j]);
    }
    return TT_OK;
}

static tt_status softmax_rows(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0];
    int64_t n = width(x), rows = tt_tensor_rows(x);
    double *p = tt_alloc_array((size_t)n, sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "softmax: out of memory");
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < n; i++)
            p[i] = tt_ref_at(x, r, i);
        softmax(p, n);
        for (int64_t i = 0; i < n; i++)
            tt_ref_store(op->out[0]->type, op->out[0]->data, r * n + i, p[i]);
    }
    tt_free(p);
    return TT_OK;
}

static void upsample(const tt_tensor *x, tt_tensor *y)
{
    int64_t at = 0, c = x->shape[3];
    for (int64_t b = 0; b < y->shape[0]; b++)
        for (int64_t i = 0; i < y->shape[1]; i++)
            for (int64_t j = 0; j < y->shape[2]; j++) {
                int64_t from = (b * x->shape[1] + i * x->shape[1] / y->shape[1]) * x->shape[2] +
                               j * x->shape[2] / y->shape[2];
                for (int64_t k = 0; k < c; k++, at++)
                    tt_ref_store(y->type, y->data, at, tt_ref_at(x, from, k));
            }
}

/* value of element (r, c) of the output of the operations that look at one place at a time */
static double element(const tt_op *op, int64_t r, int64_t c)
{
    const tt_tensor *x = op->in[0];
    switch (op->code) {
    case TT_OP_ACTIVATION:
        return tt_ref_activate(op->attr.activation, tt_ref_at(x, r, c));
    case TT_OP_GEGLU:
        return tt_ref_at(x, r, c) * tt_ref_activate(TT_ACT_GELU, tt_ref_at(x, r, c + width(op->out[0])));
    case TT_OP_ADD:
        return tt_ref_at(x, r, c) + tt_ref_at(op->in[1], r, c);
    case TT_OP_SCALE:
        return op->attr.scale.factor * tt_ref_at(x, r, c) + op->attr.scale.offset;
    default: /* concat */
        return c < width(x) ? tt_ref_at(x, r, c) : tt_ref_at(op->in[1], r, c - width(x));
    }
}

tt_status tt_ref_elementwise(const tt_op *op, tt_error *err)
{
    tt_tensor *y = op->out[0];
    switch (op->code) {
    case TT_OP_EMBEDDING:
        return embedding(op, err);
    case TT_OP_SOFTMAX:
        return softmax_rows(op, err);
    case TT_OP_UPSAMPLE_NEAREST:
        upsample(op->in[0], y);
        return TT_OK;
    case TT_OP_CAST:
        tt_convert(y->type, y->data, op->in[0]->type, op->in[0]->data, (size_t)tt_tensor_count(y));
        return TT_OK;
    default:
        break;
    }
    int64_t n = y->rank > 0 ? width(y) : 1, rows = tt_tensor_rows(y);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < n; c++)
            tt_ref_store(y->type, y->data, r * n + c, element(op, r, c));
    return TT_OK;
}
