/* Cross-validated scores: areas within folds, averaged. */
#ifndef TT_STATS_CROSS_H
#define TT_STATS_CROSS_H

#include "stats/stats.h"

/* The mean over folds of the AUC within each, its variance and intervals as tt_auc_compute's. Error: a fold
 * with fewer than 2 of a class. */
TT_API tt_status tt_auc_folds(size_t n, const double *scores, const uint8_t *member, const uint32_t *fold,
                              tt_auc *out, tt_error *err);
/* AUC of `a`, pooled as usual, less the mean AUC within folds of `b`, paired over the same samples: the
 * variance is that of the difference of each sample's placements. */
TT_API tt_status tt_gain_over_folds(size_t n, const double *a, const double *b, const uint8_t *member,
                                    const uint32_t *fold, tt_delong_paired *out, tt_error *err);
/* Fills both intervals of an AUC whose area and variance are known. */
TT_API void tt_auc_intervals(size_t n, const uint8_t *member, tt_auc *auc);

#endif
