#include "cli/cli.h"
#include "experiment/compare.h"
#include "experiment/report.h"

#include <stdio.h>
#include <string.h>

static const char help[] = "usage: telltale compare DIR_A DIR_B [--json]\n"
                           "\n"
                           "Which differences between two runs are significant: for attacks of equal names "
                           "(or, where no name is in both,\n"
                           "for all of them) on models of equal roles the difference of AUC by DeLong, "
                           "paired over the images that both runs\n"
                           "judged, with Holm's correction, and that of the TPR at 1 % FPR by paired "
                           "bootstrap. Images are the same if their\n"
                           "pixels are. Runs without a common image are compared as independent.\n";

static tt_status compare(const char *a, const char *b, bool json, tt_buf *out, tt_error *err)
{
    tt_report_run runs[2] = {{0}, {0}};
    tt_comparison c = {0};
    tt_status s = tt_report_run_read(a, &runs[0], err);
    if (!s) s = tt_report_run_read(b, &runs[1], err);
    if (!s) s = tt_compare_runs(&runs[0].results, &runs[1].results, &c, err);
    if (!s && !(json ? tt_comparison_json(&c, out) : tt_comparison_text(&c, runs[0].name, runs[1].name, out)))
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a comparison");
    tt_comparison_free(&c);
    tt_report_run_free(&runs[0]);
    tt_report_run_free(&runs[1]);
    return s;
}

int tt_cmd_compare(int argc, char **argv)
{
    const char *dirs[2];
    size_t n = 0;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-' || n == 2)
            return tt_cli_usage(help, "compare does not understand '%s'", argv[i]);
        else
            dirs[n++] = argv[i];
    }
    if (n < 2) return tt_cli_usage(help, "compare needs the folders of two runs");
    tt_error err = {0};
    tt_buf out = {0};
    tt_status s = compare(dirs[0], dirs[1], json, &out, &err);
    if (!s) fwrite(out.data, 1, out.size, stdout);
    tt_buf_free(&out);
    return s ? tt_cli_error(&err) : TT_EXIT_DONE;
}
