/* GroupNorm, LayerNorm and softmax: statistics in f64 or two passes over registers, so that small variances
 * beside large means hold. */
#include "activation.cuh"

/* ---- group norm: partial sums of runs of pixels, their sum, the result ---- */

/* Runs of pixels depend on the picture's size alone, never on the batch: at least 8 Ki elements each. */
static int64_t runs_of(int64_t pixels, int64_t channels)
{
    int64_t runs = pixels * channels / 8192;
    if (runs > 512) runs = 512;
    if (runs > pixels) runs = pixels;
    return runs < 1 ? 1 : runs;
}

struct moments {
    double sum, square;
};
struct norm_scale {
    float mean, factor;
};

/* Blocks share the channels; a group that lies in two of them has two partial sums. Group g's in block x is
 * the one numbered g + x. */
enum { COLUMNS = 64 };         /* of a block, at most */
enum { ENOUGH_BLOCKS = 2048 }; /* several waves on the largest devices */
static int64_t sums_of(int64_t groups, int64_t blocks)
{
    return groups + blocks - 1;
}

size_t cuda_group_norm_work(int64_t batch, int64_t pixels, int64_t channels, int64_t groups)
{
    int64_t sums = runs_of(pixels, channels) * sums_of(groups, (channels + COLUMNS - 1) / COLUMNS);
    return (size_t)(batch * sums) * sizeof(moments) + (size_t)(batch * groups) * sizeof(norm_scale);
}

/* A block sums a run of pixels of one item over up to 256 columns of W channels. Its threads are `rows` rows
 * of `columns`; a thread keeps its W channels' sums, less the channel's first pixel: f32 then loses nothing
 * to a large mean. Blocks in y: run, z: item; x: columns. */
template <int W, typename T>
__global__ void __launch_bounds__(256) moments_kernel(int pixels, int channels, int size, int columns,
                                                      int rows, int sums, const T *x, moments *out)
{
    CUDA_SHARED(moments, part); /* [rows][columns·W]; then row 0 has the channels' sums */
    int column = (int)threadIdx.x % columns, row = (int)threadIdx.x / columns;
    int channel = ((int)blockIdx.x * columns + column) * W;
    int first = (int)((int64_t)pixels * blockIdx.y / gridDim.y);
    int end = (int)((int64_t)pixels * (blockIdx.y + 1) / gridDim.y);
    bool mine = row < rows && channel < channels;
    if (mine) {
        const T *item = x + (int64_t)blockIdx.z * pixels * channels + channel;
        float shift[W], sum[W] = {}, square[W] = {}, v[W];
        load_f32<W>(shift, item);
        int count = 0;
        for (int p = first + row; p < end; p += rows, count++) {
            load_f32<W>(v, item + (int64_t)p * channels);
#pragma unroll
            for (int j = 0; j < W; j++) {
                float d = v[j] - shift[j];
                sum[j] += d;
                square[j] = fmaf(d, d, square[j]);
            }
        }
#pragma unroll
        for (int j = 0; j < W; j++) {
            double s = sum[j], about = shift[j];
            part[(row * columns + column) * W + j] = {s + count * about,
                                                      square[j] + about * (2 * s + count * about)};
        }
    }
    __syncthreads();
    int width = columns * W, base = (int)blockIdx.x * width, here = min(width, channels - base);
    for (int c = (int)threadIdx.x; c < here; c += (int)blockDim.x) {
        moments all = part[c];
        for (int r = 1; r < rows; r++) {
            all.sum += part[r * width + c].sum;
            all.square += part[r * width + c].square;
        }
        part[c] = all;
    }
    __syncthreads();
    out += ((int64_t)blockIdx.z * gridDim.y + blockIdx.y) * sums + blockIdx.x;
    int last = (base + here - 1) / size, lane = (int)threadIdx.x % 8;
    for (int some = base / size; some <= last; some += (int)blockDim.x / 8) { /* 8 threads a group */
        int group = some + (int)threadIdx.x / 8;
        int c = group * size - base, group_end = min(c + size, here);
        moments all = {0, 0};
        for (c = (c < 0 ? 0 : c) + lane; c < group_end; c += 8) {
            all.sum += part[c].sum;
            all.square += part[c].square;
        }
#pragma unroll
        for (int mask = 4; mask > 0; mask /= 2) {
            all.sum += warp_xor(all.sum, mask);
            all.square += warp_xor(all.square, mask);
        }
        if (lane == 0 && group <= last) out[group] = all;
    }
}

