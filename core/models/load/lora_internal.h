#ifndef TT_MODELS_LOAD_LORA_INTERNAL_H
#define TT_MODELS_LOAD_LORA_INTERNAL_H

#include "models/load/lora.h"

typedef enum tt_lora_role { TT_LORA_DOWN, TT_LORA_UP, TT_LORA_ALPHA } tt_lora_role;

/* What a key says, before it is compared with the model. */
typedef struct tt_lora_key {
    tt_lora_part part;
    tt_lora_role role;
    bool underscored; /* kohya: the module's dots are underscores */
    char module[512];
} tt_lora_key;

/* Refuses keys of other methods by their names, and keys of no known form. */
tt_status tt_lora_key_parse(const char *path, const char *key, tt_lora_key *out, tt_error *err);

/* A weight of the model, and what the file adds to it. */
typedef struct tt_lora_target {
    const char *name;                /* "….weight" */
    size_t module_length;            /* without ".weight" */
    const tt_tensor_view *down, *up; /* NULL: the file does not touch it */
    const tt_tensor_view *alpha;
    double scale; /* multiplier·alpha/r */
} tt_lora_target;

struct tt_lora_file {
    tt_tensor_file *file;
    tt_arena *arena;
    tt_lora_target *targets[2]; /* by tt_lora_part; sorted by name */
    size_t n[2], n_used[2];
};

/* NULL: the file does not change this weight. */
const tt_lora_target *tt_lora_find(const tt_lora_file *lora, tt_lora_part part, const char *name);

#endif
