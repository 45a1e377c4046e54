/* What a report says, before any form. */
#include "experiment/report_internal.h"
#include "base/file.h"
#include "experiment/published.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- runs ---- */

tt_status tt_report_run_read(const char *dir, tt_report_run *run, tt_error *err)
{
    *run = (tt_report_run){0};
    if (!tt_dir_exists(dir)) return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no such folder", dir);
    char *results = tt_path_join(dir, "results.h5"), *info = tt_path_join(dir, "run.json");
    tt_status s = results && info ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s && !tt_file_exists(results))
        s = tt_fail(
            err, TT_ERR_NOT_FOUND,
            "%s: holds no results yet; the `telltale run` that writes here goes on where it stopped when "
            "it is started again",
            dir);
    if (!s) s = tt_results_read(results, &run->results, err);
    if (!s) {
        tt_error absent = {0};
        run->has_info = tt_run_info_read(info, &run->info, &absent) == TT_OK;
        size_t n = strlen(dir);
        while (n > 1 && dir[n - 1] == '/')
            n--;
        size_t at = n;
        while (at > 0 && dir[at - 1] != '/')
            at--;
        run->dir = tt_arena_strdup(run->results.arena, dir);
        run->name = tt_arena_strndup(run->results.arena, dir + at, n - at);
        if (!run->dir || !run->name) s = tt_fail(err, TT_ERR_MEMORY, "out of memory");
        if (s) tt_report_run_free(run);
    }
    tt_free(results);
    tt_free(info);
    return s;
}

void tt_report_run_free(tt_report_run *run)
{
    tt_run_info_free(&run->info);
    tt_results_free(&run->results);
    *run = (tt_report_run){0};
}

/* ---- rows ---- */

typedef void (*row_writer)(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r);

static void for_role(tt_table_builder *b, const char *role, row_writer write)
{
    for (size_t i = 0; i < b->report->n_runs; i++) {
        const tt_report_run *run = &b->report->runs[i];
        for (size_t k = 0; k < run->results.n_scores; k++) {
            const tt_result_scores *r = &run->results.scores[k];
            if (strcmp(r->role, role) == 0 && !r->failure) write(b, run, r);
        }
    }
}

static size_t count_scores(const tt_report *report)
{
    size_t n = 0;
    for (size_t i = 0; i < report->n_runs; i++)
        n += report->runs[i].results.n_scores;
    return n;
}

/* FPRs beside the usual ones that any of the runs was asked for. */
static size_t more_fprs(const tt_report *report, double fprs[TT_EVALUATE_FPRS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < report->n_runs; i++)
        for (size_t k = 0; k < report->runs[i].results.n_scores; k++) {
            const tt_result_scores *r = &report->runs[i].results.scores[k];
            for (size_t f = 0; f < r->n_fprs && n < TT_EVALUATE_FPRS_MAX; f++) {
                size_t j = 0;
                while (j < n && fprs[j] != r->fprs[f])
                    j++;
                if (j == n) fprs[n++] = r->fprs[f];
            }
        }
    return n;
}

static void put_tpr_at(tt_table_builder *b, const tt_evaluation *e, double fpr)
{
    for (size_t k = 0; k < e->n_tprs; k++)
        if (e->tpr[k].fpr_target == fpr) {
            tt_table_number(b, e->tpr[k].tpr, e->tpr[k].bootstrap);
            return;
        }
    tt_table_put(b, NAN, "–");
}

static void main_row(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r)
{
    const tt_evaluation *e = &r->evaluation;
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", r->attack);
    tt_table_number(b, e->auc.auc, e->auc.logit);
    if (r->has_threshold)
        tt_table_number(b, r->asr.accuracy, r->asr_fitted);
    else if (tt_result_too_few(r))
        tt_table_put(b, NAN, "not resolvable");
    else
        tt_table_put(b, e->best.accuracy, "%.3f (optimistic)", e->best.accuracy);
    double more[TT_EVALUATE_FPRS_MAX];
    size_t n_more = more_fprs(b->report, more);
    for (size_t k = 1; k < TT_EVALUATE_FPRS; k++)
        tt_table_number(b, e->tpr[k].tpr, e->tpr[k].bootstrap);
    for (size_t k = 0; k < n_more; k++)
        put_tpr_at(b, e, more[k]);
    tt_table_put(b, NAN, "%.4g", r->predictions);
    const tt_run_step *step = run->has_info ? tt_run_step_of(&run->info, r->attack, r->role) : NULL;
    if (step)
        tt_table_put(b, NAN, "%.1f", step->seconds);
    else
        tt_table_put(b, NAN, "–");
    tt_table_put(b, NAN, "%s%s", r->calibration,
                 strcmp(r->calibration, "split") == 0 || strcmp(r->calibration, "cross") == 0
                     ? " (stronger attacker)"
                     : "");
}

