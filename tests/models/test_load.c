/* Checkpoints that are broken or of another kind: each is refused with a message that names the file and what
 * is wrong in it. */
#include "base/file.h"
#include "formats/safetensors.h"
#include "models/load/load.h"
#include "support/checkpoints.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tt_error err;
static char dir[512];

static void setup(void)
{
    err = (tt_error){0};
    snprintf(dir, sizeof dir, "%s/model", tt_test_dir());
    tt_test_checkpoint(TT_TEST_CONFIGS, dir, NULL);
}

/* ---- spoiling files ---- */

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static char *read_all(const char *name, size_t *size)
{
    char *data;
    tt_ok(tt_file_read(path_of(name), 1 << 24, &data, size, &err), &err);
    return data;
}

/* Replaces the first `from` behind the first `after` (NULL: the start). */
static void edit(const char *name, const char *after, const char *from, const char *to)
{
    size_t size;
    char *data = read_all(name, &size);
    char *start = after ? memmem(data, size, after, strlen(after)) : data;
    ck_assert_msg(start != NULL, "%s has no %s", name, after ? after : "");
    char *at = memmem(start, size - (size_t)(start - data), from, strlen(from));
    ck_assert_msg(at != NULL, "%s has no %s", name, from);
    tt_buf out = {0};
    size_t before = (size_t)(at - data), used = before + strlen(from);
    ck_assert(tt_buf_append(&out, data, before) && tt_buf_append(&out, to, strlen(to)) &&
              tt_buf_append(&out, data + used, size - used));
    tt_ok(tt_file_write(path_of(name), out.data, out.size, &err), &err);
    tt_buf_free(&out);
    tt_free(data);
}

/* Opens and packs the whole model, as a host does. */
static tt_status open_model(void)
{
    char json[1024];
    tt_test_target t;
    snprintf(json, sizeof json, "{\"path\": \"%s\"}", dir);
    tt_status s = tt_test_target_open(&t, json, "reference", 1, &err);
    if (!s) tt_test_target_close(&t);
    return s;
}

#define refused(status, part) tt_fails(open_model(), status, part, &err)

/* ---- safetensors ---- */

#define UNET "unet/diffusion_pytorch_model.safetensors"
#define VAE  "vae/diffusion_pytorch_model.safetensors"

START_TEST(a_truncated_file_is_refused)
{
    struct stat st;
    ck_assert_int_eq(stat(path_of(UNET), &st), 0);
    ck_assert_int_eq(truncate(path_of(UNET), st.st_size - 1000), 0);
    refused(TT_ERR_FORMAT, UNET);
    ck_assert_int_eq(truncate(path_of(UNET), 5), 0);
    refused(TT_ERR_FORMAT, "5 bytes: too short");
    ck_assert_int_eq(truncate(path_of(UNET), 0), 0);
    refused(TT_ERR_FORMAT, UNET);
}
END_TEST

START_TEST(a_header_that_lies_about_sizes_is_refused)
{
    /* a length of its own beyond the file; one entry whose bytes are not its shape's */
    size_t size;
    char *data = read_all(VAE, &size);
    memset(data, 0x7f, 7);
    tt_ok(tt_file_write(path_of(VAE), data, size, &err), &err);
    tt_free(data);
    refused(TT_ERR_FORMAT, VAE);
    tt_test_checkpoint(TT_TEST_CONFIGS, dir, NULL);
    edit(UNET, "\"conv_in.weight\"", "[16,4,3,3]", "[16,4,3,9]");
    refused(TT_ERR_FORMAT, "conv_in.weight");
}
END_TEST

/* A file made by hand: header text and `bytes` zeros. */
static void write_raw(const char *name, const char *header, size_t bytes)
{
    tt_buf out = {0};
    uint64_t n = strlen(header);
    static const char zeros[4096];
    ck_assert(bytes <= sizeof zeros && tt_buf_append(&out, &n, 8) && tt_buf_append(&out, header, n) &&
              tt_buf_append(&out, zeros, bytes));
    tt_ok(tt_file_write(path_of(name), out.data, out.size, &err), &err);
    tt_buf_free(&out);
}

START_TEST(tensors_that_overlap_leave_holes_or_overflow_are_refused)
{
    write_raw(VAE,
              "{\"a\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]},"
              "\"b\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[16,48]}}",
              48);
    refused(TT_ERR_FORMAT, VAE);
    write_raw(VAE,
              "{\"a\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]},"
              "\"b\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[48,80]}}",
              80);
    refused(TT_ERR_FORMAT, VAE);
    write_raw(VAE, "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,64]}}",
              64);
    refused(TT_ERR_FORMAT, VAE);
}
END_TEST

