/* Measure steps: their content keys, and what of them lies in the store.
 *
 * STORE/measure-KEY/journal begins with the step's description (canonical JSON, the text that KEY is the hash
 * of) and holds one record for each batch of samples, in order. */
#ifndef TT_EXPERIMENT_STEP_H
#define TT_EXPERIMENT_STEP_H

#include "experiment/plan.h"
#include "experiment/samples.h"
#include "runtime/journal.h"
#include "runtime/modelhost.h"

#define TT_STEP_NAME_MAX 64

typedef struct tt_measure_step {
    const tt_spec *spec;
    size_t attack, model; /* indices of the spec */
    const tt_attack_plan *plan;
    const tt_universe *universe;
    char *description; /* canonical JSON */
    char key[65];
    /* "words-KEY" of each service of the plan: where in the store its heat maps are kept */
    char words[TT_ATTACK_MAX_SERVICES][TT_STEP_NAME_MAX];
    size_t same_as; /* an earlier step with the same key, whose rows these are; else its own index */
    uint32_t batch; /* samples a record */
    tt_journal *journal;
    double *rows;  /* [universe->n][n_columns] */
    size_t n_bad;  /* of them, those with a feature that is not a finite number */
    size_t n_done; /* rows that are there, from the first on */
    tt_meters meters;
    double seconds;
    tt_error failure; /* code TT_OK: none */
    /* Where it failed for lack of a device's memory: the model's index, and how many predictions at once fit
     * (0: that is not why). */
    size_t fitting_model;
    uint32_t fitting_batch;
} tt_measure_step;

/* Digests of models by role index, hex, and the numeric environment, for the key. */
typedef struct tt_step_context {
    const tt_spec *spec;
    const char *const *model_digests; /* [spec->n_models] */
    const char *environment;
    const char *store;
    const char *const *service_digests; /* [spec->n_services]; needed to identify steps that ask services */
} tt_step_context;

/* Fills description and key; attack, model, plan and universe are set. */
TT_API tt_status tt_step_identify(const tt_step_context *c, tt_measure_step *step, tt_error *err);
/* Opens the journal and takes what it holds. Of the context only `store` is read. */
TT_API tt_status tt_step_open(const tt_step_context *c, tt_measure_step *step, tt_error *err);
/* Appends the paths among an attack's parameters to a description, files by their content; those whose flags
 * intersect skip_flags are left out. */
TT_API tt_status tt_step_put_paths(const tt_params *params, uint32_t skip_flags, tt_buf *out, tt_error *err);
/* "measure-KEY", its folder within the store */
TT_API void tt_step_name(const tt_measure_step *step, char name[TT_STEP_NAME_MAX]);

/* What a folder of the store holds of a measure step, without opening it for writing: another run may be at
 * work on it. */
typedef struct tt_step_stored {
    char *description; /* tt_free, also after a failure */
    size_t n_done;
    tt_meters meters;
    double seconds;
} tt_step_stored;
TT_API tt_status tt_step_peek(const char *folder, tt_step_stored *stored, tt_error *err);
/* Of any kind of step: its description (tt_free, also after a failure) and how many records there are. */
TT_API tt_status tt_step_peek_header(const char *folder, char **description, size_t *n_records,
                                     tt_error *err);
/* Appends the batch that begins at n_done: n rows. */
TT_API tt_status tt_step_append(tt_measure_step *step, uint32_t n, const double *rows,
                                const tt_meters *meters, double seconds, tt_error *err);
/* Are all features of a row finite numbers? */
TT_API bool tt_step_row_sound(const tt_measure_step *step, const double *row);
/* Are there more bad samples than the share `limit` allows, n rows that come next included (NULL: none)? Then
 * the error names the first of all. */
TT_API tt_status tt_step_check_bad(const tt_measure_step *step, double limit, uint32_t n, const double *rows,
                                   tt_error *err);
TT_API bool tt_step_complete(const tt_measure_step *step);
TT_API void tt_step_close(tt_measure_step *step); /* the journal only */
/* Closes, and drops the rows: as before it was opened, but what is known of it (n_done, meters) stays. */
TT_API void tt_step_drop(tt_measure_step *step);
TT_API void tt_step_free(tt_measure_step *step);

#endif
