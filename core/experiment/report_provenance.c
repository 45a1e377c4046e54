/* Where the numbers of a report come from: what was asked of models, which samples stand out, who examined
 * what. */
#include "experiment/report_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what was asked of models ---- */

static void counts_row(tt_table_builder *b, const tt_report_run *run, const tt_result_features *f)
{
    const tt_run_step *step = run->has_info ? tt_run_step_of(&run->info, f->attack, f->role) : NULL;
    uint64_t asked[TT_COUNTS], executed[TT_COUNTS];
    tt_counts_of(&f->attributed, asked);
    if (step) tt_counts_of(&step->executed, executed);
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", f->attack);
    tt_table_put(b, NAN, "%s", f->role);
    for (size_t k = 0; k < TT_COUNTS; k++) {
        if (step && (asked[k] || executed[k]))
            tt_table_put(b, NAN, "%llu / %llu", (unsigned long long)asked[k],
                         (unsigned long long)executed[k]);
        else
            tt_table_put(b, NAN, "%llu", (unsigned long long)asked[k]);
    }
}

void tt_report_counts(tt_table_builder *b)
{
    static const char *const columns[] = {"attack",  "model",           "predictions",
                                          "encodes", "decodes",         "texts",
                                          "images",  "services: texts", "services: predictions"};
    size_t rows = 0;
    for (size_t i = 0; i < b->report->n_runs; i++)
        rows += b->report->runs[i].results.n_features;
    tt_table_begin(
        b, "counts", "asked of models / computed",
        "Over all samples: what each attack asked of a model, and what was computed for it after equal "
        "evaluations were shared. Services are the attacker's own models: no queries.",
        columns, 9, rows);
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++)
        for (size_t k = 0; k < b->report->runs[i].results.n_features; k++)
            counts_row(b, &b->report->runs[i], &b->report->runs[i].results.features[k]);
    tt_table_end(b, false, 0, 0);
}

/* ---- the most and least member-like ---- */

static void extreme_row(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r,
                        const char *end, size_t place, uint32_t row)
{
    const tt_result_sample *sample = &run->results.samples[r->sample[row]];
    tt_table_row(b, run);
    tt_table_put(b, NAN, "%s", r->attack);
    tt_table_put(b, NAN, "%s %zu", end, place);
    tt_table_put(b, NAN, "%.4g", r->scores[row]);
    tt_table_put(b, NAN, "%s", r->member[row] ? "member" : "non-member");
    tt_table_put(b, NAN, "%s %s", sample->data, sample->id);
    tt_table_put(b, NAN, "%s", sample->caption ? sample->caption : "");
}

static void extremes_of(tt_table_builder *b, const tt_report_run *run, const tt_result_scores *r)
{
    size_t count = b->report->images, n;
    uint32_t *rows = tt_arena_alloc_array(b->report->arena, 2 * count, sizeof *rows);
    tt_error err = {0};
    b->failed |= !rows || tt_result_extremes(r, count, rows, rows + count, &n, &err) != TT_OK;
    if (b->failed) return;
    for (size_t i = 0; i < n; i++)
        extreme_row(b, run, r, "most", i + 1, rows[i]);
    for (size_t i = 0; i < n; i++)
        extreme_row(b, run, r, "least", i + 1, rows[count + i]);
}

void tt_report_extremes(tt_table_builder *b)
{
    static const char *const columns[] = {"attack", "member-like", "score", "is", "image", "caption"};
    size_t rows = 0;
    for (size_t i = 0; i < b->report->n_runs; i++)
        rows += 2 * b->report->images * b->report->runs[i].results.n_scores;
    if (rows == 0) return;
    tt_table_begin(b, "extremes", "target: the most and least member-like images", NULL, columns, 6, rows);
    for (size_t i = 0; i < b->report->n_runs && !b->failed; i++) {
        const tt_report_run *run = &b->report->runs[i];
        for (size_t k = 0; k < run->results.n_scores && !b->failed; k++)
            if (tt_result_has_extremes(&run->results.scores[k])) extremes_of(b, run, &run->results.scores[k]);
    }
    tt_table_end(b, false, 0, 0);
}

/* ---- who examined what ---- */

static void images_rows(tt_table_builder *b, const tt_report_run *run, const tt_result_set *sets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char hex[65];
        tt_digest_hex(&sets[i].digest, hex);
        tt_table_row(b, run);
        tt_table_put(b, NAN, "images %s.%s", sets[i].data, sets[i].split);
        tt_table_put(b, NAN, "%zu, together %.16s…", sets[i].n, hex);
    }
}

static void machine_rows(tt_table_builder *b, const tt_report_run *run)
{
    char text[96];
    const char *confinement = tt_run_confinement(&run->info, text);
    tt_table_row(b, run);
    tt_table_put(b, NAN, "machine");
    tt_table_put(b, NAN, "%s; %.0f s in all; started %u time%s", run->info.host_name, run->info.seconds,
                 run->info.resumed + 1, run->info.resumed ? "s" : "");
    if (confinement) {
        tt_table_row(b, run);
        tt_table_put(b, NAN, "confinement");
        tt_table_put(b, NAN, "%s", confinement);
    }
    const char *money = tt_run_money(&run->info, text);
    if (!money) return;
    tt_table_row(b, run);
    tt_table_put(b, NAN, "money");
    tt_table_put(b, NAN, "%s", money + strlen("money: "));
}

static void provenance_of(tt_table_builder *b, const tt_report_run *run, const tt_result_set *sets,
                          size_t n_sets)
{
    tt_table_row(b, run);
    tt_table_put(b, NAN, "telltale");
    tt_table_put(b, NAN, "%s", run->results.version);
    tt_table_row(b, run);
    tt_table_put(b, NAN, "seed");
    tt_table_put(b, NAN, "%llu", (unsigned long long)run->results.seed);
    for (size_t k = 0; k < run->results.n_models; k++) {
        const tt_result_model *m = &run->results.models[k];
        tt_table_row(b, run);
        tt_table_put(b, NAN, "model %s", m->role);
        tt_table_put(b, NAN, "%s, revision %u, weights %.16s…, %s", m->plugin, m->revision, m->digest,
                     m->environment);
    }
    images_rows(b, run, sets, n_sets);
    if (run->has_info) machine_rows(b, run);
}

void tt_report_provenance(tt_table_builder *b)
{
    static const char *const columns[] = {"what", "value"};
    tt_arena *arena = b->report->arena;
    size_t n_runs = b->report->n_runs, rows = 0;
    tt_result_set **sets = tt_arena_alloc_array(arena, n_runs, sizeof *sets);
    size_t *n = tt_arena_alloc_array(arena, n_runs, sizeof *n);
    tt_error err = {0};
    b->failed |= !sets || !n;
    for (size_t i = 0; i < n_runs && !b->failed; i++) {
        b->failed = tt_results_sets(&b->report->runs[i].results, arena, &sets[i], &n[i], &err) != TT_OK;
        rows += 5 + b->report->runs[i].results.n_models + n[i];
    }
    if (!b->failed) tt_table_begin(b, "provenance", "provenance", NULL, columns, 2, rows);
    for (size_t i = 0; i < n_runs && !b->failed; i++)
        provenance_of(b, &b->report->runs[i], sets[i], n[i]);
    tt_table_end(b, false, 0, 0);
}
