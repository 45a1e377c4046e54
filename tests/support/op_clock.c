#include "support/op_clock.h"

#include "support/networks.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINES 256

typedef struct line {
    char what[128];
    tt_op_code code;
    double seconds, operations, bytes;
    long calls;
} line;

static const tt_backend *inner;
static tt_backend clocked;
static int times;
static line lines[MAX_LINES];
static int n_lines;

static int print_shape(char *to, size_t size, const tt_tensor *t)
{
    int at = 0;
    for (int32_t i = 0; t && i < t->rank && at < (int)size; i++)
        at += snprintf(to + at, size - (size_t)at, "%s%lld", i ? "," : " ", (long long)t->shape[i]);
    return at < (int)size ? at : (int)size - 1;
}

/* the kernel's extent along an axis, an odd number: strides leave it open by less than two */
static double kernel(int64_t in, int64_t pads, int64_t out, int64_t stride)
{
    int64_t k = in + pads - (out - 1) * stride;
    return (double)(k % 2 ? k : k - 1);
}

/* floating-point operations of what multiplies, else 0 */
static double operations(const tt_op *op)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    double n = 2 * (double)tt_tensor_count(y), width = (double)x->shape[x->rank - 1];
    if (op->code == TT_OP_LINEAR) return n * width;
    if (op->code == TT_OP_ATTENTION) return 2 * n * (double)op->in[1]->shape[1];
    if (op->code != TT_OP_CONV2D) return 0;
    return n * width *
           kernel(x->shape[1], op->attr.conv.pad_top + op->attr.conv.pad_bottom, y->shape[1],
                  op->attr.conv.stride_y) *
           kernel(x->shape[2], op->attr.conv.pad_left + op->attr.conv.pad_right, y->shape[2],
                  op->attr.conv.stride_x);
}

static double bytes_of(const tt_tensor *t)
{
    return t ? (double)tt_tensor_count(t) * (double)tt_type_size(t->type) : 0;
}

static double bytes(const tt_op *op)
{
    double sum = 0;
    for (int i = 0; i < TT_OP_MAX_IN; i++)
        sum += bytes_of(op->in[i]);
    for (int i = 0; i < TT_OP_MAX_OUT; i++)
        sum += bytes_of(op->out[i]);
    return sum;
}

static line *line_of(const tt_op *op)
{
    char what[128];
    int at = snprintf(what, sizeof what, "%s", tt_op_name(op->code));
    at += print_shape(what + at, sizeof what - (size_t)at, op->in[0]);
    if (op->code == TT_OP_ATTENTION)
        at += snprintf(what + at, sizeof what - (size_t)at, " (%lld keys)", (long long)op->in[1]->shape[1]);
    at += snprintf(what + at, sizeof what - (size_t)at, " ->");
    print_shape(what + at, sizeof what - (size_t)at, op->out[0]);
    for (int i = 0; i < n_lines; i++)
        if (strcmp(lines[i].what, what) == 0) return &lines[i];
    if (n_lines == MAX_LINES) return &lines[MAX_LINES - 1];
    line *l = &lines[n_lines++];
    *l = (line){.code = op->code, .operations = operations(op), .bytes = bytes(op)};
    memcpy(l->what, what, sizeof what);
    return l;
}

static tt_status wait(void *self, tt_error *err)
{
    return inner->synchronize ? inner->synchronize(self, err) : TT_OK;
}

static tt_status run(void *self, const tt_op *op, tt_error *err)
{
    line *l = line_of(op);
    /* kernels and plans are loaded and made at the first run */
    tt_status status = times > 1 ? inner->run(self, op, err) : TT_OK;
    if (!status) status = wait(self, err);
    double start = tt_test_seconds();
    for (int i = 0; i < times && !status; i++)
        status = inner->run(self, op, err);
    if (!status) status = wait(self, err);
    l->seconds += (tt_test_seconds() - start) / times;
    l->calls++;
    return status;
}

const tt_backend *tt_op_clock_over(const tt_backend *backend, int repeats)
{
    inner = backend;
    times = repeats;
    clocked = *backend;
    clocked.run = run;
    tt_op_clock_reset();
    return &clocked;
}

void tt_op_clock_reset(void)
{
    n_lines = 0;
    memset(lines, 0, sizeof lines);
}

static int by_time(const void *a, const void *b)
{
    double x = ((const line *)a)->seconds, y = ((const line *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

void tt_op_clock_report(int most)
{
    double total = 0, codes[TT_OP_COUNT] = {0};
    qsort(lines, (size_t)n_lines, sizeof *lines, by_time);
    for (int i = 0; i < n_lines; i++) {
        total += lines[i].seconds;
        codes[lines[i].code] += lines[i].seconds;
    }
    printf("operations, each alone: %.3f ms\n", 1e3 * total);
    for (int c = 0; c < TT_OP_COUNT; c++)
        if (codes[c] > 0) printf("%10.3f ms  %s\n", 1e3 * codes[c], tt_op_name((tt_op_code)c));
    for (int i = 0; i < n_lines && i < most; i++) {
        const line *l = &lines[i];
        double calls = (double)l->calls;
        printf("%10.3f ms %3ld× %-52s %7.1f GB/s", 1e3 * l->seconds, l->calls, l->what,
               1e-9 * l->bytes * calls / l->seconds);
        if (l->operations > 0) printf(" %8.2f TFLOP/s", 1e-12 * l->operations * calls / l->seconds);
        printf("\n");
    }
}
