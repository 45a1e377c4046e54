/* Memory: checked sizes, allocation through one swappable table, arenas, growing buffers with a ceiling. */
#ifndef TT_BASE_MEM_H
#define TT_BASE_MEM_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* false when the result would not fit; *out is then unchanged */
static inline bool tt_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool tt_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* malloc's family, counted, and failing on purpose in tests (tt_mem_fail_after). All return NULL when out of
 * memory. tt_alloc_array checks count·size. Free with tt_free. */
TT_API void *tt_alloc(size_t size);
TT_API void *tt_alloc_zero(size_t size);
TT_API void *tt_alloc_array(size_t count, size_t size);
TT_API void *tt_realloc(void *p, size_t size);
TT_API void tt_free(void *p);
TT_API char *tt_strdup(const char *s);
TT_API char *tt_strndup(const char *s, size_t n);

/* Tests: let `n` more allocations of this thread succeed, then fail all; negative: never fail. */
TT_API void tt_mem_fail_after(long n);

/* An arena hands out memory that is freed all at once. `max_bytes` is a ceiling (0: none). Not thread-safe.
 */
typedef struct tt_arena tt_arena;
TT_API tt_arena *tt_arena_create(size_t max_bytes);
TT_API void tt_arena_destroy(tt_arena *arena);
TT_API void *tt_arena_alloc(tt_arena *arena,
                            size_t size); /* 16-byte aligned, zeroed; NULL when out of memory */
TT_API void *tt_arena_alloc_array(tt_arena *arena, size_t count, size_t size);
TT_API char *tt_arena_strdup(tt_arena *arena, const char *s);
TT_API char *tt_arena_strndup(tt_arena *arena, const char *s, size_t n);
TT_API char *tt_arena_printf(tt_arena *arena, const char *format, ...) TT_PRINTF(2, 3);

/* Bytes that the system could give to processes without swapping; 0: unknown. */
TT_API uint64_t tt_memory_available(void);

/* A byte buffer that grows up to `max_bytes` (0: no ceiling). Zero-initialise or use tt_buf_init. After a
 * failed append the buffer is unchanged and `failed` is set, so that many appends can be checked once. */
typedef struct tt_buf {
    char *data; /* always followed by a NUL byte when non-NULL */
    size_t size, capacity, max_bytes;
    bool failed;
} tt_buf;
TT_API void tt_buf_init(tt_buf *buf, size_t max_bytes);
TT_API void tt_buf_free(tt_buf *buf);
TT_API bool tt_buf_append(tt_buf *buf, const void *data, size_t size);
TT_API bool tt_buf_printf(tt_buf *buf, const char *format, ...) TT_PRINTF(2, 3);

#endif
