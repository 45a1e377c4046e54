/* Measuring: all steps on one model advance together, one batch of samples at a time, so that equal
 * evaluations asked by several attacks are computed once (DESIGN.md 2). */
#ifndef TT_EXPERIMENT_MEASURE_H
#define TT_EXPERIMENT_MEASURE_H

#include "base/log.h"
#include "experiment/services.h"
#include "experiment/step.h"

typedef struct tt_measure_run {
    const tt_spec *spec;
    const tt_launch *launch;
    tt_measure_step *steps;
    size_t n_steps;
    tt_progress *progress; /* counts attributed predictions (at least one a sample); may be NULL */
    uint64_t done;
    tt_services services; /* started when asked; tt_services_stop behind the last model */
} tt_measure_run;

/* What progress counts for one sample of this step. */
TT_API uint64_t tt_measure_weight(const tt_measure_step *step);

/* Measures what is left on spec->models[model]. A step that fails keeps its failure and the others go on; a
 * host that dies fails all steps that need it. The status is other than TT_OK only where going on makes no
 * sense: interrupted, or the journal cannot be written. */
TT_API tt_status tt_measure_model(tt_measure_run *run, size_t model, tt_error *err);

#endif
