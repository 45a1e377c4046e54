/* Statistics of membership scores. Higher score = member, everywhere. No plugin brings its own. */
#ifndef TT_STATS_H
#define TT_STATS_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tt_interval {
    double low, high;
} tt_interval;

typedef struct tt_auc {
    double auc, variance;     /* Mann–Whitney with ties at 1/2; DeLong's variance */
    tt_interval logit, plain; /* 95 % on the logit scale, and the plain one */
    bool degenerate; /* AUC 0 or 1: intervals are one-sided rule-of-three bounds on the smaller class */
} tt_auc;

/* A point of the ROC: threshold "score ≥ threshold is member" */
typedef struct tt_roc_point {
    double threshold, fpr, tpr;
} tt_roc_point;

/* member[i] is 1 or 0. Errors: a class empty, a score not finite (names the index). */
TT_API tt_status tt_auc_compute(size_t n, const double *scores, const uint8_t *member, tt_auc *out,
                                tt_error *err);
/* Points from (0,0) to (1,1), one for each distinct score; *points freed with tt_free. */
TT_API tt_status tt_roc_compute(size_t n, const double *scores, const uint8_t *member, tt_roc_point **points,
                                size_t *n_points, tt_error *err);

typedef struct tt_tpr {
    double fpr_target, tpr, fpr, threshold;
    bool resolvable;      /* false: fewer than 1/fpr_target non-members; tpr is then NaN */
    tt_interval interval; /* Clopper–Pearson at this fixed threshold */
    tt_interval
        bootstrap; /* two-class bootstrap, the threshold chosen anew in each draw (keyed, reproducible) */
} tt_tpr;
/* Largest TPR whose FPR does not exceed the target; never interpolated. */
TT_API tt_status tt_tpr_at_fpr(size_t n, const double *scores, const uint8_t *member, double fpr_target,
                               uint64_t seed, tt_tpr *out, tt_error *err);
/* The same for several targets: one ordering, one set of bootstrap draws. out: [n_targets] */
TT_API tt_status tt_tprs_at_fprs(size_t n, const double *scores, const uint8_t *member,
                                 const double *fpr_targets, size_t n_targets, uint64_t seed, tt_tpr *out,
                                 tt_error *err);
/* clid_compat of grey-box 4.3: classes swapped, first point with FPR ≥ target. */
TT_API double tt_tpr_clid_compat(size_t n, const double *scores, const uint8_t *member, double fpr_target);

typedef struct tt_accuracy {
    double accuracy, balanced, threshold;
    tt_interval interval; /* Clopper–Pearson on accuracy */
} tt_accuracy;
/* Best accuracy over all thresholds on these very data (optimistic; labelled so). */
TT_API tt_status tt_best_accuracy(size_t n, const double *scores, const uint8_t *member, tt_accuracy *out,
                                  tt_error *err);
/* Accuracy of "score ≥ threshold" */
TT_API tt_status tt_accuracy_at(size_t n, const double *scores, const uint8_t *member, double threshold,
                                tt_accuracy *out, tt_error *err);

/* 95 % two-class bootstrap (1,000 keyed draws of each set) of the accuracy on one set at the threshold that
 * is best on another, the threshold chosen anew in each draw. */
TT_API tt_status tt_accuracy_refitted(size_t n_fit, const double *fit_scores, const uint8_t *fit_member,
                                      size_t n, const double *scores, const uint8_t *member, uint64_t seed,
                                      tt_interval *out, tt_error *err);

typedef struct tt_delong_paired {
    double auc_a, auc_b, difference, z, p; /* two-sided p */
    tt_interval interval;
} tt_delong_paired;
TT_API tt_status tt_delong_compare(size_t n, const double *a, const double *b, const uint8_t *member,
                                   tt_delong_paired *out, tt_error *err);

/* The CLiD scripts' grid of 2,000 thresholds (grey-box 2.6.3, 4.1): AUC and first best threshold. */
TT_API double tt_grid_auc(size_t n, const double *scores, const uint8_t *member, bool low_is_member);
TT_API double tt_grid_best_accuracy(size_t n, const double *scores, const uint8_t *member, bool low_is_member,
                                    double *threshold);

/* mean, and 95 % half-widths over seeds: Student t, and the papers' 1.96·sd/√n (population sd) */
typedef struct tt_over_seeds {
    size_t n;
    double mean, sd, half_width_t, half_width_paper;
} tt_over_seeds;
TT_API void tt_over_seeds_of(const double *values, size_t n, tt_over_seeds *out);

/* Special functions, to about 1e-12; beta and Student to 1e-10 where a + b is near 10⁷ */
TT_API double tt_normal_cdf(double z);
TT_API double tt_normal_quantile(double p);
TT_API double tt_student_quantile(double p, double df);
TT_API double tt_beta_cdf(double x, double a, double b);
TT_API double tt_beta_quantile(double p, double a, double b);
TT_API tt_interval tt_clopper_pearson(uint64_t k, uint64_t n, double confidence);

#endif
