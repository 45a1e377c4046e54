/* What the grey-box attacks begin with, and their queries without noise. Inline, since a plugin links
 * nothing: every sample's latent and condition; predictions at latents that the attack itself formed. */
#ifndef TT_ATTACKS_GREY_BOX_H
#define TT_ATTACKS_GREY_BOX_H

#include "telltale/plugin.h"

#include <math.h>
#include <string.h>

/* Parameters that all of them have: grey-box spec 10. */
#define GREY_BOX_PARAMS                                                                                      \
    {"vae_mode",                                                                                             \
     TT_PARAM_CHOICE,                                                                                        \
     "sample",                                                                                               \
     0,                                                                                                      \
     0,                                                                                                      \
     "sample|mean",                                                                                          \
     "latent: a draw of the posterior (parity) or its mean",                                                 \
     0},                                                                                                     \
        {"alpha_table",                                                                                      \
         TT_PARAM_CHOICE,                                                                                    \
         "double",                                                                                           \
         0,                                                                                                  \
         0,                                                                                                  \
         "double|diffusers",                                                                                 \
         "noise schedule: exact, or the f32 table of diffusers",                                             \
         0},                                                                                                 \
    {                                                                                                        \
        "prompt", TT_PARAM_STRING, NULL, 0, 0, NULL,                                                         \
            "one prompt for every sample in place of its caption; unset: the captions", 0                    \
    }

typedef struct grey_box_options {
    bool mean_latent, alpha_bar_f32;
    const char *prompt; /* NULL: the samples' captions */
} grey_box_options;

static inline grey_box_options grey_box_read_options(const tt_host *host, const tt_params *params)
{
    return (grey_box_options){strcmp(host->param_string(params, "vae_mode"), "mean") == 0,
                              strcmp(host->param_string(params, "alpha_table"), "diffusers") == 0,
                              host->param_string(params, "prompt")};
}

static inline void grey_box_plan(const grey_box_options *o, tt_attack_plan *p)
{
    p->roles[0] = (tt_role_need){"target", TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT};
    p->n_roles = 1;
    p->needs_captions = !o->prompt;
}

/* The schedule that these options name. */
static inline const double *grey_box_alpha_bar(const grey_box_options *o, const tt_model *model)
{
    return o->alpha_bar_f32 ? model->info.alpha_bar_f32 : model->info.alpha_bar;
}

/* A batch: latents and conditions of n samples, and room for queries without noise. */
typedef struct grey_box {
    const tt_host *host;
    tt_model *model;
    uint32_t n;
    size_t elements; /* of a latent */
    tt_encode *encodes;
    tt_text_piece *pieces;
    tt_text *texts;
    tt_handle *latents, *conditions, *inputs; /* [n]; inputs: what grey_box_put made */
    tt_predict *requests;
    tt_prediction *results;
    float *values; /* [elements] */
} grey_box;

static inline void grey_box_close(grey_box *g)
{
    g->host->free(g->encodes);
    g->host->free(g->pieces);
    g->host->free(g->texts);
    g->host->free(g->latents);
    g->host->free(g->conditions);
    g->host->free(g->inputs);
    g->host->free(g->requests);
    g->host->free(g->results);
    g->host->free(g->values);
}

static inline tt_status grey_box_alloc(grey_box *g, tt_error *err)
{
    const tt_host *host = g->host;
    size_t n = g->n;
    g->encodes = host->alloc(n * sizeof *g->encodes);
    g->pieces = host->alloc(n * sizeof *g->pieces);
    g->texts = host->alloc(n * sizeof *g->texts);
    g->latents = host->alloc(n * sizeof *g->latents);
    g->conditions = host->alloc(n * sizeof *g->conditions);
    g->inputs = host->alloc(n * sizeof *g->inputs);
    g->requests = host->alloc(n * sizeof *g->requests);
    g->results = host->alloc(n * sizeof *g->results);
    g->values = host->alloc(g->elements * sizeof *g->values);
    return g->encodes && g->pieces && g->texts && g->latents && g->conditions && g->inputs && g->requests &&
                   g->results && g->values
               ? TT_OK
               : host->fail(err, TT_ERR_MEMORY, "out of memory for %u samples", g->n);
}

/* Encodes the samples and their texts. grey_box_close in any case. */
static inline tt_status grey_box_open(const tt_host *host, const grey_box_options *o, tt_model *model,
                                      uint32_t n, const tt_sample *samples, grey_box *g, tt_error *err)
{
    const tt_model_info *info = &model->info;
    *g = (grey_box){.host = host,
                    .model = model,
                    .n = n,
                    .elements = (size_t)info->latent_channels * info->latent_height * info->latent_width};
    tt_status s = grey_box_alloc(g, err);
    for (uint32_t i = 0; i < n && !s; i++) {
        const char *text = o->prompt ? o->prompt : samples[i].caption;
        if (!text)
            s = host->fail(err, TT_ERR_INVALID,
                           "a sample has no caption: this attack needs them, or a `prompt` for all");
        g->encodes[i] = (tt_encode){samples[i].id, {o->mean_latent ? NULL : "vae", -1, 0}};
        g->pieces[i] = (tt_text_piece){text, 0};
        g->texts[i] = (tt_text){&g->pieces[i], 1};
    }
    if (!s) s = model->encode(model, n, g->encodes, g->latents, err);
    if (!s) s = model->text(model, n, g->texts, g->conditions, err);
    return s;
}

/* ε of every sample at `inputs` as they are, at timestep t: out [n][elements]. One query a sample. */
static inline tt_status grey_box_epsilon(grey_box *g, const tt_handle *inputs, int32_t t, double *out,
                                         tt_error *err)
{
    for (uint32_t i = 0; i < g->n; i++)
        g->requests[i] = (tt_predict){.latent = inputs[i],
                                      .condition = g->conditions[i],
                                      .timestep = t,
                                      .want = TT_WANT_PREDICTION,
                                      .noise = {NULL, -1, 0}};
    tt_status s = g->model->predict(g->model, g->n, g->requests, g->results, err);
    for (uint32_t i = 0; i < g->n && !s; i++) {
        s = g->model->get(g->model, g->results[i].prediction, g->values, g->elements, err);
        for (size_t k = 0; k < g->elements && !s; k++)
            out[i * g->elements + k] = (double)g->values[k];
        if (!s) s = g->model->release(g->model, 1, &g->results[i].prediction, err);
    }
    return s;
}

/* The samples' latents: out [n][elements] */
static inline tt_status grey_box_latents(grey_box *g, double *out, tt_error *err)
{
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < g->n && !s; i++) {
        s = g->model->get(g->model, g->latents[i], g->values, g->elements, err);
        for (size_t k = 0; k < g->elements && !s; k++)
            out[i * g->elements + k] = (double)g->values[k];
    }
    return s;
}

/* ε at states [n][elements], rounded to f32 once. */
static inline tt_status grey_box_epsilon_at(grey_box *g, const double *states, int32_t t, double *out,
                                            tt_error *err)
{
    const tt_model_info *info = &g->model->info;
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < g->n && !s; i++) {
        for (size_t k = 0; k < g->elements; k++)
            g->values[k] = (float)states[i * g->elements + k];
        s = g->model->put(g->model, info->latent_channels, info->latent_height, info->latent_width, g->values,
                          &g->inputs[i], err);
    }
    if (!s) s = grey_box_epsilon(g, g->inputs, t, out, err);
    if (!s) s = g->model->release(g->model, g->n, g->inputs, err);
    return s;
}

#endif