START_TEST(a_missing_tensor_is_named_with_its_file)
{
    edit(UNET, NULL, "mid_block.resnets.0.conv1.bias", "mid_block.resnets.0.conv1.xxxx");
    refused(TT_ERR_NOT_FOUND, UNET ": no tensor mid_block.resnets.0.conv1.bias");
}
END_TEST

START_TEST(a_misshapen_tensor_is_named_with_both_shapes)
{
    edit("vae/config.json", "block_out_channels", "8,", "16,");
    refused(TT_ERR_FORMAT, "encoder.conv_in.");
    ck_assert_ptr_nonnull(strstr(err.message, "the config asks for [16"));
}
END_TEST

START_TEST(a_tensor_of_a_type_that_holds_no_weights_is_named)
{
    edit(UNET, "\"conv_norm_out.bias\"", "\"F32\"", "\"I32\"");
    refused(TT_ERR_FORMAT, "conv_norm_out.bias");
    edit(UNET, "\"conv_norm_out.bias\"", "\"I32\"", "\"U32\"");
    refused(TT_ERR_UNSUPPORTED, "conv_norm_out.bias has type U32");
}
END_TEST

/* ---- PyTorch files ---- */

START_TEST(a_pickle_that_calls_something_is_refused_and_calls_nothing)
{
    static const char *const evil[] = {"evil.pth", "evil-legacy.pth"};
    ck_assert_int_eq(unlink(path_of("text_encoder/model.safetensors")), 0);
    for (int i = 0; i < 2; i++) {
        char from[512];
        snprintf(from, sizeof from, TT_SOURCE_DIR "/tests/golden/torch/%s", evil[i]);
        tt_test_copy(from, path_of("text_encoder/pytorch_model.bin"));
        refused(TT_ERR_REFUSED, "pytorch_model.bin: the file wants posix.system");
    }
}
END_TEST

/* ---- sharded ---- */

START_TEST(an_index_reaches_no_file_outside_its_folder)
{
    const char index[] = "unet/diffusion_pytorch_model.safetensors.index.json";
    tt_test_checkpoint(TT_TEST_CONFIGS, dir, &(tt_test_layout){.unet_sharded = true});
    ck_assert_int_eq(unlink(path_of(UNET)), 0);
    tt_ok(open_model(), &err);
    edit(index, NULL, "diffusion_pytorch_model-00002", "../fusion_pytorch_model-00002");
    refused(TT_ERR_INVALID, "must be the name of a file in the index's own folder");
    edit(index, NULL, "../fusion_pytorch_model-00002", "diffusion_pytorch_model-00003");
    refused(TT_ERR_NOT_FOUND, "diffusion_pytorch_model-00003-of-00002.safetensors");
}
END_TEST

/* ---- single files ---- */

/* Packs nothing: every name and shape of the three networks is asked for. */
static void create_networks(tt_checkpoint *c)
{
    tt_device *device;
    tt_unet *unet;
    tt_vae *vae;
    tt_clip_text *text;
    tt_ok(tt_device_open(tt_test_null_backend(), NULL, &device, &err), &err);
    tt_ok(tt_unet_create(device, tt_checkpoint_unet_config(c), TT_F32, tt_checkpoint_unet(c), &unet, &err),
          &err);
    tt_ok(tt_vae_create(device, tt_checkpoint_vae_config(c), TT_F32, tt_checkpoint_vae(c), &vae, &err), &err);
    tt_ok(
        tt_clip_text_create(device, tt_checkpoint_text_config(c), TT_F32, tt_checkpoint_text(c), &text, &err),
        &err);
    tt_unet_destroy(unet);
    tt_vae_destroy(vae);
    tt_clip_text_destroy(text);
    tt_device_close(device);
}

