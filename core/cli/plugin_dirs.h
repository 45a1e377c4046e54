/* The option --plugin-dir DIR, which every command that loads plugins takes. */
#ifndef TT_CLI_PLUGIN_DIRS_H
#define TT_CLI_PLUGIN_DIRS_H

#include "plugin/registry.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct tt_plugin_dirs {
    const char *dirs[64];
    size_t n;
} tt_plugin_dirs;

/* true when argv[*i] was the option; *i then stands on its value. */
bool tt_plugin_dirs_option(tt_plugin_dirs *d, int argc, char **argv, int *i);

/* A registry for listing: files that crash or hang when they are loaded are found out in a child and left out
 * as problems. */
tt_status tt_plugin_dirs_open(const tt_plugin_dirs *d, tt_registry **registry, tt_error *err);

#endif
