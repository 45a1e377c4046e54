/* What of a plan the store holds, what is left, why, and what that costs: for `telltale plan` and `explain`.
 */
#ifndef TT_EXPERIMENT_SURVEY_H
#define TT_EXPERIMENT_SURVEY_H

#include "experiment/prepare.h"

typedef enum tt_stored { TT_STORED_NONE, TT_STORED_PART, TT_STORED_WHOLE } tt_stored;

typedef struct tt_survey_step {
    const char *name;        /* "measure clid on target", "score clid on target" */
    const char *artifact;    /* its folder within the store */
    const char *description; /* canonical JSON that the key is the hash of */
    tt_stored stored;
    size_t n_done, n;          /* samples; of scores 0 */
    uint64_t predictions_left; /* attributed: at most so many are computed */
    double money_left;         /* likewise, in the spec's currency */
    double seconds_left;       /* from measured rates; NaN: no rate is known */
    const char *why;           /* why it is not stored; NULL where it is */
    const size_t *inputs;      /* indices of steps */
    size_t n_inputs;
    const tt_spec_model *model; /* on which it is measured; of scores NULL */
} tt_survey_step;

/* Of one kind of memory, in bytes: upper bounds. */
typedef struct tt_survey_memory_part {
    uint64_t weights, bytes; /* of them weights; in all */
} tt_survey_memory_part;

/* A process that the run will start, and the conductor, with memory of their own. */
typedef struct tt_survey_process {
    const char *name;                   /* as of tt_child_peaks: "model target", "worker", "conductor" */
    bool known;                         /* false: the target does not say */
    tt_survey_memory_part host, device; /* the process's own; of a device with memory of its own */
    const tt_spec_model *model;         /* of hosts of models; else NULL */
    uint32_t batch;                     /* of the model; 0: it does not say */
} tt_survey_process;

/* The device, where it has memory of its own. */
typedef struct tt_survey_device {
    const char *name; /* "cuda:0"; NULL: it has none */
    uint64_t free_bytes, total_bytes;
    uint64_t own_bytes; /* of each host, within what it needs: the driver's context, workspaces */
    bool records;
    uint64_t host_bytes; /* of each host's process: the device's libraries */
    uint64_t at_once;
    bool may_not_fit;
} tt_survey_device;

typedef struct tt_survey {
    tt_arena *arena;
    const tt_prepared *prepared;
    tt_survey_step *steps; /* measure steps, each once, then scores */
    size_t n;
    tt_survey_process *processes;
    size_t n_processes;
    unsigned jobs;                             /* models that are measured at once */
    uint64_t memory_at_once, memory_available; /* of all that runs at once; of this machine, 0: unknown */
    tt_survey_device device;
} tt_survey;

/* Reads the store of p; no run may be at work in it. Makes manifests that are missing, and changes nothing
 * else. jobs: models that are measured at once; 0: one. */
TT_API tt_status tt_survey_make(const tt_prepared *p, unsigned jobs, tt_survey *survey, tt_error *err);
TT_API void tt_survey_free(tt_survey *survey);
/* The steps as a tree, scores above what they need, and the sums. */
TT_API bool tt_survey_text(const tt_survey *survey, tt_buf *out);
/* What is left for each model, its weights, disk, and which TPRs the samples cannot carry. */
TT_API bool tt_survey_costs(const tt_survey *survey, tt_buf *out);
/* Bytes on disk when all is done: images and manifests, which are there once a plan is; rows and scores in
 * the store; results.h5. survey_disk.c */
typedef struct tt_survey_disk {
    uint64_t images, rows, scores, results;
} tt_survey_disk;
tt_survey_disk tt_survey_disk_of(const tt_survey *survey);
/* Fills the processes. survey_memory.c */
tt_status tt_survey_memory(tt_survey *survey, tt_error *err);
bool tt_survey_memory_text(const tt_survey *survey, tt_buf *out);
/* What to do where the device's memory does not suffice: "models.target.batch below 64, or dtype: bf16". */
bool tt_survey_device_remedy(const tt_survey *survey, tt_buf *out);
/* Steps, sums, costs and memory, for programs. */
TT_API bool tt_survey_json(const tt_survey *survey, tt_buf *out);
/* All about the steps whose name contains `step`: key, inputs, and every part of the key in which the nearest
 * stored step differs. TT_ERR_NOT_FOUND: there is none; the message lists those that are. */
TT_API tt_status tt_survey_explain(const tt_survey *survey, const char *step, tt_buf *out, tt_error *err);

/* Removes from DIR/store what no run of DIR or of the folders in it uses (their artifacts.txt); only counts
 * when dry_run. Appends one line for each. Refused while a run is at work in DIR, and where no run says what
 * it uses. */
TT_API tt_status tt_store_collect(const char *dir, bool dry_run, tt_buf *out, tt_error *err);

#endif
