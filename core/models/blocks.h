/* The pieces that UNet, VAE and CLIP are built of (exported: what the tests of parts call): weights loaded by
 * name, ResNet blocks, attention. Everything is channels-last; a [B,H,W,C] image is used as a [B,H·W,C] token
 * sequence without moving a byte.
 */
#ifndef TT_MODELS_BLOCKS_H
#define TT_MODELS_BLOCKS_H

#include "models/weights.h"
#include "nn/layers.h"

/* ---- loading ---- */

/* Where weights come from and go to. */
typedef struct tt_loader {
    tt_device *device;
    tt_weight_source *source;
    tt_type type; /* of the activations */
} tt_loader;

#define TT_NAME_MAX 256
/* Tensor names are made of a prefix and a fixed part; a name that does not fit is an internal error. */
tt_status tt_name(char name[TT_NAME_MAX], tt_error *err, const char *format, ...) TT_PRINTF(3, 4);

/* Each loads <name>.weight and, where there is one, <name>.bias. */
TT_API tt_status tt_load_linear(const tt_loader *l, tt_linear *layer, const char *name, int64_t in,
                                int64_t out, bool bias, tt_activation activation, tt_error *err);
/* The rows of n linear layers, names[0..n), each [out,in], stacked into one [n·out,in]. */
tt_status tt_load_linear_stack(const tt_loader *l, tt_linear *layer, const char (*names)[TT_NAME_MAX], int n,
                               int64_t in, int64_t out, bool bias, tt_error *err);
/* Square kernel; pad on all sides unless asymmetric: then right and bottom only. */
tt_status tt_load_conv(const tt_loader *l, tt_conv *layer, const char *name, int64_t in, int64_t out,
                       int kernel, int stride, int pad, bool asymmetric, tt_error *err);
/* groups 0: layer norm */
tt_status tt_load_norm(const tt_loader *l, tt_norm *layer, const char *name, int64_t channels, int groups,
                       double eps, bool silu, tt_error *err);
tt_status tt_load_embedding(const tt_loader *l, tt_packed **table, const char *name, int64_t rows,
                            int64_t width, tt_error *err);

/* ---- values ---- */

/* A tensor in a scope of its own, so that it can be freed as soon as it was used. Zero-initialise; free may
 * be called twice. */
typedef struct tt_value {
    tt_scope *scope;
    tt_tensor t;
} tt_value;
TT_API tt_status tt_value_create(tt_device *device, tt_type type, int32_t rank, const int64_t *shape,
                                 tt_value *v, tt_error *err);
TT_API void tt_value_free(tt_value *v);
/* *to = *from, which is emptied; what `to` held is freed. */
void tt_value_move(tt_value *to, tt_value *from);

/* y is a fresh value. */
TT_API tt_status tt_value_linear(tt_device *device, const tt_linear *layer, const tt_tensor *x,
                                 const tt_tensor *residual, tt_value *y, tt_error *err);
TT_API tt_status tt_value_conv(tt_device *device, const tt_conv *layer, const tt_tensor *x,
                               const tt_tensor *residual, const tt_tensor *channel_bias, tt_value *y,
                               tt_error *err);
tt_status tt_value_norm(tt_device *device, const tt_norm *layer, const tt_tensor *x, tt_value *y,
                        tt_error *err);
tt_status tt_value_cast(tt_device *device, const tt_tensor *x, tt_type type, tt_value *y, tt_error *err);
tt_status tt_value_concat(tt_device *device, const tt_tensor *a, const tt_tensor *b, tt_value *y,
                          tt_error *err);
/* x [B,H,W,C] to [B,height,width,C], nearest */
tt_status tt_value_upsample(tt_device *device, const tt_tensor *x, int64_t height, int64_t width, tt_value *y,
                            tt_error *err);
tt_status tt_value_geglu(tt_device *device, const tt_tensor *x, tt_value *y, tt_error *err);
/* q [B,Tq,C] against k, v [B,Tk,C]; y is [B,Tq,C]. With n_pairs > 0, k and v are arrays of n_pairs = B
 * tensors [1,Tk,C], one for each item of the batch. Scale 1/√(C/heads). */
tt_status tt_value_attention(tt_device *device, const tt_tensor *q, const tt_tensor *const *k,
                             const tt_tensor *const *v, int n_pairs, int heads, bool causal, tt_value *y,
                             tt_error *err);

/* [B,H,W,C] seen as [B,H·W,C], and the other way round. */
tt_tensor tt_as_tokens(const tt_tensor *image);
tt_tensor tt_as_image(const tt_tensor *tokens, int64_t height, int64_t width);

/* ---- ResNet block (models-sd15 1.2) ---- */

typedef struct tt_resnet {
    tt_norm norm1, norm2;
    tt_conv conv1, conv2;
    tt_linear time;     /* packed NULL: no time term */
    tt_linear shortcut; /* packed NULL: in == out */
} tt_resnet;
/* time_width 0: no time term */
tt_status tt_resnet_load(const tt_loader *l, tt_resnet *r, const char *name, int64_t in, int64_t out,
                         int64_t time_width, int groups, double eps, tt_error *err);
void tt_resnet_unload(tt_device *device, tt_resnet *r);
/* time [B,time_width]: silu of the time embedding, or NULL. Consumes x: it is freed when it was read. */
TT_API tt_status tt_resnet_apply(tt_device *device, const tt_resnet *r, tt_value *x, const tt_tensor *time,
                                 tt_value *y, tt_error *err);

#endif
