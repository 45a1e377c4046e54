/* The cells of a sweep side by side, for people and as JSON. */
#include "experiment/replication.h"
#include "experiment/sweep_index.h"
#include "experiment/sweep_internal.h"
#include "formats/json.h"
#include "formats/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { RATE = 22, ATTACK = 14, ROLE = 9 };

static void column(tt_buf *out, size_t width, const char *format, ...) TT_PRINTF(3, 4);

static void column(tt_buf *out, size_t width, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tt_buf_printf(out, "%-*s  ", (int)width, text);
}

static const tt_tpr *at_one_percent(const tt_evaluation *e)
{
    for (size_t k = 0; k < e->n_tprs; k++)
        if (e->tpr[k].fpr_target == 0.01) return &e->tpr[k];
    return &e->tpr[0];
}

/* ---- the table ---- */

static size_t width_of(const tt_sweep_index_axis *axis)
{
    size_t width = strlen(axis->label);
    for (size_t i = 0; i < axis->n; i++)
        if (strlen(axis->labels[i]) > width) width = strlen(axis->labels[i]);
    return width;
}

static void put_line(const tt_sweep_index *index, const tt_sweep_index_cell *cell, const tt_result_scores *r,
                     tt_buf *out)
{
    for (size_t a = 0; a < index->n_axes; a++)
        column(out, width_of(&index->axes[a]), "%s", index->axes[a].labels[cell->choice[a]]);
    column(out, ROLE, "%s", r->role);
    column(out, ATTACK, "%s", r->attack);
    if (r->failure) {
        tt_buf_printf(out, "failed\n");
        return;
    }
    const tt_auc *auc = &r->evaluation.auc;
    const tt_tpr *tpr = at_one_percent(&r->evaluation);
    column(out, RATE, "%.3f [%.3f, %.3f]", auc->auc, auc->logit.low, auc->logit.high);
    if (tpr->resolvable)
        column(out, RATE, "%.3f [%.3f, %.3f]", tpr->tpr, tpr->bootstrap.low, tpr->bootstrap.high);
    else
        column(out, RATE, "not resolvable");
    tt_buf_printf(out, "%s\n", r->calibration);
}

/* What each cell adds; results are read one cell at a time. */
typedef void (*cell_writer)(const tt_sweep_index *index, size_t cell, const tt_results *results, tt_buf *out);

static tt_status each_cell(const tt_sweep_index *index, cell_writer write, tt_buf *out, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < index->n && !s; i++) {
        tt_results results = {0};
        s = tt_sweep_index_results(index, i, &results, err);
        bool missing = s == TT_ERR_NOT_FOUND;
        if (missing || !s) write(index, i, missing ? NULL : &results, out);
        if (!s) tt_results_free(&results);
        if (missing) s = TT_OK;
    }
    return !s && out->failed ? tt_sweep_no_memory(err) : s;
}

static void write_lines(const tt_sweep_index *index, size_t cell, const tt_results *results, tt_buf *out)
{
    for (size_t i = 0; results && i < results->n_scores; i++)
        put_line(index, &index->cells[cell], &results->scores[i], out);
}

static void put_failures(const tt_sweep_index *index, tt_buf *out)
{
    size_t counts[3] = {0};
    for (size_t i = 0; i < index->n; i++)
        counts[index->cells[i].state]++;
    tt_buf_printf(out, "\n%zu cell%s, %zu done", index->n, index->n == 1 ? "" : "s", counts[TT_CELL_DONE]);
    if (counts[TT_CELL_PENDING]) tt_buf_printf(out, ", %zu not run to the end", counts[TT_CELL_PENDING]);
    if (counts[TT_CELL_FAILED]) tt_buf_printf(out, ", %zu failed:", counts[TT_CELL_FAILED]);
    tt_buf_printf(out, "\n");
    for (size_t i = 0; i < index->n; i++)
        if (index->cells[i].state == TT_CELL_FAILED)
            tt_buf_printf(out, "  %s: %s\n", index->cells[i].name,
                          index->cells[i].failure ? index->cells[i].failure : "");
    tt_buf_printf(out, "Intervals 95 %%: AUC DeLong (logit), TPR two-class bootstrap. `telltale report "
                       "DIR/cells/NAME` has the rest of a cell.\n");
}

