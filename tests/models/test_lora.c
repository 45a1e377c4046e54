#include "models/load/lora.h"
#include "base/file.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#define GOLDEN     TT_SOURCE_DIR "/tests/golden/load/"
#define MULTIPLIER 0.75 /* of tools/make_load_golden.py */

static tt_error err;
static tt_arena *arena;
static tt_tensor_file *base;
static tt_name_list unet_names, text_names;

static void set_up(void)
{
    err = (tt_error){0};
    arena = tt_arena_create(0);
    tt_ok(tt_safetensors_open(GOLDEN "base.safetensors", &base, &err), &err);
    tt_name_list all;
    tt_ok(tt_tensor_names(base, arena, &all, &err), &err);
    const char **unet = tt_arena_alloc_array(arena, all.n, sizeof *unet);
    const char **text = tt_arena_alloc_array(arena, all.n, sizeof *text);
    for (size_t i = 0; i < all.n; i++)
        if (strncmp(all.names[i], "text_model.", 11) == 0)
            text[text_names.n++] = all.names[i];
        else
            unet[unet_names.n++] = all.names[i];
    unet_names.names = unet;
    text_names.names = text;
}

static void tear_down(void)
{
    tt_tensor_file_close(base);
    tt_arena_destroy(arena);
    unet_names.n = text_names.n = 0;
}

static tt_status open_lora(const char *path, double multiplier, tt_lora_file **lora)
{
    return tt_lora_file_open(path, multiplier, &unet_names, &text_names, lora, &err);
}

static double difference(const tt_weight_view *got, const tt_tensor_view *want)
{
    double worst = 0;
    ck_assert_int_eq(got->type, TT_F32);
    ck_assert_int_eq(got->rank, want->rank);
    for (int i = 0; i < want->rank; i++)
        ck_assert_int_eq(got->shape[i], want->shape[i]);
    for (size_t i = 0; i < want->size_bytes / 4; i++) {
        float a, b;
        memcpy(&a, (const char *)got->data + 4 * i, 4);
        memcpy(&b, (const char *)want->data + 4 * i, 4);
        worst = fmax(worst, fabs((double)a - (double)b));
    }
    return worst;
}

/* Compares each merged weight with what the reference merged, and counts those that changed. */
static void merges(const char *file, const char *merged, size_t n_unet, size_t n_text)
{
    tt_tensor_file *want;
    tt_ok(tt_safetensors_open(merged, &want, &err), &err);
    tt_lora_file *lora;
    tt_ok(open_lora(file, MULTIPLIER, &lora), &err);
    ck_assert_uint_eq(tt_lora_file_count(lora, TT_LORA_UNET), n_unet);
    ck_assert_uint_eq(tt_lora_file_count(lora, TT_LORA_TEXT), n_text);
    tt_weight_source *sources[2] = {tt_weights_lora(tt_weights_file(base), &lora, 1, TT_LORA_UNET),
                                    tt_weights_lora(tt_weights_file(base), &lora, 1, TT_LORA_TEXT)};
    size_t changed = 0;
    for (size_t i = 0; i < tt_tensor_file_count(want); i++) {
        const tt_tensor_view *view = tt_tensor_file_at(want, i);
        tt_weight_source *source = sources[strncmp(view->name, "text_model.", 11) == 0];
        tt_weight_view got;
        tt_ok(source->get(source, view->name, &got, &err), &err);
        /* weights of order 1, at most 5 rounded products each: a few units in the last place */
        double d = difference(&got, view);
        ck_assert_msg(d < 1e-6, "%s: %g", view->name, d);
        changed += got.data != tt_tensor_file_find(base, view->name)->data;
        source->done(source, view->name);
    }
    ck_assert_uint_eq(changed, n_unet + n_text);
    sources[0]->destroy(sources[0]);
    sources[1]->destroy(sources[1]);
    tt_lora_file_close(lora);
    tt_tensor_file_close(want);
}

