#include "stats/order.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

typedef struct item {
    double score;
    uint8_t member;
} item;

static int falling(const void *a, const void *b)
{
    double x = ((const item *)a)->score, y = ((const item *)b)->score;
    return x > y ? -1 : x < y;
}

static tt_status check(size_t n, const double *scores, const uint8_t *member, tt_order *order, tt_error *err)
{
    if (n > UINT32_MAX) return tt_fail(err, TT_ERR_UNSUPPORTED, "%zu scores: at most 4294967295", n);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i])) return tt_fail(err, TT_ERR_INVALID, "score %zu is not a finite number", i);
        if (member[i] > 1)
            return tt_fail(err, TT_ERR_INVALID, "label %zu is %d: must be 0 or 1", i, member[i]);
        order->members += member[i];
    }
    order->nonmembers = n - order->members;
    if (order->members == 0 || order->nonmembers == 0)
        return tt_fail(err, TT_ERR_INVALID, "%llu members and %llu non-members: both are needed",
                       (unsigned long long)order->members, (unsigned long long)order->nonmembers);
    return TT_OK;
}

tt_status tt_order_make(size_t n, const double *scores, const uint8_t *member, tt_order *order, tt_error *err)
{
    *order = (tt_order){0};
    tt_status s = check(n, scores, member, order, err);
    if (s) return s;
    item *items = tt_alloc_array(n, sizeof *items);
    order->ties = tt_alloc_array(n, sizeof *order->ties);
    if (!items || !order->ties) {
        tt_free(items);
        tt_order_free(order);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (item){scores[i], member[i]};
    qsort(items, n, sizeof *items, falling);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || items[i].score != items[i - 1].score) order->ties[order->n++].score = items[i].score;
        tt_tie *tie = &order->ties[order->n - 1];
        if (items[i].member)
            tie->members++;
        else
            tie->nonmembers++;
    }
    tt_free(items);
    return TT_OK;
}

void tt_order_free(tt_order *order)
{
    tt_free(order->ties);
    *order = (tt_order){0};
}