/* In percent; without a calibration the best on these very data, with one that is too small NaN. */
static double asr_of(const tt_result_scores *r)
{
    if (r->has_threshold) return 100 * r->asr.accuracy;
    return tt_result_too_few(r) ? (double)NAN : 100 * r->evaluation.best.accuracy;
}

/* In percent, without intervals, TPR as that paper's scripts take it. */
static void clid_row(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r)
{
    double asr = asr_of(r);
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", r->attack);
    if (isnan(asr))
        tt_table_put(b, NAN, "not resolvable");
    else
        tt_table_put(b, asr, "%.2f%s", asr, r->has_threshold ? "" : "*");
    tt_table_put(b, 100 * r->evaluation.auc.auc, "%.2f", 100 * r->evaluation.auc.auc);
    tt_table_put(b, 100 * r->tpr_clid_compat, "%.2f", 100 * r->tpr_clid_compat);
    tt_table_put(b, NAN, "%.4g", r->predictions);
}

static void detail_row(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r)
{
    const tt_inference *f = &r->inference;
    if (!r->has_inference) return;
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", r->attack);
    tt_table_put(b, NAN, "[%.3f, %.3f]", f->auc_bootstrap.low, f->auc_bootstrap.high);
    for (size_t k = 0; k < TT_PARTIAL_AUCS; k++)
        tt_table_number(b, f->partial[k].standardised, f->partial[k].interval);
    for (size_t k = 0; k < TT_PRECISIONS; k++)
        tt_table_number(b, f->precision[k].precision, f->precision[k].interval);
    if (f->set.has_test)
        tt_table_put(b, f->set.test.welch_p, "%.2g", f->set.test.welch_p);
    else
        tt_table_put(b, NAN, "not resolvable");
    for (size_t k = 0; k < TT_SET_SIZES; k++)
        if (f->set.power[k].size == 10) tt_table_put(b, f->set.power[k].welch, "%.2f", f->set.power[k].welch);
}

static void variant_row(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r)
{
    const tt_stat_variant *variants;
    size_t n = tt_stat_variants(&variants);
    if (!r->has_inference || r->inference.n_variants < n) return;
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", r->attack);
    for (size_t k = 0; k < n; k++)
        tt_table_put(b, r->inference.variants[k], "%.3f", r->inference.variants[k]);
}

/* ---- tables ---- */

static const char *title_of(const char *role)
{
    return strcmp(role, "control") == 0 ? "control (never saw the data)" : role;
}

static void table_of(tt_table_builder *b, const char *role, const char *what, const char *title,
                     const char *note, const char *const *columns, size_t n_columns, row_writer write,
                     size_t ranked_to)
{
    char id[128], heading[192];
    snprintf(id, sizeof id, "%s%s", role, what);
    snprintf(heading, sizeof heading, "%s%s", title_of(role), title);
    tt_table_begin(b, id, heading, note, columns, n_columns, count_scores(b->report));
    if (!b->failed) for_role(b, role, write);
    tt_table_end(b, strcmp(role, "control") != 0 && ranked_to > 0, 1, ranked_to);
}

static void comparisons(tt_table_builder *b, const char *role)
{
    static const char *const columns[] = {"attack", "against", "difference of AUC", "z", "p", "p by Holm"};
    char id[128], title[192];
    size_t n = 0;
    for (size_t i = 0; i < b->report->n_runs; i++)
        n += b->report->runs[i].results.n_comparisons;
    snprintf(id, sizeof id, "%s-comparisons", role);
    snprintf(title, sizeof title, "%s: paired comparisons", title_of(role));
    tt_table_begin(b, id, title, "DeLong over the same samples; Holm over all pairs of this model.", columns,
                   6, n);
    for (size_t i = 0; i < b->report->n_runs; i++)
        for (size_t k = 0; k < b->report->runs[i].results.n_comparisons && !b->failed; k++) {
            const tt_result_comparison *c = &b->report->runs[i].results.comparisons[k];
            if (strcmp(c->role, role) != 0) continue;
            tt_table_row(b, &b->report->runs[i]);
            tt_table_put(b, NAN, "%s", c->attack_a);
            tt_table_put(b, NAN, "%s", c->attack_b);
            tt_table_put(b, c->delong.difference, "%+.3f [%+.3f, %+.3f]", c->delong.difference,
                         c->delong.interval.low, c->delong.interval.high);
            tt_table_put(b, c->delong.z, "%.2f", c->delong.z);
            tt_table_put(b, c->delong.p, "%.2g", c->delong.p);
            tt_table_put(b, c->p_holm, "%.2g", c->p_holm);
        }
    tt_table_end(b, false, 0, 0);
}