START_TEST(a_single_file_holds_all_three_networks_of_sd15)
{
    char file[1024], tokenizer[1024];
    tt_checkpoint *c;
    snprintf(file, sizeof file, "%s/single/model.safetensors", tt_test_dir());
    tt_ok(tt_dir_create(path_of("../single/tokenizer"), &err), &err);
    tt_test_compvis(file);
    ck_assert_int_eq(rmdir(path_of("../single/tokenizer")), 0);
    tt_fails(tt_checkpoint_open(file, NULL, NULL, 0, &c, &err), TT_ERR_NOT_FOUND, "holds no tokenizer", &err);
    snprintf(tokenizer, sizeof tokenizer, "%s/single/tokenizer", tt_test_dir());
    ck_assert_int_eq(rename(path_of("tokenizer"), tokenizer), 0);
    tt_fails(tt_checkpoint_open(file, NULL, NULL, 0, &c, &err), TT_ERR_INVALID,
             "the tokenizer makes 16 tokens, the text encoder takes 77", &err);
    edit("../single/tokenizer/tokenizer_config.json", "model_max_length", "16", "77");
    tt_ok(tt_checkpoint_open(file, NULL, NULL, 0, &c, &err), &err);
    create_networks(c);
    tt_checkpoint_close(c);
    tt_fails(tt_checkpoint_open(file, "fp16", NULL, 0, &c, &err), TT_ERR_INVALID, "no variants", &err);
}
END_TEST

START_TEST(a_single_file_of_another_model_is_refused)
{
    char file[1024];
    tt_checkpoint *c;
    snprintf(file, sizeof file, "%s/" UNET, dir);
    tt_ok(tt_dir_create(path_of("unet/tokenizer"), &err), &err);
    tt_fails(tt_checkpoint_open(file, NULL, NULL, 0, &c, &err), TT_ERR_UNSUPPORTED,
             "not a Stable Diffusion checkpoint in a single file", &err);
}
END_TEST

/* ---- configs ---- */

