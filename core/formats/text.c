#include "formats/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* In glibc the "C" locale object is static: newlocale neither allocates nor fails. */
static locale_t enter_c_locale(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

bool tt_double_parse(const char *text, double *value)
{
    locale_t before = enter_c_locale();
    char *end;
    double v = strtod(text, &end);
    uselocale(before);
    if (*end != '\0' || !isfinite(v)) return false;
    *value = v;
    return true;
}

bool tt_int64_parse(const char *text, int64_t *value)
{
    const char *p = text + (*text == '-' || *text == '+');
    if (*p == '\0' || p[strspn(p, "0123456789")] != '\0') return false;
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno) return false;
    *value = v;
    return true;
}

void tt_double_print(double value, char out[40])
{
    locale_t before = enter_c_locale();
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    uselocale(before);
    if (!strpbrk(out, ".e")) strcat(out, ".0");
}
