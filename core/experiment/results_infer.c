/* The statistics behind the table: computed with the results, shown by `telltale report --details`. */
#include "experiment/results.h"

#include <math.h>
#include <string.h>

static const double partial_fprs[TT_PARTIAL_AUCS] = {0.1, 0.01};
static const double odds[TT_PRECISIONS] = {1, 10, 100};

static tt_status infer_precision(const tt_result_scores *r, tt_inference *out, tt_error *err)
{
    for (size_t k = 0; k < TT_PRECISIONS; k++) {
        out->precision[k] = (tt_precision){odds[k], NAN, {NAN, NAN}};
        if (!r->has_threshold) continue;
        tt_status s =
            tt_precision_at(r->n, r->scores, r->member, r->threshold, odds[k], &out->precision[k], err);
        if (s) return s;
    }
    return TT_OK;
}

tt_status tt_result_infer(tt_result_scores *r, uint64_t seed, tt_error *err)
{
    tt_inference *out = &r->inference;
    const tt_stat_variant *variants;
    *out = (tt_inference){.n_variants = tt_stat_variants(&variants)};
    tt_status s = tt_auc_bootstrap(r->n, r->scores, r->member, seed, &out->auc_bootstrap, err);
    for (size_t k = 0; k < TT_PARTIAL_AUCS && !s; k++)
        s = tt_partial_auc_compute(r->n, r->scores, r->member, partial_fprs[k], seed, &out->partial[k], err);
    if (!s) s = infer_precision(r, out, err);
    if (!s) s = tt_set_level_compute(r->n, r->scores, r->member, seed, &out->set, err);
    if (!s) s = tt_stat_variants_compute(r->n, r->scores, r->member, out->variants, err);
    r->has_inference = !s;
    return s;
}

/* ---- for people ---- */

static void numbers(tt_buf *out, double value, tt_interval i)
{
    if (isnan(value))
        tt_buf_printf(out, "not resolvable");
    else
        tt_buf_printf(out, "%.3f [%.3f, %.3f]", value, i.low, i.high);
}

static void details_of(const tt_result_scores *r, tt_buf *out)
{
    const tt_inference *f = &r->inference;
    const tt_stat_variant *variants;
    size_t known = tt_stat_variants(&variants);
    tt_buf_printf(out, "  %s\n    AUC, stratified bootstrap [%.3f, %.3f]", r->attack, f->auc_bootstrap.low,
                  f->auc_bootstrap.high);
    for (size_t k = 0; k < TT_PARTIAL_AUCS; k++) {
        tt_buf_printf(out, "; partial AUC to FPR %g %% ", 100 * f->partial[k].fpr_max);
        numbers(out, f->partial[k].standardised, f->partial[k].interval);
    }
    tt_buf_printf(out, "\n");
    if (r->has_threshold) {
        tt_buf_printf(out, "    balanced accuracy %.3f; precision with 1, 10, 100 non-members to a member ",
                      r->asr.balanced);
        for (size_t k = 0; k < TT_PRECISIONS; k++) {
            if (k) tt_buf_printf(out, ", ");
            numbers(out, f->precision[k].precision, f->precision[k].interval);
        }
        tt_buf_printf(out, "\n");
    }
    tt_set_level_text(&f->set, "    ", out);
    tt_buf_printf(out, "    as papers' scripts take them:");
    for (size_t k = 0; k < f->n_variants && k < known; k++)
        tt_buf_printf(out, "%s %s %.3f", k ? ";" : "", variants[k].label, f->variants[k]);
    tt_buf_printf(out, "\n");
}

static void extreme(const tt_results *r, const tt_result_scores *s, const uint32_t *rows, size_t n,
                    const char *which, tt_buf *out)
{
    tt_buf_printf(out, "    the %s member-like:", which);
    for (size_t i = 0; i < n; i++) {
        const tt_result_sample *sample = &r->samples[s->sample[rows[i]]];
        tt_buf_printf(out, "%s %s %s (%.4g, %s)", i ? ";" : "", sample->data, sample->id, s->scores[rows[i]],
                      s->member[rows[i]] ? "member" : "non-member");
    }
    tt_buf_printf(out, "\n");
}

static bool extremes_of(const tt_results *r, const tt_result_scores *s, size_t count, tt_buf *out)
{
    if (count == 0 || !tt_result_has_extremes(s)) return true;
    size_t n;
    tt_error err = {0};
    uint32_t *rows = tt_alloc_array(2 * count, sizeof *rows);
    bool good = rows && tt_result_extremes(s, count, rows, rows + count, &n, &err) == TT_OK;
    if (good) {
        extreme(r, s, rows, n, "most", out);
        extreme(r, s, rows + count, n, "least", out);
    }
    tt_free(rows);
    return good;
}

/* One block for each judged model, in the order of the scores. */
bool tt_results_details(const tt_results *r, size_t extremes, tt_buf *out)
{
    bool good = true;
    for (size_t i = 0; i < r->n_scores; i++) {
        const char *role = r->scores[i].role;
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(r->scores[k].role, role) == 0;
        if (seen) continue;
        tt_buf_printf(out, "%s%s, in detail\n", i ? "\n" : "", role);
        for (size_t k = i; k < r->n_scores; k++)
            if (strcmp(r->scores[k].role, role) == 0 && r->scores[k].has_inference) {
                details_of(&r->scores[k], out);
                good &= extremes_of(r, &r->scores[k], extremes, out);
            }
    }
    return good && !out->failed;
}
