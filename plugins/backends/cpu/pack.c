/* Weights into the layouts of their operations. */
#include "cpu.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (64 * 1024) /* elements that a thread converts at a time */

typedef struct conversion {
    tt_type to, from;
    char *out;
    const char *in;
    int64_t n;
} conversion;

static void convert_chunk(void *argument, int thread, int64_t item)
{
    (void)thread;
    const conversion *v = argument;
    int64_t at = item * CHUNK, n = v->n - at < CHUNK ? v->n - at : CHUNK;
    tt_convert(v->to, v->out + (size_t)at * tt_type_size(v->to), v->from,
               v->in + (size_t)at * tt_type_size(v->from), (size_t)n);
}

static void convert(cpu *c, tt_type to, void *out, tt_type from, const void *in, int64_t n)
{
    conversion v = {to, from, out, in, n};
    cpu_parallel(c->threads, (n + CHUNK - 1) / CHUNK, convert_chunk, &v);
}

static int64_t count_of(const tt_packed *p)
{
    int64_t n = 1;
    for (int32_t i = 0; i < p->rank; i++)
        n *= p->shape[i];
    return n;
}

static float *converted(cpu *c, tt_type to, tt_type from, const void *in, int64_t n)
{
    float *out = tt_alloc_array((size_t)n, tt_type_size(to));
    if (out) convert(c, to, out, from, in, n);
    return out;
}

/* What the layout is chosen for: packing knows no image size. SD1.5's widths belong to sizes, and oneDNN's
 * layout depends on the size only through its blocking; results do not. */
static void typical(const tt_op *like, const tt_packed *p, dnn_problem *problem)
{
    memset(problem, 0, sizeof *problem);
    problem->conv = like->code == TT_OP_CONV2D;
    problem->out = p->shape[0];
    problem->in = p->shape[1];
    problem->bias = p->bias != NULL;
    if (!problem->conv) {
        problem->rows = 1024;
        problem->x_stride = problem->in;
        return;
    }
    int64_t side = problem->out <= 512 ? 64 : problem->out <= 640 ? 32 : 16;
    problem->kernel_height = p->shape[2];
    problem->kernel_width = p->shape[3];
    problem->stride_y = like->attr.conv.stride_y > 0 ? like->attr.conv.stride_y : 1;
    problem->stride_x = like->attr.conv.stride_x > 0 ? like->attr.conv.stride_x : 1;
    problem->out_height = side;
    problem->out_width = side;
    problem->pad_top = problem->pad_bottom = (problem->kernel_height - 1) / 2;
    problem->pad_left = problem->pad_right = (problem->kernel_width - 1) / 2;
    problem->in_height = (side - 1) * problem->stride_y + problem->kernel_height - 2 * problem->pad_top;
    problem->in_width = (side - 1) * problem->stride_x + problem->kernel_width - 2 * problem->pad_left;
}

static tt_status pack_product(cpu *c, const tt_op *like, const tt_weights *w, tt_packed *p, tt_error *err)
{
    dnn_problem problem;
    typical(like, p, &problem);
    problem.bf16 = problem.bf16_out = p->type == TT_BF16 && c->native_bf16;
    tt_type given_type = w->weight_type;
    const void *given = w->weight;
    void *copy = NULL, *wide = NULL;
    tt_status status = TT_OK;
    bool aligned = (uintptr_t)given % tt_type_size(given_type) == 0;
    if (!aligned || !(given_type == p->type || (problem.bf16 && given_type == TT_F32))) {
        given_type = p->type;
        given = copy = converted(c, given_type, w->weight_type, w->weight, count_of(p));
    }
    /* rounded to bf16, though oneDNN will multiply them as f32 */
    if (given && given_type == TT_BF16 && !problem.bf16) {
        given_type = TT_F32;
        given = wide = converted(c, TT_F32, TT_BF16, given, count_of(p));
    }
    problem.bf16_weights_given = given_type == TT_BF16;
    if (given)
        status = dnn_pack(c->dnn, &problem, given, &p->product, err);
    else
        status = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for weights", tt_op_name(like->code));
    tt_free(copy);
    tt_free(wide);
    return status;
}

tt_status cpu_pack(cpu *c, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                   tt_error *err)
{
    tt_packed *p = tt_alloc_zero(sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for weights", tt_op_name(like->code));
    p->code = like->code;
    p->type = type;
    p->rank = w->rank;
    memcpy(p->shape, w->shape, (size_t)w->rank * sizeof *p->shape);
    tt_status status = TT_OK;
    bool there = true;
    /* biases are added to the f32 sums, unrounded */
    if (w->bias) there = (p->bias = converted(c, TT_F32, w->bias_type, w->bias, w->shape[0])) != NULL;
    if (like->code == TT_OP_LINEAR || like->code == TT_OP_CONV2D) {
        if (there) status = pack_product(c, like, w, p, err);
    } else {
        tt_type stored = like->code == TT_OP_EMBEDDING ? type : TT_F32;
        p->weight = converted(c, stored, w->weight_type, w->weight, count_of(p));
        there = there && p->weight;
    }
    if (!there) status = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for weights", tt_op_name(like->code));
    if (status) {
        cpu_unpack(p);
        return status;
    }
    *packed = p;
    return TT_OK;
}

void cpu_unpack(tt_packed *p)
{
    if (!p) return;
    dnn_unpack(p->product);
    tt_free(p->weight);
    tt_free(p->bias);
    tt_free(p);
}
