/* JSON for people. */
#include "formats/json.h"

#include <string.h>

/* What holds no other container and fits stays on one line. */
enum { LINE_MAX_CHARS = 90, DEEPEST = 64 };

/* Behind the string that begins at `at`. */
static const char *after_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1]) at++;
    return *at ? at + 1 : at;
}

/* Where the container that begins at `at` ends, if it may stay on one line; else NULL. */
static const char *end_of_short(const char *at)
{
    const char *begin = at++;
    while (*at && *at != '}' && *at != ']') {
        if (*at == '{' || *at == '[' || at - begin > LINE_MAX_CHARS) return NULL;
        at = *at == '"' ? after_string(at) : at + 1;
    }
    return *at && (at - begin <= LINE_MAX_CHARS || at == begin + 1) ? at + 1 : NULL;
}

static void new_line(tt_buf *out, int depth)
{
    tt_buf_printf(out, "\n%*s", 2 * (depth < DEEPEST ? depth : DEEPEST), "");
}

/* One lexeme of a text without white space between them; within a line a comma is followed by a space. */
static const char *put(const char *at, tt_buf *out)
{
    const char *end = *at == '"' ? after_string(at) : at + 1;
    tt_buf_append(out, at, (size_t)(end - at));
    if (*at == ':' || *at == ',') tt_buf_append(out, " ", 1);
    return end;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool tt_json_indent(const char *json, tt_buf *out)
{
    int depth = 0;
    while (*json) {
        const char *inline_end = *json == '{' || *json == '[' ? end_of_short(json) : NULL;
        if (is_space(*json)) {
            json++;
        } else if (inline_end) {
            while (json < inline_end)
                json = is_space(*json) ? json + 1 : put(json, out);
        } else if (*json == '{' || *json == '[') {
            json = put(json, out);
            new_line(out, ++depth);
        } else if (*json == '}' || *json == ']') {
            if (depth > 0) depth--;
            new_line(out, depth);
            json = put(json, out);
        } else if (*json == ',') {
            tt_buf_append(out, json++, 1);
            new_line(out, depth);
        } else {
            json = put(json, out);
        }
    }
    return !out->failed;
}
