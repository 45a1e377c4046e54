/* What a run knows before it measures: the plan, the models' digests, the samples, and the key of every step.
 * Shared by running, planning and explaining, so that they cannot disagree. */
#ifndef TT_EXPERIMENT_PREPARE_H
#define TT_EXPERIMENT_PREPARE_H

#include "experiment/plan.h"
#include "experiment/samples.h"
#include "experiment/score_stored.h"
#include "experiment/step.h"
#include "runtime/describe.h"

/* What preparing asks of workers, reads and hashes, kept so that many specs ask each question once. */
typedef struct tt_prepare_cache tt_prepare_cache;
/* `launch` and `describer` must outlive it. NULL: out of memory. */
TT_API tt_prepare_cache *tt_prepare_cache_create(const tt_launch *launch, tt_describer *describer);
/* No tt_prepared that was made with it may be left. NULL is fine. */
TT_API void tt_prepare_cache_destroy(tt_prepare_cache *c);
typedef struct tt_prepare_counts {
    size_t plan_workers, plans, digests, environments, samples; /* questions that were asked */
} tt_prepare_counts;
TT_API tt_prepare_counts tt_prepare_cache_counts(const tt_prepare_cache *c);
/* Ends processes that were asked and have nothing to do; the next question starts others. */
TT_API void tt_prepare_cache_rest(tt_prepare_cache *c);
/* For checks that need no more than the plans. */
TT_API tt_planner *tt_prepare_cache_planner(tt_prepare_cache *c);

typedef struct tt_prepared {
    const tt_spec *spec;
    tt_arena *arena;
    tt_plan plan;
    bool *used;                   /* [n_models]: has it a role in anything that is measured? */
    const char **model_digests;   /* [n_models]; NULL: not used */
    const char **service_digests; /* [n_services]; NULL: not asked */
    const char *environment;
    const char *store;
    tt_samples samples;     /* the cache's */
    tt_measure_step *steps; /* one for each of plan.measures; identified, not opened */
    size_t n_steps;
    tt_score_step *scores;       /* one for each of plan.scores */
    const char **data_artifacts; /* [n_data] the manifests' folders within the store; NULL: not used */
    tt_prepare_cache *cache, *own_cache;
    struct tt_cached_samples *held;
} tt_prepared;

/* Asks attacks for their plans and models for their digests, reads and hashes images that are not in the
 * store yet; touches no model otherwise. `store` exists. In any case tt_prepared_free follows. */
TT_API tt_status tt_prepare(const tt_spec *spec, const tt_launch *launch, tt_describer *describer,
                            const char *store, tt_prepared *p, tt_error *err);
/* The same with a cache of the caller's, which must outlive p. */
TT_API tt_status tt_prepare_with(const tt_spec *spec, tt_prepare_cache *cache, const char *store,
                                 tt_prepared *p, tt_error *err);
TT_API void tt_prepared_free(tt_prepared *p);

#endif
