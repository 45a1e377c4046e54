/* The cuda backend's own: an open device and packed weights. Everything is queued on one stream; only upload,
 * download, synchronize and the memory calls wait.
 *
 * Errors of the CUDA libraries go through cuda_check, which names the call and the remedy. After one that
 * the device does not survive, every later call fails with that same message. */
#ifndef TT_CUDA_CUDA_H
#define TT_CUDA_CUDA_H

#include "calls.h"
#include "kernels.h"
#include "telltale/backend.h"

#define CUDA_CHUNK     ((size_t)8 << 20)   /* bytes of a pinned staging buffer */
#define CUDA_WORKSPACE ((size_t)32 << 20)  /* cuBLASLt's: what its documentation advises for sm_90 */
#define CUDA_CONV_WORK ((size_t)512 << 20) /* most that a convolution's plan may ask for */
/* The driver's context with the kernels of ours and the libraries': some 0.5 GB of the device on sm_90, less
 * on older ones. In the process what the driver, cuBLASLt and cuDNN keep: a bound that no GPU has confirmed
 * yet. */
#define CUDA_CONTEXT   ((size_t)640 << 20)
#define CUDA_LIBRARIES ((size_t)768 << 20)

typedef struct cuda_product_plan cuda_product_plan;
typedef struct cuda_conv_plan cuda_conv_plan;

/* Pinned host memory that copies go through, two buffers in turn. */
typedef struct cuda_staging {
    void *buffer[2];
    cudaEvent_t done[2]; /* the last copy from buffer[i] */
    int next;
} cuda_staging;

/* One scratch block, replaced by a larger one when needed. Recordings hold the block of their time, which is
 * kept for them. */
typedef struct cuda_block {
    void *data;
    size_t bytes;
    int holders; /* recordings */
    struct cuda_block *older;
} cuda_block;

typedef struct cuda {
    int index, processors;
    bool tf32, recording, scratch_noted; /* an operation that is being recorded uses scratch */
    cudaStream_t stream;
    cublasLtHandle_t blas;
    cudnnHandle_t dnn;
    void *workspace;
    cuda_block *scratch;
    cuda_staging staging;
    cuda_product_plan *products; /* lists, the latest used first */
    cuda_conv_plan *convs;
    tt_error lost; /* code TT_OK: the device is well */
    char description[512];
} cuda;

struct tt_packed {
    tt_op_code code;
    tt_type type; /* of the activations */
    int32_t rank;
    int64_t shape[4]; /* as files have it */
    void *weight; /* products: `type`, convolutions [out][height][width][in]; norms: f32; embedding: `type` */
    void *bias;   /* products: `type`; norms: f32; NULL: none */
};

/* ---- errors ---- */

typedef enum cuda_library { CUDA_RUNTIME, CUDA_CUBLASLT, CUDA_CUDNN } cuda_library;

/* TT_OK for code 0; else what the call's code means and what to do. */
tt_status cuda_check(cuda *c, cuda_library library, const char *call, int code, tt_error *err);
#define CUDA_TRY(c, err, call, ...) cuda_check(c, CUDA_RUNTIME, #call, (int)cuda_call.call(__VA_ARGS__), err)
#define BLAS_TRY(c, err, call, ...) cuda_check(c, CUDA_CUBLASLT, #call, (int)cuda_call.call(__VA_ARGS__), err)
#define DNN_TRY(c, err, call, ...)  cuda_check(c, CUDA_CUDNN, #call, (int)cuda_call.call(__VA_ARGS__), err)
/* a launch of one of our kernels: #call is its name */
#define KERNEL_TRY(c, err, call, ...) cuda_check(c, CUDA_RUNTIME, #call, call(__VA_ARGS__), err)

/* Before every entry from outside: the device is well and current. */
tt_status cuda_enter(cuda *c, tt_error *err);

/* TT_ERR_INVALID: packed weights of another shape, operation or type. */
tt_status cuda_misfit(const tt_op *op, tt_error *err);

/* ---- memory ---- */

/* Device memory for as long as is wanted; all of it is counted (held.c). Giving it back waits for queued work
 * that may still use it. NULL is freed at no cost. */
