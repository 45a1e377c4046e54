/* The bytes of a message: fixed little-endian integers, length-prefixed strings and arrays. Writers append to
 * a tt_buf (check `failed` once); readers never run past the end and turn `failed` on instead, giving zeros
 * from then on. */
#ifndef TT_RUNTIME_WIRE_H
#define TT_RUNTIME_WIRE_H

#include "base/hash.h"
#include "base/mem.h"
#include "telltale/tensor.h"

TT_API void tt_put_u8(tt_buf *out, uint8_t v);
TT_API void tt_put_u32(tt_buf *out, uint32_t v);
TT_API void tt_put_u64(tt_buf *out, uint64_t v);
TT_API void tt_put_i32(tt_buf *out, int32_t v);
TT_API void tt_put_f64(tt_buf *out, double v);
TT_API void tt_put_text(tt_buf *out, const char *text); /* NULL is kept apart from "" */
TT_API void tt_put_bytes(tt_buf *out, const void *data, size_t size);
TT_API void tt_put_digest(tt_buf *out, const tt_digest *d);
/* A backend by name, and which of its devices how. */
TT_API void tt_put_device(tt_buf *out, const char *backend, const tt_device_options *options);

typedef struct tt_reader {
    const uint8_t *at, *end;
    bool failed;
} tt_reader;

TT_API tt_reader tt_reader_over(const void *data, size_t size);
TT_API uint8_t tt_get_u8(tt_reader *in);
TT_API uint32_t tt_get_u32(tt_reader *in);
TT_API uint64_t tt_get_u64(tt_reader *in);
TT_API int32_t tt_get_i32(tt_reader *in);
TT_API double tt_get_f64(tt_reader *in);
TT_API const char *tt_get_text(tt_reader *in);                /* points into the message; NULL for NULL */
TT_API const void *tt_get_bytes(tt_reader *in, size_t *size); /* points into the message, any alignment */
TT_API tt_digest tt_get_digest(tt_reader *in);
TT_API const char *tt_get_device(tt_reader *in, tt_device_options *options); /* the name; NULL: malformed */
/* A count of items that take at least `item_bytes` each: more than could follow is a failure, so that nobody
 * allocates by a number that a peer made up. */
TT_API uint32_t tt_get_count(tt_reader *in, size_t item_bytes);
TT_API bool tt_reader_done(const tt_reader *in); /* all read and nothing failed */

#endif
