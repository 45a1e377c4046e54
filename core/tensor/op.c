/* tt_run and tt_pack: shapes, types and attributes are checked here, by the table in telltale/backend.h, so
 * that no backend has to. */
#include "tensor/device.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *tt_op_name(tt_op_code code)
{
    static const char *const names[TT_OP_COUNT] = {
        "linear", "conv2d", "group_norm", "layer_norm",       "attention", "activation", "geglu",
        "add",    "scale",  "concat",     "upsample_nearest", "embedding", "softmax",    "cast"};
    return code >= 0 && code < TT_OP_COUNT ? names[code] : "unknown";
}

static void describe(const tt_tensor *t, char *text, size_t size)
{
    if (!t) {
        snprintf(text, size, "none");
        return;
    }
    size_t at = (size_t)snprintf(text, size, "%s[", tt_type_name(t->type));
    for (int32_t i = 0; i < t->rank && i < TT_MAX_RANK && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    if (at < size) snprintf(text + at, size - at, "]");
}

static tt_status bad(const tt_op *op, tt_error *err, const char *what)
{
    char in[TT_OP_MAX_IN][96], out[96];
    for (int i = 0; i < TT_OP_MAX_IN; i++)
        describe(op->in[i], in[i], sizeof in[i]);
    describe(op->out[0], out, sizeof out);
    return tt_fail(err, TT_ERR_INVALID, "%s: %s (in %s, %s, %s; out %s)", tt_op_name(op->code), what, in[0],
                   in[1], in[2], out);
}

static int64_t last(const tt_tensor *t)
{
    return t->rank > 0 ? t->shape[t->rank - 1] : 1;
}

static bool same_shape(const tt_tensor *a, const tt_tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* equal in all dimensions but the last */
static bool same_rows(const tt_tensor *a, const tt_tensor *b)
{
    return a->rank == b->rank && a->rank >= 1 &&
           memcmp(a->shape, b->shape, (size_t)(a->rank - 1) * sizeof *a->shape) == 0;
}

static bool may_be_strided(const tt_op *op)
{
    return op->code == TT_OP_LINEAR || op->code == TT_OP_ATTENTION;
}

static tt_status check_tensors(const tt_op *op, tt_error *err)
{
    if (!op->in[0] || !op->out[0]) return bad(op, err, "needs an input and an output");
    for (int i = 0; i < TT_OP_MAX_IN; i++) {
        if (!op->in[i]) continue;
        if (!tt_tensor_is_valid(op->in[i])) return bad(op, err, "an input is no tensor");
        if (!tt_tensor_is_dense(op->in[i]) &&
            !(may_be_strided(op) && (i == 0 || op->code == TT_OP_ATTENTION)))
            return bad(op, err, "an input must be dense");
    }
    for (int i = 0; i < TT_OP_MAX_OUT; i++)
        if (op->out[i] && (!tt_tensor_is_valid(op->out[i]) || !tt_tensor_is_dense(op->out[i])))
            return bad(op, err, "an output must be a dense tensor");
    bool mixed = op->code == TT_OP_CAST || op->code == TT_OP_EMBEDDING;
    for (int i = 0; i < TT_OP_MAX_IN && !mixed; i++)
        if (op->in[i] && (op->in[i]->type != op->out[0]->type || !tt_type_is_float(op->in[i]->type)))
            return bad(op, err, "inputs and output must have one floating type");
    return TT_OK;
}

static tt_status check_linear(const tt_op *op, tt_error *err)
{
    if (!op->packed) return bad(op, err, "needs packed weights");
    if (!same_rows(op->in[0], op->out[0])) return bad(op, err, "rows of input and output differ");
    if (op->in[1] && !same_shape(op->in[1], op->out[0]))
        return bad(op, err, "the residual must have the output's shape");
    if ((unsigned)op->attr.linear.activation > TT_ACT_QUICK_GELU) return bad(op, err, "unknown activation");
    return TT_OK;
}

static tt_status check_conv(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    if (!op->packed) return bad(op, err, "needs packed weights");
    if (x->rank != 4 || y->rank != 4 || x->shape[0] != y->shape[0])
        return bad(op, err, "input and output must be [batch, height, width, channels] of one batch");
    if (op->attr.conv.stride_y < 1 || op->attr.conv.stride_x < 1 || op->attr.conv.pad_top < 0 ||
        op->attr.conv.pad_left < 0 || op->attr.conv.pad_bottom < 0 || op->attr.conv.pad_right < 0)
        return bad(op, err, "strides must be at least 1 and pads at least 0");
    if (op->in[1] && !same_shape(op->in[1], y))
        return bad(op, err, "the residual must have the output's shape");
    const tt_tensor *c = op->in[2];
    if (c && (c->rank != 2 || c->shape[0] != y->shape[0] || c->shape[1] != y->shape[3]))
        return bad(op, err, "the channel bias must be [batch, channels]");
    return TT_OK;
}

static tt_status check_norm(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0];
    if (!op->packed) return bad(op, err, "needs packed weights");
    if (!same_shape(x, op->out[0])) return bad(op, err, "input and output differ in shape");
    if (!(op->attr.norm.eps > 0)) return bad(op, err, "eps must be above 0");
    if (op->code == TT_OP_GROUP_NORM &&
        (x->rank < 2 || op->attr.norm.groups < 1 || last(x) % op->attr.norm.groups != 0))
        return bad(op, err, "channels must be a multiple of the groups");
    return TT_OK;
}

static tt_status check_attention(const tt_op *op, tt_error *err)
{
    const tt_tensor *q = op->in[0], *k = op->in[1], *v = op->in[2], *y = op->out[0], *maps = op->out[1];
    int64_t heads = op->attr.attention.heads;
    if (!k || !v || q->rank != 3 || k->rank != 3 || !same_shape(k, v) || !same_shape(q, y) ||
        q->shape[0] != k->shape[0] || q->shape[2] != k->shape[2])
        return bad(op, err, "q and y must be [batch, tokens, width], k and v [batch, other tokens, width]");
    if (heads < 1 || q->shape[2] % heads != 0) return bad(op, err, "width must be a multiple of the heads");
    if (!isfinite(op->attr.attention.scale)) return bad(op, err, "the scale must be finite");
    if (op->attr.attention.causal && q->shape[1] != k->shape[1])
        return bad(op, err, "a causal mask needs as many keys as queries");
    if (maps && (maps->type != TT_F32 || maps->rank != 4 || maps->shape[0] != q->shape[0] ||
                 maps->shape[1] != heads || maps->shape[2] != q->shape[1] || maps->shape[3] != k->shape[1]))
        return bad(op, err, "maps must be f32 [batch, heads, tokens, other tokens]");
    return TT_OK;
}

static tt_status check_shapes(const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    switch (op->code) {
    case TT_OP_LINEAR:
        return check_linear(op, err);
    case TT_OP_CONV2D:
        return check_conv(op, err);
    case TT_OP_GROUP_NORM:
    case TT_OP_LAYER_NORM:
        return check_norm(op, err);
    case TT_OP_ATTENTION:
        return check_attention(op, err);
    case TT_OP_ACTIVATION:
        if ((unsigned)op->attr.activation > TT_ACT_QUICK_GELU) return bad(op, err, "unknown activation");
        break;
    case TT_OP_GEGLU:
        return same_rows(x, y) && last(x) == 2 * last(y)
                   ? TT_OK
                   : bad(op, err, "input must be twice as wide as output");
    case TT_OP_ADD:
        if (!op->in[1] || !same_shape(x, op->in[1])) return bad(op, err, "the two inputs differ in shape");
        break;
    case TT_OP_CONCAT:
        return op->in[1] && same_rows(x, op->in[1]) && same_rows(x, y) && last(y) == last(x) + last(op->in[1])
                   ? TT_OK
                   : bad(op, err, "rows must agree and widths add up");
    case TT_OP_UPSAMPLE_NEAREST:
        return x->rank == 4 && y->rank == 4 && x->shape[0] == y->shape[0] && x->shape[3] == y->shape[3]
                   ? TT_OK
                   : bad(op, err, "batch and channels must agree");
    case TT_OP_EMBEDDING:
        return op->packed && x->type == TT_I32 && tt_type_is_float(y->type) && y->rank == x->rank + 1 &&
                       memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape) == 0
                   ? TT_OK
                   : bad(op, err, "needs packed weights, ids as i32 [...] and an output [..., width]");
    default:
        break;
    }
    return same_shape(x, y) ? TT_OK : bad(op, err, "input and output differ in shape");
}

