/* M.C.: the Monte Carlo estimate of the conditional bound, a mean of losses: grey-box spec 2.2. Low = member,
 * so the score is its negative. */
#include "../grey_box.h"

#include <stdio.h>

static const tt_host *host;

typedef struct monte_carlo {
    grey_box_options options;
    size_t n;
    const double *timesteps;
    char (*names)[16];
    const char **columns;
} monte_carlo;

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static void destroy(void *attack)
{
    monte_carlo *a = attack;
    if (!a) return;
    host->free(a->names);
    host->free(a->columns);
    host->free(a);
}

/* A timestep twice would be the same noise twice: the keyed noise belongs to the timestep's value. */
static tt_status name_columns(monte_carlo *a, tt_error *err)
{
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < i; k++)
            if (a->timesteps[k] == a->timesteps[i])
                return host->fail(err, TT_ERR_INVALID,
                                  "timesteps: %d is there twice; its noise would be the same both times",
                                  (int)a->timesteps[i]);
        snprintf(a->names[i], sizeof a->names[i], "L_%d", (int)a->timesteps[i]);
        a->columns[i] = a->names[i];
    }
    return TT_OK;
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    monte_carlo *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->options = grey_box_read_options(host, params);
    a->n = host->param_list(params, "timesteps", &a->timesteps);
    tt_status s =
        a->n ? TT_OK : host->fail(err, TT_ERR_INVALID, "timesteps is empty: at least one is needed");
    if (!s) {
        a->names = host->alloc(a->n * sizeof *a->names);
        a->columns = host->alloc(a->n * sizeof *a->columns);
        s = a->names && a->columns ? name_columns(a, err) : host->fail(err, TT_ERR_MEMORY, "out of memory");
    }
    if (s) {
        destroy(a);
        return s;
    }
    *attack = a;
    return TT_OK;
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    const monte_carlo *a = attack;
    (void)err;
    grey_box_plan(&a->options, p);
    p->n_columns = (uint32_t)a->n;
    p->columns = a->columns;
    p->paper_reduction = "mean";
    p->predictions = (uint32_t)a->n;
    return TT_OK;
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const monte_carlo *a = attack;
    tt_model *model = context->models[0];
    size_t evaluations = n * a->n;
    grey_box g;
    tt_predict *requests = host->alloc(evaluations * sizeof *requests);
    tt_prediction *results = host->alloc(evaluations * sizeof *results);
    tt_status s = grey_box_open(host, &a->options, model, n, samples, &g, err);
    if (!s && (!requests || !results)) s = host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < evaluations && !s; k++) {
        size_t i = k / a->n;
        int32_t t = (int32_t)a->timesteps[k % a->n];
        requests[k] = (tt_predict){.latent = g.latents[i],
                                   .condition = g.conditions[i],
                                   .timestep = t,
                                   .want = TT_WANT_LOSS,
                                   .sample = samples[i].id,
                                   .noise = {"eps", t, 0},
                                   .alpha_bar_f32 = a->options.alpha_bar_f32};
    }
    if (!s) s = model->predict(model, (uint32_t)evaluations, requests, results, err);
    for (size_t k = 0; k < evaluations && !s; k++)
        rows[k] = results[k].loss;
    grey_box_close(&g);
    host->free(requests);
    host->free(results);
    return s;
}

static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t state_size,
                       double *scores, tt_error *err)
{
    (void)attack, (void)state, (void)state_size, (void)err;
    for (size_t i = 0; i < rows->n; i++) {
        double sum = 0;
        for (size_t k = 0; k < rows->n_columns; k++)
            sum += rows->values[i * rows->n_columns + k];
        scores[i] = -sum / (double)rows->n_columns;
    }
    return TT_OK;
}

static const tt_param params[] = {
    {"timesteps", TT_PARAM_INTS, "[440, 450, 460]", 0, 999, NULL, "timesteps whose losses are averaged", 0},
    GREY_BOX_PARAMS,
};

static const tt_plugin_info offer = {sizeof offer,
                                     TT_KIND_ATTACK,
                                     "monte_carlo",
                                     1,
                                     "1.0",
                                     "mean diffusion loss over several timesteps; low = member",
                                     params,
                                     sizeof params / sizeof *params,
                                     "M.C. of Zhai et al., CLiD, NeurIPS 2024 (arXiv 2405.14800)"};

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &offer : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_attack_plugin table = {.size = sizeof table,
                                           .create = create,
                                           .destroy = destroy,
                                           .plan = plan,
                                           .measure = measure,
                                           .score = score};
    (void)name;
    return kind == TT_KIND_ATTACK ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