START_TEST(a_file_of_diffusers_script_merges_with_its_alpha)
{
    merges(GOLDEN "diffusers.safetensors", GOLDEN "merged-diffusers.safetensors", 9, 0);
}
END_TEST

START_TEST(pefts_names_merge)
{
    merges(GOLDEN "peft-names.safetensors", GOLDEN "merged-peft-names.safetensors", 9, 0);
}
END_TEST

START_TEST(old_attention_processors_merge)
{
    merges(GOLDEN "processors.safetensors", GOLDEN "merged-processors.safetensors", 5, 0);
}
END_TEST

START_TEST(a_bare_peft_adapter_merges_by_its_config)
{
    merges(GOLDEN "peft/adapter_model.safetensors", GOLDEN "merged-peft.safetensors", 6, 0);
}
END_TEST

START_TEST(kohyas_files_merge_into_both_networks)
{
    merges(GOLDEN "kohya.safetensors", GOLDEN "merged-kohya.safetensors", 9, 2);
}
END_TEST

START_TEST(kohyas_files_with_compvis_blocks_merge)
{
    merges(GOLDEN "kohya-compvis.safetensors", GOLDEN "merged-kohya-compvis.safetensors", 9, 2);
}
END_TEST

/* ---- small files made here ---- */

#define UNET_Q "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"

typedef struct piece {
    const char *name;
    int rank;
    int64_t shape[4];
    float value; /* of every element */
    const char *dtype;
} piece;

static const char *make(const piece *pieces, size_t n)
{
    static char path[512];
    static float values[16][256];
    snprintf(path, sizeof path, "%s/lora.safetensors", tt_test_dir());
    tt_tensor_view views[16] = {0};
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;
        views[i] = (tt_tensor_view){.name = pieces[i].name,
                                    .dtype = pieces[i].dtype ? pieces[i].dtype : "F32",
                                    .rank = pieces[i].rank,
                                    .data = values[i]};
        for (int k = 0; k < pieces[i].rank; k++) {
            views[i].shape[k] = pieces[i].shape[k];
            count *= (size_t)pieces[i].shape[k];
        }
        for (size_t k = 0; k < count; k++)
            values[i][k] = pieces[i].value;
        views[i].size_bytes = 4 * count;
    }
    tt_ok(tt_safetensors_write(path, views, n, NULL, &err), &err);
    return path;
}

#define DOWN(key)                                                                                            \
    {                                                                                                        \
        key, 2, {2, 8}, 0.5f, NULL                                                                           \
    }
#define UP(key)                                                                                              \
    {                                                                                                        \
        key, 2, {8, 2}, 0.25f, NULL                                                                          \
    }

static float first_difference(const char *path, double multiplier)
{
    tt_lora_file *lora;
    tt_ok(open_lora(path, multiplier, &lora), &err);
    tt_weight_source *source = tt_weights_lora(tt_weights_file(base), &lora, 1, TT_LORA_UNET);
    tt_weight_view view;
    tt_ok(source->get(source, UNET_Q ".weight", &view, &err), &err);
    float before, after;
    memcpy(&before, tt_tensor_file_find(base, UNET_Q ".weight")->data, 4);
    memcpy(&after, view.data, 4);
    source->destroy(source);
    tt_lora_file_close(lora);
    return after - before;
}

START_TEST(alpha_missing_or_zero_is_the_rank)
{
    /* up·down = 2·0.5·0.25 = 0.25 */
    piece pieces[] = {
        DOWN(UNET_Q ".lora_A.weight"), UP(UNET_Q ".lora_B.weight"), {UNET_Q ".alpha", 0, {0}, 0, NULL}};
    ck_assert_float_eq_tol(first_difference(make(pieces, 2), 2.0), 0.5f, 1e-6f);
    ck_assert_float_eq_tol(first_difference(make(pieces, 3), 2.0), 0.5f, 1e-6f);
    pieces[2].value = 1;
    ck_assert_float_eq_tol(first_difference(make(pieces, 3), 2.0), 0.25f, 1e-6f);
    pieces[2] = (piece){UNET_Q ".alpha", 1, {1}, 1, NULL};
    ck_assert_float_eq_tol(first_difference(make(pieces, 3), -2.0), -0.25f, 1e-6f);
}
END_TEST

