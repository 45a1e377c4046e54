#include "tensor/tensor.h"
#include "telltale/backend.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[TT_TYPE_COUNT] = {
    [TT_F64] = {"f64", 8}, [TT_F32] = {"f32", 4}, [TT_BF16] = {"bf16", 2}, [TT_F16] = {"f16", 2},
    [TT_I64] = {"i64", 8}, [TT_I32] = {"i32", 4}, [TT_U8] = {"u8", 1},
};

size_t tt_type_size(tt_type type)
{
    return (unsigned)type < TT_TYPE_COUNT ? types[type].size : 0;
}

const char *tt_type_name(tt_type type)
{
    return (unsigned)type < TT_TYPE_COUNT ? types[type].name : "?";
}

int tt_type_from_name(const char *name)
{
    for (int i = 0; i < TT_TYPE_COUNT; i++)
        if (strcmp(types[i].name, name) == 0) return i;
    return -1;
}

int64_t tt_tensor_count(const tt_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

int64_t tt_tensor_rows(const tt_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i + 1 < t->rank; i++)
        n *= t->shape[i];
    return n;
}

bool tt_shape_count(int32_t rank, const int64_t *shape, int64_t *count)
{
    if (rank < 0 || rank > TT_MAX_RANK) return false;
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        if (shape[i] < 1 || __builtin_mul_overflow(n, shape[i], &n)) return false;
    *count = n;
    return true;
}

bool tt_tensor_is_valid(const tt_tensor *t)
{
    int64_t count;
    if ((unsigned)t->type >= TT_TYPE_COUNT || !t->data || !tt_shape_count(t->rank, t->shape, &count))
        return false;
    return t->row_stride >= (t->rank ? t->shape[t->rank - 1] : 1);
}

bool tt_tensor_is_dense(const tt_tensor *t)
{
    return t->row_stride == (t->rank ? t->shape[t->rank - 1] : 1) || tt_tensor_rows(t) == 1;
}

static char *element(const tt_tensor *t, int64_t i)
{
    return (char *)t->data + (size_t)i * tt_type_size(t->type);
}

tt_tensor tt_tensor_reshape(const tt_tensor *t, int32_t rank, const int64_t *shape)
{
    int64_t count;
    if (!tt_tensor_is_valid(t) || !tt_tensor_is_dense(t) || !tt_shape_count(rank, shape, &count) ||
        count != tt_tensor_count(t))
        return (tt_tensor){0};
    tt_tensor view = {.type = t->type, .rank = rank, .data = t->data};
    for (int32_t i = 0; i < rank; i++)
        view.shape[i] = shape[i];
    view.row_stride = rank ? shape[rank - 1] : 1;
    return view;
}

tt_tensor tt_tensor_columns(const tt_tensor *t, int64_t begin, int64_t width)
{
    if (!tt_tensor_is_valid(t) || t->rank < 1 || begin < 0 || width < 1 ||
        begin > t->shape[t->rank - 1] - width)
        return (tt_tensor){0};
    tt_tensor view = *t;
    view.shape[t->rank - 1] = width;
    view.data = element(t, begin);
    return view;
}

tt_tensor tt_tensor_batch(const tt_tensor *t, int64_t begin, int64_t n)
{
    if (t->rank == 1) return tt_tensor_columns(t, begin, n);
    if (!tt_tensor_is_valid(t) || t->rank < 1 || begin < 0 || n < 1 || begin > t->shape[0] - n)
        return (tt_tensor){0};
    tt_tensor view = *t;
    view.shape[0] = n;
    view.data = element(t, begin * (tt_tensor_rows(t) / t->shape[0]) * t->row_stride);
    return view;
}

/* ---- host <-> tensor ---- */

static tt_status usable(const tt_tensor *t, const void *host, const char *what, tt_error *err)
{
    if (!tt_tensor_is_valid(t))
        return tt_fail(err, TT_ERR_INVALID,
                       "%s: not a tensor: create it in a scope, or check the view's bounds", what);
    if (!host) return tt_fail(err, TT_ERR_INVALID, "%s: host memory is NULL", what);
    return TT_OK;
}

/* A strided tensor goes row by row, a dense one at once. */
static tt_status copy(tt_device *device, const tt_tensor *t, void *in, const void *out, tt_error *err)
{
    const tt_backend *backend = tt_device_backend(device);
    void *self = tt_device_self(device);
    bool dense = tt_tensor_is_dense(t);
    int64_t rows = dense ? 1 : tt_tensor_rows(t);
    size_t bytes = (size_t)(tt_tensor_count(t) / rows) * tt_type_size(t->type);
    for (int64_t r = 0; r < rows; r++) {
        size_t at = (size_t)r * bytes;
        void *data = element(t, r * t->row_stride);
        tt_status status = in ? backend->download(self, (char *)in + at, data, bytes, err)
                              : backend->upload(self, data, (const char *)out + at, bytes, err);
        if (status) return status;
    }
    return TT_OK;
}

