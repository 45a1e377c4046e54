/* The CUDA of cuda_portable.h on the CPU, for tests: blocks run one after another, each thread as a fiber
 * that runs until it meets a barrier or a warp operation. Shared memory is a heap block of the size asked
 * for, filled with NaNs; asynchronous copies land only when they are waited for; a barrier that not all
 * threads reach, lanes that meet in different operations, and a write beyond shared memory end the process
 * with a message. */
#ifndef TT_TESTS_CUDA_EMULATED_H
#define TT_TESTS_CUDA_EMULATED_H

#include "emulation.h"

#include <string.h>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

struct emulated_position {
    dim3 thread, block, threads, blocks;
};
extern thread_local emulated_position emulated_at;
#define threadIdx emulated_at.thread
#define blockIdx  emulated_at.block
#define blockDim  emulated_at.threads
#define gridDim   emulated_at.blocks

inline int min(int a, int b)
{
    return a < b ? a : b;
}

void emulated_barrier();
#define __syncthreads emulated_barrier
/* Waits until the 32 lanes have called it with one and the same `apply`, which then sees what each gave. */
void emulated_warp(void (*apply)(void *const *lanes), void *mine);
void __syncwarp();
void *emulated_shared();
#define CUDA_SHARED(type, name) type *name = (type *)emulated_shared()

int emulated_launch(void *stream, void *kernel, dim3 grid, unsigned threads, size_t shared,
                    void (*run)(void *), void (*drop)(void *), void *call);

template <typename... P>
int launch(void (*kernel)(P...), dim3 grid, unsigned threads, size_t shared, cuda_stream stream,
           typename std::common_type<P>::type... args)
{
    struct call {
        void (*kernel)(P...);
        std::tuple<P...> args;
    };
    auto run = [](void *p) {
        call *c = (call *)p;
        std::apply(c->kernel, c->args);
    };
    auto drop = [](void *p) { delete (call *)p; };
    if (!grid.x || !grid.y || !grid.z) return 0;
    return emulated_launch(stream, (void *)kernel, grid, threads, shared, run, drop,
                           new call{kernel, {args...}});
}

inline float to_f32(float x)
{
    return x;
}
inline float to_f32(bf16 x)
{
    uint32_t bits = (uint32_t)x.bits << 16;
    float y;
    memcpy(&y, &bits, 4);
    return y;
}
inline float to_f32(f16 x)
{
    return tt_f32_from_f16(x.bits);
}
inline void store_f32(float &y, float x)
{
    y = x;
}
inline void store_f32(bf16 &y, float x)
{
    y.bits = tt_bf16_from_f32(x);
}
inline void store_f32(f16 &y, float x)
{
    y.bits = tt_f16_from_f32(x);
}
template <typename T> uint32_t pair_f32(T, float low, float high)
{
    T l, h;
    store_f32(l, low);
    store_f32(h, high);
    return l.bits | (uint32_t)h.bits << 16;
}
inline float fast_exp2(float x)
{
    return exp2f(x);
}
inline float fast_reciprocal(float x)
{
    return 1 / x;
}

template <typename V> struct emulated_shuffle {
    V in, out;
    int mask;
};
template <typename V> V warp_xor(V x, int mask)
{
    emulated_shuffle<V> mine = {x, x, mask};
    emulated_warp(
        [](void *const *lanes) {
            for (int i = 0; i < 32; i++) {
                emulated_shuffle<V> *s = (emulated_shuffle<V> *)lanes[i];
                s->out = ((emulated_shuffle<V> *)lanes[i ^ s->mask])->in;
            }
        },
        &mine);
    return mine.out;
}

struct emulated_mma {
    float *c;
    const uint32_t *a;
    uint32_t b[2];
};
template <typename T> float emulated_half(uint32_t pair, int i)
{
    return to_f32(T{(uint16_t)(pair >> (16 * i))});
}
template <typename T> void emulated_mma_apply(void *const *lanes)
{
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const emulated_mma *m = (const emulated_mma *)lanes[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 2; i++) {
            a[g][2 * t + i] = emulated_half<T>(m->a[0], i);
            a[g + 8][2 * t + i] = emulated_half<T>(m->a[1], i);
            a[g][2 * t + 8 + i] = emulated_half<T>(m->a[2], i);
            a[g + 8][2 * t + 8 + i] = emulated_half<T>(m->a[3], i);
            b[2 * t + i][g] = emulated_half<T>(m->b[0], i);
            b[2 * t + 8 + i][g] = emulated_half<T>(m->b[1], i);
        }
    }
    float c[16][8] = {{0}};
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 8; n++)
                c[row][n] += a[row][k] * b[k][n];
    for (int lane = 0; lane < 32; lane++) {
        const emulated_mma *m = (const emulated_mma *)lanes[lane];
        for (int i = 0; i < 4; i++)
            m->c[i] += c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
}
template <typename T> void mma(T, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    emulated_mma mine = {c, a, {b0, b1}};
    emulated_warp(emulated_mma_apply<T>, &mine);
}

void load_matrices(uint32_t (&r)[4], const void *row);
void load_matrices_transposed(uint32_t (&r)[4], const void *row);
void copy_async(void *to, const void *from, bool inside);
void copy_async_commit();
void emulated_copy_async_wait(int n);
template <int N> void copy_async_wait()
{
    emulated_copy_async_wait(N);
}

#endif
