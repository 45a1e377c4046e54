/* The table of a run, for programs. */
#include "experiment/results.h"
#include "formats/json.h"

#include <math.h>
#include <string.h>

static void number(tt_buf *out, const char *key, double v)
{
    if (isfinite(v))
        tt_buf_printf(out, ", \"%s\": %.17g", key, v);
    else
        tt_buf_printf(out, ", \"%s\": null", key);
}

static void text(tt_buf *out, const char *key, const char *value)
{
    tt_buf_printf(out, ", \"%s\": ", key);
    tt_json_quote(out, value);
}

static void interval(tt_buf *out, const char *key, tt_interval i)
{
    if (isfinite(i.low) && isfinite(i.high))
        tt_buf_printf(out, ", \"%s\": [%.17g, %.17g]", key, i.low, i.high);
    else
        tt_buf_printf(out, ", \"%s\": null", key);
}

static void tprs(tt_buf *out, const tt_evaluation *e)
{
    tt_buf_printf(out, ", \"tpr_at_fpr\": [");
    for (size_t k = 0; k < e->n_tprs; k++) {
        const tt_tpr *t = &e->tpr[k];
        tt_buf_printf(out, "%s{\"fpr\": %g, \"resolvable\": %s", k ? ", " : "", t->fpr_target,
                      t->resolvable ? "true" : "false");
        number(out, "tpr", t->tpr);
        interval(out, "bootstrap", t->bootstrap);
        interval(out, "clopper_pearson", t->interval);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "]");
}

static void inference(tt_buf *out, const tt_inference *f)
{
    const tt_stat_variant *variants;
    size_t known = tt_stat_variants(&variants);
    interval(out, "auc_bootstrap", f->auc_bootstrap);
    tt_buf_printf(out, ", \"partial_auc\": [");
    for (size_t k = 0; k < TT_PARTIAL_AUCS; k++) {
        tt_buf_printf(out, "%s{\"fpr_max\": %g", k ? ", " : "", f->partial[k].fpr_max);
        number(out, "standardised", f->partial[k].standardised);
        interval(out, "interval", f->partial[k].interval);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "], \"precision\": [");
    for (size_t k = 0; k < TT_PRECISIONS; k++) {
        tt_buf_printf(out, "%s{\"nonmembers_to_a_member\": %g", k ? ", " : "", f->precision[k].odds);
        number(out, "precision", f->precision[k].precision);
        interval(out, "interval", f->precision[k].interval);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "]");
    tt_set_level_json(&f->set, out);
    tt_buf_printf(out, ", \"variants\": {\"as\": \"papers' scripts take them\"");
    for (size_t k = 0; k < f->n_variants && k < known; k++)
        number(out, variants[k].name, f->variants[k]);
    tt_buf_printf(out, "}");
}

static void extreme(tt_buf *out, const char *key, const tt_results *all, const tt_result_scores *r,
                    const uint32_t *rows, size_t n)
{
    tt_buf_printf(out, ", \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        const tt_result_sample *sample = &all->samples[r->sample[rows[i]]];
        tt_buf_printf(out, "%s{\"data\": ", i ? ", " : "");
        tt_json_quote(out, sample->data);
        text(out, "id", sample->id);
        number(out, "score", r->scores[rows[i]]);
        tt_buf_printf(out, ", \"member\": %s}", r->member[rows[i]] ? "true" : "false");
    }
    tt_buf_printf(out, "]");
}

static void extremes(tt_buf *out, const tt_results *all, const tt_result_scores *r, size_t count)
{
    if (count == 0 || !tt_result_has_extremes(r)) return;
    size_t n;
    tt_error err = {0};
    uint32_t *rows = tt_alloc_array(2 * count, sizeof *rows);
    if (rows && tt_result_extremes(r, count, rows, rows + count, &n, &err) == TT_OK) {
        extreme(out, "most_member_like", all, r, rows, n);
        extreme(out, "least_member_like", all, r, rows + count, n);
    } else {
        out->failed = true;
    }
    tt_free(rows);
}

static void scores(tt_buf *out, const tt_results *all, const tt_result_scores *r, const tt_run_info *info,
                   size_t n_extremes)
{
    tt_buf_printf(out, "{\"attack\": ");
    tt_json_quote(out, r->attack);
    text(out, "role", r->role);
    text(out, "plugin", r->plugin);
    text(out, "calibration", r->calibration);
    text(out, "fitted", r->fitted);
    number(out, "predictions_per_sample", r->predictions);
    const tt_run_step *step = tt_run_step_of(info, r->attack, r->role);
    if (step) tt_buf_printf(out, ", \"seconds\": %.3f", step->seconds);
    if (r->failure) {
        text(out, "failure", r->failure);
        tt_buf_printf(out, "}");
        return;
    }
    const tt_evaluation *e = &r->evaluation;
    tt_buf_printf(out, ", \"members\": %zu, \"nonmembers\": %zu", e->members, e->nonmembers);
    number(out, "auc", e->auc.auc);
    interval(out, "auc_logit", e->auc.logit);
    interval(out, "auc_plain", e->auc.plain);
    if (r->has_threshold) {
        number(out, "threshold", r->threshold);
        number(out, "asr", r->asr.accuracy);
        interval(out, "asr_clopper_pearson", r->asr.interval);
        interval(out, "asr_fitted", r->asr_fitted);
    } else if (tt_result_too_few(r)) {
        number(out, "asr", (double)NAN);
    }
    number(out, "best_accuracy_optimistic", e->best.accuracy);
    tprs(out, e);
    number(out, "tpr_at_1_percent_fpr_as_clid_prints_it", r->tpr_clid_compat);
    if (r->has_gain) {
        number(out, "gain_over_blind", r->gain.difference);
        interval(out, "gain_interval", r->gain.interval);
        number(out, "gain_p", r->gain.p);
        number(out, "blind_auc", r->gain.auc_b);
    }
    if (r->has_inference) inference(out, &r->inference);
    extremes(out, all, r, n_extremes);
    tt_buf_printf(out, "}");
}

