/* Batches that fit into a device's memory. Where bits depend on the batch (TT_BACKEND_BATCH_IN_BITS) keys
 * name it, so that a model whose batch the spec leaves open and that did not fit starts again with one that
 * does: `models.ROLE.batch=N` on top of the spec, in a run as in a sweep's cell.
 *
 * DIR/batches.json remembers them by model and device: what is started on DIR later begins with them, also
 * other cells of a sweep, and gives the same bytes. */
#ifndef TT_EXPERIMENT_FITTING_H
#define TT_EXPERIMENT_FITTING_H

#include "experiment/prepare.h"

typedef struct tt_fitting tt_fitting;

/* Reads DIR/batches.json, where it is. */
TT_API tt_status tt_fitting_open(const char *dir, tt_fitting **fitting, tt_error *err);
TT_API void tt_fitting_close(tt_fitting *fitting); /* NULL is fine */

/* Overrides of our own: "models.target.batch=2". Zero-initialise for each attempt. */
enum { TT_FITTED_MAX = 16 };
typedef struct tt_fitted {
    char text[TT_FITTED_MAX][96];
    const char *list[TT_FITTED_MAX]; /* each is one of `text` */
    size_t n;
} tt_fitted;

/* Loads a spec with the overrides that are known to be needed. `load` loads it with n overrides of ours, the
 * last to be set. *fitted says which they were; what it has is kept. */
typedef tt_status (*tt_fitting_loader)(void *user, const char *const *overrides, size_t n, tt_spec **spec,
                                       tt_error *err);
TT_API tt_status tt_fitting_load(const tt_fitting *fitting, tt_prepare_cache *cache, tt_fitting_loader load,
                                 void *user, tt_fitted *fitted, tt_spec **spec, tt_error *err);

/* A spec as a run in DIR would begin it, prepared: for plans. `launch` is the cache's, and gets the spec's
 * limits. In any case tt_prepared_free follows, then tt_spec_free. */
TT_API tt_status tt_fitting_prepare(const char *dir, tt_launch *launch, tt_prepare_cache *cache,
                                    tt_fitting_loader load, void *user, tt_spec **spec, tt_prepared *p,
                                    tt_error *err);

/* Of steps that failed because a batch was too large that is ours to choose: remembers what fits. *learnt:
 * there were such, and another attempt makes sense. */
TT_API tt_status tt_fitting_learn(tt_fitting *fitting, const tt_prepared *p, const tt_fitted *fitted,
                                  bool *learnt, tt_error *err);

#endif
