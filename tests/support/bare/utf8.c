/* In the place of core/formats/utf8.c, which needs utf8proc: a build for a bare machine reads ASCII alone. */
#include "formats/text.h"

size_t tt_utf8_check(const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && (unsigned char)data[at] < 0x80)
        at++;
    return at;
}
