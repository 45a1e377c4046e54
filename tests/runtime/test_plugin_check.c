#include "base/file.h"
#include "base/mem.h"
#include "runtime/plugin_check.h"
#include "runtime/practice_model.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#define FAULTY  TT_BUILD_DIR "/tests/faulty/"
#define PROGRAM TT_BUILD_DIR "/telltale"

static tt_error err;
static tt_buf said; /* "FAILED attack x: measure: text\n" for each line of the report */
static size_t oks;

static void listen_to(void *user, tt_check_outcome outcome, const char *step, const char *text)
{
    static const char *const words[] = {"ok", "FAILED", "skipped", "note"};
    (void)user;
    oks += outcome == TT_CHECK_OK;
    tt_buf_printf(&said, "%s %s: %s\n", words[outcome], step, text);
}

static size_t check(const char *path, const char *parameters, double limit_s)
{
    tt_check_options options = {.program = PROGRAM, .parameters = parameters, .step_limit_s = limit_s};
    size_t failures;
    said.size = 0;
    oks = 0;
    tt_ok(tt_plugin_check(path, &options, listen_to, NULL, &failures, &err), &err);
    return failures;
}

static void expect(const char *path, double limit_s, const char *part)
{
    size_t failures = check(path, NULL, limit_s);
    ck_assert_msg(failures > 0, "no fault found in %s:\n%s", path, said.data);
    ck_assert_msg(strstr(said.data, part) != NULL, "'%s' is not in:\n%s", part, said.data);
}

static void teardown(void)
{
    tt_buf_free(&said);
}

START_TEST(a_sound_plugin_has_no_fault)
{
    ck_assert_msg(check(FAULTY "sound.so", NULL, 30) == 0, "%s", said.data);
    ck_assert_ptr_nonnull(strstr(said.data, "ok attack sound: measure: 5 samples, 5 predictions"));
    ck_assert_ptr_null(strstr(said.data, "skipped"));
    ck_assert_ptr_null(strstr(said.data, "note"));
}
END_TEST

START_TEST(the_attacks_that_come_along_have_no_fault)
{
    static const char *const names[] = {"loss", "clid"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/plugins/attacks/%s.so", TT_BUILD_DIR, names[i]);
        if (!tt_file_exists(path)) {
            printf("skipped: %s is not built\n", path);
            continue;
        }
        ck_assert_msg(check(path, NULL, 30) == 0, "%s", said.data);
        ck_assert_msg(strstr(said.data, "measure in another order and batch") != NULL, "%s", said.data);
    }
}
END_TEST

START_TEST(a_crash_a_hang_and_an_exit_are_told_apart_and_placed)
{
    expect(FAULTY "crashes_in_init.so", 30, "FAILED load and init: crashes");
    expect(FAULTY "hangs_in_measure.so", 0.5, "FAILED attack hangs_in_measure: measure: hangs");
    expect(FAULTY "exits.so", 30, "FAILED attack exits: create: ends the process with code 7");
}
END_TEST

START_TEST(what_cannot_be_loaded_says_why)
{
    expect(TT_BUILD_DIR "/tests/fixtures/wrong_abi.so", 30, "FAILED load and init: ");
    ck_assert_ptr_nonnull(strstr(said.data, "ABI"));
    expect(TT_BUILD_DIR "/tests/fixtures/missing_symbol.so", 30, "tt_plugin");
    expect(TT_SOURCE_DIR "/README.md", 30, "not a shared object");
    expect("/nowhere/at/all.so", 30, "cannot open");
    expect(FAULTY "offers_twice.so", 30, "offers attack 'twice' twice");
    expect(FAULTY "lacks_score.so", 30, "`score`");
}
END_TEST

START_TEST(breaches_of_the_contract_are_found)
{
    expect(FAULTY "asks_undeclared.so", 30, "calls predict, whose capability its plan does not declare");
    expect(FAULTY "miscounts.so", 30, "asks 1 predictions a sample, its plan says 2");
    expect(FAULTY "overruns.so", 30, "writes behind its 5 rows of 1 columns");
    expect(FAULTY "minds_neighbours.so", 30, "another when it is measured alone");
    expect(FAULTY "trusts_state.so", 30, "cut states were accepted");
    expect(FAULTY "reads_unknown_key.so", 30, "'gamma', which its table does not have");
}
END_TEST

