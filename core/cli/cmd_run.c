#include "base/file.h"
#include "base/thread.h"
#include "cli/cli.h"
#include "cli/run_options.h"
#include "experiment/run.h"
#include "experiment/sweep_run.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: telltale run SPEC [key=value ...] [--out DIR] [--jobs N] [--in-process] [--plugin-dir DIR ...]\n"
    "                    [--quiet] [--json]\n"
    "\n"
    "Runs an experiment: measures, fits, scores, evaluates. Writes DIR/results.h5 (docs/results-format.md) "
    "and "
    "prints its table.\n"
    "The same command on the same DIR resumes where a run was stopped, and repeats nothing that is "
    "measured.\n"
    "A spec with a sweep or replication runs all its cells, each in DIR/cells/NAME, and prints one line a "
    "cell and attack.\n"
    "\n"
    "  --out DIR         default: results/NAME, NAME being the spec's file without its "
    "ending\n" TT_RUN_OPTIONS_HELP
    "  --json            for programs: progress and messages as JSON, an object a line, on stderr, and the "
    "results as\n"
    "                    JSON on stdout (docs/report.md)\n"
    "\n"
    "Exit code: 0 done, 1 finished with failures (listed), 2 bad spec, 3 refused, 4 interrupted "
    "(resumable).\n";

static void say_how_to_resume(const tt_run_options *o, const char *dir)
{
    fprintf(stderr, "telltale: stopped; what was measured is kept. To go on:\n  telltale run %s", o->spec);
    for (size_t i = 0; i < o->n_overrides; i++)
        fprintf(stderr, " '%s'", o->overrides[i]);
    for (size_t i = 0; i < o->dirs.n; i++)
        fprintf(stderr, " --plugin-dir %s", o->dirs.dirs[i]);
    fprintf(stderr, " --out %s\n", dir);
}

static tt_status run_sweep(tt_run_options *o, const tt_launch *launch, tt_describer *describer,
                           const char *dir, size_t *failures, tt_buf *table, tt_error *err)
{
    tt_sweep_job job = {o->sweep, *launch, describer, tt_run_options_source(describer), dir};
    tt_status s = tt_sweep_run(&job, &o->problems, failures, err);
    if (s) return s;
    return o->json ? tt_sweep_json(dir, table, err) : tt_sweep_table(dir, table, err);
}

static bool print(const tt_run_options *o, const tt_conductor *conductor, tt_buf *out)
{
    const tt_results *results = tt_conductor_results(conductor);
    const tt_run_info *info = tt_conductor_info(conductor);
    return o->json ? tt_results_json(results, NULL, info, TT_EXTREMES, out)
                   : tt_results_table(results, info, out);
}

static tt_status run_one(tt_run_options *o, const tt_launch *launch, tt_describer *describer, const char *dir,
                         size_t *failures, tt_buf *table, tt_error *err)
{
    tt_run_job job = {tt_run_options_request(o), *launch, describer, tt_run_options_source(describer), dir};
    tt_run_done done;
    tt_status s = tt_run_execute(&job, &o->problems, &done, err);
    if (!s && !print(o, done.conductor, table))
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for the table");
    *failures = done.failures;
    tt_run_done_free(&done);
    return s;
}

static tt_status run(tt_run_options *o, const char *dir, size_t *failures, tt_buf *table, tt_error *err)
{
    tt_launch launch = tt_run_options_launch(o);
    tt_describer *describer = tt_describer_create(&launch);
    if (!describer) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_status s = tt_run_options_open(o, err);
    if (!s && o->sweep)
        s = run_sweep(o, &launch, describer, dir, failures, table, err);
    else if (!s)
        s = run_one(o, &launch, describer, dir, failures, table, err);
    tt_describer_destroy(describer);
    return s;
}

int tt_cmd_run(int argc, char **argv)
{
    tt_run_options o;
    if (!tt_run_options_parse("run", argc, argv, &o)) return TT_EXIT_BAD_SPEC;
    if (o.help) {
        fputs(help, stdout);
        return TT_EXIT_DONE;
    }
    tt_error err = {0};
    char *dir = tt_run_options_dir(&o);
    if (!dir) return TT_EXIT_FAILURES;
    tt_stop_install();
    size_t failures = 0;
    tt_buf table = {0};
    tt_status s = run(&o, dir, &failures, &table, &err);
    int code = failures ? TT_EXIT_FAILURES : TT_EXIT_DONE;
    if (s == TT_ERR_INTERRUPTED) {
        say_how_to_resume(&o, dir);
        code = TT_EXIT_INTERRUPTED;
    } else if (s) {
        code = tt_run_options_error(&o, &err);
    } else {
        fwrite(table.data, 1, table.size, stdout);
        if (!o.json)
            printf("\n%s/%s; `telltale report %s` prints this again\n", dir,
                   o.sweep ? "sweep.json" : "results.h5", dir);
    }
    tt_buf_free(&table);
    tt_free(dir);
    tt_run_options_free(&o);
    return code;
}
