#include "base/file.h"
#include "cli/cli.h"
#include "experiment/replication.h"
#include "experiment/report.h"
#include "experiment/sweep_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: telltale report DIR... [--format FORM] [--out FILE] [--details] [--figures] [--images N]\n"
    "\n"
    "Prints the table of a run: for each model that was judged and each attack the AUC, the accuracy (ASR) "
    "at the\n"
    "threshold that calibration fitted, TPR at 1 and 0.1 % FPR, all with intervals, queries a sample and "
    "seconds;\n"
    "then paired comparisons, controls, what was asked of models, and what failed. Several runs are put "
    "beside each\n"
    "other; of a sweep a line for each cell, model and attack, and of replicates means with intervals by "
    "level.\n"
    "\n"
    "  --format FORM  terminal (default), markdown, latex (booktabs), csv (a line a number), json, or html: "
    "one file\n"
    "                 with tables, figures, the most and least member-like images, provenance and spec\n"
    "  --json         the same as --format json\n"
    "  --out FILE     write there (html: default DIR/report.html; else standard output)\n"
    "  --details      terminal: also bootstrap and partial AUC, precision at prevalence, set-level "
    "inference, the\n"
    "                 papers' own variants, the most and least member-like images\n"
    "  --figures      also draws ROC curves, scores and AUC against queries into DIR/figures, with data and "
    "script;\n"
    "                 markdown and latex show them\n"
    "  --images N     so many of the most and of the least member-like, by name, in html as pictures; "
    "default "
    "6,\n"
    "                 0 for none\n";

typedef struct options {
    const char **dirs;
    size_t n_dirs, images;
    const char *format, *out;
    bool details, figures;
} options;

/* What is reported: the runs, a sweep's cells each as one. */
typedef struct runs {
    tt_report_run *of;
    size_t n, capacity;
} runs;

static tt_status print_runs(const options *o, const runs *r, tt_buf *out, tt_error *err)
{
    bool json = strcmp(o->format, "json") == 0, several = r->n > 1, good = true;
    if (json && several) tt_buf_printf(out, "[");
    for (size_t i = 0; i < r->n && good; i++) {
        const tt_run_info *info = r->of[i].has_info ? &r->of[i].info : NULL;
        if (json) {
            if (i) tt_buf_printf(out, ",");
            good = tt_results_json(&r->of[i].results, several ? r->of[i].name : NULL, info, o->images, out);
            continue;
        }
        if (several) tt_buf_printf(out, "%s== %s\n", i ? "\n" : "", r->of[i].name);
        good = tt_results_table(&r->of[i].results, info, out);
        if (o->details)
            good = good && tt_buf_printf(out, "\n") && tt_results_details(&r->of[i].results, o->images, out);
    }
    if (json && several) tt_buf_printf(out, "]\n");
    return good ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the report");
}

static tt_status add_replication(const char *dir, tt_report *report, tt_error *err)
{
    tt_sweep_index index;
    tt_replicated_list list = {0};
    tt_status s = tt_sweep_index_read(dir, &index, err);
    if (s) return s;
    s = tt_replicated_read(&index, &list, err);
    tt_sweep_index_free(&index);
    if (!s && list.n) return tt_report_add_replication(report, &list, err);
    tt_replicated_free(&list);
    return s;
}

/* From where the report will lie to the folder of the figures: "" where that is its own, else as the command
 * line has it. NULL: out of memory. */
static char *figures_at(const options *o)
{
    const char *dir = o->dirs[0], *slash = o->out ? strrchr(o->out, '/') : NULL;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (slash && (size_t)(slash - o->out) == n && strncmp(o->out, dir, n) == 0) return tt_strdup("");
    char *at = tt_alloc(n + 2);
    if (at) snprintf(at, n + 2, "%.*s/", (int)n, dir);
    return at;
}

/* Draws first: Markdown and LaTeX show what was drawn. */
static tt_status draw(const options *o, tt_report *report, char **at, tt_error *err)
{
    tt_report_figure *figures;
    bool drawn;
    tt_status s = tt_report_figures(report, &drawn, err);
    if (!s && !drawn)
        fprintf(stderr, "telltale: no gnuplot here: %s/figures holds data and scripts, but no pictures\n",
                report->dir);
    if (s || !drawn) return s;
    s = tt_report_figure_list(report, report->arena, &figures, &report->n_figures, err);
    *at = figures_at(o);
    if (!s && !*at) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for the report");
    report->figures = figures;
    report->figures_at = *at;
    return s;
}

static tt_status make_form(const options *o, const runs *r, tt_buf *out, tt_error *err)
{
    tt_report report;
    tt_status s = tt_report_make(r->of, r->n, o->images, &report, err);
    if (s) return s;
    bool good = true;
    char *at = NULL;
    report.dir = o->dirs[0];
    for (size_t i = 0; i < o->n_dirs && !s; i++)
        if (tt_sweep_index_there(o->dirs[i])) s = add_replication(o->dirs[i], &report, err);
    if (!s && o->figures && strcmp(o->format, "html") != 0) s = draw(o, &report, &at, err);
    if (s)
        good = true;
    else if (strcmp(o->format, "markdown") == 0)
        good = tt_report_markdown(&report, out);
    else if (strcmp(o->format, "latex") == 0)
        good = tt_report_latex(&report, out);
    else if (strcmp(o->format, "csv") == 0)
        good = tt_report_csv(&report, out);
    else if (strcmp(o->format, "html") == 0)
        s = tt_report_html(&report, out, err);
    else
        s = print_runs(o, r, out, err);
    for (size_t i = 0; i < report.n_replicated && strcmp(o->format, "terminal") == 0; i++)
        tt_replicated_table(&report.replicated[i], out);
    if (!good) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for the report");
    tt_free(at);
    tt_report_free(&report);
    return s;
}

