#include "base/file.h"
#include "base/mem.h"
#include "formats/safetensors.h"
#include "models/load/compvis.h"
#include "support/test.h"

#include <string.h>

static tt_error err;

typedef struct table {
    char *text;
    const char *keys[1000], *names[1000];
    size_t n;
} table;

/* "key name" a line, as diffusers' converter pairs them */
static void read_table(table *t)
{
    size_t size;
    tt_ok(tt_file_read(TT_SOURCE_DIR "/tests/golden/load/compvis-keys.txt", 1 << 20, &t->text, &size, &err),
          &err);
    char *rest = NULL;
    for (char *line = strtok_r(t->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *space = strchr(line, ' ');
        *space = '\0';
        t->keys[t->n] = line;
        t->names[t->n++] = space + 1;
    }
}

static tt_compvis_part part_of(const char *key)
{
    return strncmp(key, "model.", 6) == 0 ? TT_COMPVIS_UNET : TT_COMPVIS_VAE;
}

START_TEST(the_map_is_a_bijection_over_686_and_248_tensors)
{
    static table t;
    size_t n[2] = {0};
    read_table(&t);
    for (size_t i = 0; i < t.n; i++) {
        char text[256];
        tt_compvis_part part;
        ck_assert_msg(tt_compvis_name(t.keys[i], &part, text, sizeof text), "%s", t.keys[i]);
        ck_assert_str_eq(text, t.names[i]);
        ck_assert_int_eq(part, part_of(t.keys[i]));
        ck_assert_msg(tt_compvis_key(part, t.names[i], text, sizeof text), "%s", t.names[i]);
        ck_assert_str_eq(text, t.keys[i]);
        n[part]++;
    }
    ck_assert_uint_eq(n[TT_COMPVIS_UNET], 686);
    ck_assert_uint_eq(n[TT_COMPVIS_VAE], 248);
    tt_free(t.text);
}
END_TEST

START_TEST(the_text_encoder_loses_its_prefix)
{
    char text[256];
    tt_compvis_part part;
    const char *name = "text_model.embeddings.token_embedding.weight";
    ck_assert(tt_compvis_key(TT_COMPVIS_TEXT, name, text, sizeof text));
    ck_assert_str_eq(text, "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight");
    char back[256];
    ck_assert(tt_compvis_name(text, &part, back, sizeof back));
    ck_assert_str_eq(back, name);
    ck_assert_int_eq(part, TT_COMPVIS_TEXT);
}
END_TEST

START_TEST(what_is_no_weight_has_no_name)
{
    static const char *const keys[] = {
        "betas",
        "alphas_cumprod",
        "first_stage_model.loss.logvar",
        "model_ema.decay",
        "model_ema.diffusion_modelinput_blocks00weight",
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "cond_stage_model.transformer.",
        "model.diffusion_model.input_blocks.1.0",
        "model.diffusion_model.input_blocks.1.0.",
        "model.diffusion_model.input_blocks.1.0.in_layers.0.",
        "model.diffusion_model.input_blocks.1.0.in_layers.1.weight",
        "model.diffusion_model.input_blocks.12.0.in_layers.0.weight",
        "model.diffusion_model.input_blocks.10.1.norm.weight",
        "first_stage_model.decoder.up.0.upsample.conv.weight",
        "input_blocks.0.0.weight",
        "",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[256];
        tt_compvis_part part;
        ck_assert_msg(!tt_compvis_name(keys[i], &part, text, sizeof text), "%s", keys[i]);
    }
    char text[256];
    ck_assert(!tt_compvis_key(TT_COMPVIS_UNET, "down_blocks.3.attentions.0.norm.weight", text, sizeof text));
    ck_assert(!tt_compvis_key(TT_COMPVIS_UNET, "down_blocks.0.resnets.2.norm1.weight", text, sizeof text));
    ck_assert(!tt_compvis_key(TT_COMPVIS_VAE, "conv_in.weight", text, sizeof text));
    ck_assert(!tt_compvis_key(TT_COMPVIS_UNET, "conv_in.weight", text, 10)); /* no room */
}
END_TEST

START_TEST(a_module_is_named_without_its_tensors)
{
    char key[128];
    ck_assert(tt_compvis_unet_module("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", key,
                                     sizeof key));
    ck_assert_str_eq(key, "input_blocks.1.1.transformer_blocks.0.attn1.to_q");
    ck_assert(tt_compvis_unet_module("up_blocks.1.resnets.0.conv_shortcut", key, sizeof key));
    ck_assert_str_eq(key, "output_blocks.3.0.skip_connection");
    ck_assert(tt_compvis_unet_module("conv_in", key, sizeof key));
    ck_assert_str_eq(key, "input_blocks.0.0");
    ck_assert(!tt_compvis_unet_module("none", key, sizeof key));
    ck_assert(!tt_compvis_unet_module("conv_in", key, 8));
}
END_TEST

/* ---- files ---- */

static const char *make(const char *const *names, size_t n, int64_t channels)
{
    static char path[512];
    static float values[64];
    snprintf(path, sizeof path, "%s/c.safetensors", tt_test_dir());
    tt_tensor_view views[16] = {0};
    for (size_t i = 0; i < n; i++)
        views[i] = (tt_tensor_view){.name = names[i],
                                    .dtype = "F32",
                                    .rank = 4,
                                    .shape = {1, channels, 1, 1},
                                    .data = values + i,
                                    .size_bytes = 4 * (size_t)channels};
    for (size_t i = 0; i < 64; i++)
        values[i] = (float)i;
    tt_ok(tt_safetensors_write(path, views, n, NULL, &err), &err);
    return path;
}

#define FIRST "model.diffusion_model.input_blocks.0.0.weight"
#define VAE   "first_stage_model.encoder.mid.attn_1.q.weight"
#define TEXT  "cond_stage_model.transformer.text_model.final_layer_norm.weight"

static tt_status detect(const char *const *names, size_t n, int64_t channels, int *in_channels)
{
    tt_tensor_file *file;
    tt_ok(tt_safetensors_open(make(names, n, channels), &file, &err), &err);
    tt_status s = tt_compvis_detect(file, in_channels, &err);
    tt_tensor_file_close(file);
    return s;
}

START_TEST(a_checkpoint_is_told_from_its_relatives)
{
    int channels = 0;
    const char *full[] = {FIRST, VAE, TEXT}, *sd2[] = {FIRST, VAE, "cond_stage_model.model.ln_final.weight"},
               *sdxl[] = {FIRST, VAE, "conditioner.embedders.0.x"}, *bare[] = {FIRST},
               *other[] = {"conv_in.weight"};
    tt_ok(detect(full, 3, 4, &channels), &err);
    ck_assert_int_eq(channels, 4);
    tt_ok(detect(full, 3, 9, &channels), &err);
    ck_assert_int_eq(channels, 9);
    tt_fails(detect(full, 3, 5, &channels), TT_ERR_UNSUPPORTED, "4 or 9 input channels", &err);
    tt_fails(detect(sd2, 3, 4, &channels), TT_ERR_UNSUPPORTED, "SD2", &err);
    tt_fails(detect(sdxl, 3, 4, &channels), TT_ERR_UNSUPPORTED, "SDXL", &err);
    tt_fails(detect(bare, 1, 4, &channels), TT_ERR_UNSUPPORTED, "is missing", &err);
    tt_fails(detect(other, 1, 4, &channels), TT_ERR_UNSUPPORTED, "not a Stable Diffusion checkpoint", &err);
}
END_TEST

START_TEST(a_source_answers_to_diffusers_names)
{
    const char *names[] = {FIRST, VAE, TEXT, "model_ema.diffusion_modelinput_blocks00weight", "betas"};
    tt_tensor_file *file;
    tt_ok(tt_safetensors_open(make(names, 5, 4), &file, &err), &err);
    ck_assert(!tt_compvis_has_ema(file)); /* one stray key is no EMA copy */
    tt_weight_source *unet = tt_weights_compvis(tt_weights_file(file), TT_COMPVIS_UNET, false);
    tt_weight_source *ema = tt_weights_compvis(tt_weights_file(file), TT_COMPVIS_UNET, true);
    tt_weight_source *vae = tt_weights_compvis(tt_weights_file(file), TT_COMPVIS_VAE, true);
    tt_weight_view view;
    tt_ok(unet->get(unet, "conv_in.weight", &view, &err), &err);
    ck_assert_float_eq(((const float *)view.data)[0], 0.0f);
    unet->done(unet, "conv_in.weight");
    tt_ok(ema->get(ema, "conv_in.weight", &view, &err), &err);
    ck_assert_float_eq(((const float *)view.data)[0], 3.0f);
    /* the VAE has no EMA copy, and its 1×1 convolutions serve as linear layers */
    int64_t shape[2] = {1, 4};
    tt_ok(tt_weights_expect(vae, "encoder.mid_block.attentions.0.to_q.weight", 2, shape, &view, &err), &err);
    ck_assert_float_eq(((const float *)view.data)[0], 1.0f);
    ck_assert(vae->has(vae, "encoder.mid_block.attentions.0.to_q.weight"));
    ck_assert(!vae->has(vae, "encoder.mid_block.attentions.0.to_k.weight"));
    tt_fails(unet->get(unet, "conv_out.weight", &view, &err), TT_ERR_NOT_FOUND, "c.safetensors", &err);
    tt_fails(unet->get(unet, "nonsense", &view, &err), TT_ERR_NOT_FOUND, "nonsense", &err);
    tt_arena *arena = tt_arena_create(0);
    tt_name_list list;
    tt_ok(tt_compvis_names(file, TT_COMPVIS_TEXT, arena, &list, &err), &err);
    ck_assert_uint_eq(list.n, 1);
    ck_assert_str_eq(list.names[0], "text_model.final_layer_norm.weight");
    tt_ok(tt_tensor_names(file, arena, &list, &err), &err);
    ck_assert_uint_eq(list.n, 5);
    tt_arena_destroy(arena);
    unet->destroy(unet);
    ema->destroy(ema);
    vae->destroy(vae);
    tt_tensor_file_close(file);
}
END_TEST

START_TEST(an_old_vae_answers_to_new_names)
{
    const char *names[] = {"encoder.mid_block.attentions.0.query.weight",
                           "encoder.mid_block.attentions.0.proj_attn.bias"};
    tt_tensor_file *file;
    tt_ok(tt_safetensors_open(make(names, 2, 4), &file, &err), &err);
    tt_weight_source *vae = tt_weights_file(file);
    tt_weight_view view;
    tt_ok(vae->get(vae, "encoder.mid_block.attentions.0.to_q.weight", &view, &err), &err);
    ck_assert_float_eq(((const float *)view.data)[0], 0.0f);
    tt_ok(vae->get(vae, "encoder.mid_block.attentions.0.to_out.0.bias", &view, &err), &err);
    ck_assert_float_eq(((const float *)view.data)[0], 1.0f);
    ck_assert(!vae->has(vae, "encoder.mid_block.attentions.0.to_v.weight"));
    vae->destroy(vae);
    tt_tensor_file_close(file);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("compvis");
    TCase *tc = tcase_create("compvis");
    tcase_add_test(tc, the_map_is_a_bijection_over_686_and_248_tensors);
    tcase_add_test(tc, the_text_encoder_loses_its_prefix);
    tcase_add_test(tc, what_is_no_weight_has_no_name);
    tcase_add_test(tc, a_module_is_named_without_its_tensors);
    tcase_add_test(tc, a_checkpoint_is_told_from_its_relatives);
    tcase_add_test(tc, a_source_answers_to_diffusers_names);
    tcase_add_test(tc, an_old_vae_answers_to_new_names);
    suite_add_tcase(suite, tc);
    return suite;
}
