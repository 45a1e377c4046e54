/* Attention in bf16 and f16 by tensor cores: FlashAttention-2 (Dao 2023, arXiv:2307.08691). A block holds 4
 * warps, a warp R·16 queries; tiles of KEYS keys and values go through shared memory, two deep, by
 * asynchronous copies. Scores, running maxima and sums, and the output stay in f32 registers; a row is
 * rounded once.
 *
 * Rows in shared memory are an odd number of 16-byte pieces apart, so that the 8 rows that one ldmatrix reads
 * lie in different banks. Head sizes are padded with zeros to D; the value's D is cut in slices of DV over
 * the grid where the output of a row would not fit in registers (the scores are computed for each slice).
 *
 * Bound: mma.sync reaches about 0.62 of the dense rate of sm_90 (some 610 of 990 TFLOP/s). A 16×16 piece of K
 * or V (512 bytes of shared memory, 4 cycles) feeds R·2 products (R·4 cycles at that rate of 1 in 2 cycles),
 * so R = 2 leaves half of shared memory's time unused and R = 1 none. The exponentials (16 a cycle and
 * processor) take KEYS·16·R/16 cycles of 4·D·KEYS·16·R/2500: a third of the products' time at D = 80, beside
 * them where two blocks share a processor.
 *
 * Budget (threads 128; 2 blocks a processor, so at most 255 registers and 113 KiB of shared memory each):
 *   D     R  KEYS  shared memory
 *   48    2   64    42 KiB
 *   64    2   64    54 KiB
 *   80    2   32    44 KiB
 *   128   1   32    51 KiB
 *   160   1   32    63 KiB
 *   512   1   16   106 KiB (DV 128; one block; devices of 99 KiB a block, sm_86 and sm_89, refuse its launch)
 */
#include "cuda_portable.h"
#include "attention.cuh"

struct flash {
    int heads, head_size, queries, keys;
    const void *q, *k, *v;
    int64_t q_stride, k_stride, v_stride;
    void *y;
    float scale; /* of exponents to base 2, positive: */
    bool negate; /* queries take the sign */
    bool causal;
    bool whole;  /* rows begin at multiples of 16 bytes and are made of them */
    bool paired; /* the output's rows begin at multiples of 4 bytes and are made of them */
};

constexpr int WARPS = 4;

template <int D> constexpr int pieces = D / 8;              /* of 16 bytes, in a row */
template <int D> constexpr int pitch = (pieces<D> | 1) * 8; /* elements from a row to the next */

/* `rows` rows from `first` on of a head, columns [column, column + D), to shared memory; zeros beyond. */
template <int D, typename T>
__device__ __forceinline__ void load_rows(T *to, const T *from, int64_t stride, int first, int end, int rows,
                                          int column, int width, bool whole)
{
    for (int i = (int)threadIdx.x; i < rows * pieces<D>; i += WARPS * 32) {
        int row = i / pieces<D>, at = i % pieces<D> * 8;
        bool inside = first + row < end && column + at < width;
        T *piece = to + row * pitch<D> + at;
        const T *source = from + (int64_t)(first + row) * stride + column + at;
        if (whole) {
            copy_async(piece, inside ? source : from, inside);
        } else {
            vector<T, 8> v;
#pragma unroll
            for (int j = 0; j < 8; j++)
                v.at[j] = inside && column + at + j < width ? source[j] : T{};
            *(vector<T, 8> *)piece = v;
        }
    }
}

