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

static tt_status validate(tt_run_options *o, tt_buf *out, tt_error *err)
{
    tt_launch launch = tt_run_options_launch(o);
    tt_describer *describer = tt_describer_create(&launch);
    if (!describer) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_spec *spec = NULL;
    tt_plan plan = {0};
    tt_status s = tt_run_options_load(o, describer, &spec, err);
    if (!s) s = tt_plan_make(spec, &launch, &plan, err);
    if (!s && !tt_plan_text(spec, &plan, out)) s = tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_plan_free(&plan);
    tt_spec_free(spec);
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
