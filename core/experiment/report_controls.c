/* What attacks' success is worth: controls, and the gain over the images alone. */
#include "experiment/report_internal.h"
#include "experiment/results_controls.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void control_row(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *c)
{
    tt_buf title = {0};
    tt_control_title(c, &title);
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", title.data ? title.data : "");
    tt_buf_free(&title);
    if (c->failure) {
        tt_table_put(b, NAN, "none: %s", c->failure);
        tt_table_put(b, NAN, "–");
        tt_table_put(b, NAN, "–");
        return;
    }
    tt_table_number(b, c->evaluation.auc.auc, c->evaluation.auc.logit);
    if (c->has_threshold)
        tt_table_put(b, c->asr.accuracy, "%.3f", c->asr.accuracy);
    else
        tt_table_put(b, NAN, "–");
    tt_table_put(b, NAN, "%s", c->fitted);
}

static void controls(tt_table_builder *b)
{
    static const char *const columns[] = {"control", "AUC", "ASR", "fitted"};
    size_t rows = 0;
    for (size_t i = 0; i < b->report->n_runs; i++)
        rows += b->report->runs[i].results.n_controls + 1;
    tt_table_begin(
        b, "target-controls", "target: controls",
        "What nobody should be able to do: docs/controls.md. No membership shows in the images or the "
        "captions alone, nor in an attack that was fitted on permuted labels, unless the sets differ "
        "otherwise or the attack needs no fit.",
        columns, 4, rows);
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++) {
        const tt_report_run *run = &b->report->runs[i];
        if (run->results.controls_off) {
            tt_table_row(b, run);
            tt_table_put(b, NAN, "off, as the spec asks");
            for (int k = 0; k < 3; k++)
                tt_table_put(b, NAN, "–");
        }
        for (size_t k = 0; k < run->results.n_controls; k++)
            control_row(b, run, &run->results.controls[k]);
    }
    tt_table_end(b, false, 0, 0);
}

static void gains(tt_table_builder *b)
{
    static const char *const columns[] = {"attack", "AUC", "the images alone", "gain", "p"};
    size_t rows = 0;
    for (size_t i = 0; i < b->report->n_runs; i++)
        rows += b->report->runs[i].results.n_scores;
    tt_table_begin(b, "target-gain", "target: beyond the images alone",
                   "AUC less that of the blind classifier (within folds, averaged), over the same samples.",
                   columns, 5, rows);
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++) {
        const tt_report_run *run = &b->report->runs[i];
        for (size_t k = 0; k < run->results.n_scores; k++) {
            const tt_result_scores *r = &run->results.scores[k];
            if (!r->has_gain) continue;
            const tt_delong_paired *g = &r->gain;
            tt_table_row(b, run);
            tt_table_put(b, NAN, "%s", r->attack);
            tt_table_put(b, r->evaluation.auc.auc, "%.3f", r->evaluation.auc.auc);
            tt_table_put(b, g->auc_b, "%.3f", g->auc_b);
            tt_table_put(b, g->difference, "%+.3f [%+.3f, %+.3f]", g->difference, g->interval.low,
                         g->interval.high);
            tt_table_put(b, g->p, "%.2g", g->p);
        }
    }
    tt_table_end(b, false, 0, 0);
}

static void near_duplicates(tt_table_builder *b)
{
    static const char *const columns[] = {"image", "looks like", "bits of 256"};
    size_t rows = 0;
    for (size_t i = 0; i < b->report->n_runs; i++)
        rows += b->report->runs[i].results.near_duplicates.n_listed + 1;
    tt_table_begin(
        b, "near-duplicates", "near duplicates across sets",
        "Images of two sets that look alike without being equal, the closest first: the same picture "
        "on both sides of the question blurs its answer.",
        columns, 3, rows);
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++) {
        const tt_report_run *run = &b->report->runs[i];
        const tt_near_duplicates *n = &run->results.near_duplicates;
        if (n->within && n->n == 0) {
            tt_table_row(b, run);
            tt_table_put(b, NAN, "none");
            tt_table_put(b, NAN, "–");
            tt_table_put(b, NAN, "above %u", n->within);
        }
        for (size_t k = 0; k < n->n_listed; k++) {
            const tt_result_sample *x = &run->results.samples[n->pairs[k].a];
            const tt_result_sample *y = &run->results.samples[n->pairs[k].b];
            tt_table_row(b, run);
            tt_table_put(b, NAN, "%s %s", x->data, x->id);
            tt_table_put(b, NAN, "%s %s", y->data, y->id);
            tt_table_put(b, n->pairs[k].distance, "%u", n->pairs[k].distance);
        }
    }
    tt_table_end(b, false, 0, 0);
}

void tt_report_controls(tt_table_builder *b, const char *role)
{
    if (strcmp(role, "target") != 0) return;
    gains(b);
    if (!b->failed) controls(b);
    if (!b->failed) near_duplicates(b);
}