START_TEST(parameters_can_be_given_and_are_checked)
{
    const char *path = TT_BUILD_DIR "/tests/fixtures/good.so";
    ck_assert_msg(check(path, "{timestep: 300}", 30) == 0, "%s", said.data);
    ck_assert_uint_eq(check(path, "{timestep: 3000}", 30), 1);
    ck_assert_msg(strstr(said.data, "--params:1:12: fixture.timestep is 3000") != NULL, "%s", said.data);
    ck_assert_uint_eq(check(path, "{timestep: ", 30), 1);
    ck_assert_msg(strstr(said.data, "FAILED --params:") != NULL, "%s", said.data);
}
END_TEST

/* ---- the practice model ---- */

START_TEST(the_practice_model_gives_the_loss_that_its_noise_and_weights_define)
{
    tt_model *m = tt_practice_model_create("target", TT_CAP_GREY_BOX, 1);
    tt_encode encode = {5, {NULL, -1, 0}};
    tt_text texts[2] = {{NULL, 0}, {(tt_text_piece[]){{"a dog", 0}}, 1}};
    tt_handle latent, conditions[2];
    tt_ok(m->encode(m, 1, &encode, &latent, &err), &err);
    tt_ok(m->text(m, 2, texts, conditions, &err), &err);
    float z[TT_PRACTICE_LATENT], w[2];
    tt_ok(m->get(m, latent, z, TT_PRACTICE_LATENT, &err), &err);
    tt_ok(m->get(m, conditions[0], &w[0], 1, &err), &err);
    tt_ok(m->get(m, conditions[1], &w[1], 1, &err), &err);
    ck_assert_float_eq(w[0], 0.25f);
    ck_assert(w[1] >= 0.26f && w[1] <= 0.34f);
    tt_predict r[2] = {{latent, conditions[0], 450, TT_WANT_LOSS, 5, {"eps", 450, 0}, false},
                       {latent, conditions[0], 450, TT_WANT_PREDICTION, 5, {NULL, -1, 0}, false}};
    tt_prediction p[2];
    tt_ok(m->predict(m, 2, r, p, &err), &err);
    float eps[TT_PRACTICE_LATENT];
    tt_ok(m->get(m, p[1].prediction, eps, TT_PRACTICE_LATENT, &err), &err);
    for (size_t i = 0; i < TT_PRACTICE_LATENT; i++) /* one rounding to f32 */
        ck_assert_double_eq_tol((double)eps[i], 0.25 * (double)z[i] + 0.045, 1e-6);
    ck_assert(isfinite(p[0].loss) && isnan(p[1].loss));
    /* the tabled value of the grey-box specification, 1.1 */
    ck_assert_double_eq_tol(m->info.alpha_bar[450], 0.34704471, 1e-8);
    ck_assert_double_eq_tol(m->info.alpha_bar_f32[450], m->info.alpha_bar[450],
                            2e-6); /* 450 roundings of 6e-8, at random */
    ck_assert_uint_eq(tt_practice_model_meter(m)->predictions, 2);
    tt_practice_model_destroy(m);
}
END_TEST

START_TEST(the_practice_model_refuses_wrong_handles_and_what_was_not_granted)
{
    tt_model *m = tt_practice_model_create("target", TT_CAP_ENCODE, 1);
    tt_encode encode = {5, {"vae", -1, 0}};
    tt_handle latent, image;
    tt_ok(m->encode(m, 1, &encode, &latent, &err), &err);
    tt_fails(m->decode(m, 1, &latent, &image, &err), TT_ERR_REFUSED, "decode", &err);
    ck_assert_str_eq(tt_practice_model_meter(m)->not_granted, "decode");
    tt_ok(m->release(m, 1, &latent, &err), &err);
    tt_fails(m->release(m, 1, &latent, &err), TT_ERR_INVALID, "no handle", &err);
    float z[TT_PRACTICE_LATENT];
    tt_fails(m->get(m, latent, z, TT_PRACTICE_LATENT, &err), TT_ERR_INVALID, "no handle", &err);
    ck_assert_uint_eq(tt_practice_model_meter(m)->live_handles, 0);
    tt_practice_model_destroy(m);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("plugin check");
    TCase *tc = tcase_create("plugin check");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, a_sound_plugin_has_no_fault);
    tcase_add_test(tc, the_attacks_that_come_along_have_no_fault);
    tcase_add_test(tc, a_crash_a_hang_and_an_exit_are_told_apart_and_placed);
    tcase_add_test(tc, what_cannot_be_loaded_says_why);
    tcase_add_test(tc, breaches_of_the_contract_are_found);
    tcase_add_test(tc, parameters_can_be_given_and_are_checked);
    tcase_add_test(tc, the_practice_model_gives_the_loss_that_its_noise_and_weights_define);
    tcase_add_test(tc, the_practice_model_refuses_wrong_handles_and_what_was_not_granted);
    suite_add_tcase(suite, tc);
    return suite;
}
