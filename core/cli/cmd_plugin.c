#include "cli/cli.h"
#include "runtime/plugin_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: telltale plugin check FILE [--params '{KEY: VALUE, ...}'] [--time-limit SECONDS]\n"
    "\n"
    "Tries a plugin file out in a process of its own: loads it, walks what it offers through its life with "
    "default (or\n"
    "the given) parameters, and says what is wrong. Attacks measure a small built-in practice model and "
    "score made rows.\n"
    "\n"
    "  --params       parameters as a YAML mapping; relative paths are taken from here\n"
    "  --time-limit   a step that takes longer is a hang (default 30)\n";

static void print_line(void *user, tt_check_outcome outcome, const char *step, const char *text)
{
    static const char *const words[] = {"ok", "FAILED", "skipped", "note"};
    (void)user;
    printf("%-8s %s%s%s\n", words[outcome], step, text[0] ? ": " : "", text);
}

static int check(const char *path, const tt_check_options *options)
{
    tt_error err = {0};
    size_t failures;
    if (tt_plugin_check(path, options, print_line, NULL, &failures, &err)) return tt_cli_error(&err);
    if (failures)
        printf("%s: %zu fault%s\n", path, failures, failures == 1 ? "" : "s");
    else
        printf("%s: no fault found\n", path);
    return failures ? TT_EXIT_FAILURES : TT_EXIT_DONE;
}

int tt_cmd_plugin(int argc, char **argv)
{
    tt_check_options options = {0};
    const char *path = NULL;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return TT_EXIT_DONE;
    }
    bool good = argc > 2 && strcmp(argv[1], "check") == 0;
    for (int i = 2; i < argc && good; i++) {
        char *end;
        if (strcmp(argv[i], "--params") == 0 && i + 1 < argc) {
            options.parameters = argv[++i];
        } else if (strcmp(argv[i], "--time-limit") == 0 && i + 1 < argc) {
            options.step_limit_s = strtod(argv[++i], &end);
            good = *end == '\0' && options.step_limit_s > 0 && options.step_limit_s < 1e6;
        } else {
            good = argv[i][0] != '-' && !path;
            path = argv[i];
        }
    }
    if (!good || !path) {
        fputs(help, stderr);
        return TT_EXIT_BAD_SPEC;
    }
    return check(path, &options);
}
