/* Group norm and layer norm. */
#include "cpu.h"

#include <math.h>
#include <string.h>

#define LAYER_ROWS 16 /* rows that a thread normalises at a time */
#define BLOCKS     32 /* parts of an image, at most, for sums and for the second pass */

/* ---- group norm: sums of each channel over fixed blocks of pixels, then groups, then a pass that applies
 * them. The blocks depend on the image's size alone. ---- */

typedef struct groups {
    const cpu_kernels *k;
    const tt_op *op;
    bool bf16;
    int64_t images, pixels, channels, block_pixels, blocks, sweeps;
    double *sum, *square; /* [images][blocks][channels] */
    float *mean, *rate;   /* [images][channels] */
} groups;

static int64_t pixels_of(const groups *g, int64_t block)
{
    int64_t left = g->pixels - block * g->block_pixels;
    return left < g->block_pixels ? left : g->block_pixels;
}

static size_t place_of(const groups *g, int64_t image, int64_t block)
{
    return (size_t)((image * g->pixels + block * g->block_pixels) * g->channels) *
           (g->bf16 ? sizeof(uint16_t) : sizeof(float));
}

static void sum_block(void *argument, int thread, int64_t item)
{
    (void)thread;
    const groups *g = argument;
    int64_t first = item % g->sweeps * CPU_CHANNELS, block = item / g->sweeps % g->blocks;
    int64_t image = item / g->sweeps / g->blocks;
    int64_t n = g->channels - first < CPU_CHANNELS ? g->channels - first : CPU_CHANNELS;
    int64_t at = (image * g->blocks + block) * g->channels + first;
    const char *x = (const char *)g->op->in[0]->data + place_of(g, image, block) +
                    (size_t)first * (g->bf16 ? sizeof(uint16_t) : sizeof(float));
    g->k->moments(g->bf16, pixels_of(g, block), g->channels, n, x, g->sum + at, g->square + at);
}

static void finish_statistics(const groups *g, int64_t image)
{
    int64_t count = g->op->attr.norm.groups, size = g->channels / count;
    double n = (double)size * (double)g->pixels;
    for (int64_t i = 0; i < count; i++) {
        double sum = 0, square = 0;
        for (int64_t block = 0; block < g->blocks; block++)
            for (int64_t c = i * size; c < (i + 1) * size; c++) {
                sum += g->sum[(image * g->blocks + block) * g->channels + c];
                square += g->square[(image * g->blocks + block) * g->channels + c];
            }
        /* f64 products of f32 numbers are exact, so the difference loses nothing that f32 would show */
        double mean = sum / n, variance = square / n - mean * mean;
        double rate = 1 / sqrt((variance > 0 ? variance : 0) + g->op->attr.norm.eps);
        for (int64_t c = i * size; c < (i + 1) * size; c++) {
            g->mean[image * g->channels + c] = (float)mean;
            g->rate[image * g->channels + c] = (float)(rate * (double)g->op->packed->weight[c]);
        }
    }
}

static void apply_block(void *argument, int thread, int64_t item)
{
    (void)thread;
    const groups *g = argument;
    int64_t block = item % g->blocks, image = item / g->blocks;
    size_t at = place_of(g, image, block);
    g->k->normalise(g->bf16, g->op->attr.norm.silu, pixels_of(g, block), g->channels,
                    (const char *)g->op->in[0]->data + at, g->mean + image * g->channels,
                    g->rate + image * g->channels, g->op->packed->bias, (char *)g->op->out[0]->data + at);
}

static tt_status group_norm(cpu *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0];
    groups g = {.k = c->k, .op = op, .bf16 = x->type == TT_BF16, .images = x->shape[0]};
    g.channels = cpu_width(x);
    g.pixels = tt_tensor_rows(x) / g.images;
    g.block_pixels = (g.pixels + BLOCKS - 1) / BLOCKS;
    g.blocks = (g.pixels + g.block_pixels - 1) / g.block_pixels;
    g.sweeps = (g.channels + CPU_CHANNELS - 1) / CPU_CHANNELS;
    size_t n = (size_t)(g.images * g.channels), sums = n * (size_t)g.blocks;
    g.sum = cpu_scratch(c, 2 * sums * sizeof *g.sum + 2 * n * sizeof *g.mean);
    if (!g.sum) return cpu_no_memory(op, err);
    g.square = g.sum + sums;
    g.mean = (float *)(void *)(g.square + sums);
    g.rate = g.mean + n;
    cpu_parallel(c->threads, g.images * g.blocks * g.sweeps, sum_block, &g);
    for (int64_t i = 0; i < g.images; i++)
        finish_statistics(&g, i);
    cpu_parallel(c->threads, g.images * g.blocks, apply_block, &g);
    return TT_OK;
}

/* ---- layer norm ---- */

typedef struct layer {
    const cpu_kernels *k;
    const tt_op *op;
    int64_t rows;
} layer;

static void layer_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const layer *l = argument;
    const tt_tensor *x = l->op->in[0];
    bool bf16 = x->type == TT_BF16;
    int64_t first = item * LAYER_ROWS, n = l->rows - first < LAYER_ROWS ? l->rows - first : LAYER_ROWS;
    int64_t width = cpu_width(x);
    size_t at = (size_t)(first * width) * (bf16 ? sizeof(uint16_t) : sizeof(float));
    l->k->layer_norm(bf16, n, width, (const char *)x->data + at, l->op->packed->weight, l->op->packed->bias,
                     (float)l->op->attr.norm.eps, (char *)l->op->out[0]->data + at);
}

tt_status cpu_norm(cpu *c, const tt_op *op, tt_error *err)
{
    if (op->packed->rank != 1 || op->packed->shape[0] != cpu_width(op->in[0])) return cpu_misfit(op, err);
    if (op->code == TT_OP_GROUP_NORM) return group_norm(c, op, err);
    layer l = {c->k, op, tt_tensor_rows(op->in[0])};
    cpu_parallel(c->threads, (l.rows + LAYER_ROWS - 1) / LAYER_ROWS, layer_part, &l);
    return TT_OK;
}
