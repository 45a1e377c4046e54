#include "cli/cli.h"
#include "cli/plugin_dirs.h"
#include "experiment/schema.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: telltale schema [--format json|markdown] [--plugin-dir DIR ...]\n"
    "\n"
    "Prints a JSON Schema (draft 7) of specs, with the parameters of all plugins that are found: editors "
    "complete and check\n"
    "with it. For those that speak yaml-language-server, write it to a file and begin the spec with\n"
    "\n"
    "  # yaml-language-server: $schema=spec.schema.json\n"
    "\n"
    "  --format markdown   the same for people: every key and parameter with type, range, default and "
    "meaning\n";

int tt_cmd_schema(int argc, char **argv)
{
    tt_plugin_dirs dirs = {0};
    bool markdown = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (tt_plugin_dirs_option(&dirs, argc, argv, &i)) continue;
        const char *format = strcmp(argv[i], "--format") == 0 && i + 1 < argc ? argv[i + 1] : NULL;
        if (format && (strcmp(format, "json") == 0 || strcmp(format, "markdown") == 0)) {
            markdown = strcmp(format, "markdown") == 0;
            i++;
            continue;
        }
        fprintf(stderr, "telltale: schema does not understand '%s'\n%s", argv[i], help);
        return TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    tt_registry *registry;
    if (tt_plugin_dirs_open(&dirs, &registry, &err)) return tt_cli_error(&err);
    tt_buf out = {0};
    tt_status s = markdown ? tt_spec_reference(registry, &out, &err) : tt_spec_schema(registry, &out, &err);
    if (!s) fwrite(out.data, 1, out.size, stdout);
    tt_buf_free(&out);
    tt_registry_close(registry);
    return s ? tt_cli_error(&err) : TT_EXIT_DONE;
}
