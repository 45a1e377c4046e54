/* CLIP's text encoders L/14 (Stable Diffusion's) and B/32 at full size, with hash weights, against the
 * vectors of specs/models.md. */
#include "models/clip.h"
#include "models/weights.h"
#include "support/networks.h"
#include "support/test.h"

#include <stdlib.h>

static tt_error err;

#define WHOLE 1e-4 /* precision rules of specs/models.md */

static const tt_golden l14 = {
    "L/14 text",
    0.0005026212,
    1.000893,
    3.585234,
    243.396077,
    {0.5606254, -0.006608754, -0.2816119, -0.2729888, -0.7090931, 0.1653405, 1.557562, -0.04312378},
    {-1.539703, -1.3857, 0.2071121, -1.645186},
    4};
static const double l14_row_6[12] = {0.4054889, -0.001466502, 0.7707347, -0.01572464, -0.2905928, 0.4233763,
                                     0.8962185, 0.2072593,    -2.504261, -1.784001,   0.5031971,  -2.170626};
static const double l14_row_76[8] = {-0.7961919, 0.7944917, 2.061086, -0.08428451,
                                     -0.2472374, -0.356701, 1.444194, 0.02998481};
static const tt_golden b32 = {
    "B/32 text",
    -0.0033179,
    1.002325,
    4.066292,
    199.017497,
    {-0.1749408, -0.1731998, -0.7005057, 0.3526528, -0.5174317, -1.293155, -0.9227086, -0.1773123},
    {0.5862018, 1.289974, -0.02376196, -0.9857414},
    4};

static void encode(tt_device *device, const tt_clip_text_config *config, tt_type type, float *states)
{
    static const int32_t begin[] = {49406, 320, 1125, 539, 320, 2368};
    int32_t ids[77];
    for (int i = 0; i < 77; i++)
        ids[i] = i < 6 ? begin[i] : 49407;
    tt_clip_text *clip;
    tt_weight_source *weights = tt_weights_hash();
    tt_ok(tt_clip_text_create(device, config, type, weights, &clip, &err), &err);
    weights->destroy(weights);
    tt_ok(tt_clip_text_forward(clip, 1, ids, 0, states, &err), &err);
    tt_clip_text_destroy(clip);
}

/* rows have rms 1: the listed values of a whole network, as in tt_golden_check */
static void check_row(const char *what, const float *row, const double *want, int n_first, int n_last)
{
    for (int i = 0; i < n_first + n_last; i++) {
        double got = (double)row[i < n_first ? i : 768 - n_last + i - n_first];
        ck_assert_msg(got - want[i] < 5 * WHOLE && want[i] - got < 5 * WHOLE,
                      "%s, value %d: %.9g, expected %.9g", what, i, got, want[i]);
    }
}

START_TEST(the_text_encoders_give_the_golden_vectors)
{
    static float f32[77 * 768], bf16[77 * 768], small[77 * 512];
    tt_device *device = tt_test_too_slow() ? NULL : tt_test_device(NULL);
    if (!device) return;
    tt_clip_text_config config;
    tt_clip_text_config_l14(&config);
    encode(device, &config, TT_F32, f32);
    tt_golden_check(&l14, f32, 77 * 768, WHOLE);
    check_row("row 6", f32 + 6 * 768, l14_row_6, 8, 4);
    check_row("row 76", f32 + 76 * 768, l14_row_76, 8, 0);

    encode(device, &config, TT_BF16, bf16);
    double error = tt_relative_error(bf16, f32, 77 * 768);
    printf("L/14 text: bf16 differs from f32 by %.2e\n", error);
    ck_assert_double_lt(error, 3e-2); /* some 50 roundings to 8 bits in a row */

    config.hidden = 512;
    config.heads = 8;
    config.mlp = 2048;
    encode(device, &config, TT_F32, small);
    tt_golden_check(&b32, small, 77 * 512, WHOLE);
    ck_assert_uint_eq(tt_device_live_bytes(device), 0);
    tt_device_close(device);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("clip_text");
    TCase *tc = tcase_create("clip_text");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, the_text_encoders_give_the_golden_vectors);
    suite_add_tcase(suite, tc);
    return suite;
}
