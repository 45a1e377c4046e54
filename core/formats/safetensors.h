/* safetensors files and sharded sets, memory-mapped, every check of specs/models-io.md 10. */
#ifndef TT_FORMATS_SAFETENSORS_H
#define TT_FORMATS_SAFETENSORS_H

#include "telltale/tensor.h"

#include <stdbool.h>

typedef struct tt_tensor_view { /* one stored tensor */
    const char *name;
    const char *dtype; /* "F32", …, as the file has it */
    int type;          /* tt_type, or -1 where we have no such type */
    int rank;
    int64_t shape[8];
    const void *data; /* any alignment */
    size_t size_bytes;
} tt_tensor_view;

/* A bag of named tensors, whatever file format they came from. */
typedef struct tt_tensor_file tt_tensor_file;
TT_API tt_status tt_safetensors_open(const char *path, tt_tensor_file **file, tt_error *err);
/* `<base>.safetensors.index.json` */
TT_API tt_status tt_safetensors_open_index(const char *index_path, tt_tensor_file **file, tt_error *err);
/* PyTorch checkpoints (.pth, .bin, .ckpt; zip and legacy), read as data through an allow-list; nested dicts
 * are flattened with dots, a top-level "state_dict" is entered. */
TT_API tt_status tt_torch_open(const char *path, tt_tensor_file **file, tt_error *err);
TT_API void tt_tensor_file_close(tt_tensor_file *file);
TT_API size_t tt_tensor_file_count(const tt_tensor_file *file);
TT_API const tt_tensor_view *tt_tensor_file_at(const tt_tensor_file *file, size_t i);
TT_API const tt_tensor_view *tt_tensor_file_find(const tt_tensor_file *file,
                                                 const char *name); /* NULL: none */
/* The text under `key` in a safetensors file's __metadata__; NULL: none (always, for other formats). */
TT_API const char *tt_tensor_file_metadata(const tt_tensor_file *file, const char *key);
/* The pages of this tensor are needed no more. */
TT_API void tt_tensor_file_give_back(tt_tensor_file *file, const tt_tensor_view *view);
TT_API const char *tt_tensor_file_path(const tt_tensor_file *file);

/* Writes a file as the reference writer does (10.1). Atomic. */
TT_API tt_status tt_safetensors_write(const char *path, const tt_tensor_view *tensors, size_t n,
                                      const char *const *metadata /* key, value, …, NULL */, tt_error *err);

#endif
