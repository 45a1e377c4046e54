#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int lowest_level = TT_LOG_INFO;

void tt_log_set_level(tt_log_level lowest)
{
    atomic_store(&lowest_level, (int)lowest);
}

/* One write(2) a message: lines of several threads and processes that share stderr do not mix. */
void tt_log(tt_log_level level, const char *format, ...)
{
    static const char *const prefix[] = {"debug: ", "", "warning: ", "error: "};
    if ((int)level < atomic_load(&lowest_level)) return;
    char line[2048];
    size_t at = strlen(prefix[level]);
    memcpy(line, prefix[level], at);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    if (n < 0) return;
    at += (size_t)n < sizeof line - at - 2 ? (size_t)n : sizeof line - at - 2;
    line[at++] = '\n';
    for (size_t done = 0; done < at;) {
        ssize_t w = write(STDERR_FILENO, line + done, at - done);
        if (w <= 0) return; /* nobody listens: a lost message must not end the run */
        done += (size_t)w;
    }
}
