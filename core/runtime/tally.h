/* A count that one process keeps and another watches: two numbers in shared memory, whose descriptor travels
 * with a request. For work whose answer comes at its end. */
#ifndef TT_RUNTIME_TALLY_H
#define TT_RUNTIME_TALLY_H

#include "telltale/status.h"

#include <stdint.h>

typedef struct tt_tally tt_tally;

/* *fd is for sending along, and is the tally's: tt_tally_close closes it. */
TT_API tt_status tt_tally_create(tt_tally **tally, int *fd, tt_error *err);
/* From a descriptor that came with a request; taken over. NULL: it is no tally. */
TT_API tt_tally *tt_tally_take(int fd);
TT_API void tt_tally_set(tt_tally *tally, uint64_t done, uint64_t total); /* NULL is fine */
TT_API void tt_tally_get(const tt_tally *tally, uint64_t *done, uint64_t *total);
TT_API void tt_tally_close(tt_tally *tally); /* NULL is fine */

#endif
