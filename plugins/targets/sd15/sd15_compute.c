/* Encode, decode, text and predict: what one batch of the host asks. */
#include "sd15.h"
#include "base/mem.h"
#include "formats/image.h"

#include <math.h>
#include <string.h>

/* ---- images and latents ---- */

/* mean + std·noise, scaled, in place of mean; each step in f32 as PyTorch does it */
static void sample_posterior(float *mean, const float *logvar, const float *noise, float scaling, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float z = mean[i];
        if (noise) {
            float std = (float)exp((double)(0.5f * logvar[i]));
            z = z + std * noise[i];
        }
        mean[i] = z * scaling;
    }
}

/* Images encoded at once: the widest activations of a chunk stay near 32 million elements, one image of 512
 * pixels. Chunks are invisible in results. */
uint32_t sd15_encode_chunk(const tt_vae_config *vae, size_t pixels)
{
    size_t width = (size_t)vae->block_out_channels[0];
    size_t n = ((size_t)1 << 25) / (pixels * width);
    return n < 1 ? 1 : n > 32 ? 32 : (uint32_t)n;
}

tt_status sd15_encode_sized(sd15_target *t, uint32_t n, const tt_pixels *images, const float *noise,
                            float *latents, tt_error *err)
{
    uint32_t width = images[0].width, height = images[0].height;
    size_t image = 3 * (size_t)width * height;
    size_t latent = (size_t)t->channels * (width / (uint32_t)t->factor) * (height / (uint32_t)t->factor);
    uint32_t chunk = sd15_encode_chunk(tt_vae_get_config(t->vae), (size_t)width * height);
    float *chw = tt_alloc_array(image * chunk, sizeof *chw);
    float *logvar = tt_alloc_array(latent * chunk, sizeof *logvar);
    tt_status s =
        chw && logvar ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "encode: out of memory for %u images", chunk);
    for (uint32_t at = 0; at < n && !s; at += chunk) {
        uint32_t m = n - at < chunk ? n - at : chunk;
        for (uint32_t i = 0; i < m && !s; i++) {
            const tt_pixels *p = &images[at + i];
            if (p->width != width || p->height != height)
                s = tt_fail(err, TT_ERR_INVALID, "encode: image %u is %ux%u, the first is %ux%u", at + i,
                            p->width, p->height, width, height);
            else
                tt_pixels_to_chw(p, chw + i * image);
        }
        float *mean = latents + at * latent;
        if (!s) s = tt_vae_encode(t->vae, (int)m, (int)height, (int)width, chw, mean, logvar, err);
        if (!s) sample_posterior(mean, logvar, noise ? noise + at * latent : NULL, t->scaling, latent * m);
    }
    tt_free(chw);
    tt_free(logvar);
    return s;
}

tt_status sd15_encode(void *target, uint32_t n, const tt_pixels *images, const float *noise, float *latents,
                      tt_error *err)
{
    sd15_target *t = target;
    if (n == 0) return TT_OK;
    if (images[0].width != t->resolution || images[0].height != t->resolution)
        return tt_fail(err, TT_ERR_INVALID, "encode: the image is %ux%u, the model takes %ux%u",
                       images[0].width, images[0].height, t->resolution, t->resolution);
    return sd15_encode_sized(t, n, images, noise, latents, err);
}

