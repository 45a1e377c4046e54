#include "cli/cli.h"
#include "cli/run_options.h"
#include "experiment/plan.h"

#include <stdio.h>

static const char help[] = "usage: telltale validate SPEC [key=value ...] [--plugin-dir DIR ...]\n"
                           "\n"
                           "Checks a spec whole, without touching a model or an image: keys, types, ranges, "
                           "names, and whether the threat model\n"
                           "grants what the attacks need. Prints what would run.\n"
                           "\n" TT_RUN_OPTIONS_HELP;

static tt_status validate_sweep(tt_run_options *o, const tt_launch *launch, tt_describer *describer,
                                tt_buf *out, tt_error *err)
{
    tt_plugin_source source = {tt_describe_plugin, describer, tt_describe_program, tt_describe_best_backend};
    tt_planner *planner = tt_planner_create(launch);
    if (!planner) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_status s = tt_sweep_check(o->sweep, &source, planner, &o->problems, err);
    tt_planner_destroy(planner);
    const tt_sweep *sweep = o->sweep;
    if (s) return s;
    for (size_t a = 0; a < sweep->n_axes; a++)
        tt_buf_printf(out, "%s %s: %zu value%s\n",
                      sweep->axes[a].zipped  ? "zip "
                      : sweep->axes[a].level ? "replication"
                                             : "grid",
                      sweep->axes[a].key, sweep->axes[a].n, sweep->axes[a].n == 1 ? "" : "s");
    tt_buf_printf(out, "a sweep of %zu cells, %s to %s\n", sweep->n, sweep->names[0],
                  sweep->names[sweep->n - 1]);
    return out->failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory") : TT_OK;
}

static tt_status validate_one(tt_run_options *o, const tt_launch *launch, tt_describer *describer,
                              tt_buf *out, tt_error *err)
{
    tt_spec *spec = NULL;
    tt_plan plan = {0};
    tt_status s = tt_run_options_load(o, describer, NULL, 0, &spec, err);
    if (!s) s = tt_plan_make(spec, launch, &plan, err);
    if (!s && !tt_plan_text(spec, &plan, out)) s = tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_plan_free(&plan);
    tt_spec_free(spec);
    return s;
}

static tt_status validate(tt_run_options *o, tt_buf *out, tt_error *err)
{
    tt_launch launch = tt_run_options_launch(o);
    tt_describer *describer = tt_describer_create(&launch);
    if (!describer) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_status s = tt_run_options_open(o, err);
    if (!s && o->sweep)
        s = validate_sweep(o, &launch, describer, out, err);
    else if (!s)
        s = validate_one(o, &launch, describer, out, err);
    tt_describer_destroy(describer);
    return s;
}

int tt_cmd_validate(int argc, char **argv)
{
    tt_run_options o;
    if (!tt_run_options_parse("validate", argc, argv, &o)) return TT_EXIT_BAD_SPEC;
    if (o.help) {
        fputs(help, stdout);
        return TT_EXIT_DONE;
    }
    tt_error err = {0};
    tt_buf out = {0};
    tt_status s = validate(&o, &out, &err);
    if (!s) {
        fwrite(out.data, 1, out.size, stdout);
        printf("%s is valid\n", o.spec);
    }
    tt_buf_free(&out);
    int code = s ? tt_run_options_error(&o, &err) : TT_EXIT_DONE;
    tt_run_options_free(&o);
    return code;
}
