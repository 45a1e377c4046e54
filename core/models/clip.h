/* CLIP text encoder (specs/models-clip.md 3). */
#ifndef TT_MODELS_CLIP_H
#define TT_MODELS_CLIP_H

#include "formats/json.h"
#include "models/weights.h"
#include "telltale/backend.h"

typedef struct tt_clip_text_config {
    int hidden, layers, heads, mlp, tokens, vocabulary, eos_token_id;
    tt_activation activation;
    double eps;
} tt_clip_text_config;

TT_API void tt_clip_text_config_l14(tt_clip_text_config *config);
TT_API tt_status tt_clip_text_config_parse(const tt_node *json, tt_clip_text_config *config, tt_error *err);

typedef struct tt_clip_text tt_clip_text;
/* Accepts tensor names with and without the `text_model.` prefix. */
TT_API tt_status tt_clip_text_create(tt_device *device, const tt_clip_text_config *config, tt_type type,
                                     tt_weight_source *source, tt_clip_text **clip, tt_error *err);
TT_API void tt_clip_text_destroy(tt_clip_text *clip);
TT_API const tt_clip_text_config *tt_clip_text_get_config(const tt_clip_text *clip);
/* ids [n][tokens] → last_hidden_state after the final layer norm, [n][tokens][hidden]. clip_skip 0: the last
 * layer; k: the hidden state k layers earlier, then the final layer norm. */
TT_API tt_status tt_clip_text_forward(tt_clip_text *clip, int n, const int32_t *ids, int clip_skip,
                                      float *states, tt_error *err);

#endif
