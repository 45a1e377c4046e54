/* UNet2DConditionModel (specs/models-sd15.md 1): any block_out_channels, block types, heads, layers and sizes
 * that a diffusers config declares. */
#ifndef TT_MODELS_UNET_H
#define TT_MODELS_UNET_H

#include "formats/json.h"
#include "models/weights.h"
#include "telltale/backend.h"

#define TT_UNET_MAX_LEVELS 8

typedef struct tt_unet_config {
    int in_channels, out_channels, sample_height, sample_width, levels;
    int block_out_channels[TT_UNET_MAX_LEVELS];
    bool down_cross[TT_UNET_MAX_LEVELS], up_cross[TT_UNET_MAX_LEVELS]; /* CrossAttn…Block2D at this level */
    bool mid_cross;
    int layers_per_block[TT_UNET_MAX_LEVELS];
    int transformer_layers[TT_UNET_MAX_LEVELS];
    int heads[TT_UNET_MAX_LEVELS]; /* "attention_head_dim" of the config, which means the number of heads */
    int cross_attention_dim, norm_num_groups;
    double norm_eps, freq_shift;
    bool flip_sin_to_cos, use_linear_projection;
} tt_unet_config;

TT_API void tt_unet_config_sd15(tt_unet_config *config);
/* From unet/config.json. Keys that would change the network and that we do not do are refused by name. */
TT_API tt_status tt_unet_config_parse(const tt_node *json, tt_unet_config *config, tt_error *err);

typedef struct tt_unet tt_unet;
/* Packs all weights from `source` for activations of `type` (f32 or bf16). */
TT_API tt_status tt_unet_create(tt_device *device, const tt_unet_config *config, tt_type type,
                                tt_weight_source *source, tt_unet **unet, tt_error *err);
TT_API void tt_unet_destroy(tt_unet *unet);
TT_API const tt_unet_config *tt_unet_get_config(const tt_unet *unet);

/* Cross-attention keys and values of a batch of text states: they depend on no image and no timestep. */
typedef struct tt_unet_text tt_unet_text;
/* states: host floats [tokens][cross_attention_dim]. One condition. */
TT_API tt_status tt_unet_text_create(tt_unet *unet, const float *states, int tokens, tt_unet_text **text,
                                     tt_error *err);
TT_API void tt_unet_text_destroy(tt_unet_text *text);

/* ε (or v) of n samples: inputs flat [n][in_channels][height][width], timesteps [n], one condition each (all
 * with the same number of tokens), outputs flat [n][out_channels][height][width]. */
TT_API tt_status tt_unet_forward(tt_unet *unet, int n, int height, int width, const float *inputs,
                                 const float *timesteps, tt_unet_text *const *texts, float *outputs,
                                 tt_error *err);

/* Cross-attention maps of a batch: for every sample and token, the softmax probabilities summed over heads
 * and over all cross-attention layers, each layer's map resized to height × width (bicubic, as PyTorch's
 * interpolate). */
typedef struct tt_unet_maps {
    int tokens, height, width;
    float *sum; /* [n][tokens][height][width]; forward passes add to it */
} tt_unet_maps;
/* tt_unet_forward, with the same outputs bit for bit, that adds to the maps too. */
TT_API tt_status tt_unet_forward_maps(tt_unet *unet, int n, int height, int width, const float *inputs,
                                      const float *timesteps, tt_unet_text *const *texts, float *outputs,
                                      const tt_unet_maps *maps, tt_error *err);

#endif
