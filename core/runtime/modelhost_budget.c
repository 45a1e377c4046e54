/* What attacks may still ask of this model. The conductor says it at the beginning of each batch; nothing
 * said: no limit. */
#include "runtime/modelhost_internal.h"

tt_status tt_modelhost_budget(tt_modelhost *h, tt_reader *in, tt_error *err)
{
    h->budgeted = true;
    h->predictions_left = tt_get_u64(in);
    h->images_left = tt_get_u64(in);
    uint32_t n_samples = tt_get_u32(in), n = tt_get_count(in, 12);
    for (uint32_t i = 0; i < n; i++) {
        tt_modelhost_connection *c = tt_modelhost_connection_at(h, tt_get_u32(in));
        uint64_t queries = tt_get_u64(in);
        if (!c) return tt_fail(err, TT_ERR_FORMAT, "a budget for a connection that is not there");
        c->queries_per_sample = queries;
        c->queries_left = queries * n_samples;
    }
    return tt_reader_done(in) ? TT_OK : tt_fail(err, TT_ERR_FORMAT, "a malformed budget");
}

static tt_status spend(uint64_t *left, uint64_t n, const char *key, tt_error *err)
{
    if (n > *left)
        return tt_fail(
            err, TT_ERR_REFUSED,
            "budgets.%s: %llu are left and %llu more were asked for: raise the budget, or leave an "
            "attack out",
            key, (unsigned long long)*left, (unsigned long long)n);
    *left -= n;
    return TT_OK;
}

tt_status tt_modelhost_spend(tt_modelhost *h, tt_modelhost_connection *c, uint32_t queries,
                             uint32_t predictions, uint32_t images, tt_error *err)
{
    if (!h->budgeted) return TT_OK;
    if (c->queries_per_sample && queries > c->queries_left)
        return tt_fail(err, TT_ERR_REFUSED,
                       "budgets.queries_per_sample: more than %llu queries a sample were asked for",
                       (unsigned long long)c->queries_per_sample);
    if (c->queries_per_sample) c->queries_left -= queries;
    tt_status s = spend(&h->predictions_left, predictions, "predictions", err);
    return s ? s : spend(&h->images_left, images, "images", err);
}