tt_status cuda_memory_take(cuda *c, size_t bytes, void **data, tt_error *err);
tt_status cuda_memory_give(cuda *c, void *data);
/* Bytes that this process holds of all devices, and the most so far. */
void cuda_held(size_t *now, size_t *most);

/* Device memory until the next call, undefined contents. While recording it does not grow. */
tt_status cuda_scratch(cuda *c, size_t bytes, void **data, tt_error *err);
/* Frees what no recording holds, the latest block too where `all`; true: something was freed. */
bool cuda_scratch_trim(cuda *c, bool all);
void cuda_scratch_close(cuda *c);

tt_status cuda_staging_open(cuda *c, tt_error *err);
void cuda_staging_close(cuda *c);
/* A pinned buffer of CUDA_CHUNK bytes that no copy reads any more; cuda_staging_send queues the copy of
 * `bytes` from it to the device. */
tt_status cuda_staging_take(cuda *c, void **buffer, tt_error *err);
tt_status cuda_staging_send(cuda *c, void *device, size_t bytes, tt_error *err);
tt_status cuda_upload(cuda *c, void *device, const void *host, size_t bytes, tt_error *err);
tt_status cuda_download(cuda *c, void *host, const void *device, size_t bytes, tt_error *err);

/* ---- weights ---- */

tt_status cuda_pack(cuda *c, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                    tt_error *err);
void cuda_unpack(cuda *c, tt_packed *p);

/* ---- operations ---- */

tt_status cuda_linear(cuda *c, const tt_op *op, tt_error *err);
tt_status cuda_conv(cuda *c, const tt_op *op, tt_error *err);
/* everything that a kernel of ours does whole */
tt_status cuda_by_kernel(cuda *c, const tt_op *op, tt_error *err);

/* y[rows, out] = x[rows, in]·Wᵀ + bias + residual, W [out, in]; bias and residual may be NULL, and residual
 * may be y. */
typedef struct cuda_product {
    tt_type type;
    int64_t rows, in, out, x_stride;
    const void *x, *weight, *bias, *residual;
    void *y;
} cuda_product;
tt_status cuda_multiply(cuda *c, const cuda_product *p, tt_error *err);
void cuda_products_close(cuda *c);

/* ---- convolutions ---- */

/* What a plan is made for; the key of the cache, compared byte by byte: zero-initialise. NHWC, symmetric
 * pads, all addresses multiples of 16. Added in this order: residual [batch, out_height, out_width, out],
 * bias [out]. */
typedef struct cuda_conv_problem {
    int64_t batch, in, in_height, in_width, out, out_height, out_width, kernel_height, kernel_width, stride_y,
        stride_x, pad_y, pad_x;
    int32_t type, bias, residual, unused;
} cuda_conv_problem;
typedef struct cuda_conv_data {
    const void *x, *weight, *bias, *residual;
    void *y;
} cuda_conv_data;
/* *plan NULL: no engine takes the problem. Plans stay the cache's. */
tt_status cuda_conv_plan_get(cuda *c, const cuda_conv_problem *p, cuda_conv_plan **plan, tt_error *err);
size_t cuda_conv_plan_work(const cuda_conv_plan *plan);
tt_status cuda_conv_plan_run(cuda *c, cuda_conv_plan *plan, const cuda_conv_data *d, void *work,
                             tt_error *err);
void cuda_convs_close(cuda *c);

/* ---- recordings: see backend.h ---- */

/* TT_OK, or an error: what is recorded must have run before, so that all it needs is there. */
tt_status cuda_may_prepare(const cuda *c, const char *what, tt_error *err);
tt_status cuda_record_begin(void *self, tt_error *err);
tt_status cuda_record_end(void *self, void **recording, tt_error *err);
tt_status cuda_replay(void *self, void *recording, tt_error *err);
void cuda_recording_free(void *self, void *recording);

const char *cuda_unavailable(void);
extern const tt_backend cuda_backend; /* the table */

static inline int64_t cuda_width(const tt_tensor *t)
{
    return t->rank > 0 ? t->shape[t->rank - 1] : 1;
}

/* the largest power of two, 16 at most, that divides all n addresses; NULL fits all */
static inline int cuda_alignment(int n, const void *const *addresses)
{
    uintptr_t bits = 16;
    for (int i = 0; i < n; i++)
        bits |= (uintptr_t)addresses[i];
    return (int)(bits & -bits);
}

#endif