/* One warp sums one group of one item, always in the same order. */
__global__ void __launch_bounds__(32) group_kernel(int runs, int sums, int size, int width, double count,
                                                   float eps, const moments *part, norm_scale *out)
{
    int group = (int)blockIdx.x, block = group * size / width;
    int blocks = (group * size + size - 1) / width - block + 1;
    part += (int64_t)blockIdx.y * runs * sums + group + block;
    moments all = {0, 0};
    for (int i = (int)threadIdx.x; i < runs * blocks; i += 32) {
        const moments *one = part + (int64_t)(i / blocks) * sums + i % blocks;
        all.sum += one->sum;
        all.square += one->square;
    }
    all.sum = warp_sum(all.sum);
    all.square = warp_sum(all.square);
    if (threadIdx.x == 0) {
        double mean = all.sum / count, variance = all.square / count - mean * mean;
        out[blockIdx.y * gridDim.x + group] = {
            (float)mean, (float)(1 / sqrt((variance > 0 ? variance : 0) + (double)eps))};
    }
}

/* 16 bytes at a time; W 1, or p at a multiple of 16 */
template <int W> __device__ __forceinline__ void load_parameters(float (&x)[W], const float *p)
{
    constexpr int STEP = W < 4 ? W : 4;
#pragma unroll
    for (int i = 0; i < W; i += STEP) {
        float part[STEP];
        load_f32<STEP>(part, p + i);
#pragma unroll
        for (int j = 0; j < STEP; j++)
            x[i + j] = part[j];
    }
}

/* The shape of moments_kernel, but for the runs: what a thread loads first pays the better the more pixels it
 * has. */
template <int W, typename T>
__global__ void __launch_bounds__(256)
    group_norm_kernel(int pixels, int channels, int size, int columns, int rows, bool with_silu, const T *x,
                      const norm_scale *scales, const float *gamma, const float *beta, T *y)
{
    int column = (int)threadIdx.x % columns, row = (int)threadIdx.x / columns;
    int channel = ((int)blockIdx.x * columns + column) * W;
    int first = (int)((int64_t)pixels * blockIdx.y / gridDim.y);
    int end = (int)((int64_t)pixels * (blockIdx.y + 1) / gridDim.y);
    if (row >= rows || channel >= channels) return;
    float mean[W], factor[W], offset[W], v[W];
    load_parameters<W>(factor, gamma + channel);
    load_parameters<W>(offset, beta + channel);
#pragma unroll
    for (int j = 0; j < W; j++) {
        norm_scale s = scales[(int64_t)blockIdx.z * (channels / size) + (channel + j) / size];
        mean[j] = s.mean;
        factor[j] *= s.factor;
    }
    for (int p = first + row; p < end; p += rows) {
        int64_t at = ((int64_t)blockIdx.z * pixels + p) * channels + channel;
        load_f32<W>(v, x + at);
#pragma unroll
        for (int j = 0; j < W; j++) {
            v[j] = fmaf(v[j] - mean[j], factor[j], offset[j]);
            if (with_silu) v[j] = silu<T>(v[j]);
        }
        store_f32<W>(y + at, v);
    }
}

int cuda_group_norm(cuda_stream stream, tt_type type, int64_t batch, int64_t pixels, int64_t channels,
                    int64_t groups, bool silu, float eps, const void *x, const float *gamma,
                    const float *beta, void *y, void *work)
{
    if (pixels > INT32_MAX || channels > INT32_MAX || groups < 1 || channels % groups) return invalid_value;
    if (batch == 0 || pixels == 0) return 0;
    int64_t runs = runs_of(pixels, channels);
    int size = (int)(channels / groups), n = (int)channels;
    moments *part = (moments *)work;
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        auto run = [&](auto moments_of, auto norm_of, int w) {
            /* equal shares of the columns of w channels */
            int all = n / w, blocks = (all + COLUMNS - 1) / COLUMNS, columns = (all + blocks - 1) / blocks,
                rows = 256 / columns, sums = (int)sums_of(groups, blocks);
            norm_scale *scales = (norm_scale *)(part + batch * runs * sums);
            dim3 grid((unsigned)blocks, (unsigned)runs, (unsigned)batch), fewer = grid;
            int64_t enough = ENOUGH_BLOCKS / (batch * blocks) + 1;
            if (enough < runs) fewer.y = (unsigned)enough;
            size_t shared = (size_t)(rows * columns * w) * sizeof(moments);
            int e = launch(moments_of, grid, 256, shared, stream, (int)pixels, n, size, columns, rows, sums,
                           (const T *)x, part);
            if (!e)
                e = launch(group_kernel, dim3((unsigned)groups, (unsigned)batch), 32, 0, stream, (int)runs,
                           sums, size, columns * w, (double)pixels * size, eps, part, scales);
            if (!e)
                e = launch(norm_of, fewer, 256, 0, stream, (int)pixels, n, size, columns, rows, silu,
                           (const T *)x, scales, gamma, beta, (T *)y);
            return e;
        };
        constexpr int W = wide<T>;
        if (channels % W == 0 && aligned16(x) && aligned16(y) && aligned16(gamma) && aligned16(beta))
            return run(moments_kernel<W, T>, group_norm_kernel<W, T>, W);
        return run(moments_kernel<1, T>, group_norm_kernel<1, T>, 1);
    });
}

