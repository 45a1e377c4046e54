/* What the choice of a threshold adds to an accuracy's uncertainty. */
#include "base/mem.h"
#include "base/rng.h"
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DRAWS 1000

typedef struct scored {
    double score;
    uint8_t member;
} scored;

/* One set: scores falling, and where the items of each class stand. */
typedef struct sorted {
    scored *items;
    uint32_t *of_class[2];
    size_t n, in_class[2];
    uint32_t *drawn; /* [n] how often each item is in the present draw */
} sorted;

static int falling(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x < y) - (x > y);
}

static void free_sorted(sorted *s)
{
    tt_free(s->items);
    tt_free(s->of_class[0]);
    tt_free(s->of_class[1]);
    tt_free(s->drawn);
}

static tt_status sort_set(size_t n, const double *scores, const uint8_t *member, sorted *s, tt_error *err)
{
    s->n = n;
    s->items = tt_alloc_array(n, sizeof *s->items);
    s->drawn = tt_alloc_array(n, sizeof *s->drawn);
    s->of_class[0] = tt_alloc_array(n, sizeof(uint32_t));
    s->of_class[1] = tt_alloc_array(n, sizeof(uint32_t));
    if (!s->items || !s->drawn || !s->of_class[0] || !s->of_class[1])
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for the bootstrap");
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]) || member[i] > 1)
            return tt_fail(err, TT_ERR_INVALID, "score or label %zu is not usable", i);
        s->items[i] = (scored){scores[i], member[i]};
    }
    qsort(s->items, n, sizeof *s->items, falling);
    for (size_t i = 0; i < n; i++)
        s->of_class[s->items[i].member][s->in_class[s->items[i].member]++] = (uint32_t)i;
    if (!s->in_class[0] || !s->in_class[1])
        return tt_fail(err, TT_ERR_INVALID, "%zu members and %zu non-members: both are needed",
                       s->in_class[1], s->in_class[0]);
    return TT_OK;
}

static void draw(sorted *s, const tt_stream_key *key, uint64_t *place)
{
    memset(s->drawn, 0, s->n * sizeof *s->drawn);
    for (int c = 0; c < 2; c++)
        for (size_t i = 0; i < s->in_class[c]; i++)
            s->drawn[s->of_class[c][tt_keyed_below(key, (*place)++, s->in_class[c])]]++;
}

/* As tt_best_accuracy: of the thresholds with the largest accuracy the highest. */
static double best_threshold(const sorted *s)
{
    int64_t right = (int64_t)s->in_class[0], best = right;
    double threshold = INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        right += s->items[i].member ? (int64_t)s->drawn[i] : -(int64_t)s->drawn[i];
        bool tie_ends = i + 1 == s->n || s->items[i + 1].score < s->items[i].score;
        if (tie_ends && right > best) {
            best = right;
            threshold = s->items[i].score;
        }
    }
    return threshold;
}

static double accuracy_at(const sorted *s, double threshold)
{
    uint64_t right = 0;
    for (size_t i = 0; i < s->n; i++)
        if ((s->items[i].score >= threshold) == (s->items[i].member == 1)) right += s->drawn[i];
    return (double)right / (double)s->n;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

tt_status tt_accuracy_refitted(size_t n_fit, const double *fit_scores, const uint8_t *fit_member, size_t n,
                               const double *scores, const uint8_t *member, uint64_t seed, tt_interval *out,
                               tt_error *err)
{
    sorted fit = {0}, judged = {0};
    double *accuracies = tt_alloc_array(DRAWS, sizeof *accuracies);
    tt_status s = accuracies ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the bootstrap");
    if (!s) s = sort_set(n_fit, fit_scores, fit_member, &fit, err);
    if (!s) s = sort_set(n, scores, member, &judged, err);
    if (!s) {
        tt_stream_key key = tt_purpose_key(seed, "bootstrap", "accuracy at a fitted threshold");
        uint64_t place = 0;
        for (size_t k = 0; k < DRAWS; k++) {
            draw(&fit, &key, &place);
            draw(&judged, &key, &place);
            accuracies[k] = accuracy_at(&judged, best_threshold(&fit));
        }
        qsort(accuracies, DRAWS, sizeof *accuracies, rising);
        *out = (tt_interval){accuracies[DRAWS / 40 - 1], accuracies[DRAWS - DRAWS / 40]};
    }
    free_sorted(&fit);
    free_sorted(&judged);
    tt_free(accuracies);
    return s;
}
