/* Where the numbers of a run come from, for programs. */
#include "experiment/results.h"
#include "formats/json.h"

#include <math.h>
#include <string.h>

static void text(tt_buf *out, const char *key, const char *value)
{
    tt_buf_printf(out, ", \"%s\": ", key);
    tt_json_quote(out, value);
}

static void meter(tt_buf *out, const char *key, const tt_meter *m)
{
    uint64_t counts[TT_COUNTS];
    tt_counts_of(m, counts);
    tt_buf_printf(out, ", \"%s\": {", key);
    for (size_t k = 0; k < TT_COUNTS; k++)
        tt_buf_printf(out, "%s\"%s\": %llu", k ? ", " : "", tt_count_names[k], (unsigned long long)counts[k]);
    tt_buf_printf(out, "}");
}

static void counts(tt_buf *out, const tt_results *r, const tt_run_info *info)
{
    tt_buf_printf(out, ",\n  \"counts\": [");
    for (size_t i = 0; i < r->n_features; i++) {
        const tt_result_features *f = &r->features[i];
        const tt_run_step *step = tt_run_step_of(info, f->attack, f->role);
        tt_buf_printf(out, "%s\n    {\"attack\": ", i ? "," : "");
        tt_json_quote(out, f->attack);
        text(out, "role", f->role);
        tt_buf_printf(out, ", \"samples\": %zu, \"bad_samples\": %zu", f->n, f->n_bad);
        meter(out, "asked", &f->attributed);
        if (step) meter(out, "executed", &step->executed);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "\n  ]");
}

static void percent(tt_buf *out, const char *key, double value)
{
    tt_buf_printf(out, isfinite(value) ? ", \"%s\": %.17g" : ", \"%s\": null", key, value);
}

static void published(tt_buf *out, const tt_published *p)
{
    if (!p->title) return;
    tt_buf_printf(out, ",\n  \"published\": {\"title\": ");
    tt_json_quote(out, p->title);
    tt_buf_printf(out, ", \"rows\": [");
    for (size_t i = 0; i < p->n; i++) {
        const tt_published_row *row = &p->rows[i];
        tt_buf_printf(out, "%s\n    {\"method\": ", i ? "," : "");
        tt_json_quote(out, row->method);
        text(out, "attack", row->attack);
        text(out, "dataset", row->dataset);
        text(out, "setting", row->setting);
        percent(out, "asr", row->asr);
        percent(out, "auc", row->auc);
        percent(out, "tpr_at_1_percent_fpr", row->tpr);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "\n  ]}");
}

static void models(tt_buf *out, const tt_results *r)
{
    tt_buf_printf(out, ",\n  \"models\": [");
    for (size_t i = 0; i < r->n_models; i++) {
        const tt_result_model *m = &r->models[i];
        tt_buf_printf(out, "%s\n    {\"role\": ", i ? "," : "");
        tt_json_quote(out, m->role);
        text(out, "plugin", m->plugin);
        tt_buf_printf(out, ", \"revision\": %u", m->revision);
        text(out, "digest", m->digest);
        text(out, "environment", m->environment);
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "\n  ]");
}

static bool images(tt_buf *out, const tt_results *r)
{
    tt_arena *arena = tt_arena_create(0);
    tt_result_set *sets;
    size_t n;
    tt_error err = {0};
    bool good = arena && tt_results_sets(r, arena, &sets, &n, &err) == TT_OK;
    tt_buf_printf(out, ",\n  \"images\": [");
    for (size_t i = 0; good && i < n; i++) {
        char hex[65];
        tt_digest_hex(&sets[i].digest, hex);
        tt_buf_printf(out, "%s\n    {\"data\": ", i ? "," : "");
        tt_json_quote(out, sets[i].data);
        text(out, "split", sets[i].split);
        tt_buf_printf(out, ", \"images\": %zu, \"sha256\": \"%s\"}", sets[i].n, hex);
    }
    tt_buf_printf(out, "\n  ]");
    tt_arena_destroy(arena);
    return good;
}

/* As it is; quoted, should a file hold one that is no JSON. */
static void spec(tt_buf *out, const char *json)
{
    tt_arena *arena = tt_arena_create(0);
    tt_node *root;
    tt_error err = {0};
    tt_buf_printf(out, ",\n  \"spec\": ");
    if (arena && tt_json_parse(arena, "spec", json, strlen(json), &root, &err) == TT_OK)
        tt_buf_printf(out, "%s", json);
    else
        tt_json_quote(out, json);
    tt_arena_destroy(arena);
}

bool tt_results_provenance_json(const tt_results *r, const tt_run_info *info, tt_buf *out)
{
    counts(out, r, info);
    published(out, &r->published);
    tt_buf_printf(out, ",\n  \"telltale\": ");
    tt_json_quote(out, r->version);
    tt_buf_printf(out, ",\n  \"seed\": %llu", (unsigned long long)r->seed);
    models(out, r);
    bool good = images(out, r);
    if (info) {
        tt_buf_printf(out, ",\n  \"machine\": {\"host\": ");
        tt_json_quote(out, info->host_name);
        tt_buf_printf(out, ", \"seconds\": %.3f, \"starts\": %u}", info->seconds, info->resumed + 1);
    }
    spec(out, r->spec);
    return good && !out->failed;
}
