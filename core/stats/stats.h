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
/* Has a class of this size room for one above the threshold? */
TT_API bool tt_tpr_resolvable(size_t nonmembers, double fpr_target);
/* Largest TPR whose FPR does not exceed the target; never interpolated. */
TT_API tt_status tt_tpr_at_fpr(size_t n, const double *scores, const uint8_t *member, double fpr_target,
                               uint64_t seed, tt_tpr *out, tt_error *err);
/* The same for several targets: one ordering, one set of bootstrap draws. out: [n_targets] */
TT_API tt_status tt_tprs_at_fprs(size_t n, const double *scores, const uint8_t *member,
                                 const double *fpr_targets, size_t n_targets, uint64_t seed, tt_tpr *out,
                                 tt_error *err);
/* Without the bootstrap (its interval is NaN): for very many scores. */
TT_API tt_status tt_tprs_at_fprs_analytic(size_t n, const double *scores, const uint8_t *member,
                                          const double *fpr_targets, size_t n_targets, tt_tpr *out,
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

typedef struct tt_tpr_paired {
    double fpr_target, tpr_a, tpr_b, difference;
    bool resolvable; /* false: fewer than 1/fpr_target non-members; the rest is then NaN */
    tt_interval
        interval; /* 95 %, both scores drawn together, both thresholds chosen anew (1,000 keyed draws) */
} tt_tpr_paired;
/* Of two scores of the same samples. */
TT_API tt_status tt_tpr_compare(size_t n, const double *a, const double *b, const uint8_t *member,
                                double fpr_target, uint64_t seed, tt_tpr_paired *out, tt_error *err);

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

/* ---- resampling ---- */

/* 95 % percentile interval of the AUC over 1,000 keyed draws with replacement from each class: beside
 * DeLong's, for small or heavily tied classes. */
TT_API tt_status tt_auc_bootstrap(size_t n, const double *scores, const uint8_t *member, uint64_t seed,
                                  tt_interval *out, tt_error *err);

typedef struct tt_partial_auc {
    double fpr_max;
    bool resolvable;      /* false: fewer than 1/fpr_max non-members; the rest is then NaN */
    double area;          /* under the ROC (joined by straight lines) from FPR 0 to fpr_max */
    double standardised;  /* McClish 1989: ½(1 + (area − f²/2)/(f − f²/2)); 0.5 is chance, 1 perfect */
    tt_interval interval; /* of the standardised one, 95 %, two-class bootstrap (1,000 keyed draws) */
} tt_partial_auc;
TT_API tt_status tt_partial_auc_compute(size_t n, const double *scores, const uint8_t *member, double fpr_max,
                                        uint64_t seed, tt_partial_auc *out, tt_error *err);

/* ---- several comparisons, several runs ---- */

/* Holm's step-down adjustment, in place of the p-values' own order: adjusted[i] ≥ p[i], at most 1; NaN stays
 * NaN and counts for nothing. adjusted may be p. */
TT_API void tt_holm(size_t n, const double *p, double *adjusted);

/* One value with what it is a repetition of: which training of the target, which split, which seed of the
 * attack. */
typedef struct tt_replicate {
    uint32_t training, split, attack;
    double value;
} tt_replicate;
typedef struct tt_replication_level {
    size_t n, groups; /* units of this level, and how many groups of the level above they lie in */
    double sd;        /* pooled within groups; NaN: no group has two */
    /* 95 % of the mean, were this level all that varies: Student's t with n − groups degrees times the sd
     * times √Σw², w the weights of the units in the mean (1/√n where all groups are equally large); and the
     * papers' 1.96·sd/√n with the population sd */
    double half_width_t, half_width_paper;
} tt_replication_level;
/* The levels are kept apart: the attack's seeds within a split, means of splits within a training, means of
 * trainings. A claim about other trainings needs the last one. */
typedef struct tt_replication {
    double mean; /* over trainings of means over splits of means over seeds */
    tt_replication_level attacks, splits, trainings;
} tt_replication;
/* values in any order; error: none, or one that is not finite */
TT_API tt_status tt_replication_of(size_t n, const tt_replicate *values, tt_replication *out, tt_error *err);

/* ---- what a positive answer is worth ---- */

/* Precision of "score ≥ threshold" where one of `odds` + 1 candidates is a member (odds 1: half of them):
 * TPR/(TPR + odds·FPR). The interval joins 97.5 % Clopper–Pearson bounds of both rates, so it covers at least
 * 95 %, also where no false positive was seen. */
typedef struct tt_precision {
    double odds, precision; /* NaN: nothing is above the threshold */
    tt_interval interval;
} tt_precision;
TT_API tt_status tt_precision_at(size_t n, const double *scores, const uint8_t *member, double threshold,
                                 double odds, tt_precision *out, tt_error *err);

/* ---- was this set used? ---- */

/* One-sided: are the scores of a set higher than those of images that are known to be non-members? */
typedef struct tt_set_test {
    double welch_t, welch_df, welch_p;                     /* NaN: neither group varies */
    double mann_whitney_u, mann_whitney_z, mann_whitney_p; /* normal, corrected for ties and continuity */
} tt_set_test;
/* Error: a group of fewer than 2, a score that is not finite. */
TT_API tt_status tt_set_test_compute(size_t n, const double *set, size_t n_reference, const double *reference,
                                     tt_set_test *out, tt_error *err);

typedef struct tt_set_power {
    size_t size; /* of the set, and of the reference */
    double welch,
        mann_whitney; /* share of 1,000 keyed draws (without replacement) of members found at level alpha */
    double false_welch, false_mann_whitney; /* the same of sets of non-members: should be near alpha; NaN:
                                               fewer than 2·size non-members */
} tt_set_power;
/* For each of `sizes`; NaN where a class has fewer. */
TT_API tt_status tt_set_power_compute(size_t n, const double *scores, const uint8_t *member,
                                      const size_t *sizes, size_t n_sizes, double alpha, uint64_t seed,
                                      tt_set_power *out, tt_error *err);

enum { TT_SET_SIZES = 6 }; /* 5, 10, 20, 50, 100, 200 */

/* The members as a set against the non-members, and the power of smaller sets at the 5 % level. */
typedef struct tt_set_level {
    bool has_test;    /* false: a class has fewer than 2 */
    tt_set_test test; /* undefined without has_test */
    tt_set_power power[TT_SET_SIZES];
} tt_set_level;
TT_API tt_status tt_set_level_compute(size_t n, const double *scores, const uint8_t *member, uint64_t seed,
                                      tt_set_level *out, tt_error *err);

/* ---- the papers' own definitions ---- */

/* Beside ours, labelled; never in place of ours. */
typedef struct tt_stat_variant {
    const char *name, *label, *formula, *source;
} tt_stat_variant;
TT_API size_t tt_stat_variants(const tt_stat_variant **variants); /* how many */
/* values: [tt_stat_variants()] */
TT_API tt_status tt_stat_variants_compute(size_t n, const double *scores, const uint8_t *member,
                                          double *values, tt_error *err);

/* Special functions, to about 1e-12; beta and Student to 1e-10 where a + b is near 10⁷ */
TT_API double tt_normal_cdf(double z);
TT_API double tt_normal_quantile(double p);
TT_API double tt_student_quantile(double p, double df);
TT_API double tt_student_upper(double t, double df); /* P(T > t) */
TT_API double tt_beta_cdf(double x, double a, double b);
TT_API double tt_beta_quantile(double p, double a, double b);
TT_API tt_interval tt_clopper_pearson(uint64_t k, uint64_t n, double confidence);

#endif
