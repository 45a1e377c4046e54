/* The report's figures through gnuplot; script and data stay, so that a figure can be restyled. */
#include "base/file.h"
#include "experiment/report.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* more curves than that have no colour of their own: then AUC by run alone */
enum { MOST_CURVES = 8 };
enum { BAND_POINTS = 32, BINS = 30 };

typedef struct figure {
    const char *dir, *name; /* of figures/; "roc-target" */
    tt_buf data, script;
    size_t blocks; /* of data, two empty lines apart */
} figure;

/* ---- one figure ---- */

static void begin_block(figure *f)
{
    if (f->blocks++) tt_buf_printf(&f->data, "\n\n");
}

/* gnuplot's strings in single quotes know no escape but the doubled quote. */
static void put_quoted(tt_buf *out, const char *text)
{
    tt_buf_printf(out, "'");
    for (; *text; text++)
        tt_buf_printf(out, *text == '\'' ? "''" : "%c", *text);
    tt_buf_printf(out, "'");
}

/* Drawn twice: form='svg' for the page, form='png' for those who paste pictures. */
static void begin_script(figure *f, int width, int height)
{
    tt_buf_printf(&f->script,
                  "if (!exists('form')) form = 'png'\n"
                  "if (form eq 'svg') {\n"
                  "  set terminal svg size %d,%d noenhanced font 'sans-serif,13' background '#ffffff'\n"
                  "} else {\n"
                  "  set terminal pngcairo size %d,%d noenhanced font 'sans,11'\n"
                  "}\n"
                  "set output '%s.'.form\nset grid lc rgb '#dddddd'\nset border lc rgb '#666666'\n",
                  width, height, width, height, f->name);
}

static tt_status write_part(const figure *f, const char *ending, const tt_buf *text, tt_error *err)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s", f->name, ending);
    char *path = tt_path_join(f->dir, name);
    tt_status s = path && !text->failed ? tt_file_write(path, text->data, text->size, err)
                                        : tt_fail(err, TT_ERR_MEMORY, "out of memory for a figure");
    tt_free(path);
    return s;
}

