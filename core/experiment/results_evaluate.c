/* Metrics of a run's scores. */
#include "base/mem.h"
#include "experiment/results.h"
#include "stats/cross.h"

#include <string.h>

bool tt_result_too_few(const tt_result_scores *r)
{
    size_t classes[2] = {0, 0};
    for (size_t i = 0; i < r->n_calibration; i++)
        classes[r->calibration_member[i] != 0]++;
    return r->n_calibration && (classes[0] < TT_CALIBRATION_LEAST || classes[1] < TT_CALIBRATION_LEAST);
}

tt_status tt_result_evaluate(tt_result_scores *r, uint64_t seed, tt_error *err)
{
    tt_status s = tt_evaluate_more(r->n, r->scores, r->member, seed, r->fprs, r->n_fprs, &r->evaluation, err);
    if (!s && r->n_folds) s = tt_auc_folds(r->n, r->scores, r->member, r->fold, &r->evaluation.auc, err);
    if (!s) s = tt_roc_compute(r->n, r->scores, r->member, &r->roc, &r->n_roc, err);
    if (s) return s;
    r->tpr_clid_compat = tt_tpr_clid_compat(r->n, r->scores, r->member, 0.01);
    if (r->n_calibration == 0 || tt_result_too_few(r)) return tt_result_infer(r, seed, err);
    tt_accuracy fitted;
    s = tt_best_accuracy(r->n_calibration, r->calibration_scores, r->calibration_member, &fitted, err);
    if (s) return tt_fail_in(err, "calibration");
    r->has_threshold = true;
    r->threshold = fitted.threshold;
    s = tt_accuracy_at(r->n, r->scores, r->member, r->threshold, &r->asr, err);
    if (!s)
        s = tt_accuracy_refitted(r->n_calibration, r->calibration_scores, r->calibration_member, r->n,
                                 r->scores, r->member, seed, &r->asr_fitted, err);
    return s ? s : tt_result_infer(r, seed, err);
}

/* The same samples in the same order? Measuring order is the same for all attacks of a model. */
static bool comparable(const tt_result_scores *a, const tt_result_scores *b)
{
    return !a->failure && !b->failure && strcmp(a->role, b->role) == 0 && a->n == b->n &&
           memcmp(a->sample, b->sample, a->n * sizeof *a->sample) == 0;
}

/* Holm, over the comparisons of each role. */
static tt_status adjust(tt_results *r, tt_error *err)
{
    double *p = tt_alloc_array(r->n_comparisons + 1, sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "out of memory for comparisons");
    for (size_t i = 0; i < r->n_comparisons; i++) {
        const char *role = r->comparisons[i].role;
        size_t first = 0, n = 0;
        while (strcmp(r->comparisons[first].role, role) != 0)
            first++;
        if (first < i) continue; /* this role is done */
        for (size_t k = i; k < r->n_comparisons; k++)
            if (strcmp(r->comparisons[k].role, role) == 0) p[n++] = r->comparisons[k].delong.p;
        tt_holm(n, p, p);
        n = 0;
        for (size_t k = i; k < r->n_comparisons; k++)
            if (strcmp(r->comparisons[k].role, role) == 0) r->comparisons[k].p_holm = p[n++];
    }
    tt_free(p);
    return TT_OK;
}

tt_status tt_results_compare(tt_results *r, tt_error *err)
{
    tt_free(r->comparisons);
    r->n_comparisons = 0;
    r->comparisons = tt_alloc_array(r->n_scores * r->n_scores, sizeof *r->comparisons);
    if (!r->comparisons) return tt_fail(err, TT_ERR_MEMORY, "out of memory for comparisons");
    for (size_t i = 0; i < r->n_scores; i++)
        for (size_t k = i + 1; k < r->n_scores; k++) {
            const tt_result_scores *a = &r->scores[k], *b = &r->scores[i];
            if (!comparable(a, b)) continue;
            tt_result_comparison *c = &r->comparisons[r->n_comparisons];
            *c = (tt_result_comparison){.attack_a = a->attack, .attack_b = b->attack, .role = a->role};
            tt_status s = tt_delong_compare(a->n, a->scores, b->scores, a->member, &c->delong, err);
            if (s) return tt_fail_in(err, "%s against %s", a->attack, b->attack);
            r->n_comparisons++;
        }
    return adjust(r, err);
}