/* What the first scores of a role were judged on; runs of one table may differ, and then each says so. */
static void note_of(const tt_report *report, const char *role, char *note, size_t size)
{
    for (size_t i = 0; i < report->n_runs; i++)
        for (size_t k = 0; k < report->runs[i].results.n_scores; k++) {
            const tt_result_scores *r = &report->runs[i].results.scores[k];
            if (r->failure || strcmp(r->role, role) != 0) continue;
            snprintf(
                note, size,
                "%zu members, %zu non-members%s. Intervals 95 %%: AUC DeLong (logit), the rest two-class "
                "bootstrap. ASR at the threshold fitted on the calibration; optimistic: the best threshold "
                "on "
                "these very data.",
                r->evaluation.members, r->evaluation.nonmembers,
                report->n_runs > 1 ? " (of the first run)" : "");
            return;
        }
    note[0] = '\0';
}

static void main_table(tt_table_builder *b, const char *role)
{
    static const char *const before[] = {"attack", "AUC", "ASR", "TPR@1%FPR", "TPR@0.1%FPR"};
    static const char *const behind[] = {"queries", "seconds", "calibration"};
    const char *columns[5 + TT_EVALUATE_FPRS_MAX + 3];
    double more[TT_EVALUATE_FPRS_MAX];
    char note[400];
    size_t n = 0, n_more = more_fprs(b->report, more);
    for (size_t i = 0; i < 5; i++)
        columns[n++] = before[i];
    for (size_t i = 0; i < n_more; i++, n++) {
        columns[n] = tt_arena_printf(b->report->arena, "TPR@%g%%FPR", 100 * more[i]);
        if (!columns[n]) b->failed = true;
    }
    for (size_t i = 0; i < 3; i++)
        columns[n++] = behind[i];
    note_of(b->report, role, note, sizeof note);
    if (!b->failed) table_of(b, role, "", "", note, columns, n, main_row, 4 + n_more);
}

static void tables_of_role(tt_table_builder *b, const char *role)
{
    static const char *const clid[] = {"method", "ASR", "AUC", "TPR@1%FPR", "Query"};
    static const char *const details[] = {
        "attack",         "AUC, bootstrap",  "partial AUC to 10%",  "partial AUC to 1%", "precision 1:1",
        "precision 1:10", "precision 1:100", "set used? p (Welch)", "power, 10 images"};
    const tt_stat_variant *variants;
    size_t n_variants = tt_stat_variants(&variants);
    const char *named[TT_VARIANTS_MAX + 1] = {"attack"};
    for (size_t i = 0; i < n_variants; i++)
        named[i + 1] = variants[i].label;
    main_table(b, role);
    if (b->failed) return;
    comparisons(b, role);
    tt_report_controls(b, role);
    table_of(
        b, role, "-clid", ", as the CLiD paper prints it",
        "Percent. ASR at the calibration's threshold (*: best on these very data); TPR@1%FPR as that paper's "
        "scripts take it, classes swapped.",
        clid, 5, clid_row, 3);
    table_of(
        b, role, "-details", ", in detail",
        "Partial AUC standardised; precision at the fitted threshold with so many non-members to a member; "
        "set-level inference: docs/statistics.md.",
        details, 9, detail_row, 0);
    table_of(b, role, "-variants", ", as papers' scripts take metrics",
             "Definitions: docs/statistics.md. None of them replaces the numbers above.", named,
             n_variants + 1, variant_row, 0);
}

/* ---- a paper's table ---- */

static const tt_result_scores *ours(const tt_results *r, const tt_published_row *row)
{
    for (size_t i = 0; i < r->n_scores; i++)
        if (strcmp(r->scores[i].role, "target") == 0 && !r->scores[i].failure &&
            tt_published_is(row, &r->scores[i]))
            return &r->scores[i];
    return NULL;
}

/* In percent, by the paper's own definition where it is one that we have. */
static double tpr_of(const tt_result_scores *r, const tt_published_row *row)
{
    const tt_stat_variant *variants;
    size_t n = tt_stat_variants(&variants);
    for (size_t i = 0; i < n && r->has_inference && i < r->inference.n_variants; i++)
        if (strcmp(variants[i].name, row->tpr_as) == 0) return 100 * r->inference.variants[i];
    return 100 * r->evaluation.tpr[1].tpr;
}

static void pair(tt_table_builder *b, double theirs, double own)
{
    if (isnan(theirs))
        tt_table_put(b, NAN, "–");
    else
        tt_table_put(b, NAN, "%.2f", theirs);
    if (isnan(own))
        tt_table_put(b, NAN, "–");
    else
        tt_table_put(b, own, "%.2f", own);
}

