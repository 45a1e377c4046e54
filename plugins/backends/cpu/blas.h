/* OpenBLAS, opened at run time: its choice of kernels is made while it is loaded, and version 0.3.21 takes
 * Haswell's on processors it does not know, at half the speed. OPENBLAS_CORETYPE corrects that and must be
 * set before. */
#ifndef TT_CPU_BLAS_H
#define TT_CPU_BLAS_H

#include "isa.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens OpenBLAS's OpenMP build, once a process; false where there is none. */
bool blas_open(cpu_isa isa);
/* "OpenBLAS 0.3.21 SkylakeX" or "no OpenBLAS" */
const char *blas_version(void);

/* C[m, n] = scale·A[m, k]·B[k, n] or ·Bᵀ, row-major f32. Only after blas_open gave true. */
void blas_sgemm(bool transposed_b, int64_t m, int64_t n, int64_t k, float scale, const float *a, int64_t lda,
                const float *b, int64_t ldb, float *c, int64_t ldc);

#endif
