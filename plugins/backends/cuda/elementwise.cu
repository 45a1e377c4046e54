/* Operations whose results are one element's or one row's: casts, activations, sums, GEGLU, and copies that
 * only move data. Limited by memory: 16 bytes a thread and access where sizes and addresses allow. */
#include "activation.cuh"

/* ---- elements ---- */

template <int W, typename F, typename T>
__global__ void __launch_bounds__(256) cast_kernel(int64_t n, const F *x, T *y)
{
    float v[W];
    for (int64_t i = thread_of_grid(); i < n / W; i += threads_of_grid()) {
        load_f32<W>(v, x + i * W);
        store_f32<W>(y + i * W, v);
    }
    for (int64_t i = n / W * W + thread_of_grid(); i < n; i += threads_of_grid())
        store_f32(y[i], to_f32(x[i]));
}

int cuda_cast(cuda_stream stream, tt_type from, const void *x, tt_type to, void *y, int64_t n)
{
    return by_type(from, [&](auto f) {
        return by_type(to, [&](auto t) {
            typedef decltype(f) F;
            typedef decltype(t) T;
            constexpr int W = wide<F> < wide<T> ? wide<F> : wide<T>;
            if (aligned16(x) && aligned16(y))
                return launch(cast_kernel<W, F, T>, blocks_for((n + W - 1) / W), 256, 0, stream, n,
                              (const F *)x, (T *)y);
            return launch(cast_kernel<1, F, T>, blocks_for(n), 256, 0, stream, n, (const F *)x, (T *)y);
        });
    });
}

template <typename T> __device__ __forceinline__ float activate(tt_activation act, float x)
{
    switch (act) {
    case TT_ACT_SILU:
        return silu<T>(x);
    case TT_ACT_GELU:
        return gelu<T>(x);
    case TT_ACT_QUICK_GELU:
        return quick_gelu<T>(x);
    default:
        return x;
    }
}

template <int W, typename T>
__device__ void activate_at(int64_t i, tt_activation act, const T *x, const T *residual, T *y)
{
    float v[W], r[W] = {};
    load_f32<W>(v, x + i * W);
    if (residual) load_f32<W>(r, residual + i * W);
#pragma unroll
    for (int j = 0; j < W; j++) {
        v[j] = activate<T>(act, v[j]);
        if (residual) v[j] += r[j];
    }
    store_f32<W>(y + i * W, v);
}

template <int W, typename T>
__global__ void __launch_bounds__(256)
    activate_kernel(int64_t n, tt_activation act, const T *x, const T *residual, T *y)
{
    for (int64_t i = thread_of_grid(); i < n / W; i += threads_of_grid())
        activate_at<W>(i, act, x, residual, y);
    for (int64_t i = n / W * W + thread_of_grid(); i < n; i += threads_of_grid())
        activate_at<1>(i, act, x, residual, y);
}

int cuda_activate(cuda_stream stream, tt_type type, tt_activation act, int64_t n, const void *x,
                  const void *residual, void *y)
{
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        constexpr int W = wide<T>;
        if (aligned16(x) && aligned16(residual) && aligned16(y))
            return launch(activate_kernel<W, T>, blocks_for((n + W - 1) / W), 256, 0, stream, n, act,
                          (const T *)x, (const T *)residual, (T *)y);
        return launch(activate_kernel<1, T>, blocks_for(n), 256, 0, stream, n, act, (const T *)x,
                      (const T *)residual, (T *)y);
    });
}

template <int W, typename T>
__global__ void __launch_bounds__(256) scale_kernel(int64_t n, float factor, float offset, const T *x, T *y)
{
    float v[W];
    for (int64_t i = thread_of_grid(); i < n / W; i += threads_of_grid()) {
        load_f32<W>(v, x + i * W);
#pragma unroll
        for (int j = 0; j < W; j++)
            v[j] = fmaf(v[j], factor, offset);
        store_f32<W>(y + i * W, v);
    }
    for (int64_t i = n / W * W + thread_of_grid(); i < n; i += threads_of_grid())
        store_f32(y[i], fmaf(to_f32(x[i]), factor, offset));
}

