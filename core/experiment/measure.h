/* Measuring: all steps on one model and the same samples advance together, one batch of samples at a time, so
 * that equal evaluations asked by several attacks, of one spec or of a sweep's cells, are computed once
 * (DESIGN.md 2). */
#ifndef TT_EXPERIMENT_MEASURE_H
#define TT_EXPERIMENT_MEASURE_H

#include "base/log.h"
#include "base/string_map.h"
#include "experiment/step.h"
#include "runtime/spawn.h"

typedef struct tt_measure_run {
    const tt_launch *launch; /* `jobs` groups are measured at once; limits are those of the steps' specs */
    tt_measure_step **steps; /* no two with one key */
    size_t n_steps;
    const char *store;     /* where steps that are not open are opened; their rows are dropped behind them */
    tt_progress *progress; /* counts attributed predictions (at least one a sample); may be NULL */
    uint64_t done;
    uint64_t spent_predictions,
        spent_images;     /* that the target computed in steps which are not among these */
    uint64_t spent_money; /* by any model in these, as of tt_meter */
} tt_measure_run;

/* An amount of money as meters count it. */
TT_API uint64_t tt_measure_money(double amount);
/* What progress counts for one sample of this step. */
TT_API uint64_t tt_measure_weight(const tt_measure_step *step);

/* A text for what may let one attempt at a step fail and another one of the same key not: what only changes
 * speed or memory, and limits. false: out of memory. */
TT_API bool tt_measure_attempt(const tt_measure_step *step, tt_buf *text);
/* The message of a failed attempt among `failed`, a map from attempts to messages; NULL: there is none. */
TT_API const char *tt_measure_failure(const tt_string_map *failed, const tt_measure_step *step);

/* Is this step's model the target, whose budgets are counted? */
TT_API bool tt_measure_counts(const tt_measure_step *step);

/* Measures what is left. A step that fails keeps its failure and the others go on; a host that dies fails all
 * steps that need it. The status is other than TT_OK only where going on makes no sense: interrupted, or the
 * journal cannot be written. */
TT_API tt_status tt_measure_all(tt_measure_run *run, tt_error *err);

#endif
