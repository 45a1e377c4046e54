/* Layers: a packed weight with its shape, loaded by name from a weight source, applied to tensors of a scope.
 * Each apply creates its output in `scope`. */
#ifndef TT_NN_LAYERS_H
#define TT_NN_LAYERS_H

#include "telltale/backend.h"

/* The layers' view of models/weights.h: nn may not include models, so it takes weights that are already
 * found. */
typedef struct tt_linear {
    tt_packed *packed;
    int64_t in, out;
    tt_activation activation;
} tt_linear;
typedef struct tt_conv {
    tt_packed *packed;
    int64_t in, out;
    int kernel, stride;
    int pad_top, pad_left, pad_bottom, pad_right;
} tt_conv;
typedef struct tt_norm {
    tt_packed *packed;
    int64_t channels;
    int groups; /* 0: layer norm */
    double eps;
    bool silu;
} tt_norm;

TT_API tt_status tt_linear_pack(tt_device *device, tt_linear *layer, const tt_weights *w, tt_type type,
                                tt_error *err);
TT_API tt_status tt_conv_pack(tt_device *device, tt_conv *layer, const tt_weights *w, tt_type type,
                              tt_error *err);
TT_API tt_status tt_norm_pack(tt_device *device, tt_norm *layer, const tt_weights *w, tt_type type,
                              tt_error *err);

/* x [..., in] → [..., out]; residual NULL or [..., out] */
TT_API tt_status tt_linear_apply(tt_scope *scope, const tt_linear *layer, const tt_tensor *x,
                                 const tt_tensor *residual, tt_tensor *y, tt_error *err);
/* x [B,H,W,in] → [B,H',W',out] */
TT_API tt_status tt_conv_apply(tt_scope *scope, const tt_conv *layer, const tt_tensor *x,
                               const tt_tensor *residual, const tt_tensor *channel_bias, tt_tensor *y,
                               tt_error *err);
TT_API tt_status tt_norm_apply(tt_scope *scope, const tt_norm *layer, const tt_tensor *x, tt_tensor *y,
                               tt_error *err);

#endif
