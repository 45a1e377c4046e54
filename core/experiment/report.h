/* The report of one or several runs: one model of tables, from which every form is written, so that all forms
 * say the same. docs/report.md shows them. */
#ifndef TT_EXPERIMENT_REPORT_H
#define TT_EXPERIMENT_REPORT_H

#include "experiment/replication.h"
#include "experiment/results.h"

typedef struct tt_report_run {
    const char *name; /* of the run's folder, or of a sweep's cell */
    const char *dir;
    tt_results results;
    tt_run_info info;
    bool has_info; /* false: run.json is not there; seconds are then not shown */
} tt_report_run;

typedef struct tt_report_cell {
    const char *text; /* UTF-8, as people read it */
    double value;     /* NaN: no number */
    int place;        /* 1: the best of its column, 2: the second, 0: neither, or not ranked */
} tt_report_cell;

typedef struct tt_report_table {
    const char *id; /* "target", "target-comparisons", …: stable, for anchors and labels */
    const char *title, *note;
    const char **columns;
    size_t n_columns, n_rows;
    tt_report_cell *cells; /* [n_rows][n_columns] */
} tt_report_table;

typedef struct tt_report_figure {
    const char *name, *title;
} tt_report_figure;

typedef struct tt_report {
    tt_arena *arena;
    const tt_report_run *runs; /* the caller's */
    size_t n_runs;
    size_t
        images; /* so many of the most and of the least member-like; 0: neither these nor any other image */
    const char *dir; /* in which figures/ lies; the first run's, unless the caller says another (a sweep's) */
    /* Markdown and LaTeX: the figures that they show, from there to figures/ ("", "results/x/"). The
     * caller's. */
    const tt_report_figure *figures;
    size_t n_figures;
    const char *figures_at;
    tt_report_table *tables;
    size_t n_tables, capacity;
    tt_replicated_list *replicated; /* of each sweep that repeats */
    size_t n_replicated;
} tt_report;

/* Reads DIR/results.h5 and DIR/run.json. */
TT_API tt_status tt_report_run_read(const char *dir, tt_report_run *run, tt_error *err);
TT_API void tt_report_run_free(tt_report_run *run);

/* For each judged model its attacks with intervals, the form of the CLiD paper's tables, paired comparisons,
 * details; then failures, the `images` most and least member-like, counts and provenance. `runs` must outlive
 * the report. */
TT_API tt_status tt_report_make(const tt_report_run *runs, size_t n_runs, size_t images, tt_report *report,
                                tt_error *err);
TT_API void tt_report_free(tt_report *report);
/* Adds a table before all others, and lines to the CSV. `list` is taken over, also after a failure. */
TT_API tt_status tt_report_add_replication(tt_report *report, tt_replicated_list *list, tt_error *err);

TT_API bool tt_report_markdown(const tt_report *report, tt_buf *out);
/* booktabs tables: best bold, second underlined. */
TT_API bool tt_report_latex(const tt_report *report, tt_buf *out);
/* One line a number: run (of replication: the setting), role, attack, metric, value, low, high, text. */
TT_API bool tt_report_csv(const tt_report *report, tt_buf *out);

/* One file that needs nothing else: tables, figures (of figures/ in the first run's folder, made if gnuplot
 * is there), images, provenance, spec. */
TT_API tt_status tt_report_html(const tt_report *report, tt_buf *out, tt_error *err);

/* In figures/ of the report's folder: ROC curves with bootstrap bands for each judged model, histograms of
 * scores, AUC against queries; with several runs, AUC by run. Data (.dat) and script (.gp) stay beside .svg
 * and .png. *drawn: false where gnuplot is missing. */
TT_API tt_status tt_report_figures(const tt_report *report, bool *drawn, tt_error *err);
/* Their names without ending, in the order in which they are shown, in `arena`. */
TT_API tt_status tt_report_figure_list(const tt_report *report, tt_arena *arena, tt_report_figure **figures,
                                       size_t *n, tt_error *err);

#endif
