/* Processors, interruption and child processes' environment. */
#ifndef TT_BASE_THREAD_H
#define TT_BASE_THREAD_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Processors this process may run on (affinity and cgroup quota). */
TT_API int tt_processors(void);

/* body(user, i) for each i of [0, n), on up to `threads` threads at once (0: all processors), this one among
 * them; which thread runs which i is open. Where no thread is to be had, this one does the rest. For work of
 * milliseconds and more: threads are started for the call. */
TT_API void tt_parallel_for(size_t n, int threads, void (*body)(void *user, size_t i), void *user);

/* Installs handlers for SIGINT and SIGTERM that only set a flag; a second SIGINT kills as usual. */
TT_API void tt_stop_install(void);
TT_API bool tt_stop_requested(void);
TT_API void tt_stop_request(void); /* sets the flag: tests, and a child told by its parent */

#endif
