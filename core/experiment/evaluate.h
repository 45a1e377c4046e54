/* Scores from a file to a table: what `telltale evaluate` prints. */
#ifndef TT_EXPERIMENT_EVALUATE_H
#define TT_EXPERIMENT_EVALUATE_H

#include "base/mem.h"
#include "stats/stats.h"

#define TT_EVALUATE_FPRS     3 /* by default: 10, 1 and 0.1 % */
#define TT_EVALUATE_FPRS_MAX 8

typedef struct tt_evaluation {
    int64_t seed;
    size_t members, nonmembers;
    tt_auc auc;
    tt_tpr tpr[TT_EVALUATE_FPRS_MAX]; /* n_tprs of them; of a run's the first are always at 10, 1, 0.1 % */
    size_t n_tprs;
    tt_accuracy best;
    tt_set_level set; /* where tt_evaluate_options.sets asks for it */
} tt_evaluation;

typedef struct tt_evaluations {
    tt_evaluation *of_seed;
    size_t n, n_fprs;
    bool analytic, sets;
    tt_over_seeds auc, best, tpr[TT_EVALUATE_FPRS_MAX]; /* n = 0 for a TPR that some seed cannot resolve */
} tt_evaluations;

/* One set of scores. `bootstrap_seed` keys the bootstrap's draws. */
TT_API tt_status tt_evaluate(size_t n, const double *scores, const uint8_t *member, uint64_t bootstrap_seed,
                             tt_evaluation *out, tt_error *err);
/* The same with n_more FPRs, at most TT_EVALUATE_FPRS_MAX − TT_EVALUATE_FPRS, behind the default ones. */
TT_API tt_status tt_evaluate_more(size_t n, const double *scores, const uint8_t *member,
                                  uint64_t bootstrap_seed, const double *more_fprs, size_t n_more,
                                  tt_evaluation *out, tt_error *err);
/* A CSV with columns label (1 member, 0 not), score (higher = member) and, if it has several runs, seed. */
TT_API tt_status tt_evaluate_csv(const char *path, tt_evaluations *out, tt_error *err);

typedef struct tt_evaluate_options {
    double fprs[TT_EVALUATE_FPRS_MAX]; /* each in (0, 1) */
    size_t n_fprs;
    bool analytic; /* no bootstrap, so that a million scores take a second; the TPRs' intervals are then
                      Clopper-Pearson's alone */
    bool sets;     /* the members as a set against the non-members, and the power of smaller sets */
} tt_evaluate_options;
TT_API tt_evaluate_options tt_evaluate_defaults(void); /* what tt_evaluate_csv takes */
TT_API tt_status tt_evaluate_csv_with(const char *path, const tt_evaluate_options *options,
                                      tt_evaluations *out, tt_error *err);
TT_API void tt_evaluations_free(tt_evaluations *e);

/* Lines for people, each behind `indent`; nothing where there is no test. */
void tt_set_level_text(const tt_set_level *s, const char *indent, tt_buf *out);
/* ", "key": value" pairs of an object that is being written. */
void tt_set_level_json(const tt_set_level *s, tt_buf *out);

/* As a table for people, or as JSON. */
TT_API bool tt_evaluations_text(const tt_evaluations *e, tt_buf *out);
TT_API bool tt_evaluations_json(const tt_evaluations *e, tt_buf *out);

#endif
