/* Where the time of a network goes: a backend's table with a clock around each operation. */
#ifndef TT_TESTS_OP_CLOCK_H
#define TT_TESTS_OP_CLOCK_H

#include "telltale/backend.h"

/* `inner`'s table, for tt_device_open; one at a time. What is queued is waited for, so that a network is
 * called once for each shape: the second call would be recorded. times > 1: where a queue's latency would
 * count, each operation runs once unclocked and then so often (results that are added to in place then
 * differ). */
const tt_backend *tt_op_clock_over(const tt_backend *inner, int times);

/* Forgets what was measured so far. */
void tt_op_clock_reset(void);

/* Prints the time of each kind of operation, and of the `most` shapes that took longest with their rates:
 * what they compute (products, convolutions, attention), and the bytes of their activations, read and written
 * once. */
void tt_op_clock_report(int most);

#endif
