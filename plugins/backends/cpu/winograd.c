/* Convolutions of 3×3 with stride 1 by Winograd's F(4×4, 3×3): a quarter of the multiplications.
 *
 * All images' tiles are transformed, a group of them at a time; then threads take panels of output channels
 * of some tiles: they transform the panel's weights, which stay in the second cache (no transformed copy, of
 * four times the size, is kept in memory), multiply, and transform back. A number of the output is a sum in
 * one fixed order, whatever the group, the part and the thread that it falls to. */
#include "cpu.h"

#include <string.h>

#define POSITIONS   36
#define GROUP_BYTES (6 * 1024 * 1024) /* of transformed inputs */
#define PART_TILES  96                /* tiles that share one transform of a panel's weights, at most */
/* of an image: with fewer, transforming weights outweighs what is saved; against products of pairs of bf16,
 * which are twice as fast, it does so sooner */
#define LEAST_TILES      4
#define LEAST_TILES_BF16 16
#define LEAST_WIDTH      64 /* channels */
#define LINE             16 /* floats: apart by more than a power of two, positions do not crowd a cache's set */

typedef struct winograd {
    const cpu_kernels *k;
    const tt_op *op;
    const dnn_problem *q;
    dnn_view weights;
    bool bf16;
    int64_t rows, columns;          /* of an image's tiles */
    int64_t first, tiles, parts;    /* of the group, and into how many parts panels take it */
    int64_t blocks;                 /* of CPU_WINOGRAD_DEPTH input channels */
    int64_t panel;                  /* output channels of one */
    int64_t v_step, u_step, m_step; /* from one position to the next */
    float *v;                       /* [36][block][tile][CPU_WINOGRAD_DEPTH] */
    float *work;                    /* of each thread: [36][depth][panel], [36][tile][panel] */
    const float *bias;              /* [image][out], or of all images */
    int64_t bias_step;
} winograd;

bool cpu_winograd_takes(const cpu *c, const dnn_problem *q, const dnn_weights *w, dnn_view *view)
{
    if (q->bf16 && c->k->packing != CPU_PAIRS) return false; /* tiles are faster still */
    return q->kernel_height == 3 && q->kernel_width == 3 && q->stride_y == 1 && q->stride_x == 1 &&
           q->in >= LEAST_WIDTH && q->out >= LEAST_WIDTH && q->in % c->k->width == 0 &&
           q->out % c->k->winograd_panel == 0 &&
           ((q->out_height + 3) / 4) * ((q->out_width + 3) / 4) >=
               (q->bf16 ? LEAST_TILES_BF16 : LEAST_TILES) &&
           dnn_view_of(w, view) && view->out_block % c->k->width == 0;
}

static cpu_winograd_tile tile_of(const winograd *w, int64_t tile, int64_t *image)
{
    int64_t of_image = w->rows * w->columns, i = tile % of_image;
    *image = tile / of_image;
    return (cpu_winograd_tile){.top = i / w->columns * 4, .left = i % w->columns * 4};
}

static void input_tile(void *argument, int thread, int64_t item)
{
    (void)thread;
    const winograd *w = argument;
    const dnn_problem *q = w->q;
    size_t size = w->bf16 ? sizeof(uint16_t) : sizeof(float);
    int64_t image;
    cpu_winograd_tile t = tile_of(w, w->first + item, &image);
    t.top -= q->pad_top, t.left -= q->pad_left;
    t.height = q->in_height, t.width = q->in_width, t.channels = q->in;
    const char *x =
        (const char *)w->op->in[0]->data + (size_t)(image * q->in_height * q->in_width * q->in) * size;
    for (int64_t b = 0; b < w->blocks; b++) {
        int64_t c = b * CPU_WINOGRAD_DEPTH, n = q->in - c;
        w->k->winograd_input(w->bf16, &t, n < CPU_WINOGRAD_DEPTH ? n : CPU_WINOGRAD_DEPTH,
                             x + (size_t)c * size, w->v + (b * w->tiles + item) * CPU_WINOGRAD_DEPTH,
                             w->v_step);
    }
}

