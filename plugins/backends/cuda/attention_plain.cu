/* Attention by f32 products: flash attention in f32, and the unfused path whose maps are stored. */
#include "attention.cuh"
#include "cuda_portable.h"

struct plain {
    int heads, head_size, queries, keys;
    const void *q, *k, *v;
    int64_t q_stride, k_stride, v_stride;
    void *y;
    float scale;
    bool causal;
    bool whole; /* f32 rows begin at multiples of 16 bytes and are made of them */
    float *maps;
};

/* ---- f32: 8 threads a query; each has every eighth key's score, and every eighth four of the output ---- */

template <int D>
__device__ void load_rows(float *to, const float *from, int64_t stride, int first, int end, int rows,
                          int width, bool whole)
{
    for (int i = (int)threadIdx.x; i < rows * (D / 4); i += (int)blockDim.x) {
        int row = i / (D / 4), at = i % (D / 4) * 4;
        float v[4] = {};
        if (first + row < end) {
            const float *source = from + (int64_t)(first + row) * stride + at;
            if (whole && at < width) {
                load_f32<4>(v, source);
            } else {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (at + j < width) v[j] = source[j];
            }
        }
        store_f32<4>(to + row * (D + 4) + at, v);
    }
}

/* D + 4 floats from row to row: 8 threads that read 8 keys meet in no bank. */
template <int D, int QUERIES, int KEYS> __global__ void __launch_bounds__(QUERIES * 8) f32_kernel(plain a)
{
    CUDA_SHARED(float, q_tile);
    float *k_tile = q_tile + QUERIES * (D + 4), *v_tile = k_tile + KEYS * (D + 4),
          *p_tile = v_tile + KEYS * (D + 4);
    int row = (int)threadIdx.x / 8, part = (int)threadIdx.x % 8;
    int first_query = (int)blockIdx.x * QUERIES, query = first_query + row;
    int64_t item = blockIdx.z, offset = (int64_t)blockIdx.y * a.head_size;
    const float *k = (const float *)a.k + item * a.keys * a.k_stride + offset;
    const float *v = (const float *)a.v + item * a.keys * a.v_stride + offset;
    load_rows<D>(q_tile, (const float *)a.q + item * a.queries * a.q_stride + offset, a.q_stride, first_query,
                 a.queries, QUERIES, a.head_size, a.whole);

    float out[D / 32][4] = {}, most = -INFINITY, sum = 0;
    int last_key = a.causal ? min(a.keys, first_query + QUERIES) : a.keys;
    for (int first_key = 0; first_key < last_key; first_key += KEYS) {
        load_rows<D>(k_tile, k, a.k_stride, first_key, a.keys, KEYS, a.head_size, a.whole);
        load_rows<D>(v_tile, v, a.v_stride, first_key, a.keys, KEYS, a.head_size, a.whole);
        __syncthreads();

        float s[KEYS / 8] = {}, x[4], z[4];
        for (int d = 0; d < D; d += 4) {
            load_f32<4>(x, q_tile + row * (D + 4) + d);
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) {
                load_f32<4>(z, k_tile + (n * 8 + part) * (D + 4) + d);
#pragma unroll
                for (int j = 0; j < 4; j++)
                    s[n] = fmaf(x[j], z[j], s[n]);
            }
        }
        float top = most;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            int key = first_key + n * 8 + part;
            s[n] = key >= a.keys || (a.causal && key > query) ? -INFINITY : s[n] * a.scale;
            top = fmaxf(top, s[n]);
        }
#pragma unroll
        for (int mask = 1; mask < 8; mask *= 2)
            top = fmaxf(top, warp_xor(top, mask));
        float shrink = expf(most - top);
        most = top;
        sum *= shrink;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            float p = expf(s[n] - top);
            sum += p;
            p_tile[row * KEYS + n * 8 + part] = p;
        }
#pragma unroll
        for (int i = 0; i < D / 32; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                out[i][j] *= shrink;
        __syncwarp(); /* a query's threads are of one warp */
        for (int key = 0; key < KEYS; key++) {
            float p = p_tile[row * KEYS + key];
#pragma unroll
            for (int i = 0; i < D / 32; i++) {
                load_f32<4>(z, v_tile + key * (D + 4) + (i * 8 + part) * 4);
#pragma unroll
                for (int j = 0; j < 4; j++)
                    out[i][j] = fmaf(p, z[j], out[i][j]);
            }
        }
        __syncthreads();
    }

#pragma unroll
    for (int mask = 1; mask < 8; mask *= 2)
        sum += warp_xor(sum, mask);
    if (query >= a.queries) return;
    float *y = (float *)a.y + (item * a.queries + query) * a.heads * a.head_size + offset;
