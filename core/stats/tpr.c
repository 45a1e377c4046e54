/* TPR at a given FPR, never interpolated; accuracy at thresholds; the CLiD scripts' variants. */
#include "stats/draws.h"

#include <math.h>

/* The last tie (walking down from the highest score) up to which false positives do not exceed the target;
 * *tp, *fp counts there. Returns how many ties are above the threshold. drawn NULL: the ties' own counts;
 * else how often each was drawn, [2·tie + class]. */
static size_t walk(const tt_order *o, const uint32_t *drawn, double target, uint64_t *tp, uint64_t *fp)
{
    /* the largest count k with k/n ≤ target, robust to the rounding of target·n */
    uint64_t allowed = (uint64_t)floor(target * (double)o->nonmembers + 1e-9);
    uint64_t t = 0, f = 0;
    size_t taken = 0;
    *tp = *fp = 0;
    for (size_t i = 0; i < o->n; i++) {
        t += drawn ? drawn[2 * i + 1] : o->ties[i].members;
        f += drawn ? drawn[2 * i] : o->ties[i].nonmembers;
        if (f > allowed) break;
        *tp = t;
        *fp = f;
        taken = i + 1;
    }
    return taken;
}

/* Two-class bootstrap: each draw takes both classes anew and finds each target's threshold anew. */
static tt_status bootstrap(const tt_order *o, uint64_t seed, tt_tpr *out, size_t n_targets, tt_error *err)
{
    tt_draws draws;
    tt_status s = tt_draws_begin(o, seed, "tpr at fpr", n_targets, &draws, err);
    if (s) return s;
    while (tt_draws_next(&draws))
        for (size_t k = 0; k < n_targets; k++) {
            uint64_t tp, fp;
            walk(o, draws.drawn, out[k].fpr_target, &tp, &fp);
            tt_draws_put(&draws, k, (double)tp / (double)o->members);
        }
    for (size_t k = 0; k < n_targets; k++)
        if (out[k].resolvable) out[k].bootstrap = tt_draws_interval(&draws, k);
    tt_draws_end(&draws);
    return TT_OK;
}

bool tt_tpr_resolvable(size_t nonmembers, double fpr_target)
{
    return (double)nonmembers * fpr_target >= 1 - 1e-9;
}

static void point(const tt_order *o, double target, tt_tpr *out)
{
    *out = (tt_tpr){.fpr_target = target, .tpr = NAN, .fpr = NAN, .threshold = NAN};
    out->interval = out->bootstrap = (tt_interval){NAN, NAN};
    out->resolvable = tt_tpr_resolvable(o->nonmembers, target);
    if (!out->resolvable) return;
    uint64_t tp, fp;
    size_t taken = walk(o, NULL, target, &tp, &fp);
    out->tpr = (double)tp / (double)o->members;
    out->fpr = (double)fp / (double)o->nonmembers;
    out->threshold = taken ? o->ties[taken - 1].score : INFINITY;
    out->interval = tt_clopper_pearson(tp, o->members, 0.95);
}

/* seed NULL: without the bootstrap. */
static tt_status all_points(size_t n, const double *scores, const uint8_t *member, const double *fpr_targets,
                            size_t n_targets, const uint64_t *seed, tt_tpr *out, tt_error *err)
{
    bool any = false;
    for (size_t k = 0; k < n_targets; k++)
        if (!(fpr_targets[k] > 0 && fpr_targets[k] < 1))
            return tt_fail(err, TT_ERR_INVALID, "an FPR of %g: must be in (0, 1)", fpr_targets[k]);
    tt_order o;
    tt_status s = tt_order_make(n, scores, member, &o, err);
    if (s) return s;
    for (size_t k = 0; k < n_targets; k++) {
        point(&o, fpr_targets[k], &out[k]);
        any = any || out[k].resolvable;
    }
    if (any && seed) s = bootstrap(&o, *seed, out, n_targets, err);
    tt_order_free(&o);
    return s;
}

tt_status tt_tprs_at_fprs(size_t n, const double *scores, const uint8_t *member, const double *fpr_targets,
                          size_t n_targets, uint64_t seed, tt_tpr *out, tt_error *err)
{
    return all_points(n, scores, member, fpr_targets, n_targets, &seed, out, err);
}

tt_status tt_tprs_at_fprs_analytic(size_t n, const double *scores, const uint8_t *member,
                                   const double *fpr_targets, size_t n_targets, tt_tpr *out, tt_error *err)
{
    return all_points(n, scores, member, fpr_targets, n_targets, NULL, out, err);
}

tt_status tt_tpr_at_fpr(size_t n, const double *scores, const uint8_t *member, double target, uint64_t seed,
                        tt_tpr *out, tt_error *err)
{
    return tt_tprs_at_fprs(n, scores, member, &target, 1, seed, out, err);
}

double tt_tpr_clid_compat(size_t n, const double *scores, const uint8_t *member, double target)
{
    tt_order o;
    if (tt_order_make(n, scores, member, &o, NULL) != TT_OK) return NAN;
    /* non-members are "positive" and score high when our score is low: walk upwards from the lowest */
    uint64_t positives = 0, negatives = 0;
    for (size_t i = o.n; i-- > 0;) {
        positives += o.ties[i].nonmembers;
        negatives += o.ties[i].members;
        if ((double)negatives >= target * (double)o.members - 1e-9) break;
    }
    double tpr = (double)positives / (double)o.nonmembers;
    tt_order_free(&o);
    return tpr;
}

tt_status tt_accuracy_at(size_t n, const double *scores, const uint8_t *member, double threshold,
                         tt_accuracy *out, tt_error *err)
{
    uint64_t right[2] = {0, 0}, total[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]) || member[i] > 1)
            return tt_fail(err, TT_ERR_INVALID, "score or label %zu is not usable", i);
        total[member[i]]++;
        right[member[i]] += (scores[i] >= threshold) == (member[i] == 1);
    }
    if (total[0] == 0 || total[1] == 0)
        return tt_fail(err, TT_ERR_INVALID, "%llu members and %llu non-members: both are needed",
                       (unsigned long long)total[1], (unsigned long long)total[0]);
    out->threshold = threshold;
    out->accuracy = (double)(right[0] + right[1]) / (double)n;
    out->balanced = 0.5 * ((double)right[0] / (double)total[0] + (double)right[1] / (double)total[1]);
    out->interval = tt_clopper_pearson(right[0] + right[1], n, 0.95);
    return TT_OK;
}

tt_status tt_best_accuracy(size_t n, const double *scores, const uint8_t *member, tt_accuracy *out,
                           tt_error *err)
{
    tt_order o;
    tt_status s = tt_order_make(n, scores, member, &o, err);
    if (s) return s;
    /* threshold above everything: all non-members are right */
    uint64_t right = o.nonmembers, best = right;
    double threshold = INFINITY;
    for (size_t i = 0; i < o.n; i++) {
        right += o.ties[i].members;
        right -= o.ties[i].nonmembers;
        if (right > best) {
            best = right;
            threshold = o.ties[i].score;
        }
    }
    tt_order_free(&o);
    return tt_accuracy_at(n, scores, member, threshold, out, err);
}
