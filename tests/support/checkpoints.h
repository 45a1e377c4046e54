/* Checkpoints made on the spot from configs alone, with hash weights (specs/models.md), and targets opened
 * over them through the plugin's table as a host does it. */
#ifndef TT_TEST_CHECKPOINTS_H
#define TT_TEST_CHECKPOINTS_H

#include "plugin/registry.h"

#define TT_TEST_CONFIGS TT_SOURCE_DIR "/tests/golden/pipeline" /* a tiny Stable Diffusion's */

typedef struct tt_test_layout {
    tt_type type;      /* of the stored tensors; 0: F32 */
    bool bare_text;    /* text encoder without the prefix `text_model.` */
    bool old_vae;      /* attention named query, key, value, proj_attn, as [C,C,1,1] */
    bool unet_sharded; /* two files and an index */
} tt_test_layout;

/* Writes the diffusers directory `dir`: configs and tokenizer copied from `configs`, weights made. One
 * network is held in memory at a time. */
void tt_test_checkpoint(const char *configs, const char *dir, const tt_test_layout *layout);
/* Writes SD1.5 as a single file in CompVis layout, f16, all weights zero (a hole: it takes no disk), with the
 * buffers and position_ids that such files have besides. */
void tt_test_compvis(const char *path);
/* A device that packs and computes nothing: networks can be created on it, to see what they ask for. */
const tt_backend *tt_test_null_backend(void);
/* Copies one file, making the folders of `to`. */
void tt_test_copy(const char *from, const char *to);

typedef struct tt_test_target {
    tt_registry *registry;
    tt_params *params;
    const tt_target_plugin *plugin;
    void *self;
    tt_model_info info;
} tt_test_target;

/* Opens the target plugin sd15 of the build folder with parameters in JSON. */
tt_status tt_test_target_open(tt_test_target *t, const char *json, const char *backend, int threads,
                              tt_error *err);
void tt_test_target_close(tt_test_target *t);
/* "cpu" where it was built and runs, else "reference" */
const char *tt_test_backend(void);

#endif
