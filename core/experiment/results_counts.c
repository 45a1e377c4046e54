/* What was asked of models, and what it took to answer. */
#include "experiment/results.h"

#include <string.h>

const char *const tt_count_names[TT_COUNTS] = {
    "predictions", "encodes", "decodes", "texts", "images", "service_texts", "service_predictions"};

void tt_counts_of(const tt_meter *m, uint64_t counts[TT_COUNTS])
{
    const uint64_t all[TT_COUNTS] = {
        m->predictions,        m->encodes, m->decodes, m->texts, m->images, m->service_texts,
        m->service_predictions};
    memcpy(counts, all, sizeof all);
}

const tt_run_step *tt_run_step_of(const tt_run_info *info, const char *attack, const char *role)
{
    for (size_t i = 0; info && i < info->n_steps; i++)
        if (strcmp(info->steps[i].attack, attack) == 0 && strcmp(info->steps[i].role, role) == 0)
            return &info->steps[i];
    return NULL;
}

static void add(uint64_t sum[TT_COUNTS], const tt_meter *m)
{
    uint64_t counts[TT_COUNTS];
    tt_counts_of(m, counts);
    for (size_t k = 0; k < TT_COUNTS; k++)
        sum[k] += counts[k];
}

void tt_results_counts(const tt_results *r, const tt_run_info *info, const char *role,
                       uint64_t asked[TT_COUNTS], uint64_t executed[TT_COUNTS])
{
    memset(asked, 0, TT_COUNTS * sizeof *asked);
    memset(executed, 0, TT_COUNTS * sizeof *executed);
    for (size_t i = 0; i < r->n_features; i++)
        if (strcmp(r->features[i].role, role) == 0) add(asked, &r->features[i].attributed);
    for (size_t i = 0; info && i < info->n_steps; i++)
        if (strcmp(info->steps[i].role, role) == 0) add(executed, &info->steps[i].executed);
}

/* "6400 predictions (6000 computed), 1601 texts (1601)" of the counts first to last - 1. */
static size_t put_counts(tt_buf *out, const uint64_t asked[TT_COUNTS], const uint64_t executed[TT_COUNTS],
                         bool has_executed, size_t first, size_t last)
{
    size_t told = 0;
    for (size_t k = first; k < last; k++) {
        const char *name = tt_count_names[k];
        if (!asked[k] && !executed[k]) continue;
        if (strncmp(name, "service_", 8) == 0) name += 8;
        tt_buf_printf(out, "%s%llu %s", told++ ? ", " : "", (unsigned long long)asked[k], name);
        if (has_executed) tt_buf_printf(out, " (%llu)", (unsigned long long)executed[k]);
    }
    return told;
}

void tt_results_counts_text(const tt_results *r, const tt_run_info *info, tt_buf *out)
{
    tt_buf_printf(out, "asked of models%s:\n", info ? " (computed, after sharing)" : "");
    for (size_t i = 0; i < r->n_models; i++) {
        uint64_t asked[TT_COUNTS], executed[TT_COUNTS];
        tt_results_counts(r, info, r->models[i].role, asked, executed);
        tt_buf_printf(out, "  %-12s  ", r->models[i].role);
        if (!put_counts(out, asked, executed, info, 0, TT_COUNT_SERVICES)) tt_buf_printf(out, "nothing");
        if (asked[TT_COUNT_SERVICES] || executed[TT_COUNT_SERVICES]) {
            tt_buf_printf(out, "; for it, of services: ");
            put_counts(out, asked, executed, info, TT_COUNT_SERVICES, TT_COUNTS);
        }
        tt_buf_printf(out, "\n");
    }
}
