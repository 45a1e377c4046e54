/* What a run knows before it measures: the plan, the models' digests, the samples, and the key of every step.
 * Shared by running, planning and explaining, so that they cannot disagree. */
#ifndef TT_EXPERIMENT_PREPARE_H
#define TT_EXPERIMENT_PREPARE_H

#include "experiment/plan.h"
#include "experiment/samples.h"
#include "experiment/score_stored.h"
#include "experiment/step.h"
#include "runtime/describe.h"

typedef struct tt_prepared {
    const tt_spec *spec;
    tt_arena *arena;
    tt_plan plan;
    bool *used;                 /* [n_models]: has it a role in anything that is measured? */
    const char **model_digests; /* [n_models]; NULL: not used */
    const char *environment;
    const char *store;
    tt_samples samples;
    tt_measure_step *steps; /* one for each of plan.measures; identified, not opened */
    size_t n_steps;
    tt_score_step *scores;       /* one for each of plan.scores */
    const char **data_artifacts; /* [n_data] the manifests' folders within the store; NULL: not used */
} tt_prepared;

/* Asks attacks for their plans and models for their digests, reads and hashes images that are not in the
 * store yet; touches no model otherwise. `store` exists. In any case tt_prepared_free follows. */
TT_API tt_status tt_prepare(const tt_spec *spec, const tt_launch *launch, tt_describer *describer,
                            const char *store, tt_prepared *p, tt_error *err);
TT_API void tt_prepared_free(tt_prepared *p);

#endif
