#include "formats/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
