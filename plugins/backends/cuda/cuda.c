/* The backend's table and its device. */
#include "cuda.h"

#include "base/mem.h"
#include "telltale/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_CAPABILITY 80 /* sm_80: bf16 in tensor cores, asynchronous copies */
#define REVISION         1  /* of this code's results */

/* ---- is it usable here? ---- */

static const char *said(const char *format, int have, int need)
{
    static char why[512];
    snprintf(why, sizeof why, format, have / 1000, have % 1000 / 10, need / 1000, need % 1000 / 10);
    return why;
}

static const char *no_device(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (!visible) return "no NVIDIA device: `nvidia-smi` should list one; run on a machine that has one";
    return "CUDA_VISIBLE_DEVICES hides every device: unset it, or name devices that `nvidia-smi` lists";
}

/* *is: 90 for sm_90. Gives the runtime's code. */
static cudaError_t capability(int device, int *is)
{
    int major = 0, minor = 0;
    cudaError_t code = cuda_call.cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    if (!code) code = cuda_call.cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    *is = major * 10 + minor;
    return code;
}

static const char *refused(const char *call, cudaError_t code)
{
    static char why[256];
    cuda_call.cudaGetLastError();
    snprintf(why, sizeof why, "%s gives %s: `nvidia-smi` may say why", call,
             cuda_call.cudaGetErrorName(code));
    return why;
}

const char *cuda_unavailable(void)
{
    int driver = 0, runtime = 0, n = 0, best = 0;
    cuda_call.cudaDriverGetVersion(&driver);
    cuda_call.cudaRuntimeGetVersion(&runtime);
    if (driver == 0) return "no NVIDIA driver: install one (`nvidia-smi` then works)";
    /* within one major version newer runtimes work on older drivers */
    if (driver / 1000 < runtime / 1000)
        return said("the NVIDIA driver is too old: it does CUDA %d.%d, this build needs %d.%d: update the "
                    "driver, or build with an older toolkit",
                    driver, runtime);
    cudaError_t code = cuda_call.cudaGetDeviceCount(&n);
    if (code) cuda_call.cudaGetLastError();
    if (code == cudaErrorNoDevice || (!code && n == 0)) return no_device();
    if (code == cudaErrorInsufficientDriver)
        return said("the NVIDIA driver is too old: it does CUDA %d.%d, this build needs %d.%d: update the "
                    "driver",
                    driver, runtime);
    if (code) return refused("cudaGetDeviceCount", code);
    for (int i = 0; i < n; i++) {
        int is;
        code = capability(i, &is);
        if (code) return refused("cudaDeviceGetAttribute", code);
        best = is > best ? is : best;
    }
    if (best < LEAST_CAPABILITY)
        return "no device of compute capability 8.0 (Ampere) or newer: use another machine, or backend cpu";
    return cuda_call.load();
}

/* ---- opening ---- */

static void close_cuda(void *self)
{
    cuda *c = self;
    if (!c) return;
    /* on a lost device all of these fail at once, and free what is the host's */
    cuda_call.cudaSetDevice(c->index);
    if (c->stream && !c->lost.code) cuda_call.cudaStreamSynchronize(c->stream);
    cuda_convs_close(c);
    cuda_products_close(c);
    if (c->dnn) cuda_call.cudnnDestroy(c->dnn);
    if (c->blas) cuda_call.cublasLtDestroy(c->blas);
    cuda_staging_close(c);
    cuda_scratch_close(c);
    cuda_memory_give(c, c->workspace);
    if (c->stream) cuda_call.cudaStreamDestroy(c->stream);
    cuda_call.cudaGetLastError();
    tt_free(c);
}

static tt_status check_device(cuda *c, tt_error *err)
{
    int n = 0;
    tt_status status = CUDA_TRY(c, err, cudaGetDeviceCount, &n);
    if (status) return status;
    if (c->index >= n)
        return tt_fail(err, TT_ERR_INVALID,
                       "backend cuda: device cuda:%d is not there: there %s %d, numbered from 0", c->index,
                       n == 1 ? "is" : "are", n);
    int is = 0;
    status = cuda_check(c, CUDA_RUNTIME, "cudaDeviceGetAttribute", (int)capability(c->index, &is), err);
    if (!status)
        status = CUDA_TRY(c, err, cudaDeviceGetAttribute, &c->processors, cudaDevAttrMultiProcessorCount,
                          c->index);
    if (status) return status;
    if (is < LEAST_CAPABILITY)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "backend cuda: device cuda:%d has compute capability %d.%d: 8.0 (Ampere) or newer is "
                       "needed; name another device",
                       c->index, is / 10, is % 10);
    return TT_OK;
}

