#include "base/thread.h"
#include "cli/cli.h"
#include "cli/run_options.h"
#include "experiment/tune.h"

#include <stdio.h>

static const char help[] =
    "usage: telltale tune SPEC [ROLE ...] [key=value ...] [--json] [--plugin-dir DIR ...]\n"
    "\n"
    "Measures how fast each model (or those of the ROLEs) predicts at batches of 1, 2, 4, ... up to 256, on "
    "the spec's\n"
    "device, in a host as runs start it: milliseconds of a call, predictions a second, memory held. Ends "
    "with "
    "the batch to\n"
    "put into the spec: the smallest within 3 % of the best rate. A batch that does not fit into memory ends "
    "the search.\n"
    "Changes nothing: results are a function of the spec.\n"
    "\n"
    "  key=value         sets a key of the spec: device=cuda, models.target.dtype=bf16\n"
    "  --cell NAME       of a sweep: this cell\n"
    "  --in-process      everything in one process, for debuggers\n"
    "  --plugin-dir DIR  search plugins here first\n"
    "  --quiet           no progress and no messages but errors\n"
    "  --json            the same for programs; progress as JSON, an object a line, on stderr\n";

static tt_status load(tt_run_options *o, tt_describer *describer, tt_spec **spec, tt_error *err)
{
    tt_status s = tt_run_options_open(o, err);
    if (!s && o->sweep)
        return tt_fail(err, TT_ERR_INVALID, "%s is a sweep of %zu cells: say which, --cell %s", o->spec,
                       o->sweep->n, o->sweep->names[0]);
    return s ? s : tt_run_options_load(o, describer, NULL, 0, spec, err);
}

static tt_status tune(tt_run_options *o, tt_buf *out, tt_error *err)
{
    tt_launch launch = tt_run_options_launch(o);
    tt_describer *describer = tt_describer_create(&launch);
    if (!describer) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_spec *spec = NULL;
    tt_tuned tuned = {0};
    tt_status s = load(o, describer, &spec, err);
    const tt_tune_job job = {spec, &launch, describer, o->roles, o->n_roles};
    if (!s) s = tt_tune(&job, &tuned, err);
    if (!s && !(o->json ? tt_tuned_json(&tuned, out) : tt_tuned_text(&tuned, out)))
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_tuned_free(&tuned);
    tt_spec_free(spec);
    tt_describer_destroy(describer);
    return s;
}

int tt_cmd_tune(int argc, char **argv)
{
    tt_run_options o;
    if (!tt_run_options_parse("tune", argc, argv, &o)) return TT_EXIT_BAD_SPEC;
    if (o.help) {
        fputs(help, stdout);
        return TT_EXIT_DONE;
    }
    tt_error err = {0};
    tt_buf out = {0};
    tt_stop_install();
    tt_status s = tune(&o, &out, &err);
    if (!s) fwrite(out.data, 1, out.size, stdout);
    int code = s ? tt_run_options_error(&o, &err) : TT_EXIT_DONE;
    tt_buf_free(&out);
    tt_run_options_free(&o);
    return code;
}
