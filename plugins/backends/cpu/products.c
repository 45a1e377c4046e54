/* Linear layers and convolutions: oneDNN's products with our epilogues. */
#include "cpu.h"

#include <string.h>

#define CHUNK      (32 * 1024)        /* elements that a thread finishes at a time */
#define PART_BYTES (64 * 1024 * 1024) /* of f32 results that wait in scratch memory */

/* ---- elementwise passes over the whole, by all threads ---- */

typedef struct pass {
    const cpu_kernels *k;
    tt_activation activation;
    bool bf16;
    int64_t n;
    const char *in, *residual;
    char *out;
} pass;

static int64_t part_of(const pass *p, int64_t item, size_t *at)
{
    int64_t first = item * CHUNK;
    *at = (size_t)first;
    return p->n - first < CHUNK ? p->n - first : CHUNK;
}

static void over_all(cpu *c, const pass *p, cpu_task task)
{
    pass copy = *p;
    cpu_parallel(c->threads, (p->n + CHUNK - 1) / CHUNK, task, &copy);
}

static void widen_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const pass *p = argument;
    size_t at;
    int64_t n = part_of(p, item, &at);
    p->k->from_bf16(n, (const uint16_t *)(const void *)p->in + at, (float *)(void *)p->out + at);
}

static void narrow_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const pass *p = argument;
    size_t at;
    int64_t n = part_of(p, item, &at);
    p->k->to_bf16(n, (const float *)(const void *)p->in + at, (uint16_t *)(void *)p->out + at);
}

static void finish_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const pass *p = argument;
    size_t at, size = p->bf16 ? sizeof(uint16_t) : sizeof(float);
    int64_t n = part_of(p, item, &at);
    p->k->finish(p->activation, p->bf16, n, (const float *)(const void *)p->in + at,
                 p->residual ? p->residual + at * size : NULL, p->out + at * size);
}

void cpu_widen(cpu *c, int64_t n, const void *bf16, float *f32)
{
    over_all(c, &(pass){.k = c->k, .n = n, .in = bf16, .out = (char *)f32}, widen_part);
}

void cpu_narrow(cpu *c, int64_t n, const float *f32, void *bf16)
{
    over_all(c, &(pass){.k = c->k, .n = n, .in = (const char *)f32, .out = bf16}, narrow_part);
}

/* y = act(s) + residual */
static void finish(cpu *c, tt_activation activation, bool bf16, int64_t n, const float *s,
                   const void *residual, void *y)
{
    over_all(c, &(pass){c->k, activation, bf16, n, (const char *)s, residual, y}, finish_part);
}

/* ---- one product with its epilogue ---- */

typedef struct product {
    dnn_problem problem;
    dnn_weights *weights;
    tt_activation activation;
    bool bf16;     /* type of x, residual, y */
    int64_t n_out; /* elements of y */
} product;

/* y = act(product of x) + residual, where x is in the type that oneDNN gets. `wide` has room for y in f32. */
static tt_status multiply(cpu *c, product *p, const void *x, const float *bias, const void *residual, void *y,
                          float *wide, tt_error *err)
{
    dnn_problem *q = &p->problem;
    size_t bytes = (size_t)p->n_out * (p->bf16 ? sizeof(uint16_t) : sizeof(float));
    if (!wide) {
        q->bf16_out = p->bf16;
        q->add = residual != NULL;
        if (residual && residual != y) memcpy(y, residual, bytes);
        return dnn_run(c->dnn, q, p->weights, x, bias, y, err);
    }
    q->bf16_out = false;
    q->add = false;
    tt_status status = dnn_run(c->dnn, q, p->weights, x, bias, wide, err);
    if (!status) finish(c, p->activation, p->bf16, p->n_out, wide, residual, y);
    return status;
}

/* An activation is applied to the f32 sums, as is every epilogue where oneDNN cannot multiply bf16. */
static bool needs_wide(const cpu *c, tt_activation activation, bool bf16)
{
    return activation != TT_ACT_NONE || (bf16 && !c->native_bf16);
}

/* ---- linear layers ---- */

/* A library may take another kernel, or cut the sums over K into parts, for another number of rows. So that a
 * row's bits depend on neither its place nor its neighbours, the number of rows of a product follows from the
 * shape of one item of the batch, [..., K] behind the first dimension, and never from the batch: items with
 * many rows are multiplied one by one, rows of small items in tiles of TILE_ROWS, the last one filled up with
 * zeros. (Within a tile each row is the same chain of multiply-adds over K; tested for every row.) */
#define TILE_ROWS 16 /* reading the weights outweighs this many rows, so that filling up costs nothing */

