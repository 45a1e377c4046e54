/* The report as Markdown, LaTeX and CSV. */
#include "experiment/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Markdown ---- */

static void markdown_text(tt_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            tt_buf_printf(out, " ");
            continue;
        }
        if (strchr("|\\`*_<>[]", *text)) tt_buf_printf(out, "\\");
        tt_buf_append(out, text, 1);
    }
}

static void markdown_table(const tt_report_table *t, tt_buf *out)
{
    tt_buf_printf(out, "## ");
    markdown_text(out, t->title);
    tt_buf_printf(out, "\n\n|");
    for (size_t c = 0; c < t->n_columns; c++) {
        tt_buf_printf(out, " ");
        markdown_text(out, t->columns[c]);
        tt_buf_printf(out, " |");
    }
    tt_buf_printf(out, "\n|");
    for (size_t c = 0; c < t->n_columns; c++)
        tt_buf_printf(out, " --- |");
    for (size_t i = 0; i < t->n_rows; i++) {
        tt_buf_printf(out, "\n|");
        for (size_t c = 0; c < t->n_columns; c++) {
            const tt_report_cell *cell = &t->cells[i * t->n_columns + c];
            const char *mark = cell->place == 1 ? "**" : cell->place == 2 ? "_" : "";
            tt_buf_printf(out, " %s", mark);
            markdown_text(out, cell->text);
            tt_buf_printf(out, "%s |", mark);
        }
    }
    tt_buf_printf(out, "\n\n");
    if (t->note && t->note[0]) {
        markdown_text(out, t->note);
        tt_buf_printf(out, "\n\n");
    }
}

bool tt_report_markdown(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(out, "# ");
    for (size_t i = 0; i < report->n_runs; i++) {
        if (i) tt_buf_printf(out, ", ");
        markdown_text(out, report->runs[i].name);
    }
    tt_buf_printf(out, "\n\nBest **bold**, second _italic_; 95 %% intervals in brackets.\n\n");
    for (size_t i = 0; i < report->n_tables; i++)
        markdown_table(&report->tables[i], out);
    return !out->failed;
}

/* ---- LaTeX ---- */

static void latex_text(tt_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '\\':
            tt_buf_printf(out, "\\textbackslash{}");
            break;
        case '~':
            tt_buf_printf(out, "\\textasciitilde{}");
            break;
        case '^':
            tt_buf_printf(out, "\\textasciicircum{}");
            break;
        case '<':
            tt_buf_printf(out, "\\textless{}");
            break;
        case '>':
            tt_buf_printf(out, "\\textgreater{}");
            break;
        case '\n':
            tt_buf_printf(out, " ");
            break;
        case '&':
        case '%':
        case '$':
        case '#':
        case '_':
        case '{':
        case '}':
            tt_buf_printf(out, "\\%c", *text);
            break;
        default:
            tt_buf_append(out, text, 1);
        }
    }
}

/* A long text must not run out of the page. */
static const char *column_type(const tt_report_table *t, size_t column)
{
    size_t longest = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        size_t n = strlen(t->cells[i * t->n_columns + column].text);
        if (n > longest) longest = n;
    }
    return longest > 40 ? "p{0.5\\textwidth}" : "l";
}

static void latex_table(const tt_report_table *t, tt_buf *out)
{
    tt_buf_printf(out, "\\begin{table}\n  \\centering\n  \\caption{");
    latex_text(out, t->title);
    if (t->note && t->note[0]) {
        tt_buf_printf(out, ". ");
        latex_text(out, t->note);
    }
    tt_buf_printf(out, "}\n  \\label{tab:%s}\n  \\begin{tabular}{", t->id);
    for (size_t c = 0; c < t->n_columns; c++)
        tt_buf_printf(out, "%s", column_type(t, c));
    tt_buf_printf(out, "}\n    \\toprule\n    ");
    for (size_t c = 0; c < t->n_columns; c++) {
        if (c) tt_buf_printf(out, " & ");
        latex_text(out, t->columns[c]);
    }
    tt_buf_printf(out, " \\\\\n    \\midrule\n");
    for (size_t i = 0; i < t->n_rows; i++) {
        tt_buf_printf(out, "    ");
        for (size_t c = 0; c < t->n_columns; c++) {
            const tt_report_cell *cell = &t->cells[i * t->n_columns + c];
            if (c) tt_buf_printf(out, " & ");
            tt_buf_printf(out, "%s", cell->place == 1 ? "\\textbf{" : cell->place == 2 ? "\\underline{" : "");
            latex_text(out, cell->text);
            tt_buf_printf(out, "%s", cell->place ? "}" : "");
        }
        tt_buf_printf(out, " \\\\\n");
    }
    tt_buf_printf(out, "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n\n");
}

bool tt_report_latex(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(
        out, "%% \\usepackage{booktabs}\n%% best bold, second underlined; 95 %% intervals in brackets\n\n");
    for (size_t i = 0; i < report->n_tables; i++)
        latex_table(&report->tables[i], out);
    return !out->failed;
}

/* ---- CSV ---- */

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

static void csv_line(const csv_place *at, const char *metric, double value, tt_interval i)
{
    csv_text(at->out, at->run);
    tt_buf_printf(at->out, ",%s,%s,%s,", at->role, at->attack, metric);
    csv_number(at->out, value);
    tt_buf_printf(at->out, ",");
    csv_number(at->out, i.low);
    tt_buf_printf(at->out, ",");
    csv_number(at->out, i.high);
    tt_buf_printf(at->out, "\n");
}

static void csv_inference(const csv_place *at, const tt_inference *f)
{
    static const tt_interval none = {NAN, NAN};
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
    static const tt_interval none = {NAN, NAN};
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
    if (r->has_gain) csv_line(at, "gain_over_blind", r->gain.difference, r->gain.interval);
    if (r->has_inference) csv_inference(at, &r->inference);
}

bool tt_report_csv(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(out, "run,role,attack,metric,value,low,high\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        const tt_report_run *run = &report->runs[i];
        for (size_t k = 0; k < run->results.n_scores; k++) {
            const tt_result_scores *r = &run->results.scores[k];
            csv_place at = {out, run->name, r->role, r->attack};
            if (!r->failure) csv_scores(&at, r);
        }
        for (size_t k = 0; k < run->results.n_controls; k++) {
            const tt_result_scores *c = &run->results.controls[k];
            csv_place at = {out, run->name, c->role, c->attack};
            if (!c->failure) csv_line(&at, "auc", c->evaluation.auc.auc, c->evaluation.auc.logit);
        }
        csv_place whole = {out, run->name, "", ""};
        if (run->has_info && run->info.landlock != TT_CONFINED_UNKNOWN)
            csv_line(&whole, "landlock_abi", run->info.landlock, (tt_interval){NAN, NAN});
        double money = 0;
        for (size_t k = 0; run->has_info && k < run->info.n_steps; k++)
            money += (double)run->info.steps[k].executed.money / TT_MONEY_UNIT;
        if (run->has_info && run->info.currency) csv_line(&whole, "money", money, (tt_interval){NAN, NAN});
    }
    for (size_t i = 0; i < report->n_replicated; i++)
        tt_replicated_csv(&report->replicated[i], out);
    return !out->failed;
}
