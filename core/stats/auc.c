/* Area under the ROC curve: Mann–Whitney with ties at one half, DeLong's variance in O(n log n) by mid-ranks
 * (Sun and Xu, IEEE Signal Processing Letters 21, 2014), and the paired comparison of two scores. */
#include "base/mem.h"
#include "stats/cross.h"
#include "stats/order.h"

#include <math.h>
#include <stdlib.h>

static const double z95 = 1.9599639845400545;

/* Of a tie with members m and non-members k below..., the placement of each member is (non-members strictly
 * below + half of those tied) / non-members; DeLong's variance is var(placements)/count of each class. */
static void delong_of(const tt_order *o, tt_auc *out)
{
    double m = (double)o->members, n = (double)o->nonmembers;
    double nonmembers_below = n, members_above = 0, sum = 0;
    for (size_t i = 0; i < o->n; i++) {
        const tt_tie *t = &o->ties[i];
        nonmembers_below -= (double)t->nonmembers;
        sum += (double)t->members * (nonmembers_below + 0.5 * (double)t->nonmembers);
    }
    out->auc = sum / (m * n);
    double var_m = 0, var_n = 0;
    nonmembers_below = n;
    for (size_t i = 0; i < o->n; i++) {
        const tt_tie *t = &o->ties[i];
        nonmembers_below -= (double)t->nonmembers;
        double v10 = (nonmembers_below + 0.5 * (double)t->nonmembers) / n - out->auc;
        double v01 = (members_above + 0.5 * (double)t->members) / m - out->auc;
        var_m += (double)t->members * v10 * v10;
        var_n += (double)t->nonmembers * v01 * v01;
        members_above += (double)t->members;
    }
    out->variance = (m > 1 ? var_m / (m - 1) / m : 0) + (n > 1 ? var_n / (n - 1) / n : 0);
}

static double clamp01(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static void intervals(double members, double nonmembers, tt_auc *out)
{
    double sd = sqrt(out->variance);
    out->plain = (tt_interval){clamp01(out->auc - z95 * sd), clamp01(out->auc + z95 * sd)};
    out->degenerate = out->auc <= 0 || out->auc >= 1;
    if (out->degenerate) {
        /* nothing varies: a one-sided bound by the rule of three on the smaller class */
        double smaller = members < nonmembers ? members : nonmembers;
        double bound = smaller > 3 ? 3 / smaller : 1;
        out->logit = out->auc >= 1 ? (tt_interval){1 - bound, 1} : (tt_interval){0, bound};
        out->plain = out->logit;
        return;
    }
    double logit = log(out->auc / (1 - out->auc)), half = z95 * sd / (out->auc * (1 - out->auc));
    out->logit = (tt_interval){1 / (1 + exp(half - logit)), 1 / (1 + exp(-half - logit))};
}

void tt_auc_intervals(size_t n, const uint8_t *member, tt_auc *auc)
{
    double members = 0;
    for (size_t i = 0; i < n; i++)
        members += member[i];
    intervals(members, (double)n - members, auc);
}

tt_status tt_auc_compute(size_t n, const double *scores, const uint8_t *member, tt_auc *out, tt_error *err)
{
    tt_order order;
    tt_status s = tt_order_make(n, scores, member, &order, err);
    if (s) return s;
    *out = (tt_auc){0};
    delong_of(&order, out);
    intervals((double)order.members, (double)order.nonmembers, out);
    tt_order_free(&order);
    return TT_OK;
}

tt_status tt_roc_compute(size_t n, const double *scores, const uint8_t *member, tt_roc_point **points,
                         size_t *n_points, tt_error *err)
{
    tt_order o;
    tt_status s = tt_order_make(n, scores, member, &o, err);
    if (s) return s;
    tt_roc_point *p = tt_alloc_array(o.n + 1, sizeof *p);
    if (!p) {
        tt_order_free(&o);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for the ROC of %zu scores", n);
    }
    p[0] = (tt_roc_point){INFINITY, 0, 0};
    uint64_t fp = 0, tp = 0;
    for (size_t i = 0; i < o.n; i++) {
        fp += o.ties[i].nonmembers;
        tp += o.ties[i].members;
        p[i + 1] = (tt_roc_point){o.ties[i].score, (double)fp / (double)o.nonmembers,
                                  (double)tp / (double)o.members};
    }
    *points = p;
    *n_points = o.n + 1;
    tt_order_free(&o);
    return TT_OK;
}

/* ---- paired comparison ---- */

typedef struct ranked {
    double score;
    size_t index;
} ranked;

static int rising(const void *a, const void *b)
{
    double x = ((const ranked *)a)->score, y = ((const ranked *)b)->score;
    return x < y ? -1 : x > y;
}

/* placement[i] of sample i among the other class: the share below it (members) or above it (non-members),
 * ties half */
static tt_status placements(size_t n, const double *scores, const uint8_t *member, double *placement,
                            tt_error *err)
{
    ranked *r = tt_alloc_array(n, sizeof *r);
    if (!r) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    double total[2] = {0, 0}, below[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        r[i] = (ranked){scores[i], i};
        total[member[i]]++;
    }
    qsort(r, n, sizeof *r, rising);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        double tied[2] = {0, 0};
        while (end < n && r[end].score == r[i].score)
            tied[member[r[end++].index]]++;
        for (size_t k = i; k < end; k++) {
            size_t at = r[k].index;
            if (member[at])
                placement[at] = (below[0] + 0.5 * tied[0]) / total[0];
            else
                placement[at] = (total[1] - below[1] - 0.5 * tied[1]) / total[1];
        }
        below[0] += tied[0];
        below[1] += tied[1];
        i = end;
    }
    tt_free(r);
    return TT_OK;
}

tt_status tt_delong_compare(size_t n, const double *a, const double *b, const uint8_t *member,
                            tt_delong_paired *out, tt_error *err)
{
    tt_auc auc_a, auc_b;
    tt_status s = tt_auc_compute(n, a, member, &auc_a, err);
    if (!s) s = tt_auc_compute(n, b, member, &auc_b, err);
    if (s) return s;
    double *va = tt_alloc_array(n, sizeof *va), *vb = tt_alloc_array(n, sizeof *vb);
    if (!va || !vb) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    if (!s) s = placements(n, a, member, va, err);
    if (!s) s = placements(n, b, member, vb, err);
    if (!s) {
        double difference = auc_a.auc - auc_b.auc, sum[2] = {0, 0}, count[2] = {0, 0};
        for (size_t i = 0; i < n; i++) {
            double d = va[i] - vb[i] - difference;
            sum[member[i]] += d * d;
            count[member[i]]++;
        }
        double variance = 0;
        for (int c = 0; c < 2; c++)
            if (count[c] > 1) variance += sum[c] / (count[c] - 1) / count[c];
        double sd = sqrt(variance);
        *out = (tt_delong_paired){.auc_a = auc_a.auc, .auc_b = auc_b.auc, .difference = difference};
        out->z = sd > 0 ? difference / sd : difference == 0 ? 0 : copysign(INFINITY, difference);
        out->p = erfc(fabs(out->z) / sqrt(2.0));
        out->interval = (tt_interval){difference - z95 * sd, difference + z95 * sd};
    }
    tt_free(va);
    tt_free(vb);
    return s;
}
