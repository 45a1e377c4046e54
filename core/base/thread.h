/* Processors, interruption and child processes' environment. */
#ifndef TT_BASE_THREAD_H
#define TT_BASE_THREAD_H

#include "telltale/status.h"

#include <stdbool.h>

/* Processors this process may run on (affinity and cgroup quota). */
TT_API int tt_processors(void);

/* Installs handlers for SIGINT and SIGTERM that only set a flag; a second SIGINT kills as usual. */
TT_API void tt_stop_install(void);
TT_API bool tt_stop_requested(void);
TT_API void tt_stop_request(void); /* sets the flag: tests, and a child told by its parent */

#endif