/* ---- rows: one warp each, 8 in a block; a row is read again from the cache ---- */

__device__ __forceinline__ int64_t row_of_warp()
{
    return (int64_t)blockIdx.x * 8 + threadIdx.x / 32;
}
static dim3 blocks_for_rows(int64_t rows)
{
    return dim3((unsigned)((rows + 7) / 8));
}

template <int W, typename T>
__global__ void __launch_bounds__(256)
    layer_norm_kernel(int64_t rows, int n, float eps, const T *x, const float *gamma, const float *beta, T *y)
{
    int64_t row = row_of_warp();
    int lane = (int)threadIdx.x % 32;
    if (row >= rows) return;
    x += row * n;
    y += row * n;
    float v[W], sum = 0, square = 0;
    for (int i = lane * W; i < n; i += 32 * W) {
        load_f32<W>(v, x + i);
#pragma unroll
        for (int j = 0; j < W; j++)
            sum += v[j];
    }
    float mean = warp_sum(sum) / (float)n;
    for (int i = lane * W; i < n; i += 32 * W) {
        load_f32<W>(v, x + i);
#pragma unroll
        for (int j = 0; j < W; j++)
            square = fmaf(v[j] - mean, v[j] - mean, square);
    }
    float factor = 1 / sqrtf(warp_sum(square) / (float)n + eps);
    for (int i = lane * W; i < n; i += 32 * W) {
        load_f32<W>(v, x + i);
#pragma unroll
        for (int j = 0; j < W; j++)
            v[j] = fmaf((v[j] - mean) * factor, gamma[i + j], beta[i + j]);
        store_f32<W>(y + i, v);
    }
}

int cuda_layer_norm(cuda_stream stream, tt_type type, int64_t rows, int64_t n, const void *x,
                    const float *gamma, const float *beta, float eps, void *y)
{
    if (n > INT32_MAX / 2) return invalid_value;
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        bool whole = n % wide<T> == 0 && aligned16(x) && aligned16(y);
        return launch(whole ? layer_norm_kernel<wide<T>, T> : layer_norm_kernel<1, T>, blocks_for_rows(rows),
                      256, 0, stream, rows, (int)n, eps, (const T *)x, gamma, beta, (T *)y);
    });
}

template <int W, typename T>
__global__ void __launch_bounds__(256) softmax_kernel(int64_t rows, int n, const T *x, T *y)
{
    int64_t row = row_of_warp();
    int lane = (int)threadIdx.x % 32;
    if (row >= rows) return;
    x += row * n;
    y += row * n;
    float v[W], most = -INFINITY, sum = 0;
    for (int i = lane * W; i < n; i += 32 * W) {
        load_f32<W>(v, x + i);
#pragma unroll
        for (int j = 0; j < W; j++)
            most = fmaxf(most, v[j]);
    }
    most = warp_max(most);
    for (int i = lane * W; i < n; i += 32 * W) {
        load_f32<W>(v, x + i);
#pragma unroll
        for (int j = 0; j < W; j++)
            sum += expf(v[j] - most);
    }
    sum = warp_sum(sum);
    for (int i = lane * W; i < n; i += 32 * W) {
        load_f32<W>(v, x + i);
#pragma unroll
        for (int j = 0; j < W; j++)
            v[j] = expf(v[j] - most) / sum;
        store_f32<W>(y + i, v);
    }
}

int cuda_softmax(cuda_stream stream, tt_type type, int64_t rows, int64_t n, const void *x, void *y)
{
    if (n > INT32_MAX / 2) return invalid_value;
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        bool whole = n % wide<T> == 0 && aligned16(x) && aligned16(y);
        return launch(whole ? softmax_kernel<wide<T>, T> : softmax_kernel<1, T>, blocks_for_rows(rows), 256,
                      0, stream, rows, (int)n, (const T *)x, (T *)y);
    });
}