/* What results depend on; of the driver: it translates PTX for devices that this build has no code for, and
 * what cuDNN compiles as it runs. */
static tt_status write_description(cuda *c, tt_error *err)
{
    struct cudaDeviceProp device;
    int runtime = 0, driver = 0;
    tt_status status = CUDA_TRY(c, err, cudaGetDeviceProperties, &device, c->index);
    if (!status) status = CUDA_TRY(c, err, cudaRuntimeGetVersion, &runtime);
    if (!status) status = CUDA_TRY(c, err, cudaDriverGetVersion, &driver);
    if (status) return status;
    size_t blas = cuda_call.cublasLtGetVersion(), dnn = cuda_call.cudnnGetVersion();
    snprintf(c->description, sizeof c->description,
             "cuda %d (%s, sm_%d%d, %d processors, CUDA %d.%d, driver %d.%d, cuBLASLt %zu.%zu.%zu, cuDNN "
             "%zu.%zu.%zu, tf32 %s)",
             REVISION, device.name, device.major, device.minor, device.multiProcessorCount, runtime / 1000,
             runtime % 1000 / 10, driver / 1000, driver % 1000 / 10, blas / 10000, blas / 100 % 100,
             blas % 100, dnn / 10000, dnn / 100 % 100, dnn % 100, c->tf32 ? "on" : "off");
    return TT_OK;
}

static tt_status open_parts(cuda *c, tt_error *err)
{
    tt_status status = check_device(c, err);
    if (!status) status = CUDA_TRY(c, err, cudaSetDevice, c->index);
    if (!status) status = write_description(c, err);
    if (!status) status = CUDA_TRY(c, err, cudaStreamCreateWithFlags, &c->stream, cudaStreamNonBlocking);
    if (!status) status = BLAS_TRY(c, err, cublasLtCreate, &c->blas);
    if (!status) status = cuda_memory_take(c, CUDA_WORKSPACE, &c->workspace, err);
    if (!status) status = DNN_TRY(c, err, cudnnCreate, &c->dnn);
    if (!status) status = DNN_TRY(c, err, cudnnSetStream, c->dnn, c->stream);
    return status ? status : cuda_staging_open(c, err);
}

static tt_status open_cuda(const tt_device_options *options, void **self, tt_error *err)
{
    const char *why = cuda_unavailable();
    if (why) return tt_fail(err, TT_ERR_UNSUPPORTED, "backend cuda: %s", why);
    cuda *c = tt_alloc_zero(sizeof *c);
    if (!c) return tt_fail(err, TT_ERR_MEMORY, "backend cuda: out of memory");
    c->index = options->index;
    c->tf32 = (options->flags & TT_DEVICE_TF32) != 0;
    tt_status status = open_parts(c, err);
    if (status) {
        close_cuda(c);
        return status;
    }
    *self = c;
    return TT_OK;
}

static const char *describe(void *self)
{
    return ((cuda *)self)->description;
}

/* ---- memory ---- */

static void *alloc(void *self, size_t bytes)
{
    void *p = NULL;
    cuda *c = self;
    if (c->recording || cuda_enter(c, NULL)) return NULL;
    tt_status status = cuda_memory_take(c, bytes, &p, NULL);
    /* scratch comes back when it is needed */
    if (status == TT_ERR_MEMORY && cuda_scratch_trim(c, true)) status = cuda_memory_take(c, bytes, &p, NULL);
    return status ? NULL : p;
}

static void free_memory(void *self, void *p)
{
    /* also on a lost device: it says so and does nothing */
    cuda *c = self;
    cuda_call.cudaSetDevice(c->index);
    cuda_memory_give(c, p);
}

static tt_status enter_idle(cuda *c, const char *what, tt_error *err)
{
    if (c->recording)
        return tt_fail(err, TT_ERR_INVALID, "backend cuda: %s while operations are recorded", what);
    return cuda_enter(c, err);
}

