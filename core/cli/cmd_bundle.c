#include "cli/cli.h"
#include "cli/plugin_dirs.h"
#include "experiment/bundle.h"

#include <stdio.h>
#include <string.h>

static const char bundle_help[] = "usage: telltale bundle DIR --out FILE.ttb [--no-captions]\n"
                                  "\n"
                                  "Puts a run into one file for others to check: spec, features, scores, "
                                  "metrics and digests; no image, no weight.\n"
                                  "\n"
                                  "  --no-captions   leave the captions out, and words' heat maps\n";

static const char verify_help[] = "usage: telltale verify FILE.ttb [--plugin-dir DIR]\n"
                                  "\n"
                                  "Checks a bundle: its digests; every metric, computed again from its "
                                  "scores; every score, fitted and scored again\n"
                                  "from its features by the attack's plugin of this machine. Exit code 1 "
                                  "where something differs, 2 where the file\n"
                                  "was changed or is damaged.\n";

int tt_cmd_bundle(int argc, char **argv)
{
    const char *dir = NULL, *path = NULL;
    bool captions = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(bundle_help, stdout);
            return TT_EXIT_DONE;
        }
        if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (strcmp(argv[i], "--no-captions") == 0)
            captions = false;
        else if (argv[i][0] == '-' || dir)
            return tt_cli_usage(bundle_help, "bundle does not understand '%s'", argv[i]);
        else
            dir = argv[i];
    }
    if (!dir || !path) return tt_cli_usage(bundle_help, "bundle needs a run's folder and --out FILE.ttb");
    tt_error err = {0};
    return tt_bundle_write(dir, captions, path, &err) ? tt_cli_error(&err) : TT_EXIT_DONE;
}

static tt_status verify(const char *path, tt_registry *registry, size_t *differ, tt_error *err)
{
    tt_bundle bundle;
    tt_verification v;
    tt_buf out = {0};
    tt_status s = tt_bundle_open(path, &bundle, err);
    if (s) return s;
    s = tt_bundle_verify(&bundle, registry, &v, err);
    if (!s) {
        printf("%s: digests agree; written by telltale %s, %zu samples\n", path, bundle.version,
               bundle.results.n_samples);
        if (tt_verification_text(&v, &out)) fwrite(out.data, 1, out.size, stdout);
        *differ = v.differ;
        tt_verification_free(&v);
    }
    tt_buf_free(&out);
    tt_bundle_close(&bundle);
    return s;
}

int tt_cmd_verify(int argc, char **argv)
{
    const char *path = NULL;
    tt_plugin_dirs dirs = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(verify_help, stdout);
            return TT_EXIT_DONE;
        }
        if (tt_plugin_dirs_option(&dirs, argc, argv, &i)) continue;
        if (argv[i][0] == '-' || path)
            return tt_cli_usage(verify_help, "verify does not understand '%s'", argv[i]);
        path = argv[i];
    }
    if (!path) return tt_cli_usage(verify_help, "verify needs a bundle, FILE.ttb");
    tt_error err = {0};
    tt_registry *registry = NULL;
    size_t differ = 0;
    tt_status s = tt_registry_open(dirs.dirs, dirs.n, &registry, &err);
    if (!s) s = verify(path, registry, &differ, &err);
    tt_registry_close(registry);
    if (s) return tt_cli_error(&err);
    puts(differ ? "something differs" : "verified");
    return differ ? TT_EXIT_FAILURES : TT_EXIT_DONE;
}
