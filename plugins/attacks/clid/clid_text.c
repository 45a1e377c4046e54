#include "clid.h"

#include <string.h>

/* bytes of the first n code points; the caption is valid UTF-8 */
static size_t offset_of(const char *text, size_t n)
{
    size_t at = 0;
    for (; n > 0 && text[at]; n--)
        do
            at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

static char *slice(const char *text, size_t begin, size_t end)
{
    char *s = clid_host->alloc(end - begin + 1);
    if (s) memcpy(s, text + begin, end - begin);
    return s;
}

tt_status clid_clip(const char *caption, char *out[3], tt_error *err)
{
    size_t n = 0;
    for (const char *p = caption; *p; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    size_t first = offset_of(caption, n / 3), second = offset_of(caption, 2 * n / 3), end = strlen(caption);
    out[0] = slice(caption, 0, first);
    out[1] = slice(caption, first, second);
    out[2] = slice(caption, second, end);
    return out[0] && out[1] && out[2] ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
}
