/* One file a subcommand: core/cli/cmd_<name>.c defines `int tt_cmd_<name>(int argc, char **argv)` (argv[0] is
 * the subcommand) and is listed in main.c. No logic of its own: reads arguments, calls the library, prints.
 */
#ifndef TT_CLI_H
#define TT_CLI_H

#include "telltale/status.h"

/* Exit codes (DESIGN 5.9) */
enum {
    TT_EXIT_DONE = 0,
    TT_EXIT_FAILURES = 1,
    TT_EXIT_BAD_SPEC = 2,
    TT_EXIT_REFUSED = 3,
    TT_EXIT_INTERRUPTED = 4
};

typedef struct tt_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} tt_command;

int tt_cmd_validate(int argc, char **argv);
int tt_cmd_run(int argc, char **argv);
int tt_cmd_report(int argc, char **argv);
int tt_cmd_compare(int argc, char **argv);
int tt_cmd_export(int argc, char **argv);
int tt_cmd_bundle(int argc, char **argv);
int tt_cmd_verify(int argc, char **argv);
int tt_cmd_evaluate(int argc, char **argv);
int tt_cmd_generate(int argc, char **argv);
int tt_cmd_ls(int argc, char **argv);
int tt_cmd_describe(int argc, char **argv);
int tt_cmd_plan(int argc, char **argv);
int tt_cmd_tune(int argc, char **argv);
int tt_cmd_explain(int argc, char **argv);
int tt_cmd_gc(int argc, char **argv);
int tt_cmd_schema(int argc, char **argv);
int tt_cmd_plugin(int argc, char **argv);

/* Prints "telltale: message" to stderr and gives the exit code that fits the status. */
int tt_cli_error(const tt_error *err);
int tt_cli_error_code(tt_status code); /* only the exit code */
/* Arguments that make no sense: "telltale: COMMAND WHAT", then how it is meant; TT_EXIT_BAD_SPEC. */
int tt_cli_usage(const char *help, const char *format, ...) TT_PRINTF(2, 3);

#endif
