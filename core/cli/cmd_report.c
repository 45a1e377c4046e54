#include "base/file.h"
#include "cli/cli.h"
#include "experiment/results.h"
#include "experiment/sweep_index.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: telltale report DIR [--json] [--details] [--figures]\n"
    "\n"
    "Prints the table of a run: for each model that was judged and each attack the AUC, the accuracy (ASR) "
    "at the\n"
    "threshold that calibration fitted, TPR at 1 and 0.1 % FPR, all with intervals, queries a sample and "
    "seconds;\n"
    "then paired comparisons, and what failed. Of a sweep a line for each cell, model and attack.\n"
    "\n"
    "  --json     machine-readable, all digits\n"
    "  --details  also bootstrap and partial AUC, precision at prevalence, set-level inference, the papers' "
    "own "
    "variants\n"
    "  --figures  also draws ROC curves into DIR/figures (data and gnuplot script stay beside them)\n";

static tt_status read_run(const char *dir, tt_results *r, tt_run_info *info, bool *has_info, tt_error *err)
{
    if (!tt_dir_exists(dir)) return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no such folder", dir);
    char *results = tt_path_join(dir, "results.h5"), *run = tt_path_join(dir, "run.json");
    tt_status s = results && run ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s && !tt_file_exists(results))
        s = tt_fail(
            err, TT_ERR_NOT_FOUND,
            "%s: holds no results yet; the `telltale run` that writes here goes on where it stopped when "
            "it is started again",
            dir);
    if (!s) s = tt_results_read(results, r, err);
    tt_error ignored = {0};
    *has_info = !s && tt_run_info_read(run, info, &ignored) == TT_OK;
    tt_free(results);
    tt_free(run);
    return s;
}

static tt_status report_sweep(const char *dir, bool json, bool more, tt_buf *out, tt_error *err)
{
    if (more)
        return tt_fail(err, TT_ERR_INVALID,
                       "%s holds a sweep: --details and --figures are for one of its cells, %s/cells/NAME",
                       dir, dir);
    return json ? tt_sweep_json(dir, out, err) : tt_sweep_table(dir, out, err);
}

static tt_status report(const char *dir, bool json, bool details, bool figures, tt_buf *out, tt_error *err)
{
    tt_results r = {0};
    tt_run_info info = {0};
    bool has_info, drawn = true;
    if (tt_sweep_index_there(dir)) return report_sweep(dir, json, details || figures, out, err);
    tt_status s = read_run(dir, &r, &info, &has_info, err);
    if (s) return s;
    bool good = json ? tt_results_json(&r, has_info ? &info : NULL, out)
                     : tt_results_table(&r, has_info ? &info : NULL, out);
    if (details && !json) good = good && tt_buf_printf(out, "\n") && tt_results_details(&r, out);
    if (!good) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for the table");
    if (!s && figures) s = tt_results_figures(&r, dir, &drawn, err);
    if (!drawn)
        fprintf(stderr, "telltale: no gnuplot here: %s/figures holds data and scripts, but no pictures\n",
                dir);
    tt_run_info_free(&info);
    tt_results_free(&r);
    return s;
}

int tt_cmd_report(int argc, char **argv)
{
    const char *dir = NULL;
    bool json = false, details = false, figures = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--details") == 0) {
            details = true;
        } else if (strcmp(argv[i], "--figures") == 0) {
            figures = true;
        } else if (argv[i][0] == '-' || dir) {
            fprintf(stderr, "telltale: report does not understand '%s'\n%s", argv[i], help);
            return TT_EXIT_BAD_SPEC;
        } else {
            dir = argv[i];
        }
    }
    if (!dir) {
        fputs(help, stderr);
        return TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    tt_buf out = {0};
    tt_status s = report(dir, json, details, figures, &out, &err);
    if (!s) fwrite(out.data, 1, out.size, stdout);
    tt_buf_free(&out);
    return s ? tt_cli_error(&err) : TT_EXIT_DONE;
}
