/* Fitting and scoring: workers that see rows, and labels of a calibration source alone, and no model. */
#ifndef TT_EXPERIMENT_SCORE_H
#define TT_EXPERIMENT_SCORE_H

#include "experiment/results.h"
#include "experiment/step.h"
#include "experiment/workers.h"

/* One attack on one judged model. `attack` indexes the spec and `declared` is its plan; `rows` and
 * `calibration` are complete steps (calibration NULL: none; equal to rows: split), which may have been
 * measured for another attack of equal measurements. Fills sample, member, scores, the calibration's scores
 * and `fitted` of *r, all in `arena`.
 */
TT_API tt_status tt_score_attack(const tt_spec *spec, tt_workers *workers, size_t attack,
                                 const tt_attack_plan *declared, const tt_measure_step *rows,
                                 const tt_measure_step *calibration, tt_arena *arena, tt_result_scores *r,
                                 tt_error *err);

/* How many of a class of this size calibrate, with calibration: split. */
TT_API size_t tt_calibration_share(double share, size_t in_class);
/* Only the first part: sample, member and their numbers, of what is judged and of what calibrates. */
TT_API tt_status tt_score_select(const tt_spec *spec, size_t attack, const tt_measure_step *rows,
                                 const tt_measure_step *calibration, tt_arena *arena, tt_result_scores *r,
                                 tt_error *err);

#endif
