#include "base/file.h"
#include "cli/cli.h"
#include "cli/run_options.h"
#include "experiment/fitting.h"
#include "experiment/survey.h"
#include "experiment/sweep_run.h"

#include <stdio.h>

static const char plan_help[] =
    "usage: telltale plan SPEC [key=value ...] [--json] [--out DIR] [--plugin-dir DIR ...]\n"
    "\n"
    "Prints the steps of an experiment as a tree: the key of each, whether the store of DIR has it, and of "
    "the "
    "others what they\n"
    "cost and the first part of the key in which the nearest stored step differs. Runs no model; images that "
    "are not in the\n"
    "store yet are read and hashed.\n"
    "\n"
    "Of a sweep or replication a line for each cell and the sums; --cell NAME shows one cell's tree.\n"
    "\n"
    "  --json            the same for programs\n"
    "  --cell NAME       of a sweep: this cell\n"
    "  --out DIR         the run's folder; default: results/NAME, NAME being the spec's file without its "
    "ending\n" TT_RUN_OPTIONS_HELP;

static const char explain_help[] =
    "usage: telltale explain SPEC STEP [key=value ...] [--out DIR] [--plugin-dir DIR ...]\n"
    "\n"
    "Says of each step whose name contains STEP ('clid on target', 'measure', …) what it is made of, whether "
    "the store has it,\n"
    "and if not, every part of its key in which the nearest stored step differs. `telltale plan SPEC` lists "
    "the names.\n"
    "\n"
    "  --cell NAME       of a sweep: this cell\n" TT_RUN_OPTIONS_HELP;

static tt_status survey_sweep(tt_run_options *o, const tt_launch *launch, tt_describer *describer,
                              const char *dir, size_t *failures, tt_buf *out, tt_error *err)
{
    if (o->step || o->json)
        return tt_fail(err, TT_ERR_INVALID, "%s is a sweep of %zu cells: say which, --cell %s", o->spec,
                       o->sweep->n, o->sweep->names[0]);
    tt_sweep_job job = {o->sweep, *launch, describer, tt_run_options_source(describer), dir};
    return tt_sweep_plan(&job, &o->problems, failures, out, err);
}

typedef struct loading {
    tt_run_options *o;
    tt_describer *describer;
} loading;

static tt_status load(void *user, const char *const *overrides, size_t n, tt_spec **spec, tt_error *err)
{
    const loading *l = user;
    return tt_run_options_load(l->o, l->describer, overrides, n, spec, err);
}

static tt_status survey_one(tt_run_options *o, const tt_launch *options, tt_describer *describer,
                            const char *dir, tt_buf *out, tt_error *err)
{
    tt_launch launch = *options;
    tt_spec *spec = NULL;
    tt_prepared prepared = {0};
    tt_survey found = {0};
    loading l = {o, describer};
    tt_prepare_cache *cache = tt_prepare_cache_create(&launch, describer);
    tt_status s = cache ? tt_fitting_prepare(dir, &launch, cache, load, &l, &spec, &prepared, err)
                        : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = tt_survey_make(&prepared, o->jobs, &found, err);
    if (!s && o->step) s = tt_survey_explain(&found, o->step, out, err);
    if (!s && !o->step && !(o->json ? tt_survey_json(&found, out) : tt_survey_text(&found, out)))
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_survey_free(&found);
    tt_prepared_free(&prepared);
    tt_spec_free(spec);
    tt_prepare_cache_destroy(cache);
    return s;
}

static tt_status survey(tt_run_options *o, const char *dir, size_t *failures, tt_buf *out, tt_error *err)
{
    tt_launch launch = tt_run_options_launch(o);
    tt_describer *describer = tt_describer_create(&launch);
    tt_status s = describer ? tt_run_options_open(o, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s && o->sweep)
        s = survey_sweep(o, &launch, describer, dir, failures, out, err);
    else if (!s)
        s = survey_one(o, &launch, describer, dir, out, err);
    tt_describer_destroy(describer);
    return s;
}

static int say(const char *command, const char *help, int argc, char **argv, bool needs_step)
{
    tt_run_options o;
    if (!tt_run_options_parse(command, argc, argv, &o)) return TT_EXIT_BAD_SPEC;
    if (o.help || (needs_step && !o.step)) {
        fputs(help, o.help ? stdout : stderr);
        return o.help ? TT_EXIT_DONE : TT_EXIT_BAD_SPEC;
    }
    tt_error err = {0};
    tt_buf out = {0};
    size_t failures = 0;
    char *dir = tt_run_options_dir(&o);
    tt_status s =
        dir ? survey(&o, dir, &failures, &out, &err) : tt_fail(&err, TT_ERR_MEMORY, "out of memory");
    if (!s) fwrite(out.data, 1, out.size, stdout);
    int code = s ? tt_run_options_error(&o, &err) : failures ? TT_EXIT_FAILURES : TT_EXIT_DONE;
    tt_run_options_free(&o);
    tt_buf_free(&out);
    tt_free(dir);
    return code;
}

int tt_cmd_plan(int argc, char **argv)
{
    return say("plan", plan_help, argc, argv, false);
}

int tt_cmd_explain(int argc, char **argv)
{
    return say("explain", explain_help, argc, argv, true);
}