START_TEST(other_architectures_are_refused_by_name)
{
    static const struct {
        const char *file, *from, *to;
        tt_status status;
        const char *part;
    } cases[] = {
        {"model_index.json", "StableDiffusionPipeline", "StableDiffusionXLPipeline", TT_ERR_UNSUPPORTED,
         "the pipeline is StableDiffusionXLPipeline: only Stable Diffusion 1.x"},
        {"model_index.json", "CLIPTextModel", "CLIPTextModelWithProjection", TT_ERR_UNSUPPORTED,
         "text_encoder is a CLIPTextModelWithProjection"},
        {"model_index.json", "UNet2DConditionModel", "SD3Transformer2DModel", TT_ERR_UNSUPPORTED,
         "unet is a SD3Transformer2DModel"},
        {"unet/config.json", "{", "{\"addition_embed_type\": \"text_time\",", TT_ERR_UNSUPPORTED,
         "addition_embed_type"},
        {"unet/config.json", "\"DownBlock2D\"", "\"KDownBlock2D\"", TT_ERR_UNSUPPORTED, "KDownBlock2D"},
        {"unet/config.json", "{", "{\"resnet_time_scale_shift\": \"scale_shift\",", TT_ERR_UNSUPPORTED,
         "resnet_time_scale_shift"},
        {"unet/config.json", "{", "{\"a_key_of_tomorrow\": 3,", TT_ERR_UNSUPPORTED, "a_key_of_tomorrow"},
        {"unet/config.json", "\"in_channels\": 4", "\"in_channels\": 9", TT_ERR_UNSUPPORTED,
         "in-painting UNet"},
        {"unet/config.json", "\"cross_attention_dim\": 24", "\"cross_attention_dim\": 32", TT_ERR_INVALID,
         "cross_attention_dim is 32, the text encoder's width 24"},
        {"unet/config.json", "\"sample_size\": 8", "\"sample_size\": [8, 12]", TT_ERR_UNSUPPORTED,
         "sample_size"},
        {"vae/config.json", "\"DownEncoderBlock2D\"", "\"AttnDownEncoderBlock2D\"", TT_ERR_UNSUPPORTED,
         "AttnDownEncoderBlock2D"},
        {"vae/config.json", "\"latent_channels\": 4", "\"latent_channels\": 16", TT_ERR_INVALID, "16"},
        {"text_encoder/config.json", "\"quick_gelu\"", "\"relu\"", TT_ERR_UNSUPPORTED, "hidden_act is relu"},
        {"text_encoder/config.json", "\"max_position_embeddings\": 16", "\"max_position_embeddings\": 15",
         TT_ERR_INVALID, "the tokenizer makes 16 tokens, the text encoder takes 15"},
        {"text_encoder/config.json", "\"vocab_size\": 514", "\"vocab_size\": 500", TT_ERR_INVALID,
         "vocabulary"},
        {"scheduler/scheduler_config.json", "scaled_linear", "squaredcos_cap_v2", TT_ERR_INVALID,
         "squaredcos_cap_v2"},
        {"scheduler/scheduler_config.json", "PNDMScheduler", "FlowMatchEulerDiscreteScheduler",
         TT_ERR_INVALID, "FlowMatchEulerDiscreteScheduler"},
        {"unet/config.json", "{", "", TT_ERR_FORMAT, "unet/config.json:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        char *data = read_all(cases[i].file, &size);
        edit(cases[i].file, NULL, cases[i].from, cases[i].to);
        refused(cases[i].status, cases[i].part);
        ck_assert_msg(strstr(err.message, dir) != NULL, "the message names no path: %s", err.message);
        tt_ok(tt_file_write(path_of(cases[i].file), data, size, &err), &err);
        tt_free(data);
    }
    tt_ok(open_model(), &err);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    static const char *const names[] = {"model_index.json",
                                        "unet/config.json",
                                        "vae/config.json",
                                        "text_encoder/config.json",
                                        "scheduler/scheduler_config.json",
                                        "tokenizer/vocab.json",
                                        "tokenizer/merges.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char hidden[1024];
        const char *slash = strrchr(names[i], '/');
        snprintf(hidden, sizeof hidden, "%s/hidden", dir);
        ck_assert_int_eq(rename(path_of(names[i]), hidden), 0);
        refused(TT_ERR_NOT_FOUND, slash ? slash + 1 : names[i]);
        ck_assert_int_eq(rename(hidden, path_of(names[i])), 0);
    }
    ck_assert_int_eq(unlink(path_of("text_encoder/model.safetensors")), 0);
    refused(TT_ERR_NOT_FOUND, "text_encoder: no weights: expected model.safetensors");
    snprintf(dir, sizeof dir, "%s/nowhere", tt_test_dir());
    refused(TT_ERR_NOT_FOUND, "neither a directory nor a file");
}
END_TEST

START_TEST(a_variant_is_taken_where_there_is_one)
{
    char json[1024];
    tt_test_target t;
    snprintf(json, sizeof json, "{\"path\": \"%s\", \"variant\": \"fp16\"}", dir);
    tt_fails(tt_test_target_open(&t, json, "reference", 1, &err), TT_ERR_NOT_FOUND,
             "no component has files of variant 'fp16'", &err);
    char from[1024];
    snprintf(from, sizeof from, "%s", path_of(UNET));
    ck_assert_int_eq(rename(from, path_of("unet/diffusion_pytorch_model.fp16.safetensors")), 0);
    tt_ok(tt_test_target_open(&t, json, "reference", 1, &err), &err);
    tt_test_target_close(&t);
    refused(TT_ERR_NOT_FOUND, "unet: no weights");
}
END_TEST

START_TEST(pndm_that_begins_with_runge_kutta_generates_with_other_samplers_only)
{
    char json[1024];
    tt_test_target t;
    tt_pixels image;
    edit("scheduler/scheduler_config.json", NULL, "\"skip_prk_steps\": true,", "");
    snprintf(json, sizeof json, "{\"path\": \"%s\"}", dir);
    tt_ok(tt_test_target_open(&t, json, "reference", 1, &err), &err);
    tt_generate g = {.size = sizeof g, .images = 1, .steps = 2, .guidance = 1};
    tt_fails(t.plugin->generate(t.self, &g, &image, NULL, NULL, &err), TT_ERR_UNSUPPORTED, "skip_prk_steps",
             &err);
    g.sampler = TT_SAMPLER_DDIM;
    tt_ok(t.plugin->generate(t.self, &g, &image, NULL, NULL, &err), &err);
    tt_free(image.rgb);
    tt_test_target_close(&t);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("load");
    TCase *tc = tcase_create("load");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_truncated_file_is_refused);
    tcase_add_test(tc, a_header_that_lies_about_sizes_is_refused);
    tcase_add_test(tc, tensors_that_overlap_leave_holes_or_overflow_are_refused);
    tcase_add_test(tc, a_missing_tensor_is_named_with_its_file);
    tcase_add_test(tc, a_misshapen_tensor_is_named_with_both_shapes);
    tcase_add_test(tc, a_tensor_of_a_type_that_holds_no_weights_is_named);
    tcase_add_test(tc, a_pickle_that_calls_something_is_refused_and_calls_nothing);
    tcase_add_test(tc, an_index_reaches_no_file_outside_its_folder);
    tcase_add_test(tc, a_single_file_holds_all_three_networks_of_sd15);
    tcase_add_test(tc, a_single_file_of_another_model_is_refused);
    tcase_add_test(tc, other_architectures_are_refused_by_name);
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_test(tc, a_variant_is_taken_where_there_is_one);
    tcase_add_test(tc, pndm_that_begins_with_runge_kutta_generates_with_other_samplers_only);
    suite_add_tcase(suite, tc);
    return suite;
}
