#include "models/sampler.h"
#include "formats/json.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

/* Traces of diffusers 0.30.3 with the fake model e = 0.5·(scaled input) + 0.001·t from x = [1, −0.5, 0.25,
 * 2]·σ₀: specs of sampling, 7.9 and 7.10. Tolerance there: 1e-5 relative plus 1e-6. */

static tt_error err;

typedef struct expectation {
    int step;
    double x[4];
} expectation;

static void trace(tt_schedule_config config, tt_sampler sampler, bool karras, bool inverse, int n,
                  const expectation *want, size_t n_want)
{
    tt_sampling *s;
    tt_ok(tt_sampling_create(&config, sampler, karras, inverse, n, &s, &err), &err);
    float x[4] = {1, -0.5f, 0.25f, 2}, input[4], e[4];
    for (int k = 0; k < 4; k++)
        x[k] = (float)((double)x[k] * tt_sampling_init_sigma(s));
    size_t checked = 0;
    for (int i = 0; i < tt_sampling_calls(s); i++) {
        tt_sampling_input(s, i, x, input, 4);
        for (int k = 0; k < 4; k++)
            e[k] = (float)(0.5 * (double)input[k] + 0.001 * tt_sampling_timestep(s, i));
        tt_ok(tt_sampling_step(s, i, e, x, 4, &err), &err);
        for (size_t w = 0; w < n_want; w++) {
            if (want[w].step != i) continue;
            checked++;
            for (int k = 0; k < 4; k++)
                ck_assert_msg(fabs((double)x[k] - want[w].x[k]) <= 1e-5 * fabs(want[w].x[k]) + 2e-6,
                              "step %d [%d]: %.9g, expected %.9g", i, k, (double)x[k], want[w].x[k]);
        }
    }
    ck_assert_uint_eq(checked, n_want);
    tt_sampling_destroy(s);
}

#define TRACE(config, sampler, karras, inverse, n, ...)                                                      \
    do {                                                                                                     \
        static const expectation want[] = {__VA_ARGS__};                                                     \
        trace(config, sampler, karras, inverse, n, want, sizeof want / sizeof *want);                        \
    } while (0)

static tt_schedule_config sd15(void)
{
    tt_schedule_config c;
    tt_schedule_config_sd15(&c);
    return c;
}

START_TEST(ddim_and_its_inversion_follow_the_trace)
{
    TRACE(sd15(), TT_SAMPLER_DDIM, false, false, 10, {0, {0.74328488, -1.2129548, -0.23483479, 2.0474446}},
          {1, {0.51315659, -1.9154384, -0.7011407, 2.1322198}},
          {2, {0.31292933, -2.5671601, -1.1271151, 2.2329888}},
          {8, {-0.21396022, -3.6122615, -1.9131109, 2.0515735}},
          {9, {-0.21276492, -3.5918887, -1.9023268, 2.0399837}});
    TRACE(sd15(), TT_SAMPLER_DDIM, false, true, 10, {0, {1.005653, -0.50280827, 0.25142235, 2.0112939}},
          {1, {1.1250899, -0.51887834, 0.3031058, 2.2210686}},
          {8, {1.405159, 0.45612648, 0.93064272, 2.037847}},
          {9, {1.4877894, 0.71744663, 1.102618, 2.0013509}});
}
END_TEST

START_TEST(pndm_follows_the_trace)
{
    TRACE(sd15(), TT_SAMPLER_PNDM, false, false, 10, {0, {0.74328482, -1.2129546, -0.23483494, 2.0474443}},
          {1, {0.81436139, -1.0708755, -0.12825707, 2.0711861}},
          {2, {0.6506958, -1.6405032, -0.49490368, 2.1781619}},
          {9, {0.12762681, -2.9775994, -1.4249864, 2.1977773}},
          {10, {0.12759864, -2.9620039, -1.4172027, 2.1873336}});
}
END_TEST

