#include "cli/cli.h"
#include "cli/plugin_dirs.h"
#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

static const char help[] = "usage: telltale ls [KIND] [--plugin-dir DIR ...]\n"
                           "\n"
                           "Lists what plugins offer: attacks, targets, data, services, transforms, "
                           "backends; then files that could not be used\n"
                           "and plugins that were not built, with the reason. Searched are --plugin-dir, "
                           "TELLTALE_PLUGIN_PATH and the folder "
                           "that was installed or built.\n";

static void print_one(const tt_registered *p)
{
    const char *why = NULL;
    if (p->info->kind == TT_KIND_BACKEND) {
        const tt_backend *backend = p->table;
        why = backend->unavailable ? backend->unavailable() : NULL;
    }
    printf("%-10s %-20s %s%s%s  [%s]\n", tt_plugin_kind_name(p->info->kind), p->info->name, p->info->summary,
           why ? "; not usable here: " : "", why ? why : "", p->path);
}

int tt_cmd_ls(int argc, char **argv)
{
    tt_plugin_dirs dirs = {0};
    int kind = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (tt_plugin_dirs_option(&dirs, argc, argv, &i)) continue;
        kind = kind == 0 ? tt_plugin_kind_from_name(argv[i]) : -1;
        if (kind < 0) {
            fprintf(stderr, "telltale: '%s' is no kind of plugin\n%s", argv[i], help);
            return TT_EXIT_BAD_SPEC;
        }
    }
    tt_error err = {0};
    tt_registry *r;
    if (tt_plugin_dirs_open(&dirs, &r, &err)) return tt_cli_error(&err);
    for (int k = TT_KIND_ATTACK; k <= TT_KIND_BACKEND; k++)
        for (size_t i = 0; i < tt_registry_count(r); i++) {
            const tt_registered *p = tt_registry_at(r, i);
            if ((int)p->info->kind == k && (kind == 0 || kind == k)) print_one(p);
        }
    for (size_t i = 0; i < tt_registry_problem_count(r); i++)
        printf("unusable   %s\n", tt_registry_problem(r, i));
    for (size_t i = 0; i < tt_registry_absent_count(r); i++)
        printf("absent     %s\n", tt_registry_absent(r, i));
    tt_registry_close(r);
    return TT_EXIT_DONE;
}
