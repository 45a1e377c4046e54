/* Convolutions and matrix products by oneDNN. Everything that differs between its 2.x and 3.x interfaces is
 * in onednn.c. */
#ifndef TT_CPU_ONEDNN_H
#define TT_CPU_ONEDNN_H

#include "isa.h"
#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dnn dnn;
typedef struct dnn_weights dnn_weights;

/* One product; the key of a compiled primitive, so zero-initialise. Accumulation is in f32. */
typedef struct dnn_problem {
    bool conv;               /* else y[rows, out] = x[rows, in]·Wᵀ */
    bool bf16;               /* x and weights are bf16, else f32 */
    bool bf16_out;           /* y */
    bool bias;               /* f32 [out] */
    bool add;                /* y += instead of y = ; one rounding */
    bool bf16_weights_given; /* pack: the weights given are bf16, else f32 */
    bool unused[2];          /* no padding: keys are compared byte by byte */
    int64_t in, out;         /* channels */
    int64_t rows, x_stride;  /* matrix product: x_stride ≥ in */
    /* convolution of one image [in_height, in_width, in], weights [out, in, kernel_height, kernel_width] */
    int64_t in_height, in_width, out_height, out_width, kernel_height, kernel_width, stride_y, stride_x,
        pad_top, pad_left, pad_bottom, pad_right;
} dnn_problem;

/* Weights of a convolution where they lie. Number (out, in, y, x) is at dnn_view_at + y·row + x·column;
 * `out_block` output channels lie side by side. With pair = 2 each of these is two numbers, of the even input
 * channel and of the odd one behind it, and dnn_view_at is that of the even one. */
typedef struct dnn_view {
    const void *data;
    bool bf16; /* else f32 */
    int64_t pair, out_block, in_block, out_step, in_step, row, column;
} dnn_view;

static inline int64_t dnn_view_at(const dnn_view *w, int64_t out, int64_t in)
{
    return out / w->out_block * w->out_step + in / w->in_block * w->in_step +
           in % w->in_block / w->pair * w->pair * w->out_block + out % w->out_block * w->pair;
}

/* Call before any other function: oneDNN looks at the processor once. */
void dnn_limit_isa(cpu_isa isa);
/* "oneDNN 2.6.3" */
const char *dnn_version(void);

/* threads: for large products; small ones take one. */
tt_status dnn_open(int threads, dnn **d, tt_error *err);
void dnn_close(dnn *d);

/* Copies weights (as files have them, aligned to their elements) into the layout that oneDNN likes best for
 * `p`; they then serve all sizes of images and all numbers of rows. */
tt_status dnn_pack(dnn *d, const dnn_problem *p, const void *weights, dnn_weights **packed, tt_error *err);
void dnn_unpack(dnn_weights *w);
size_t dnn_weights_bytes(const dnn_weights *w);
/* false: oneDNN's layout is none that a view can tell. */
bool dnn_view_of(const dnn_weights *w, dnn_view *view);

/* Keeps copies of `w` in other layouts where a size wants one. */
tt_status dnn_run(dnn *d, const dnn_problem *p, dnn_weights *w, const void *x, const float *bias, void *y,
                  tt_error *err);

/* C[m, n] = scale·A[m, k]·B[k, n] or ·Bᵀ, row-major f32 */
tt_status dnn_sgemm_f32(bool transposed_b, int64_t m, int64_t n, int64_t k, float scale, const float *a,
                        int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc, tt_error *err);

#endif
