/* The AUC's bootstrap interval, and the partial AUC. */
#include "stats/draws.h"

#include <math.h>

/* Area under the ROC from FPR 0 to f, in units of 1, points joined by straight lines. f = 1: Mann–Whitney
 * with ties at one half. drawn NULL: the ties' own counts. */
static double area_to(const tt_order *o, const uint32_t *drawn, double f)
{
    double members = (double)o->members, limit = f * (double)o->nonmembers, tp = 0, fp = 0, area = 0;
    for (size_t i = 0; i < o->n && fp < limit; i++) {
        double t = drawn ? (double)drawn[2 * i + 1] : (double)o->ties[i].members;
        double n = drawn ? (double)drawn[2 * i] : (double)o->ties[i].nonmembers;
        double part = fp + n > limit ? (limit - fp) / n : 1;
        area += part * n * (tp + 0.5 * part * t);
        tp += t;
        fp += n;
    }
    return area / (members * (double)o->nonmembers);
}

tt_status tt_auc_bootstrap(size_t n, const double *scores, const uint8_t *member, uint64_t seed,
                           tt_interval *out, tt_error *err)
{
    tt_order o;
    tt_draws draws;
    tt_status s = tt_order_make(n, scores, member, &o, err);
    if (s) return s;
    s = tt_draws_begin(&o, seed, "auc", 1, &draws, err);
    if (!s) {
        while (tt_draws_next(&draws))
            tt_draws_put(&draws, 0, area_to(&o, draws.drawn, 1));
        *out = tt_draws_interval(&draws, 0);
        tt_draws_end(&draws);
    }
    tt_order_free(&o);
    return s;
}

/* McClish, Medical Decision Making 9, 1989: chance is ½, a perfect score 1. */
static double standardise(double area, double f)
{
    double chance = f * f / 2;
    return 0.5 * (1 + (area - chance) / (f - chance));
}

tt_status tt_partial_auc_compute(size_t n, const double *scores, const uint8_t *member, double fpr_max,
                                 uint64_t seed, tt_partial_auc *out, tt_error *err)
{
    if (!(fpr_max > 0 && fpr_max <= 1))
        return tt_fail(err, TT_ERR_INVALID, "a partial AUC up to an FPR of %g: must be in (0, 1]", fpr_max);
    tt_order o;
    tt_draws draws;
    tt_status s = tt_order_make(n, scores, member, &o, err);
    if (s) return s;
    *out = (tt_partial_auc){
        .fpr_max = fpr_max, .area = NAN, .standardised = NAN, .interval = (tt_interval){NAN, NAN}};
    out->resolvable = (double)o.nonmembers * fpr_max >= 1 - 1e-9;
    if (out->resolvable) s = tt_draws_begin(&o, seed, "partial auc", 1, &draws, err);
    if (out->resolvable && !s) {
        out->area = area_to(&o, NULL, fpr_max);
        out->standardised = standardise(out->area, fpr_max);
        while (tt_draws_next(&draws))
            tt_draws_put(&draws, 0, standardise(area_to(&o, draws.drawn, fpr_max), fpr_max));
        out->interval = tt_draws_interval(&draws, 0);
        tt_draws_end(&draws);
    }
    tt_order_free(&o);
    return s;
}
