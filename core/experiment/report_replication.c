/* Replication as a report's first table. */
#include "experiment/report_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What no cell says: what the levels' intervals speak of, and what is missing. */
static char *note_of(const tt_report *report, const tt_replicated_list *list)
{
    tt_buf note = {0};
    size_t missing = 0;
    tt_buf_printf(&note,
                  "Mean over all replicates, and half widths of its 95 %% intervals, each level apart");
    for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING; l++)
        if (list->levels[l])
            tt_buf_printf(&note, "; %s speaks of %s", tt_sweep_level_label((tt_sweep_level)l),
                          tt_replicated_claim((tt_sweep_level)l));
    for (size_t i = 0; i < list->n; i++)
        missing += list->rows[i].missing;
    tt_buf_printf(&note, ".");
    if (missing) tt_buf_printf(&note, " Scores of %zu replicates are missing.", missing);
    if (list->warning) tt_buf_printf(&note, " Warning: %s.", list->warning);
    char *text = note.failed ? NULL : tt_arena_strdup(report->arena, note.data);
    tt_buf_free(&note);
    return text;
}

static void put_width(tt_table_builder *b, double width)
{
    if (isnan(width))
        tt_table_put(b, width, "–");
    else
        tt_table_put(b, width, "%.4f", width);
}

static void put_row(tt_table_builder *b, const tt_replicated_list *list, const tt_replicated *r,
                    size_t metric, tt_sweep_level level)
{
    char text[40];
    tt_replication_level at = tt_replicated_level(&r->of[metric], level);
    if (b->report->n_runs > 1) tt_table_put(b, (double)NAN, "%s", r->setting[0] ? r->setting : "all");
    tt_table_put(b, (double)NAN, "%s", r->role);
    tt_table_put(b, (double)NAN, "%s", r->attack);
    tt_table_put(b, (double)NAN, "%s", tt_replicated_title(list, metric, text));
    tt_table_put(b, r->of[metric].mean, "%.4f", r->of[metric].mean);
    tt_table_put(b, (double)NAN, "%s", tt_sweep_level_label(level));
    tt_table_put(b, (double)at.n, "%zu", at.n);
    put_width(b, at.sd);
    put_width(b, at.half_width_t);
    put_width(b, at.half_width_paper);
}

/* The last table comes first. */
static void bring_forward(tt_report *report)
{
    tt_report_table last = report->tables[report->n_tables - 1];
    memmove(report->tables + 1, report->tables, (report->n_tables - 1) * sizeof *report->tables);
    report->tables[0] = last;
}

tt_status tt_report_add_replication(tt_report *report, tt_replicated_list *list, tt_error *err)
{
    static const char *const columns[] = {"model", "attack", "metric", "mean",        "over",
                                          "n",     "sd",     "± t",    "± 1.96·sd/√n"};
    enum { N_COLUMNS = sizeof columns / sizeof *columns, LEVELS = 3 };
    tt_table_builder b = {.report = report};
    tt_replicated_list *grown = tt_realloc(report->replicated, (report->n_replicated + 1) * sizeof *grown);
    char *note = note_of(report, list), id[48] = "replication";
    if (grown) report->replicated = grown;
    if (!grown || !note) {
        tt_replicated_free(list);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for a report");
    }
    if (report->n_replicated) snprintf(id, sizeof id, "replication-%zu", report->n_replicated + 1);
    report->replicated[report->n_replicated++] = *list;
    size_t before = report->n_tables;
    tt_table_begin(&b, id, "Replication", note, columns, N_COLUMNS, list->n * list->n_metrics * LEVELS);
    if (!b.failed && report->n_runs > 1) b.table->columns[0] = "setting";
    for (size_t i = 0; i < list->n; i++)
        for (size_t m = 0; m < list->n_metrics; m++)
            for (int l = TT_LEVEL_ATTACK; l <= TT_LEVEL_TRAINING && list->rows[i].known[m]; l++)
                if (list->levels[l]) put_row(&b, list, &list->rows[i], m, (tt_sweep_level)l);
    tt_table_end(&b, false, 0, 0);
    if (b.failed) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a report");
    if (report->n_tables > before) bring_forward(report);
    return TT_OK;
}
