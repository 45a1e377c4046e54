/* Was this set used? One-sided tests of a set's scores against those of known non-members. */
#include "base/mem.h"
#include "base/rng.h"
#include "stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static tt_status check(size_t n, const double *scores, const char *what, tt_error *err)
{
    if (n < 2) return tt_fail(err, TT_ERR_INVALID, "%zu scores of %s: at least 2 are needed", n, what);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(scores[i]))
            return tt_fail(err, TT_ERR_INVALID, "score %zu of %s is not a finite number", i, what);
    return TT_OK;
}

static void moments(size_t n, const double *x, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *variance = squares / (double)(n - 1);
}

/* Welch 1947, degrees of freedom by Satterthwaite. */
static void welch(size_t n, const double *set, size_t m, const double *reference, tt_set_test *out)
{
    double a, va, b, vb;
    moments(n, set, &a, &va);
    moments(m, reference, &b, &vb);
    double pa = va / (double)n, pb = vb / (double)m, sum = pa + pb;
    out->welch_t = out->welch_df = out->welch_p = NAN;
    if (sum == 0) return;
    out->welch_t = (a - b) / sqrt(sum);
    out->welch_df = sum * sum / (pa * pa / (double)(n - 1) + pb * pb / (double)(m - 1));
    out->welch_p = tt_student_upper(out->welch_t, out->welch_df);
}

typedef struct labelled {
    double score;
    bool in_set;
} labelled;

static int rising(const void *a, const void *b)
{
    double x = ((const labelled *)a)->score, y = ((const labelled *)b)->score;
    return x < y ? -1 : x > y;
}

/* U counts pairs in which the set's score is higher, ties half; its variance has the correction for ties, z
 * that for continuity. `work`: [n + m]. */
static void mann_whitney(size_t n, const double *set, size_t m, const double *reference, labelled *work,
                         tt_set_test *out)
{
    size_t all = n + m;
    for (size_t i = 0; i < n; i++)
        work[i] = (labelled){set[i], true};
    for (size_t i = 0; i < m; i++)
        work[n + i] = (labelled){reference[i], false};
    qsort(work, all, sizeof *work, rising);
    double u = 0, below = 0, ties = 0;
    for (size_t i = 0; i < all;) {
        double of_set = 0, of_reference = 0;
        size_t end = i;
        for (; end < all && work[end].score == work[i].score; end++)
            *(work[end].in_set ? &of_set : &of_reference) += 1;
        u += of_set * (below + 0.5 * of_reference);
        below += of_reference;
        double t = of_set + of_reference;
        ties += t * t * t - t;
        i = end;
    }
    double a = (double)n, b = (double)m, N = a + b;
    double variance = a * b / 12 * (N + 1 - ties / (N * (N - 1)));
    out->mann_whitney_u = u;
    out->mann_whitney_z = variance > 0 ? (u - a * b / 2 - 0.5) / sqrt(variance) : NAN;
    out->mann_whitney_p = variance > 0 ? tt_normal_cdf(-out->mann_whitney_z) : NAN;
}

tt_status tt_set_test_compute(size_t n, const double *set, size_t m, const double *reference,
                              tt_set_test *out, tt_error *err)
{
    tt_status s = check(n, set, "the set", err);
    if (!s) s = check(m, reference, "known non-members", err);
    if (s) return s;
    labelled *work = tt_alloc_array(n + m, sizeof *work);
    if (!work) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n + m);
    welch(n, set, m, reference, out);
    mann_whitney(n, set, m, reference, work, out);
    tt_free(work);
    return TT_OK;
}

/* ---- power ---- */

enum { DRAWS = 1000 };

typedef struct urn { /* drawn from without replacement */
    double *scores;
    size_t n;
} urn;

/* Brings `count` scores, drawn anew, to the front. */
static void draw(urn *u, size_t count, const tt_stream_key *key, uint64_t *place)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = i + (size_t)tt_keyed_below(key, (*place)++, u->n - i);
        double kept = u->scores[i];
        u->scores[i] = u->scores[k];
        u->scores[k] = kept;
    }
}

