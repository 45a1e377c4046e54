/* Kernels of our own: what cuBLASLt and cuDNN have not, or not fused. Each call queues its work on `stream`
 * and returns a cudaError_t (0: queued). Data is dense and channels-last unless a stride is given; `type` is
 * TT_F32, TT_BF16 or TT_F16; arithmetic and statistics are f32 or wider, rounded once. No atomics on floating
 * numbers: the same call gives the same bits, and a row's bits depend on nothing but the row.
 *
 * The .cu files use only what cuda_portable.h offers, so that tests run the same kernels on the CPU. */
#ifndef TT_CUDA_KERNELS_H
#define TT_CUDA_KERNELS_H

#include "telltale/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *cuda_stream; /* cudaStream_t */

/* n elements of any floating type to any other */
int cuda_cast(cuda_stream stream, tt_type from, const void *x, tt_type to, void *y, int64_t n);
/* y = act(x) + residual (NULL: none); y may be x or residual */
int cuda_activate(cuda_stream stream, tt_type type, tt_activation act, int64_t n, const void *x,
                  const void *residual, void *y);
/* y[b][p][c] = x[b][p][c] (NULL: zeros) + channel[b][c] (NULL: none) + residual (NULL: none); y may be x */
int cuda_add_channels(cuda_stream stream, tt_type type, int64_t batch, int64_t pixels, int64_t channels,
                      const void *x, const void *channel, const void *residual, void *y);
int cuda_scale(cuda_stream stream, tt_type type, int64_t n, float factor, float offset, const void *x,
               void *y);
/* x [rows][2n] = [a | g] -> y [rows][n] = a·gelu(g) */
int cuda_geglu(cuda_stream stream, tt_type type, int64_t rows, int64_t n, const void *x, void *y);
int cuda_concat(cuda_stream stream, tt_type type, int64_t rows, int64_t width_a, int64_t width_b,
                const void *a, const void *b, void *y);
/* nearest: source index floor(dst·in/out) */
int cuda_upsample(cuda_stream stream, tt_type type, int64_t batch, int64_t height, int64_t width,
                  int64_t channels, int64_t out_height, int64_t out_width, const void *x, void *y);
/* y[i] = table[ids[i]]; an id outside [0, rows) gives zeros */
int cuda_embedding(cuda_stream stream, tt_type type, int64_t n, int64_t rows, int64_t width,
                   const int32_t *ids, const void *table, void *y);
/* y = softmax(x) of each row; y may be x */
int cuda_softmax(cuda_stream stream, tt_type type, int64_t rows, int64_t n, const void *x, void *y);
int cuda_layer_norm(cuda_stream stream, tt_type type, int64_t rows, int64_t n, const void *x,
                    const float *gamma, const float *beta, float eps, void *y);
/* x, y [batch][pixels][channels]; groups of consecutive channels; y = silu(norm(x)) where `silu`. `work` has
 * cuda_group_norm_work bytes. */
size_t cuda_group_norm_work(int64_t batch, int64_t pixels, int64_t channels, int64_t groups);
int cuda_group_norm(cuda_stream stream, tt_type type, int64_t batch, int64_t pixels, int64_t channels,
                    int64_t groups, bool silu, float eps, const void *x, const float *gamma,
                    const float *beta, void *y, void *work);

/* y = softmax(scale·q·kᵀ [causal])·v for each head. Strides in elements from one token to the next; a batch
 * item begins tokens·stride after the one before. Rows may lie at any element: heads·d wide slices of wider
 * matrices. */
typedef struct cuda_attention {
    tt_type type;
    int64_t batch, heads, head_size, queries, keys;
    const void *q, *k, *v;
    int64_t q_stride, k_stride, v_stride;
    void *y; /* [batch][queries][heads·head_size], dense */
    float scale;
    bool causal;
    float *maps; /* NULL, or [batch][heads][queries][keys]: the unfused path, softmax stored in f32 */
} cuda_attention;
/* bf16 and f16 by tensor cores (flash attention, Dao 2023); f32 by f32 products. Any head size up to 512. */
int cuda_attend(cuda_stream stream, const cuda_attention *a);

/* Rows [n][kernel_height][kernel_width][channels]: what the n pixels of a convolution's output from `first`
 * on see of x [batch][height][width][channels]; zeros outside of it. */
typedef struct cuda_patches {
    tt_type type;
    int64_t height, width, channels, out_height, out_width, kernel_height, kernel_width, stride_y, stride_x,
        pad_top, pad_left, first, n;
    const void *x;
    void *rows;
} cuda_patches;
int cuda_gather_patches(cuda_stream stream, const cuda_patches *p);

/* n copies of device memory, queued together; see tt_backend.copy */
int cuda_copy_regions(cuda_stream stream, size_t n, const tt_copy_region *regions);

#ifdef __cplusplus
}
#endif
#endif