/* An operation that ended for lack of memory may have written some of its output: over its input? */
static bool is_repeatable(const tt_op *op)
{
    for (int i = 0; i < TT_OP_MAX_IN; i++)
        for (int k = 0; k < TT_OP_MAX_OUT; k++)
            if (op->in[i] && op->out[k] && op->in[i]->data == op->out[k]->data) return false;
    return true;
}

tt_status tt_run(tt_device *device, const tt_op *op, tt_error *err)
{
    if ((unsigned)op->code >= TT_OP_COUNT)
        return tt_fail(err, TT_ERR_INVALID, "operation %d is unknown", op->code);
    tt_status s = check_tensors(op, err);
    if (!s) s = check_shapes(op, err);
    if (s) return s;
    tt_type type = op->code == TT_OP_CAST ? op->in[0]->type : op->out[0]->type;
    if (!device->backend->supports(device->self, op->code, type))
        return tt_fail(err, TT_ERR_UNSUPPORTED, "backend %s has no %s for %s", device->backend->name,
                       tt_op_name(op->code), tt_type_name(type));
    tt_status status;
    do
        status = device->backend->run(device->self, op, err);
    while (status == TT_ERR_MEMORY && is_repeatable(op) && tt_device_make_room(device));
    return status;
}

/* Ranks that a weight may have, by operation. */
static bool rank_fits(tt_op_code code, int32_t rank)
{
    switch (code) {
    case TT_OP_LINEAR:
    case TT_OP_EMBEDDING:
        return rank == 2;
    case TT_OP_CONV2D:
        return rank == 4;
    case TT_OP_GROUP_NORM:
    case TT_OP_LAYER_NORM:
        return rank == 1;
    default:
        return false;
    }
}