int cuda_scale(cuda_stream stream, tt_type type, int64_t n, float factor, float offset, const void *x,
               void *y)
{
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        constexpr int W = wide<T>;
        if (aligned16(x) && aligned16(y))
            return launch(scale_kernel<W, T>, blocks_for((n + W - 1) / W), 256, 0, stream, n, factor, offset,
                          (const T *)x, (T *)y);
        return launch(scale_kernel<1, T>, blocks_for(n), 256, 0, stream, n, factor, offset, (const T *)x,
                      (T *)y);
    });
}

/* ---- rows: `width` vectors each ---- */

template <int W, typename T, typename I>
__global__ void __launch_bounds__(256)
    add_channels_kernel(I n, I per_item, I width, const T *x, const T *channel, const T *residual, T *y)
{
    for (I i = (I)thread_of_grid(); i < n; i += (I)threads_of_grid()) {
        float v[W] = {}, add[W];
        int64_t at = (int64_t)i * W;
        if (x) load_f32<W>(v, x + at);
        if (channel) {
            load_f32<W>(add, channel + (int64_t)(i / per_item * width + i % width) * W);
#pragma unroll
            for (int j = 0; j < W; j++)
                v[j] += add[j];
        }
        if (residual) {
            load_f32<W>(add, residual + at);
#pragma unroll
            for (int j = 0; j < W; j++)
                v[j] += add[j];
        }
        store_f32<W>(y + at, v);
    }
}

int cuda_add_channels(cuda_stream stream, tt_type type, int64_t batch, int64_t pixels, int64_t channels,
                      const void *x, const void *channel, const void *residual, void *y)
{
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        bool whole = channels % wide<T> == 0 && aligned16(x) && aligned16(channel) && aligned16(residual) &&
                     aligned16(y);
        int64_t width = channels / (whole ? wide<T> : 1), n = batch * pixels * width;
        return by_count(n, [&](auto i) {
            typedef decltype(i) I;
            return launch(whole ? add_channels_kernel<wide<T>, T, I> : add_channels_kernel<1, T, I>,
                          blocks_for(n), 256, 0, stream, (I)n, (I)(pixels * width), (I)width, (const T *)x,
                          (const T *)channel, (const T *)residual, (T *)y);
        });
    });
}

template <int W, typename T, typename I>
__global__ void __launch_bounds__(256) geglu_kernel(I n, I width, const T *x, T *y)
{
    for (I i = (I)thread_of_grid(); i < n; i += (I)threads_of_grid()) {
        float a[W], g[W];
        const T *at = x + (int64_t)(i / width * width + i) * W; /* rows of x are two of y */
        load_f32<W>(a, at);
        load_f32<W>(g, at + (int64_t)width * W);
#pragma unroll
        for (int j = 0; j < W; j++)
            a[j] *= gelu<T>(g[j]);
        store_f32<W>(y + (int64_t)i * W, a);
    }
}

int cuda_geglu(cuda_stream stream, tt_type type, int64_t rows, int64_t n, const void *x, void *y)
{
    return by_type(type, [&](auto t) {
        typedef decltype(t) T;
        bool whole = n % wide<T> == 0 && aligned16(x) && aligned16(y);
        int64_t width = n / (whole ? wide<T> : 1), all = rows * width;
        return by_count(all, [&](auto i) {
            typedef decltype(i) I;
            return launch(whole ? geglu_kernel<wide<T>, T, I> : geglu_kernel<1, T, I>, blocks_for(all), 256,
                          0, stream, (I)all, (I)width, (const T *)x, (T *)y);
        });
    });
}

/* ---- moves: elements only have a size ---- */

template <typename T, typename I>
__global__ void __launch_bounds__(256) concat_kernel(I n, I width_a, I width_b, const T *a, const T *b, T *y)
{
    I width = width_a + width_b;
    for (I i = (I)thread_of_grid(); i < n; i += (I)threads_of_grid()) {
        I row = i / width, at = i % width;
        y[i] = at < width_a ? a[row * width_a + at] : b[row * width_b + at - width_a];
    }
}

int cuda_concat(cuda_stream stream, tt_type type, int64_t rows, int64_t width_a, int64_t width_b,
                const void *a, const void *b, void *y)
{
    bool aligned = aligned16(a) && aligned16(b) && aligned16(y);
    /* width_a | width_b has the common factors of two of both */
    return by_move(type, width_a | width_b, aligned, [&](auto t, int w) {
        typedef decltype(t) T;
        int64_t n = rows * (width_a + width_b) / w;
        return by_count(n, [&](auto i) {
            typedef decltype(i) I;
            return launch(concat_kernel<T, I>, blocks_for(n), 256, 0, stream, (I)n, (I)(width_a / w),
                          (I)(width_b / w), (const T *)a, (const T *)b, (T *)y);
        });
    });
}

