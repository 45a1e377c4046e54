/* The report as CSV: a line a number. */
#include "experiment/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const tt_interval none = {NAN, NAN};

static void csv_text(tt_buf *out, const char *text)
{
    tt_buf_printf(out, "\"");
    for (; *text; text++) {
        if (*text == '"') tt_buf_printf(out, "\"");
        tt_buf_append(out, text, 1);
    }
    tt_buf_printf(out, "\"");
}

typedef struct csv_place {
    tt_buf *out;
    const char *run, *role, *attack;
} csv_place;

static void csv_number(tt_buf *out, double value)
{
    if (!isnan(value)) tt_buf_printf(out, "%.17g", value);
}

static void csv_place_of(const csv_place *at, const char *metric)
{
    csv_text(at->out, at->run);
    tt_buf_printf(at->out, ",%s,%s,%s,", at->role, at->attack, metric);
}

static void csv_line(const csv_place *at, const char *metric, double value, tt_interval i)
{
    csv_place_of(at, metric);
    csv_number(at->out, value);
    tt_buf_printf(at->out, ",");
    csv_number(at->out, i.low);
    tt_buf_printf(at->out, ",");
    csv_number(at->out, i.high);
    tt_buf_printf(at->out, ",\n");
}

/* What is no number, or whose number needs a name. */
static void csv_named(const csv_place *at, const char *metric, double value, const char *text)
{
    csv_place_of(at, metric);
    csv_number(at->out, value);
    tt_buf_printf(at->out, ",,,");
    csv_text(at->out, text);
    tt_buf_printf(at->out, "\n");
}

static void csv_inference(const csv_place *at, const tt_inference *f)
{
    char metric[64];
    for (size_t k = 0; k < TT_PARTIAL_AUCS; k++) {
        snprintf(metric, sizeof metric, "partial_auc_to_%g", f->partial[k].fpr_max);
        csv_line(at, metric, f->partial[k].standardised, f->partial[k].interval);
    }
    for (size_t k = 0; k < TT_PRECISIONS; k++) {
        snprintf(metric, sizeof metric, "precision_1_to_%g", f->precision[k].odds);
        csv_line(at, metric, f->precision[k].precision, f->precision[k].interval);
    }
    csv_line(at, "set_welch_p", f->set.has_test ? f->set.test.welch_p : NAN, none);
    csv_line(at, "set_mann_whitney_p", f->set.has_test ? f->set.test.mann_whitney_p : NAN, none);
    for (size_t k = 0; k < TT_SET_SIZES; k++) {
        snprintf(metric, sizeof metric, "set_power_welch_%zu", f->set.power[k].size);
        csv_line(at, metric, f->set.power[k].welch, none);
    }
    const tt_stat_variant *variants;
    size_t known = tt_stat_variants(&variants);
    for (size_t k = 0; k < known && k < f->n_variants; k++)
        csv_line(at, variants[k].name, f->variants[k], none);
}

static void csv_scores(const csv_place *at, const tt_result_scores *r)
{
    const tt_evaluation *e = &r->evaluation;
    csv_line(at, "members", (double)e->members, none);
    csv_line(at, "nonmembers", (double)e->nonmembers, none);
    csv_line(at, "queries", r->predictions, none);
    csv_line(at, "auc", e->auc.auc, e->auc.logit);
    char warning[400];
    if (tt_result_direction(r, warning)) csv_line(at, "direction_warning", 1, none);
    if (r->has_threshold) {
        csv_line(at, "asr", r->asr.accuracy, r->asr_fitted);
        csv_line(at, "balanced_accuracy", r->asr.balanced, none);
    } else if (tt_result_too_few(r)) {
        csv_line(at, "asr", NAN, none);
    }
    csv_line(at, "best_accuracy_optimistic", e->best.accuracy, e->best.interval);
    for (size_t k = 0; k < e->n_tprs; k++) {
        char metric[64];
        snprintf(metric, sizeof metric, "tpr_at_fpr_%g", e->tpr[k].fpr_target);
        csv_line(at, metric, e->tpr[k].tpr, e->tpr[k].bootstrap);
    }
    if (r->has_gain) {
        csv_line(at, "gain_over_blind", r->gain.difference, r->gain.interval);
        csv_line(at, "gain_p", r->gain.p, none);
    }
    if (r->has_inference) csv_inference(at, &r->inference);
}

static void csv_extremes(const csv_place *at, const tt_results *all, const tt_result_scores *r, size_t count)
{
    if (count == 0 || !tt_result_has_extremes(r)) return;
    size_t n = 0;
    tt_error err = {0};
    uint32_t *rows = tt_alloc_array(2 * count, sizeof *rows);
    at->out->failed |= !rows || tt_result_extremes(r, count, rows, rows + count, &n, &err) != TT_OK;
    for (size_t i = 0; i < 2 * n; i++) {
        uint32_t row = i < n ? rows[i] : rows[count + i - n];
        const tt_result_sample *sample = &all->samples[r->sample[row]];
        char name[600];
        snprintf(name, sizeof name, "%s %s", sample->data, sample->id);
        csv_named(at, i < n ? "most_member_like" : "least_member_like", r->scores[row], name);
    }
    tt_free(rows);
}

