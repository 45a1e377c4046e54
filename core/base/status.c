#include "telltale/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tt_status tt_fail(tt_error *err, tt_status code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

tt_status tt_fail_in(tt_error *err, const char *format, ...)
{
    if (!err) return TT_ERR_INTERNAL;
    char cause[TT_ERROR_MESSAGE_MAX];
    memcpy(cause, err->message, sizeof cause);
    cause[sizeof cause - 1] = '\0';
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", cause);
    return err->code;
}

tt_status tt_fail_hint(tt_error *err, tt_status code, const char *remedy)
{
    if (!err) return code;
    size_t n = strnlen(err->message, sizeof err->message);
    if (n + strlen(remedy) + 2 < sizeof err->message) /* half a remedy would help nobody */
        snprintf(err->message + n, sizeof err->message - n, "; %s", remedy);
    return code;
}

const char *tt_status_name(tt_status code)
{
    static const char *const names[] = {"ok",        "invalid",     "format",  "io",
                                        "not found", "exists",      "memory",  "unsupported",
                                        "refused",   "interrupted", "crashed", "internal"};
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "unknown";
}
