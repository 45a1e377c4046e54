#include "cli/plugin_dirs.h"
#include "runtime/plugin_check.h"

#include <string.h>

bool tt_plugin_dirs_option(tt_plugin_dirs *d, int argc, char **argv, int *i)
{
    if (d->n == sizeof d->dirs / sizeof *d->dirs) return false;
    if (strncmp(argv[*i], "--plugin-dir=", 13) == 0) {
        d->dirs[d->n++] = argv[*i] + 13;
        return true;
    }
    if (strcmp(argv[*i], "--plugin-dir") != 0 || *i + 1 >= argc) return false;
    d->dirs[d->n++] = argv[++*i];
    return true;
}

tt_status tt_plugin_dirs_open(const tt_plugin_dirs *d, tt_registry **registry, tt_error *err)
{
    tt_registry *r;
    tt_status s = tt_registry_open(d->dirs, d->n, &r, err);
    if (s) return s;
    const tt_check_options options = {.step_limit_s = 10};
    for (size_t i = 0; i < tt_registry_file_count(r) && !s; i++) {
        bool survives;
        char why[512];
        s = tt_plugin_survives_loading(tt_registry_file(r, i), &options, &survives, why, sizeof why, err);
        if (!s && !survives) s = tt_registry_exclude(r, i, why, err);
    }
    if (s)
        tt_registry_close(r);
    else
        *registry = r;
    return s;
}
