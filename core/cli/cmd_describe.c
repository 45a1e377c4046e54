#include "cli/cli.h"
#include "cli/plugin_dirs.h"
#include "plugin/params.h"
#include "plugin/registry.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: telltale describe NAME | KIND/NAME [--plugin-dir DIR ...]\n"
    "\n"
    "Prints what a plugin is and every parameter that it takes: type, default, range, meaning.\n";

static void print_param(const tt_param *p)
{
    printf("  %-18s %s", p->key, tt_param_type_name(p->type));
    if (p->type == TT_PARAM_CHOICE) printf(" %s", p->choices);
    if (p->min != 0 || p->max != 0) printf(", %g to %g", p->min, p->max);
    if (p->flags & TT_PARAM_REQUIRED)
        printf("; required");
    else
        printf("; default %s", p->default_value ? p->default_value : "unset");
    printf("\n  %-18s   %s\n", "", p->help);
}

static void print_plugin(const tt_registered *p)
{
    const tt_plugin_info *info = p->info;
    printf("%s %s, revision %u (%s)\n  %s\n", tt_plugin_kind_name(info->kind), info->name, info->revision,
           p->path, info->summary);
    if (info->reference) printf("  source: %s\n", info->reference);
    printf(info->n_params ? "\nparameters\n" : "\nit takes no parameters\n");
    for (uint32_t i = 0; i < info->n_params; i++)
        print_param(&info->params[i]);
}

/* Finds NAME in any kind, or KIND/NAME. */
static tt_status find(tt_registry *r, const char *name, const tt_registered **out, tt_error *err)
{
    const char *slash = strchr(name, '/');
    if (slash) {
        char kind[32];
        snprintf(kind, sizeof kind, "%.*s", (int)(slash - name), name);
        int k = tt_plugin_kind_from_name(kind);
        if (k < 0) return tt_fail(err, TT_ERR_INVALID, "'%s' is no kind of plugin", kind);
        return tt_registry_find(r, (tt_plugin_kind)k, slash + 1, out, err);
    }
    const tt_registered *found = NULL;
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < tt_registry_count(r); i++) {
        const tt_registered *p = tt_registry_at(r, i);
        if (n < 256) names[n++] = p->info->name;
        if (strcmp(p->info->name, name) != 0) continue;
        if (found)
            return tt_fail(err, TT_ERR_INVALID, "'%s' is a %s and a %s: say KIND/NAME", name,
                           tt_plugin_kind_name(found->info->kind), tt_plugin_kind_name(p->info->kind));
        found = p;
    }
    const char *near = found ? NULL : tt_nearest(name, names, n);
    if (!found)
        return tt_fail(err, TT_ERR_NOT_FOUND, "there is no plugin '%s'%s%s%s; `telltale ls` lists all", name,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    *out = found;
    return TT_OK;
}

int tt_cmd_describe(int argc, char **argv)
{
    tt_plugin_dirs dirs = {0};
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (tt_plugin_dirs_option(&dirs, argc, argv, &i)) continue;
        name = argv[i];
    }
    if (!name) {
        fputs(help, stderr);
        return TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    tt_registry *r;
    if (tt_registry_open(dirs.dirs, dirs.n, &r, &err)) return tt_cli_error(&err);
    const tt_registered *p;
    tt_status s = find(r, name, &p, &err);
    if (!s) print_plugin(p);
    tt_registry_close(r);
    return s ? tt_cli_error(&err) : TT_EXIT_DONE;
}
