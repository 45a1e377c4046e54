/* Cross-validation: labels of the very samples that are judged are seen only by fits that do not score them.
 */
#include "experiment/score_internal.h"

#include <stdlib.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for cross-validation");
}

/* ---- folds ---- */

typedef struct named {
    const char *identity;
    size_t place;
} named;

static int by_identity(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int order = strcmp(x->identity, y->identity);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* first[i]: the first sample, in the universe's order, that shows the person of sample i; i itself where
 * nobody is named. */
static tt_status first_of_person(const tt_universe *u, size_t *first, tt_error *err)
{
    named *list = tt_alloc_array(u->n, sizeof *list);
    if (!list) return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < u->n; i++) {
        first[i] = i;
        if (u->refs[i].item->identity) list[n++] = (named){u->refs[i].item->identity, i};
    }
    qsort(list, n, sizeof *list, by_identity);
    for (size_t i = 1; i < n; i++)
        if (strcmp(list[i].identity, list[i - 1].identity) == 0)
            first[list[i].place] = first[list[i - 1].place];
    tt_free(list);
    return TT_OK;
}

tt_status tt_folds_assign(const tt_universe *u, uint32_t asked, uint32_t *fold, uint32_t *n_folds,
                          tt_error *err)
{
    size_t smaller = u->members < u->n - u->members ? u->members : u->n - u->members;
    if (smaller < TT_CALIBRATION_LEAST)
        return tt_fail(err, TT_ERR_INVALID,
                       "cross-validation needs at least %d members and %d non-members: there are %zu and %zu",
                       TT_CALIBRATION_LEAST, TT_CALIBRATION_LEAST, u->members, u->n - u->members);
    uint32_t k = asked < smaller / 2 ? asked : (uint32_t)(smaller / 2);
    size_t *first = tt_alloc_array(u->n, sizeof *first),
           *in_fold = tt_alloc_array(2 * (size_t)k, sizeof *in_fold);
    tt_status s = first && in_fold ? first_of_person(u, first, err) : no_memory(err);
    for (size_t i = 0; i < u->n && !s; i++) {
        size_t *counts = in_fold + (u->refs[i].member ? k : 0);
        uint32_t best = 0;
        for (uint32_t f = 1; f < k; f++)
            if (counts[f] < counts[best]) best = f;
        fold[i] = first[i] < i ? fold[first[i]] : best;
        counts[fold[i]]++;
    }
    for (uint32_t f = 0; f < 2 * k && !s; f++)
        if (in_fold[f] < 2)
            s = tt_fail(err, TT_ERR_INVALID,
                        "too few persons for cross-validation in %u folds: one is left with %zu %s", k,
                        in_fold[f], f < k ? "non-members" : "members");
    tt_free(first);
    tt_free(in_fold);
    *n_folds = k;
    return s;
}

/* ---- scores ---- */

typedef struct placed {
    double score;
    size_t place;
} placed;

static int rising(const void *a, const void *b)
{
    double x = ((const placed *)a)->score, y = ((const placed *)b)->score;
    return (x > y) - (x < y);
}

static void rank(placed *list, size_t n, double *out)
{
    qsort(list, n, sizeof *list, rising);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && list[end].score == list[i].score)
            end++;
        for (size_t k = i; k < end; k++)
            out[list[k].place] = 0.5 * (double)(i + end) / (double)n;
        i = end;
    }
}

/* The rows inside or outside of one fold; arrays are taken from `room`, as large as all rows. */
static void take_part(const tt_selection *all, const uint32_t *fold, uint32_t f, bool inside,
                      tt_selection *room)
{
    room->n = 0;
    for (size_t i = 0; i < all->n; i++) {
        if ((fold[i] == f) != inside) continue;
        memcpy(room->values + room->n * all->n_columns, all->values + i * all->n_columns,
               all->n_columns * sizeof *all->values);
        room->member[room->n] = all->member[i];
        room->sample[room->n++] = (uint32_t)i;
    }
}

static tt_status score_fold(tt_child *worker, const tt_selection *all, const uint32_t *fold, uint32_t f,
                            tt_selection *room, tt_arena *arena, double *out, const char **fitted,
                            tt_error *err)
{
    tt_fitted state = {.text = ""};
    const double *scores = NULL;
    take_part(all, fold, f, false, room);
    tt_status s = tt_selection_fit(worker, room, arena, &state, err);
    take_part(all, fold, f, true, room);
    if (!s) s = tt_selection_score(worker, room, &state, arena, &scores, err);
    placed *list = s ? NULL : tt_alloc_array(room->n, sizeof *list);
    if (!s && !list) s = no_memory(err);
    for (size_t i = 0; i < room->n && !s; i++)
        list[i] = (placed){scores[i], room->sample[i]};
    if (!s) rank(list, room->n, out);
    if (!s && f == 0) *fitted = state.text;
    tt_free(list);
    return s;
}

tt_status tt_score_cross(tt_child *worker, const tt_selection *rows, const uint32_t *fold, uint32_t n_folds,
                         tt_arena *arena, const double **scores, const char **fitted, tt_error *err)
{
    tt_selection room = {.n_columns = rows->n_columns,
                         .values = tt_arena_alloc_array(arena, rows->n * rows->n_columns, sizeof(double)),
                         .member = tt_arena_alloc_array(arena, rows->n, sizeof(uint8_t)),
                         .sample = tt_arena_alloc_array(arena, rows->n, sizeof(uint32_t))};
    double *out = tt_arena_alloc_array(arena, rows->n, sizeof *out);
    tt_status s = room.values && room.member && room.sample && out ? TT_OK : no_memory(err);
    for (uint32_t f = 0; f < n_folds && !s; f++)
        s = score_fold(worker, rows, fold, f, &room, arena, out, fitted, err);
    *scores = out;
    return s;
}
