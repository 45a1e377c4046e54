/* The results of a run: what results.h5 holds (docs/results-format.md), a function of the spec alone; and,
 * beside it in run.json, what is not: seconds, executed counts, build. */
#ifndef TT_EXPERIMENT_RESULTS_H
#define TT_EXPERIMENT_RESULTS_H

#include "base/hash.h"
#include "experiment/evaluate.h"
#include "runtime/modelhost.h"

typedef struct tt_result_sample {
    const char *data, *split, *id; /* "faces", "seen", the data set's own name of it */
    const char *caption;           /* NULL: none */
    tt_digest digest;
} tt_result_sample;

typedef struct tt_result_model {
    const char *role, *plugin, *digest; /* digest of weights and configs, hex */
    const char *environment;            /* backend, library versions, instruction set */
    uint32_t revision;
} tt_result_model;

/* One attack measured on one model: label-blind rows. */
typedef struct tt_result_features {
    const char *attack, *role;
    const char *key; /* of the measure step, hex */
    const char *const *columns;
    size_t n_columns, n;
    const uint32_t *sample; /* [n] index into samples */
    const double *values;   /* [n][n_columns] */
    tt_meter attributed;    /* of all n rows */
    size_t n_bad; /* rows with a feature that is not a finite number, which nothing was scored from */
} tt_result_features;

/* A threshold is fitted on at least so many of each class, and cross-validation has at least so many. */
enum { TT_CALIBRATION_LEAST = 4 };
enum { TT_PARTIAL_AUCS = 2, TT_PRECISIONS = 3, TT_VARIANTS_MAX = 16 };

/* What else scores tell (docs/statistics.md). */
typedef struct tt_inference {
    tt_interval auc_bootstrap;
    tt_partial_auc partial[TT_PARTIAL_AUCS]; /* up to FPR 10 and 1 % */
    tt_precision precision[TT_PRECISIONS];   /* 1, 10, 100 non-members to a member, at the fitted threshold;
                                                else   NaN */
    tt_set_level set;                        /* members, as a set, against the non-members */
    double variants[TT_VARIANTS_MAX];        /* in the order of tt_stat_variants */
    size_t n_variants;
} tt_inference;

/* One attack scored on one model. The first part is given; the second is filled by tt_result_evaluate. */
typedef struct tt_result_scores {
    const char *attack, *role;
    const char *plugin;
    uint32_t revision;
    const char *params;      /* canonical JSON, paths left out */
    const char *calibration; /* "shadow", "split", "none", "cross" */
    const uint32_t *fold;    /* [n] cross: which fold; NULL else. The AUC is then the mean over folds, and a
                                score is a rank within its fold */
    uint32_t n_folds;
    const char *fitted;  /* what fit chose, for people; "" */
    const char *failure; /* why there are no scores; NULL: there are */
    double predictions;  /* attributed queries a sample */
    size_t n;
    const uint32_t *sample; /* [n] */
    const uint8_t *member;  /* [n] */
    const double *scores;   /* [n] higher = member */
    /* scores of the calibration rows, from which the threshold is chosen; n_calibration 0: none */
    size_t n_calibration;
    const double *calibration_scores;
    const uint8_t *calibration_member;

    double fprs[TT_EVALUATE_FPRS_MAX - TT_EVALUATE_FPRS]; /* that the spec asks for beside the usual ones */
    size_t n_fprs;

    tt_evaluation evaluation; /* AUC, TPR at FPR 10, 1, 0.1 % and at fprs, best accuracy (optimistic) */
    tt_roc_point *roc;        /* tt_free */
    size_t n_roc;
    bool has_threshold;
    double threshold;       /* best accuracy on the calibration scores */
    tt_accuracy asr;        /* accuracy at that threshold */
    tt_interval asr_fitted; /* two-class bootstrap over calibration and evaluation, threshold refitted in
                               each draw; keyed, reproducible */
    double tpr_clid_compat; /* at 1 % FPR, as the CLiD scripts take it (labelled so) */
    const char *control; /* "blind", "permuted_labels", …: it is a control; NULL: an attack of the spec */
    const char *of;      /* a control: a variant of which attack; NULL: of none */
    bool has_gain;
    tt_delong_paired gain; /* over the blind classifier; auc_a, auc_b, difference, interval, p */
    bool has_inference;    /* false: a file of before 0.1.0's statistics */
    tt_inference inference;
} tt_result_scores;