START_TEST(dpm_solver_follows_the_traces)
{
    TRACE(sd15(), TT_SAMPLER_DPMPP_2M, false, false, 10, {0, {0.6202904, -1.4411397, -0.41042465, 1.9945772}},
          {1, {0.32853821, -2.2817628, -0.97661233, 2.0687387}},
          {2, {0.072629608, -3.0869722, -1.5071714, 2.1790307}},
          {8, {-0.6375438, -5.2575216, -2.9475331, 2.4424403}},
          {9, {-0.5989548, -4.6900654, -2.6445103, 2.1284511}});
    TRACE(sd15(), TT_SAMPLER_DPMPP_2M, false, false, 16,
          {0, {0.78329736, -1.0380837, -0.12739319, 1.9975513}},
          {1, {0.59779978, -1.5477724, -0.47498631, 2.0281811}},
          {14, {-0.58078343, -5.0739284, -2.8273559, 2.4146457}},
          {15, {-0.54108036, -4.6044817, -2.5727808, 2.1678531}});
    TRACE(sd15(), TT_SAMPLER_DPMPP_2M, true, false, 10, {0, {0.69742042, -1.2506065, -0.27659309, 1.9961051}},
          {1, {0.40549836, -2.0857677, -0.84013474, 2.0663426}},
          {8, {-0.30732724, -4.2026625, -2.2549949, 2.2895634}},
          {9, {-0.30297595, -4.1431594, -2.2230675, 2.2571468}});
}
END_TEST

START_TEST(euler_follows_the_traces)
{
    TRACE(sd15(), TT_SAMPLER_EULER, false, false, 10, {0, {4.4671812, -12.385569, -3.9591942, 15.702348}},
          {1, {0.68527675, -12.722987, -6.0188551, 9.6241188}},
          {8, {-1.1225883, -5.7868128, -3.4547012, 1.9868952}},
          {9, {-1.1062237, -5.702455, -3.40434, 1.9579312}});
    tt_schedule_config leading = sd15();
    leading.spacing_given = true;
    TRACE(leading, TT_SAMPLER_EULER, false, false, 10, {0, {3.8880548, -6.3448544, -1.2283998, 10.709995}},
          {1, {1.7929313, -6.6924019, -2.4497352, 7.449821}},
          {9, {-0.20976429, -3.5407646, -1.8752643, 2.0109026}});
    TRACE(sd15(), TT_SAMPLER_EULER, true, false, 10, {0, {6.3590221, -11.438807, -2.5398932, 18.224239}},
          {9, {-1.1586367, -5.8412204, -3.4999287, 1.9630855}});
}
END_TEST

static void expect_timesteps(tt_sampler sampler, bool karras, int n, const double *want, int n_want)
{
    tt_schedule_config c = sd15();
    tt_sampling *s;
    tt_ok(tt_sampling_create(&c, sampler, karras, false, n, &s, &err), &err);
    for (int i = 0; i < n_want; i++)
        ck_assert_double_eq_tol(tt_sampling_timestep(s, i), want[i], 1e-3);
    tt_sampling_destroy(s);
}

START_TEST(timesteps_are_those_of_diffusers)
{
    expect_timesteps(TT_SAMPLER_DDIM, false, 50, (const double[]){981, 961, 941}, 3);
    expect_timesteps(TT_SAMPLER_DDIM, false, 30, (const double[]){958, 925}, 2);
    expect_timesteps(TT_SAMPLER_PNDM, false, 100, (const double[]){991, 981, 981, 971}, 4);
    expect_timesteps(TT_SAMPLER_DPMPP_2M, false, 20,
                     (const double[]){999, 949, 899, 849, 799, 749, 699, 649, 599, 549, 500, 450, 400, 350},
                     14);
    expect_timesteps(TT_SAMPLER_DPMPP_2M, true, 20,
                     (const double[]){999, 962, 921, 876, 827, 772, 710, 640, 561, 474,
                                      380, 285, 197, 123, 69,  35,  15,  6,   2,   0},
                     20);
    expect_timesteps(TT_SAMPLER_EULER, true, 10, (const double[]){999, 916.284, 815.0449, 687.1533, 523.1989},
                     5);
}
END_TEST

