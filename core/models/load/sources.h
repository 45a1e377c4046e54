/* Weight sources over tensor files, and lists of the names in them. */
#ifndef TT_MODELS_LOAD_SOURCES_H
#define TT_MODELS_LOAD_SOURCES_H

#include "base/mem.h"
#include "formats/safetensors.h"
#include "models/weights.h"

/* The names of a network's tensors, as the network asks for them. */
typedef struct tt_name_list {
    const char *const *names;
    size_t n;
} tt_name_list;

/* Tensors under the names that the file has; `file` is borrowed. An attention of an old VAE (query, key,
 * value, proj_attn) is found under its new name too. NULL: out of memory. */
TT_API tt_weight_source *tt_weights_file(tt_tensor_file *file);
/* The names in a file; the list lives in the arena, the names in the file. */
TT_API tt_status tt_tensor_names(const tt_tensor_file *file, tt_arena *arena, tt_name_list *list,
                                 tt_error *err);

#endif
