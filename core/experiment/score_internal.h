/* Shared by score*.c only. */
#ifndef TT_EXPERIMENT_SCORE_INTERNAL_H
#define TT_EXPERIMENT_SCORE_INTERNAL_H

#include "experiment/score.h"

/* Rows chosen from a step, with their labels. */
typedef struct tt_selection {
    size_t n, n_columns;
    double *values;
    uint8_t *member;
    uint32_t *sample;
} tt_selection;

typedef struct tt_fitted {
    bool has_state;
    const uint8_t *state;
    size_t size;
    const char *text;
} tt_fitted;

/* What is judged and what calibrates (nothing: n 0). */
tt_status tt_selection_both(const tt_spec *spec, size_t attack, const tt_measure_step *rows,
                            const tt_measure_step *calibration, tt_arena *arena, tt_selection *judged,
                            tt_selection *calibrating, tt_error *err);
tt_status tt_selection_fit(tt_child *worker, const tt_selection *rows, tt_arena *arena, tt_fitted *out,
                           tt_error *err);
/* scores [rows->n] in `arena` */
tt_status tt_selection_score(tt_child *worker, const tt_selection *rows, const tt_fitted *f, tt_arena *arena,
                             const double **scores, tt_error *err);

/* score_apart.c: named check "calibration": no image may be judged and calibrate on models of the same
 * weights. TT_ERR_REFUSED names it. */
tt_status tt_score_check_apart(const tt_step_context *c, size_t attack, const tt_measure_step *rows,
                               const tt_measure_step *calibration, tt_arena *arena, tt_error *err);

/* score_cross.c */
/* fold [universe->n] in 0..*n_folds − 1, keyed by the samples' ids, the classes spread evenly; pictures of
 * one person (identity) stay together, for one of them would tell of the others. *n_folds: as asked, but at
 * most half the smaller class. */
tt_status tt_folds_assign(const tt_universe *u, uint32_t asked, uint32_t *fold, uint32_t *n_folds,
                          tt_error *err);
/* Each fold is scored by what was fitted on the others. A score becomes its rank within its fold, (rank −
 * ½)/n with ties at their middle, since scores of different fits have no common scale. */
tt_status tt_score_cross(tt_child *worker, const tt_selection *rows, const uint32_t *fold, uint32_t n_folds,
                         tt_arena *arena, const double **scores, const char **fitted, tt_error *err);

#endif
