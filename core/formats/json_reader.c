#include "formats/json_reader.h"
#include "formats/text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { VALUE, FIRST_KEY, KEY, FIRST_ITEM, AFTER_VALUE, NOTHING };

/* Moves the known position forward to p: every byte is counted once, also in a text of one line. */
static void count_to(tt_json_reader *r, const char *p)
{
    for (; r->counted < p; r->counted++) {
        if (*r->counted == '\n') {
            r->here_line += r->here_line < INT_MAX;
            r->here_column = 1;
        } else if (((unsigned char)*r->counted & 0xc0) != 0x80) { /* characters, not bytes */
            r->here_column += r->here_column < INT_MAX;
        }
    }
}

static void mark(tt_json_reader *r, const char *p)
{
    count_to(r, p);
    r->line = r->here_line;
    r->column = r->here_column;
}

tt_status tt_json_fail(const tt_json_reader *r, tt_error *err, const char *format, ...)
{
    char what[TT_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return tt_fail(err, TT_ERR_FORMAT, "%s:%d:%d: %s", r->file, r->line, r->column, what);
}

static tt_status fail_here(tt_json_reader *r, tt_error *err, const char *what)
{
    mark(r, r->at);
    return tt_json_fail(r, err, "%s", what);
}

tt_status tt_json_open(tt_json_reader *r, const char *file, const char *text, size_t size, tt_error *err)
{
    *r = (tt_json_reader){.file = file, .begin = text, .at = text, .end = text + size, .expect = VALUE};
    r->here_line = r->here_column = 1;
    r->line = r->column = 1;
    r->counted = text;
    size_t valid = tt_utf8_check(text, size);
    if (valid == size) return TT_OK;
    mark(r, text + valid);
    return tt_json_fail(r, err, "not UTF-8");
}

void tt_json_close(tt_json_reader *r)
{
    tt_buf_free(&r->decoded);
}

static void skip_space(tt_json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* Four hex digits, or -1. */
static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)p[i], digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

static bool put_utf8(tt_buf *out, int code)
{
    char b[4];
    if (code < 0x80) {
        b[0] = (char)code;
        return tt_buf_append(out, b, 1);
    }
    int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const int lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, code >>= 6)
        b[i] = (char)(0x80 | (code & 0x3f));
    b[0] = (char)(lead[n] | code);
    return tt_buf_append(out, b, (size_t)n);
}

/* \uXXXX and its second half; r->at is behind the 'u'. */
static tt_status unicode_escape(tt_json_reader *r, tt_error *err)
{
    int code = hex4(r->at, r->end);
    if (code < 0) return fail_here(r, err, "\\u needs four hexadecimal digits");
    if (code == 0) return fail_here(r, err, "a string with a NUL character");
    r->at += 4;
    if (code >= 0xd800 && code < 0xe000) {
        int low = -1;
        if (code < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u')
            low = hex4(r->at + 2, r->end);
        if (low < 0xdc00 || low > 0xdfff) return fail_here(r, err, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        r->at += 6;
    }
    return put_utf8(&r->decoded, code) ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->file);
}

static tt_status escape(tt_json_reader *r, tt_error *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    r->at++;
    if (r->at == r->end) return fail_here(r, err, "a string without an end");
    char c = *r->at;
    if (c == 'u') {
        r->at++;
        return unicode_escape(r, err);
    }
    const char *known = c ? strchr(from, c) : NULL;
    if (!known) return fail_here(r, err, "an unknown escape in a string");
    r->at++;
    return tt_buf_append(&r->decoded, &to[known - from], 1)
               ? TT_OK
               : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->file);
}

static tt_status read_string(tt_json_reader *r, tt_error *err)
{
    const char *run = ++r->at;
    bool copied = false;
    r->decoded.size = 0;
    for (;;) {
        while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20)
            r->at++;
        if (r->at == r->end) return fail_here(r, err, "a string without an end");
        if ((unsigned char)*r->at < 0x20) return fail_here(r, err, "a control character in a string");
        bool end = *r->at == '"';
        if (end && !copied) { /* the usual case: no escapes, no copy */
            r->text = run;
            r->text_size = (size_t)(r->at - run);
            break;
        }
        if (!tt_buf_append(&r->decoded, run, (size_t)(r->at - run)))
            return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->file);
        if (end) {
            r->text = r->decoded.data;
            r->text_size = r->decoded.size;
            break;
        }
        copied = true;
        tt_status s = escape(r, err);
        if (s) return s;
        run = r->at;
    }
    r->at++;
    return TT_OK;
}

