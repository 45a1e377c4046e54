/* The slow twin of every operation: plain loops, everything in double, rounded once. Right by inspection. */
#include "tensor/reference.h"
#include "telltale/plugin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double tt_ref_load(tt_type type, const void *data, int64_t i)
{
    double x;
    tt_convert(TT_F64, &x, type, (const char *)data + (size_t)i * tt_type_size(type), 1);
    return x;
}

void tt_ref_store(tt_type type, void *data, int64_t i, double x)
{
    tt_convert(type, (char *)data + (size_t)i * tt_type_size(type), TT_F64, &x, 1);
}

double tt_ref_at(const tt_tensor *t, int64_t r, int64_t c)
{
    return tt_ref_load(t->type, t->data, r * t->row_stride + c);
}

double tt_ref_activate(tt_activation a, double x)
{
    switch (a) {
    case TT_ACT_SILU:
        return x / (1 + exp(-x));
    case TT_ACT_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    case TT_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    default:
        return x;
    }
}

static const char *describe(void *self)
{
    (void)self;
    return "reference 1 (double, one thread)";
}

static tt_status open_reference(const tt_device_options *options, void **self, tt_error *err)
{
    static char nothing; /* it keeps no state */
    (void)options, (void)err;
    *self = &nothing;
    return TT_OK;
}

static void close_reference(void *self)
{
    (void)self;
}

static void *alloc_aligned(void *self, size_t bytes)
{
    (void)self;
    size_t rounded;
    return tt_size_add(bytes, 63, &rounded) ? aligned_alloc(64, rounded & ~(size_t)63) : NULL;
}

static void free_aligned(void *self, void *p)
{
    (void)self;
    free(p);
}

static tt_status move(void *self, void *to, const void *from, size_t bytes, tt_error *err)
{
    (void)self, (void)err;
    memcpy(to, from, bytes);
    return TT_OK;
}

static bool supports(void *self, tt_op_code code, tt_type type)
{
    (void)self;
    return code == TT_OP_CAST || tt_type_is_float(type);
}

static void unpack(void *self, tt_packed *p)
{
    (void)self;
    if (!p) return;
    tt_free(p->weight);
    tt_free(p->bias);
    tt_free(p);
}

/* Weights are rounded to the type that they would have in use, then kept as doubles. */
static double *packed_values(tt_type type, tt_type stored, const void *data, int64_t n)
{
    double *values = tt_alloc_array((size_t)n, sizeof *values);
    for (int64_t i = 0; values && i < n; i++) {
        double rounded = 0;
        char one[8];
        tt_convert(type, one, stored, (const char *)data + (size_t)i * tt_type_size(stored), 1);
        tt_convert(TT_F64, &rounded, type, one, 1);
        values[i] = rounded;
    }
    return values;
}

static tt_status pack(void *self, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **out,
                      tt_error *err)
{
    tt_packed *p = tt_alloc_zero(sizeof *p);
    int64_t count = 1;
    for (int32_t i = 0; i < w->rank; i++)
        count *= w->shape[i];
    /* norms keep their weights in f32 at least: they are applied before the one rounding */
    bool norm = like->code == TT_OP_GROUP_NORM || like->code == TT_OP_LAYER_NORM;
    tt_type weight_type = norm && type != TT_F64 ? TT_F32 : type;
    if (p) {
        p->rank = w->rank;
        memcpy(p->shape, w->shape, sizeof p->shape);
        p->weight = packed_values(weight_type, w->weight_type, w->weight, count);
        /* biases are added to the f32 accumulator, unrounded */
        if (w->bias)
            p->bias = packed_values(type == TT_F64 ? TT_F64 : TT_F32, w->bias_type, w->bias, w->shape[0]);
    }
    if (!p || !p->weight || (w->bias && !p->bias)) {
        unpack(self, p);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for weights");
    }
    *out = p;
    return TT_OK;
}

static tt_status run(void *self, const tt_op *op, tt_error *err)
{
    (void)self;
    switch (op->code) {
    case TT_OP_LINEAR:
        return tt_ref_linear(op, err);
    case TT_OP_CONV2D:
        return tt_ref_conv(op, err);
    case TT_OP_GROUP_NORM:
    case TT_OP_LAYER_NORM:
        return tt_ref_norm(op, err);
    case TT_OP_ATTENTION:
        return tt_ref_attention(op, err);
    default:
        return tt_ref_elementwise(op, err);
    }
}

const tt_backend *tt_backend_reference(void)
{
    static const tt_backend table = {
        .abi = TT_ABI_VERSION,
        .size = sizeof table,
        .name = "reference",
        .describe = describe,
        .open = open_reference,
        .close = close_reference,
        .alloc = alloc_aligned,
        .free = free_aligned,
        .upload = move,
        .download = move,
        .supports = supports,
        .pack = pack,
        .unpack = unpack,
        .run = run,
    };
    return &table;
}
