/* Shared by sweep*.c only. */
#ifndef TT_EXPERIMENT_SWEEP_INTERNAL_H
#define TT_EXPERIMENT_SWEEP_INTERNAL_H

#include "base/string_map.h"
#include "experiment/fitting.h"
#include "experiment/prepare.h"
#include "experiment/spec_internal.h"
#include "experiment/sweep.h"
#include "experiment/sweep_run.h"

tt_status tt_sweep_no_memory(tt_error *err);
/* Where a key stands, for messages. */
tt_node tt_sweep_place(const tt_node *child);
/* May it stand in the name of a cell? */
bool tt_sweep_label_char(char c);

/* sweep_axes.c: the axes below `sweep:` and `replication:`, of which one may be NULL; mistakes are noted */
tt_status tt_sweep_read_axes(const tt_spec_reader *r, const tt_node *node, const tt_node *replication,
                             const tt_spec_request *request, tt_sweep *sweep);
tt_status tt_sweep_read_axis(const tt_spec_reader *r, const tt_node *node, tt_sweep_level level,
                             tt_sweep_axis *axis);
/* sweep_levels.c: the axes of `replication:`, behind those that are there */
tt_status tt_sweep_read_levels(const tt_spec_reader *r, const tt_node *replication, tt_sweep *sweep);

/* A cell as it is run: with batches that are known to fit (fitting.h); *fitted says which. */
tt_status tt_sweep_load(const tt_sweep_job *job, const tt_fitting *fitting, tt_prepare_cache *cache,
                        size_t cell, tt_fitted *fitted, tt_spec **spec, tt_error *err);

/* What measuring knows from one set of cells to the next. */
typedef struct tt_sweep_measured {
    tt_string_map failed;                     /* tt_measure_failure */
    tt_string_map counted;                    /* steps by key whose cost is in: */
    uint64_t spent_predictions, spent_images; /* by the target, budgets */
    uint64_t spent_money;                     /* by all models */
} tt_sweep_measured;

/* Counts what this cell's stored steps have cost the target. */
tt_status tt_sweep_count(const char *store, const tt_prepared *cell, tt_sweep_measured *known, tt_error *err);
/* sweep_measure.c: measures what these cells lack, steps of several together; those that fail go into
 * known->failed, messages in `arena`. Fails only where nothing can go on. */
tt_status tt_sweep_measure(const tt_launch *launch, const char *store, tt_prepared *cells, size_t n,
                           tt_arena *arena, tt_sweep_measured *known, tt_error *err);

#endif