tt_status sd15_decode_sized(sd15_target *t, uint32_t n, int height, int width, const float *latents,
                            tt_pixels *images, tt_error *err)
{
    size_t latent = (size_t)t->channels * (size_t)height * (size_t)width;
    uint32_t w = (uint32_t)(width * t->factor), h = (uint32_t)(height * t->factor);
    size_t plane = (size_t)w * h;
    float *unscaled = tt_alloc_array(latent, sizeof *unscaled);
    float *chw = tt_alloc_array(3 * plane, sizeof *chw);
    tt_status s = unscaled && chw ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "decode: out of memory");
    uint32_t done = 0;
    for (; done < n && !s; done++) {
        for (size_t i = 0; i < latent; i++)
            unscaled[i] = latents[done * latent + i] / t->scaling;
        s = tt_vae_decode(t->vae, 1, height, width, unscaled, chw, err);
        if (s) break;
        images[done] = (tt_pixels){w, h, sd15_host->alloc(3 * plane)};
        if (!images[done].rgb) {
            s = tt_fail(err, TT_ERR_MEMORY, "decode: out of memory for an image");
            break;
        }
        tt_pixels_from_chw(chw, &images[done]);
    }
    for (uint32_t i = 0; i < done && s; i++) {
        sd15_host->free(images[i].rgb);
        images[i] = (tt_pixels){0};
    }
    tt_free(unscaled);
    tt_free(chw);
    return s;
}

tt_status sd15_decode(void *target, uint32_t n, const float *latents, tt_pixels *images, tt_error *err)
{
    sd15_target *t = target;
    return sd15_decode_sized(t, n, (int)t->latent_height, (int)t->latent_width, latents, images, err);
}

/* ---- text ---- */

void sd15_condition_free(void *target, void *condition)
{
    (void)target;
    sd15_condition *c = condition;
    if (!c) return;
    tt_unet_text_destroy(c->text);
    tt_free(c->states);
    tt_free(c);
}

/* From text states to what the UNet needs of them. */
static tt_status make_condition(sd15_target *t, const float *states, sd15_condition **out, tt_error *err)
{
    size_t n = (size_t)t->tokens * (size_t)t->text_width;
    sd15_condition *c = tt_alloc_zero(sizeof *c);
    if (c) c->states = tt_alloc_array(n, sizeof *c->states);
    if (!c || !c->states) {
        sd15_condition_free(t, c);
        return tt_fail(err, TT_ERR_MEMORY, "text: out of memory");
    }
    memcpy(c->states, states, n * sizeof *states);
    tt_status s = tt_unet_text_create(t->unet, states, t->tokens, &c->text, err);
    if (s)
        sd15_condition_free(t, c);
    else
        *out = c;
    return s;
}

tt_status sd15_text(void *target, uint32_t n, const tt_text *texts, void **conditions, tt_error *err)
{
    sd15_target *t = target;
    size_t tokens = (size_t)t->tokens, width = (size_t)t->text_width;
    int32_t *ids = tt_alloc_array(tokens * n, sizeof *ids);
    float *states = tt_alloc_array(tokens * width * n, sizeof *states);
    tt_status s = ids && states ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "text: out of memory for %u texts", n);
    uint32_t done = 0;
    for (uint32_t i = 0; i < n && !s; i++)
        s = tt_tokenizer_encode(t->tokenizer, &texts[i], false, ids + i * tokens, err);
    if (!s && n) s = tt_clip_text_forward(t->clip, (int)n, ids, t->clip_skip, states, err);
    for (; done < n && !s; done++) {
        sd15_condition *c = NULL;
        s = make_condition(t, states + done * tokens * width, &c, err);
        if (s) break;
        conditions[done] = c;
    }
    for (uint32_t i = 0; i < done && s; i++)
        sd15_condition_free(t, conditions[i]);
    tt_free(ids);
    tt_free(states);
    return s;
}

tt_status sd15_condition_get(void *target, void *condition, float *values, size_t n_values, tt_error *err)
{
    const sd15_target *t = target;
    const sd15_condition *c = condition;
    size_t n = (size_t)t->tokens * (size_t)t->text_width;
    if (n_values != n)
        return tt_fail(err, TT_ERR_INVALID,
                       "a condition has %zu values (%d tokens of %d): %zu were asked for", n, t->tokens,
                       t->text_width, n_values);
    memcpy(values, c->states, n * sizeof *values);
    return TT_OK;
}

