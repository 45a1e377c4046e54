#include "cli/cli.h"
#include "experiment/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = "usage: telltale evaluate FILE.csv [--json] [--fpr LIST] [--analytic] [--set]\n"
                           "\n"
                           "Evaluates membership scores. Columns: label (1 member, 0 not), score (higher = "
                           "member), and seed where the file\n"
                           "holds several runs. Prints for each seed, and over seeds, the AUC with its "
                           "DeLong interval, the TPR at 10, 1 and\n"
                           "0.1 % FPR with intervals, and the best accuracy.\n"
                           "\n"
                           "  --json       machine-readable, all digits\n"
                           "  --fpr LIST   other false positive rates than 0.1,0.01,0.001; at most 8\n"
                           "  --analytic   no bootstrap: a million scores take a second\n"
                           "  --set        were the members, as a set, used? One-sided tests against the "
                           "non-members, and what sets of 5 to 200\n"
                           "               images would show\n";

/* "0.1,0.005" */
static tt_status parse_fprs(const char *list, double *fprs, size_t *n, tt_error *err)
{
    *n = 0;
    for (const char *p = list;; p++) {
        char *end;
        double v = strtod(p, &end);
        if (end == p || !(v > 0 && v < 1))
            return tt_fail(err, TT_ERR_INVALID, "--fpr %.100s: '%.20s' is not a number between 0 and 1", list,
                           p);
        if (*n == TT_EVALUATE_FPRS_MAX)
            return tt_fail(err, TT_ERR_INVALID, "--fpr %.100s: more than %d rates", list,
                           TT_EVALUATE_FPRS_MAX);
        fprs[(*n)++] = v;
        if (*end == '\0') return TT_OK;
        if (*end != ',')
            return tt_fail(err, TT_ERR_INVALID, "--fpr %.100s: '%.20s' stands where a comma is needed", list,
                           end);
        p = end;
    }
}

int tt_cmd_evaluate(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    tt_evaluate_options options = tt_evaluate_defaults();
    tt_error err = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--analytic") == 0) {
            options.analytic = true;
        } else if (strcmp(argv[i], "--set") == 0) {
            options.sets = true;
        } else if (strcmp(argv[i], "--fpr") == 0 && i + 1 < argc) {
            if (parse_fprs(argv[++i], options.fprs, &options.n_fprs, &err)) return tt_cli_error(&err);
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
    tt_evaluations e;
    if (tt_evaluate_csv_with(path, &options, &e, &err)) return tt_cli_error(&err);
    tt_buf out = {0};
    bool ok = json ? tt_evaluations_json(&e, &out) : tt_evaluations_text(&e, &out);
    if (ok) fwrite(out.data, 1, out.size, stdout);
    tt_buf_free(&out);
    tt_evaluations_free(&e);
    return ok && fflush(stdout) == 0 ? TT_EXIT_DONE : TT_EXIT_FAILURES;
}
