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
} tt_recorder_counts;
tt_recorder_counts tt_test_recorder_counts(void);

/* Says of itself that bits depend on the batch. */
void tt_test_recorder_of_batch(bool yes);

/* The nth allocation from now on and all later ones fail (0: none). */
void tt_test_recorder_fail_allocation(int nth);

#endif
