/* AutoencoderKL (specs/models-sd15.md 2). */
#ifndef TT_MODELS_VAE_H
#define TT_MODELS_VAE_H

#include "formats/json.h"
#include "models/weights.h"
#include "telltale/backend.h"

#define TT_VAE_MAX_LEVELS 8

typedef struct tt_vae_config {
    int in_channels, out_channels, latent_channels, levels, layers_per_block, norm_num_groups, sample_size;
    int block_out_channels[TT_VAE_MAX_LEVELS];
    double scaling_factor;
} tt_vae_config;

TT_API void tt_vae_config_sd15(tt_vae_config *config);
TT_API tt_status tt_vae_config_parse(const tt_node *json, tt_vae_config *config, tt_error *err);

typedef struct tt_vae tt_vae;
/* Accepts old attention names (query, key, value, proj_attn) and [C,C,1,1] projections. */
TT_API tt_status tt_vae_create(tt_device *device, const tt_vae_config *config, tt_type type,
                               tt_weight_source *source, tt_vae **vae, tt_error *err);
TT_API void tt_vae_destroy(tt_vae *vae);
TT_API const tt_vae_config *tt_vae_get_config(const tt_vae *vae);

/* images flat [n][3][height][width] in [-1,1] → mean and logvar (clamped to [-30,20]) flat
 * [n][latent_channels][height/f][width/f]; not scaled. logvar may be NULL. */
TT_API tt_status tt_vae_encode(tt_vae *vae, int n, int height, int width, const float *images, float *mean,
                               float *logvar, tt_error *err);
/* latents flat, NOT scaled (already divided by scaling_factor) → images flat, not clamped */
TT_API tt_status tt_vae_decode(tt_vae *vae, int n, int latent_height, int latent_width, const float *latents,
                               float *images, tt_error *err);

#endif
