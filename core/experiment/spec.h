/* An experiment's spec, parsed and checked whole before anything runs (DESIGN.md 8). Every error is
 * "FILE:LINE:COLUMN: …", names the key and says what to do; unknown keys name the nearest known one. */
#ifndef TT_EXPERIMENT_SPEC_H
#define TT_EXPERIMENT_SPEC_H

#include "base/problems.h"
#include "formats/yaml.h"
#include "plugin/registry.h"
#include "runtime/program.h"

/* Where descriptions of plugins come from: a worker process for the conductor, a registry in tests. What it
 * gives lives as long as the source. A plugin that is not there: TT_ERR_NOT_FOUND, with the nearest known
 * name. */
typedef struct tt_plugin_source {
    tt_status (*find)(void *user, tt_plugin_kind kind, const char *name, const tt_plugin_info **info,
                      tt_error *err);
    void *user;
    /* what a program says of itself; NULL: this source runs none */
    tt_status (*find_program)(void *user, const tt_program *program, const tt_plugin_info **info,
                              tt_error *err);
    /* what `device: auto` means; NULL: cpu */
    tt_status (*best_backend)(void *user, const char **name, tt_error *err);
} tt_plugin_source;

typedef struct tt_spec_plugin { /* a plugin with its parameters */
    const tt_plugin_info *info;
    tt_params *params;
    const tt_node *node;       /* where the spec says so, for messages */
    const tt_program *program; /* an attack's `exec`; NULL: a plugin */
} tt_spec_plugin;

typedef struct tt_spec_data {
    const char *name;
    tt_spec_plugin plugin;
    tt_spec_plugin *transforms; /* transforms: [{plugin: watermark, …}], in this order */
    size_t n_transforms;
    bool apply_orientation;   /* exif_orientation: true (default) | false */
    bool disjoint_identities; /* disjoint: pixels (default) | identity */
    bool allow_duplicates;    /* duplicates: refuse (default) | allow, equal pixels within one split */
} tt_spec_data;

typedef struct tt_spec_set {  /* "faces.seen" */
    const tt_spec_data *data; /* NULL: none */
    const char *split;
    const tt_node *node;
} tt_spec_set;

typedef struct tt_spec_price { /* of a model that is paid for */
    double image, prediction;
    const char *currency; /* NULL: it is free */
} tt_spec_price;

typedef struct tt_spec_model {
    const char *role; /* target, shadow, control, … */
    tt_spec_plugin plugin;
    /* What is known of it. target and control: the spec's own members and nonmembers (the same images for
     * both); a shadow brings its own, which calibration needs. */
    tt_spec_set members, nonmembers;
    tt_spec_price price;
} tt_spec_model;

typedef struct tt_spec_service { /* a model of the attacker's own that attacks ask by this name */
    const char *name;
    tt_spec_plugin plugin;
} tt_spec_service;

typedef enum tt_calibration {
    TT_CALIBRATION_NONE,   /* parameters fixed, no threshold fitted */
    TT_CALIBRATION_SPLIT,  /* on a part of the target's own data: a stronger attacker, labelled so */
    TT_CALIBRATION_SHADOW, /* the protocol */
    TT_CALIBRATION_CROSS   /* cross-validation on the target's own data: every sample is judged, by a fit that
                              did not see it; a stronger attacker, labelled so */
} tt_calibration;

/* An attack that the planner adds, to show what another one's success is worth (docs/controls.md). */
typedef enum tt_control {
    TT_CONTROL_NONE,         /* the spec's own */
    TT_CONTROL_BLIND,        /* the images alone */
    TT_CONTROL_CAPTIONS,     /* the captions alone */
    TT_CONTROL_PERMUTED,     /* another attack, fitted on permuted labels */
    TT_CONTROL_FIXED_CAPTION /* another attack, with one caption for every image */
} tt_control;

typedef struct tt_spec_attack {
    const char *name; /* the key; it is the plugin's name unless `plugin` says another */
    tt_spec_plugin plugin;
    tt_calibration calibration; /* default: shadow where the spec has a model `shadow`, else none */
    uint32_t calibration_folds; /* cross: default 5 */
    double calibration_part;    /* split: the part of each class that calibrates, in (0, 1), default 0.5 */
    tt_control control;
    const char *of;            /* of which attack it is a variant; NULL: of none */
    const char *fixed_caption; /* that every image gets; NULL: its own */
} tt_spec_attack;

/* budgets; 0: no limit */
typedef struct tt_budgets {
    int64_t queries_per_sample;  /* of one attack to a model that is judged */
    int64_t predictions, images; /* computed by the target, in the whole run */
    double money;                /* of all models with a price */
} tt_budgets;