static void published(tt_table_builder *b, const tt_report_run *run)
{
    static const char *const columns[] = {
        "published method", "setting", "attack", "ASR", "ours", "AUC", "ours", "TPR@1%FPR", "ours"};
    const tt_published *p = &run->results.published;
    if (!p->title) return;
    char title[256];
    snprintf(title, sizeof title, "beside published numbers: %s", p->title);
    tt_table_begin(b, "published", title,
                   "Percent. Ours: this run on target, TPR by the paper's own definition where it has one. "
                   "Other data and other "
                   "models than the paper's give other numbers.",
                   columns, 9, p->n);
    for (size_t i = 0; i < p->n && !b->failed; i++) {
        const tt_published_row *row = &p->rows[i];
        const tt_result_scores *own = ours(&run->results, row);
        tt_table_row(b, run);
        tt_table_put(b, NAN, "%s", row->method);
        tt_table_put(b, NAN, "%s%s%s", row->dataset, row->dataset[0] && row->setting[0] ? ", " : "",
                     row->setting);
        tt_table_put(b, NAN, "%s", own ? own->attack : "–");
        pair(b, row->asr, own ? asr_of(own) : NAN);
        pair(b, row->auc, own ? 100 * own->evaluation.auc.auc : NAN);
        pair(b, row->tpr, own ? tpr_of(own, row) : NAN);
    }
    tt_table_end(b, false, 0, 0);
}

static void failures(tt_table_builder *b)
{
    static const char *const columns[] = {"attack", "model", "why"};
    tt_table_begin(b, "failures", "failed", NULL, columns, 3, count_scores(b->report));
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++)
        for (size_t k = 0; k < b->report->runs[i].results.n_scores; k++) {
            const tt_result_scores *r = &b->report->runs[i].results.scores[k];
            if (!r->failure) continue;
            tt_table_row(b, &b->report->runs[i]);
            tt_table_put(b, NAN, "%s", r->attack);
            tt_table_put(b, NAN, "%s", r->role);
            tt_table_put(b, NAN, "%s", r->failure);
        }
    tt_table_end(b, false, 0, 0);
}

static void warning(tt_table_builder *b, const tt_report_run *run, const char *attack, const char *text)
{
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", attack);
    tt_table_put(b, NAN, "%s", text);
}

static void warnings(tt_table_builder *b)
{
    static const char *const columns[] = {"attack", "what"};
    char text[400];
    size_t rows = count_scores(b->report);
    for (size_t i = 0; i < b->report->n_runs; i++)
        rows += b->report->runs[i].results.n_features;
    tt_table_begin(b, "warnings", "warnings", NULL, columns, 2, rows);
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++) {
        const tt_report_run *run = &b->report->runs[i];
        for (size_t k = 0; k < run->results.n_scores; k++)
            if (tt_result_direction(&run->results.scores[k], text))
                warning(b, run, run->results.scores[k].attack, text);
        for (size_t k = 0; k < run->results.n_features; k++)
            if (tt_result_bad_samples(&run->results.features[k], text))
                warning(b, run, run->results.features[k].attack, text);
    }
    tt_table_end(b, false, 0, 0);
}

static bool role_seen(const tt_report *report, size_t run, size_t score)
{
    const char *role = report->runs[run].results.scores[score].role;
    for (size_t i = 0; i <= run; i++)
        for (size_t k = 0; k < (i == run ? score : report->runs[i].results.n_scores); k++)
            if (strcmp(report->runs[i].results.scores[k].role, role) == 0) return true;
    return false;
}

tt_status tt_report_make(const tt_report_run *runs, size_t n_runs, size_t images, tt_report *report,
                         tt_error *err)
{
    *report = (tt_report){.arena = tt_arena_create(0),
                          .runs = runs,
                          .n_runs = n_runs,
                          .images = images,
                          .dir = n_runs ? runs[0].dir : NULL};
    tt_table_builder b = {.report = report, .failed = !report->arena};
    for (size_t i = 0; i < n_runs && !b.failed; i++)
        for (size_t k = 0; k < runs[i].results.n_scores && !b.failed; k++)
            if (!role_seen(report, i, k)) tables_of_role(&b, runs[i].results.scores[k].role);
    for (size_t i = 0; i < n_runs && !b.failed; i++)
        published(&b, &runs[i]);
    if (!b.failed) warnings(&b);
    if (!b.failed) failures(&b);
    if (!b.failed) tt_report_extremes(&b);
    if (!b.failed) tt_report_counts(&b);
    if (!b.failed) tt_report_provenance(&b);
    if (!b.failed) return TT_OK;
    tt_report_free(report);
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a report");
}

void tt_report_free(tt_report *report)
{
    for (size_t i = 0; i < report->n_replicated; i++)
        tt_replicated_free(&report->replicated[i]);
    tt_free(report->replicated);
    tt_free(report->tables);
    tt_arena_destroy(report->arena);
    *report = (tt_report){0};
}
