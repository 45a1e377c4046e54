/* Metrics as papers' own scripts take them (grey-box specification 4.1 to 4.3; black-box specification 2.5).
 */
#include "stats/order.h"

#include <math.h>

static const tt_stat_variant variants[] = {
    {"tpr1_clid", "TPR@1%FPR, CLiD's",
     "classes swapped: share of non-members below the ceil(n/100)-th largest member score",
     "CLiD scripts (NeurIPS 2024)"},
    {"tpr1_nearest", "TPR@1%FPR, nearest",
     "TPR at the ROC point that minimises |FPR - 0.01|, the strictest of several",
     "SecMI, PFAMI, GSA, ReDiffuse scripts"},
    {"tpr1_last_below", "TPR@1%FPR, last below", "TPR at the last ROC point with FPR < 0.01", "PIA scripts"},
    {"tpr1_first_above", "TPR@1%FPR, first above", "TPR at the first ROC point with FPR >= 0.01",
     "CDI scripts"},
    {"asr_max", "ASR, best on test", "max over thresholds of (TPR + 1 - FPR)/2", "SecMI, PIA scripts; SimA"},
    {"asr_grid2000", "ASR, best on a grid", "max over 2,000 thresholds of the accuracy on the test set",
     "CLiD scripts (NeurIPS 2024)"},
    {"auc_grid2000", "AUC on a grid", "trapezoids over 2,000 thresholds, without the end points",
     "CLiD scripts (NeurIPS 2024)"},
    {"asr_equal_error", "ASR, equal error", "TPR at the ROC point that minimises |TPR - (1 - FPR)|",
     "PFAMI scripts"},
    {"accuracy_youden", "accuracy, Youden on test",
     "accuracy at the threshold that maximises TPR - FPR on the test set",
     "face-image study, confusion matrices"},
};

size_t tt_stat_variants(const tt_stat_variant **out)
{
    *out = variants;
    return sizeof variants / sizeof *variants;
}

typedef struct point {
    double fpr, tpr;
} point;

typedef struct picks { /* found on one walk from the strictest threshold, which takes nothing */
    double nearest, last_below, first_above, asr_max, equal_error, youden_accuracy;
} picks;

static void take(picks *p, const tt_order *o, point at, double best[3])
{
    double distance = fabs(at.fpr - 0.01), balance = fabs(at.tpr - (1 - at.fpr)), youden = at.tpr - at.fpr;
    if (distance < best[0]) best[0] = distance, p->nearest = at.tpr;
    if (at.fpr < 0.01 - 1e-12) p->last_below = at.tpr;
    if (at.fpr >= 0.01 - 1e-12 && isnan(p->first_above)) p->first_above = at.tpr;
    if (balance < best[1]) best[1] = balance, p->equal_error = at.tpr;
    if (youden > best[2]) {
        best[2] = youden;
        p->asr_max = (at.tpr + 1 - at.fpr) / 2;
        p->youden_accuracy = (at.tpr * (double)o->members + (1 - at.fpr) * (double)o->nonmembers) /
                             (double)(o->members + o->nonmembers);
    }
}

static picks walk(const tt_order *o)
{
    picks p = {.nearest = NAN, .last_below = NAN, .first_above = NAN};
    double best[3] = {INFINITY, INFINITY, -INFINITY};
    uint64_t tp = 0, fp = 0;
    take(&p, o, (point){0, 0}, best);
    for (size_t i = 0; i < o->n; i++) {
        tp += o->ties[i].members;
        fp += o->ties[i].nonmembers;
        take(&p, o, (point){(double)fp / (double)o->nonmembers, (double)tp / (double)o->members}, best);
    }
    return p;
}

tt_status tt_stat_variants_compute(size_t n, const double *scores, const uint8_t *member, double *values,
                                   tt_error *err)
{
    tt_order o;
    tt_status s = tt_order_make(n, scores, member, &o, err);
    if (s) return s;
    picks p = walk(&o);
    tt_order_free(&o);
    double threshold;
    values[0] = tt_tpr_clid_compat(n, scores, member, 0.01);
    values[1] = p.nearest;
    values[2] = p.last_below;
    values[3] = p.first_above;
    values[4] = p.asr_max;
    values[5] = tt_grid_best_accuracy(n, scores, member, false, &threshold);
    values[6] = tt_grid_auc(n, scores, member, false);
    values[7] = p.equal_error;
    values[8] = p.youden_accuracy;
    return TT_OK;
}
