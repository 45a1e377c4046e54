/* Stable Diffusion 1.x as a target: the networks of core/models behind the table of tt_target_plugin. Sizes
 * come from the model's configs, so the same code runs the full model and a miniature of it. */
#ifndef TT_SD15_H
#define TT_SD15_H

#include "models/load/load.h"
#include "telltale/plugin.h"

extern const tt_host *sd15_host;

typedef struct sd15_target {
    tt_device *device;
    tt_unet *unet;
    tt_vae *vae;
    tt_clip_text *clip;
    tt_checkpoint
        *checkpoint; /* configs and tokenizer; its weight files stay mapped, their pages given back */
    const tt_tokenizer *tokenizer;
    tt_schedule_config schedule;
    int clip_skip, tokens, text_width;
    int factor; /* pixels a latent element is wide */
    uint32_t resolution, channels, latent_height, latent_width, batch;
    float scaling;
    double *alpha_bar, *alpha_bar_f32;
} sd15_target;

typedef struct sd15_condition {
    float *states; /* [tokens][text_width] */
    tt_unet_text *text;
} sd15_condition;

/* sd15_compute.c */
tt_status sd15_encode(void *target, uint32_t n, const tt_pixels *images, const float *noise, float *latents,
                      tt_error *err);
tt_status sd15_decode(void *target, uint32_t n, const float *latents, tt_pixels *images, tt_error *err);
tt_status sd15_text(void *target, uint32_t n, const tt_text *texts, void **conditions, tt_error *err);
tt_status sd15_condition_get(void *target, void *condition, float *values, size_t n_values, tt_error *err);
void sd15_condition_free(void *target, void *condition);
tt_status sd15_predict(void *target, uint32_t n, const float *inputs, const int32_t *timesteps,
                       void *const *conditions, float *eps, tt_error *err);
tt_status sd15_attend(void *target, uint32_t n, const float *inputs, const int32_t *timesteps,
                      void *const *conditions, float *eps, float *maps, tt_error *err);
tt_status sd15_condition_put(void *target, const float *values, size_t n_values, void **condition,
                             tt_error *err);
tt_status sd15_spans(void *target, const tt_text *text, uint32_t *first, tt_error *err);
/* Images of any size; latents of latent_height × latent_width. noise NULL: the mean. Scaled. */
tt_status sd15_encode_sized(sd15_target *t, uint32_t n, const tt_pixels *images, const float *noise,
                            float *latents, tt_error *err);
/* latents [n][channels][height][width] → images from host->alloc; on failure none are left */
tt_status sd15_decode_sized(sd15_target *t, uint32_t n, int height, int width, const float *latents,
                            tt_pixels *images, tt_error *err);

/* Images encoded at once. */
uint32_t sd15_encode_chunk(const tt_vae_config *vae, size_t pixels);

/* sd15_memory.c; of a target whose facts were read. types: of UNet, VAE, text encoder */
void sd15_memory_of(const sd15_target *t, const tt_type types[3], const tt_backend *backend,
                    tt_memory_need *need);

/* sd15_generate.c */
tt_status sd15_generate(void *target, const tt_generate *request, tt_pixels *images,
                        void (*progress)(void *user, uint32_t step, uint32_t steps), void *user,
                        tt_error *err);

/* sd15_mask.c: weights of the mask at latent size, 1 = repaint */
tt_status sd15_mask(const tt_pixels *mask, uint32_t width, uint32_t height, int factor, bool legacy,
                    float *weights, tt_error *err);

#endif
