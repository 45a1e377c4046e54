/* What attacks may still ask of this model. The conductor says it at the beginning of each batch; nothing
 * said: no limit. */
#include "runtime/modelhost_internal.h"

tt_status tt_modelhost_budget(tt_modelhost *h, tt_reader *in, tt_error *err)
{
    h->budgeted = true;
    h->predictions_left = tt_get_u64(in);
    h->images_left = tt_get_u64(in);
    h->money_left = tt_get_u64(in);
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

tt_status tt_modelhost_price(tt_modelhost *h, tt_reader *in, tt_error *err)
{
    uint64_t prediction = tt_get_u64(in), image = tt_get_u64(in);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed price");
    h->prediction_price = prediction;
    h->image_price = image;
    return TT_OK;
}

static uint64_t cost(const tt_modelhost *h, uint64_t predictions, uint64_t images)
{
    return predictions * h->prediction_price + images * h->image_price;
}

void tt_modelhost_charge(const tt_modelhost *h, tt_modelhost_connection *c, const tt_meter *asked,
                         const tt_meter *computed)
{
    c->meters.attributed.money += cost(h, asked->predictions, asked->images);
    c->meters.executed.money += cost(h, computed->predictions, computed->images);
}

static tt_status check(uint64_t left, uint64_t n, const char *key, double unit, tt_error *err)
{
    if (n <= left) return TT_OK;
    return tt_fail(err, TT_ERR_REFUSED,
                   "budgets.%s: %.10g are left and %.10g more were asked for: raise the budget, or leave an "
                   "attack out",
                   key, (double)left / unit, (double)n / unit);
}

tt_status tt_modelhost_spend(tt_modelhost *h, tt_modelhost_connection *c, uint32_t queries,
                             uint32_t predictions, uint32_t images, tt_error *err)
{
    if (!h->budgeted) return TT_OK;
    if (c->queries_per_sample && queries > c->queries_left)
        return tt_fail(err, TT_ERR_REFUSED,
                       "budgets.queries_per_sample: more than %llu queries a sample were asked for",
                       (unsigned long long)c->queries_per_sample);
    uint64_t money = cost(h, predictions, images);
    tt_status s = check(h->predictions_left, predictions, "predictions", 1, err);
    if (!s) s = check(h->images_left, images, "images", 1, err);
    if (!s) s = check(h->money_left, money, "money", TT_MONEY_UNIT, err);
    if (s) return s;
    if (c->queries_per_sample) c->queries_left -= queries;
    h->predictions_left -= predictions;
    h->images_left -= images;
    h->money_left -= money;
    return TT_OK;
}
