/* One attempt at a run (run.h): spec to results.h5. The folder DIR of a run:
 *
 *     results.h5     what is a function of the spec (docs/results-format.md)
 *     run.json       what is not: seconds, executed counts, build
 *     sessions.jsonl one line for each start on this folder
 *     batches.json   batches that fit into a device's memory (fitting.h)
 *     store/         manifests and journals of measure steps, by content key
 *     log/           messages of hosts and workers
 */
#ifndef TT_EXPERIMENT_CONDUCTOR_H
#define TT_EXPERIMENT_CONDUCTOR_H

#include "base/string_map.h"
#include "experiment/prepare.h"
#include "experiment/results.h"
#include "experiment/spec.h"
#include "runtime/describe.h"

typedef struct tt_conductor tt_conductor;

/* `launch` and `describer` must outlive the run; launch->log_dir is set by the run. */
TT_API tt_status tt_conductor_create(const tt_spec *spec, const tt_launch *launch, tt_describer *describer,
                                     const char *dir, tt_conductor **c, tt_error *err);
/* One run of several that share a store and what preparing asks; both outlive it. `failed`: attempts at
 * measure steps that failed a moment ago (tt_measure_failure), which are not made again; NULL: none. */
TT_API tt_status tt_conductor_create_shared(const tt_spec *spec, const tt_launch *launch, const char *dir,
                                            const char *store, tt_prepare_cache *cache,
                                            const tt_string_map *failed, tt_conductor **c, tt_error *err);
TT_API void tt_conductor_destroy(tt_conductor *c); /* NULL is fine */

/* Plans, measures what is left, scores, evaluates, writes. TT_ERR_INTERRUPTED: what was measured is kept, and
 * the same call goes on from there. Steps that failed are in the results and counted in *failures; TT_OK all
 * the same. */
TT_API tt_status tt_conductor_run(tt_conductor *c, size_t *failures, tt_error *err);
/* Of a run that was executed; live as long as the run. */
TT_API const tt_prepared *tt_conductor_prepared(const tt_conductor *c);
TT_API const tt_results *tt_conductor_results(const tt_conductor *c);
TT_API const tt_run_info *tt_conductor_info(const tt_conductor *c);

#endif
