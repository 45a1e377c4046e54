/* Small networks of odd shapes against diffusers and transformers in f64 (tests/golden/networks, made by
 * tools/make_network_golden.py), on the reference backend and on cuda over an emulated device, f32
 * activations. */
#include "formats/json.h"
#include "models/clip.h"
#include "models/unet.h"
#include "models/vae.h"
#include "models/weights.h"
#include "support/recorder.h"
#include "support/test.h"
#include "telltale/backend.h"
#ifdef TT_CUDA_FAKE
#include "support/cuda/fake.h"
#endif

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tt_arena *arena;
static tt_node *golden;
static tt_device *device;
static tt_weight_source *weights;
static tt_error err;

static void setup_on(const tt_backend *backend)
{
    err = (tt_error){0};
    arena = tt_arena_create(0);
    tt_ok(tt_json_read(arena, TT_SOURCE_DIR "/tests/golden/networks/small.json", 1 << 20, &golden, &err),
          &err);
    tt_ok(tt_device_open(backend, NULL, &device, &err), &err);
    weights = tt_weights_hash();
}

static void setup(void)
{
    setup_on(tt_backend_reference());
}

#ifdef TT_CUDA_FAKE
static void setup_cuda(void)
{
    setup_on(cuda_emulated());
}
#endif

static void teardown(void)
{
    weights->destroy(weights);
    tt_device_close(device);
    tt_arena_destroy(arena);
}

static double number(const tt_node *n)
{
    return n->kind == TT_NODE_INT ? (double)n->value.integer : n->value.real;
}

/* rounding to f32 after every operation leaves about 1e-6 of the norm; a wrong epsilon or activation, 1e-4
 * and more */
static void expect(const char *what, const float *got, size_t n, const tt_node *want)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)got[i] * (double)got[i];
    double l2 = number(tt_node_get(want, "l2")), rms = l2 / sqrt((double)n);
    ck_assert_msg(fabs(sqrt(sum) - l2) <= 1e-5 * l2, "%s: L2 %.9g, expected %.9g", what, sqrt(sum), l2);
    size_t i = 0;
    for (const tt_node *v = tt_node_get(want, "first")->children; v; v = v->next, i++)
        ck_assert_msg(fabs((double)got[i] - number(v)) <= 2e-5 * rms, "%s[%zu]: %.9g, expected %.9g", what, i,
                      (double)got[i], number(v));
    i = n - 4;
    for (const tt_node *v = tt_node_get(want, "last")->children; v; v = v->next, i++)
        ck_assert_msg(fabs((double)got[i] - number(v)) <= 2e-5 * rms, "%s[%zu]: %.9g, expected %.9g", what, i,
                      (double)got[i], number(v));
}

static float *input(const char *name, size_t n)
{
    float *x = tt_arena_alloc_array(arena, n, sizeof *x);
    tt_hash_input(name, x, n);
    return x;
}

START_TEST(hash_weights_and_inputs_are_the_specification_s)
{
    float x[4];
    tt_hash_input("input.sample", x, 4);
    const double want[4] = {0.0637609512, 1.57521272, 1.4784962, 0.719469607};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol((double)x[i], want[i], 1e-7);
    tt_weight_view v;
    tt_ok(tt_weights_expect(weights, "conv_in.weight", 4, (const int64_t[]){320, 4, 3, 3}, &v, &err), &err);
    const double w[4] = {-0.0322482176, -0.219331041, -0.237419724, -0.0825469568};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol((double)((const float *)v.data)[i], w[i], 1e-9);
    tt_ok(tt_weights_expect(weights, "conv_norm_out.weight", 1, (const int64_t[]){320}, &v, &err), &err);
    ck_assert_double_eq_tol((double)((const float *)v.data)[0], 1.08186555, 1e-7);
}
END_TEST

