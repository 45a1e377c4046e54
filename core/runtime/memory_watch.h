/* Keeps children within their memory: a thread looks at their resident memory ten times a second and kills
 * what is above its limit, before the kernel chooses a victim. Private to the room. */
#ifndef TT_RUNTIME_MEMORY_WATCH_H
#define TT_RUNTIME_MEMORY_WATCH_H

#include <stdint.h>
#include <sys/types.h>

/* limit_mib 0: not watched. The thread starts with the first child that is; without memory for it nothing is
 * watched. */
void tt_memory_watch_add(pid_t pid, uint64_t limit_mib);
/* Before the child is reaped, for its number may then belong to another. Gives the MiB for which it was
 * killed; 0: it was not. */
uint64_t tt_memory_watch_remove(pid_t pid);

#endif
