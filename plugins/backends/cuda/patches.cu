/* What each pixel of a convolution's output sees, as rows of a matrix: for convolutions that cuDNN has no
 * engine for, which then become products. */
#include "cuda_portable.h"

template <typename T> __global__ void __launch_bounds__(256) patches_kernel(cuda_patches p, int64_t n)
{
    int64_t threads = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads) {
        int64_t c = i % p.channels, k = i / p.channels % (p.kernel_height * p.kernel_width);
        int64_t pixel = p.first + i / (p.channels * p.kernel_height * p.kernel_width);
        int64_t row = pixel / p.out_width;
        int64_t x = pixel % p.out_width * p.stride_x + k % p.kernel_width - p.pad_left;
        int64_t y = row % p.out_height * p.stride_y + k / p.kernel_width - p.pad_top;
        bool inside = x >= 0 && x < p.width && y >= 0 && y < p.height;
        int64_t from = ((row / p.out_height * p.height + y) * p.width + x) * p.channels + c;
        ((T *)p.rows)[i] = inside ? ((const T *)p.x)[from] : T{};
    }
}

int cuda_gather_patches(cuda_stream stream, const cuda_patches *p)
{
    int64_t n = p->n * p->kernel_height * p->kernel_width * p->channels;
    return by_type(p->type, [&](auto t) {
        return launch(patches_kernel<decltype(t)>, blocks_for(n), 256, 0, stream, *p, n);
    });
}
