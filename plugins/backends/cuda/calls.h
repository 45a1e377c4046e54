/* Every function of the CUDA runtime, cuBLASLt and cuDNN that the backend uses, in one table, so that the
 * plugin loads where none of the three is installed, and tests put their own in place.
 *
 * The runtime is linked statically: it needs no driver until it is called. cuBLASLt and cuDNN are opened by
 * `load`. */
#ifndef TT_CUDA_CALLS_H
#define TT_CUDA_CALLS_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#define CUDA_RUNTIME_CALLS(X)                                                                                \
    X(cudaDeviceGetAttribute)                                                                                \
    X(cudaDriverGetVersion)                                                                                  \
    X(cudaEventCreateWithFlags)                                                                              \
    X(cudaEventDestroy)                                                                                      \
    X(cudaEventRecord)                                                                                       \
    X(cudaEventSynchronize)                                                                                  \
    X(cudaFree)                                                                                              \
    X(cudaFreeHost)                                                                                          \
    X(cudaGetDeviceCount)                                                                                    \
    X(cudaGetDeviceProperties)                                                                               \
    X(cudaGetErrorName)                                                                                      \
    X(cudaGetErrorString)                                                                                    \
    X(cudaGetLastError)                                                                                      \
    X(cudaGraphDestroy)                                                                                      \
    X(cudaGraphExecDestroy)                                                                                  \
    X(cudaGraphInstantiate)                                                                                  \
    X(cudaGraphLaunch)                                                                                       \
    X(cudaMalloc)                                                                                            \
    X(cudaMallocHost)                                                                                        \
    X(cudaMemGetInfo)                                                                                        \
    X(cudaMemcpy3DAsync)                                                                                     \
    X(cudaMemcpyAsync)                                                                                       \
    X(cudaMemsetAsync)                                                                                       \
    X(cudaRuntimeGetVersion)                                                                                 \
    X(cudaSetDevice)                                                                                         \
    X(cudaStreamBeginCapture)                                                                                \
    X(cudaStreamCreateWithFlags)                                                                             \
    X(cudaStreamDestroy)                                                                                     \
    X(cudaStreamEndCapture)                                                                                  \
    X(cudaStreamSynchronize)

#define CUBLASLT_CALLS(X)                                                                                    \
    X(cublasLtCreate)                                                                                        \
    X(cublasLtDestroy)                                                                                       \
    X(cublasLtGetStatusName)                                                                                 \
    X(cublasLtGetVersion)                                                                                    \
    X(cublasLtMatmul)                                                                                        \
    X(cublasLtMatmulAlgoConfigGetAttribute)                                                                  \
    X(cublasLtMatmulAlgoGetHeuristic)                                                                        \
    X(cublasLtMatmulDescCreate)                                                                              \
    X(cublasLtMatmulDescDestroy)                                                                             \
    X(cublasLtMatmulDescSetAttribute)                                                                        \
    X(cublasLtMatmulPreferenceCreate)                                                                        \
    X(cublasLtMatmulPreferenceDestroy)                                                                       \
    X(cublasLtMatmulPreferenceSetAttribute)                                                                  \
    X(cublasLtMatrixLayoutCreate)                                                                            \
    X(cublasLtMatrixLayoutDestroy)

#define CUDNN_CALLS(X)                                                                                       \
    X(cudnnBackendCreateDescriptor)                                                                          \
    X(cudnnBackendDestroyDescriptor)                                                                         \
    X(cudnnBackendExecute)                                                                                   \
    X(cudnnBackendFinalize)                                                                                  \
    X(cudnnBackendGetAttribute)                                                                              \
    X(cudnnBackendSetAttribute)                                                                              \
    X(cudnnCreate)                                                                                           \
    X(cudnnDestroy)                                                                                          \
    X(cudnnGetErrorString)                                                                                   \
    X(cudnnGetVersion)                                                                                       \
    X(cudnnSetStream)

typedef struct cuda_calls {
#define CUDA_CALL(name) __typeof__(name) *(name);
    CUDA_RUNTIME_CALLS(CUDA_CALL)
    CUBLASLT_CALLS(CUDA_CALL)
    CUDNN_CALLS(CUDA_CALL)
#undef CUDA_CALL
    /* Opens cuBLASLt and cuDNN and fills their entries; NULL, or what is missing and the remedy (a constant
     * string). May be called again. */
    const char *(*load)(void);
} cuda_calls;

extern cuda_calls cuda_call;

#endif
