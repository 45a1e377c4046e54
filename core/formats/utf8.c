#include "formats/text.h"

#include <utf8proc.h>

size_t tt_utf8_check(const char *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        if ((unsigned char)data[at] < 0x80) {
            at++;
            continue;
        }
        utf8proc_int32_t code;
        size_t left = size - at;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)data + at,
                                              left > 4 ? 4 : (utf8proc_ssize_t)left, &code);
        if (n <= 0) return at;
        at += (size_t)n;
    }
    return size;
}