/* A row of a paper's table (results/published): percent, NaN where it has none. */
typedef struct tt_published_row {
    const char *method, *attack; /* attack: "clid classifier=vec"; "": none of ours */
    const char *dataset, *setting;
    const char *tpr_as; /* a name of tt_stat_variants; "": as ours */
    double asr, auc, tpr;
} tt_published_row;
typedef struct tt_published {
    const char *title; /* "clid, table 2, COCO"; NULL: the spec names none */
    tt_published_row *rows;
    size_t n;
} tt_published;

/* Two attacks on the same samples of one model: paired DeLong. */
typedef struct tt_result_comparison {
    const char *attack_a, *attack_b, *role;
    tt_delong_paired delong;
    double p_holm; /* over all comparisons of this role */
} tt_result_comparison;

/* Two samples that look alike: indices into samples, and bits of 256 in which their looks differ. */
typedef struct tt_near_pair {
    uint32_t a, b, distance;
} tt_near_pair;
enum { TT_NEAR_PAIRS_MAX = 100 };
typedef struct tt_near_duplicates {
    uint32_t within;     /* bits; 0: not searched */
    uint64_t n;          /* pairs */
    tt_near_pair *pairs; /* the closest, in order */
    size_t n_listed;
} tt_near_duplicates;

/* Where in the image a service's model sees each word of the captions: of every sample that it was asked
 * about. */
typedef struct tt_result_heat_maps {
    const char *service, *plugin; /* "word_importance", as the spec calls it and as the plugin is called */
    uint32_t side;
    size_t n;
    const uint32_t *sample; /* [n] index into samples, rising */
    const uint32_t *first;  /* [n + 1] sample i has words first[i] to first[i + 1] - 1 */
    const char *const *word;
    const double *weight;
    const double *peak; /* the value that 255 stands for */
    const uint8_t *map; /* [first[n]][side][side], row by row from the top */
} tt_result_heat_maps;

typedef struct tt_results {
    const char *spec;    /* resolved, canonical JSON */
    const char *version; /* of telltale */
    uint64_t seed;
    tt_result_sample *samples;
    size_t n_samples;
    tt_result_model *models;
    size_t n_models;
    tt_result_features *features;
    size_t n_features;
    tt_result_scores *scores;
    size_t n_scores;
    tt_result_scores *controls; /* areas, and accuracies where there is a calibration; nothing else */
    size_t n_controls;
    bool controls_off; /* the spec asked for none */
    tt_result_comparison *comparisons;
    size_t n_comparisons;
    tt_published published;
    tt_near_duplicates near_duplicates;
    tt_result_heat_maps *heat_maps; /* one for each service that drew any */
    size_t n_heat_maps;
    tt_arena *arena; /* of results that were read; else NULL */
} tt_results;

/* Has it a calibration, of fewer than TT_CALIBRATION_LEAST of a class? Then no threshold is fitted. */
TT_API bool tt_result_too_few(const tt_result_scores *r);
/* The rest of the metrics, once threshold and ROC are there. */
TT_API tt_status tt_result_infer(tt_result_scores *r, uint64_t seed, tt_error *err);
/* Metrics of one attack on one model; `seed` keys the bootstraps. */
TT_API tt_status tt_result_evaluate(tt_result_scores *r, uint64_t seed, tt_error *err);
/* All pairs of attacks of one role that scored the same samples; *comparisons freed with tt_free. */
TT_API tt_status tt_results_compare(tt_results *r, tt_error *err);

/* Named check "direction": are the scores on the target, or on the calibration, significantly lower for
 * members (upper end of the AUC's interval below 0.5)? Then `text` says so. Scores are never turned round. */
TT_API bool tt_result_direction(const tt_result_scores *r, char text[400]);
/* Were samples left out, their features being no finite numbers? */
TT_API bool tt_result_bad_samples(const tt_result_features *f, char text[400]);

/* Writes `path` under a temporary name, syncs, renames. Same results, same bytes. */
TT_API tt_status tt_results_write(const tt_results *r, const char *path, tt_error *err);
TT_API tt_status tt_results_read(const char *path, tt_results *r, tt_error *err);
TT_API void tt_results_free(tt_results *r); /* results that were read */

/* ---- run.json ---- */

