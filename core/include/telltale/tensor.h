/* Tensors, devices and scopes: the engine's ground.
 *
 * Activations are channels-last everywhere: images [batch, height, width, channels], token sequences
 * [batch, tokens, channels]. Shapes list the slowest dimension first; data is dense and row-major, except
 * that `row_stride` may exceed the last dimension (a column slice of a wider matrix; see tt_tensor_columns):
 * the inputs of TT_OP_ATTENTION and TT_OP_LINEAR accept that, every other operation wants dense tensors.
 *
 * Only a backend dereferences `data`. The rest of the program moves values with tt_tensor_upload / _download.
 * Nothing here is thread-safe: one thread drives a device; the backend uses threads inside an operation. */
#ifndef TELLTALE_TENSOR_H
#define TELLTALE_TENSOR_H

#include "telltale/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tt_type { TT_F64 = 0, TT_F32, TT_BF16, TT_F16, TT_I64, TT_I32, TT_U8, TT_TYPE_COUNT } tt_type;

TT_API size_t tt_type_size(tt_type type);       /* bytes of an element */
TT_API const char *tt_type_name(tt_type type);  /* "f32", … */
TT_API int tt_type_from_name(const char *name); /* -1: no such type */

#define TT_MAX_RANK 5

/* A descriptor; copying it copies no data. Memory belongs to the scope that it was created in. */
typedef struct tt_tensor {
    tt_type type;
    int32_t rank;
    int64_t shape[TT_MAX_RANK];
    int64_t row_stride; /* elements from one innermost row to the next; = shape[rank-1] when dense */
    void *data;
} tt_tensor;

TT_API int64_t tt_tensor_count(const tt_tensor *t); /* elements; 1 for rank 0 */
TT_API int64_t tt_tensor_rows(const tt_tensor *t);  /* count / innermost dimension */
/* Same data seen under another shape of the same count; t must be dense. */
TT_API tt_tensor tt_tensor_reshape(const tt_tensor *t, int32_t rank, const int64_t *shape);
/* Columns [begin, begin+width) of the innermost dimension, as a view. */
TT_API tt_tensor tt_tensor_columns(const tt_tensor *t, int64_t begin, int64_t width);
/* Batch items [begin, begin+n) of the outermost dimension, as a view. */
TT_API tt_tensor tt_tensor_batch(const tt_tensor *t, int64_t begin, int64_t n);

/* An opened backend. See telltale/backend.h for what a backend is. */
typedef struct tt_device tt_device;
typedef struct tt_backend tt_backend;

typedef struct tt_device_options {
    uint32_t size;   /* sizeof this struct */
    int32_t threads; /* 0: all processors this process may use */
    int32_t index;   /* which device of its kind: cuda:1 -> 1 */
    uint32_t flags;  /* TT_DEVICE_* */
} tt_device_options;

/* f32 products may be computed in TF32 (10 bits of mantissa) where the device has it. Off: never. */
#define TT_DEVICE_TF32 1u

TT_API tt_status tt_device_open(const tt_backend *backend, const tt_device_options *options,
                                tt_device **device, tt_error *err);
TT_API void tt_device_close(tt_device *device); /* NULL is fine; scopes and packed weights must be gone */
TT_API const tt_backend *tt_device_backend(const tt_device *device);
TT_API void *tt_device_self(const tt_device *device); /* what the backend's open gave */
/* Bytes of activations in scopes: now and the highest so far. */
TT_API size_t tt_device_live_bytes(const tt_device *device);
TT_API size_t tt_device_peak_bytes(const tt_device *device);

/* The built-in slow twin of every operation: plain loops, f64 accumulation. */
TT_API const tt_backend *tt_backend_reference(void);

/* A scope owns the tensors created in it and frees them all when closed. Scopes nest: close the inner one
 * first. A block of memory given back is kept by the device for the next scope (tt_device_trim gives it to
 * the system). When memory ends, what is kept and then what recordings hold is given up before a call
 * fails. */
typedef struct tt_scope tt_scope;
TT_API tt_status tt_scope_open(tt_device *device, tt_scope **scope, tt_error *err);
TT_API void tt_scope_close(tt_scope *scope); /* NULL is fine */
TT_API tt_device *tt_scope_device(const tt_scope *scope);
TT_API void tt_device_trim(tt_device *device);

/* A new tensor with undefined contents; 64-byte aligned. Sizes are checked for overflow. */
TT_API tt_status tt_tensor_create(tt_scope *scope, tt_type type, int32_t rank, const int64_t *shape,
                                  tt_tensor *out, tt_error *err);

/* Host memory <-> tensor; `host` holds count elements of the tensor's own type, dense. */
TT_API tt_status tt_tensor_upload(tt_device *device, tt_tensor *t, const void *host, tt_error *err);
TT_API tt_status tt_tensor_download(tt_device *device, const tt_tensor *t, void *host, tt_error *err);
/* The same with conversion from and to f32 (t of any floating type; rounding to nearest even). */
TT_API tt_status tt_tensor_upload_f32(tt_device *device, tt_tensor *t, const float *host, tt_error *err);
TT_API tt_status tt_tensor_download_f32(tt_device *device, const tt_tensor *t, float *host, tt_error *err);
/* t is [n, height, width, channels]; `host` is the ecosystem's flat [n, channels, height, width]. */
TT_API tt_status tt_tensor_upload_chw(tt_device *device, tt_tensor *t, const float *host, tt_error *err);
TT_API tt_status tt_tensor_download_chw(tt_device *device, const tt_tensor *t, float *host, tt_error *err);

/* Scalar conversions, round to nearest even, NaN kept. */
TT_API uint16_t tt_bf16_from_f32(float x);
TT_API float tt_f32_from_bf16(uint16_t x);
TT_API uint16_t tt_f16_from_f32(float x);
TT_API float tt_f32_from_f16(uint16_t x);
/* n elements between any two floating types, on the host. */
TT_API void tt_convert(tt_type to, void *dst, tt_type from, const void *src, size_t n);

#ifdef __cplusplus
}
#endif
#endif