tt_status tt_pack(tt_device *device, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                  tt_error *err)
{
    *packed = NULL;
    const char *name = tt_op_name(like->code);
    if (!rank_fits(like->code, w->rank) || !w->weight)
        return tt_fail(err, TT_ERR_INVALID, "%s: takes no weight of rank %d", name, w->rank);
    int64_t count;
    if (!tt_shape_count(w->rank, w->shape, &count))
        return tt_fail(err, TT_ERR_INVALID, "%s: an impossible shape", name);
    if (!tt_type_is_float(w->weight_type) || (w->bias && !tt_type_is_float(w->bias_type)) ||
        !tt_type_is_float(type))
        return tt_fail(err, TT_ERR_INVALID, "%s: weights must be of a floating type", name);
    if ((like->code == TT_OP_GROUP_NORM || like->code == TT_OP_LAYER_NORM) && !w->bias)
        return tt_fail(err, TT_ERR_INVALID, "%s: needs gamma and beta", name);
    if (!device->backend->supports(device->self, like->code, type))
        return tt_fail(err, TT_ERR_UNSUPPORTED, "backend %s has no %s for %s", device->backend->name, name,
                       tt_type_name(type));
    tt_status status;
    do
        status = device->backend->pack(device->self, like, w, type, packed, err);
    while (status == TT_ERR_MEMORY && tt_device_make_room(device));
    return status;
}

void tt_unpack(tt_device *device, tt_packed *packed)
{
    if (packed) device->backend->unpack(device->self, packed);
}