#pragma unroll
    for (int i = 0; i < D / 32; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int column = (i * 8 + part) * 4 + j;
            if (column < a.head_size) y[column] = out[i][j] / sum;
        }
}

template <int D, int QUERIES, int KEYS>
static int f32_launch(cuda_stream stream, const plain &a, int64_t batch)
{
    dim3 grid((unsigned)((a.queries + QUERIES - 1) / QUERIES), (unsigned)a.heads, (unsigned)batch);
    size_t shared = sizeof(float) * (size_t)((QUERIES + 2 * KEYS) * (D + 4) + QUERIES * KEYS);
    return launch(f32_kernel<D, QUERIES, KEYS>, grid, QUERIES * 8, shared, stream, a);
}

/* ---- with maps: a block for each query ---- */

enum { MAP_THREADS = 128 };

__device__ __forceinline__ float block_reduce(float x, bool sum, float *between)
{
    x = sum ? warp_sum(x) : warp_max(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) between[threadIdx.x / 32] = x;
    __syncthreads();
    x = between[0];
    for (int i = 1; i < MAP_THREADS / 32; i++)
        x = sum ? x + between[i] : fmaxf(x, between[i]);
    return x;
}

template <typename T> __global__ void __launch_bounds__(MAP_THREADS) maps_kernel(plain a)
{
    CUDA_SHARED(float, query_row);
    float *between = query_row + a.head_size;
    int64_t item = blockIdx.z, query = blockIdx.x, offset = (int64_t)blockIdx.y * a.head_size;
    const T *q = (const T *)a.q + (item * a.queries + query) * a.q_stride + offset;
    const T *k = (const T *)a.k + item * a.keys * a.k_stride + offset;
    const T *v = (const T *)a.v + item * a.keys * a.v_stride + offset;
    float *map = a.maps + ((item * a.heads + blockIdx.y) * a.queries + query) * a.keys;
    int self = (int)threadIdx.x;
    for (int d = self; d < a.head_size; d += MAP_THREADS)
        query_row[d] = to_f32(q[d]);
    __syncthreads();

    float top = -INFINITY, sum = 0;
    for (int key = self; key < a.keys; key += MAP_THREADS) {
        float dot = 0;
        for (int d = 0; d < a.head_size; d++)
            dot = fmaf(query_row[d], to_f32(k[key * a.k_stride + d]), dot);
        dot = a.causal && key > query ? -INFINITY : dot * a.scale;
        map[key] = dot;
        top = fmaxf(top, dot);
    }
    top = block_reduce(top, false, between);
    for (int key = self; key < a.keys; key += MAP_THREADS) {
        map[key] = expf(map[key] - top);
        sum += map[key];
    }
    sum = block_reduce(sum, true, between);
    for (int key = self; key < a.keys; key += MAP_THREADS)
        map[key] /= sum;
    __syncthreads();

    T *y = (T *)a.y + (item * a.queries + query) * a.heads * a.head_size + offset;
    for (int d = self; d < a.head_size; d += MAP_THREADS) {
        float out = 0;
        for (int key = 0; key < a.keys; key++)
            out = fmaf(map[key], to_f32(v[key * a.v_stride + d]), out);
        store_f32(y[d], out);
    }
}

int cuda_attend_plain(cuda_stream stream, const cuda_attention *from)
{
    plain a = {};
    a.heads = (int)from->heads, a.head_size = (int)from->head_size;
    a.queries = (int)from->queries, a.keys = (int)from->keys;
    a.q = from->q, a.k = from->k, a.v = from->v, a.y = from->y;
    a.q_stride = from->q_stride, a.k_stride = from->k_stride, a.v_stride = from->v_stride;
    a.scale = from->scale, a.causal = from->causal, a.maps = from->maps;
    a.whole = (a.q_stride | a.k_stride | a.v_stride | a.head_size) % 4 == 0 && aligned16(a.q) &&
              aligned16(a.k) && aligned16(a.v);
    if (a.maps)
        return by_type(from->type, [&](auto t) {
            dim3 grid((unsigned)a.queries, (unsigned)a.heads, (unsigned)from->batch);
            size_t shared = sizeof(float) * (size_t)(a.head_size + MAP_THREADS / 32);
            return launch(maps_kernel<decltype(t)>, grid, MAP_THREADS, shared, stream, a);
        });
    if (a.head_size <= 64) return f32_launch<64, 32, 32>(stream, a, from->batch);
    if (a.head_size <= 160) return f32_launch<160, 32, 32>(stream, a, from->batch);
    return f32_launch<512, 16, 16>(stream, a, from->batch);
}
