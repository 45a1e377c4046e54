#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local long fail_after = -1;

static bool must_fail(void)
{
    if (fail_after < 0) return false;
    if (fail_after == 0) return true;
    fail_after--;
    return false;
}

void tt_mem_fail_after(long n)
{
    fail_after = n;
}

void *tt_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *tt_alloc_zero(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *tt_alloc_array(size_t count, size_t size)
{
    size_t total;
    return tt_size_mul(count, size, &total) ? tt_alloc_zero(total) : NULL;
}

void *tt_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void tt_free(void *p)
{
    free(p);
}

char *tt_strdup(const char *s)
{
    return tt_strndup(s, strlen(s));
}

char *tt_strndup(const char *s, size_t n)
{
    char *copy = tt_alloc(n + 1);
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

/* ---- arena ---- */

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
} block;

struct tt_arena {
    block *blocks;
    size_t total, max_bytes;
};

tt_arena *tt_arena_create(size_t max_bytes)
{
    tt_arena *arena = tt_alloc_zero(sizeof *arena);
    if (arena) arena->max_bytes = max_bytes;
    return arena;
}

void tt_arena_destroy(tt_arena *arena)
{
    if (!arena) return;
    for (block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        tt_free(b);
    }
    tt_free(arena);
}

void *tt_arena_alloc(tt_arena *arena, size_t size)
{
    if (size > SIZE_MAX - 64 - sizeof(block)) return NULL;
    size = (size + 15u) & ~(size_t)15u;
    if (size == 0) size = 16;
    block *b = arena->blocks;
    if (!b || b->size - b->used < size) {
        size_t left = arena->max_bytes ? arena->max_bytes - arena->total : SIZE_MAX;
        if (size > left) return NULL;
        size_t capacity = left < 4096 ? left & ~(size_t)15u : 4096;
        if (capacity < size) capacity = size;
        b = tt_alloc_zero(sizeof *b + capacity);
        if (!b) return NULL;
        b->size = capacity;
        b->next = arena->blocks;
        arena->blocks = b;
        arena->total += capacity;
    }
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

void *tt_arena_alloc_array(tt_arena *arena, size_t count, size_t size)
{
    size_t total;
    return tt_size_mul(count, size, &total) ? tt_arena_alloc(arena, total) : NULL;
}

char *tt_arena_strdup(tt_arena *arena, const char *s)
{
    return tt_arena_strndup(arena, s, strlen(s));
}

char *tt_arena_strndup(tt_arena *arena, const char *s, size_t n)
{
    char *copy = n == SIZE_MAX ? NULL : tt_arena_alloc(arena, n + 1);
    if (copy) memcpy(copy, s, n);
    return copy;
}

char *tt_arena_printf(tt_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) return NULL;
    char *s = tt_arena_alloc(arena, (size_t)n + 1);
    if (!s) return NULL;
    va_start(args, format);
    vsnprintf(s, (size_t)n + 1, format, args);
    va_end(args);
    return s;
}

/* ---- buffer ---- */

void tt_buf_init(tt_buf *buf, size_t max_bytes)
{
    *buf = (tt_buf){.max_bytes = max_bytes};
}

void tt_buf_free(tt_buf *buf)
{
    tt_free(buf->data);
    *buf = (tt_buf){.max_bytes = buf->max_bytes};
}

static bool reserve(tt_buf *buf, size_t extra)
{
    size_t need;
    if (!tt_size_add(buf->size, extra, &need) || need == SIZE_MAX ||
        (buf->max_bytes && need > buf->max_bytes)) {
        buf->failed = true;
        return false;
    }
    if (need + 1 > buf->capacity) {
        size_t capacity = buf->capacity > SIZE_MAX / 2 ? need + 1 : buf->capacity * 2;
        if (capacity < need + 1) capacity = need + 1;
        if (capacity < 64) capacity = 64;
        char *grown = tt_realloc(buf->data, capacity);
        if (!grown) {
            buf->failed = true;
            return false;
        }
        buf->data = grown;
        buf->capacity = capacity;
    }
    return true;
}

bool tt_buf_append(tt_buf *buf, const void *data, size_t size)
{
    if (!reserve(buf, size)) return false;
    if (size) memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return true;
}

bool tt_buf_printf(tt_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(buf, (size_t)n)) return false;
    va_start(args, format);
    vsnprintf(buf->data + buf->size, (size_t)n + 1, format, args);
    va_end(args);
    buf->size += (size_t)n;
    return true;
}

uint64_t tt_memory_available(void)
{
    char line[160];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
    if (file) fclose(file);
    return (uint64_t)kib << 10;
}