START_TEST(the_schedule_is_bit_exact_for_both_versions_of_pytorch)
{
    static const struct {
        int t;
        float old_rule, new_rule;
    } rows[] = {{0, 0x1.ff9096p-1f, 0x1.ff9096p-1f},   {1, 0x1.ff20a8p-1f, 0x1.ff20a8p-1f},
                {21, 0x1.f5f474p-1f, 0x1.f5f474p-1f},  {100, 0x1.c9d79ep-1f, 0x1.c9d79ep-1f},
                {250, 0x1.58fb4ep-1f, 0x1.58fb4ep-1f}, {500, 0x1.1af6e8p-2f, 0x1.1af6e6p-2f},
                {750, 0x1.cc24a2p-5f, 0x1.cc249ep-5f}, {961, 0x1.dd370ap-8f, 0x1.dd3706p-8f},
                {981, 0x1.7a80c2p-8f, 0x1.7a80bep-8f}, {999, 0x1.316770p-8f, 0x1.31676cp-8f}};
    tt_schedule_config c = sd15();
    static float a[1000], b[1000];
    static double exact[1000];
    tt_alpha_bar_f32(&c, false, a);
    tt_alpha_bar_f32(&c, true, b);
    tt_alpha_bar_f64(&c, exact);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(a[rows[i].t] == rows[i].old_rule, "t %d: %a", rows[i].t, (double)a[rows[i].t]);
        ck_assert_msg(b[rows[i].t] == rows[i].new_rule, "t %d: %a", rows[i].t, (double)b[rows[i].t]);
    }
    ck_assert_double_eq_tol(exact[440], 0.36205611, 1e-8);
    ck_assert_double_eq_tol(exact[450], 0.34704471, 1e-8);
    ck_assert_double_eq_tol(exact[999], 0.00466010, 1e-8);
    c.scaled_linear = false;
    tt_alpha_bar_f64(&c, exact);
    ck_assert_double_eq_tol(exact[500], 0.16077160, 1e-8);
}
END_TEST

START_TEST(an_image_to_image_cut_starts_where_diffusers_does)
{
    tt_schedule_config c = sd15();
    tt_sampling *s;
    tt_ok(tt_sampling_create(&c, TT_SAMPLER_DDIM, false, false, 50, &s, &err), &err);
    tt_sampling_cut(s, 0.8);
    ck_assert_int_eq(tt_sampling_calls(s), 40);
    ck_assert_double_eq(tt_sampling_timestep(s, 0), 781);
    tt_sampling_destroy(s);
    tt_ok(tt_sampling_create(&c, TT_SAMPLER_DDIM, false, false, 100, &s, &err), &err);
    tt_sampling_cut(s, 0.29); /* 28.999… in double */
    ck_assert_int_eq(tt_sampling_calls(s), 28);
    tt_sampling_destroy(s);
    float x0[2] = {1, 2}, noise[2] = {3, -1}, out[2];
    tt_ok(tt_sampling_create(&c, TT_SAMPLER_DDIM, false, false, 50, &s, &err), &err);
    tt_sampling_add_noise(s, 0, x0, noise, out, 2);
    double a = (double)0x1.7a80c2p-8f;
    ck_assert_double_eq_tol((double)out[0], sqrt(a) + 3 * sqrt(1 - a), 1e-6);
    tt_sampling_add_noise(s, 50, x0, noise, out, 2);
    ck_assert_mem_eq(out, x0, sizeof out);
    tt_sampling_destroy(s);
}
END_TEST

