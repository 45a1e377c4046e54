/* PyTorch checkpoints made byte by byte, so that each can tell one lie. */
#ifndef TT_TORCH_BYTES_H
#define TT_TORCH_BYTES_H

#include "base/mem.h"
#include "formats/safetensors.h"

#include <stdint.h>

/* ---- pickles ---- */

void made_put(tt_buf *out, const void *bytes, size_t size);
void made_put_text(tt_buf *out, const char *text);
void made_put_string(tt_buf *out, const char *text); /* BINUNICODE */

/* A tensor as torch.save pickles it, of rank 2 but where `rank` says more. */
typedef struct made_tensor {
    const char *storage, *key;
    int64_t numel, offset, shape[2], stride[2];
    int rank, stride_rank; /* 0: 2 */
} made_tensor;

extern const made_tensor made_sound; /* 2×3 floats, 0 … 5 */
extern const float made_values[8];   /* 0 … 7 */
/* {"w": tensor}; `view`: opcodes of the persistent id's sixth element, "" for none */
tt_buf made_dict(const made_tensor *t, const char *view);

/* ---- zip archives ---- */

typedef struct made_entry {
    const char *name, *local_name; /* NULL: the same */
    const void *data;
    size_t size;
    unsigned method, flags, crc_error;
    long local_shift; /* how far the directory is off where the header lies */
} made_entry;
/* With `wide` the end record is ZIP64's, of which the locator is wrong by `shift`. At most 8 entries. */
tt_buf made_archive(const made_entry *entries, size_t n, bool wide, long shift);

/* ---- the format before 1.6 ---- */

/* Magic number, protocol and system info, which the object's pickle follows. */
void made_legacy_head(tt_buf *out);
/* The list of keys (one character each) and a storage for each: `count` says how many floats, `present` are.
 */
tt_buf made_storages(const char *keys, uint64_t count, size_t present);

/* Writes the bytes to made.pth, frees them and opens the file; *file is closed before, NULL on failure.
 * Asserts that a refusal names the file and says what to do. */
tt_status made_open(tt_buf *bytes, tt_tensor_file **file, tt_error *err);

#endif
