/* The statistics behind the table: computed with the results, shown by `telltale report --details`. */
#include "experiment/results.h"

#include <math.h>
#include <string.h>

static const double partial_fprs[TT_PARTIAL_AUCS] = {0.1, 0.01};
static const double odds[TT_PRECISIONS] = {1, 10, 100};
static const size_t set_sizes[TT_SET_SIZES] = {5, 10, 20, 50, 100, 200};

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

static tt_status infer_sets(const tt_result_scores *r, uint64_t seed, tt_inference *out, tt_error *err)
{
    size_t members = r->evaluation.members, nonmembers = r->evaluation.nonmembers, at[2] = {0, 0};
    out->has_set = members > 1 && nonmembers > 1;
    if (!out->has_set) {
        for (size_t k = 0; k < TT_SET_SIZES; k++)
            out->power[k] = (tt_set_power){set_sizes[k], NAN, NAN, NAN, NAN};
        return TT_OK;
    }
    double *of[2] = {tt_alloc_array(nonmembers, sizeof(double)), tt_alloc_array(members, sizeof(double))};
    tt_status s = of[0] && of[1] ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %zu scores", r->n);
    for (size_t i = 0; i < r->n && !s; i++)
        of[r->member[i]][at[r->member[i]]++] = r->scores[i];
    if (!s) s = tt_set_test_compute(members, of[1], nonmembers, of[0], &out->set, err);
    if (!s)
        s = tt_set_power_compute(r->n, r->scores, r->member, set_sizes, TT_SET_SIZES, 0.05, seed, out->power,
                                 err);
    tt_free(of[0]);
    tt_free(of[1]);
    return s;
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
    if (!s) s = infer_sets(r, seed, out, err);
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

/* The smallest set that is found in at least four of five draws; 0: none of those tried. */
static size_t size_for(const tt_inference *f)
{
    for (size_t k = 0; k < TT_SET_SIZES; k++)
        if (f->power[k].welch >= 0.8) return f->power[k].size;
    return 0;
}

static void set_lines(const tt_inference *f, tt_buf *out)
{
    if (!f->has_set) return;
    tt_buf_printf(out, "    was this set used? p %.2g (Welch), %.2g (Mann-Whitney), one-sided\n",
                  f->set.welch_p, f->set.mann_whitney_p);
    tt_buf_printf(out, "    power at 5 %%, Welch (false alarms):");
    for (size_t k = 0; k < TT_SET_SIZES; k++) {
        const tt_set_power *p = &f->power[k];
        if (isnan(p->welch)) continue;
        tt_buf_printf(out, " %zu images %.2f", p->size, p->welch);
        if (!isnan(p->false_welch)) tt_buf_printf(out, " (%.2f)", p->false_welch);
    }
    size_t enough = size_for(f);
    if (enough)
        tt_buf_printf(out, "; %zu are enough for 0.8\n", enough);
    else
        tt_buf_printf(out, "\n");
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
    set_lines(f, out);
    tt_buf_printf(out, "    as papers' scripts take them:");
    for (size_t k = 0; k < f->n_variants && k < known; k++)
        tt_buf_printf(out, "%s %s %.3f", k ? ";" : "", variants[k].label, f->variants[k]);
    tt_buf_printf(out, "\n");
}

/* One block for each judged model, in the order of the scores. */
bool tt_results_details(const tt_results *r, tt_buf *out)
{
    for (size_t i = 0; i < r->n_scores; i++) {
        const char *role = r->scores[i].role;
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(r->scores[k].role, role) == 0;
        if (seen) continue;
        tt_buf_printf(out, "%s%s, in detail\n", i ? "\n" : "", role);
        for (size_t k = i; k < r->n_scores; k++)
            if (strcmp(r->scores[k].role, role) == 0 && r->scores[k].has_inference)
                details_of(&r->scores[k], out);
    }
    return !out->failed;
}
