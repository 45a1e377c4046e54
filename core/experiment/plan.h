/* What a spec comes to: which attack is measured on which model, what calibrates it, what is scored. Made
 * before any work; every mismatch between what attacks need and what the spec grants is refused here. */
#ifndef TT_EXPERIMENT_PLAN_H
#define TT_EXPERIMENT_PLAN_H

#include "experiment/planner.h"
#include "experiment/spec.h"
#include "runtime/describe.h"

/* An attack measured on one model: the model takes the role `target` of the attack's plan. */
typedef struct tt_plan_measure {
    size_t attack; /* index into spec->attacks */
    size_t model;  /* index into spec->models */
} tt_plan_measure;

/* An attack scored on one model that is being judged (target, control). */
typedef struct tt_plan_score {
    size_t attack, model;
    size_t measure;     /* its rows: index into measures */
    size_t calibration; /* rows that calibrate: index into measures; the same as `measure` for split; unused
                           for none */
} tt_plan_score;

typedef struct tt_plan {
    tt_arena *arena;
    tt_attack_plan *attacks; /* what each of spec->attacks declares */
    tt_plan_measure *measures;
    size_t n_measures;
    tt_plan_score *scores;
    size_t n_scores;
    tt_planner *own_planner; /* of tt_plan_make */
} tt_plan;

/* Asks a worker for each attack's plan. TT_ERR_REFUSED: an attack needs access that threat_model does not
 * grant, captions that it withholds, or data that it does not name. */
TT_API tt_status tt_plan_make(const tt_spec *spec, const tt_launch *launch, tt_plan *plan, tt_error *err);
/* The same with a planner of the caller's, which must outlive the plan: for many plans. */
TT_API tt_status tt_plan_make_with(const tt_spec *spec, tt_planner *planner, tt_plan *plan, tt_error *err);
TT_API void tt_plan_free(tt_plan *plan);

/* Does it ask anything of a model? Attacks on images or captions alone say the same of every model that is
 * judged: they are judged once, beside the target. */
TT_API bool tt_plan_uses_model(const tt_attack_plan *plan);
/* The model that takes `role` when attack a is measured on models[m]; NULL: the spec has none, or the role is
 * TT_ROLE_IMAGES, which needs none. */
TT_API const tt_spec_model *tt_plan_role(const tt_spec *spec, size_t m, const char *role);
/* What a query of this attack costs at most on the model that it is measured on; 0: it is free. */
TT_API double tt_plan_query_price(const tt_attack_plan *plan, const tt_spec_model *model);
/* Is this a model that is judged (its members and nonmembers are the spec's own)? */
TT_API bool tt_plan_judged(const tt_spec_model *model);
/* For people: what will run, with queries a sample. */
TT_API bool tt_plan_text(const tt_spec *spec, const tt_plan *plan, tt_buf *out);
/* "predict, encode" */
TT_API void tt_capabilities_text(uint32_t capabilities, char *out, size_t size);

/* What the worker of an attack may see: files that its parameters name, and nothing of data sets, models and
 * services; in `arena` and the spec. */
TT_API tt_status tt_plan_confinement(const tt_spec *spec, size_t attack, tt_arena *arena,
                                     tt_confine_need *need, tt_error *err);
/* A worker with one of the spec's attacks open, confined so. */
TT_API tt_status tt_plan_open_attack(const tt_spec *spec, const tt_launch *launch, size_t attack,
                                     const char *use, tt_child *worker, tt_error *err);
/* The same in a worker that has no model and is kept: what was open in it is closed. The worker is the
 * caller's to stop, also after a failure. */
TT_API tt_status tt_plan_reopen_attack(const tt_spec *spec, size_t attack, const char *use, tt_child *worker,
                                       tt_error *err);

#endif
