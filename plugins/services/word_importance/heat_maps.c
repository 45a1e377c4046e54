/* Heat maps in the manner of DAAM (grey-box spec 2.6.2): an image is generated from the caption, and the
 * cross-attention of the conditional branch is summed over all steps, layers and heads. */
#include "base/mem.h"
#include "base/rng.h"
#include "word_importance.h"

#include <string.h>

/* n latents under one or two conditions. */
typedef struct generation {
    words_service *w;
    uint32_t n;
    size_t size; /* of a latent */
    tt_sampling *sampling;
    tt_unet_text **texts; /* [n] conditional, then [n] the same null text */
    float *x, *input, *output, *null_output, *times;
} generation;

static bool guided(const words_service *w)
{
    return w->guidance > 1;
}

uint64_t words_evaluations(const words_service *w)
{
    return w->method == WORDS_HEAT_MAPS ? (uint64_t)w->steps * (guided(w) ? 2 : 1) : 0;
}

static void generation_end(generation *g)
{
    for (uint32_t i = 0; g->texts && i <= g->n; i++) /* the null text stands n times */
        tt_unet_text_destroy(g->texts[i]);
    tt_sampling_destroy(g->sampling);
    tt_free(g->texts);
    tt_free(g->x);
    tt_free(g->input);
    tt_free(g->output);
    tt_free(g->null_output);
    tt_free(g->times);
}

static tt_status make_texts(generation *g, const tt_text *texts, tt_error *err)
{
    words_service *w = g->w;
    size_t one = (size_t)w->tokens * (size_t)w->width;
    float *states = tt_alloc_array((g->n + 1) * one, sizeof *states);
    if (!states) return tt_fail(err, TT_ERR_MEMORY, "heat maps: out of memory");
    const tt_text null_text = {NULL, 0};
    tt_status s = words_encode(w, g->n, texts, states, err);
    if (!s) s = words_encode(w, 1, &null_text, states + g->n * one, err);
    for (uint32_t i = 0; i <= g->n && !s; i++)
        s = tt_unet_text_create(w->unet, states + i * one, w->tokens, &g->texts[i], err);
    for (uint32_t i = g->n + 1; i < 2 * g->n && !s; i++)
        g->texts[i] = g->texts[g->n];
    tt_free(states);
    return s;
}

static tt_status generation_begin(generation *g, const tt_text *texts, tt_error *err)
{
    words_service *w = g->w;
    size_t count = g->n * g->size;
    g->texts = tt_alloc_zero(2 * (size_t)g->n * sizeof(tt_unet_text *) + sizeof(tt_unet_text *));
    g->x = tt_alloc_array(count, sizeof *g->x);
    g->input = tt_alloc_array(count, sizeof *g->input);
    g->output = tt_alloc_array(count, sizeof *g->output);
    g->null_output = tt_alloc_array(count, sizeof *g->null_output);
    g->times = tt_alloc_array(g->n, sizeof *g->times);
    if (!g->texts || !g->x || !g->input || !g->output || !g->null_output || !g->times)
        return tt_fail(err, TT_ERR_MEMORY, "heat maps: out of memory for %u texts", g->n);
    tt_status s = tt_sampling_create(tt_checkpoint_schedule_config(w->checkpoint), TT_SAMPLER_DPMPP_2M, false,
                                     false, w->steps, &g->sampling, err);
    if (!s) s = make_texts(g, texts, err);
    if (s) return s;
    /* every text as if it were the only one: the seed's first draw */
    tt_torch_cpu stream;
    tt_torch_cpu_seed(&stream, w->seed);
    tt_torch_cpu_randn(&stream, g->x, g->size);
    double sigma = tt_sampling_init_sigma(g->sampling);
    for (size_t i = 0; i < g->size; i++)
        g->x[i] = (float)((double)g->x[i] * sigma);
    for (uint32_t i = 1; i < g->n; i++)
        memcpy(g->x + i * g->size, g->x, g->size * sizeof *g->x);
    return TT_OK;
}

static tt_status one_call(generation *g, int call, const tt_unet_maps *maps, tt_error *err)
{
    words_service *w = g->w;
    size_t count = g->n * g->size;
    for (uint32_t i = 0; i < g->n; i++)
        g->times[i] = (float)tt_sampling_timestep(g->sampling, call);
    tt_sampling_input(g->sampling, call, g->x, g->input, count);
    tt_status s = tt_unet_forward_maps(w->unet, (int)g->n, w->side, w->side, g->input, g->times, g->texts,
                                       g->output, maps, err);
    if (!s && guided(w)) {
        s = tt_unet_forward(w->unet, (int)g->n, w->side, w->side, g->input, g->times, g->texts + g->n,
                            g->null_output, err);
        if (!s) tt_guidance(g->null_output, g->output, w->guidance, 0, g->output, count);
    }
    return s ? s : tt_sampling_step(g->sampling, call, g->output, g->x, count, err);
}

tt_status words_heat_maps(words_service *w, uint32_t n, const tt_text *texts, float *maps, float *latents,
                          tt_error *err)
{
    generation g = {.w = w, .n = n, .size = (size_t)w->channels * (size_t)w->side * (size_t)w->side};
    const tt_unet_maps sink = {w->tokens, w->side, w->side, maps};
    memset(maps, 0, (size_t)n * (size_t)w->tokens * (size_t)w->side * (size_t)w->side * sizeof *maps);
    tt_status s = generation_begin(&g, texts, err);
    int calls = s ? 0 : tt_sampling_calls(g.sampling);
    for (int i = 0; i < calls && !s; i++)
        s = words_host->stop_requested() ? tt_fail(err, TT_ERR_INTERRUPTED, "heat maps: interrupted")
                                         : one_call(&g, i, &sink, err);
    if (!s && latents) memcpy(latents, g.x, n * g.size * sizeof *latents);
    generation_end(&g);
    return s;
}