/* Runs gnuplot in the folder; false where there is none, or it fails. */
static bool run_gnuplot(const figure *f, const char *form)
{
    char script[160], set[32];
    snprintf(script, sizeof script, "%s.gp", f->name);
    snprintf(set, sizeof set, "form='%s'", form);
    char *const argv[] = {"gnuplot", "-e", set, script, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, f->dir);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1 /* O_WRONLY */, 0);
    pid_t pid;
    int status = 1;
    bool started = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    while (started && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return started && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static tt_status end_figure(figure *f, bool *drawn, tt_error *err)
{
    tt_status s = write_part(f, "dat", &f->data, err);
    if (!s) s = write_part(f, "gp", &f->script, err);
    if (!s) *drawn = run_gnuplot(f, "svg") && run_gnuplot(f, "png") && *drawn;
    tt_buf_free(&f->data);
    tt_buf_free(&f->script);
    return s;
}

/* ---- ROC curves ---- */

typedef struct curve {
    const tt_report_run *run;
    const tt_result_scores *scores;
} curve;

/* The scores of a role in all runs, in order; *curves in the report's arena. */
static size_t curves_of(const tt_report *report, tt_arena *arena, const char *role, curve **curves)
{
    size_t n = 0, most = 0;
    for (size_t i = 0; i < report->n_runs; i++)
        most += report->runs[i].results.n_scores;
    *curves = tt_arena_alloc_array(arena, most + 1, sizeof **curves);
    for (size_t i = 0; *curves && i < report->n_runs; i++)
        for (size_t k = 0; k < report->runs[i].results.n_scores; k++) {
            const tt_result_scores *r = &report->runs[i].results.scores[k];
            if (!r->failure && strcmp(r->role, role) == 0) (*curves)[n++] = (curve){&report->runs[i], r};
        }
    return n;
}

static void put_name(const tt_report *report, const curve *c, char *name, size_t size)
{
    if (report->n_runs > 1)
        snprintf(name, size, "%s: %s", c->run->name, c->scores->attack);
    else
        snprintf(name, size, "%s", c->scores->attack);
}

/* FPR, low, high of the TPR there: two-class bootstrap at FPRs evenly spaced on the logarithmic axis. */
static tt_status put_band(figure *f, const curve *c, tt_error *err)
{
    double fprs[BAND_POINTS], least = 1 / (double)c->scores->evaluation.nonmembers;
    tt_tpr tprs[BAND_POINTS];
    if (least > 0.5) least = 0.5;
    for (int i = 0; i < BAND_POINTS; i++)
        fprs[i] = least * pow(0.99 / least, (double)i / (BAND_POINTS - 1));
    tt_status s = tt_tprs_at_fprs(c->scores->n, c->scores->scores, c->scores->member, fprs, BAND_POINTS,
                                  c->run->results.seed, tprs, err);
    begin_block(f);
    for (int i = 0; i < BAND_POINTS && !s; i++)
        if (tprs[i].resolvable)
            tt_buf_printf(&f->data, "%.9g %.9g %.9g\n", fprs[i], tprs[i].bootstrap.low,
                          tprs[i].bootstrap.high);
    return s;
}

static void put_roc_plots(figure *f, const tt_report *report, const curve *curves, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tt_buf_printf(
            &f->script,
            ", \\\n  '%s.dat' index %zu using 1:2:3 with filledcurves fs transparent solid 0.15 lc %zu "
            "notitle",
            f->name, 2 * i + 1, i + 1);
    for (size_t i = 0; i < n; i++) {
        char name[200], title[240];
        put_name(report, &curves[i], name, sizeof name);
        snprintf(title, sizeof title, "%s, AUC %.3f", name, curves[i].scores->evaluation.auc.auc);
        tt_buf_printf(&f->script, ", \\\n  '%s.dat' index %zu with steps lw 2 lc %zu title ", f->name, 2 * i,
                      i + 1);
        put_quoted(&f->script, title);
    }
    tt_buf_printf(&f->script, "\n");
}

static tt_status draw_roc(const tt_report *report, figure *f, const char *role, bool *drawn, tt_error *err)
{
    curve *curves;
    size_t n = curves_of(report, report->arena, role, &curves);
    tt_status s = TT_OK;
    for (size_t i = 0; i < n && !s; i++) {
        begin_block(f);
        for (size_t k = 0; k < curves[i].scores->n_roc; k++)
            tt_buf_printf(&f->data, "%.9g %.9g\n", curves[i].scores->roc[k].fpr,
                          curves[i].scores->roc[k].tpr);
        s = put_band(f, &curves[i], err);
    }
    begin_script(f, 1000, 480);
    tt_buf_printf(&f->script, "set multiplot layout 1,2\n"
                              "set xlabel 'false positive rate'\nset ylabel 'true positive rate'\n"
                              "set key bottom right\nset size square\n"
                              "plot [0:1][0:1] x with lines dt 2 lc rgb 'gray' title 'guessing'");
    put_roc_plots(f, report, curves, n);
    tt_buf_printf(&f->script,
                  "set logscale xy\nset format x '%%g'\nset format y '%%g'\nset key bottom right\n"
                  "plot [1e-3:1][1e-3:1] x with lines dt 2 lc rgb 'gray' title 'guessing'");
    put_roc_plots(f, report, curves, n);
    tt_buf_printf(&f->script, "unset multiplot\n");
    return s ? s : end_figure(f, drawn, err);
}

/* ---- scores ---- */

static void put_histogram(figure *f, const tt_result_scores *r, double low, double width, uint8_t class)
{
    size_t bins[BINS] = {0}, total = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->member[i] != class) continue;
        double at = width > 0 ? (r->scores[i] - low) / width : 0;
        size_t bin = at < BINS ? (size_t)at : BINS - 1;
        bins[bin]++;
        total++;
    }
    begin_block(f);
    for (size_t k = 0; k < BINS; k++)
        tt_buf_printf(&f->data, "%.9g %.9g\n", low + ((double)k + 0.5) * width,
                      (double)bins[k] / (double)total);
}