static void csv_comparisons(tt_buf *out, const tt_report_run *run)
{
    for (size_t i = 0; i < run->results.n_comparisons; i++) {
        const tt_result_comparison *c = &run->results.comparisons[i];
        csv_place at = {out, run->name, c->role, c->attack_a};
        char metric[160];
        snprintf(metric, sizeof metric, "auc_less_that_of_%s", c->attack_b);
        csv_line(&at, metric, c->delong.difference, c->delong.interval);
        snprintf(metric, sizeof metric, "p_holm_against_%s", c->attack_b);
        csv_line(&at, metric, c->p_holm, none);
    }
}

static void csv_meter(const csv_place *at, const char *how, const tt_meter *m)
{
    uint64_t counts[TT_COUNTS];
    tt_counts_of(m, counts);
    for (size_t k = 0; k < TT_COUNTS; k++) {
        char metric[64];
        snprintf(metric, sizeof metric, "%s_%s", how, tt_count_names[k]);
        csv_line(at, metric, (double)counts[k], none);
    }
}

static void csv_counts(tt_buf *out, const tt_report_run *run)
{
    char warning[400];
    for (size_t i = 0; i < run->results.n_features; i++) {
        const tt_result_features *f = &run->results.features[i];
        const tt_run_step *step = run->has_info ? tt_run_step_of(&run->info, f->attack, f->role) : NULL;
        csv_place at = {out, run->name, f->role, f->attack};
        csv_meter(&at, "asked", &f->attributed);
        if (step) csv_meter(&at, "executed", &step->executed);
        if (tt_result_bad_samples(f, warning)) csv_line(&at, "bad_samples", (double)f->n_bad, none);
    }
}

static void csv_controls(tt_buf *out, const tt_report_run *run)
{
    const tt_results *r = &run->results;
    for (size_t k = 0; k < r->n_controls; k++) {
        const tt_result_scores *c = &r->controls[k];
        csv_place at = {out, run->name, c->role, c->attack};
        if (c->failure)
            csv_named(&at, "no_control", NAN, c->failure);
        else
            csv_line(&at, "auc", c->evaluation.auc.auc, c->evaluation.auc.logit);
    }
    csv_place whole = {out, run->name, "", ""};
    if (r->controls_off) csv_line(&whole, "controls_off", 1, none);
    if (r->near_duplicates.within) csv_line(&whole, "near_duplicates", (double)r->near_duplicates.n, none);
}

static void csv_provenance(tt_buf *out, const tt_report *report, const tt_report_run *run)
{
    const tt_results *r = &run->results;
    csv_place whole = {out, run->name, "", ""};
    tt_result_set *sets;
    size_t n;
    tt_error err = {0};
    for (size_t i = 0; i < r->n_models; i++) {
        csv_place at = {out, run->name, r->models[i].role, ""};
        csv_named(&at, "weights_sha256", NAN, r->models[i].digest);
        csv_named(&at, "environment", NAN, r->models[i].environment);
    }
    if (tt_results_sets(r, report->arena, &sets, &n, &err)) out->failed = true;
    for (size_t i = 0; i < n && !out->failed; i++) {
        char metric[200], hex[65];
        tt_digest_hex(&sets[i].digest, hex);
        snprintf(metric, sizeof metric, "images_sha256_%s_%s", sets[i].data, sets[i].split);
        csv_named(&whole, metric, (double)sets[i].n, hex);
    }
    csv_named(&whole, "telltale", NAN, r->version);
    csv_line(&whole, "seed", (double)r->seed, none);
    if (run->has_info && run->info.landlock != TT_CONFINED_UNKNOWN)
        csv_line(&whole, "landlock_abi", run->info.landlock, none);
    double money = 0;
    for (size_t k = 0; run->has_info && k < run->info.n_steps; k++)
        money += (double)run->info.steps[k].executed.money / TT_MONEY_UNIT;
    if (run->has_info && run->info.currency) csv_named(&whole, "money", money, run->info.currency);
    csv_named(&whole, "spec", NAN, r->spec);
}

bool tt_report_csv(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(out, "run,role,attack,metric,value,low,high,text\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        const tt_report_run *run = &report->runs[i];
        for (size_t k = 0; k < run->results.n_scores; k++) {
            const tt_result_scores *r = &run->results.scores[k];
            csv_place at = {out, run->name, r->role, r->attack};
            if (r->failure)
                csv_named(&at, "failure", NAN, r->failure);
            else
                csv_scores(&at, r);
            csv_extremes(&at, &run->results, r, report->images);
        }
        csv_comparisons(out, run);
        csv_controls(out, run);
        csv_counts(out, run);
        csv_provenance(out, report, run);
    }
    for (size_t i = 0; i < report->n_replicated; i++)
        tt_replicated_csv(&report->replicated[i], out);
    return !out->failed;
}
