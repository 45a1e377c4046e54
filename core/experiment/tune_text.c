/* What tuning found: a table for each model and the overrides to put into the spec; the same as JSON. */
#include "experiment/tune.h"
#include "formats/json.h"

static double mib(uint64_t bytes)
{
    return (double)bytes / 1048576;
}

static const char *end_text(const tt_tuned_model *t)
{
    switch (t->end) {
    case TT_TUNE_END_GAIN:
        return "two doublings gained less than 3 %";
    case TT_TUNE_END_MEMORY:
        return "there is no memory for twice as many";
    default:
        return "no larger batch is tried";
    }
}

static void put_model(const tt_tuned *tuned, const tt_tuned_model *t, tt_buf *out)
{
    if (t->left_out) {
        tt_buf_printf(out, "models.%s: left out: %s\n\n", t->role, t->left_out);
        return;
    }
    tt_buf_printf(out, "models.%s on %s\n%7s  %10s  %13s  %s\n", t->role, tuned->device, "batch", "ms a call",
                  "predictions/s", t->on_device ? "MiB on the device" : "MiB of memory");
    for (size_t i = 0; i < t->n; i++) {
        const tt_tune_point *p = &t->points[i];
        tt_buf_printf(out, "%7u  %10.2f  %13.1f  %*.0f%s\n", p->batch, 1e3 * p->seconds, tt_tune_rate(p),
                      t->on_device ? 17 : 13, mib(p->bytes), i == t->best ? "  <" : "");
    }
    tt_buf_printf(out, "ended: %s\n\n", end_text(t));
}

bool tt_tuned_text(const tt_tuned *tuned, tt_buf *out)
{
    tt_buf_printf(out, "%s\n\n", tuned->description);
    for (size_t i = 0; i < tuned->n; i++)
        put_model(tuned, &tuned->models[i], out);
    tt_buf_printf(out, "For the spec, or behind a command:\n");
    for (size_t i = 0; i < tuned->n; i++) {
        const tt_tuned_model *t = &tuned->models[i];
        if (!t->left_out)
            tt_buf_printf(out, "  models.%s.batch=%u   (the default is %u here)\n", t->role,
                          t->points[t->best].batch, t->default_batch);
    }
    return !out->failed;
}

static void put_points(const tt_tuned_model *t, tt_buf *out)
{
    tt_buf_printf(out, ", \"batches\": [");
    for (size_t i = 0; i < t->n; i++)
        tt_buf_printf(out, "%s{\"batch\": %u, \"ms\": %.6g, \"predictions_per_second\": %.6g, \"mib\": %.1f}",
                      i ? ", " : "", t->points[i].batch, 1e3 * t->points[i].seconds,
                      tt_tune_rate(&t->points[i]), mib(t->points[i].bytes));
    tt_buf_printf(out, "]");
}

static void put_model_json(const tt_tuned_model *t, tt_buf *out)
{
    static const char *const ends[] = {"gain", "memory", "largest"};
    tt_buf_printf(out, "{\"role\": ");
    tt_json_quote(out, t->role);
    if (t->left_out) {
        tt_buf_printf(out, ", \"left_out\": ");
        tt_json_quote(out, t->left_out);
    } else {
        tt_buf_printf(out,
                      ", \"batch\": %u, \"default_batch\": %u, \"override\": \"models.%s.batch=%u\", "
                      "\"ended\": \"%s\", \"memory\": \"%s\"",
                      t->points[t->best].batch, t->default_batch, t->role, t->points[t->best].batch,
                      ends[t->end], t->on_device ? "device" : "process");
        put_points(t, out);
    }
    tt_buf_printf(out, "}");
}

bool tt_tuned_json(const tt_tuned *tuned, tt_buf *out)
{
    tt_buf text = {0};
    tt_buf_printf(&text, "{\"device\": ");
    tt_json_quote(&text, tuned->device);
    tt_buf_printf(&text, ", \"description\": ");
    tt_json_quote(&text, tuned->description);
    tt_buf_printf(&text, ", \"models\": [");
    for (size_t i = 0; i < tuned->n; i++) {
        tt_buf_printf(&text, i ? ", " : "");
        put_model_json(&tuned->models[i], &text);
    }
    tt_buf_printf(&text, "]}");
    bool good = !text.failed && tt_json_indent(text.data, out) && tt_buf_printf(out, "\n");
    tt_buf_free(&text);
    return good;
}
