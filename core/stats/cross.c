/* AUC of cross-validated scores, and what an attack gains over them.
 *
 * Scores of different folds come from different fits; pooling them mixes their scales and biases the area. So
 * the area is taken within each fold and averaged, A = (1/K) Σ_k A_k. DeLong's variance is that of a sum of
 * placements: sample i of class c in fold k adds (V_i − A_k)/(K n_ck), V_i the share of the fold's other
 * class that it beats. With one fold this is DeLong's. The fits share training rows; that dependence has no
 * unbiased estimate (Bengio and Grandvalet 2004) and is left out. */
#include "base/mem.h"
#include "stats/cross.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double z95 = 1.9599639845400545;

typedef struct ranked {
    double score;
    uint32_t fold;
    size_t index;
} ranked;

static int by_fold(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->fold != y->fold) return x->fold < y->fold ? -1 : 1;
    return (x->score > y->score) - (x->score < y->score);
}

/* One fold: placements of r[0..n) less the fold's area, over K n_c; and n_c/(n_c − 1). */
static tt_status place_fold(const ranked *r, size_t n, const uint8_t *member, double folds, double *part,
                            double *unbias, double *area, tt_error *err)
{
    double total[2] = {0, 0}, below[2] = {0, 0}, sum = 0;
    for (size_t i = 0; i < n; i++)
        total[member[r[i].index]]++;
    if (total[0] < 2 || total[1] < 2)
        return tt_fail(err, TT_ERR_INVALID,
                       "fold %u has %.0f members and %.0f non-members: 2 of each are needed", r[0].fold,
                       total[1], total[0]);
    for (size_t i = 0; i < n;) {
        size_t end = i;
        double tied[2] = {0, 0};
        while (end < n && r[end].score == r[i].score)
            tied[member[r[end++].index]]++;
        for (size_t k = i; k < end; k++) {
            size_t at = r[k].index;
            part[at] = member[at] ? (below[0] + 0.5 * tied[0]) / total[0]
                                  : (total[1] - below[1] - 0.5 * tied[1]) / total[1];
            if (member[at]) sum += part[at];
        }
        below[0] += tied[0];
        below[1] += tied[1];
        i = end;
    }
    *area = sum / total[1];
    for (size_t i = 0; i < n; i++) {
        size_t at = r[i].index;
        double in_class = total[member[at]];
        part[at] = (part[at] - *area) / (folds * in_class);
        unbias[at] = in_class / (in_class - 1);
    }
    return TT_OK;
}

static tt_status influences(size_t n, const double *scores, const uint8_t *member, const uint32_t *fold,
                            double *part, double *unbias, double *auc, tt_error *err)
{
    ranked *r = tt_alloc_array(n, sizeof *r);
    if (!r) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    tt_status s = TT_OK;
    for (size_t i = 0; i < n && !s; i++) {
        if (!isfinite(scores[i]) || member[i] > 1)
            s = tt_fail(err, TT_ERR_INVALID, "score or label %zu is not usable", i);
        r[i] = (ranked){scores[i], fold ? fold[i] : 0, i};
    }
    if (!s && n == 0) s = tt_fail(err, TT_ERR_INVALID, "no scores");
    double folds = 1, sum = 0;
    if (!s) qsort(r, n, sizeof *r, by_fold);
    for (size_t i = 1; i < n && !s; i++)
        folds += r[i].fold != r[i - 1].fold;
    for (size_t i = 0, end; i < n && !s; i = end) {
        double area = 0;
        end = i;
        while (end < n && r[end].fold == r[i].fold)
            end++;
        s = place_fold(r + i, end - i, member, folds, part, unbias, &area, err);
        sum += area / folds;
    }
    *auc = sum;
    tt_free(r);
    return s;
}

tt_status tt_auc_folds(size_t n, const double *scores, const uint8_t *member, const uint32_t *fold,
                       tt_auc *out, tt_error *err)
{
    double *part = tt_alloc_array(n, sizeof *part), *unbias = tt_alloc_array(n, sizeof *unbias);
    *out = (tt_auc){0};
    tt_status s = part && unbias ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    if (!s) s = influences(n, scores, member, fold, part, unbias, &out->auc, err);
    for (size_t i = 0; i < n && !s; i++)
        out->variance += part[i] * part[i] * unbias[i];
    tt_free(part);
    tt_free(unbias);
    if (!s) tt_auc_intervals(n, member, out);
    return s;
}

tt_status tt_gain_over_folds(size_t n, const double *a, const double *b, const uint8_t *member,
                             const uint32_t *fold, tt_delong_paired *out, tt_error *err)
{
    double *pa = tt_alloc_array(n, 2 * sizeof *pa), *pb = tt_alloc_array(n, 2 * sizeof *pb);
    *out = (tt_delong_paired){0};
    tt_status s = pa && pb ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", n);
    if (!s) s = influences(n, a, member, NULL, pa, pa + n, &out->auc_a, err);
    if (!s) s = influences(n, b, member, fold, pb, pb + n, &out->auc_b, err);
    double variance = 0;
    for (size_t i = 0; i < n && !s; i++)
        variance += (pa[i] - pb[i]) * (pa[i] - pb[i]) * pb[n + i];
    tt_free(pa);
    tt_free(pb);
    if (s) return s;
    double d = out->difference = out->auc_a - out->auc_b, sd = sqrt(variance);
    out->z = sd > 0 ? d / sd : d == 0 ? 0 : copysign(INFINITY, d);
    out->p = erfc(fabs(out->z) / sqrt(2.0));
    out->interval = (tt_interval){d - z95 * sd, d + z95 * sd};
    return TT_OK;
}
