/* The reference backend with copies and recordings, so that what uses them is tested without a GPU. It holds
 * its users to the interface: while recording only `run` and `copy` are allowed, and a replay fails the test
 * when it touches memory that is no longer allocated. */
#ifndef TT_TESTS_RECORDER_H
#define TT_TESTS_RECORDER_H

#include "telltale/backend.h"

const tt_backend *tt_test_recorder(void);

/* Of all its devices, since the start of the process. */
typedef struct tt_recorder_counts {
    int recordings, replays; /* made, run */
    int freed;               /* recordings */
    int ran;                 /* operations run apart from replays */
    int64_t fewest, most;    /* rows: the first dimension of their inputs of three and more */
    size_t held;             /* bytes of memory, now */
} tt_recorder_counts;
tt_recorder_counts tt_test_recorder_counts(void);

/* Says of itself that bits depend on the batch. */
void tt_test_recorder_of_batch(bool yes);

/* The nth allocation from now on and all later ones fail (0: none). */
void tt_test_recorder_fail_allocation(int nth);

/* All devices together have so many bytes; 0: without end. */
void tt_test_recorder_memory(size_t bytes);

/* The next call of this kind fails with this status, once; TT_OK: none does. */
typedef enum tt_recorder_call {
    TT_RECORDER_BEGIN,
    TT_RECORDER_NOTE, /* an operation while recording */
    TT_RECORDER_END,
    TT_RECORDER_REPLAY,
    TT_RECORDER_RUN, /* an operation that is run at once */
    TT_RECORDER_PACK,
    TT_RECORDER_CALLS
} tt_recorder_call;
void tt_test_recorder_refuse(tt_recorder_call call, tt_status status);

#endif
