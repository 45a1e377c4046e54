/* The `telltale` program: finds the subcommand. */
#include "base/sanitizer.h"
#include "cli/cli.h"
#include "runtime/plugin_check.h"
#include "runtime/spawn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tt_command commands[] = {
    {"validate", "checks a spec and says what would run", tt_cmd_validate},
    {"plan", "the steps of an experiment: what is stored, what is left, what it costs", tt_cmd_plan},
    {"explain", "why a step would be computed", tt_cmd_explain},
    {"run", "runs an experiment, or resumes it", tt_cmd_run},
    {"tune", "which batch fills the device, found by measuring", tt_cmd_tune},
    {"report", "tables, figures and pages of runs", tt_cmd_report},
    {"compare", "which differences between two runs are significant", tt_cmd_compare},
    {"export", "features and scores as CSV or NPZ", tt_cmd_export},
    {"bundle", "a run in one file, for others to check", tt_cmd_bundle},
    {"verify", "checks such a file: digests, metrics, scores", tt_cmd_verify},
    {"evaluate", "metrics of a table of scores", tt_cmd_evaluate},
    {"generate", "images from a model", tt_cmd_generate},
    {"ls", "plugins that are found", tt_cmd_ls},
    {"describe", "a plugin and its parameters", tt_cmd_describe},
    {"gc", "removes what no run uses any more", tt_cmd_gc},
    {"schema", "JSON Schema of specs, for editors", tt_cmd_schema},
    {"plugin", "`plugin check FILE` tries a plugin out", tt_cmd_plugin},
    {NULL, NULL, NULL},
};

int tt_cli_error(const tt_error *err)
{
    fprintf(stderr, "telltale: %s\n", err->message);
    return tt_cli_error_code(err->code);
}

int tt_cli_usage(const char *help, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("telltale: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n%s", help);
    return TT_EXIT_BAD_SPEC;
}

int tt_cli_error_code(tt_status code)
{
    switch (code) {
    case TT_OK:
        return TT_EXIT_DONE;
    case TT_ERR_REFUSED:
        return TT_EXIT_REFUSED;
    case TT_ERR_INTERRUPTED:
        return TT_EXIT_INTERRUPTED;
    case TT_ERR_CRASHED:
    case TT_ERR_IO:
    case TT_ERR_MEMORY:
    case TT_ERR_INTERNAL:
        return TT_EXIT_FAILURES;
    default:
        return TT_EXIT_BAD_SPEC;
    }
}

static void usage(FILE *out)
{
    fprintf(out, "usage: telltale COMMAND [ARGUMENT ...]\n\n");
    for (const tt_command *c = commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fprintf(out, "\n`telltale COMMAND --help` says more. Audit only models and images that you may lawfully "
                 "examine.\n");
}

int main(int argc, char **argv)
{
    /* Before a backend brings OpenMP in, which reads this once: threads that wait for each other spin for
     * microseconds, then sleep. Spinning for milliseconds, the default, costs ten times the work as soon as
     * another program wants a processor. */
    setenv("GOMP_SPINCOUNT", "1000", 0);
    if (argc < 2) {
        usage(stderr);
        return TT_EXIT_BAD_SPEC;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return TT_EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("telltale %s\n", TT_VERSION);
        return TT_EXIT_DONE;
    }
    /* the program's own children */
    if (strcmp(argv[1], "__host") == 0) return tt_child_main(TT_CHILD_HOST, argc - 1, argv + 1);
    if (strcmp(argv[1], "__check") == 0) return tt_plugin_check_main(argc - 1, argv + 1);
    if (strcmp(argv[1], "__worker") == 0) return tt_child_main(TT_CHILD_WORKER, argc - 1, argv + 1);
    for (const tt_command *c = commands; c->name; c++)
        if (strcmp(argv[1], c->name) == 0) return c->run(argc - 1, argv + 1);
    fprintf(stderr, "telltale: no command '%s'; `telltale --help` lists them\n", argv[1]);
    return TT_EXIT_BAD_SPEC;
}
