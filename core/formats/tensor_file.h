/* What the readers of tensor files share: a list of views that is searched by name. */
#ifndef TT_FORMATS_TENSOR_FILE_H
#define TT_FORMATS_TENSOR_FILE_H

#include "base/file.h"
#include "base/mem.h"
#include "formats/safetensors.h"

#define TT_TENSOR_MAX_COUNT 1000000u
#define TT_TENSOR_MAX_NAME  4096u
#define TT_TENSOR_MAX_RANK  8

typedef struct tt_metadata {
    struct tt_metadata *next;
    const char *key, *value;
} tt_metadata;

struct tt_tensor_file {
    char *path;
    tt_map map;
    tt_arena *arena; /* names and metadata */
    tt_metadata *metadata;
    tt_tensor_view *views;
    size_t n, capacity;
    uint32_t *by_name;      /* indices of views, sorted */
    tt_tensor_file **parts; /* shards, whose names and maps the views point into */
    size_t n_parts;
    void **copies; /* dense copies of strided tensors */
    size_t n_copies;
};

typedef struct tt_dtype {
    const char *name;
    unsigned bits;
    int type; /* tt_type or -1 */
} tt_dtype;
/* In safetensors' order, narrow alignment first; NULL: unknown. */
const tt_dtype *tt_dtype_find(const char *name, size_t length);
/* Its place in that order, for the writer. */
int tt_dtype_order(const tt_dtype *dtype);

/* An empty file object. `map` says whether the path is mapped. */
tt_status tt_tensor_file_create(const char *path, bool map, tt_tensor_file **file, tt_error *err);
/* Appends a view; its strings must live as long as the file. */
tt_status tt_tensor_file_add(tt_tensor_file *file, const tt_tensor_view *view, tt_error *err);
/* Builds the index; refuses duplicate names. */
tt_status tt_tensor_file_index(tt_tensor_file *file, tt_error *err);
/* Bytes of a dense tensor: false on overflow or when the bits do not fill bytes. */
bool tt_tensor_bytes(const tt_dtype *dtype, int rank, const int64_t *shape, size_t *bytes);

#endif