typedef struct linear {
    product p;
    const tt_packed *w;
    int64_t n, k;
    bool bf16, widened; /* type of x, residual, y; whether oneDNN gets f32 copies instead */
    size_t size;
    int64_t most; /* rows of a product */
    /* scratch: f32 results and inputs of `most` rows, where needed; a tile of x and of y */
    float *results, *inputs;
    char *x_tile, *y_tile;
} linear;

static size_t cache_lines(int64_t n, size_t size)
{
    return ((size_t)n * size + 63) / 64 * 64;
}

static bool linear_scratch(cpu *c, linear *l, bool wide, bool tiles)
{
    size_t results = wide ? cache_lines(l->most * l->n, sizeof(float)) : 0;
    size_t inputs = l->widened ? cache_lines(l->most * l->k, sizeof(float)) : 0;
    size_t x = tiles ? cache_lines(TILE_ROWS * l->k, l->size) : 0;
    size_t y = tiles ? cache_lines(TILE_ROWS * l->n, l->size) : 0;
    if (results + inputs + x + y == 0) return true;
    char *scratch = cpu_scratch(c, results + inputs + x + y);
    if (!scratch) return false;
    l->results = wide ? (float *)(void *)scratch : NULL;
    l->inputs = (float *)(void *)(scratch + results);
    l->x_tile = scratch + results + inputs;
    l->y_tile = l->x_tile + x;
    return true;
}

/* Rows of x as dense f32, where oneDNN cannot multiply bf16. */
static void widen_rows(cpu *c, int64_t rows, int64_t n, int64_t stride, const void *x, float *wide)
{
    if (stride == n) {
        cpu_widen(c, rows * n, x, wide);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        c->k->from_bf16(n, (const uint16_t *)x + r * stride, wide + r * n);
}

static tt_status linear_rows(cpu *c, linear *l, int64_t rows, const char *x, int64_t stride,
                             const char *residual, char *y, tt_error *err)
{
    tt_status status = TT_OK;
    for (int64_t r = 0; r < rows && !status; r += l->most) {
        dnn_problem *q = &l->p.problem;
        q->rows = rows - r < l->most ? rows - r : l->most;
        q->x_stride = l->widened ? l->k : stride;
        l->p.n_out = q->rows * l->n;
        const void *from = x + (size_t)(r * stride) * l->size;
        if (l->widened) {
            widen_rows(c, q->rows, l->k, stride, from, l->inputs);
            from = l->inputs;
        }
        size_t at = (size_t)(r * l->n) * l->size;
        status =
            multiply(c, &l->p, from, l->w->bias, residual ? residual + at : NULL, y + at, l->results, err);
    }
    return status;
}

static tt_status linear_tile(cpu *c, linear *l, int64_t rows, const char *x, int64_t stride,
                             const char *residual, char *y, tt_error *err)
{
    size_t x_row = (size_t)l->k * l->size, y_row = (size_t)l->n * l->size;
    for (int64_t r = 0; r < rows; r++)
        memcpy(l->x_tile + (size_t)r * x_row, x + (size_t)(r * stride) * l->size, x_row);
    memset(l->x_tile + (size_t)rows * x_row, 0, (size_t)(TILE_ROWS - rows) * x_row);
    if (residual) {
        memcpy(l->y_tile, residual, (size_t)rows * y_row);
        memset(l->y_tile + (size_t)rows * y_row, 0, (size_t)(TILE_ROWS - rows) * y_row);
    }
    tt_status status =
        linear_rows(c, l, TILE_ROWS, l->x_tile, l->k, residual ? l->y_tile : NULL, l->y_tile, err);
    if (!status) memcpy(y, l->y_tile, (size_t)rows * y_row);
    return status;
}

tt_status cpu_linear(cpu *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *residual = op->in[1];
    tt_tensor *y = op->out[0];
    linear l = {.w = op->packed, .k = cpu_width(x), .n = cpu_width(y), .bf16 = y->type == TT_BF16};
    if (l.w->rank != 2 || l.w->shape[0] != l.n || l.w->shape[1] != l.k) return cpu_misfit(op, err);
    l.widened = l.bf16 && !c->native_bf16;
    l.size = l.bf16 ? sizeof(uint16_t) : sizeof(float);
    l.p = (product){.weights = l.w->product, .activation = op->attr.linear.activation, .bf16 = l.bf16};
    memset(&l.p.problem, 0, sizeof l.p.problem);
    l.p.problem.in = l.k;
    l.p.problem.out = l.n;
    l.p.problem.bias = l.w->bias != NULL;
    l.p.problem.bf16 = l.bf16 && !l.widened;

    int64_t rows = tt_tensor_rows(y), item = y->rank > 2 ? rows / y->shape[0] : 1;
    bool tiles = item < TILE_ROWS, wide = needs_wide(c, l.p.activation, l.bf16);
    int64_t step = tiles ? TILE_ROWS : item;
    l.most = wide ? PART_BYTES / (int64_t)sizeof(float) / (l.n + l.k) + 1 : step;
    if (l.most > step) l.most = step;
    if (!linear_scratch(c, &l, wide, tiles)) return cpu_no_memory(op, err);
    tt_status status = TT_OK;
    for (int64_t r = 0; r < rows && !status; r += step) {
        int64_t n = rows - r < step ? rows - r : step;
        const char *from = (const char *)x->data + (size_t)(r * x->row_stride) * l.size;
        size_t at = (size_t)(r * l.n) * l.size;
        const char *sum = residual ? (const char *)residual->data + at : NULL;
        status = (tiles ? linear_tile : linear_rows)(c, &l, n, from, x->row_stride, sum, (char *)y->data + at,
                                                     err);
    }
    return status;
}

/* ---- convolutions ---- */

void cpu_image_bias(const float *bias, const tt_tensor *channel_bias, int64_t image, int64_t n, float *sum)
{
    for (int64_t i = 0; i < n; i++) {
        size_t at = (size_t)(image * n + i);
        float x = !channel_bias ? 0
                  : channel_bias->type == TT_BF16
                      ? tt_f32_from_bf16(((const uint16_t *)channel_bias->data)[at])
                      : ((const float *)channel_bias->data)[at];
        sum[i] = x + (bias ? bias[i] : 0);
    }
}

static bool conv_problem(const tt_op *op, dnn_problem *q)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    const tt_packed *w = op->packed;
    if (w->rank != 4 || w->shape[0] != y->shape[3] || w->shape[1] != x->shape[3]) return false;
    memset(q, 0, sizeof *q);
    q->conv = true;
    q->in = x->shape[3];
    q->in_height = x->shape[1];
    q->in_width = x->shape[2];
    q->out = y->shape[3];
    q->out_height = y->shape[1];
    q->out_width = y->shape[2];
    q->kernel_height = w->shape[2];
    q->kernel_width = w->shape[3];
    q->stride_y = op->attr.conv.stride_y;
    q->stride_x = op->attr.conv.stride_x;
    q->pad_top = op->attr.conv.pad_top;
    q->pad_left = op->attr.conv.pad_left;
    q->pad_bottom = op->attr.conv.pad_bottom;
    q->pad_right = op->attr.conv.pad_right;
    q->bias = w->bias != NULL || op->in[2] != NULL;
    int64_t tall = q->in_height + q->pad_top + q->pad_bottom - q->kernel_height;
    int64_t wide = q->in_width + q->pad_left + q->pad_right - q->kernel_width;
    return tall >= 0 && wide >= 0 && q->out_height == tall / q->stride_y + 1 &&
           q->out_width == wide / q->stride_x + 1;
}