template <typename T, int D, int DV, int R, int KEYS>
__global__ void __launch_bounds__(WARPS * 32, D <= 160 ? 2 : 1) flash_kernel(flash a)
{
    constexpr int QUERIES = WARPS * R * 16, N = KEYS / 8;
    CUDA_SHARED(T, q_tile);
    T *k_tile = q_tile + QUERIES * pitch<D>;  /* two of them */
    T *v_tile = k_tile + 2 * KEYS * pitch<D>; /* two of them */
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    int first_query = (int)blockIdx.x * QUERIES, head = (int)blockIdx.y % a.heads,
        slice = (int)blockIdx.y / a.heads;
    int64_t item = blockIdx.z, offset = (int64_t)head * a.head_size;
    const T *q = (const T *)a.q + item * a.queries * a.q_stride + offset;
    const T *k = (const T *)a.k + item * a.keys * a.k_stride + offset;
    const T *v = (const T *)a.v + item * a.keys * a.v_stride + offset;

    int last_key = a.causal ? min(a.keys, first_query + QUERIES) : a.keys;
    int tiles = (last_key + KEYS - 1) / KEYS;
    load_rows<D>(q_tile, q, a.q_stride, first_query, a.queries, QUERIES, 0, a.head_size, a.whole);
    load_rows<D>(k_tile, k, a.k_stride, 0, a.keys, KEYS, 0, a.head_size, a.whole);
    load_rows<DV>(v_tile, v, a.v_stride, 0, a.keys, KEYS, slice * DV, a.head_size, a.whole);
    copy_async_commit();

    /* which row and piece of a 16×16 block this lane names to ldmatrix */
    int in_row = lane % 8, in_matrix = lane / 8;
    const T *q_at = q_tile + (warp * R * 16 + in_matrix % 2 * 8 + in_row) * pitch<D> + in_matrix / 2 * 8;
    int k_at = (in_matrix / 2 * 8 + in_row) * pitch<D> + in_matrix % 2 * 8;
    int v_at = (in_matrix % 2 * 8 + in_row) * pitch<DV> + in_matrix / 2 * 8;

    constexpr bool KEEP = D <= 160; /* queries in registers */
    uint32_t q_kept[KEEP ? R : 1][KEEP ? D / 16 : 1][4];
    float out[R][DV / 8][4] = {}, most[R][2], sum[R][2] = {};
#pragma unroll
    for (int r = 0; r < R; r++)
        most[r][0] = most[r][1] = -INFINITY;
    uint32_t sign = a.negate ? 0x80008000u : 0;

    for (int tile = 0; tile < tiles; tile++) {
        int buffer = tile % 2, first_key = tile * KEYS;
        if (tile + 1 < tiles) {
            int next = first_key + KEYS;
            load_rows<D>(k_tile + (1 - buffer) * KEYS * pitch<D>, k, a.k_stride, next, a.keys, KEYS, 0,
                         a.head_size, a.whole);
            load_rows<DV>(v_tile + (1 - buffer) * KEYS * pitch<DV>, v, a.v_stride, next, a.keys, KEYS,
                          slice * DV, a.head_size, a.whole);
        }
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        if constexpr (KEEP) {
            if (tile == 0) {
#pragma unroll
                for (int r = 0; r < R; r++)
#pragma unroll
                    for (int d = 0; d < D / 16; d++) {
                        load_matrices(q_kept[r][d], q_at + r * 16 * pitch<D> + d * 16);
#pragma unroll
                        for (int i = 0; i < 4; i++)
                            q_kept[r][d][i] ^= sign;
                    }
            }
        }

        /* scores */
        float s[R][N][4] = {};
        const T *k_now = k_tile + buffer * KEYS * pitch<D> + k_at;
#pragma unroll
        for (int d = 0; d < D / 16; d++) {
            uint32_t q_now[KEEP ? 1 : R][4];
            if constexpr (!KEEP) {
#pragma unroll
                for (int r = 0; r < R; r++) {
                    load_matrices(q_now[r], q_at + r * 16 * pitch<D> + d * 16);
#pragma unroll
                    for (int i = 0; i < 4; i++)
                        q_now[r][i] ^= sign;
                }
            }
#pragma unroll
            for (int n = 0; n < N / 2; n++) {
                uint32_t b[4];
                load_matrices(b, k_now + n * 16 * pitch<D> + d * 16);
#pragma unroll
                for (int r = 0; r < R; r++) {
                    const uint32_t(&f)[4] = KEEP ? q_kept[KEEP ? r : 0][KEEP ? d : 0] : q_now[KEEP ? 0 : r];
                    mma(T{}, s[r][2 * n], f, b[0], b[1]);
                    mma(T{}, s[r][2 * n + 1], f, b[2], b[3]);
                }
            }
        }

        /* keys that are not there or not yet */
        if (first_key + KEYS > a.keys || (a.causal && first_key + KEYS > first_query + 1)) {
#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int n = 0; n < N; n++)
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        int key = first_key + n * 8 + lane % 4 * 2 + i % 2;
                        int query = first_query + (warp * R + r) * 16 + lane / 4 + i / 2 * 8;
                        if (key >= a.keys || (a.causal && key > query)) s[r][n][i] = -INFINITY;
                    }
        }

        /* Exponentials of the rows g (h = 0) and g + 8, in the 4 lanes that share them. The first tile has
         * key 0, which every query sees: `most` is finite from there on. */
#pragma unroll
        for (int r = 0; r < R; r++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                float top = most[r][h];
#pragma unroll
                for (int n = 0; n < N; n++)
                    top = fmaxf(top, fmaxf(s[r][n][2 * h], s[r][n][2 * h + 1]));
                top = fmaxf(top, warp_xor(top, 1));
                top = fmaxf(top, warp_xor(top, 2));
                float shrink = fast_exp2((most[r][h] - top) * a.scale), base = top * a.scale, row = 0;
                most[r][h] = top;
#pragma unroll
                for (int n = 0; n < N; n++)
#pragma unroll
                    for (int i = 2 * h; i < 2 * h + 2; i++) {
                        s[r][n][i] = fast_exp2(fmaf(s[r][n][i], a.scale, -base));
                        row += s[r][n][i];
                    }
                sum[r][h] = sum[r][h] * shrink + row;
#pragma unroll
                for (int d = 0; d < DV / 8; d++) {
                    out[r][d][2 * h] *= shrink;
                    out[r][d][2 * h + 1] *= shrink;
                }
            }

        /* output: the scores' registers are the left factor's */
        const T *v_now = v_tile + buffer * KEYS * pitch<DV> + v_at;
#pragma unroll
        for (int n = 0; n < N / 2; n++) {
            uint32_t p[R][4];
#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    p[r][i] =
                        pair_f32(T{}, s[r][2 * n + i / 2][i % 2 * 2], s[r][2 * n + i / 2][i % 2 * 2 + 1]);
#pragma unroll
            for (int d = 0; d < DV / 16; d++) {
                uint32_t b[4];
                load_matrices_transposed(b, v_now + n * 16 * pitch<DV> + d * 16);
#pragma unroll
                for (int r = 0; r < R; r++) {
                    mma(T{}, out[r][2 * d], p[r], b[0], b[1]);
                    mma(T{}, out[r][2 * d + 1], p[r], b[2], b[3]);
                }
            }
        }
        __syncthreads(); /* the tile's buffer is loaded again next */
    }

