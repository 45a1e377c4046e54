#include "faulty.h"

#include "cuda_portable.h"

static void kernel(faulty_kernel which, float *y)
{
    CUDA_SHARED(float, shared); /* 64 values and a piece for each thread's copy */
    int self = (int)threadIdx.x;
    alignas(16) float piece[4] = {1, 1, 1, 1};
    float *copied = shared + 64 + self * 4;
    y[self] = 0;
    switch (which) {
    case FAULTY_NOTHING:
    case FAULTY_NO_BARRIER:
        shared[self] = (float)self;
        if (which == FAULTY_NOTHING) __syncthreads();
        y[self] = shared[(self + 63) % 64];
        break;
    case FAULTY_UNINITIALISED:
        y[self] = shared[self];
        break;
    case FAULTY_NO_WAIT:
        copy_async(copied, piece, true);
        copy_async_commit();
        y[self] = copied[0];
        break;
    case FAULTY_LONE_BARRIER:
        if (self < 32) __syncthreads();
        break;
    case FAULTY_LONE_LANE:
        if (self != 5) y[self] = warp_sum(1.0f);
        break;
    case FAULTY_MISALIGNED_COPY:
        copy_async(copied + 1, piece, true);
        break;
    case FAULTY_BEYOND:
        if (self == 63) shared[64 + 4 * 64] = 1;
        break;
    }
}

int faulty_launch(faulty_kernel which, float *y)
{
    return launch(kernel, dim3(1), 64, (64 + 4 * 64) * sizeof(float), nullptr, which, y);
}