/* Image by image: a batch would save reading the weights of the smallest levels again (measured: 4 ms of
 * 1,700 at SD1.5's sizes), and one image's bits could depend on how a batch is cut into threads' parts. */
tt_status cpu_conv(cpu *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *residual = op->in[1], *channel_bias = op->in[2];
    tt_tensor *y = op->out[0];
    const tt_packed *w = op->packed;
    bool bf16 = y->type == TT_BF16, widened = bf16 && !c->native_bf16;
    size_t size = bf16 ? sizeof(uint16_t) : sizeof(float);
    product p = {.weights = w->product, .bf16 = bf16};
    if (!conv_problem(op, &p.problem)) return cpu_misfit(op, err);
    dnn_problem *q = &p.problem;
    q->bf16 = bf16 && !widened;
    dnn_view view;
    if (cpu_winograd_takes(c, q, w->product, &view)) return cpu_winograd(c, op, q, &view, err);
    int64_t n_in = q->in * q->in_height * q->in_width;
    p.n_out = q->out * q->out_height * q->out_width;
    int64_t n_wide = widened ? n_in + p.n_out : 0;
    float *scratch = cpu_scratch(c, (size_t)(q->out + 16 + n_wide) * sizeof *scratch);
    if (!scratch) return cpu_no_memory(op, err);
    float *inputs = scratch + (q->out + 15) / 16 * 16, *results = inputs + n_in;
    tt_status status = TT_OK;
    for (int64_t b = 0; b < y->shape[0] && !status; b++) {
        const float *bias = w->bias;
        if (channel_bias) {
            cpu_image_bias(w->bias, channel_bias, b, q->out, scratch);
            bias = scratch;
        }
        const void *from = (const char *)x->data + (size_t)(b * n_in) * size;
        if (widened) {
            cpu_widen(c, n_in, from, inputs);
            from = inputs;
        }
        size_t at = (size_t)(b * p.n_out) * size;
        status = multiply(c, &p, from, bias, residual ? (const char *)residual->data + at : NULL,
                          (char *)y->data + at, widened ? results : NULL, err);
    }
    return status;
}
