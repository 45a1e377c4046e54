#include "base/log_internal.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int lowest_level = TT_LOG_INFO;
static atomic_bool json;

void tt_log_set_level(tt_log_level lowest)
{
    atomic_store(&lowest_level, (int)lowest);
}

void tt_log_set_json(bool wanted)
{
    atomic_store(&json, wanted);
}

bool tt_log_is_json(void)
{
    return atomic_load(&json);
}

void tt_log_put(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t w = write(STDERR_FILENO, text, size);
        if (w <= 0) return;
        text += w;
        size -= (size_t)w;
    }
}

/* Bytes of the UTF-8 character at `at`; 0: it is none. Overlong forms and surrogates are left to readers. */
static size_t character(const unsigned char *at)
{
    size_t n = *at < 0x80 ? 1 : *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : *at < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return n;
}

void tt_log_quote(tt_buf *out, const char *text)
{
    tt_buf_append(out, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t n = character(at);
        if (n == 0)
            tt_buf_append(out, "\xef\xbf\xbd", 3);
        else if (*at < 0x20)
            tt_buf_printf(out, "\\u%04x", *at);
        else if (*at == '"' || *at == '\\')
            tt_buf_printf(out, "\\%c", *at);
        else
            tt_buf_append(out, at, n);
        at += n ? n : 1;
    }
    tt_buf_append(out, "\"", 1);
}

static void put_json(tt_log_level level, const char *message)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    tt_buf line = {0};
    tt_buf_printf(&line, "{\"event\": \"message\", \"level\": \"%s\", \"text\": ", names[level]);
    tt_log_quote(&line, message);
    tt_buf_printf(&line, "}\n");
    if (!line.failed) tt_log_put(line.data, line.size);
    tt_buf_free(&line);
}

/* One write(2) a message: lines of several threads and processes that share stderr do not mix. */
void tt_log(tt_log_level level, const char *format, ...)
{
    static const char *const prefix[] = {"debug: ", "", "warning: ", "error: "};
    if ((int)level < atomic_load(&lowest_level)) return;
    char line[2048];
    bool as_json = tt_log_is_json();
    size_t at = as_json ? 0 : strlen(prefix[level]);
    memcpy(line, prefix[level], at);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    if (n < 0) return;
    if (as_json) {
        put_json(level, line);
        return;
    }
    at += (size_t)n < sizeof line - at - 2 ? (size_t)n : sizeof line - at - 2;
    line[at++] = '\n';
    tt_progress_clear();
    tt_log_put(line, at);
}
