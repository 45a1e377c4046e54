#include "cli/cli.h"
#include "experiment/export.h"
#include "experiment/report.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: telltale export DIR --out FILE.npz | FOLDER\n"
    "\n"
    "Features, scores, labels and samples of a run for other programs: one NumPy archive where --out\n"
    "ends in .npz, else a folder of CSV files. results.h5 itself opens in h5py, R, Julia and MATLAB.\n";

int tt_cmd_export(int argc, char **argv)
{
    const char *dir = NULL, *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (argv[i][0] == '-' || dir)
            return tt_cli_usage(help, "export does not understand '%s'", argv[i]);
        else
            dir = argv[i];
    }
    if (!dir || !path)
        return tt_cli_usage(help, "export needs a run's folder, and --out with FILE.npz or a folder for CSV");
    size_t n = strlen(path);
    tt_error err = {0};
    tt_report_run run;
    tt_status s = tt_report_run_read(dir, &run, &err);
    if (s) return tt_cli_error(&err);
    s = n > 4 && strcmp(path + n - 4, ".npz") == 0 ? tt_export_npz(&run.results, path, &err)
                                                   : tt_export_csv(&run.results, path, &err);
    tt_report_run_free(&run);
    return s ? tt_cli_error(&err) : TT_EXIT_DONE;
}
