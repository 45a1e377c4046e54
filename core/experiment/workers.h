/* Workers that see no model, kept warm: one for each attack plugin or program, in which one attack after
 * another is opened to plan, fit and score. Measuring has workers of its own. */
#ifndef TT_EXPERIMENT_WORKERS_H
#define TT_EXPERIMENT_WORKERS_H

#include "experiment/spec.h"
#include "runtime/spawn.h"

typedef struct tt_workers tt_workers;

/* `launch` must outlive it. NULL: out of memory. */
TT_API tt_workers *tt_workers_create(const tt_launch *launch);
TT_API void tt_workers_destroy(tt_workers *w); /* NULL is fine */
/* Stops all that run; the next question starts one again. */
TT_API void tt_workers_rest(tt_workers *w);
/* The worker with this attack open, and nothing else. It is the pool's, and good until the next call. `use`
 * stands in its name: "planning", "scoring". */
TT_API tt_status tt_workers_open(tt_workers *w, const tt_spec *spec, size_t attack, const char *use,
                                 tt_child **worker, tt_error *err);
/* Stops one that failed: the next question gets a fresh one. */
TT_API void tt_workers_drop(tt_workers *w, tt_child *worker);
/* How many were started. */
TT_API size_t tt_workers_started(const tt_workers *w);
/* Which code answers for an attack: a plugin's name, or a program's file and content. */
TT_API bool tt_workers_put_code(const tt_spec_attack *a, tt_buf *out);

#endif