START_TEST(an_adapters_name_may_stand_in_the_key)
{
    piece pieces[] = {DOWN("base_model.model.unet." UNET_Q ".lora_A.default.weight"),
                      UP("base_model.model.unet." UNET_Q ".lora_B.default.weight")};
    ck_assert_float_eq_tol(first_difference(make(pieces, 2), 1.0), 0.25f, 1e-6f);
}
END_TEST

START_TEST(several_files_add_up)
{
    piece pieces[] = {DOWN(UNET_Q ".lora_A.weight"), UP(UNET_Q ".lora_B.weight")};
    const char *path = make(pieces, 2);
    tt_lora_file *loras[2];
    tt_ok(open_lora(path, 1.0, &loras[0]), &err);
    tt_ok(open_lora(path, 3.0, &loras[1]), &err);
    tt_weight_source *source = tt_weights_lora(tt_weights_file(base), loras, 2, TT_LORA_UNET);
    tt_weight_view view;
    tt_ok(source->get(source, UNET_Q ".weight", &view, &err), &err);
    float before, after;
    memcpy(&before, tt_tensor_file_find(base, UNET_Q ".weight")->data, 4);
    memcpy(&after, view.data, 4);
    ck_assert_float_eq_tol(after - before, 1.0f, 1e-6f);
    ck_assert(source->has(source, UNET_Q ".weight"));
    ck_assert(!source->has(source, "none"));
    tt_fails(source->get(source, "none", &view, &err), TT_ERR_NOT_FOUND, "none", &err);
    source->destroy(source);
    tt_lora_file_close(loras[0]);
    tt_lora_file_close(loras[1]);
}
END_TEST

/* A base of f64, so that nothing hides in f32's rounding. */
static tt_status f64_get(tt_weight_source *self, const char *name, tt_weight_view *view, tt_error *e)
{
    static const double values[64] = {1.0 / 3};
    (void)self, (void)name, (void)e;
    *view = (tt_weight_view){TT_F64, 2, {8, 8}, values};
    return TT_OK;
}

static void f64_destroy(tt_weight_source *self)
{
    (void)self;
}

START_TEST(a_weight_of_f64_merges_in_f64)
{
    piece pieces[] = {DOWN(UNET_Q ".lora_A.weight"), UP(UNET_Q ".lora_B.weight")};
    tt_lora_file *lora;
    tt_ok(open_lora(make(pieces, 2), 0.1, &lora), &err);
    tt_weight_source f64 = {.get = f64_get, .destroy = f64_destroy};
    tt_weight_source *source = tt_weights_lora(&f64, &lora, 1, TT_LORA_UNET);
    tt_weight_view view;
    tt_ok(source->get(source, UNET_Q ".weight", &view, &err), &err);
    ck_assert_int_eq(view.type, TT_F64);
    ck_assert(((const double *)view.data)[0] == 1.0 / 3 + 0.1 * 0.25);
    ck_assert(((const double *)view.data)[63] == 0.1 * 0.25);
    source->destroy(source);
    tt_lora_file_close(lora);
}
END_TEST

static void refused(const piece *pieces, size_t n, tt_status status, const char *part)
{
    tt_lora_file *lora;
    tt_fails(open_lora(make(pieces, n), 1.0, &lora), status, part, &err);
    ck_assert_ptr_nonnull(strstr(err.message, "lora.safetensors"));
}

START_TEST(keys_of_other_methods_are_refused)
{
    static const char *const keys[] = {
        UNET_Q ".dora_scale",        "lora_unet_x.hada_w1_a",
        "lora_unet_x.lokr_w1",       "lora_unet_x.lora_mid.weight",
        "unet.conv_in.diff",         "unet.conv_in.diff_b",
        UNET_Q ".oft_blocks.weight", "base_model.model." UNET_Q ".lora_magnitude_vector.default.weight",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        piece pieces[] = {DOWN(UNET_Q ".lora_A.weight"), UP(UNET_Q ".lora_B.weight"), DOWN(keys[i])};
        refused(pieces, 3, TT_ERR_UNSUPPORTED, keys[i]);
        ck_assert_ptr_nonnull(strstr(err.message, "another method"));
    }
}
END_TEST

