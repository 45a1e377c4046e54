/* Which files a checkpoint consists of: a diffusers directory (specs/models-sd15.md 1.5, models-io.md 10.2)
 * or a single file. Nothing is read but what is needed to know that. */
#ifndef TT_MODELS_LOAD_LAYOUT_H
#define TT_MODELS_LOAD_LAYOUT_H

#include "base/mem.h"
#include "formats/json.h"

typedef enum tt_weights_format {
    TT_WEIGHTS_SAFETENSORS,
    TT_WEIGHTS_INDEX,
    TT_WEIGHTS_TORCH
} tt_weights_format;

typedef struct tt_component {
    const char *config;  /* path of config.json */
    const char *weights; /* path of the file, or of the index of its shards */
    tt_weights_format format;
} tt_component;

#define TT_TOKENIZER_FILES 5

/* Strings live in the arena. */
typedef struct tt_layout {
    const char *root;
    bool single; /* unet.weights holds all three networks; there are no configs */
    const char *model_index, *scheduler;
    tt_component unet, vae, text;
    const char *tokenizer_dir; /* a folder; or NULL, and then: */
    const char *merges;        /* bpe_simple_vocab_16e6.txt beside a single file */
} tt_layout;

tt_status tt_layout_find(tt_arena *arena, const char *path, const char *variant, tt_layout *layout,
                         tt_error *err);

/* All files of the layout, configs and shards included; *files is in the arena. */
tt_status tt_layout_files(tt_arena *arena, const tt_layout *layout, const char *const **files, size_t *n,
                          tt_error *err);

#endif
