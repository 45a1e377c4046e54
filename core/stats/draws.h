/* The two-class bootstrap: keyed draws with replacement from each class, as counts by tie. Private to the
 * room. */
#ifndef TT_STATS_DRAWS_H
#define TT_STATS_DRAWS_H

#include "base/rng.h"
#include "stats/order.h"

enum { TT_DRAWS = 1000 };

typedef struct tt_draws {
    const tt_order *order;
    uint32_t *drawn;     /* [2·tie + class]: how often, in the present draw */
    uint32_t *tie_of[2]; /* [class][sample] */
    double *values;      /* [quantity][draw] */
    tt_stream_key key;
    uint64_t place;
    size_t n; /* draws begun */
} tt_draws;

/* `what` names the stream; `n_quantities` are computed from each draw. After an error nothing is to be ended.
 */
tt_status tt_draws_begin(const tt_order *o, uint64_t seed, const char *what, size_t n_quantities,
                         tt_draws *draws, tt_error *err);
/* Makes the next draw; false behind the last. */
bool tt_draws_next(tt_draws *draws);
/* A quantity's value in the present draw. */
void tt_draws_put(tt_draws *draws, size_t quantity, double value);
/* The 2.5th and 97.5th percentile over all draws. */
tt_interval tt_draws_interval(tt_draws *draws, size_t quantity);
void tt_draws_end(tt_draws *draws);

#endif
