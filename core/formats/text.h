/* Small text jobs of the format readers: UTF-8 and numbers, whatever locale a plugin may have set. */
#ifndef TT_FORMATS_TEXT_H
#define TT_FORMATS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offset of the first byte that is not UTF-8 (surrogates and overlong forms are not); `size` when all is. */
size_t tt_utf8_check(const char *data, size_t size);

/* `text` is a decimal number of JSON's or YAML's syntax. false when it is beyond the range of a double. */
bool tt_double_parse(const char *text, double *value);
/* Base 10, optional sign, the whole text. false when it is no integer or does not fit. */
bool tt_int64_parse(const char *text, int64_t *value);

/* The fewest digits that read back as the same finite double, always with '.' or 'e', so that it stays a
 * float. */
void tt_double_print(double value, char out[40]);

#endif
