/* Messages for people. Libraries report errors as values; this is for progress and warnings. Writes to
 * stderr, or to the file set; a child's lines reach its parent through its stderr. Thread-safe. */
#ifndef TT_BASE_LOG_H
#define TT_BASE_LOG_H

#include "telltale/plugin.h"

TT_API void tt_log(tt_log_level level, const char *format, ...) TT_PRINTF(2, 3);
TT_API void tt_log_set_level(tt_log_level lowest);

/* Messages and progress as JSON, an object a line: docs/report.md, "For programs that wait". */
TT_API void tt_log_set_json(bool json);

/* One progress display. On a terminal a bar with rate and ETA, redrawn in place; else a plain line now and
 * then; with quiet nothing. */
typedef struct tt_progress tt_progress;
TT_API void tt_progress_set_quiet(bool quiet);
TT_API tt_progress *tt_progress_start(const char *what, const char *unit,
                                      uint64_t total); /* NULL: out of memory */
/* What was done before this process began: in the count, not in the rate. */
TT_API void tt_progress_resume(tt_progress *p, uint64_t done);
TT_API void tt_progress_set(tt_progress *p, uint64_t done); /* p may be NULL */
TT_API void tt_progress_note(tt_progress *p, const char *note);
/* Something failed, and `dropped` of the total will not be done for it. */
TT_API void tt_progress_fail(tt_progress *p, uint64_t dropped);
TT_API void tt_progress_finish(tt_progress *p);

#endif