template <typename T, typename I>
__global__ void __launch_bounds__(256)
    upsample_kernel(I n, I height, I width, I channels, I out_height, I out_width, const T *x, T *y)
{
    for (I i = (I)thread_of_grid(); i < n; i += (I)threads_of_grid()) {
        I pixel = i / channels, row = pixel / out_width;
        I from_x = pixel % out_width * width / out_width;
        I from_y = row % out_height * height / out_height;
        I from = (row / out_height * height + from_y) * width + from_x;
        y[i] = x[from * channels + i % channels];
    }
}

int cuda_upsample(cuda_stream stream, tt_type type, int64_t batch, int64_t height, int64_t width,
                  int64_t channels, int64_t out_height, int64_t out_width, const void *x, void *y)
{
    return by_move(type, channels, aligned16(x) && aligned16(y), [&](auto t, int w) {
        typedef decltype(t) T;
        int64_t c = channels / w, n = batch * out_height * out_width * c;
        int64_t most = n + batch * height * width * c + height * out_height + width * out_width;
        return by_count(most, [&](auto i) {
            typedef decltype(i) I;
            return launch(upsample_kernel<T, I>, blocks_for(n), 256, 0, stream, (I)n, (I)height, (I)width,
                          (I)c, (I)out_height, (I)out_width, (const T *)x, (T *)y);
        });
    });
}

template <typename T, typename I>
__global__ void __launch_bounds__(256)
    embedding_kernel(I n, int64_t rows, I width, const int32_t *ids, const T *table, T *y)
{
    for (I i = (I)thread_of_grid(); i < n; i += (I)threads_of_grid()) {
        int64_t id = ids[i / width];
        y[i] = id >= 0 && id < rows ? table[id * (int64_t)width + (int64_t)(i % width)] : T{};
    }
}

int cuda_embedding(cuda_stream stream, tt_type type, int64_t n, int64_t rows, int64_t width,
                   const int32_t *ids, const void *table, void *y)
{
    return by_move(type, width, aligned16(table) && aligned16(y), [&](auto t, int w) {
        typedef decltype(t) T;
        int64_t all = n * width / w;
        return by_count(all, [&](auto i) {
            typedef decltype(i) I;
            return launch(embedding_kernel<T, I>, blocks_for(all), 256, 0, stream, (I)all, rows,
                          (I)(width / w), ids, (const T *)table, (T *)y);
        });
    });
}

/* Regions of one launch: kernel parameters have 4 KiB on every device. */
constexpr size_t REGIONS = 128;
struct regions {
    tt_copy_region at[REGIONS];
};

template <typename T> __device__ size_t copy_units(const tt_copy_region &r, size_t from)
{
    size_t n = r.bytes / sizeof(T);
    for (size_t i = from / sizeof(T) + (size_t)thread_of_grid(); i < n; i += (size_t)threads_of_grid())
        ((T *)r.to)[i] = ((const T *)r.from)[i];
    return n * sizeof(T);
}

__global__ void __launch_bounds__(256) copy_kernel(regions all)
{
    tt_copy_region r = all.at[blockIdx.y];
    size_t done = 0;
    if (((uintptr_t)r.to | (uintptr_t)r.from) % 16 == 0) done = copy_units<bytes16>(r, 0);
    copy_units<uint16_t>(r, done);
}

int cuda_copy_regions(cuda_stream stream, size_t n, const tt_copy_region *from)
{
    for (size_t first = 0; first < n; first += REGIONS) {
        regions some = {};
        size_t count = n - first < REGIONS ? n - first : REGIONS, most = 0;
        for (size_t i = 0; i < count; i++) {
            some.at[i] = from[first + i];
            if (some.at[i].bytes > most) most = some.at[i].bytes;
        }
        if (most == 0) continue;
        dim3 grid = blocks_for((int64_t)(most / 16 + 1));
        grid.x = grid.x < 1024 ? grid.x : 1024;
        grid.y = (unsigned)count;
        int e = launch(copy_kernel, grid, 256, 0, stream, some);
        if (e) return e;
    }
    return 0;
}