#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float all = sum[r][h];
            all += warp_xor(all, 1);
            all += warp_xor(all, 2);
            float factor = 1 / all;
            int query = first_query + (warp * R + r) * 16 + lane / 4 + h * 8;
            if (query >= a.queries) continue;
            T *y = (T *)a.y + (item * a.queries + query) * a.heads * a.head_size + offset;
#pragma unroll
            for (int d = 0; d < DV / 8; d++) {
                int column = slice * DV + d * 8 + lane % 4 * 2;
                float low = out[r][d][2 * h] * factor, high = out[r][d][2 * h + 1] * factor;
                if (a.paired && column < a.head_size) {
                    *(uint32_t *)(y + column) = pair_f32(T{}, low, high);
                } else {
                    if (column < a.head_size) store_f32(y[column], low);
                    if (column + 1 < a.head_size) store_f32(y[column + 1], high);
                }
            }
        }
}

template <typename T, int D, int DV, int R, int KEYS>
static int flash_launch(cuda_stream stream, const flash &f, int64_t batch)
{
    constexpr int QUERIES = WARPS * R * 16;
    unsigned slices = (unsigned)((f.head_size + DV - 1) / DV);
    dim3 grid((unsigned)((f.queries + QUERIES - 1) / QUERIES), (unsigned)f.heads * slices, (unsigned)batch);
    size_t shared = sizeof(T) * (size_t)(QUERIES * pitch<D> + 2 * KEYS * (pitch<D> + pitch<DV>));
    return launch(flash_kernel<T, D, DV, R, KEYS>, grid, WARPS * 32, shared, stream, f);
}

template <typename T> static int flash_attend(cuda_stream stream, const cuda_attention *a)
{
    const int64_t strides = a->q_stride | a->k_stride | a->v_stride;
    flash f = {};
    f.heads = (int)a->heads, f.head_size = (int)a->head_size;
    f.queries = (int)a->queries, f.keys = (int)a->keys;
    f.q = a->q, f.k = a->k, f.v = a->v, f.y = a->y;
    f.q_stride = a->q_stride, f.k_stride = a->k_stride, f.v_stride = a->v_stride;
    f.scale = fmaxf(fabsf(a->scale) * 1.44269504f, 1e-30f); /* log2 e; not 0, for 0·∞ is not a number */
    f.negate = a->scale < 0;
    f.causal = a->causal;
    f.whole = (strides | a->head_size) % 8 == 0 && aligned16(a->q) && aligned16(a->k) && aligned16(a->v);
    f.paired = a->head_size % 2 == 0 && (uintptr_t)a->y % 4 == 0;
    int64_t d = a->head_size;
    if (d <= 48) return flash_launch<T, 48, 48, 2, 64>(stream, f, a->batch);
    if (d <= 64) return flash_launch<T, 64, 64, 2, 64>(stream, f, a->batch);
    if (d <= 80) return flash_launch<T, 80, 80, 2, 32>(stream, f, a->batch);
    if (d <= 128) return flash_launch<T, 128, 128, 1, 32>(stream, f, a->batch);
    if (d <= 160) return flash_launch<T, 160, 160, 1, 32>(stream, f, a->batch);
    return flash_launch<T, 512, 128, 1, 16>(stream, f, a->batch);
}

int cuda_attend(cuda_stream stream, const cuda_attention *a)
{
    if (a->head_size < 1 || a->head_size > 512 || a->keys < 1 || a->keys > INT32_MAX / 2 ||
        a->queries > INT32_MAX / 2)
        return invalid_value;
    if (!a->batch || !a->heads || !a->queries) return 0;
    if (a->maps || a->type == TT_F32) return cuda_attend_plain(stream, a);
    return a->type == TT_BF16  ? flash_attend<bf16>(stream, a)
           : a->type == TT_F16 ? flash_attend<f16>(stream, a)
                               : invalid_value;
}
