#include "cli/plugin_dirs.h"

#include <string.h>

bool tt_plugin_dirs_option(tt_plugin_dirs *d, int argc, char **argv, int *i)
{
    if (strcmp(argv[*i], "--plugin-dir") != 0 || *i + 1 >= argc || d->n == sizeof d->dirs / sizeof *d->dirs)
        return false;
    d->dirs[d->n++] = argv[++*i];
    return true;
}
