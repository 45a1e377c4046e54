/* A threshold, or anything fitted, must not come from the rows that it judges. */
#include "experiment/score_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct seen {
    tt_digest digest;
    const tt_sample_ref *ref;
} seen;

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const seen *)a)->digest.bytes, ((const seen *)b)->digest.bytes, sizeof(tt_digest));
}

/* The refs behind a selection, whose order is the universe's. */
static size_t list_seen(const tt_universe *u, const tt_selection *rows, seen *list)
{
    size_t n = 0;
    for (size_t i = 0; i < u->n && n < rows->n; i++)
        if (u->refs[i].index == rows->sample[n]) list[n++] = (seen){u->refs[i].item->digest, &u->refs[i]};
    return n;
}

static bool same_model(const tt_step_context *c, const tt_measure_step *a, const tt_measure_step *b)
{
    if (a->model == b->model) return true;
    const tt_spec_model *x = &c->spec->models[a->model], *y = &c->spec->models[b->model];
    const char *const *digests = c->model_digests;
    return strcmp(x->plugin.info->name, y->plugin.info->name) == 0 && digests[a->model] &&
           digests[b->model] && strcmp(digests[a->model], digests[b->model]) == 0;
}

static tt_status find_common(const tt_step_context *c, const tt_measure_step *rows, const seen *judged,
                             size_t n, const seen *sorted, size_t m, tt_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const seen *same = m ? bsearch(&judged[i], sorted, m, sizeof *sorted, by_digest) : NULL;
        if (!same) continue;
        return tt_fail(
            err, TT_ERR_REFUSED,
            "calibration: %s.%s (%s) is judged on models.%s and calibrates on the same weights: no "
            "threshold may come from the rows that it judges; give the calibration other images",
            judged[i].ref->data, judged[i].ref->item->split, judged[i].ref->item->id,
            c->spec->models[rows->model].role);
    }
    return TT_OK;
}

tt_status tt_score_check_apart(const tt_step_context *c, size_t attack, const tt_measure_step *rows,
                               const tt_measure_step *calibration, tt_arena *arena, tt_error *err)
{
    tt_selection judged, calibrating;
    if (!calibration || !same_model(c, rows, calibration)) return TT_OK;
    tt_status s = tt_selection_both(c->spec, attack, rows, calibration, arena, &judged, &calibrating, err);
    if (s || !calibrating.n) return s;
    seen *a = tt_arena_alloc_array(arena, judged.n, sizeof *a),
         *b = tt_arena_alloc_array(arena, calibrating.n, sizeof *b);
    if (!a || !b) return tt_fail(err, TT_ERR_MEMORY, "out of memory for scores");
    size_t n = list_seen(rows->universe, &judged, a);
    size_t m = list_seen(calibration->universe, &calibrating, b);
    qsort(b, m, sizeof *b, by_digest);
    return find_common(c, rows, a, n, b, m, err);
}