static tt_status deliver(const options *o, const tt_buf *text, tt_error *err)
{
    bool html = strcmp(o->format, "html") == 0;
    if (!o->out && !html) {
        fwrite(text->data, 1, text->size, stdout);
        return fflush(stdout) == 0 ? TT_OK : tt_fail(err, TT_ERR_IO, "standard output cannot be written");
    }
    char *path = o->out ? tt_strdup(o->out) : tt_path_join(o->dirs[0], "report.html");
    tt_status s = path ? tt_file_write(path, text->data, text->size, err)
                       : tt_fail(err, TT_ERR_MEMORY, "out of memory for the report");
    if (!s && html) fprintf(stderr, "%s\n", path);
    tt_free(path);
    return s;
}

/* ---- which runs ---- */

static tt_status add_run(runs *r, const char *dir, tt_error *err)
{
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 8;
        tt_report_run *grown = tt_realloc(r->of, capacity * sizeof *grown);
        if (!grown) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the report");
        r->of = grown;
        r->capacity = capacity;
    }
    tt_status s = tt_report_run_read(dir, &r->of[r->n], err);
    if (!s) r->n++;
    return s;
}

static tt_status add_sweep(runs *r, const char *dir, tt_error *err)
{
    tt_sweep_index index;
    size_t before = r->n;
    tt_status s = tt_sweep_index_read(dir, &index, err);
    if (s) return s;
    for (size_t i = 0; i < index.n && !s; i++) {
        tt_error missing = {0};
        char *cell = tt_sweep_cell_dir(dir, index.cells[i].name);
        tt_status read = cell ? add_run(r, cell, &missing) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
        if (read == TT_ERR_NOT_FOUND)
            fprintf(stderr, "telltale: cell %s is left out: %s\n", index.cells[i].name,
                    index.cells[i].failure ? index.cells[i].failure : "it has no results yet");
        else if (read)
            s = cell ? tt_fail(err, read, "%s", missing.message) : read;
        tt_free(cell);
    }
    tt_sweep_index_free(&index);
    if (!s && r->n == before)
        s = tt_fail(err, TT_ERR_NOT_FOUND, "%s: no cell of this sweep has results yet", dir);
    return s;
}

/* A sweep on a terminal is one table, a line for each cell. */
static bool is_sweep_table(const options *o)
{
    return o->n_dirs == 1 && !o->details && !o->figures && tt_sweep_index_there(o->dirs[0]) &&
           (strcmp(o->format, "terminal") == 0 || strcmp(o->format, "json") == 0);
}

static tt_status report(const options *o, tt_error *err)
{
    runs r = {0};
    tt_buf text = {0};
    tt_status s = TT_OK;
    if (is_sweep_table(o)) {
        s = strcmp(o->format, "json") == 0 ? tt_sweep_json(o->dirs[0], &text, err)
                                           : tt_sweep_table(o->dirs[0], &text, err);
    } else {
        for (size_t i = 0; i < o->n_dirs && !s; i++)
            s = tt_sweep_index_there(o->dirs[i]) ? add_sweep(&r, o->dirs[i], err)
                                                 : add_run(&r, o->dirs[i], err);
        if (!s) s = make_form(o, &r, &text, err);
    }
    if (!s) s = deliver(o, &text, err);
    for (size_t i = 0; i < r.n; i++)
        tt_report_run_free(&r.of[i]);
    tt_free(r.of);
    tt_buf_free(&text);
    return s;
}

static bool known_format(const char *format)
{
    static const char *const formats[] = {"terminal", "markdown", "latex", "csv", "json", "html"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i], format) == 0) return true;
    return false;
}

/* False: what stands at `at` is not understood. */
static bool take(options *o, char **argv, int *at, int argc)
{
    const char *arg = argv[*at], *value = *at + 1 < argc ? argv[*at + 1] : NULL;
    if (arg[0] != '-') {
        o->dirs[o->n_dirs++] = arg;
        return true;
    }
    if (strcmp(arg, "--json") == 0) return o->format = "json", true;
    if (strcmp(arg, "--details") == 0) return o->details = true;
    if (strcmp(arg, "--figures") == 0) return o->figures = true;
    if (!value) return false;
    ++*at;
    if (strcmp(arg, "--format") == 0) return o->format = value, known_format(value);
    if (strcmp(arg, "--out") == 0) return o->out = value, true;
    if (strcmp(arg, "--images") != 0) return false;
    char *end;
    unsigned long images = strtoul(value, &end, 10);
    o->images = images;
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && images <= 1000;
}

int tt_cmd_report(int argc, char **argv)
{
    options o = {.images = TT_EXTREMES, .format = "terminal"};
    o.dirs = tt_alloc_array((size_t)argc, sizeof *o.dirs);
    if (!o.dirs) return TT_EXIT_FAILURES;
    int code = -1;
    for (int i = 1; i < argc && code < 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            code = TT_EXIT_DONE;
        } else if (!take(&o, argv, &i, argc)) {
            fprintf(stderr, "telltale: report does not understand '%s'\n%s", argv[i < argc ? i : argc - 1],
                    help);
            code = TT_EXIT_BAD_SPEC;
        }
    }
    if (code < 0 && o.n_dirs == 0) {
        fputs(help, stderr);
        code = TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    if (code < 0) code = report(&o, &err) ? tt_cli_error(&err) : TT_EXIT_DONE;
    tt_free((void *)o.dirs);
    return code;
}
