/* Scores are artifacts too: STORE/score-KEY/journal begins with the step's description (canonical JSON, the
 * text that KEY is the hash of) and holds one record, the worker's answers. */
#ifndef TT_EXPERIMENT_SCORE_STORED_H
#define TT_EXPERIMENT_SCORE_STORED_H

#include "experiment/score.h"

typedef struct tt_score_step {
    char *description;           /* tt_free */
    char name[TT_STEP_NAME_MAX]; /* "score-KEY", its folder within the store */
} tt_score_step;

/* A function of the attack and all its parameters, of the rows (identified, not necessarily measured), of the
 * labels that fit may see, and of the environment. calibration NULL: none. Free description in any case. */
TT_API tt_status tt_score_identify(const tt_step_context *c, size_t attack, const tt_attack_plan *declared,
                                   const tt_measure_step *rows, const tt_measure_step *calibration,
                                   tt_score_step *step, tt_error *err);
/* tt_score_attack, or what the store has of it. */
TT_API tt_status tt_score_stored(const tt_step_context *c, tt_workers *workers, size_t attack,
                                 const tt_attack_plan *declared, const tt_measure_step *rows,
                                 const tt_measure_step *calibration, tt_arena *arena, tt_result_scores *r,
                                 tt_error *err);

#endif
