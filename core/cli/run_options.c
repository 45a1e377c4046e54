#include "cli/run_options.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "attacks.clid.alpha=0.5": a name, then '='. A file may have '=' in its name behind a '/'. */
static bool is_override(const char *text)
{
    const char *p = text;
    while (isalnum((unsigned char)*p) || *p == '_' || *p == '.' || *p == '-')
        p++;
    return *p == '=' && p > text;
}

static bool take_jobs(const char *text, unsigned *jobs)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > 64) {
        fprintf(stderr, "telltale: --jobs %s: a number from 1 to 64 must be there\n", text);
        return false;
    }
    *jobs = (unsigned)n;
    return true;
}

bool tt_run_options_parse(const char *command, int argc, char **argv, tt_run_options *o)
{
    bool tunes = strcmp(command, "tune") == 0;
    bool takes_cell = tunes || strcmp(command, "plan") == 0 || strcmp(command, "explain") == 0;
    bool takes_json = tunes || strcmp(command, "run") == 0 || strcmp(command, "plan") == 0;
    *o = (tt_run_options){0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            o->help = true;
            return true;
        }
        if (tt_plugin_dirs_option(&o->dirs, argc, argv, &i)) continue;
        if (strcmp(argv[i], "--in-process") == 0) {
            o->in_process = true;
        } else if (strcmp(argv[i], "--quiet") == 0) {
            o->quiet = true;
        } else if (strcmp(argv[i], "--json") == 0 && takes_json) {
            o->json = true;
        } else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc && !tunes) {
            if (!take_jobs(argv[++i], &o->jobs)) return false;
        } else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc && !tunes) {
            o->out = argv[++i];
        } else if (strcmp(argv[i], "--cell") == 0 && i + 1 < argc && takes_cell) {
            o->cell = argv[++i];
        } else if (argv[i][0] != '-' && is_override(argv[i]) && o->n_overrides < TT_MAX_OVERRIDES) {
            o->overrides[o->n_overrides++] = argv[i];
        } else if (argv[i][0] != '-' && !o->spec) {
            o->spec = argv[i];
        } else if (argv[i][0] != '-' && tunes && o->n_roles < TT_MAX_ROLES) {
            o->roles[o->n_roles++] = argv[i];
        } else if (argv[i][0] != '-' && !o->step && strcmp(command, "explain") == 0) {
            o->step = argv[i];
        } else {
            fprintf(stderr, "telltale: %s does not understand '%s'; `telltale %s --help` says more\n",
                    command, argv[i], command);
            return false;
        }
    }
    if (!o->spec) {
        fprintf(stderr, "telltale: %s needs a spec; `telltale %s --help` says more\n", command, command);
        return false;
    }
    tt_log_set_json(o->json);
    if (o->quiet) {
        tt_progress_set_quiet(true);
        tt_log_set_level(TT_LOG_ERROR);
    }
    return true;
}

char *tt_run_options_dir(const tt_run_options *o)
{
    const char *spec = o->spec;
    if (o->out) return tt_strdup(o->out);
    const char *slash = strrchr(spec, '/');
    const char *name = slash ? slash + 1 : spec;
    const char *dot = strrchr(name, '.');
    char *stem = tt_strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
    char *out = stem ? tt_path_join("results", stem) : NULL;
    tt_free(stem);
    return out;
}

tt_launch tt_run_options_launch(const tt_run_options *o)
{
    return (tt_launch){.in_process = o->in_process,
                       .plugin_dirs = o->dirs.dirs,
                       .n_plugin_dirs = o->dirs.n,
                       .jobs = o->jobs};
}

tt_spec_request tt_run_options_request(const tt_run_options *o)
{
    return (tt_spec_request){o->spec, o->overrides, o->n_overrides};
}

tt_plugin_source tt_run_options_source(tt_describer *describer)
{
    return (tt_plugin_source){tt_describe_plugin, describer, tt_describe_program, tt_describe_best_backend};
}

tt_status tt_run_options_open(tt_run_options *o, tt_error *err)
{
    tt_spec_request request = tt_run_options_request(o);
    tt_problems_free(&o->problems);
    if (o->cell) return TT_OK;
    return tt_sweep_open(&request, &o->problems, &o->sweep, err);
}

static tt_status load_cell(tt_run_options *o, const tt_plugin_source *source, const tt_spec_request *request,
                           const char *const *more, size_t n, tt_spec **spec, tt_error *err)
{
    size_t cell;
    tt_sweep_free(o->sweep);
    o->sweep = NULL;
    tt_status s = tt_sweep_open(request, &o->problems, &o->sweep, err);
    if (!s && !o->sweep)
        s = tt_fail(err, TT_ERR_INVALID, "--cell %s: %s has neither sweep nor replication", o->cell, o->spec);
    if (!s) s = tt_sweep_find(o->sweep, o->cell, &cell, err);
    return s ? s : tt_sweep_cell_with(o->sweep, cell, more, n, source, &o->problems, spec, err);
}

tt_status tt_run_options_load(tt_run_options *o, tt_describer *describer, const char *const *more, size_t n,
                              tt_spec **spec, tt_error *err)
{
    tt_plugin_source source = tt_run_options_source(describer);
    tt_spec_request request = tt_run_options_request(o);
    tt_problems_free(&o->problems);
    if (o->cell) return load_cell(o, &source, &request, more, n, spec, err);
    return tt_spec_load_with(&request, more, n, &source, &o->problems, spec, err);
}

int tt_run_options_error(const tt_run_options *o, const tt_error *err)
{
    const tt_problems *p = &o->problems;
    if (p->n < 2) return tt_cli_error(err);
    for (size_t i = 0; i < p->n; i++)
        fprintf(stderr, "telltale: %s\n", p->list[i].message);
    fprintf(stderr, "telltale: %zu problems in %s\n", p->n + p->n_dropped, o->spec);
    return tt_cli_error_code(p->list[0].code);
}

void tt_run_options_free(tt_run_options *o)
{
    tt_problems_free(&o->problems);
    tt_sweep_free(o->sweep);
    o->sweep = NULL;
}
