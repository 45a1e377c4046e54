/* LoRA files, merged into weights as they are read: W + multiplier·alpha/r·(up·down)
 * (specs/models-training.md 9.8). Diffusers, PEFT, old attention processors, and kohya with diffusers' or
 * CompVis' block names. Keys of other methods (DoRA, LoHa, LoKr, Tucker, full differences) are refused, and
 * so is a module that the model does not have. */
#ifndef TT_MODELS_LOAD_LORA_H
#define TT_MODELS_LOAD_LORA_H

#include "models/load/sources.h"

typedef enum tt_lora_part { TT_LORA_UNET, TT_LORA_TEXT } tt_lora_part;

typedef struct tt_lora_file tt_lora_file;
/* Opens a LoRA (safetensors, or a PyTorch file by any other extension) and resolves every key against the
 * tensors that the model has, under diffusers' and transformers' names. A file for both networks is opened
 * once and serves both sources. */
TT_API tt_status tt_lora_file_open(const char *path, double multiplier, const tt_name_list *unet,
                                   const tt_name_list *text, tt_lora_file **lora, tt_error *err);
TT_API void tt_lora_file_close(tt_lora_file *lora);
/* Modules that it changes in one network. */
TT_API size_t tt_lora_file_count(const tt_lora_file *lora, tt_lora_part part);

/* The merged source. Sums are formed in f32 (f64 where the weight is f64) and handed out so: the only
 * rounding to a narrower type is the one that packing does anyway. Weights that no LoRA touches pass as they
 * are. Takes `base` (destroyed with the source, and also on failure); `loras` are borrowed, the array is
 * copied. NULL: out of memory. */
TT_API tt_weight_source *tt_weights_lora(tt_weight_source *base, tt_lora_file *const *loras, size_t n,
                                         tt_lora_part part);

#endif
