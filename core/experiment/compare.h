/* Two runs against each other: which differences are significant. */
#ifndef TT_EXPERIMENT_COMPARE_H
#define TT_EXPERIMENT_COMPARE_H

#include "experiment/results.h"

typedef struct tt_compared {
    const char *role, *attack_a, *attack_b;
    size_t common, n_a, n_b; /* samples of both, of each */
    bool paired;             /* over the samples of both; false: they share none, and are independent */
    double auc_a, auc_b, difference, z, p, p_holm;
    tt_interval interval; /* of the difference, 95 % */
    tt_tpr_paired tpr;    /* at 1 % FPR; resolvable where paired and so many non-members are there */
    const char *failure;  /* why they cannot be compared; NULL: they can */
} tt_compared;

typedef struct tt_comparison {
    tt_arena *arena;
    tt_compared *pairs;
    size_t n;
} tt_comparison;

/* Attacks of equal names on equal roles; where the runs share no name, every attack of a with every one of b.
 * Samples are the same if their pixels are. Holm over all pairs of a role. */
TT_API tt_status tt_compare_runs(const tt_results *a, const tt_results *b, tt_comparison *out, tt_error *err);
TT_API void tt_comparison_free(tt_comparison *c);
TT_API bool tt_comparison_text(const tt_comparison *c, const char *name_a, const char *name_b, tt_buf *out);
TT_API bool tt_comparison_json(const tt_comparison *c, tt_buf *out);

#endif
