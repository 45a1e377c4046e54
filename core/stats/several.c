/* Several comparisons (Holm) and several runs (replication by levels). */
#include "base/mem.h"
#include "stats/stats.h"

#include <math.h>
#include <stdlib.h>

/* ---- Holm, Scandinavian Journal of Statistics 6, 1979 ---- */

/* How many p-values, and which of equal ones, come before i in rising order. */
static size_t rank_of(size_t n, const double *p, size_t i)
{
    size_t rank = 0;
    for (size_t k = 0; k < n; k++)
        rank += p[k] < p[i] || (p[k] == p[i] && k < i);
    return rank;
}

void tt_holm(size_t n, const double *p, double *adjusted)
{
    size_t tests = 0;
    double *sorted = tt_alloc_array(n + 1, sizeof *sorted);
    size_t *rank = tt_alloc_array(n + 1, sizeof *rank);
    for (size_t i = 0; i < n; i++)
        tests += isnan(p[i]) ? 0 : 1;
    if (!sorted || !rank) { /* Bonferroni needs no memory and is never less strict */
        for (size_t i = 0; i < n; i++)
            adjusted[i] = isnan(p[i]) ? NAN : fmin(1, (double)tests * p[i]);
        tt_free(sorted);
        tt_free(rank);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        rank[i] = isnan(p[i]) ? SIZE_MAX : rank_of(n, p, i);
        if (rank[i] != SIZE_MAX) sorted[rank[i]] = p[i];
    }
    double highest = 0;
    for (size_t k = 0; k < tests; k++) {
        highest = fmax(highest, (double)(tests - k) * sorted[k]);
        sorted[k] = fmin(1, highest);
    }
    for (size_t i = 0; i < n; i++)
        adjusted[i] = rank[i] == SIZE_MAX ? NAN : sorted[rank[i]];
    tt_free(sorted);
    tt_free(rank);
}

/* ---- replication ---- */

static int by_levels(const void *a, const void *b)
{
    const tt_replicate *x = a, *y = b;
    if (x->training != y->training) return x->training < y->training ? -1 : 1;
    if (x->split != y->split) return x->split < y->split ? -1 : 1;
    if (x->attack != y->attack) return x->attack < y->attack ? -1 : 1;
    return 0;
}

/* What lies in one group of a level: count, sum, sum of squares about the mean (Welford). */
typedef struct gathering {
    size_t n;
    double mean, squares;
} gathering;

static void gather(gathering *g, double value)
{
    g->n++;
    double d = value - g->mean;
    g->mean += d / (double)g->n;
    g->squares += d * (value - g->mean);
}

typedef struct pool { /* of the groups of one level */
    size_t n, groups;
    double squares;
    double weights; /* sum of squares of the values' weights in the mean of all */
} pool;

static void close_group(pool *p, gathering *g)
{
    p->n += g->n;
    p->groups++;
    p->squares += g->squares;
    *g = (gathering){0};
}

static tt_replication_level level_of(const pool *p)
{
    tt_replication_level l = {p->n, p->groups, NAN, NAN, NAN};
    size_t free = p->n - p->groups;
    if (free == 0) return l;
    l.sd = sqrt(p->squares / (double)free);
    l.half_width_t = tt_student_quantile(0.975, (double)free) * l.sd * sqrt(p->weights);
    l.half_width_paper = 1.96 * sqrt(p->squares / (double)p->n) / sqrt((double)p->n); /* population sd */
    return l;
}

tt_status tt_replication_of(size_t n, const tt_replicate *values, tt_replication *out, tt_error *err)
{
    if (n == 0) return tt_fail(err, TT_ERR_INVALID, "no values to summarise");
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i].value))
            return tt_fail(err, TT_ERR_INVALID, "value %zu is not a finite number", i);
    tt_replicate *v = tt_alloc_array(n, sizeof *v);
    if (!v) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu values", n);
    for (size_t i = 0; i < n; i++)
        v[i] = values[i];
    qsort(v, n, sizeof *v, by_levels);
    pool pools[3] = {{0}, {0}, {0}};
    gathering seeds = {0}, splits = {0}, trainings = {0};
    double weights = 0; /* of seeds, within their training */
    for (size_t i = 0; i < n; i++) {
        gather(&seeds, v[i].value);
        bool training_ends = i + 1 == n || v[i + 1].training != v[i].training;
        if (!training_ends && v[i + 1].split == v[i].split) continue;
        gather(&splits, seeds.mean);
        weights += 1 / (double)seeds.n; /* n times (1/n)² */
        close_group(&pools[0], &seeds);
        if (!training_ends) continue;
        gather(&trainings, splits.mean);
        pools[0].weights += weights / ((double)splits.n * (double)splits.n);
        pools[1].weights += 1 / (double)splits.n;
        weights = 0;
        close_group(&pools[1], &splits);
    }
    double all = (double)trainings.n;
    out->mean = trainings.mean;
    pools[0].weights /= all * all;
    pools[1].weights /= all * all;
    pools[2].weights = 1 / all;
    close_group(&pools[2], &trainings);
    out->attacks = level_of(&pools[0]);
    out->splits = level_of(&pools[1]);
    out->trainings = level_of(&pools[2]);
    tt_free(v);
    return TT_OK;
}
