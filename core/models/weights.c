#include "models/weights.h"
#include "models/weights_hash.h"
#include "base/mem.h"

#include <stdio.h>

static void shape_text(int32_t rank, const int64_t *shape, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < rank && at < size; i++) {
        int n = snprintf(text + at, size - at, "%s%lld", i ? "," : "", (long long)shape[i]);
        if (n < 0) return;
        at += (size_t)n;
    }
}

/* Equal, or equal up to trailing dimensions of 1: [N,K] and [N,K,1,1] hold the same bytes. */
static bool shapes_match(int32_t rank, const int64_t *shape, const tt_weight_view *view)
{
    int32_t longer = rank > view->rank ? rank : view->rank;
    if (rank < 2 || view->rank < 2) {
        if (rank != view->rank) return false;
    }
    for (int32_t i = 0; i < longer; i++) {
        int64_t want = i < rank ? shape[i] : 1, have = i < view->rank ? view->shape[i] : 1;
        if (want != have) return false;
    }
    return true;
}

tt_status tt_weights_expect(tt_weight_source *source, const char *name, int32_t rank, const int64_t *shape,
                            tt_weight_view *view, tt_error *err)
{
    if (rank < 0 || rank > 4)
        return tt_fail(err, TT_ERR_INTERNAL, "%s: a weight of rank %d: must be 0..4", name, (int)rank);
    *view = (tt_weight_view){.rank = rank};
    for (int32_t i = 0; i < rank; i++)
        view->shape[i] = shape[i];
    tt_status status = source->get(source, name, view, err);
    if (status) return status;

    char want[96], have[96];
    shape_text(rank, shape, want, sizeof want);
    if (view->type != TT_F32 && view->type != TT_F64 && view->type != TT_BF16 && view->type != TT_F16)
        return tt_fail(err, TT_ERR_FORMAT, "tensor %s has type %s: a floating type is expected", name,
                       tt_type_name(view->type));
    if (view->rank < 0 || view->rank > 4 || !shapes_match(rank, shape, view)) {
        shape_text(view->rank < 0 ? 0 : view->rank > 4 ? 4 : view->rank, view->shape, have, sizeof have);
        return tt_fail(
            err, TT_ERR_FORMAT,
            "tensor %s has shape [%s], the config asks for [%s]: the weights and the config do not belong "
            "together",
            name, have, want);
    }
    view->rank = rank;
    for (int32_t i = 0; i < rank; i++)
        view->shape[i] = shape[i];
    return TT_OK;
}

/* ---- hash weights ---- */

typedef struct hash_source {
    tt_weight_source base;
    float *values; /* of the last tensor */
    size_t capacity;
} hash_source;

static tt_status hash_get(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *err)
{
    hash_source *s = (hash_source *)self;
    size_t count = 1;
    for (int32_t i = 0; i < view->rank; i++)
        if (view->shape[i] < 0 || !tt_size_mul(count, (size_t)view->shape[i], &count))
            return tt_fail(err, TT_ERR_INVALID, "tensor %s: its size does not fit", name);
    if (count > s->capacity) {
        size_t bytes;
        tt_free(s->values);
        s->values = NULL;
        s->capacity = 0;
        if (tt_size_mul(count, sizeof *s->values, &bytes)) s->values = tt_alloc(bytes);
        if (!s->values)
            return tt_fail(err, TT_ERR_MEMORY, "tensor %s: out of memory for %zu values", name, count);
        s->capacity = count;
    }
    tt_hash_fill(name, view->rank, view->shape, s->values, count);
    view->type = TT_F32;
    view->data = s->values;
    return TT_OK;
}

static bool hash_has(tt_weight_source *self, const char *name)
{
    (void)self, (void)name;
    return true;
}

/* Large tensors are not kept: the next one is seldom of the same size. */
static void hash_done(tt_weight_source *self, const char *name)
{
    (void)name;
    hash_source *s = (hash_source *)self;
    if (s->capacity < (1u << 20)) return;
    tt_free(s->values);
    s->values = NULL;
    s->capacity = 0;
}

static void hash_destroy(tt_weight_source *self)
{
    hash_source *s = (hash_source *)self;
    tt_free(s->values);
    tt_free(s);
}

tt_weight_source *tt_weights_hash(void)
{
    hash_source *s = tt_alloc_zero(sizeof *s);
    if (!s) return NULL;
    s->base = (tt_weight_source){hash_get, hash_has, hash_done, hash_destroy};
    return &s->base;
}
