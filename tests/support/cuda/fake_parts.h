/* What the three fakes share. */
#ifndef TT_TESTS_CUDA_FAKE_PARTS_H
#define TT_TESTS_CUDA_FAKE_PARTS_H

#include "calls.h"
#include "fake.h"

#include <stdbool.h>

/* fake_cudaMalloc, … of the types of the real ones */
#define CUDA_CALL(name) __typeof__(name) fake_##name;
CUDA_RUNTIME_CALLS(CUDA_CALL)
CUBLASLT_CALLS(CUDA_CALL)
CUDNN_CALLS(CUDA_CALL)
#undef CUDA_CALL

#define CUDA_CALL(name) FAKE_##name,
enum { CUDA_RUNTIME_CALLS(CUDA_CALL) CUBLASLT_CALLS(CUDA_CALL) CUDNN_CALLS(CUDA_CALL) FAKE_CALLS };
#undef CUDA_CALL

/* Counts a call; the code that it must give at once, or 0. */
int fake_enter(int call);
/* 0, or why the device is lost */
int fake_lost(void);

/* Queues work on a stream, or takes it into what is captured. `run` may be called any number of times, then
 * drop(self). */
cudaError_t fake_submit(cudaStream_t stream, void (*run)(void *), void (*drop)(void *), void *self);

/* What CUDA forbids in a capture, or what an older driver refuses there, or what backend.h promises not to do
 * there. true: some stream is captured; its capture is spoilt. */
bool fake_capture_refuses(void);
/* Code is loaded when it runs for the first time: the kernel, algorithm or plan with this key. false, and the
 * capture spoilt: this would be in a capture. */
bool fake_is_loaded(cudaStream_t stream, const void *key, size_t bytes);

/* Does [p, p + bytes) lie in one block of device (pinned) memory? */
bool fake_is_device(const void *p, size_t bytes);
bool fake_is_pinned(const void *p, size_t bytes);

/* An object of `bytes`, zeros; freed by fake_free. Counted. */
void *fake_new(size_t bytes);
void fake_free(void *object);

/* Element i of an array of f32, bf16 or f16. */
float fake_load(tt_type type, const void *data, int64_t i);
void fake_store(tt_type type, void *data, int64_t i, double x);
/* 10 bits of mantissa, to nearest, ties away from zero */
float fake_tf32(float x);

#endif
