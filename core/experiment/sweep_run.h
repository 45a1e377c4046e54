/* Running and planning a sweep. The folder DIR of a sweep:
 *
 *     sweep.json     axes, cells and what became of them
 *     batches.json   batches that fit into a device's memory (fitting.h)
 *     store/         of all cells: a step that is equal in several of them is run once
 *     cells/NAME/    a run's folder for each cell, without a store: results.h5, run.json, artifacts.txt,
 * log/; and `done`, the key of what results.h5 was made from log/           messages of the workers that all
 * cells ask
 */
#ifndef TT_EXPERIMENT_SWEEP_RUN_H
#define TT_EXPERIMENT_SWEEP_RUN_H

#include "experiment/sweep_index.h"

typedef struct tt_sweep_job {
    const tt_sweep *sweep;
    tt_launch launch; /* log_dir and time limits are set by the run */
    tt_describer *describer;
    tt_plugin_source source;
    const char *dir;
} tt_sweep_job;

/* Checks all cells' specs, then runs those that are not done as they stand. A cell that fails does not stop
 * the others; *failures counts them, and TT_OK all the same. Mistakes of specs are noted in `problems`, and
 * nothing is run. TT_ERR_INTERRUPTED: the same call goes on from there. */
TT_API tt_status tt_sweep_run(tt_sweep_job *job, tt_problems *problems, size_t *failures, tt_error *err);

/* For people: a line for each cell, what of its steps is stored, shared with cells above or to do, then the
 * sums over steps that differ. Touches no model; makes manifests that are missing. *failures counts cells
 * that cannot be prepared, each of which says why. */
TT_API tt_status tt_sweep_plan(tt_sweep_job *job, tt_problems *problems, size_t *failures, tt_buf *out,
                               tt_error *err);

#endif