/* The v-prediction of a model and the same model's ε must give the same path. */
START_TEST(v_prediction_is_epsilon_prediction_in_other_clothes)
{
    static const tt_sampler samplers[] = {TT_SAMPLER_DDIM, TT_SAMPLER_PNDM, TT_SAMPLER_DPMPP_2M};
    for (size_t k = 0; k < 3; k++) {
        tt_schedule_config c = sd15(), v = sd15();
        v.prediction = TT_PREDICT_V;
        tt_sampling *a, *b;
        tt_ok(tt_sampling_create(&c, samplers[k], false, false, 1, &a, &err), &err);
        tt_ok(tt_sampling_create(&v, samplers[k], false, false, 1, &b, &err), &err);
        static float table[1000];
        tt_alpha_bar_f32(&c, false, table);
        double ab = (double)table[(int)tt_sampling_timestep(a, 0)], x = 0.7, e = -0.3;
        float xa = (float)x, xb = (float)x, eps = (float)e;
        float velocity = (float)((e - sqrt(1 - ab) * x) / sqrt(ab)); /* ε = √ᾱ·v + √(1−ᾱ)·x */
        tt_ok(tt_sampling_step(a, 0, &eps, &xa, 1, &err), &err);
        tt_ok(tt_sampling_step(b, 0, &velocity, &xb, 1, &err), &err);
        ck_assert_double_eq_tol((double)xa, (double)xb, 2e-5 * (1 + fabs((double)xa)));
        tt_sampling_destroy(a);
        tt_sampling_destroy(b);
    }
}
END_TEST

START_TEST(scheduler_files_are_read_and_unknown_kinds_refused)
{
    static const char sd[] =
        "{\"_class_name\": \"PNDMScheduler\", \"beta_start\": 0.00085, \"beta_end\": 0.012, "
        "\"beta_schedule\": \"scaled_linear\", \"num_train_timesteps\": 1000, \"set_alpha_to_one\": "
        "false, \"skip_prk_steps\": true, \"steps_offset\": 1, \"trained_betas\": null, "
        "\"clip_sample\": false}";
    tt_arena *arena = tt_arena_create(0);
    tt_node *n;
    tt_schedule_config c, want = sd15();
    tt_ok(tt_json_parse(arena, "s.json", sd, strlen(sd), &n, &err), &err);
    tt_ok(tt_schedule_config_parse(n, &c, &err), &err);
    ck_assert_int_eq(c.sampler, want.sampler);
    ck_assert_double_eq(c.beta_end, want.beta_end);
    ck_assert_int_eq(c.steps_offset, 1);
    ck_assert(c.scaled_linear && !c.set_alpha_to_one && !c.spacing_given);
    static const char *const bad[] = {"{\"_class_name\": \"LCMScheduler\"}",
                                      "{\"beta_schedule\": \"cosine\"}",
                                      "{\"thresholding\": true}",
                                      "{\"trained_betas\": [0.1]}",
                                      "{\"num_train_timesteps\": 0}",
                                      "{\"prediction_type\": \"flow\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tt_ok(tt_json_parse(arena, "s.json", bad[i], strlen(bad[i]), &n, &err), &err);
        ck_assert_msg(tt_schedule_config_parse(n, &c, &err) != TT_OK, "accepted %s", bad[i]);
    }
    tt_arena_destroy(arena);
}
END_TEST