tt_status tt_sweep_table(const char *dir, tt_buf *out, tt_error *err)
{
    tt_sweep_index index;
    tt_status s = tt_sweep_index_read(dir, &index, err);
    if (s) return s;
    for (size_t a = 0; a < index.n_axes; a++)
        column(out, width_of(&index.axes[a]), "%s", index.axes[a].label);
    column(out, ROLE, "model");
    column(out, ATTACK, "attack");
    column(out, RATE, "AUC");
    column(out, RATE, "TPR@1%%FPR");
    tt_buf_printf(out, "calibration\n");
    s = each_cell(&index, write_lines, out, err);
    tt_replicated_list replicated = {0};
    if (!s) s = tt_replicated_read(&index, &replicated, err);
    if (!s) tt_replicated_table(&replicated, out);
    tt_replicated_free(&replicated);
    if (!s) put_failures(&index, out);
    tt_sweep_index_free(&index);
    return !s && out->failed ? tt_sweep_no_memory(err) : s;
}

/* ---- JSON ---- */

static void put_number(tt_buf *out, double value)
{
    char text[40] = "null";
    if (isfinite(value)) tt_double_print(value, text);
    tt_buf_printf(out, "%s", text);
}

static void put_rate(tt_buf *out, const char *name, double value, double low, double high)
{
    const double values[3] = {value, low, high};
    const char *const keys[3] = {"", "_low", "_high"};
    for (int i = 0; i < 3; i++) {
        tt_buf_printf(out, ", \"%s%s\": ", name, keys[i]);
        put_number(out, values[i]);
    }
}

static void put_score(const tt_result_scores *r, tt_buf *out)
{
    tt_buf_printf(out, "{\"role\": ");
    tt_json_quote(out, r->role);
    tt_buf_printf(out, ", \"attack\": ");
    tt_json_quote(out, r->attack);
    tt_buf_printf(out, ", \"calibration\": ");
    tt_json_quote(out, r->calibration);
    if (r->failure) {
        tt_buf_printf(out, ", \"failure\": ");
        tt_json_quote(out, r->failure);
    } else {
        const tt_auc *auc = &r->evaluation.auc;
        const tt_tpr *tpr = at_one_percent(&r->evaluation);
        put_rate(out, "auc", auc->auc, auc->logit.low, auc->logit.high);
        put_rate(out, "tpr_at_1_percent_fpr", tpr->resolvable ? tpr->tpr : (double)NAN,
                 tpr->resolvable ? tpr->bootstrap.low : (double)NAN,
                 tpr->resolvable ? tpr->bootstrap.high : (double)NAN);
    }
    tt_buf_printf(out, "}");
}

static void write_object(const tt_sweep_index *index, size_t cell, const tt_results *results, tt_buf *out)
{
    const tt_sweep_index_cell *c = &index->cells[cell];
    tt_buf_printf(out, "%s{\"name\": ", cell ? ",\n " : " ");
    tt_json_quote(out, c->name);
    tt_buf_printf(out, ", \"values\": {");
    for (size_t a = 0; a < index->n_axes; a++) {
        const tt_sweep_index_axis *axis = &index->axes[a];
        tt_buf_printf(out, a ? ", " : "");
        tt_json_quote(out, axis->key);
        tt_buf_printf(out, ": %s", axis->values[c->choice[a]]);
    }
    tt_buf_printf(out, "}, \"labels\": [");
    for (size_t a = 0; a < index->n_axes; a++) {
        tt_buf_printf(out, a ? ", " : "");
        tt_json_quote(out, index->axes[a].labels[c->choice[a]]);
    }
    tt_buf_printf(out, "], \"state\": \"%s\"",
                  c->state == TT_CELL_DONE     ? "done"
                  : c->state == TT_CELL_FAILED ? "failed"
                                               : "pending");
    if (c->failure) {
        tt_buf_printf(out, ", \"failure\": ");
        tt_json_quote(out, c->failure);
    }
    tt_buf_printf(out, ", \"scores\": [");
    for (size_t i = 0; results && i < results->n_scores; i++) {
        tt_buf_printf(out, i ? ", " : "");
        put_score(&results->scores[i], out);
    }
    tt_buf_printf(out, "]}");
}

tt_status tt_sweep_json(const char *dir, tt_buf *out, tt_error *err)
{
    tt_sweep_index index;
    tt_status s = tt_sweep_index_read(dir, &index, err);
    if (s) return s;
    tt_buf_printf(out, "{\"cells\": [\n");
    s = each_cell(&index, write_object, out, err);
    tt_buf_printf(out, "\n]");
    tt_replicated_list replicated = {0};
    if (!s) s = tt_replicated_read(&index, &replicated, err);
    if (!s && replicated.n) {
        tt_buf_printf(out, ",\n\"replication\": ");
        tt_replicated_json(&replicated, out);
    }
    tt_replicated_free(&replicated);
    tt_buf_printf(out, "}\n");
    tt_sweep_index_free(&index);
    return !s && out->failed ? tt_sweep_no_memory(err) : s;
}