static tt_status draw_histogram(const tt_report *report, figure *f, const curve *c, bool *drawn,
                                tt_error *err)
{
    const tt_result_scores *r = c->scores;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < r->n; i++) {
        low = fmin(low, r->scores[i]);
        high = fmax(high, r->scores[i]);
    }
    double width = (high - low) / BINS;
    put_histogram(f, r, low, width, 1);
    put_histogram(f, r, low, width, 0);
    char name[200];
    put_name(report, c, name, sizeof name);
    begin_script(f, 500, 300);
    tt_buf_printf(&f->script, "set title ");
    put_quoted(&f->script, name);
    tt_buf_printf(&f->script,
                  "\nset xlabel 'score'\nset ylabel 'share'\nset style fill transparent solid 0.5 noborder\n"
                  "set key outside top center horizontal\n");
    if (r->has_threshold && isfinite(r->threshold))
        tt_buf_printf(&f->script, "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead dt 2\n", r->threshold,
                      r->threshold);
    if (width > 0) tt_buf_printf(&f->script, "set boxwidth %.9g\n", width);
    tt_buf_printf(
        &f->script,
        "plot '%s.dat' index 0 with boxes title 'members', '' index 1 with boxes title 'non-members'\n",
        f->name);
    return end_figure(f, drawn, err);
}

/* ---- AUC against queries, and by run ---- */

static tt_status draw_queries(const tt_report *report, figure *f, const char *role, bool *drawn,
                              tt_error *err)
{
    curve *curves;
    size_t n = curves_of(report, report->arena, role, &curves);
    begin_script(f, 640, 360);
    tt_buf_printf(&f->script,
                  "set xlabel 'queries a sample'\nset ylabel 'AUC'\nset logscale x\nset key outside "
                  "right\nset offsets graph 0.1, graph 0.1, graph 0.05, graph 0.05\nplot");
    for (size_t i = 0; i < n; i++) {
        const tt_evaluation *e = &curves[i].scores->evaluation;
        char name[200];
        put_name(report, &curves[i], name, sizeof name);
        begin_block(f);
        tt_buf_printf(&f->data, "%.9g %.9g %.9g %.9g\n", fmax(curves[i].scores->predictions, 1), e->auc.auc,
                      e->auc.logit.low, e->auc.logit.high);
        tt_buf_printf(&f->script, "%s '%s.dat' index %zu with yerrorbars pt 7 lw 2 title ",
                      i ? ", \\\n " : "", f->name, i);
        put_quoted(&f->script, name);
    }
    tt_buf_printf(&f->script, "\n");
    return end_figure(f, drawn, err);
}

/* One series an attack, the runs along the axis. */
static tt_status draw_runs(const tt_report *report, figure *f, const char *role, bool *drawn, tt_error *err)
{
    curve *curves;
    size_t n = curves_of(report, report->arena, role, &curves), series = 0;
    begin_script(f, 820, 420);
    tt_buf_printf(&f->script,
                  "set ylabel 'AUC'\nset xtics rotate by -30 noenhanced\nset key outside right\nset xtics (");
    for (size_t i = 0; i < report->n_runs; i++) {
        tt_buf_printf(&f->script, "%s", i ? ", " : "");
        put_quoted(&f->script, report->runs[i].name);
        tt_buf_printf(&f->script, " %zu", i);
    }
    tt_buf_printf(&f->script, ")\nplot [-0.5:%.1f]", (double)report->n_runs - 0.5);
    for (size_t i = 0; i < n; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first &= strcmp(curves[k].scores->attack, curves[i].scores->attack) != 0;
        if (!first) continue;
        begin_block(f);
        for (size_t k = i; k < n; k++)
            if (strcmp(curves[k].scores->attack, curves[i].scores->attack) == 0)
                tt_buf_printf(&f->data, "%td %.9g %.9g %.9g\n", curves[k].run - report->runs,
                              curves[k].scores->evaluation.auc.auc,
                              curves[k].scores->evaluation.auc.logit.low,
                              curves[k].scores->evaluation.auc.logit.high);
        tt_buf_printf(&f->script, "%s '%s.dat' index %zu with yerrorlines pt 7 lw 2 title ",
                      series ? ", \\\n " : "", f->name, series);
        series++;
        put_quoted(&f->script, curves[i].scores->attack);
    }
    tt_buf_printf(&f->script, "\n");
    return end_figure(f, drawn, err);
}

/* ---- all of them ---- */

typedef enum kind { ROC, QUERIES, RUNS, HISTOGRAM } kind;

/* A visitor of every figure that the report has; curve is set for HISTOGRAM alone. */
typedef tt_status (*visitor)(const tt_report *report, void *user, kind what, const char *role, const curve *c,
                             const char *name, tt_error *err);

