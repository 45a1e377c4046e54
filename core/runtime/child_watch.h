/* Keeps children within their limits: a thread looks ten times a second at their resident memory, and at the
 * processor time that they use, notes the most, and kills what holds too much or has hung. Private to the
 * room.
 */
#ifndef TT_RUNTIME_CHILD_WATCH_H
#define TT_RUNTIME_CHILD_WATCH_H

#include "runtime/spawn.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct tt_child_limits {
    uint64_t memory_mib; /* 0: none */
    /* The heartbeat of a child is that it uses the processor, or that another child does, for which it may
     * wait. Without one for so long while it owes an answer it has hung. 0: may be silent for ever. */
    double heartbeat_s;
} tt_child_limits;

/* The thread starts with the first child; without memory for it nothing is watched. `name`: of the peak that
 * its memory counts to. */
void tt_child_watch_add(pid_t pid, const char *name, tt_child_limits limits);
/* An answer is awaited from it from now on, or has come. */
void tt_child_watch_await(pid_t pid, bool awaited);

typedef struct tt_child_killed {
    uint64_t memory_mib; /* for which it was killed; 0: not for that */
    bool silent;         /* it had hung */
} tt_child_killed;
/* Before the child is reaped, for its number may then belong to another. Why it was killed, if it was. */
tt_child_killed tt_child_watch_remove(pid_t pid);

#endif
