/* The samples that an attack takes for members before all others, and those last of all. */
#include "experiment/results.h"

#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    double score;
    uint32_t row;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

tt_status tt_result_extremes(const tt_result_scores *r, size_t count, uint32_t *most, uint32_t *least,
                             size_t *n, tt_error *err)
{
    *n = count < r->n / 2 ? count : r->n / 2;
    ranked *order = tt_alloc_array(r->n + 1, sizeof *order);
    if (!order) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", r->n);
    for (size_t i = 0; i < r->n; i++)
        order[i] = (ranked){r->scores[i], (uint32_t)i};
    qsort(order, r->n, sizeof *order, by_score);
    for (size_t i = 0; i < *n; i++) {
        most[i] = order[i].row;
        least[i] = order[r->n - 1 - i].row;
    }
    tt_free(order);
    return TT_OK;
}

bool tt_result_has_extremes(const tt_result_scores *r)
{
    return !r->failure && strcmp(r->role, "target") == 0;
}
