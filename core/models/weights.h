/* Where a network's weights come from. Networks ask by name and shape; a source answers with a view of host
 * memory (a mapped file, a buffer that the source fills for the call, hash-made values in tests).
 * models/load/ alone knows files; this room knows only this interface. */
#ifndef TT_MODELS_WEIGHTS_H
#define TT_MODELS_WEIGHTS_H

#include "telltale/tensor.h"

#include <stdbool.h>

typedef struct tt_weight_view {
    tt_type type; /* any floating type */
    int32_t rank;
    int64_t shape[4];
    const void *data; /* any alignment; valid until the next get or done on this source */
} tt_weight_view;

typedef struct tt_weight_source tt_weight_source;
struct tt_weight_source {
    /* TT_ERR_NOT_FOUND when there is no such tensor; the message names the file. On entry view->rank and
     * shape hold what the caller expects (made-up weights need it); on return what the source has. */
    tt_status (*get)(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err);
    bool (*has)(tt_weight_source *self, const char *name);
    /* The caller has packed `name` and needs its bytes no more. */
    void (*done)(tt_weight_source *self, const char *name);
    void (*destroy)(tt_weight_source *self);
};

/* get + a check of the shape: a misshapen tensor is an error that names it, its shape and the expected one.
 * A [N,K] weight is accepted where [N,K,1,1] is stored and the other way round. */
TT_API tt_status tt_weights_expect(tt_weight_source *source, const char *name, int32_t rank,
                                   const int64_t *shape, tt_weight_view *view, tt_error *err);

/* Name-keyed hash weights of specs/models.md ("Golden vectors without weights"), for tests and benchmarks. */
TT_API tt_weight_source *tt_weights_hash(void);
/* The matching inputs: out[i] = √3·u(name, i). */
TT_API void tt_hash_input(const char *name, float *out, size_t n);

#endif