/* Values of diffusers 0.42. */
START_TEST(karras_ramps_span_what_diffusers_says)
{
    tt_schedule_config leading = sd15();
    leading.spacing_given = true;
    tt_sampling *s;
    tt_ok(tt_sampling_create(&leading, TT_SAMPLER_EULER, true, false, 10, &s, &err), &err);
    static const double want[] = {901, 815.0175, 710.5005, 581.6552, 426.5304};
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq_tol(tt_sampling_timestep(s, i), want[i], 1e-3);
    tt_sampling_destroy(s);

    tt_schedule_config c = sd15();
    const float x0[4] = {0.3f, -0.2f, 0.9f, -1.1f}, noise[4] = {1, -0.5f, 0.25f, 2};
    static const double noised[4] = {1.0170515, -0.5333388, 0.66367924, 1.1904569};
    float out[4];
    tt_ok(tt_sampling_create(&c, TT_SAMPLER_DPMPP_2M, true, false, 10, &s, &err), &err);
    tt_sampling_cut(s, 0.6);
    tt_sampling_add_noise(s, 0, x0, noise, out, 4);
    for (int i = 0; i < 4; i++) /* the two versions' schedules differ by 1e-7 relative */
        ck_assert_double_eq_tol((double)out[i], noised[i], 2e-6);
    tt_sampling_destroy(s);
}
END_TEST

static tt_status parse(const char *json, tt_schedule_config *c)
{
    tt_arena *arena = tt_arena_create(0);
    tt_node *n;
    tt_ok(tt_json_parse(arena, "s.json", json, strlen(json), &n, &err), &err);
    tt_status s = tt_schedule_config_parse(n, c, &err);
    tt_arena_destroy(arena);
    return s;
}

START_TEST(keys_that_change_the_sampler_are_not_passed_over)
{
    static const char *const bad[] = {
        "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 3}",
        "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\": \"sde-dpmsolver++\"}",
        "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"lower_order_final\": false}",
        "{\"_class_name\": \"EulerDiscreteScheduler\", \"timestep_type\": \"continuous\"}",
        "{\"_class_name\": \"EulerDiscreteScheduler\", \"interpolation_type\": \"log_linear\"}",
        "{\"_class_name\": \"DDIMScheduler\", \"clip_sample_range\": 2.0}"};
    tt_schedule_config c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(parse(bad[i], &c) != TT_OK, "accepted %s", bad[i]);
    tt_ok(parse("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 2, \"solver_type\": "
                "\"midpoint\", \"algorithm_type\": \"dpmsolver++\", \"lower_order_final\": true}",
                &c),
          &err);
}
END_TEST

START_TEST(a_scheduler_s_own_defaults_hold_where_its_file_is_silent)
{
    tt_schedule_config c;
    tt_ok(parse("{\"_class_name\": \"DDIMScheduler\"}", &c), &err);
    ck_assert(c.clip_sample && !c.alpha_to_one_given && !c.scaled_linear && c.steps_offset == 0);
    tt_ok(parse("{\"_class_name\": \"PNDMScheduler\"}", &c), &err);
    /* clip_sample: what DDIM gets when it is built from this config */
    ck_assert(c.clip_sample && !c.alpha_to_one_given);
    tt_ok(parse("{\"clip_sample\": null, \"set_alpha_to_one\": null}", &c), &err);
    ck_assert(!c.clip_sample && c.alpha_to_one_given && !c.set_alpha_to_one);
    tt_ok(parse("{\"_class_name\": \"PNDMScheduler\"}", &c), &err);
    /* PNDM's default is to start with Runge-Kutta: refused for PNDM, of no matter for DDIM */
    tt_sampling *s;
    tt_fails(tt_sampling_create(&c, TT_SAMPLER_DEFAULT, false, false, 10, &s, &err), TT_ERR_UNSUPPORTED,
             "skip_prk_steps", &err);
    tt_ok(tt_sampling_create(&c, TT_SAMPLER_DDIM, false, false, 10, &s, &err), &err);
    tt_sampling_destroy(s);
    c = sd15();
    c.prediction = TT_PREDICT_SAMPLE;
    tt_fails(tt_sampling_create(&c, TT_SAMPLER_PNDM, false, false, 10, &s, &err), TT_ERR_UNSUPPORTED,
             "clean image", &err);
}
END_TEST

