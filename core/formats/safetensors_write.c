/* The reference writer's order and padding: equal tensors give equal bytes. */
#include "formats/json.h"
#include "formats/safetensors.h"
#include "formats/tensor_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Wider alignment first, then by name. */
static int by_dtype_then_name(const void *a, const void *b)
{
    const tt_tensor_view *x = *(const tt_tensor_view *const *)a, *y = *(const tt_tensor_view *const *)b;
    int i = tt_dtype_order(tt_dtype_find(x->dtype, strlen(x->dtype)));
    int j = tt_dtype_order(tt_dtype_find(y->dtype, strlen(y->dtype)));
    return i != j ? (i < j) - (i > j) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const tt_tensor_view *const *)a)->name, (*(const tt_tensor_view *const *)b)->name);
}

static tt_status sort(const char *path, const tt_tensor_view **sorted, size_t n, tt_error *err)
{
    if (n < 2) return TT_OK;
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            return tt_fail(err, TT_ERR_INVALID, "%s: tensor %s is given twice", path, sorted[i]->name);
    qsort(sorted, n, sizeof *sorted, by_dtype_then_name);
    return TT_OK;
}

static tt_status check(const char *path, const tt_tensor_view *view, tt_error *err)
{
    const tt_dtype *dtype = view->dtype ? tt_dtype_find(view->dtype, strlen(view->dtype)) : NULL;
    size_t bytes;
    if (!dtype)
        return tt_fail(err, TT_ERR_INVALID, "%s: tensor %s: unknown dtype %s", path, view->name,
                       view->dtype ? view->dtype : "(none)");
    if (view->rank < 0 || view->rank > TT_TENSOR_MAX_RANK ||
        !tt_tensor_bytes(dtype, view->rank, view->shape, &bytes) || bytes != view->size_bytes)
        return tt_fail(err, TT_ERR_INVALID, "%s: tensor %s: its shape and its %zu bytes do not fit", path,
                       view->name, view->size_bytes);
    if (strcmp(view->name, "__metadata__") == 0 || strlen(view->name) > TT_TENSOR_MAX_NAME)
        return tt_fail(err, TT_ERR_INVALID, "%s: a tensor cannot be named %.60s", path, view->name);
    return TT_OK;
}

static void put_metadata(tt_buf *out, const char *const *metadata)
{
    tt_buf_printf(out, "\"__metadata__\":{");
    for (size_t i = 0; metadata[i]; i += 2) {
        if (i) tt_buf_append(out, ",", 1);
        tt_json_quote(out, metadata[i]);
        tt_buf_append(out, ":", 1);
        tt_json_quote(out, metadata[i + 1]);
    }
    tt_buf_append(out, "}", 1);
}

static void put_tensor(tt_buf *out, const tt_tensor_view *view, uint64_t begin)
{
    tt_json_quote(out, view->name);
    tt_buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", view->dtype);
    for (int i = 0; i < view->rank; i++)
        tt_buf_printf(out, "%s%" PRId64, i ? "," : "", view->shape[i]);
    tt_buf_printf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + view->size_bytes);
}

/* Eight bytes of length, then the JSON text, padded with spaces to a multiple of 8. */
static tt_status make_header(const char *path, const tt_tensor_view *const *sorted, size_t n,
                             const char *const *metadata, tt_buf *out, tt_error *err)
{
    uint64_t at = 0;
    tt_buf_append(out, "\0\0\0\0\0\0\0\0{", 9);
    if (metadata) put_metadata(out, metadata);
    for (size_t i = 0; i < n; i++) {
        if (i || metadata) tt_buf_append(out, ",", 1);
        put_tensor(out, sorted[i], at);
        if (__builtin_add_overflow(at, sorted[i]->size_bytes, &at))
            return tt_fail(err, TT_ERR_INVALID, "%s: too large", path);
    }
    tt_buf_append(out, "}", 1);
    while (!out->failed && out->size % 8)
        tt_buf_append(out, " ", 1);
    if (out->failed) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    uint64_t length = out->size - 8;
    for (int i = 0; i < 8; i++)
        out->data[i] = (char)(length >> 8 * i & 0xff);
    return TT_OK;
}

tt_status tt_safetensors_write(const char *path, const tt_tensor_view *tensors, size_t n,
                               const char *const *metadata, tt_error *err)
{
    const tt_tensor_view **sorted = tt_alloc_array(n, sizeof *sorted);
    tt_file_part *parts = tt_alloc_array(n + 1, sizeof *parts);
    tt_buf head = {0};
    tt_status s = sorted && parts ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    for (size_t i = 0; i < n && !s; i++) {
        sorted[i] = &tensors[i];
        s = check(path, &tensors[i], err);
    }
    if (s) goto done;
    s = sort(path, sorted, n, err);
    if (!s) s = make_header(path, sorted, n, metadata, &head, err);
    if (s) goto done;
    parts[0] = (tt_file_part){head.data, head.size};
    for (size_t i = 0; i < n; i++)
        parts[i + 1] = (tt_file_part){sorted[i]->data, sorted[i]->size_bytes};
    s = tt_file_write_parts(path, parts, n + 1, err);
done:
    tt_buf_free(&head);
    tt_free(parts);
    tt_free(sorted);
    return s;
}