enum { TT_REPORT_FPRS_MAX = 5 };
typedef struct tt_spec_report {      /* quantities that must be resolvable */
    double fprs[TT_REPORT_FPRS_MAX]; /* of TPRs */
    size_t n_fprs;
    bool asr;
    const tt_node *node; /* where they are asked for; NULL: none are */
} tt_spec_report;

typedef struct tt_spec_published {         /* a paper's table, shown beside the run's own numbers */
    const char *file;                      /* absolute, or relative to the working folder; NULL: none */
    const char *table, *dataset, *setting; /* dataset, setting: NULL: all */
} tt_spec_published;

typedef struct tt_spec {
    tt_arena *arena;
    const char *path;     /* of the file */
    const char *base_dir; /* what relative paths start from */
    uint64_t seed;        /* default 1 */
    tt_spec_data *data;
    size_t n_data;
    tt_spec_model *models;
    size_t n_models;
    tt_spec_service *services;
    size_t n_services;
    tt_spec_set members, nonmembers;
    uint32_t access;     /* TT_CAP_…: threat_model.access, a preset or a list of capabilities; required */
    bool captions_known; /* threat_model.captions: known (default) | unknown */
    tt_spec_set *auxiliary; /* threat_model.auxiliary: what the attacker has beside the candidates … */
    size_t n_auxiliary;
    bool auxiliary_all;      /* … or (default) all that the spec names */
    tt_spec_attack *attacks; /* the spec's, then controls */
    size_t n_attacks;
    uint32_t near_duplicates; /* bits of 256 within which images of two sets look alike; 0: not searched */
    bool controls_off;        /* asked for */
    tt_spec_plugin backend;   /* device.backend, default cpu */
    tt_device_options device; /* device.threads (0, the default: all processors), index, tf32 */
    uint32_t batch;           /* samples measured together and journalled as one record; default 16 */
    double time_limit_s;      /* for one answer of a plugin (limits.answer_s); 0 (default): none */
    int64_t memory_limit_mib; /* resident memory of each child (limits.memory_mib); 0 (default): none */
    double heartbeat_s;       /* limits.heartbeat_s: a silence that counts as hung; default 600; 0: none */
    double bad_samples;       /* limits.bad_samples: share that may be left out; default 0 */
    tt_budgets budgets;
    const char *currency; /* of all prices; NULL: nothing is paid for */
    tt_spec_report report;
    tt_spec_published published;
    const char *resolved; /* canonical JSON of the whole spec with overrides applied and every default filled
                             in; paths as written */
} tt_spec;

typedef struct tt_spec_request {
    const char *path;
    /* n texts "attacks.clid.alpha=0.5"; the value is YAML; missing maps on the way are made, but no data set,
     * model or attack by a misspelt name */
    const char *const *overrides;
    size_t n_overrides;
} tt_spec_request;

/* Files above 1 MiB are refused. Mistakes are noted in `problems`, all of them; err then has as many as fit,
 * and the code of the first. Free `problems` in any case. */
TT_API tt_status tt_spec_load_all(const tt_spec_request *request, const tt_plugin_source *source,
                                  tt_problems *problems, tt_spec **spec, tt_error *err);
/* The same with n more overrides, which come last. */
TT_API tt_status tt_spec_load_with(const tt_spec_request *request, const char *const *more, size_t n,
                                   const tt_plugin_source *source, tt_problems *problems, tt_spec **spec,
                                   tt_error *err);
/* The same for those who need no list. */
TT_API tt_status tt_spec_load(const char *path, const char *const *overrides, size_t n_overrides,
                              const tt_plugin_source *source, tt_spec **spec, tt_error *err);
TT_API void tt_spec_free(tt_spec *spec);                                                 /* NULL is fine */
TT_API const tt_spec_model *tt_spec_model_of(const tt_spec *spec, const char *role);     /* NULL: none */
TT_API const tt_spec_service *tt_spec_service_of(const tt_spec *spec, const char *name); /* NULL: none */
/* Has the attacker these data, which are no candidates? */
TT_API bool tt_spec_has_auxiliary(const tt_spec *spec, const tt_spec_set *set);
TT_API const char *tt_calibration_name(tt_calibration c);
TT_API const char *tt_control_name(tt_control control); /* "blind"; "" for none */
/* Plugins of a registry, which must outlive the source: for tests and in-process tools. */
TT_API tt_plugin_source tt_plugin_source_registry(tt_registry *registry);

#endif
