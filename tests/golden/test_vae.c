/* The SD1.5 VAE at full size, with hash weights, against the vectors of specs/models.md. */
#include "models/vae.h"
#include "models/weights.h"
#include "support/networks.h"
#include "support/test.h"

#include <stdlib.h>

static tt_error err;

#define WHOLE 1e-4 /* precision rules of specs/models.md */

static const tt_golden mean_8x8 = {
    "VAE mean of 64x64",
    0.1504018,
    0.4609662,
    1.678006,
    7.7581113,
    {0.344989, -0.2958861, -0.07364987, 0.4153208, -0.3307718, 0.5812758, 0.2398881, 0.1893211},
    {0.7423576, -0.2772029, -0.3081354, -0.6439101},
    4};
static const tt_golden logvar_8x8 = {
    "VAE logvar of 64x64",
    -0.06961412,
    0.3428533,
    1.065393,
    5.59758852,
    {0.03523093, -0.02097615, -0.4374008, -0.03805218, -0.01235636, 0.007193901, -0.05319235, -0.008766025},
    {0.05950671, 0.1856629, 0.2705132, 0.2672937},
    4};
static const tt_golden mean_5x7 = {
    "VAE mean of 40x56",
    0.2159592,
    0.5156133,
    1.530996,
    6.61433016,
    {0.1908822, 0.3973545, 0.06690405, 0.6667904, 0.1077168, -0.076782, 0.4524582, 0.6303061},
    {0.0008738991, 0.7863715, 0.3119663, 0.4266808},
    4};
static const tt_golden image = {
    "VAE image of 8x8",
    -0.04824635,
    0.6834548,
    3.809062,
    75.9503553,
    {0.05188295, 0.1088412, 0.0550314, 0.1002464, -8.365139e-05, -0.003169268, -0.07852241, -0.136328},
    {-0.3025992, -0.2808942, -0.3540144, -0.2468337},
    4};

typedef struct results {
    float mean[4 * 64], logvar[4 * 64], odd[4 * 35], odd_logvar[4 * 35], image[3 * 64 * 64];
} results;

static void run(tt_device *device, tt_type type, results *r)
{
    tt_vae_config config;
    tt_vae *vae;
    tt_weight_source *weights = tt_weights_hash();
    tt_vae_config_sd15(&config);
    tt_ok(tt_vae_create(device, &config, type, weights, &vae, &err), &err);
    weights->destroy(weights);
    float *square = tt_test_input("input.image", 3 * 64 * 64, true);
    float *oblong = tt_test_input("input.image", 3 * 40 * 56, true);
    float *latent = tt_test_input("input.latent", 4 * 64, false);
    tt_ok(tt_vae_encode(vae, 1, 64, 64, square, r->mean, r->logvar, &err), &err);
    tt_ok(tt_vae_encode(vae, 1, 40, 56, oblong, r->odd, r->odd_logvar, &err), &err);
    tt_ok(tt_vae_decode(vae, 1, 8, 8, latent, r->image, &err), &err);
    free(square);
    free(oblong);
    free(latent);
    tt_vae_destroy(vae);
}

START_TEST(the_full_vae_gives_the_golden_vectors)
{
    static results f32, bf16;
    tt_device *device = tt_test_too_slow() ? NULL : tt_test_device(NULL);
    if (!device) return;
    run(device, TT_F32, &f32);
    tt_golden_check(&mean_8x8, f32.mean, 4 * 64, WHOLE);
    tt_golden_check(&logvar_8x8, f32.logvar, 4 * 64, WHOLE);
    tt_golden_check(&mean_5x7, f32.odd, 4 * 35, WHOLE);
    tt_golden_check(&image, f32.image, 3 * 64 * 64, WHOLE);

    /* some 40 roundings to 8 bits in a row */
    run(device, TT_BF16, &bf16);
    double mean = tt_relative_error(bf16.mean, f32.mean, 4 * 64);
    double decoded = tt_relative_error(bf16.image, f32.image, 3 * 64 * 64);
    printf("VAE: bf16 differs from f32 by %.2e (mean) and %.2e (image)\n", mean, decoded);
    ck_assert_double_lt(mean, 3e-2);
    ck_assert_double_lt(decoded, 3e-2);
    ck_assert_uint_eq(tt_device_live_bytes(device), 0);
    tt_device_close(device);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("vae");
    TCase *tc = tcase_create("vae");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, the_full_vae_gives_the_golden_vectors);
    suite_add_tcase(suite, tc);
    return suite;
}
