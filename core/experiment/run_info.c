/* run.json: what of a run is no function of its spec. */
#include "base/file.h"
#include "experiment/results.h"
#include "formats/json.h"

static void put_meter(tt_buf *out, const tt_meter *m)
{
    tt_buf_printf(
        out,
        "{\"predictions\": %llu, \"encodes\": %llu, \"decodes\": %llu, \"texts\": %llu, \"images\": %llu}",
        (unsigned long long)m->predictions, (unsigned long long)m->encodes, (unsigned long long)m->decodes,
        (unsigned long long)m->texts, (unsigned long long)m->images);
}

tt_status tt_run_info_write(const tt_run_info *info, const char *path, tt_error *err)
{
    tt_buf out = {0};
    tt_buf_printf(&out, "{\n  \"build\": ");
    tt_json_quote(&out, info->build ? info->build : "");
    tt_buf_printf(&out, ",\n  \"host\": ");
    tt_json_quote(&out, info->host_name ? info->host_name : "");
    tt_buf_printf(&out, ",\n  \"seconds\": %.3f,\n  \"resumed\": %u,\n  \"steps\": [", info->seconds,
                  info->resumed);
    for (size_t i = 0; i < info->n_steps; i++) {
        tt_buf_printf(&out, "%s\n    {\"attack\": ", i ? "," : "");
        tt_json_quote(&out, info->steps[i].attack);
        tt_buf_printf(&out, ", \"role\": ");
        tt_json_quote(&out, info->steps[i].role);
        tt_buf_printf(&out, ", \"seconds\": %.3f, \"executed\": ", info->steps[i].seconds);
        put_meter(&out, &info->steps[i].executed);
        tt_buf_printf(&out, "}");
    }
    tt_buf_printf(&out, "\n  ]\n}\n");
    tt_status s = out.failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory for %s", path)
                             : tt_file_write(path, out.data, out.size, err);
    tt_buf_free(&out);
    return s;
}
