#include "runtime/wire.h"

#include <string.h>

/* The project runs on little-endian machines (x86-64, arm64), so values are copied as they lie. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

void tt_put_u8(tt_buf *out, uint8_t v)
{
    tt_buf_append(out, &v, sizeof v);
}

void tt_put_u32(tt_buf *out, uint32_t v)
{
    tt_buf_append(out, &v, sizeof v);
}

void tt_put_u64(tt_buf *out, uint64_t v)
{
    tt_buf_append(out, &v, sizeof v);
}

void tt_put_i32(tt_buf *out, int32_t v)
{
    tt_buf_append(out, &v, sizeof v);
}

void tt_put_f64(tt_buf *out, double v)
{
    tt_buf_append(out, &v, sizeof v);
}

void tt_put_bytes(tt_buf *out, const void *data, size_t size)
{
    tt_put_u64(out, size);
    tt_buf_append(out, data, size);
}

void tt_put_text(tt_buf *out, const char *text)
{
    if (!text)
        tt_put_bytes(out, NULL, 0);
    else
        tt_put_bytes(out, text, strlen(text) + 1);
}

void tt_put_digest(tt_buf *out, const tt_digest *d)
{
    tt_buf_append(out, d->bytes, sizeof d->bytes);
}

tt_reader tt_reader_over(const void *data, size_t size)
{
    const uint8_t *p = data;
    return (tt_reader){p, p ? p + size : p, false};
}

static const void *take(tt_reader *in, size_t size)
{
    if (in->failed || (size_t)(in->end - in->at) < size) {
        in->failed = true;
        return NULL;
    }
    const void *p = in->at;
    in->at += size;
    return p;
}

#define TAKE(type)                                                                                           \
    type v = 0;                                                                                              \
    const void *p = take(in, sizeof v);                                                                      \
    if (p) memcpy(&v, p, sizeof v);                                                                          \
    return v

uint8_t tt_get_u8(tt_reader *in)
{
    TAKE(uint8_t);
}

uint32_t tt_get_u32(tt_reader *in)
{
    TAKE(uint32_t);
}

uint64_t tt_get_u64(tt_reader *in)
{
    TAKE(uint64_t);
}

int32_t tt_get_i32(tt_reader *in)
{
    TAKE(int32_t);
}

double tt_get_f64(tt_reader *in)
{
    TAKE(double);
}

const void *tt_get_bytes(tt_reader *in, size_t *size)
{
    uint64_t n = tt_get_u64(in);
    *size = 0;
    if (in->failed || n > (uint64_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    *size = (size_t)n;
    return take(in, (size_t)n);
}

const char *tt_get_text(tt_reader *in)
{
    size_t size;
    const char *s = tt_get_bytes(in, &size);
    if (in->failed || size == 0) return NULL;
    if (memchr(s, '\0', size) != s + size - 1) { /* exactly one NUL, at the end */
        in->failed = true;
        return NULL;
    }
    return s;
}

tt_digest tt_get_digest(tt_reader *in)
{
    tt_digest d = {{0}};
    const void *p = take(in, sizeof d.bytes);
    if (p) memcpy(d.bytes, p, sizeof d.bytes);
    return d;
}

uint32_t tt_get_count(tt_reader *in, size_t item_bytes)
{
    uint32_t n = tt_get_u32(in);
    if (in->failed || n > (size_t)(in->end - in->at) / (item_bytes ? item_bytes : 1)) {
        in->failed = true;
        return 0;
    }
    return n;
}

bool tt_reader_done(const tt_reader *in)
{
    return !in->failed && in->at == in->end;
}

void tt_put_device(tt_buf *out, const char *backend, const tt_device_options *options)
{
    tt_put_text(out, backend);
    tt_put_i32(out, options->threads);
    tt_put_i32(out, options->index);
    tt_put_u32(out, options->flags);
}

const char *tt_get_device(tt_reader *in, tt_device_options *options)
{
    const char *backend = tt_get_text(in);
    *options = (tt_device_options){.size = sizeof *options};
    options->threads = tt_get_i32(in);
    options->index = tt_get_i32(in);
    options->flags = tt_get_u32(in);
    return in->failed ? NULL : backend;
}