/* Traces of diffusers 0.42: each class from the config of a PNDM whose file has neither clip_sample nor
 * set_alpha_to_one. DDIM and its inversion clip and end at 1; PNDM does neither. */
START_TEST(samplers_built_from_a_silent_config_take_their_own_defaults)
{
    tt_schedule_config c;
    tt_ok(parse("{\"_class_name\": \"PNDMScheduler\", \"beta_start\": 0.00085, \"beta_end\": 0.012, "
                "\"beta_schedule\": \"scaled_linear\", \"steps_offset\": 1, \"skip_prk_steps\": true}",
                &c),
          &err);
    TRACE(c, TT_SAMPLER_DDIM, false, false, 10, {0, {1.1839895, 0.447822, 0.81590569, 2.0474443}},
          {1, {1.0602742, 0.69582474, 0.87216753, 2.0345988}},
          {8, {0.55161428, 0.079546422, 0.28839901, 1.0289426}},
          {9, {0.5406487, 0.077929758, 0.28264621, 1.0}});
    TRACE(c, TT_SAMPLER_DDIM, false, true, 10, {0, {1.0198286, -0.50985235, 0.2549881, 1.0404682}},
          {1, {1.1405389, -0.52655512, 0.30699188, 1.1482061}},
          {8, {1.4140774, 0.80052745, 0.9808445, 1.4185034}},
          {9, {1.4950287, 1.1737775, 1.2633023, 1.4986213}});
    TRACE(c, TT_SAMPLER_PNDM, false, false, 10, {0, {0.74328488, -1.2129548, -0.23483491, 2.0474446}},
          {1, {0.81436151, -1.0708755, -0.12825704, 2.0711861}},
          {8, {0.15624897, -3.2613769, -1.5525641, 2.4346662}},
          {9, {0.12762696, -2.9775996, -1.4249864, 2.197778}});
}
END_TEST

START_TEST(guidance_extrapolates_and_can_be_rescaled)
{
    const float u[4] = {0, 1, 2, 3}, c[4] = {1, 1, 3, 2};
    float out[4];
    tt_guidance(u, c, 7.5, 0, out, 4);
    const float want[4] = {7.5f, 1, 9.5f, -4.5f};
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq_tol(out[i], want[i], 1e-6f);
    tt_guidance(u, c, 7.5, 1, out, 4); /* the spread becomes that of c */
    double mean = 0, squares = 0;
    for (int i = 0; i < 4; i++)
        mean += (double)out[i] / 4;
    for (int i = 0; i < 4; i++)
        squares += ((double)out[i] - mean) * ((double)out[i] - mean);
    ck_assert_double_eq_tol(squares, 2.75, 1e-5);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tc = tcase_create("sampler");
    tcase_add_test(tc, ddim_and_its_inversion_follow_the_trace);
    tcase_add_test(tc, pndm_follows_the_trace);
    tcase_add_test(tc, dpm_solver_follows_the_traces);
    tcase_add_test(tc, euler_follows_the_traces);
    tcase_add_test(tc, timesteps_are_those_of_diffusers);
    tcase_add_test(tc, the_schedule_is_bit_exact_for_both_versions_of_pytorch);
    tcase_add_test(tc, an_image_to_image_cut_starts_where_diffusers_does);
    tcase_add_test(tc, v_prediction_is_epsilon_prediction_in_other_clothes);
    tcase_add_test(tc, scheduler_files_are_read_and_unknown_kinds_refused);
    tcase_add_test(tc, karras_ramps_span_what_diffusers_says);
    tcase_add_test(tc, keys_that_change_the_sampler_are_not_passed_over);
    tcase_add_test(tc, a_scheduler_s_own_defaults_hold_where_its_file_is_silent);
    tcase_add_test(tc, samplers_built_from_a_silent_config_take_their_own_defaults);
    tcase_add_test(tc, guidance_extrapolates_and_can_be_rescaled);
    suite_add_tcase(suite, tc);
    return suite;
}
