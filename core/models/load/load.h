/* From files to weight sources and configs: diffusers directories, single-file checkpoints, LoRA. Nothing
 * above this folder knows file names. */
#ifndef TT_MODELS_LOAD_H
#define TT_MODELS_LOAD_H

#include "models/clip.h"
#include "models/sampler.h"
#include "models/tokenizer.h"
#include "models/unet.h"
#include "models/vae.h"

typedef struct tt_lora {
    const char *path;
    double scale;
} tt_lora;

/* What a Stable Diffusion checkpoint holds, opened but not packed. */
typedef struct tt_checkpoint tt_checkpoint;
/* `path`: a diffusers directory, or a single .safetensors/.ckpt file in CompVis layout. variant: NULL,
 * "fp16", "non_ema", … loras: merged into the weights as they are read. */
TT_API tt_status tt_checkpoint_open(const char *path, const char *variant, const tt_lora *loras,
                                    size_t n_loras, tt_checkpoint **checkpoint, tt_error *err);
TT_API void tt_checkpoint_close(tt_checkpoint *c);
TT_API const tt_unet_config *tt_checkpoint_unet_config(const tt_checkpoint *c);
TT_API const tt_vae_config *tt_checkpoint_vae_config(const tt_checkpoint *c);
TT_API const tt_clip_text_config *tt_checkpoint_text_config(const tt_checkpoint *c);
TT_API const tt_schedule_config *tt_checkpoint_schedule_config(const tt_checkpoint *c);
TT_API tt_tokenizer *tt_checkpoint_tokenizer(const tt_checkpoint *c); /* borrowed */
/* Sources with diffusers/transformers names; owned by the checkpoint. */
TT_API tt_weight_source *tt_checkpoint_unet(tt_checkpoint *c);
TT_API tt_weight_source *tt_checkpoint_vae(tt_checkpoint *c);
TT_API tt_weight_source *tt_checkpoint_text(tt_checkpoint *c);
/* How many values the weights of the UNet, the VAE and the text encoder have. */
TT_API void tt_checkpoint_weights(const tt_checkpoint *c, uint64_t values[3]);
/* SHA-256 over names, sizes and contents of all files that were read. */
TT_API tt_status tt_checkpoint_digest(const char *path, const char *variant, const tt_lora *loras,
                                      size_t n_loras, char hex[65], tt_error *err);

#endif