static void output_tile(const winograd *w, int64_t tile, int64_t out, const float *m)
{
    const dnn_problem *q = w->q;
    size_t size = w->bf16 ? sizeof(uint16_t) : sizeof(float);
    int64_t image;
    cpu_winograd_tile t = tile_of(w, tile, &image);
    t.height = q->out_height, t.width = q->out_width, t.channels = q->out;
    size_t at = (size_t)(image * q->out_height * q->out_width * q->out + out) * size;
    const tt_tensor *residual = w->op->in[1];
    w->k->winograd_output(w->bf16, &t, m, w->m_step, w->bias + image * w->bias_step + out,
                          residual ? (const char *)residual->data + at : NULL,
                          (char *)w->op->out[0]->data + at);
}

static void multiply_panel(void *argument, int thread, int64_t item)
{
    const winograd *w = argument;
    float *u = w->work + (size_t)thread * (size_t)(POSITIONS * (w->u_step + w->m_step));
    float *m = u + POSITIONS * w->u_step;
    int64_t part = item % w->parts, out = item / w->parts * w->panel;
    int64_t first = w->tiles * part / w->parts, n = w->tiles * (part + 1) / w->parts - first;
    for (int64_t b = 0; b < w->blocks; b++) {
        int64_t in = b * CPU_WINOGRAD_DEPTH, depth = w->q->in - in;
        if (depth > CPU_WINOGRAD_DEPTH) depth = CPU_WINOGRAD_DEPTH;
        w->k->winograd_weights(&w->weights, out, in, depth, u, w->u_step);
        const float *v = w->v + (b * w->tiles + first) * CPU_WINOGRAD_DEPTH;
        for (int64_t p = 0; p < POSITIONS; p++)
            w->k->winograd_multiply(n, depth, v + p * w->v_step, u + p * w->u_step, m + p * w->m_step, b > 0);
    }
    for (int64_t i = 0; i < n; i++)
        output_tile(w, w->first + first + i, out, m + i * w->panel);
}

/* Bias, and bias + channel bias of each image, as f32. */
static void fill_bias(winograd *w, float *bias)
{
    const tt_tensor *channel_bias = w->op->in[2];
    int64_t n = w->q->out, images = channel_bias ? channel_bias->shape[0] : 1;
    const float *common = w->op->packed->bias;
    for (int64_t i = 0; i < images; i++)
        cpu_image_bias(common, channel_bias, i, n, bias + i * n);
    w->bias = bias;
    w->bias_step = channel_bias ? n : 0;
}

tt_status cpu_winograd(cpu *c, const tt_op *op, const dnn_problem *q, const dnn_view *view, tt_error *err)
{
    winograd w = {.k = c->k, .op = op, .q = q, .weights = *view, .bf16 = op->out[0]->type == TT_BF16};
    w.rows = (q->out_height + 3) / 4;
    w.columns = (q->out_width + 3) / 4;
    w.blocks = (q->in + CPU_WINOGRAD_DEPTH - 1) / CPU_WINOGRAD_DEPTH;
    w.panel = c->k->winograd_panel;
    int64_t images = op->out[0]->shape[0], all = images * w.rows * w.columns;
    int64_t one = POSITIONS * w.blocks * CPU_WINOGRAD_DEPTH; /* floats of a tile */
    int64_t most = GROUP_BYTES / (one * (int64_t)sizeof(float));
    if (most < PART_TILES) most = PART_TILES;
    int64_t groups = (all + most - 1) / most, group = (all + groups - 1) / groups;
    int64_t part = group < PART_TILES ? group : PART_TILES;
    w.u_step = CPU_WINOGRAD_DEPTH * w.panel + LINE;
    w.m_step = part * w.panel + LINE;
    int64_t v = group * one + POSITIONS * LINE, biases = (images * q->out + LINE - 1) / LINE * LINE;
    float *scratch = cpu_scratch(c, (size_t)(v + c->threads * POSITIONS * (w.u_step + w.m_step) + biases) *
                                        sizeof *scratch);
    if (!scratch) return cpu_no_memory(op, err);
    w.v = scratch;
    w.work = scratch + v;
    fill_bias(&w, scratch + v + c->threads * POSITIONS * (w.u_step + w.m_step));
    for (w.first = 0; w.first < all; w.first += w.tiles) {
        w.tiles = all - w.first < group ? all - w.first : group;
        w.v_step = w.blocks * w.tiles * CPU_WINOGRAD_DEPTH + LINE;
        w.parts = (w.tiles + PART_TILES - 1) / PART_TILES;
        cpu_parallel(c->threads, w.tiles, input_tile, &w);
        cpu_parallel(c->threads, q->out / w.panel * w.parts, multiply_panel, &w);
    }
    return TT_OK;
}