START_TEST(what_would_have_no_effect_is_refused)
{
    piece unknown[] = {DOWN(UNET_Q ".weight")};
    refused(unknown, 1, TT_ERR_UNSUPPORTED, "no key of a LoRA file");
    piece bias[] = {DOWN(UNET_Q ".lora_B.bias")};
    refused(bias, 1, TT_ERR_UNSUPPORTED, "no key of a LoRA file");
    piece odd[] = {DOWN(UNET_Q ".lora_A.a.b.weight")};
    refused(odd, 1, TT_ERR_UNSUPPORTED, "no key of a LoRA file");
    piece stranger[] = {DOWN("unet.none.lora_A.weight"), UP("unet.none.lora_B.weight")};
    refused(stranger, 2, TT_ERR_FORMAT, "UNet has no such module");
    piece kohya[] = {DOWN("lora_te_none.lora_down.weight"), UP("lora_te_none.lora_up.weight")};
    refused(kohya, 2, TT_ERR_FORMAT, "text encoder has no such module");
    piece half[] = {DOWN(UNET_Q ".lora_A.weight")};
    refused(half, 1, TT_ERR_FORMAT, "has no partner");
    piece alone[] = {{UNET_Q ".alpha", 0, {0}, 1, NULL}};
    refused(alone, 1, TT_ERR_FORMAT, "has no partner");
    piece twice[] = {DOWN(UNET_Q ".lora_A.weight"), UP(UNET_Q ".lora_B.weight"),
                     DOWN("unet." UNET_Q ".lora_A.weight")};
    refused(twice, 3, TT_ERR_FORMAT, "twice");
    refused(NULL, 0, TT_ERR_FORMAT, "holds no LoRA");
}
END_TEST

START_TEST(shapes_that_do_not_multiply_are_refused)
{
    piece ranks[] = {DOWN(UNET_Q ".lora_A.weight"), {UNET_Q ".lora_B.weight", 2, {8, 3}, 1, NULL}};
    refused(ranks, 2, TT_ERR_FORMAT, "do not multiply");
    piece flat[] = {{UNET_Q ".lora_A.weight", 1, {8}, 1, NULL}, UP(UNET_Q ".lora_B.weight")};
    refused(flat, 2, TT_ERR_FORMAT, "do not multiply");
    piece empty[] = {{UNET_Q ".lora_A.weight", 2, {0, 8}, 1, NULL},
                     {UNET_Q ".lora_B.weight", 2, {8, 0}, 1, NULL}};
    refused(empty, 2, TT_ERR_FORMAT, "do not multiply");
    piece kernel[] = {DOWN(UNET_Q ".lora_A.weight"), {UNET_Q ".lora_B.weight", 4, {8, 2, 3, 3}, 1, NULL}};
    refused(kernel, 2, TT_ERR_FORMAT, "do not multiply");
    piece ints[] = {{UNET_Q ".lora_A.weight", 2, {2, 8}, 1, "I32"}, UP(UNET_Q ".lora_B.weight")};
    refused(ints, 2, TT_ERR_FORMAT, "do not multiply");
    piece alphas[] = {
        DOWN(UNET_Q ".lora_A.weight"), UP(UNET_Q ".lora_B.weight"), {UNET_Q ".alpha", 1, {2}, 1, NULL}};
    refused(alphas, 3, TT_ERR_FORMAT, "one finite number");
    piece infinite[] = {DOWN(UNET_Q ".lora_A.weight"),
                        UP(UNET_Q ".lora_B.weight"),
                        {UNET_Q ".alpha", 0, {0}, INFINITY, NULL}};
    refused(infinite, 3, TT_ERR_FORMAT, "one finite number");
    tt_lora_file *lora;
    tt_fails(open_lora("none", NAN, &lora), TT_ERR_INVALID, "finite", &err);

    /* good in itself, but of another width than the model's */
    piece wide[] = {{UNET_Q ".lora_A.weight", 2, {2, 9}, 1, NULL}, UP(UNET_Q ".lora_B.weight")};
    tt_ok(open_lora(make(wide, 2), 1.0, &lora), &err);
    tt_weight_source *source = tt_weights_lora(tt_weights_file(base), &lora, 1, TT_LORA_UNET);
    tt_weight_view view;
    tt_fails(source->get(source, UNET_Q ".weight", &view, &err), TT_ERR_FORMAT, "have not the shapes", &err);
    source->destroy(source);
    tt_lora_file_close(lora);
}
END_TEST

