/* Scores in falling order, ties gathered: what every rank statistic starts from. Private to the room. */
#ifndef TT_STATS_ORDER_H
#define TT_STATS_ORDER_H

#include "stats/stats.h"

/* One distinct score with how many of each class have it. */
typedef struct tt_tie {
    double score;
    uint64_t members, nonmembers;
} tt_tie;

typedef struct tt_order {
    tt_tie *ties; /* falling score */
    size_t n;
    uint64_t members, nonmembers;
} tt_order;

/* Errors: a score that is not finite (names the index), a label other than 0 and 1, an empty class. */
tt_status tt_order_make(size_t n, const double *scores, const uint8_t *member, tt_order *order,
                        tt_error *err);
void tt_order_free(tt_order *order);

#endif
