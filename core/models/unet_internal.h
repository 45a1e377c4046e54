/* The UNet's parts, shared by unet_config.c, unet.c (loading), unet_transformer.c, unet_forward.c,
 * unet_record.c and unet_maps.c. */
#ifndef TT_MODELS_UNET_INTERNAL_H
#define TT_MODELS_UNET_INTERNAL_H

#include "models/shapes.h"
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
    tt_shapes shapes; /* unet_record.c */
};

struct tt_unet_text {
    tt_unet *unet;
    tt_scope *scope;
    int n_sites, tokens;
    tt_tensor *kv;    /* [1, tokens, 2C] for each site: keys, then values */
    tt_tensor *k, *v; /* its two halves, as views */
};

/* What a pass reads beside its inputs. */
typedef struct tt_unet_context {
    tt_unet_text *const *texts; /* one for each of the B samples; unused where kv is there */
    const tt_tensor *kv;        /* NULL, or for each site the batch's keys and values, [B, tokens, 2C] */
    const tt_unet_maps *maps;   /* cross-attention's are added to them, for which texts must be there; NULL:
                                 * not wanted */
} tt_unet_context;

/* A batch's inputs on the device, f32: features of the timesteps [B, first width], then x [B, height, width,
 * in channels]. */
#define TT_UNET_INPUTS 2

tt_status tt_unet_config_validate(const tt_unet_config *c, tt_error *err);

/* unet_forward.c */
tt_status tt_unet_inputs_create(tt_unet *u, tt_scope *scope, int n, int height, int width,
                                tt_tensor in[TT_UNET_INPUTS], tt_error *err);
/* inputs [B][channels][height][width], timesteps [B] */
tt_status tt_unet_inputs_upload(tt_unet *u, tt_tensor in[TT_UNET_INPUTS], const float *inputs,
                                const float *timesteps, tt_error *err);
/* All of the pass that runs on the device; *out is fresh: [B, height, width, out channels] f32. */
tt_status tt_unet_compute(tt_unet *u, const tt_tensor in[TT_UNET_INPUTS], const tt_unet_context *context,
                          tt_value *out, tt_error *err);

/* unet_record.c: can batches go through recordings? The device records, and all texts have one length. */
bool tt_unet_records(const tt_unet *u, int n, tt_unet_text *const *texts);
/* tt_unet_forward, checked already */
tt_status tt_unet_forward_recorded(tt_unet *u, int n, int height, int width, const float *inputs,
                                   const float *timesteps, tt_unet_text *const *texts, float *outputs,
                                   tt_error *err);
void tt_unet_shapes_init(tt_unet *u); /* when sites are known */

/* unet.c: cos and sin features of a timestep, width values. */
TT_API void tt_unet_time_features(const tt_unet_config *config, float timestep, float *out);

/* unet_transformer.c */
tt_status tt_transformer_load(const tt_loader *l, tt_transformer *x, const char *name, int64_t channels,
                              int heads, int n_blocks, int groups, int cross_width, int *next_site,
                              tt_error *err);
void tt_transformer_unload(tt_device *device, tt_transformer *x);
/* h [B,H,W,C] is consumed; y is fresh. */
TT_API tt_status tt_transformer_apply(tt_device *device, const tt_transformer *x, tt_value *h,
                                      const tt_unet_context *context, tt_value *y, tt_error *err);

/* unet_maps.c: q [B,length,C] of a layer of height × width against each sample's keys k [1,tokens,C] */
tt_status tt_unet_maps_add(tt_device *device, const tt_unet_maps *m, const tt_tensor *q,
                           const tt_tensor *const *k, int heads, int height, int width, tt_error *err);

#endif
