/* A plan for programs: what `telltale plan --json` prints. */
#include "experiment/survey.h"
#include "formats/json.h"

#include <math.h>

static void text(tt_buf *out, const char *key, const char *value)
{
    tt_buf_printf(out, ", \"%s\": ", key);
    if (value)
        tt_json_quote(out, value);
    else
        tt_buf_printf(out, "null");
}

static void number(tt_buf *out, const char *key, double value)
{
    if (isfinite(value))
        tt_buf_printf(out, ", \"%s\": %.10g", key, value);
    else
        tt_buf_printf(out, ", \"%s\": null", key);
}

static void put_step(const tt_survey *v, const tt_survey_step *step, tt_buf *out)
{
    static const char *const states[] = {"none", "part", "whole"};
    tt_buf_printf(out, "{\"name\": ");
    tt_json_quote(out, step->name);
    text(out, "artifact", step->artifact);
    text(out, "stored", states[step->stored]);
    text(out, "why", step->why);
    if (step->model) {
        number(out, "samples", (double)step->n);
        number(out, "samples_done", (double)step->n_done);
        number(out, "predictions_left", (double)step->predictions_left);
        number(out, "seconds_left", step->seconds_left);
        if (v->prepared->spec->currency) number(out, "money_left", step->money_left);
    }
    tt_buf_printf(out, ", \"needs\": [");
    for (size_t i = 0; i < step->n_inputs; i++) {
        tt_buf_printf(out, i ? ", " : "");
        tt_json_quote(out, v->steps[step->inputs[i]].name);
    }
    tt_buf_printf(out, "]}");
}

static void put_process(const tt_survey_process *process, bool of_device, tt_buf *out)
{
    tt_buf_printf(out, "{\"process\": ");
    tt_json_quote(out, process->name);
    double unit = process->known ? 1048576 : (double)NAN;
    number(out, "mib", (double)process->host.bytes / unit);
    number(out, "weights_mib", (double)process->host.weights / unit);
    if (of_device && process->model) {
        number(out, "device_mib", (double)process->device.bytes / unit);
        number(out, "device_weights_mib", (double)process->device.weights / unit);
    }
    if (process->batch) tt_buf_printf(out, ", \"batch\": %u", process->batch);
    tt_buf_printf(out, "}");
}

static void put_device(const tt_survey *v, tt_buf *out)
{
    const tt_survey_device *d = &v->device;
    tt_buf remedy = {0};
    tt_buf_printf(out, ",\n  \"device_memory\": {\"device\": ");
    tt_json_quote(out, d->name);
    number(out, "at_once_mib", (double)d->at_once / 1048576);
    number(out, "free_mib", (double)d->free_bytes / 1048576);
    number(out, "total_mib", (double)d->total_bytes / 1048576);
    tt_buf_printf(out, ", \"may_not_fit\": %s", d->may_not_fit ? "true" : "false");
    text(out, "remedy", d->may_not_fit && tt_survey_device_remedy(v, &remedy) ? remedy.data : NULL);
    tt_buf_printf(out, "}");
    tt_buf_free(&remedy);
}

bool tt_survey_json(const tt_survey *v, tt_buf *out)
{
    const tt_spec *spec = v->prepared->spec;
    double predictions = 0, seconds = 0, money = 0;
    size_t left = 0;
    tt_buf_printf(out, "{\n  \"steps\": [");
    for (size_t i = 0; i < v->n; i++) {
        const tt_survey_step *step = &v->steps[i];
        tt_buf_printf(out, "%s\n    ", i ? "," : "");
        put_step(v, step, out);
        predictions += (double)step->predictions_left;
        money += step->money_left;
        left += step->stored != TT_STORED_WHOLE;
        if (step->model && step->stored != TT_STORED_WHOLE) seconds += step->seconds_left;
    }
    tt_buf_printf(out, "\n  ],\n  \"left\": {\"steps\": %zu", left);
    number(out, "predictions", predictions);
    number(out, "seconds", seconds);
    if (spec->currency) {
        number(out, "money", money);
        text(out, "currency", spec->currency);
    }
    tt_survey_disk disk = tt_survey_disk_of(v);
    tt_buf_printf(out, "},\n  \"disk\": {\"unit\": \"MiB\"");
    number(out, "images", (double)disk.images / 1048576);
    number(out, "rows", (double)disk.rows / 1048576);
    number(out, "scores", (double)disk.scores / 1048576);
    number(out, "results", (double)disk.results / 1048576);
    tt_buf_printf(out, "},\n  \"memory\": [");
    for (size_t i = 0; i < v->n_processes; i++) {
        tt_buf_printf(out, "%s\n    ", i ? "," : "");
        put_process(&v->processes[i], v->device.name != NULL, out);
    }
    tt_buf_printf(
        out, "\n  ],\n  \"jobs\": %u,\n  \"memory_at_once_mib\": %.1f,\n  \"memory_available_mib\": %.1f",
        v->jobs, (double)v->memory_at_once / 1048576, (double)v->memory_available / 1048576);
    if (v->device.name) put_device(v, out);
    tt_buf_printf(out, "\n}\n");
    return !out->failed;
}