tt_status tt_tensor_upload(tt_device *device, tt_tensor *t, const void *host, tt_error *err)
{
    tt_status status = usable(t, host, "upload", err);
    return status ? status : copy(device, t, NULL, host, err);
}

tt_status tt_tensor_download(tt_device *device, const tt_tensor *t, void *host, tt_error *err)
{
    tt_status status = usable(t, host, "download", err);
    return status ? status : copy(device, t, host, NULL, err);
}

static tt_status floating(const tt_tensor *t, const void *host, const char *what, tt_error *err)
{
    tt_status status = usable(t, host, what, err);
    if (status) return status;
    if (!tt_type_is_float(t->type))
        return tt_fail(err, TT_ERR_INVALID, "%s: the tensor is %s: must be f64, f32, bf16 or f16", what,
                       tt_type_name(t->type));
    return TT_OK;
}

static tt_status staging(const tt_tensor *t, size_t element_size, void **p, tt_error *err)
{
    size_t bytes;
    if (!tt_size_mul((size_t)tt_tensor_count(t), element_size, &bytes) || !(*p = tt_alloc(bytes)))
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for a copy of %lld values",
                       (long long)tt_tensor_count(t));
    return TT_OK;
}

tt_status tt_tensor_upload_f32(tt_device *device, tt_tensor *t, const float *host, tt_error *err)
{
    tt_status status = floating(t, host, "upload_f32", err);
    if (status) return status;
    if (t->type == TT_F32) return copy(device, t, NULL, host, err);
    void *staged;
    status = staging(t, tt_type_size(t->type), &staged, err);
    if (status) return status;
    tt_convert(t->type, staged, TT_F32, host, (size_t)tt_tensor_count(t));
    status = copy(device, t, NULL, staged, err);
    tt_free(staged);
    return status;
}

tt_status tt_tensor_download_f32(tt_device *device, const tt_tensor *t, float *host, tt_error *err)
{
    tt_status status = floating(t, host, "download_f32", err);
    if (status) return status;
    if (t->type == TT_F32) return copy(device, t, host, NULL, err);
    void *staged;
    status = staging(t, tt_type_size(t->type), &staged, err);
    if (status) return status;
    status = copy(device, t, staged, NULL, err);
    if (!status) tt_convert(TT_F32, host, t->type, staged, (size_t)tt_tensor_count(t));
    tt_free(staged);
    return status;
}

/* dst[n][b][a] = src[n][a][b] */
static void transpose(float *dst, const float *src, int64_t n, int64_t a, int64_t b)
{
    for (int64_t i = 0; i < n; i++, dst += a * b, src += a * b)
        for (int64_t y = 0; y < b; y++)
            for (int64_t x = 0; x < a; x++)
                dst[y * a + x] = src[x * b + y];
}

static tt_status image(const tt_tensor *t, const void *host, const char *what, tt_error *err)
{
    tt_status status = floating(t, host, what, err);
    if (status) return status;
    if (t->rank != 4)
        return tt_fail(err, TT_ERR_INVALID, "%s: the tensor has rank %d: must be [n,height,width,channels]",
                       what, t->rank);
    return TT_OK;
}

tt_status tt_tensor_upload_chw(tt_device *device, tt_tensor *t, const float *host, tt_error *err)
{
    tt_status status = image(t, host, "upload_chw", err);
    if (status) return status;
    void *staged;
    status = staging(t, sizeof(float), &staged, err);
    if (status) return status;
    transpose(staged, host, t->shape[0], t->shape[3], t->shape[1] * t->shape[2]);
    status = tt_tensor_upload_f32(device, t, staged, err);
    tt_free(staged);
    return status;
}

tt_status tt_tensor_download_chw(tt_device *device, const tt_tensor *t, float *host, tt_error *err)
{
    tt_status status = image(t, host, "download_chw", err);
    if (status) return status;
    void *staged;
    status = staging(t, sizeof(float), &staged, err);
    if (status) return status;
    status = tt_tensor_download_f32(device, t, staged, err);
    if (!status) transpose(host, staged, t->shape[0], t->shape[1] * t->shape[2], t->shape[3]);
    tt_free(staged);
    return status;
}
