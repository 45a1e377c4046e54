#include "stats/draws.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

tt_status tt_draws_begin(const tt_order *o, uint64_t seed, const char *what, size_t n_quantities, tt_draws *d,
                         tt_error *err)
{
    *d = (tt_draws){.order = o, .key = tt_purpose_key(seed, "bootstrap", what)};
    d->tie_of[0] = tt_alloc_array(o->nonmembers, sizeof(uint32_t));
    d->tie_of[1] = tt_alloc_array(o->members, sizeof(uint32_t));
    d->drawn = tt_alloc_array(o->n, 2 * sizeof *d->drawn);
    d->values = tt_alloc_array(n_quantities, TT_DRAWS * sizeof *d->values);
    if (!d->tie_of[0] || !d->tie_of[1] || !d->drawn || !d->values) {
        tt_draws_end(d);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for the bootstrap");
    }
    size_t at[2] = {0, 0};
    for (size_t i = 0; i < o->n; i++) {
        for (uint64_t k = 0; k < o->ties[i].nonmembers; k++)
            d->tie_of[0][at[0]++] = (uint32_t)i;
        for (uint64_t k = 0; k < o->ties[i].members; k++)
            d->tie_of[1][at[1]++] = (uint32_t)i;
    }
    return TT_OK;
}

static void draw_class(tt_draws *d, size_t n, size_t class)
{
    for (size_t k = 0; k < n; k += 4) {
        uint32_t w[4];
        const uint32_t block[4] = {(uint32_t)d->place, (uint32_t)(d->place >> 32), d->key.counter_high[0],
                                   d->key.counter_high[1]};
        d->place++;
        tt_philox4x32(d->key.key, block, w);
        /* the multiplication's bias is below n/2³²: far under what 1,000 draws can show */
        for (size_t j = 0; j < 4 && k + j < n; j++)
            d->drawn[2 * d->tie_of[class][((uint64_t)w[j] * n) >> 32] + class]++;
    }
}

bool tt_draws_next(tt_draws *d)
{
    if (d->n == TT_DRAWS) return false;
    d->n++;
    memset(d->drawn, 0, d->order->n * 2 * sizeof *d->drawn);
    draw_class(d, (size_t)d->order->nonmembers, 0);
    draw_class(d, (size_t)d->order->members, 1);
    return true;
}

void tt_draws_put(tt_draws *d, size_t quantity, double value)
{
    d->values[quantity * TT_DRAWS + d->n - 1] = value;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

tt_interval tt_draws_interval(tt_draws *d, size_t quantity)
{
    double *v = d->values + quantity * TT_DRAWS;
    qsort(v, TT_DRAWS, sizeof *v, compare_doubles);
    return (tt_interval){v[TT_DRAWS / 40 - 1], v[TT_DRAWS - TT_DRAWS / 40]};
}

void tt_draws_end(tt_draws *d)
{
    tt_free(d->tie_of[0]);
    tt_free(d->tie_of[1]);
    tt_free(d->drawn);
    tt_free(d->values);
    *d = (tt_draws){0};
}
