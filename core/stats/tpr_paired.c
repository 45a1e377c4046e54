/* The difference of two TPRs at one FPR over the same samples. */
#include "base/mem.h"
#include "base/rng.h"
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1000 };

typedef struct place {
    double score;
    size_t sample;
} place;

static int falling(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

/* The largest TPR whose FPR does not exceed the target, sample i counting times[i] times. */
static double tpr_of(size_t n, const place *order, const uint8_t *member, const uint32_t *times,
                     double target, const uint64_t total[2])
{
    uint64_t allowed = (uint64_t)floor(target * (double)total[0] + 1e-9), count[2] = {0, 0}, reached = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        for (; end < n && order[end].score == order[i].score; end++)
            count[member[order[end].sample]] += times[order[end].sample];
        if (count[0] > allowed) break;
        reached = count[1];
        i = end;
    }
    return (double)reached / (double)total[1];
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct work {
    place *a, *b;
    size_t *of[2];   /* samples of each class */
    uint32_t *times; /* of each sample in the present draw */
    double *differences;
} work;

static void bootstrap(size_t n, const uint8_t *member, const uint64_t total[2], work *w, uint64_t seed,
                      tt_tpr_paired *out)
{
    tt_stream_key key = tt_purpose_key(seed, "bootstrap", "paired tpr");
    uint64_t at = 0;
    for (size_t draw = 0; draw < DRAWS; draw++) {
        memset(w->times, 0, n * sizeof *w->times);
        for (int c = 0; c < 2; c++)
            for (uint64_t k = 0; k < total[c]; k++)
                w->times[w->of[c][tt_keyed_below(&key, at++, total[c])]]++;
        w->differences[draw] = tpr_of(n, w->a, member, w->times, out->fpr_target, total) -
                               tpr_of(n, w->b, member, w->times, out->fpr_target, total);
    }
    qsort(w->differences, DRAWS, sizeof *w->differences, rising);
    out->interval = (tt_interval){w->differences[DRAWS / 40 - 1], w->differences[DRAWS - DRAWS / 40]};
}

tt_status tt_tpr_compare(size_t n, const double *a, const double *b, const uint8_t *member, double target,
                         uint64_t seed, tt_tpr_paired *out, tt_error *err)
{
    tt_auc checked; /* labels, finite scores, both classes */
    tt_status s = tt_auc_compute(n, a, member, &checked, err);
    if (!s) s = tt_auc_compute(n, b, member, &checked, err);
    if (s) return s;
    if (!(target > 0 && target < 1))
        return tt_fail(err, TT_ERR_INVALID, "an FPR of %g: must be in (0, 1)", target);
    *out = (tt_tpr_paired){target, NAN, NAN, NAN, false, {NAN, NAN}};
    work w = {.a = tt_alloc_array(n, sizeof *w.a),
              .b = tt_alloc_array(n, sizeof *w.b),
              .of = {tt_alloc_array(n, sizeof(size_t)), tt_alloc_array(n, sizeof(size_t))},
              .times = tt_alloc_array(n, sizeof *w.times),
              .differences = tt_alloc_array(DRAWS, sizeof *w.differences)};
    if (w.a && w.b && w.of[0] && w.of[1] && w.times && w.differences) {
        uint64_t total[2] = {0, 0};
        for (size_t i = 0; i < n; i++) {
            w.a[i] = (place){a[i], i};
            w.b[i] = (place){b[i], i};
            w.times[i] = 1;
            w.of[member[i]][total[member[i]]++] = i;
        }
        qsort(w.a, n, sizeof *w.a, falling);
        qsort(w.b, n, sizeof *w.b, falling);
        out->resolvable = (double)total[0] * target >= 1 - 1e-9;
        if (out->resolvable) {
            out->tpr_a = tpr_of(n, w.a, member, w.times, target, total);
            out->tpr_b = tpr_of(n, w.b, member, w.times, target, total);
            out->difference = out->tpr_a - out->tpr_b;
            bootstrap(n, member, total, &w, seed, out);
        }
    } else {
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    }
    tt_free(w.a);
    tt_free(w.b);
    tt_free(w.of[0]);
    tt_free(w.of[1]);
    tt_free(w.times);
    tt_free(w.differences);
    return s;
}