tt_status sd15_condition_put(void *target, const float *values, size_t n_values, void **condition,
                             tt_error *err)
{
    sd15_target *t = target;
    size_t n = (size_t)t->tokens * (size_t)t->text_width;
    if (n_values != n)
        return tt_fail(err, TT_ERR_INVALID, "a condition has %zu values (%d tokens of %d): %zu were given", n,
                       t->tokens, t->text_width, n_values);
    sd15_condition *c = NULL;
    tt_status s = make_condition(t, values, &c, err);
    if (!s) *condition = c;
    return s;
}

tt_status sd15_spans(void *target, const tt_text *text, uint32_t *first, tt_error *err)
{
    const sd15_target *t = target;
    return tt_tokenizer_spans(t->tokenizer, text, false, (uint32_t)t->tokens, first, err);
}

/* ---- predict ---- */

/* The network's output at x_t into ε, in place (models-sampling 7.2). */
static void to_epsilon(tt_prediction_type type, double alpha_bar, const float *x, float *out, size_t n)
{
    double a = sqrt(alpha_bar), b = sqrt(1 - alpha_bar);
    for (size_t i = 0; i < n; i++) {
        double y = (double)out[i];
        if (type == TT_PREDICT_V)
            out[i] = (float)(a * y + b * (double)x[i]);
        else if (type == TT_PREDICT_SAMPLE)
            out[i] = (float)(((double)x[i] - a * y) / b);
    }
}

/* maps: NULL, or zeroed room for those of n samples */
static tt_status evaluate(sd15_target *t, uint32_t n, const float *inputs, const int32_t *timesteps,
                          void *const *conditions, float *eps, float *maps, tt_error *err)
{
    size_t latent = (size_t)t->channels * t->latent_height * t->latent_width;
    if (n == 0) return TT_OK;
    if (n > t->batch)
        return tt_fail(err, TT_ERR_INVALID, "predict: %u samples, at most %u at once", n, t->batch);
    float *times = tt_alloc_array(n, sizeof *times);
    tt_unet_text **texts = tt_alloc_array(n, sizeof(tt_unet_text *));
    tt_status s = times && texts ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "predict: out of memory");
    for (uint32_t i = 0; i < n && !s; i++) {
        if (timesteps[i] < 0 || timesteps[i] >= t->schedule.train_timesteps)
            s = tt_fail(err, TT_ERR_INVALID, "predict: timestep %d: must be 0..%d", (int)timesteps[i],
                        t->schedule.train_timesteps - 1);
        times[i] = (float)timesteps[i];
        texts[i] = ((const sd15_condition *)conditions[i])->text;
    }
    const tt_unet_maps sink = {t->tokens, (int)t->latent_height, (int)t->latent_width, maps};
    if (!s)
        s = tt_unet_forward_maps(t->unet, (int)n, (int)t->latent_height, (int)t->latent_width, inputs, times,
                                 texts, eps, maps ? &sink : NULL, err);
    for (uint32_t i = 0; i < n && !s && t->schedule.prediction != TT_PREDICT_EPSILON; i++)
        to_epsilon(t->schedule.prediction, t->alpha_bar[timesteps[i]], inputs + i * latent, eps + i * latent,
                   latent);
    tt_free(times);
    tt_free(texts);
    return s;
}

tt_status sd15_predict(void *target, uint32_t n, const float *inputs, const int32_t *timesteps,
                       void *const *conditions, float *eps, tt_error *err)
{
    return evaluate(target, n, inputs, timesteps, conditions, eps, NULL, err);
}

tt_status sd15_attend(void *target, uint32_t n, const float *inputs, const int32_t *timesteps,
                      void *const *conditions, float *eps, float *maps, tt_error *err)
{
    const sd15_target *t = target;
    memset(maps, 0, (size_t)n * (size_t)t->tokens * t->latent_height * t->latent_width * sizeof *maps);
    return evaluate(target, n, inputs, timesteps, conditions, eps, maps, err);
}