START_TEST(settings_that_are_not_supported_are_refused)
{
    static const char *const settings[] = {"{\"unet.use_dora\": true}",
                                           "{\"unet.alpha_pattern\": {\"a\": 1}}", "{"};
    for (size_t i = 0; i < 3; i++) {
        const char *metadata[] = {"lora_adapter_metadata", settings[i], NULL};
        float down[16] = {0}, up[16] = {0};
        tt_tensor_view views[] = {{.name = UNET_Q ".lora_A.weight",
                                   .dtype = "F32",
                                   .rank = 2,
                                   .shape = {2, 8},
                                   .data = down,
                                   .size_bytes = 64},
                                  {.name = UNET_Q ".lora_B.weight",
                                   .dtype = "F32",
                                   .rank = 2,
                                   .shape = {8, 2},
                                   .data = up,
                                   .size_bytes = 64}};
        char path[512];
        snprintf(path, sizeof path, "%s/settings.safetensors", tt_test_dir());
        tt_ok(tt_safetensors_write(path, views, 2, metadata, &err), &err);
        tt_lora_file *lora;
        tt_fails(open_lora(path, 1.0, &lora), i < 2 ? TT_ERR_UNSUPPORTED : TT_ERR_FORMAT,
                 "lora_adapter_metadata", &err);
    }
}
END_TEST

START_TEST(out_of_memory_is_an_error_not_a_crash)
{
    bool done = false;
    for (long n = 0; !done; n++) {
        ck_assert_int_lt(n, 300);
        tt_lora_file *lora;
        tt_mem_fail_after(n);
        tt_status s = open_lora(GOLDEN "diffusers.safetensors", 1.0, &lora);
        tt_mem_fail_after(-1);
        ck_assert_msg(s == TT_OK || s == TT_ERR_MEMORY, "%d: %s", s, err.message);
        done = s == TT_OK;
        if (done) tt_lora_file_close(lora);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("lora");
    TCase *tc = tcase_create("lora");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_file_of_diffusers_script_merges_with_its_alpha);
    tcase_add_test(tc, pefts_names_merge);
    tcase_add_test(tc, old_attention_processors_merge);
    tcase_add_test(tc, a_bare_peft_adapter_merges_by_its_config);
    tcase_add_test(tc, kohyas_files_merge_into_both_networks);
    tcase_add_test(tc, kohyas_files_with_compvis_blocks_merge);
    tcase_add_test(tc, alpha_missing_or_zero_is_the_rank);
    tcase_add_test(tc, an_adapters_name_may_stand_in_the_key);
    tcase_add_test(tc, several_files_add_up);
    tcase_add_test(tc, a_weight_of_f64_merges_in_f64);
    tcase_add_test(tc, keys_of_other_methods_are_refused);
    tcase_add_test(tc, what_would_have_no_effect_is_refused);
    tcase_add_test(tc, shapes_that_do_not_multiply_are_refused);
    tcase_add_test(tc, settings_that_are_not_supported_are_refused);
    tcase_add_test(tc, out_of_memory_is_an_error_not_a_crash);
    suite_add_tcase(suite, tc);
    return suite;
}