static size_t digits(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

static tt_status read_number(tt_json_reader *r, tt_error *err)
{
    const char *p = r->at;
    if (*p == '-') p++;
    size_t whole = digits(p, r->end);
    bool ok = whole == 1 || (whole > 1 && *p != '0');
    p += whole;
    if (ok && p < r->end && *p == '.') {
        size_t n = digits(++p, r->end);
        ok = n > 0;
        p += n;
    }
    if (ok && p < r->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < r->end && (*p == '+' || *p == '-')) p++;
        size_t n = digits(p, r->end);
        ok = n > 0;
        p += n;
    }
    if (!ok) return fail_here(r, err, "a malformed number");
    r->text = r->at;
    r->text_size = (size_t)(p - r->at);
    r->at = p;
    return TT_OK;
}

static tt_status open_nested(tt_json_reader *r, bool object, tt_json_token *token, tt_error *err)
{
    if (r->depth >= TT_JSON_MAX_DEPTH) return fail_here(r, err, "nested deeper than 64");
    r->is_object[r->depth++] = object;
    r->at++;
    r->expect = object ? FIRST_KEY : FIRST_ITEM;
    *token = object ? TT_JSON_OBJECT : TT_JSON_ARRAY;
    return TT_OK;
}

static tt_status close_nested(tt_json_reader *r, tt_json_token *token)
{
    *token = r->is_object[--r->depth] ? TT_JSON_OBJECT_END : TT_JSON_ARRAY_END;
    r->at++;
    r->expect = r->depth ? AFTER_VALUE : NOTHING;
    return TT_OK;
}

static bool literal(tt_json_reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return false;
    r->at += n;
    return true;
}

static tt_status read_value(tt_json_reader *r, tt_json_token *token, tt_error *err)
{
    tt_status s = TT_OK;
    char c = *r->at;
    if (c == '{' || c == '[') return open_nested(r, c == '{', token, err);
    if (c == '"') {
        *token = TT_JSON_STRING;
        s = read_string(r, err);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        *token = TT_JSON_NUMBER;
        s = read_number(r, err);
    } else if (literal(r, "true")) {
        *token = TT_JSON_TRUE;
    } else if (literal(r, "false")) {
        *token = TT_JSON_FALSE;
    } else if (literal(r, "null")) {
        *token = TT_JSON_NULL;
    } else {
        return fail_here(r, err, "not a JSON value");
    }
    r->expect = r->depth ? AFTER_VALUE : NOTHING;
    return s;
}

static tt_status read_key(tt_json_reader *r, tt_json_token *token, tt_error *err)
{
    if (*r->at != '"') return fail_here(r, err, "a key in quotes is missing");
    tt_status s = read_string(r, err);
    if (s) return s;
    skip_space(r);
    if (r->at == r->end || *r->at != ':') return fail_here(r, err, "':' is missing behind a key");
    r->at++;
    r->expect = VALUE;
    *token = TT_JSON_KEY;
    return TT_OK;
}

tt_status tt_json_next(tt_json_reader *r, tt_json_token *token, tt_error *err)
{
    skip_space(r);
    if (r->expect == NOTHING) {
        if (r->at < r->end) return fail_here(r, err, "text behind the value");
        *token = TT_JSON_END;
        return TT_OK;
    }
    if (r->at == r->end) return fail_here(r, err, "the text ends too early");
    if (r->expect == AFTER_VALUE) {
        bool object = r->is_object[r->depth - 1];
        mark(r, r->at);
        if (*r->at == (object ? '}' : ']')) return close_nested(r, token);
        if (*r->at != ',')
            return fail_here(r, err, object ? "',' or '}' is missing" : "',' or ']' is missing");
        r->at++;
        skip_space(r);
        if (r->at == r->end) return fail_here(r, err, "the text ends too early");
        r->expect = object ? KEY : VALUE;
    }
    mark(r, r->at);
    if (r->expect == FIRST_KEY && *r->at == '}') return close_nested(r, token);
    if (r->expect == FIRST_ITEM && *r->at == ']') return close_nested(r, token);
    return r->expect == KEY || r->expect == FIRST_KEY ? read_key(r, token, err) : read_value(r, token, err);
}

tt_status tt_json_skip(tt_json_reader *r, tt_error *err)
{
    int depth = r->depth;
    do {
        tt_json_token token;
        tt_status s = tt_json_next(r, &token, err);
        if (s) return s;
    } while (r->depth > depth);
    return TT_OK;
}
