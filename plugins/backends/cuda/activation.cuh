/* Activations of f32 sums. Where the result is rounded to 16 bits anyway they are made to some 1e-5 of their
 * value by a handful of instructions: the exact ones take longer than memory does. */
#ifndef TT_CUDA_ACTIVATION_H
#define TT_CUDA_ACTIVATION_H

#include "cuda_portable.h"

/* 1 / (1 + e^-x) times x */
template <typename T> __device__ __forceinline__ float silu(float x)
{
    if constexpr (sizeof(T) == 2) return x * fast_reciprocal(1 + fast_exp2(-1.44269504f * x));
    return x / (1 + expf(-x));
}

/* x·sigmoid(1.702 x) */
template <typename T> __device__ __forceinline__ float quick_gelu(float x)
{
    if constexpr (sizeof(T) == 2) return x * fast_reciprocal(1 + fast_exp2(-1.702f * 1.44269504f * x));
    return x / (1 + expf(-1.702f * x));
}

/* x·Φ(x), without cancellation below 0. In 16 bits Φ(-t) = exp(-t²/2)·u·P(u) with u = 1/(1 + 0.31 t): P is
 * fitted for the least relative error, 4.7e-6 on [0, 14], beyond which no type has Φ (the form of Abramowitz
 * and Stegun 7.1.26, whose coefficients are for the absolute error). */
template <typename T> __device__ __forceinline__ float gelu(float x)
{
    if constexpr (sizeof(T) == 2) {
        float t = fabsf(x), u = fast_reciprocal(fmaf(0.31f, t, 1.0f));
        float p = fmaf(u, -0.0739250602f, 0.180438503f);
        p = fmaf(u, p, 0.0157579312f);
        p = fmaf(u, p, 0.133422705f);
        p = fmaf(u, p, 0.120443091f);
        p = fmaf(u, p, 0.123860524f);
        float tail = u * p * fast_exp2(-0.72134752f * t * t); /* log2(e) / 2 */
        return x * (x >= 0 ? 1 - tail : tail);
    }
    return 0.5f * x * erfcf(x * -0.70710678f);
}

#endif
