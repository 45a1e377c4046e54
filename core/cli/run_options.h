/* The arguments that `validate`, `plan`, `run`, … share: SPEC [key=value …] and options. */
#ifndef TT_CLI_RUN_OPTIONS_H
#define TT_CLI_RUN_OPTIONS_H

#include "cli/plugin_dirs.h"
#include "experiment/sweep.h"
#include "runtime/describe.h"

#define TT_MAX_OVERRIDES 256
#define TT_MAX_ROLES     64

typedef struct tt_run_options {
    const char *spec, *out;
    const char *step;                /* `explain SPEC STEP` */
    const char *cell;                /* --cell NAME, of `plan`, `explain` and `tune` */
    const char *roles[TT_MAX_ROLES]; /* `tune SPEC ROLE …` */
    size_t n_roles;
    tt_sweep *sweep; /* of the spec that was opened; NULL: it is none */
    const char *overrides[TT_MAX_OVERRIDES];
    size_t n_overrides;
    tt_plugin_dirs dirs;
    bool in_process, quiet, help;
    bool json;            /* of `run`, `plan` and `tune` */
    unsigned jobs;        /* --jobs; 0: one */
    tt_problems problems; /* of the spec that was loaded; tt_run_options_free */
} tt_run_options;

#define TT_RUN_OPTIONS_HELP                                                                                  \
    "  key=value         sets a key of the spec: attacks.clid.alpha=0.5 (YAML; several may follow)\n"        \
    "  --in-process      everything in one process, for debuggers; the same results\n"                       \
    "  --plugin-dir DIR  search plugins here first\n"                                                        \
    "  --jobs N          measure N models at once, each with its host and its threads: for specs of small\n" \
    "                    or remote models, or several devices (default 1; the same results)\n"               \
    "  --quiet           no progress and no messages but errors\n"

/* false: an argument that makes no sense, said on stderr. */
bool tt_run_options_parse(const char *command, int argc, char **argv, tt_run_options *o);
/* --out, or results/NAME of the spec's file; tt_free. NULL: out of memory. */
char *tt_run_options_dir(const tt_run_options *o);
tt_launch tt_run_options_launch(const tt_run_options *o);
/* Opens the spec as a sweep, where it is one and no cell of it is named. */
tt_status tt_run_options_open(tt_run_options *o, tt_error *err);
/* The spec, or the cell of it that --cell names, with plugins described by `describer`, and n overrides
 * besides; to be freed before the options. */
tt_status tt_run_options_load(tt_run_options *o, tt_describer *describer, const char *const *more, size_t n,
                              tt_spec **spec, tt_error *err);
tt_spec_request tt_run_options_request(const tt_run_options *o);
tt_plugin_source tt_run_options_source(tt_describer *describer);
/* Says on stderr what failed, of a spec every problem; the exit code. */
int tt_run_options_error(const tt_run_options *o, const tt_error *err);
void tt_run_options_free(tt_run_options *o);

#endif
