/* What exactly was examined: models by the digest of their weights, images by one digest over a set. */
#include "experiment/results.h"

#include <string.h>

static tt_result_set *set_of(const tt_result_sample *sample, tt_result_set *sets, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(sets[i].data, sample->data) == 0 && strcmp(sets[i].split, sample->split) == 0)
            return &sets[i];
    sets[*n] = (tt_result_set){.data = sample->data, .split = sample->split};
    return &sets[(*n)++];
}

static tt_status digest_of(const tt_results *r, tt_result_set *set, tt_error *err)
{
    tt_sha256 *h = tt_sha256_create();
    if (!h) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a digest");
    for (size_t i = 0; i < r->n_samples; i++)
        if (strcmp(r->samples[i].data, set->data) == 0 && strcmp(r->samples[i].split, set->split) == 0)
            tt_sha256_update(h, &r->samples[i].digest, sizeof r->samples[i].digest);
    set->digest = tt_sha256_finish(h);
    return TT_OK;
}

tt_status tt_results_sets(const tt_results *r, tt_arena *arena, tt_result_set **sets, size_t *n,
                          tt_error *err)
{
    /* neighbours are nearly always of one set */
    size_t most = r->n_samples ? 1 : 0;
    for (size_t i = 1; i < r->n_samples; i++)
        most += strcmp(r->samples[i].data, r->samples[i - 1].data) != 0 ||
                strcmp(r->samples[i].split, r->samples[i - 1].split) != 0;
    *n = 0;
    *sets = tt_arena_alloc_array(arena, most + 1, sizeof **sets);
    if (!*sets) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the sets of a run");
    for (size_t i = 0; i < r->n_samples; i++)
        set_of(&r->samples[i], *sets, n)->n++;
    tt_status s = TT_OK;
    for (size_t i = 0; i < *n && !s; i++)
        s = digest_of(r, &(*sets)[i], err);
    return s;
}

void tt_results_identity_text(const tt_results *r, tt_buf *out)
{
    tt_buf_printf(out, "telltale %s, seed %llu; weights", r->version, (unsigned long long)r->seed);
    for (size_t i = 0; i < r->n_models; i++)
        tt_buf_printf(out, "%s %s %.12s", i ? "," : "", r->models[i].role, r->models[i].digest);
    tt_buf_printf(out, "\n");
}
