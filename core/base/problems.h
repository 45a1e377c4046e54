/* Errors that are collected, so that a file's mistakes are told at once instead of one at a time. */
#ifndef TT_BASE_PROBLEMS_H
#define TT_BASE_PROBLEMS_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>

#define TT_PROBLEMS_MAX 100u /* kept; of what comes behind only the number */

/* Zero-initialise. */
typedef struct tt_problems {
    tt_error *list;
    size_t n, capacity;
    size_t n_dropped;
    char **muted; /* beginnings of messages */
    size_t n_muted, muted_capacity;
} tt_problems;

/* Mistakes in what a user wrote (invalid, format, not found, exists, unsupported, refused) are added and give
 * TT_OK, so that reading goes on; others (memory, interruption, a crash …) give `s` back. NULL: nothing is
 * collected, gives `s` back. A message that is there already is not added again. */
TT_API tt_status tt_problems_note(tt_problems *p, tt_status s, const tt_error *err);
/* Of this place enough is said: later problems there are only consequences, and dropped. */
TT_API tt_status tt_problems_mute(tt_problems *p, const char *file, int line, int column);
/* TT_OK: there are none. Else the first one's code, with all messages, a line each, as far as they fit. */
TT_API tt_status tt_problems_status(const tt_problems *p, tt_error *err);
TT_API void tt_problems_free(tt_problems *p);

#endif
