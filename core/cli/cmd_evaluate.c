#include "cli/cli.h"
#include "experiment/evaluate.h"

#include <stdio.h>
#include <string.h>

static const char help[] = "usage: telltale evaluate FILE.csv [--json]\n"
                           "\n"
                           "Evaluates membership scores. Columns: label (1 member, 0 not), score (higher = "
                           "member), and seed where the file\n"
                           "holds several runs. Prints for each seed, and over seeds, the AUC with its "
                           "DeLong interval, the TPR at 10, 1 and\n"
                           "0.1 % FPR with intervals, and the best accuracy.\n"
                           "\n"
                           "  --json   machine-readable, all digits\n";

int tt_cmd_evaluate(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (argv[i][0] == '-' || path) {
            fprintf(stderr, "telltale: evaluate does not understand '%s'\n%s", argv[i], help);
            return TT_EXIT_BAD_SPEC;
        } else {
            path = argv[i];
        }
    }
    if (!path) {
        fputs(help, stderr);
        return TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    tt_evaluations e;
    if (tt_evaluate_csv(path, &e, &err)) return tt_cli_error(&err);
    tt_buf out = {0};
    bool ok = json ? tt_evaluations_json(&e, &out) : tt_evaluations_text(&e, &out);
    if (ok) fwrite(out.data, 1, out.size, stdout);
    tt_buf_free(&out);
    tt_evaluations_free(&e);
    return ok && fflush(stdout) == 0 ? TT_EXIT_DONE : TT_EXIT_FAILURES;
}
