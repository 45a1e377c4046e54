/* What each pixel of a convolution's output sees, as rows of a matrix: for convolutions that cuDNN has no
 * engine for, which then become products. */
#include "cuda_portable.h"

/* n elements of T; `channels` of them in a pixel */
template <typename T, typename I>
__global__ void __launch_bounds__(256) patches_kernel(cuda_patches p, I n, I channels)
{
    const I width = (I)p.width, height = (I)p.height, out_width = (I)p.out_width,
            out_height = (I)p.out_height, kernel_width = (I)p.kernel_width,
            kernel = (I)(p.kernel_height * p.kernel_width);
    for (I i = (I)thread_of_grid(); i < n; i += (I)threads_of_grid()) {
        I at = i / channels, c = i % channels, k = at % kernel, pixel = (I)p.first + at / kernel;
        I row = pixel / out_width;
        int64_t x = (int64_t)(pixel % out_width) * p.stride_x + (int64_t)(k % kernel_width) - p.pad_left;
        int64_t y = (int64_t)(row % out_height) * p.stride_y + (int64_t)(k / kernel_width) - p.pad_top;
        bool inside = x >= 0 && x < p.width && y >= 0 && y < p.height;
        I from = ((row / out_height * height + (I)y) * width + (I)x) * channels + c;
        ((T *)p.rows)[i] = inside ? ((const T *)p.x)[from] : T{};
    }
}

int cuda_gather_patches(cuda_stream stream, const cuda_patches *p)
{
    return by_move(p->type, p->channels, aligned16(p->x) && aligned16(p->rows), [&](auto t, int w) {
        typedef decltype(t) T;
        int64_t channels = p->channels / w, kernel = p->kernel_height * p->kernel_width,
                n = p->n * kernel * channels, pixels = p->first + p->n;
        int64_t images = pixels / (p->out_height * p->out_width) + 1;
        int64_t most = n + pixels + images * p->height * p->width * channels;
        return by_count(most, [&](auto i) {
            typedef decltype(i) I;
            return launch(patches_kernel<T, I>, blocks_for(n), 256, 0, stream, *p, (I)n, (I)channels);
        });
    });
}
