/* Python pickles as data: a stack machine for the few opcodes that torch.save writes, which builds values of
 * its own and never calls anything. A name (GLOBAL) outside a short list of harmless ones is an error. */
#ifndef TT_FORMATS_TORCH_PICKLE_H
#define TT_FORMATS_TORCH_PICKLE_H

#include "base/mem.h"
#include "formats/tensor_file.h"

typedef enum tt_pickle_kind {
    TT_PICKLE_NONE,
    TT_PICKLE_BOOL,
    TT_PICKLE_INT,
    TT_PICKLE_LONG, /* an integer beyond 64 bits: its bytes, little-endian, in text */
    TT_PICKLE_FLOAT,
    TT_PICKLE_STRING,
    TT_PICKLE_TUPLE,
    TT_PICKLE_LIST,
    TT_PICKLE_DICT, /* items: key, value, key, value, … */
    TT_PICKLE_GLOBAL,
    TT_PICKLE_STORAGE,
    TT_PICKLE_TENSOR,
    TT_PICKLE_OPAQUE /* a device, a dtype, a numpy scalar: known, harmless and of no use here */
} tt_pickle_kind;

typedef struct tt_pickle_value tt_pickle_value;

typedef struct tt_torch_storage {
    const char *key;
    size_t key_size;
    const tt_dtype *dtype; /* NULL: untyped, counted in bytes */
    uint64_t numel;
    const unsigned char *data; /* filled by the container's reader */
} tt_torch_storage;

typedef struct tt_pickle_tensor {
    tt_torch_storage *storage;
    const tt_dtype *dtype;
    uint64_t offset; /* elements, as shape and stride */
    int rank;
    int64_t shape[TT_TENSOR_MAX_RANK], stride[TT_TENSOR_MAX_RANK];
} tt_pickle_tensor;

struct tt_pickle_value {
    tt_pickle_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const char *text; /* in the pickle, not NUL-terminated */
            size_t size;
        } string;
        struct {
            tt_pickle_value **items;
            size_t n, capacity;
        } list;
        int global;
        tt_torch_storage *storage;
        tt_pickle_tensor *tensor;
    } as;
};

typedef struct tt_pickle {
    const char *path; /* for messages */
    tt_arena *arena;
    tt_torch_storage **storages; /* every reference, in the arena */
    size_t n_storages, storages_capacity;
} tt_pickle;

/* Reads one pickle from the beginning of `data`; *used: its length. Values live in the arena and point into
 * `data`. Tensors are checked against their storages' element counts. */
tt_status tt_pickle_read(tt_pickle *pickle, const unsigned char *data, size_t size, size_t *used,
                         tt_pickle_value **value, tt_error *err);

/* The members of a zip archive that torch wrote: stored, not compressed. */
typedef struct tt_zip_entry {
    const char *name; /* NUL-terminated, in the arena */
    size_t offset, size;
    uint32_t crc;
} tt_zip_entry;
/* Entries sorted by name. Refuses compression, encryption, duplicate names, overlaps and names that lead out.
 */
tt_status tt_zip_list(const char *path, const tt_map *map, tt_arena *arena, tt_zip_entry **entries, size_t *n,
                      tt_error *err);
const tt_zip_entry *tt_zip_find(const tt_zip_entry *entries, size_t n, const char *name);

#endif
