/* What kernels are written with. nvcc compiles it to the machine's own; with TT_CUDA_EMULATED (tests only) a
 * C++ compiler makes the same kernels run on the CPU, each thread of a block as a fiber. Kernels take shared
 * memory only as CUDA_SHARED, launch only through launch(), and use warp operations only with all 32 lanes.
 */
#ifndef TT_CUDA_PORTABLE_H
#define TT_CUDA_PORTABLE_H

#include "kernels.h"

#include <math.h>
#include <stdint.h>

struct bf16 {
    uint16_t bits;
};
struct f16 {
    uint16_t bits;
};

#ifdef TT_CUDA_EMULATED
#include "support/cuda/emulated.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* `shared` bytes of dynamic shared memory; beyond 48 KiB a kernel must ask for it. */
template <typename... P>
int launch(void (*kernel)(P...), dim3 grid, unsigned threads, size_t shared, cuda_stream stream,
           typename std::common_type<P>::type... args)
{
    if (!grid.x || !grid.y || !grid.z) return 0;
    if (shared > 48 * 1024) {
        cudaError_t e = cudaFuncSetAttribute((const void *)kernel,
                                             cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
        if (e != cudaSuccess) return (int)e;
    }
    void *at[] = {(void *)&args...};
    return (int)cudaLaunchKernel((const void *)kernel, grid, dim3(threads), at, shared, stream);
}

#define CUDA_SHARED(type, name)                                                                              \
    extern __shared__ __align__(16) unsigned char cuda_shared_bytes[];                                       \
    type *name = (type *)cuda_shared_bytes

__device__ __forceinline__ float to_f32(float x)
{
    return x;
}
__device__ __forceinline__ float to_f32(bf16 x)
{
    return __uint_as_float((unsigned)x.bits << 16);
}
__device__ __forceinline__ float to_f32(f16 x)
{
    return __half2float(__ushort_as_half(x.bits));
}
__device__ __forceinline__ void store_f32(float &y, float x)
{
    y = x;
}
__device__ __forceinline__ void store_f32(bf16 &y, float x)
{
    y.bits = __bfloat16_as_ushort(__float2bfloat16_rn(x));
}
__device__ __forceinline__ void store_f32(f16 &y, float x)
{
    y.bits = __half_as_ushort(__float2half_rn(x));
}

/* Two rounded numbers in one register, `low` in the low half. */
__device__ __forceinline__ uint32_t pair_f32(bf16, float low, float high)
{
    uint32_t d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}
__device__ __forceinline__ uint32_t pair_f32(f16, float low, float high)
{
    uint32_t d;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

/* 2^x to 2 ulp, results below 2^-126 flushed */
__device__ __forceinline__ float fast_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* 1/x to 1 ulp, results below 2^-126 flushed */
__device__ __forceinline__ float fast_reciprocal(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

template <typename V> __device__ __forceinline__ V warp_xor(V x, int mask)
{
    return __shfl_xor_sync(0xffffffffu, x, mask);
}

__device__ __forceinline__ unsigned shared_address(const void *p)
{
    return (unsigned)__cvta_generic_to_shared(p);
}

/* c += a·b, 16×16 by 16×8, f32 sums (PTX ISA: mma.m16n8k16). With g = lane / 4, t = lane % 4:
 * a: rows g and g+8 of columns 2t, 2t+1 (a[0], a[1]) and 2t+8, 2t+9 (a[2], a[3]); b: column g of rows 2t,
 * 2t+1 (b0) and 2t+8, 2t+9 (b1); c: rows g (c[0], c[1]) and g+8 of columns 2t, 2t+1. */
__device__ __forceinline__ void mma(bf16, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ void mma(f16, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8×8 matrices of 16-bit elements from shared memory; lane i gives the address of row i % 8 of matrix
 * i / 8 and gets of each matrix row lane / 4, columns 2·(lane % 4) and the next (transposed: of columns). */
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* 16 bytes to shared memory, zeros unless `inside`; there after the wait for its group. */
__device__ __forceinline__ void copy_async(void *to, const void *from, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(inside ? 16 : 0)
                 : "memory");
}
__device__ __forceinline__ void copy_async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/* all groups of this thread but the latest N are there */
template <int N> __device__ __forceinline__ void copy_async_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#endif

/* ---- on both machines ---- */

/* W elements that one instruction loads and stores; W·sizeof(T) ≤ 16, aligned to their size. */
template <typename T, int W> struct alignas(sizeof(T) * W) vector {
    T at[W];
};
template <typename T> constexpr int wide = 16 / (int)sizeof(T);

template <int W, typename T> __device__ __forceinline__ void load_f32(float (&x)[W], const T *p)
{
    vector<T, W> v = *(const vector<T, W> *)p;
#pragma unroll
    for (int i = 0; i < W; i++)
        x[i] = to_f32(v.at[i]);
}
template <int W, typename T> __device__ __forceinline__ void store_f32(T *p, const float (&x)[W])
{
    vector<T, W> v;
#pragma unroll
    for (int i = 0; i < W; i++)
        store_f32(v.at[i], x[i]);
    *(vector<T, W> *)p = v;
}

template <typename V> __device__ __forceinline__ V warp_sum(V x)
{
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2)
        x += warp_xor(x, mask);
    return x;
}
__device__ __forceinline__ float warp_max(float x)
{
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2)
        x = fmaxf(x, warp_xor(x, mask));
    return x;
}

__device__ __forceinline__ int64_t thread_of_grid()
{
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t threads_of_grid()
{
    return (int64_t)gridDim.x * blockDim.x;
}

struct alignas(16) bytes16 {
    uint32_t at[4];
};

/* ---- on the host ---- */

inline bool aligned16(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

/* blocks of 256 threads for n items; more than fill any device turn to loops over the grid */
inline dim3 blocks_for(int64_t n)
{
    int64_t blocks = (n + 255) / 256;
    return dim3((unsigned)(blocks < 65536 ? blocks : 65536));
}

constexpr int invalid_value = 1; /* cudaErrorInvalidValue */

/* calls f with a zero of the element's type */
template <typename F> int by_type(tt_type type, F f)
{
    switch (type) {
    case TT_F32:
        return f(float{});
    case TT_BF16:
        return f(bf16{});
    case TT_F16:
        return f(f16{});
    default:
        return invalid_value;
    }
}

/* f(zero of the type that counts to `most`): a division in 64 bits costs four of 32, more than the memory's
 * time for the 16 bytes that it finds. */
template <typename F> int by_count(int64_t most, F f)
{
    return most < INT32_MAX / 2 ? f(uint32_t{}) : f(int64_t{});
}

/* f(zero of the element, elements of that type in one of the tensor's): 16 bytes where everything is a
 * multiple of them, else elements */
template <typename F> int by_move(tt_type type, int64_t width, bool aligned, F f)
{
    if (type != TT_F32 && type != TT_BF16 && type != TT_F16) return invalid_value;
    int size = type == TT_F32 ? 4 : 2;
    if (aligned && width * size % 16 == 0) return f(bytes16{}, 16 / size);
    return size == 4 ? f(uint32_t{}, 1) : f(uint16_t{}, 1);
}

#endif
