/* The cells of a sweep summed up by what `replication:` repeats: attack seeds, splits and target trainings,
 * kept apart (tt_replication_of). */
#ifndef TT_EXPERIMENT_REPLICATION_H
#define TT_EXPERIMENT_REPLICATION_H

#include "experiment/sweep_index.h"

/* AUC, gain over blind, ASR, then TPRs: at FPR 10, 1 and 0.1 %, and those that the spec asks for */
enum { TT_REPLICATED_RATES = 3, TT_REPLICATED_METRICS_MAX = TT_REPLICATED_RATES + TT_EVALUATE_FPRS_MAX };

/* One attack on one model in one setting of the sweep. */
typedef struct tt_replicated {
    const char *setting; /* "alpha=0.1"; "" without `sweep:` */
    const char *role, *attack;
    size_t n;       /* replicates with scores */
    size_t missing; /* cells that failed or are not run yet */
    /* false: not resolvable in some replicate, or there is none; the rest alone would be another quantity */
    bool known[TT_REPLICATED_METRICS_MAX];
    tt_replication of[TT_REPLICATED_METRICS_MAX];
} tt_replicated;

typedef struct tt_replicated_list {
    tt_arena *arena;
    tt_replicated *rows;
    size_t n;
    double fprs[TT_EVALUATE_FPRS_MAX];
    size_t n_metrics;    /* in use: TT_REPLICATED_RATES, then one for each FPR */
    bool levels[4];      /* by tt_sweep_level: does the spec repeat it? */
    const char *warning; /* two trainings that are one; NULL: none */
} tt_replicated_list;

/* "TPR@1%FPR"; "tpr_at_fpr_0.01" as in CSV */
TT_API const char *tt_replicated_title(const tt_replicated_list *list, size_t metric, char text[40]);
TT_API const char *tt_replicated_name(const tt_replicated_list *list, size_t metric, char text[40]);
/* What a level's interval speaks of. */
TT_API const char *tt_replicated_claim(tt_sweep_level level);
TT_API tt_replication_level tt_replicated_level(const tt_replication *r, tt_sweep_level level);

/* Reads every cell's results. Without `replication:` n is 0. */
TT_API tt_status tt_replicated_read(const tt_sweep_index *index, tt_replicated_list *list, tt_error *err);
TT_API void tt_replicated_free(tt_replicated_list *list);
/* For people, below a sweep's table; nothing where n is 0. */
TT_API void tt_replicated_table(const tt_replicated_list *list, tt_buf *out);
/* A JSON list, with all digits. */
TT_API void tt_replicated_json(const tt_replicated_list *list, tt_buf *out);
/* Lines of a report's CSV: NAME_over_LEVEL, the mean with the t interval, NAME_over_LEVEL_paper with
 * 1.96·sd/√n, NAME_sd_over_LEVEL, NAME_n_over_LEVEL. */
TT_API void tt_replicated_csv(const tt_replicated_list *list, tt_buf *out);

#endif
