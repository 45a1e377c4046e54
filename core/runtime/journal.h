/* An append-only log of checksummed records: what a measure step has done so far. A record is whole or
 * absent: opening cuts off what a kill or a full disk left half written. */
#ifndef TT_RUNTIME_JOURNAL_H
#define TT_RUNTIME_JOURNAL_H

#include "base/mem.h"
#include "telltale/status.h"

typedef struct tt_journal tt_journal;

/* Opens or creates; calls `record` for each record that is there, in order. `header` says what the log is of;
 * a log with another header is refused. Locked against a second writer. */
TT_API tt_status tt_journal_open(const char *path, const char *header,
                                 tt_status (*record)(void *user, const void *data, size_t size,
                                                     tt_error *err),
                                 void *user, tt_journal **journal, tt_error *err);
/* Reads a log that another process may be writing, up to its last whole record; changes nothing. *header is
 * freed with tt_free, also after a failure. */
TT_API tt_status tt_journal_read(const char *path, char **header,
                                 tt_status (*record)(void *user, const void *data, size_t size,
                                                     tt_error *err),
                                 void *user, tt_error *err);
/* Appends one record and syncs it. After a failure the file is cut back, so that nothing half written stays.
 */
TT_API tt_status tt_journal_append(tt_journal *journal, const void *data, size_t size, tt_error *err);
TT_API void tt_journal_close(tt_journal *journal); /* NULL is fine */

#endif
