/* Which batch computes a model's predictions fastest on its device: found by measuring, in hosts as runs
 * start them, at 1, 2, 4, … predictions at once. Changes nothing: a spec says its batch itself. */
#ifndef TT_EXPERIMENT_TUNE_H
#define TT_EXPERIMENT_TUNE_H

#include "experiment/spec.h"
#include "runtime/describe.h"

enum { TT_TUNE_LARGEST = 256, TT_TUNE_POINTS = 9 };
/* A batch is better when its rate is by more than this part. */
#define TT_TUNE_GAIN 0.03

typedef struct tt_tune_point {
    uint32_t batch;
    double seconds; /* of a call of the whole batch, the median */
    uint64_t bytes; /* that the host holds: of the device's memory where that is counted, else of its own */
} tt_tune_point;

typedef enum tt_tune_end {
    TT_TUNE_END_GAIN,   /* two doublings gained less than TT_TUNE_GAIN */
    TT_TUNE_END_MEMORY, /* the next batch did not fit, or may not fit into this machine */
    TT_TUNE_END_LARGEST /* no larger batch is tried, or taken by the model */
} tt_tune_end;

typedef struct tt_tuned_model {
    const char *role;
    const char *left_out; /* why it was not measured; NULL: it was */
    tt_tune_point points[TT_TUNE_POINTS];
    size_t n, best;         /* best: the smallest batch within TT_TUNE_GAIN of the highest rate */
    uint32_t default_batch; /* what `batch: 0` comes to here */
    bool on_device;         /* bytes are of the device's memory */
    tt_tune_end end;
} tt_tuned_model;

typedef struct tt_tuned {
    tt_arena *arena;
    const char *device;      /* "cuda:0" */
    const char *description; /* as of tt_describe_backend */
    tt_tuned_model *models;
    size_t n;
} tt_tuned;

typedef struct tt_tune_job {
    const tt_spec *spec;
    const tt_launch *launch; /* limits are the spec's */
    tt_describer *describer;
    const char *const *roles; /* NULL: all models that have a batch */
    size_t n_roles;
} tt_tune_job;

/* TT_ERR_INVALID: a role that the spec lacks or a model that has no batch to choose, where it is named; or
 * no model has. TT_ERR_INTERRUPTED: nothing is kept. In any case tt_tuned_free follows. */
TT_API tt_status tt_tune(const tt_tune_job *job, tt_tuned *tuned, tt_error *err);
TT_API void tt_tuned_free(tt_tuned *tuned);
TT_API double tt_tune_rate(const tt_tune_point *point); /* predictions a second */
/* Has the search of these points come to an end by its rates? Sets *best. */
TT_API bool tt_tune_settled(const tt_tune_point *points, size_t n, size_t *best);

/* tune_text.c: for people, and for programs */
TT_API bool tt_tuned_text(const tt_tuned *tuned, tt_buf *out);
TT_API bool tt_tuned_json(const tt_tuned *tuned, tt_buf *out);

#endif
