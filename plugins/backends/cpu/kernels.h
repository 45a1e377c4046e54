/* Kernels that exist once for each instruction set. All work on a part of an operation, in one thread; rows
 * and elements come out the same whatever the part. Activations are f32 or bf16 (`bf16`); arithmetic is f32.
 */
#ifndef TT_CPU_KERNELS_H
#define TT_CPU_KERNELS_H

#include "onednn.h"
#include "telltale/backend.h"

#include <stdbool.h>
#include <stdint.h>

#define CPU_QUERIES        64 /* queries of an attention block */
#define CPU_KEY_PANEL      6  /* keys of a panel of packed keys */
#define CPU_KEYS           96 /* keys taken between two corrections of the softmax; a multiple of the panel, even */
#define CPU_CHANNELS       64 /* channels of one sweep of group norm's statistics */
#define CPU_WINOGRAD_DEPTH 64 /* input channels that Winograd's products sum up at a time */

/* How attention wants the keys and values of bf16 tensors; those of f32 tensors are CPU_FLOATS.
 * floats: keys [panel][d][CPU_KEY_PANEL], values [keys][d].
 * pairs of bf16 that one instruction multiplies: keys [panel][d/2][CPU_KEY_PANEL][2], values [keys/2][d][2],
 * an odd d or key padded by zeros. tiles of bf16, 16 rows of 32: keys [keys/16][d/32][16][32], values
 * [keys/32][d/16][16 of d][32 keys], padded by zeros to 32 keys and whole tiles. */
typedef enum cpu_packing { CPU_FLOATS = 0, CPU_PAIRS, CPU_TILES } cpu_packing;

/* One block of queries of one head. Keys are packed in panels of CPU_KEY_PANEL, zeros behind the last; see
 * cpu_kernels. All strides are in elements. */
typedef struct cpu_attention {
    int64_t d, keys;
    const void *q; /* `queries` rows */
    int64_t queries, q_stride;
    bool bf16; /* type of q and y */
    const void *k, *v;
    float scale;         /* of the scores, times log2(e) */
    int64_t causal_from; /* index of the first query, or -1: no mask */
    void *y;
    int64_t y_stride;
    float *work; /* attention_work floats, 64-byte aligned */
} cpu_attention;

/* A tile of an image [height, width, channels]; inputs outside of it are zeros, outputs outside are not
 * written. */
typedef struct cpu_winograd_tile {
    int64_t height, width, channels;
    int64_t top, left; /* the tile's first pixel */
} cpu_winograd_tile;

typedef struct cpu_kernels {
    const char *name;
    int64_t width; /* floats of a vector */

    void (*to_bf16)(int64_t n, const float *x, uint16_t *y);
    void (*from_bf16)(int64_t n, const uint16_t *x, float *y);
    /* y = act(x), y may be x */
    void (*activate)(tt_activation act, bool bf16, int64_t n, const void *x, void *y);
    /* y = act(s) + residual (NULL: none) */
    void (*finish)(tt_activation act, bool bf16, int64_t n, const float *s, const void *residual, void *y);
    /* x [rows][2n] -> y [rows][n] */
    void (*geglu)(bool bf16, int64_t rows, int64_t n, const void *x, void *y);
    void (*add)(bool bf16, int64_t n, const void *a, const void *b, void *y);
    void (*scale)(bool bf16, int64_t n, const void *x, float factor, float offset, void *y);
    /* y = softmax(scale·x) of the first `n` of `width` entries, the rest 0; y may be x */
    void (*softmax)(bool bf16, int64_t n, int64_t width, const void *x, float scale, void *y);
    void (*layer_norm)(bool bf16, int64_t rows, int64_t n, const void *x, const float *gamma,
                       const float *beta, float eps, void *y);
    /* Sums and sums of squares over `pixels` rows of `width` channels, the first `n` ≤ CPU_CHANNELS of them.
     */
    void (*moments)(bool bf16, int64_t pixels, int64_t width, int64_t n, const void *x, double *sum,
                    double *square);
    /* y = (x − mean)·scale + beta for each channel, then SiLU */
    void (*normalise)(bool bf16, bool silu, int64_t pixels, int64_t n, const void *x, const float *mean,
                      const float *scale, const float *beta, void *y);

    /* Winograd's F(4×4, 3×3): 36 positions, `step` floats apart. Inputs: n channels of a tile. Weights: a
     * panel of output channels from `out` on and n input channels from `in` on, u [36][n][winograd_panel].
     * Products: m[rows][winograd_panel] = v·u or +=, v [rows][CPU_WINOGRAD_DEPTH] of which n count. Outputs:
     * a panel of a tile, `out` and `residual` (NULL: none) at the panel's first channel of the image. n is a
     * multiple of `width`. */
    int64_t winograd_panel;
    void (*winograd_input)(bool bf16, const cpu_winograd_tile *t, int64_t n, const void *x, float *v,
                           int64_t step);
    void (*winograd_weights)(const dnn_view *w, int64_t out, int64_t in, int64_t n, float *u, int64_t step);
    void (*winograd_multiply)(int64_t rows, int64_t n, const float *v, const float *u, float *m, bool add);
    void (*winograd_output)(bool bf16, const cpu_winograd_tile *t, const float *m, int64_t step,
                            const float *bias, const void *residual, void *out);

    /* Flash attention (Dao et al. 2022): holds the scores of some hundred keys at most. */
    cpu_packing packing;
    size_t (*attention_work)(int64_t d);
    void (*attention)(const cpu_attention *a);
} cpu_kernels;

extern const cpu_kernels cpu_kernels_generic;
#if defined(__x86_64__)
extern const cpu_kernels cpu_kernels_avx2, cpu_kernels_avx512, cpu_kernels_avx512_bf16;
#ifdef TT_CPU_TILES
extern const cpu_kernels cpu_kernels_amx_bf16;
#endif
#endif

#endif
