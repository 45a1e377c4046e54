/* What the libraries' codes mean and what to do. */
#include "cuda.h"

#include <string.h>

/* The context is gone with these: nothing on the device can be used again by this process. */
static bool is_lost(int code)
{
    switch (code) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorUnknown:
        return true;
    default:
        return false;
    }
}

typedef struct meaning {
    tt_status status;
    const char *remedy;
} meaning;

static meaning meaning_of_runtime(int code)
{
    if (is_lost(code))
        return (meaning){TT_ERR_IO, "the device is lost to this process: run again (what was stored stays); "
                                    "if it recurs, look at `dmesg` (Xid) and `nvidia-smi`"};
    switch (code) {
    case cudaErrorMemoryAllocation:
        return (meaning){TT_ERR_MEMORY, "out of device memory: use a smaller batch, or end other programs "
                                        "on the device (`nvidia-smi`)"};
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidPtx:
    case cudaErrorUnsupportedPtxVersion:
        return (meaning){TT_ERR_UNSUPPORTED, "no kernels for this device's architecture: build again with "
                                             "-DTT_CUDA_ARCHITECTURES naming it, or update the driver"};
    case cudaErrorInsufficientDriver:
        return (meaning){TT_ERR_UNSUPPORTED, "update the NVIDIA driver"};
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
        return (meaning){TT_ERR_UNSUPPORTED, "`nvidia-smi` lists the devices"};
    case cudaErrorDevicesUnavailable:
        return (meaning){TT_ERR_IO, "another program has the device for itself: `nvidia-smi` names it"};
    default:
        return (meaning){TT_ERR_INTERNAL, "report this with the command and `nvidia-smi`"};
    }
}

/* A library hides the runtime's code behind "execution failed" or "internal error". */
static int code_behind(cuda_library library, int code)
{
    if (library == CUDA_CUBLASLT && code == CUBLAS_STATUS_ALLOC_FAILED) return cudaErrorMemoryAllocation;
    if (library == CUDA_CUBLASLT && code == CUBLAS_STATUS_ARCH_MISMATCH)
        return cudaErrorNoKernelImageForDevice;
    if (library == CUDA_CUDNN &&
        (code == CUDNN_STATUS_ALLOC_FAILED || code == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED))
        return cudaErrorMemoryAllocation;
    if (library == CUDA_CUDNN && code == CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH)
        return cudaErrorNoKernelImageForDevice;
    return cudaSuccess;
}

static const char *name_of(cuda_library library, int code)
{
    if (library == CUDA_CUBLASLT) return cuda_call.cublasLtGetStatusName((cublasStatus_t)code);
    if (library == CUDA_CUDNN) return cuda_call.cudnnGetErrorString((cudnnStatus_t)code);
    return cuda_call.cudaGetErrorName((cudaError_t)code);
}

tt_status cuda_check(cuda *c, cuda_library library, const char *call, int code, tt_error *err)
{
    if (code == 0) return TT_OK;
    /* also forgets an error that the device survives: the next launch must not find it */
    int behind = (int)cuda_call.cudaGetLastError();
    if (library == CUDA_RUNTIME)
        behind = code;
    else if (!is_lost(behind) && code_behind(library, code))
        behind = code_behind(library, code);
    meaning m = meaning_of_runtime(behind);
    tt_error own = {0};
    if (library == CUDA_RUNTIME || !behind)
        tt_fail(&own, m.status, "backend cuda: device %d: %s gives %s%s%s: %s", c->index, call,
                name_of(library, code), library == CUDA_RUNTIME ? ", " : "",
                library == CUDA_RUNTIME ? cuda_call.cudaGetErrorString((cudaError_t)code) : "", m.remedy);
    else
        tt_fail(&own, m.status, "backend cuda: device %d: %s gives %s (%s): %s", c->index, call,
                name_of(library, code), cuda_call.cudaGetErrorName((cudaError_t)behind), m.remedy);
    if (is_lost(behind) && !c->lost.code) c->lost = own;
    if (c->lost.code) own = c->lost; /* the first says most */
    if (err) *err = own;
    return own.code;
}

tt_status cuda_enter(cuda *c, tt_error *err)
{
    if (c->lost.code) {
        if (err) *err = c->lost;
        return c->lost.code;
    }
    return CUDA_TRY(c, err, cudaSetDevice, c->index);
}

tt_status cuda_misfit(const tt_op *op, tt_error *err)
{
    return tt_fail(err, TT_ERR_INVALID, "%s: the packed weights are for another shape, type or operation",
                   tt_op_name(op->code));
}
