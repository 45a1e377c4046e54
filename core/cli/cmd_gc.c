#include "cli/cli.h"
#include "experiment/survey.h"

#include <stdio.h>
#include <string.h>

static const char help[] = "usage: telltale gc DIR [--dry-run]\n"
                           "\n"
                           "Removes from DIR/store the manifests, measurements and scores that the last run "
                           "in DIR does not use: what "
                           "earlier versions\n"
                           "of its spec left behind. DIR is a folder that `telltale run` made.\n"
                           "\n"
                           "  --dry-run   only says what would be removed\n";

int tt_cmd_gc(int argc, char **argv)
{
    const char *dir = NULL;
    bool dry_run = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--dry-run") == 0) {
            dry_run = true;
        } else if (argv[i][0] != '-' && !dir) {
            dir = argv[i];
        } else {
            fprintf(stderr, "telltale: gc does not understand '%s'\n%s", argv[i], help);
            return TT_EXIT_BAD_SPEC;
        }
    }
    if (!dir) {
        fputs(help, stderr);
        return TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    tt_buf out = {0};
    tt_status s = tt_store_collect(dir, dry_run, &out, &err);
    if (out.size) fwrite(out.data, 1, out.size, stdout);
    tt_buf_free(&out);
    return s ? tt_cli_error(&err) : TT_EXIT_DONE;
}
