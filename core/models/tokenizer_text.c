/* From text to pieces, the "fast" variant (models-clip 3.4): NFC, runs of white space to one space, lower
 * case by code point, then the split. The split's regular expression only asks whether a code point is a
 * letter, a number or neither, which utf8proc's categories answer, so no regex engine is needed. */
#include "models/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

static bool append(tt_buf *out, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    return tt_buf_append(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

/* full lower-case mapping: only U+0130 becomes two code points */
static bool append_lower(tt_buf *out, int32_t c)
{
    if (c == 0x130) return append(out, 'i') && append(out, 0x307);
    return append(out, utf8proc_tolower(c));
}

static tt_status normalise(const char *text, size_t size, tt_buf *out, tt_error *err)
{
    utf8proc_uint8_t *nfc = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &nfc,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0) return tt_fail(err, TT_ERR_INVALID, "text cannot be read: %s", utf8proc_errmsg(n));
    bool in_space = false;
    for (utf8proc_ssize_t at = 0; at < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t step = utf8proc_iterate(nfc + at, n - at, &c);
        if (step <= 0) break;
        at += step;
        if (!is_space(c))
            append_lower(out, c);
        else if (!in_space)
            append(out, ' ');
        in_space = is_space(c);
    }
    free(nfc);
    return out->failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory for a text") : TT_OK;
}

typedef enum class_of_char { SPACE, LETTER, NUMBER, OTHER } class_of_char;

static class_of_char classify(int32_t c)
{
    if (c == ' ') return SPACE;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    default:
        return OTHER;
    }
}

/* 's 't 're 've 'm 'll 'd at the start: how many bytes, or 0 */
static size_t contraction(const char *p, size_t left)
{
    static const char *const known[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);
        if (left >= n && memcmp(p, known[i], n) == 0) return n;
    }
    return 0;
}

/* class and size of the code point at p */
static class_of_char look(const char *p, size_t left, size_t *size)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)left, &c);
    *size = n > 0 ? (size_t)n : 1;
    return n > 0 ? classify(c) : OTHER;
}

/* Bytes of the piece at p, which is no space: a contraction, a run of letters, one number, or a run of the
 * rest. */
static size_t piece_size(const char *p, size_t left)
{
    size_t size = contraction(p, left), step;
    if (size) return size;
    class_of_char kind = look(p, left, &size);
    while (kind != NUMBER && size < left && look(p + size, left - size, &step) == kind)
        size += step;
    return size;
}

tt_status tt_text_pieces(const char *text, size_t size,
                         tt_status (*piece)(void *user, const char *bytes, size_t size, tt_error *err),
                         void *user, tt_error *err)
{
    tt_buf clean = {0};
    tt_status s = normalise(text, size, &clean, err);
    for (size_t at = 0; !s && at < clean.size;) {
        if (clean.data[at] == ' ') {
            at++;
            continue;
        }
        size_t n = piece_size(clean.data + at, clean.size - at);
        s = piece(user, clean.data + at, n, err);
        at += n;
    }
    tt_buf_free(&clean);
    return s;
}
