/* Single-file Stable Diffusion 1.x checkpoints: CompVis' keys and diffusers' names
 * (specs/models-sd15.md 1.4).
 */
#ifndef TT_MODELS_LOAD_COMPVIS_H
#define TT_MODELS_LOAD_COMPVIS_H

#include "models/load/sources.h"

typedef enum tt_compvis_part { TT_COMPVIS_UNET, TT_COMPVIS_VAE, TT_COMPVIS_TEXT } tt_compvis_part;

/* The key that holds the tensor which diffusers (transformers for the text encoder) calls `name`, with its
 * prefix: "model.diffusion_model.…", "first_stage_model.…", "cond_stage_model.transformer.…". false: no such
 * tensor in a model of this kind, or the buffer is too small. */
TT_API bool tt_compvis_key(tt_compvis_part part, const char *name, char *key, size_t size);
/* The way back. false: not a weight of the three networks (schedule buffers, EMA copies, position_ids, …). */
TT_API bool tt_compvis_name(const char *key, tt_compvis_part *part, char *name, size_t size);

/* The same for the UNet's modules, without prefix and suffix: "input_blocks.1.1.proj_in" for
 * "down_blocks.0.attentions.0.proj_in". LoRA files name modules so. */
TT_API bool tt_compvis_unet_module(const char *name, char *key, size_t size);

/* TT_OK when the file is an SD1.x checkpoint in CompVis' layout; *in_channels: 4, or 9 for in-painting.
 * TT_ERR_UNSUPPORTED names what it is instead, where that can be told (SD2, a bare UNet, …). */
TT_API tt_status tt_compvis_detect(const tt_tensor_file *file, int *in_channels, tt_error *err);
/* Does the file hold EMA weights beside the plain ones? */
TT_API bool tt_compvis_has_ema(const tt_tensor_file *file);

/* A source with diffusers' names over one with CompVis' keys. `ema`: the UNet's EMA copy. Takes `base` (it is
 * destroyed with the source, and also on failure). NULL: out of memory. */
TT_API tt_weight_source *tt_weights_compvis(tt_weight_source *base, tt_compvis_part part, bool ema);
/* The diffusers names of one network in the file; all in the arena. */
TT_API tt_status tt_compvis_names(const tt_tensor_file *file, tt_compvis_part part, tt_arena *arena,
                                  tt_name_list *list, tt_error *err);

#endif
