/* Shared by log.c and progress.c only. */
#ifndef TT_BASE_LOG_INTERNAL_H
#define TT_BASE_LOG_INTERNAL_H

#include "base/log.h"
#include "base/mem.h"

bool tt_log_is_json(void);
/* Appends a JSON string. Bytes that are no UTF-8 become U+FFFD: a line must be JSON whatever came in. */
void tt_log_quote(tt_buf *out, const char *text);
/* All of it to stderr; nobody listens: it is lost, and ends nothing. */
void tt_log_put(const char *text, size_t size);

/* progress.c: a bar that is drawn goes, so that a message does not stand behind it; it comes again by itself.
 */
void tt_progress_clear(void);

#endif
