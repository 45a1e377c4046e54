/* PyTorch's CUDA generator: Philox4x32-10 with cuRAND's Box–Muller and ATen's launch geometry
 * (ATen/native/cuda/DistributionTemplates.h). The card takes ln, sin and cos from its own approximate units;
 * here they are rounded from double, so values agree to about 1e-6. */
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>

enum { BLOCK = 256, PER_THREAD = 4 };

static void two_normals(uint32_t x, uint32_t y, float *first, float *second)
{
    const float scale = 2.3283064e-10f, turn = 2.3283064e-10f * 6.2831855f;
    float u = (float)x * scale + scale / 2.0f;
    float v = (float)y * turn + turn / 2.0f;
    float s = sqrtf(-2.0f * (float)log((double)u));
    *first = s * (float)sin((double)v);
    *second = s * (float)cos((double)v);
}

void tt_torch_cuda_randn(tt_torch_cuda *g, uint64_t stride_max, float *out, size_t n)
{
    if (n == 0) return;
    uint64_t blocks = (n - 1) / BLOCK + 1, most = stride_max / BLOCK;
    if (most == 0) most = 1;
    uint64_t stride = BLOCK * (blocks < most ? blocks : most); /* threads of the launch */
    const uint32_t key[2] = {(uint32_t)g->seed, (uint32_t)(g->seed >> 32)};
    uint64_t passes = (n - 1) / (PER_THREAD * stride) + 1;
    for (uint64_t pass = 0; pass < passes; pass++) {
        uint64_t c = g->offset / 4 + pass, base = pass * PER_THREAD * stride;
        for (uint64_t thread = 0; thread < stride && base + thread < n; thread++) {
            const uint32_t counter[4] = {(uint32_t)c, (uint32_t)(c >> 32), (uint32_t)thread,
                                         (uint32_t)(thread >> 32)};
            uint32_t w[4];
            float normal[PER_THREAD];
            tt_philox4x32(key, counter, w);
            bool pair = base + thread + 2 * stride < n;
            two_normals(w[0], w[1], &normal[0], &normal[1]);
            if (pair) two_normals(w[2], w[3], &normal[2], &normal[3]);
            for (uint64_t k = 0; k < PER_THREAD && base + thread + k * stride < n; k++)
                out[base + thread + k * stride] = normal[k];
        }
    }
    g->offset += passes * 4;
}