static tt_status upload(void *self, void *device, const void *host, size_t bytes, tt_error *err)
{
    tt_status status = enter_idle(self, "upload", err);
    return status ? status : cuda_upload(self, device, host, bytes, err);
}

static tt_status download(void *self, void *host, const void *device, size_t bytes, tt_error *err)
{
    tt_status status = enter_idle(self, "download", err);
    return status ? status : cuda_download(self, host, device, bytes, err);
}

static tt_status synchronize(void *self, tt_error *err)
{
    cuda *c = self;
    tt_status status = enter_idle(c, "synchronize", err);
    return status ? status : CUDA_TRY(c, err, cudaStreamSynchronize, c->stream);
}

static tt_status copy(void *self, size_t n, const tt_copy_region *regions, tt_error *err)
{
    cuda *c = self;
    tt_status status = cuda_enter(c, err);
    if (status || n == 0) return status;
    return KERNEL_TRY(c, err, cuda_copy_regions, c->stream, n, regions);
}

static tt_status memory(void *self, size_t *free_bytes, size_t *total_bytes, tt_error *err)
{
    cuda *c = self;
    tt_status status = cuda_enter(c, err);
    return status ? status : CUDA_TRY(c, err, cudaMemGetInfo, free_bytes, total_bytes);
}

/* Four million elements for each multiprocessor keep it busy for many waves of blocks in every operation: on
 * 132 of them some 50 images in SD1.5's UNet, 64 times what a CPU gets. But no more than a 256th of the
 * memory: a batch's activations take some 30 bytes for each element of the widest one, and weights and the
 * libraries want room. */
static int64_t fill(void *self)
{
    cuda *c = self;
    size_t unused, total;
    int64_t by_processors = (int64_t)c->processors << 22;
    if (memory(c, &unused, &total, NULL)) return by_processors;
    int64_t by_memory = (int64_t)(total / 256);
    return by_memory < by_processors ? by_memory : by_processors;
}

/* ---- operations ---- */

static bool supports(void *self, tt_op_code code, tt_type type)
{
    (void)self;
    return type == TT_F32 || type == TT_BF16 || type == TT_F16 || (code == TT_OP_CAST && type == TT_F64);
}

static tt_status pack(void *self, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                      tt_error *err)
{
    tt_status status = enter_idle(self, "pack", err);
    return status ? status : cuda_pack(self, like, w, type, packed, err);
}

static void unpack(void *self, tt_packed *packed)
{
    cuda *c = self;
    cuda_call.cudaSetDevice(c->index);
    cuda_unpack(c, packed);
}

static tt_status run(void *self, const tt_op *op, tt_error *err)
{
    cuda *c = self;
    tt_status status = cuda_enter(c, err);
    if (status) return status;
    if (op->packed && (op->packed->code != op->code || op->packed->type != op->out[0]->type))
        return cuda_misfit(op, err);
    switch (op->code) {
    case TT_OP_LINEAR:
        return cuda_linear(c, op, err);
    case TT_OP_CONV2D:
        return cuda_conv(c, op, err);
    default:
        return cuda_by_kernel(c, op, err);
    }
}

const tt_backend cuda_backend = {
    .abi = TT_ABI_VERSION,
    .size = sizeof cuda_backend,
    .name = "cuda",
    .describe = describe,
    .unavailable = cuda_unavailable,
    .open = open_cuda,
    .close = close_cuda,
    .alloc = alloc,
    .free = free_memory,
    .upload = upload,
    .download = download,
    .supports = supports,
    .pack = pack,
    .unpack = unpack,
    .run = run,
    .synchronize = synchronize,
    .traits = TT_BACKEND_BATCH_IN_BITS,
    .copy = copy,
    .record_begin = cuda_record_begin,
    .record_end = cuda_record_end,
    .replay = cuda_replay,
    .recording_free = cuda_recording_free,
    .memory = memory,
    .fill = fill,
    /* scratch: a block of now, and those before it that recordings keep */
    .device_bytes = CUDA_CONTEXT + CUDA_WORKSPACE + 2 * CUDA_CONV_WORK,
    .host_bytes = CUDA_LIBRARIES + 2 * CUDA_CHUNK,
    .held = cuda_held,
};
