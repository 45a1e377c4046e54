/* The VAE's parts, shared by vae_config.c, vae.c (loading) and vae_forward.c. */
#ifndef TT_MODELS_VAE_INTERNAL_H
#define TT_MODELS_VAE_INTERNAL_H

#include "models/shapes.h"
#include "models/vae.h"

typedef struct tt_vae_level {
    tt_resnet *layers;
    int n_layers;
    bool has_sampler;
    tt_conv sampler; /* encoder: stride 2, padded right and bottom; decoder: behind the nearest upsampling */
} tt_vae_level;

/* mid: ResNet, single-head attention over all pixels, ResNet */
typedef struct tt_vae_mid {
    tt_resnet first, last;
    tt_norm norm;
    tt_linear qkv, out;
} tt_vae_mid;

typedef struct tt_vae_half {
    tt_conv conv_in, conv_out;
    tt_vae_mid mid;
    tt_vae_level levels[TT_VAE_MAX_LEVELS];
    tt_norm norm_out;
    tt_linear quant; /* 1x1: behind the encoder, before the decoder */
} tt_vae_half;

struct tt_vae {
    tt_device *device;
    tt_vae_config config;
    tt_type type;
    tt_vae_half encoder, decoder;
    tt_shapes encoded, decoded; /* vae_forward.c */
};

tt_status tt_vae_config_validate(const tt_vae_config *c, tt_error *err);

void tt_vae_shapes_init(tt_vae *vae);

#endif