static void power_at(urn *members, urn *nonmembers, size_t size, double alpha, uint64_t seed, labelled *work,
                     tt_set_power *out)
{
    *out = (tt_set_power){size, NAN, NAN, NAN, NAN};
    if (size < 2 || size > members->n || size > nonmembers->n) return;
    bool both = 2 * size <= nonmembers->n; /* a set and a reference, both of non-members */
    size_t hits[4] = {0, 0, 0, 0};
    char what[32];
    snprintf(what, sizeof what, "sets of %zu", size);
    tt_stream_key key = tt_purpose_key(seed, "set power", what);
    uint64_t place = 0;
    for (int i = 0; i < DRAWS; i++) {
        tt_set_test t;
        draw(members, size, &key, &place);
        draw(nonmembers, both ? 2 * size : size, &key, &place);
        welch(size, members->scores, size, nonmembers->scores, &t);
        mann_whitney(size, members->scores, size, nonmembers->scores, work, &t);
        hits[0] += t.welch_p < alpha;
        hits[1] += t.mann_whitney_p < alpha;
        if (!both) continue;
        welch(size, nonmembers->scores + size, size, nonmembers->scores, &t);
        mann_whitney(size, nonmembers->scores + size, size, nonmembers->scores, work, &t);
        hits[2] += t.welch_p < alpha;
        hits[3] += t.mann_whitney_p < alpha;
    }
    out->welch = (double)hits[0] / DRAWS;
    out->mann_whitney = (double)hits[1] / DRAWS;
    out->false_welch = both ? (double)hits[2] / DRAWS : NAN;
    out->false_mann_whitney = both ? (double)hits[3] / DRAWS : NAN;
}

tt_status tt_set_power_compute(size_t n, const double *scores, const uint8_t *member, const size_t *sizes,
                               size_t n_sizes, double alpha, uint64_t seed, tt_set_power *out, tt_error *err)
{
    if (!(alpha > 0 && alpha < 1))
        return tt_fail(err, TT_ERR_INVALID, "a level of %g: must be in (0, 1)", alpha);
    tt_status s = check(n, scores, "all", err);
    if (s) return s;
    double *values = tt_alloc_array(n, sizeof *values);
    labelled *work = tt_alloc_array(n, sizeof *work);
    if (values && work) {
        size_t at = 0, end = n;
        for (size_t i = 0; i < n; i++)
            values[member[i] ? at++ : --end] = scores[i];
        urn members = {values, at}, nonmembers = {values + at, n - at};
        for (size_t k = 0; k < n_sizes; k++)
            power_at(&members, &nonmembers, sizes[k], alpha, seed, work, &out[k]);
    } else {
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    }
    tt_free(values);
    tt_free(work);
    return s;
}

/* ---- both, of labelled scores ---- */

tt_status tt_set_level_compute(size_t n, const double *scores, const uint8_t *member, uint64_t seed,
                               tt_set_level *out, tt_error *err)
{
    static const size_t sizes[TT_SET_SIZES] = {5, 10, 20, 50, 100, 200};
    size_t members = 0, at[2] = {0, 0};
    for (size_t i = 0; i < n; i++)
        members += member[i];
    out->has_test = members > 1 && n - members > 1;
    for (size_t k = 0; k < TT_SET_SIZES; k++)
        out->power[k] = (tt_set_power){sizes[k], NAN, NAN, NAN, NAN};
    if (!out->has_test) return TT_OK;
    double *of[2] = {tt_alloc_array(n - members, sizeof(double)), tt_alloc_array(members, sizeof(double))};
    tt_status s = of[0] && of[1] ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    for (size_t i = 0; i < n && !s; i++)
        of[member[i]][at[member[i]]++] = scores[i];
    if (!s) s = tt_set_test_compute(members, of[1], n - members, of[0], &out->test, err);
    if (!s) s = tt_set_power_compute(n, scores, member, sizes, TT_SET_SIZES, 0.05, seed, out->power, err);
    tt_free(of[0]);
    tt_free(of[1]);
    return s;
}