START_TEST(unets_of_several_shapes_agree_with_diffusers)
{
    size_t n_cases = 0;
    for (const tt_node *c = tt_node_get(golden, "unet")->children; c; c = c->next, n_cases++) {
        tt_unet_config config;
        tt_unet *unet;
        tt_ok(tt_unet_config_parse(tt_node_get(c, "config"), &config, &err), &err);
        tt_ok(tt_unet_create(device, &config, TT_F32, weights, &unet, &err), &err);
        int height = (int)number(tt_node_get(c, "height")), width = (int)number(tt_node_get(c, "width"));
        size_t n = 2 * 4 * (size_t)(height * width);
        const float *x = input("input.sample", n);
        const float *context = input("input.context", 2 * 7 * (size_t)config.cross_attention_dim);
        const float timesteps[2] = {3, 981};
        tt_unet_text *texts[2];
        for (int i = 0; i < 2; i++)
            tt_ok(tt_unet_text_create(unet, context + i * 7 * config.cross_attention_dim, 7, &texts[i], &err),
                  &err);
        float *y = tt_arena_alloc_array(arena, n, sizeof *y),
              *alone = tt_arena_alloc_array(arena, n, sizeof *alone),
              *swapped = tt_arena_alloc_array(arena, n, sizeof *swapped);
        tt_ok(tt_unet_forward(unet, 2, height, width, x, timesteps, texts, y, &err), &err);
        expect(tt_node_get(c, "name")->text, y, n, tt_node_get(c, "out"));
        /* a row's bits depend neither on its place nor, where the batch's size is not in them, on that */
        if (tt_device_backend(device)->traits & TT_BACKEND_BATCH_IN_BITS) {
            const float moved[2] = {981, 3};
            tt_unet_text *others[2] = {texts[1], texts[0]};
            memcpy(swapped, x + n / 2, n / 2 * sizeof *x);
            memcpy(swapped + n / 2, x, n / 2 * sizeof *x);
            tt_ok(tt_unet_forward(unet, 2, height, width, swapped, moved, others, alone, &err), &err);
        } else
            tt_ok(tt_unet_forward(unet, 1, height, width, x + n / 2, timesteps + 1, texts + 1, alone, &err),
                  &err);
        ck_assert_mem_eq(alone, y + n / 2, n / 2 * sizeof *y);
        for (int i = 0; i < 2; i++)
            tt_unet_text_destroy(texts[i]);
        tt_unet_destroy(unet);
        ck_assert_uint_eq(tt_device_live_bytes(device), 0);
    }
    ck_assert_uint_eq(n_cases, 2);
}
END_TEST

START_TEST(the_vae_agrees_with_diffusers_both_ways)
{
    const tt_node *c = tt_node_get(golden, "vae");
    tt_vae_config config;
    tt_vae *vae;
    tt_ok(tt_vae_config_parse(tt_node_get(c, "config"), &config, &err), &err);
    tt_ok(tt_vae_create(device, &config, TT_F32, weights, &vae, &err), &err);
    float *image = input("input.image", 3 * 32 * 24), mean[4 * 8 * 6], logvar[4 * 8 * 6];
    for (size_t i = 0; i < 3 * 32 * 24; i++)
        image[i] = image[i] < -1 ? -1 : image[i] > 1 ? 1 : image[i];
    tt_ok(tt_vae_encode(vae, 1, 32, 24, image, mean, logvar, &err), &err);
    expect("mean", mean, 4 * 8 * 6, tt_node_get(c, "mean"));
    expect("logvar", logvar, 4 * 8 * 6, tt_node_get(c, "logvar"));
    const float *latent = input("input.latent", 4 * 8 * 6);
    static float decoded[3 * 32 * 24];
    tt_ok(tt_vae_decode(vae, 1, 8, 6, latent, decoded, &err), &err);
    expect("decoded", decoded, 3 * 32 * 24, tt_node_get(c, "decoded"));
    tt_vae_destroy(vae);
}
END_TEST

START_TEST(the_clip_text_encoder_agrees_with_transformers)
{
    const tt_node *c = tt_node_get(golden, "clip");
    tt_clip_text_config config;
    tt_clip_text *clip;
    tt_ok(tt_clip_text_config_parse(tt_node_get(c, "config"), &config, &err), &err);
    tt_ok(tt_clip_text_create(device, &config, TT_F32, weights, &clip, &err), &err);
    int32_t ids[12];
    size_t i = 0;
    for (const tt_node *v = tt_node_get(c, "ids")->children; v; v = v->next)
        ids[i++] = (int32_t)v->value.integer;
    float states[12 * 32];
    tt_ok(tt_clip_text_forward(clip, 1, ids, 0, states, &err), &err);
    expect("states", states, 12 * 32, tt_node_get(c, "out"));
    tt_clip_text_destroy(clip);
}
END_TEST

/* Where bits depend on the batch, batches of texts and images have one size whatever is asked for. */
START_TEST(rows_are_computed_in_batches_of_one_size_where_bits_depend_on_it)
{
    enum { N = 11 };
    const tt_node *c = tt_node_get(tt_node_get(golden, "clip"), "config");
    tt_clip_text_config config;
    tt_clip_text *plain, *fixed;
    tt_device *d;
    int32_t ids[N * 12];
    float want[N * 12 * 32], got[N * 12 * 32];
    tt_ok(tt_clip_text_config_parse(c, &config, &err), &err);
    for (int i = 0; i < N * config.tokens; i++)
        ids[i] = i % config.vocabulary;
    tt_test_recorder_of_batch(true);
    tt_ok(tt_device_open(tt_test_recorder(), NULL, &d, &err), &err);
    tt_ok(tt_clip_text_create(device, &config, TT_F32, weights, &plain, &err), &err);
    tt_ok(tt_clip_text_create(d, &config, TT_F32, weights, &fixed, &err), &err);
    tt_ok(tt_clip_text_forward(plain, N, ids, 0, want, &err), &err);
    tt_ok(tt_clip_text_forward(fixed, N, ids, 0, got, &err), &err);
    ck_assert_mem_eq(want, got, sizeof want);
    tt_ok(tt_clip_text_forward(fixed, 2, ids, 0, got, &err), &err);
    ck_assert_int_eq(tt_test_recorder_counts().fewest, 8);
    ck_assert_int_eq(tt_test_recorder_counts().most, 8);
    tt_vae_config vae_config;
    tt_vae *vae;
    float mean[3 * 4 * 8 * 6], logvar[3 * 4 * 8 * 6];
    tt_ok(tt_vae_config_parse(tt_node_get(tt_node_get(golden, "vae"), "config"), &vae_config, &err), &err);
    tt_ok(tt_vae_create(d, &vae_config, TT_F32, weights, &vae, &err), &err);
    tt_ok(tt_vae_encode(vae, 3, 32, 24, input("input.image", 3 * 3 * 32 * 24), mean, logvar, &err), &err);
    ck_assert_int_eq(tt_test_recorder_counts().fewest, 1);
    ck_assert_int_eq(tt_test_recorder_counts().most, 8);
    tt_vae_destroy(vae);
    tt_clip_text_destroy(plain);
    tt_clip_text_destroy(fixed);
    tt_device_close(d);
    tt_test_recorder_of_batch(false);
}
END_TEST

