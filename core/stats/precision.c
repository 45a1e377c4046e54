#include "stats/stats.h"

#include <math.h>

static double precision_of(double tpr, double fpr, double odds)
{
    return tpr == 0 && fpr == 0 ? NAN : tpr / (tpr + odds * fpr);
}

tt_status tt_precision_at(size_t n, const double *scores, const uint8_t *member, double threshold,
                          double odds, tt_precision *out, tt_error *err)
{
    if (!(odds > 0) || isinf(odds))
        return tt_fail(err, TT_ERR_INVALID, "odds of %g non-members to a member: must be above 0", odds);
    uint64_t above[2] = {0, 0}, total[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]) || member[i] > 1)
            return tt_fail(err, TT_ERR_INVALID, "score or label %zu is not usable", i);
        total[member[i]]++;
        above[member[i]] += scores[i] >= threshold;
    }
    if (total[0] == 0 || total[1] == 0)
        return tt_fail(err, TT_ERR_INVALID, "%llu members and %llu non-members: both are needed",
                       (unsigned long long)total[1], (unsigned long long)total[0]);
    tt_interval tpr = tt_clopper_pearson(above[1], total[1], 0.975),
                fpr = tt_clopper_pearson(above[0], total[0], 0.975);
    *out = (tt_precision){.odds = odds,
                          .precision = precision_of((double)above[1] / (double)total[1],
                                                    (double)above[0] / (double)total[0], odds)};
    out->interval.low = tpr.low == 0 ? 0 : precision_of(tpr.low, fpr.high, odds);
    out->interval.high = precision_of(tpr.high, fpr.low, odds);
    return TT_OK;
}