static bool role_seen(const tt_report *report, size_t run, size_t score)
{
    const char *role = report->runs[run].results.scores[score].role;
    for (size_t i = 0; i <= run; i++)
        for (size_t k = 0; k < (i == run ? score : report->runs[i].results.n_scores); k++)
            if (strcmp(report->runs[i].results.scores[k].role, role) == 0) return true;
    return false;
}

static tt_status visit_role(const tt_report *report, const char *role, visitor visit, void *user,
                            tt_error *err)
{
    curve *curves;
    char name[160];
    size_t n = curves_of(report, report->arena, role, &curves);
    if (n == 0) return TT_OK;
    tt_status s = TT_OK;
    snprintf(name, sizeof name, "roc-%s", role);
    if (n <= MOST_CURVES) s = visit(report, user, ROC, role, NULL, name, err);
    snprintf(name, sizeof name, "queries-%s", role);
    if (!s && n > 1 && n <= MOST_CURVES) s = visit(report, user, QUERIES, role, NULL, name, err);
    snprintf(name, sizeof name, "runs-%s", role);
    if (!s && report->n_runs > 1) s = visit(report, user, RUNS, role, NULL, name, err);
    for (size_t i = 0; i < n && !s && report->n_runs == 1; i++) {
        snprintf(name, sizeof name, "scores-%s-%s", curves[i].scores->attack, role);
        s = visit(report, user, HISTOGRAM, role, &curves[i], name, err);
    }
    return s;
}

static tt_status visit_all(const tt_report *report, visitor visit, void *user, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < report->n_runs; i++)
        for (size_t k = 0; k < report->runs[i].results.n_scores && !s; k++)
            if (!role_seen(report, i, k))
                s = visit_role(report, report->runs[i].results.scores[k].role, visit, user, err);
    return s;
}

typedef struct drawing {
    const char *dir;
    bool drawn;
} drawing;

static tt_status draw_one(const tt_report *report, void *user, kind what, const char *role, const curve *c,
                          const char *name, tt_error *err)
{
    drawing *d = user;
    figure f = {.dir = d->dir, .name = name};
    switch (what) {
    case ROC:
        return draw_roc(report, &f, role, &d->drawn, err);
    case QUERIES:
        return draw_queries(report, &f, role, &d->drawn, err);
    case RUNS:
        return draw_runs(report, &f, role, &d->drawn, err);
    case HISTOGRAM:
        break;
    }
    return draw_histogram(report, &f, c, &d->drawn, err);
}

tt_status tt_report_figures(const tt_report *report, bool *drawn, tt_error *err)
{
    char *dir = tt_path_join(report->dir, "figures");
    drawing d = {dir, true};
    tt_status s = dir ? tt_dir_create(dir, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = visit_all(report, draw_one, &d, err);
    *drawn = d.drawn;
    tt_free(dir);
    return s;
}

typedef struct listing {
    tt_arena *arena;
    tt_report_figure *figures;
    size_t n, capacity;
} listing;

static tt_status list_one(const tt_report *report, void *user, kind what, const char *role, const curve *c,
                          const char *name, tt_error *err)
{
    (void)report, (void)c;
    static const char *const titles[] = {"ROC curves with 95 % bootstrap bands", "AUC against queries",
                                         "AUC by run", "scores"};
    listing *l = user;
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 16;
        tt_report_figure *grown = tt_arena_alloc_array(l->arena, capacity, sizeof *grown);
        if (!grown) return tt_fail(err, TT_ERR_MEMORY, "out of memory for figures");
        if (l->n) memcpy(grown, l->figures, l->n * sizeof *grown);
        l->figures = grown;
        l->capacity = capacity;
    }
    tt_report_figure *f = &l->figures[l->n++];
    f->name = tt_arena_strdup(l->arena, name);
    f->title = tt_arena_printf(l->arena, "%s: %s", role, titles[what]);
    return f->name && f->title ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for figures");
}

tt_status tt_report_figure_list(const tt_report *report, tt_arena *arena, tt_report_figure **figures,
                                size_t *n, tt_error *err)
{
    listing l = {.arena = arena};
    tt_status s = visit_all(report, list_one, &l, err);
    *figures = l.figures;
    *n = l.n;
    return s;
}
