/* Loss threshold and its Monte Carlo mean: grey-box spec 2.1 and 2.2. Low loss = member, so the score is its
 * negative. */
#include "telltale/plugin.h"

#include <stdio.h>
#include <string.h>

static const tt_host *host;

typedef struct loss {
    size_t n;
    const double *timesteps;
    bool mean_latent, alpha_bar_f32;
    char (*names)[16];
    const char **columns;
} loss;

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
    loss *a = attack;
    if (!a) return;
    host->free(a->names);
    host->free(a->columns);
    host->free(a);
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    loss *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->n = host->param_list(params, "timesteps", &a->timesteps);
    a->mean_latent = strcmp(host->param_string(params, "vae_mode"), "mean") == 0;
    a->alpha_bar_f32 = strcmp(host->param_string(params, "alpha_table"), "diffusers") == 0;
    if (a->n == 0) {
        destroy(a);
        return host->fail(err, TT_ERR_INVALID, "timesteps is empty: at least one is needed");
    }
    a->names = host->alloc(a->n * sizeof *a->names);
    a->columns = host->alloc(a->n * sizeof *a->columns);
    if (!a->names || !a->columns) {
        destroy(a);
        return host->fail(err, TT_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < a->n; i++) {
        snprintf(a->names[i], sizeof a->names[i], "L_%d", (int)a->timesteps[i]);
        a->columns[i] = a->names[i];
    }
    *attack = a;
    return TT_OK;
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    const loss *a = attack;
    (void)err;
    p->roles[0] = (tt_role_need){"target", TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT};
    p->n_roles = 1;
    p->needs_captions = true;
    p->n_columns = (uint32_t)a->n;
    p->columns = a->columns;
    p->paper_reduction = "sum"; /* the scripts print the sum over elements; we store the mean */
    p->predictions = (uint32_t)a->n;
    return TT_OK;
}

typedef struct work {
    tt_encode *encodes;
    tt_text_piece *pieces;
    tt_text *texts;
    tt_handle *latents, *conditions;
    tt_predict *requests;
    tt_prediction *results;
} work;

static void free_work(work *w)
{
    host->free(w->encodes);
    host->free(w->pieces);
    host->free(w->texts);
    host->free(w->latents);
    host->free(w->conditions);
    host->free(w->requests);
    host->free(w->results);
}

static bool alloc_work(work *w, size_t n, size_t evaluations)
{
    *w = (work){host->alloc(n * sizeof(tt_encode)),
                host->alloc(n * sizeof(tt_text_piece)),
                host->alloc(n * sizeof(tt_text)),
                host->alloc(n * sizeof(tt_handle)),
                host->alloc(n * sizeof(tt_handle)),
                host->alloc(evaluations * sizeof(tt_predict)),
                host->alloc(evaluations * sizeof(tt_prediction))};
    return w->encodes && w->pieces && w->texts && w->latents && w->conditions && w->requests && w->results;
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const loss *a = attack;
    tt_model *model = context->models[0];
    size_t evaluations = n * a->n;
    work w;
    tt_status s = alloc_work(&w, n, evaluations) ? TT_OK : host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n && !s; i++) {
        if (!samples[i].caption)
            s = host->fail(err, TT_ERR_INVALID, "a sample has no caption: this attack needs them");
        w.encodes[i] = (tt_encode){samples[i].id, {a->mean_latent ? NULL : "vae", -1, 0}};
        w.pieces[i] = (tt_text_piece){samples[i].caption, 0};
        w.texts[i] = (tt_text){&w.pieces[i], 1};
    }
    if (!s) s = model->encode(model, n, w.encodes, w.latents, err);
    if (!s) s = model->text(model, n, w.texts, w.conditions, err);
    for (size_t k = 0; k < evaluations && !s; k++) {
        size_t i = k / a->n;
        int32_t t = (int32_t)a->timesteps[k % a->n];
        w.requests[k] = (tt_predict){.latent = w.latents[i],
                                     .condition = w.conditions[i],
                                     .timestep = t,
                                     .want = TT_WANT_LOSS,
                                     .sample = samples[i].id,
                                     .noise = {"eps", t, 0},
                                     .alpha_bar_f32 = a->alpha_bar_f32};
    }
    if (!s) s = model->predict(model, (uint32_t)evaluations, w.requests, w.results, err);
    for (size_t k = 0; k < evaluations && !s; k++)
        rows[k] = w.results[k].loss;
    free_work(&w);
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
    {"timesteps", TT_PARAM_INTS, "[450]", 0, 999, NULL,
     "timesteps of the loss; several are averaged ([440, 450, 460] is the comparison's Monte Carlo)", 0},
    {"vae_mode", TT_PARAM_CHOICE, "sample", 0, 0, "sample|mean",
     "latent: a draw of the posterior (parity) or its mean", 0},
    {"alpha_table", TT_PARAM_CHOICE, "double", 0, 0, "double|diffusers",
     "noise schedule: exact, or the f32 table of diffusers", 0},
};

static const tt_plugin_info offer = {
    sizeof offer,
    TT_KIND_ATTACK,
    "loss",
    1,
    "1.0",
    "diffusion loss under the caption; low = member",
    params,
    3,
    "Matsumoto et al. 2023; as in Zhai et al., CLiD, NeurIPS 2024 (arXiv 2405.14800)"};

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