typedef struct tt_run_step {
    const char *attack, *role;
    tt_meter executed; /* computed after sharing */
    double seconds;
    uint64_t money_asked; /* what the attack asked for would have cost without sharing */
} tt_run_step;
typedef struct tt_run_peak { /* the most memory that a process held */
    const char *name;
    double mib, device_mib; /* of a device's own, where its backend counts; else 0 */
} tt_run_peak;
enum { TT_RUN_PEAKS_MAX = 64 };
enum { TT_CONFINED_UNKNOWN = -2, TT_CONFINED_IN_PROCESS = -1, TT_CONFINED_NOT = 0 };
typedef struct tt_run_info {
    const char *build, *host_name;
    int landlock; /* version (ABI) that confined the workers, the least of all starts; or TT_CONFINED_… */
    const char *currency; /* of money; NULL: nothing is paid for */
    double seconds;       /* of the whole run, over all resumptions */
    uint32_t resumed;     /* how often */
    tt_run_step *steps;
    size_t n_steps;
    tt_run_peak peaks[TT_RUN_PEAKS_MAX];
    size_t n_peaks;
    tt_arena *arena; /* of what was read */
} tt_run_info;
TT_API tt_status tt_run_info_write(const tt_run_info *info, const char *path, tt_error *err);
TT_API tt_status tt_run_info_read(const char *path, tt_run_info *info, tt_error *err);
TT_API void tt_run_info_free(tt_run_info *info);
/* "money: 1.20 USD (1.50 without sharing)"; NULL: nothing is paid for. */
TT_API const char *tt_run_money(const tt_run_info *info, char text[96]);
/* "workers confined by Landlock (ABI 7)", …; NULL: unknown, a file of before. `text` has room for it. */
TT_API const char *tt_run_confinement(const tt_run_info *info, char text[96]);

/* The step of run.json that measured this; NULL: it shares another's, or info is NULL. */
TT_API const tt_run_step *tt_run_step_of(const tt_run_info *info, const char *attack, const char *role);

/* ---- what was asked of models ---- */

/* The counts of a tt_meter in the order of its fields; those of services, the attacker's own models, last. */
enum { TT_COUNTS = 7, TT_COUNT_SERVICES = 5 };
TT_API extern const char *const tt_count_names[TT_COUNTS];
TT_API void tt_counts_of(const tt_meter *m, uint64_t counts[TT_COUNTS]);
/* Over all attacks on one model: attributed, and computed after sharing (zeros if info is NULL). */
TT_API void tt_results_counts(const tt_results *r, const tt_run_info *info, const char *role,
                              uint64_t asked[TT_COUNTS], uint64_t executed[TT_COUNTS]);
/* A line a model. */
TT_API void tt_results_counts_text(const tt_results *r, const tt_run_info *info, tt_buf *out);

/* ---- what exactly was examined ---- */

typedef struct tt_result_set {
    const char *data, *split;
    size_t n;         /* images */
    tt_digest digest; /* SHA-256 over the images' digests, in the order of /samples */
} tt_result_set;
/* The sets that the run took images from, in `arena`. */
TT_API tt_status tt_results_sets(const tt_results *r, tt_arena *arena, tt_result_set **sets, size_t *n,
                                 tt_error *err);
/* One line: version, seed, the models' digests. */
TT_API void tt_results_identity_text(const tt_results *r, tt_buf *out);

/* ---- the most and least member-like ---- */

enum { TT_EXTREMES = 6 }; /* of each, unless somebody says otherwise */
/* Of the attacked model, and scored. */
TT_API bool tt_result_has_extremes(const tt_result_scores *r);
/* Rows of r with the highest and the lowest scores, the most extreme first; equal scores by row. most, least:
 * room for `count`; *n: at most half of the rows. */
TT_API tt_status tt_result_extremes(const tt_result_scores *r, size_t count, uint32_t *most, uint32_t *least,
                                    size_t *n, tt_error *err);

/* ---- forms ---- */

/* The table that `telltale run` ends with and `telltale report DIR` prints: for each role a block with one
 * line an attack (AUC, ASR, TPR@1 %FPR, TPR@0.1 %FPR with intervals, queries a sample, seconds), then the
 * paired comparisons, what was asked of models, what failed. info may be NULL. */
TT_API bool tt_results_table(const tt_results *r, const tt_run_info *info, tt_buf *out);
/* For people who ask, `telltale report --details`: the rest of the statistics, and the `extremes` most and
 * least member-like samples of each attack. */
TT_API bool tt_results_details(const tt_results *r, size_t extremes, tt_buf *out);
/* All of it as JSON. name tells a run among several; NULL: it stands alone. */
TT_API bool tt_results_json(const tt_results *r, const char *name, const tt_run_info *info, size_t extremes,
                            tt_buf *out);
/* Its last part: counts, published numbers, models, images, machine, spec. */
bool tt_results_provenance_json(const tt_results *r, const tt_run_info *info, tt_buf *out);

#endif
