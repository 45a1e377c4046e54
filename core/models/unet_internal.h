/* The UNet's parts, shared by unet_config.c, unet.c (loading), unet_text.c and unet_forward.c. */
#ifndef TT_MODELS_UNET_INTERNAL_H
#define TT_MODELS_UNET_INTERNAL_H

#include "models/blocks.h"
#include "models/unet.h"

/* One BasicTransformerBlock. */
typedef struct tt_unet_block {
    tt_norm norm1, norm2, norm3;
    tt_linear self_qkv, self_out; /* q, k, v stacked: columns of one product */
    tt_linear cross_q, cross_kv, cross_out;
    tt_linear feed_in, feed_out; /* feed_in gives [value | gate] */
    int site;                    /* index of its keys and values in tt_unet_text */
} tt_unet_block;

/* Transformer2DModel: all its blocks have one width and one number of heads. */
typedef struct tt_transformer {
    tt_norm norm;
    tt_linear proj_in, proj_out;
    tt_unet_block *blocks;
    int n_blocks, heads;
    int64_t channels;
} tt_transformer;

typedef struct tt_unet_layer {
    tt_resnet resnet;
    tt_transformer attention; /* n_blocks 0: none */
} tt_unet_layer;

typedef struct tt_unet_level {
    tt_unet_layer *layers;
    int n_layers;
    bool has_sampler;
    tt_conv sampler; /* down: stride 2; up: behind the nearest upsampling */
} tt_unet_level;

struct tt_unet {
    tt_device *device;
    tt_unet_config config;
    tt_type type;
    /* The first and the last convolution and the time embedding's two layers are f32 whatever the type: they
     * cost a thousandth of the network, and in bf16 they would round the input and the result to 8 bits. */
    tt_conv conv_in, conv_out;
    tt_linear time_1, time_2;
    tt_norm norm_out;
    tt_unet_level down[TT_UNET_MAX_LEVELS], up[TT_UNET_MAX_LEVELS];
    tt_unet_layer mid;
    tt_resnet mid_last;    /* loaded when config.mid_cross */
    tt_unet_block **sites; /* all transformer blocks, in order of `site`; borrowed */
    int n_sites;
};

struct tt_unet_text {
    tt_unet *unet;
    tt_scope *scope;
    int n_sites;
    tt_tensor *kv;    /* [1, tokens, 2C] for each site: keys, then values */
    tt_tensor *k, *v; /* its two halves, as views */
};

tt_status tt_unet_config_validate(const tt_unet_config *c, tt_error *err);

/* unet.c: cos and sin features of a timestep, width values. */
TT_API void tt_unet_time_features(const tt_unet_config *config, float timestep, float *out);

/* unet_transformer.c */
tt_status tt_transformer_load(const tt_loader *l, tt_transformer *x, const char *name, int64_t channels,
                              int heads, int n_blocks, int groups, int cross_width, int *next_site,
                              tt_error *err);
void tt_transformer_unload(tt_device *device, tt_transformer *x);
/* h [B,H,W,C] is consumed; y is fresh. texts: one for each of the B samples. maps: cross-attention's are
 * added to them; NULL: not wanted. */
TT_API tt_status tt_transformer_apply(tt_device *device, const tt_transformer *x, tt_value *h,
                                      tt_unet_text *const *texts, const tt_unet_maps *maps, tt_value *y,
                                      tt_error *err);

/* unet_maps.c: q [B,length,C] of a layer of height × width against each sample's keys k [1,tokens,C] */
tt_status tt_unet_maps_add(tt_device *device, const tt_unet_maps *m, const tt_tensor *q,
                           const tt_tensor *const *k, int heads, int height, int width, tt_error *err);

#endif