static void control(tt_buf *out, const tt_result_scores *c)
{
    tt_buf_printf(out, "{\"control\": ");
    tt_json_quote(out, c->control);
    text(out, "of", c->of ? c->of : "");
    text(out, "role", c->role);
    if (c->failure) {
        text(out, "failure", c->failure);
    } else {
        number(out, "auc", c->evaluation.auc.auc);
        interval(out, "auc_logit", c->evaluation.auc.logit);
        if (c->has_threshold) number(out, "asr", c->asr.accuracy);
        text(out, "fitted", c->fitted);
    }
    tt_buf_printf(out, "}");
}

static void near_duplicates(tt_buf *out, const tt_results *r)
{
    const tt_near_duplicates *n = &r->near_duplicates;
    tt_buf_printf(out, ",\n  \"near_duplicates\": ");
    if (n->within == 0) {
        tt_buf_printf(out, "\"not searched\"");
        return;
    }
    tt_buf_printf(out, "{\"within\": %u, \"pairs\": %llu, \"closest\": [", n->within,
                  (unsigned long long)n->n);
    for (size_t i = 0; i < n->n_listed; i++) {
        const tt_result_sample *pair[2] = {&r->samples[n->pairs[i].a], &r->samples[n->pairs[i].b]};
        tt_buf_printf(out, "%s\n    {\"images\": [", i ? "," : "");
        for (int k = 0; k < 2; k++) {
            tt_buf_printf(out, "%s{\"data\": ", k ? ", " : "");
            tt_json_quote(out, pair[k]->data);
            text(out, "id", pair[k]->id);
            tt_buf_printf(out, "}");
        }
        tt_buf_printf(out, "], \"distance\": %u}", n->pairs[i].distance);
    }
    tt_buf_printf(out, "]}");
}

static void comparisons(tt_buf *out, const tt_results *r)
{
    tt_buf_printf(out, ",\n  \"comparisons\": [");
    for (size_t i = 0; i < r->n_comparisons; i++) {
        const tt_result_comparison *c = &r->comparisons[i];
        tt_buf_printf(out, "%s\n    {\"role\": ", i ? "," : "");
        tt_json_quote(out, c->role);
        text(out, "attack_a", c->attack_a);
        text(out, "attack_b", c->attack_b);
        number(out, "difference", c->delong.difference);
        interval(out, "interval", c->delong.interval);
        number(out, "z", c->delong.z);
        number(out, "p", c->delong.p);
        number(out, "p_holm", c->p_holm);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "\n  ]");
}

static void controls(tt_buf *out, const tt_results *r)
{
    tt_buf_printf(out, ",\n  \"controls\": ");
    if (r->controls_off) tt_buf_printf(out, "\"off\"");
    for (size_t i = 0; i < r->n_controls; i++) {
        tt_buf_printf(out, "%s\n    ", i ? "," : "[");
        control(out, &r->controls[i]);
    }
    if (!r->controls_off) tt_buf_printf(out, r->n_controls ? "\n  ]" : "[]");
}

static void warning(tt_buf *out, size_t *told, const char *words)
{
    tt_buf_printf(out, (*told)++ ? ", " : "");
    tt_json_quote(out, words);
}

static void warnings(tt_buf *out, const tt_results *r)
{
    char words[400];
    size_t told = 0;
    tt_buf_printf(out, ",\n  \"warnings\": [");
    for (size_t i = 0; i < r->n_scores; i++)
        if (tt_result_direction(&r->scores[i], words)) warning(out, &told, words);
    for (size_t i = 0; i < r->n_features; i++)
        if (tt_result_bad_samples(&r->features[i], words)) warning(out, &told, words);
    tt_buf_printf(out, "]");
}

bool tt_results_json(const tt_results *r, const char *name, const tt_run_info *info, size_t n_extremes,
                     tt_buf *out)
{
    tt_buf_printf(out, "{\n");
    if (name) {
        tt_buf_printf(out, "  \"run\": ");
        tt_json_quote(out, name);
        tt_buf_printf(out, ",\n");
    }
    tt_buf_printf(out, "  \"scores\": [");
    for (size_t i = 0; i < r->n_scores; i++) {
        tt_buf_printf(out, "%s\n    ", i ? "," : "");
        scores(out, r, &r->scores[i], info, n_extremes);
    }
    tt_buf_printf(out, "\n  ]");
    comparisons(out, r);
    controls(out, r);
    near_duplicates(out, r);
    warnings(out, r);
    char words[96];
    const char *confinement = info ? tt_run_confinement(info, words) : NULL;
    if (confinement) {
        tt_buf_printf(out, ",\n  \"confinement\": ");
        tt_json_quote(out, confinement);
    }
    const char *money = info ? tt_run_money(info, words) : NULL;
    if (money) {
        tt_buf_printf(out, ",\n  \"money\": ");
        tt_json_quote(out, money + strlen("money: "));
    }
    return tt_results_provenance_json(r, info, out) && tt_buf_printf(out, "\n}\n") && !out->failed;
}
