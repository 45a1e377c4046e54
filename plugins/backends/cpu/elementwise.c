/* Operations that move or change numbers one by one, or row by row. */
#include "cpu.h"

#include <string.h>

#define CHUNK (32 * 1024) /* elements that a thread takes at a time, more or less */

typedef struct rows {
    const cpu_kernels *k;
    const tt_op *op;
    bool bf16;
    int64_t n, width, step; /* rows, elements of an output row, rows of a part */
} rows;

static size_t size_of(const rows *r)
{
    return r->bf16 ? sizeof(uint16_t) : sizeof(float);
}

/* Rows of a part, from `first` on. */
static int64_t part_of(const rows *r, int64_t item, int64_t *first)
{
    *first = item * r->step;
    return r->n - *first < r->step ? r->n - *first : r->step;
}

static const char *in_at(const rows *r, int i, int64_t row)
{
    const tt_tensor *t = r->op->in[i];
    return (const char *)t->data + (size_t)(row * cpu_width(t)) * size_of(r);
}

static char *out_at(const rows *r, int64_t row)
{
    return (char *)r->op->out[0]->data + (size_t)(row * r->width) * size_of(r);
}

static void activate_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t first, n = part_of(r, item, &first);
    r->k->activate(r->op->attr.activation, r->bf16, n * r->width, in_at(r, 0, first), out_at(r, first));
}

static void geglu_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t first, n = part_of(r, item, &first);
    r->k->geglu(r->bf16, n, r->width, in_at(r, 0, first), out_at(r, first));
}

static void add_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t first, n = part_of(r, item, &first);
    r->k->add(r->bf16, n * r->width, in_at(r, 0, first), in_at(r, 1, first), out_at(r, first));
}

static void scale_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t first, n = part_of(r, item, &first);
    r->k->scale(r->bf16, n * r->width, in_at(r, 0, first), (float)r->op->attr.scale.factor,
                (float)r->op->attr.scale.offset, out_at(r, first));
}

static void concat_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t first, n = part_of(r, item, &first);
    size_t left = (size_t)cpu_width(r->op->in[0]) * size_of(r);
    size_t right = (size_t)cpu_width(r->op->in[1]) * size_of(r);
    for (int64_t i = first; i < first + n; i++) {
        memcpy(out_at(r, i), in_at(r, 0, i), left);
        memcpy(out_at(r, i) + left, in_at(r, 1, i), right);
    }
}

/* rows are pixels */
static void upsample_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    const tt_tensor *x = r->op->in[0], *y = r->op->out[0];
    int64_t first, n = part_of(r, item, &first), height = y->shape[1], columns = y->shape[2];
    for (int64_t i = first; i < first + n; i++) {
        int64_t b = i / (height * columns), py = i / columns % height, px = i % columns;
        int64_t from =
            (b * x->shape[1] + py * x->shape[1] / height) * x->shape[2] + px * x->shape[2] / columns;
        memcpy(out_at(r, i), in_at(r, 0, from), (size_t)r->width * size_of(r));
    }
}

static void softmax_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t first, n = part_of(r, item, &first);
    for (int64_t i = first; i < first + n; i++)
        r->k->softmax(r->bf16, r->width, r->width, in_at(r, 0, i), 1.0f, out_at(r, i));
}

static void cast_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    const tt_tensor *x = r->op->in[0], *y = r->op->out[0];
    int64_t first, n = part_of(r, item, &first) * r->width, at = first * r->width;
    const char *from = (const char *)x->data + (size_t)at * tt_type_size(x->type);
    char *to = (char *)y->data + (size_t)at * tt_type_size(y->type);
    if (x->type == TT_F32 && y->type == TT_BF16)
        r->k->to_bf16(n, (const float *)(const void *)from, (uint16_t *)(void *)to);
    else if (x->type == TT_BF16 && y->type == TT_F32)
        r->k->from_bf16(n, (const uint16_t *)(const void *)from, (float *)(void *)to);
    else
        tt_convert(y->type, to, x->type, from, (size_t)n);
}

static tt_status embed(const rows *r, tt_error *err)
{
    const tt_packed *w = r->op->packed;
    const int32_t *ids = r->op->in[0]->data;
    if (w->shape[1] != r->width) return cpu_misfit(r->op, err);
    for (int64_t i = 0; i < r->n; i++)
        if (ids[i] < 0 || ids[i] >= w->shape[0])
            return tt_fail(err, TT_ERR_INVALID, "embedding: id %d at %lld: must be in [0, %lld)", ids[i],
                           (long long)i, (long long)w->shape[0]);
    size_t bytes = (size_t)r->width * size_of(r);
    for (int64_t i = 0; i < r->n; i++)
        memcpy(out_at(r, i), (const char *)(const void *)w->weight + (size_t)ids[i] * bytes, bytes);
    return TT_OK;
}

tt_status cpu_elementwise(cpu *c, const tt_op *op, tt_error *err)
{
    static const cpu_task tasks[TT_OP_COUNT] = {
        [TT_OP_ACTIVATION] = activate_part,
        [TT_OP_GEGLU] = geglu_part,
        [TT_OP_ADD] = add_part,
        [TT_OP_SCALE] = scale_part,
        [TT_OP_CONCAT] = concat_part,
        [TT_OP_UPSAMPLE_NEAREST] = upsample_part,
        [TT_OP_SOFTMAX] = softmax_part,
        [TT_OP_CAST] = cast_part,
    };
    const tt_tensor *y = op->out[0];
    rows r = {.k = c->k, .op = op, .bf16 = y->type == TT_BF16, .n = tt_tensor_rows(y)};
    r.width = cpu_width(y);
    if (op->code == TT_OP_EMBEDDING) return embed(&r, err);
    r.step = r.width < CHUNK ? CHUNK / r.width : 1;
    cpu_parallel(c->threads, (r.n + r.step - 1) / r.step, tasks[op->code], &r);
    return TT_OK;
}