/* models-training 9.10, step 0, in f64: the loss of a fixed batch */
START_TEST(the_training_check_s_first_loss_comes_out)
{
    const tt_node *c = tt_node_get(golden, "unet")->children; /* the same network */
    tt_unet_config config;
    tt_unet *unet;
    tt_ok(tt_unet_config_parse(tt_node_get(c, "config"), &config, &err), &err);
    tt_ok(tt_unet_create(device, &config, TT_F32, weights, &unet, &err), &err);
    enum { N = 4 * 8 * 8 };
    const float *z = input("train.z.0", 2 * N), *eps = input("train.eps.0", 2 * N);
    const float *context = input("train.context.0", 2 * 7 * 32), timesteps[2] = {450, 603};
    const double alpha_bar[2] = {0x1.635fap-2, 0x1.435eb6p-3};
    float x[2 * N], y[2 * N];
    for (int i = 0; i < 2 * N; i++)
        x[i] = (float)(sqrt(alpha_bar[i / N]) * (double)z[i] + sqrt(1 - alpha_bar[i / N]) * (double)eps[i]);
    tt_unet_text *texts[2];
    for (int i = 0; i < 2; i++)
        tt_ok(tt_unet_text_create(unet, context + i * 7 * 32, 7, &texts[i], &err), &err);
    tt_ok(tt_unet_forward(unet, 2, 8, 8, x, timesteps, texts, y, &err), &err);
    double loss = 0;
    for (int i = 0; i < 2 * N; i++)
        loss += ((double)y[i] - (double)eps[i]) * ((double)y[i] - (double)eps[i]) / (2 * N);
    ck_assert_double_eq_tol(loss, 1.25999888763, 2e-6);
    for (int i = 0; i < 2; i++)
        tt_unet_text_destroy(texts[i]);
    tt_unet_destroy(unet);
}
END_TEST

static tt_status parse_unet(const char *json)
{
    tt_node *n;
    tt_unet_config config;
    tt_ok(tt_json_parse(arena, "config.json", json, strlen(json), &n, &err), &err);
    return tt_unet_config_parse(n, &config, &err);
}

START_TEST(configs_of_other_networks_are_refused_by_the_key)
{
    ck_assert_int_ne(parse_unet("{\"_class_name\": \"UNet2DModel\"}"), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "UNet2DModel"));
    ck_assert_int_ne(
        parse_unet("{\"_class_name\": \"UNet2DConditionModel\", \"class_embed_type\": \"timestep\"}"), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "class_embed_type"));
    ck_assert_int_ne(
        parse_unet("{\"_class_name\": \"UNet2DConditionModel\", \"block_out_channels\": [320, -1]}"), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "block_out_channels"));
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("networks");
    TCase *tc = tcase_create("networks");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, hash_weights_and_inputs_are_the_specification_s);
    tcase_add_test(tc, unets_of_several_shapes_agree_with_diffusers);
    tcase_add_test(tc, the_vae_agrees_with_diffusers_both_ways);
    tcase_add_test(tc, the_clip_text_encoder_agrees_with_transformers);
    tcase_add_test(tc, rows_are_computed_in_batches_of_one_size_where_bits_depend_on_it);
    tcase_add_test(tc, the_training_check_s_first_loss_comes_out);
    tcase_add_test(tc, configs_of_other_networks_are_refused_by_the_key);
    suite_add_tcase(suite, tc);
#ifdef TT_CUDA_FAKE
    TCase *cuda = tcase_create("networks on cuda (emulated)");
    tcase_set_timeout(cuda, 300);
    tcase_add_checked_fixture(cuda, setup_cuda, teardown);
    tcase_add_test(cuda, unets_of_several_shapes_agree_with_diffusers);
    tcase_add_test(cuda, the_vae_agrees_with_diffusers_both_ways);
    tcase_add_test(cuda, the_clip_text_encoder_agrees_with_transformers);
    tcase_add_test(cuda, the_training_check_s_first_loss_comes_out);
    suite_add_tcase(suite, cuda);
#endif
    return suite;
}
