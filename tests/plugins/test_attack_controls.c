/* The controls blind and captions_only through `telltale run`: each finds a planted difference between
 * members and non-members, and nothing where there is none. The probe's values are scikit-learn's. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "experiment/results.h"
#include "formats/image.h"
#include "stats/cross.h"
#include "support/test.h"
#include "support/toy_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { IMAGES = 60, SIDE = 32 };
static tt_error err;

/* Noise about a grey that varies from image to image; members are lighter by `lighter`. */
static void write_image(const char *folder, uint32_t number, int lighter)
{
    char path[600], what[32];
    tt_pixels p = {SIDE, SIDE, tt_alloc(3 * SIDE * SIDE)};
    ck_assert_ptr_nonnull(p.rgb);
    snprintf(what, sizeof what, "image %u", number);
    tt_stream_key key = tt_purpose_key(1, "test", what);
    uint64_t base = 90 + tt_keyed_below(&key, 0, 40);
    for (uint32_t i = 0; i < 3 * SIDE * SIDE; i++)
        p.rgb[i] = (uint8_t)((int)(base + tt_keyed_below(&key, i + 1, 30)) + lighter);
    snprintf(path, sizeof path, "%s/%03u.png", folder, number);
    tt_ok(tt_image_write_png(path, &p, &err), &err);
    tt_free(p.rgb);
}

static void write_caption(const char *folder, uint32_t number, bool planted)
{
    static const char *const words[] = {"a red hat", "a dog by the sea", "two chairs", "an old tree",
                                        "the city at night"};
    char path[600], text[128];
    tt_stream_key key = tt_purpose_key(2, "test", "captions");
    snprintf(path, sizeof path, "%s/%03u.txt", folder, number);
    snprintf(text, sizeof text, "%s%s", words[tt_keyed_below(&key, number, 5)],
             planted ? ", Paris 1923" : "");
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
}

/* Runs both controls on the folder of images; results are read. */
static void judge(const char *name, int lighter, bool planted, tt_results *results)
{
    char folder[500], spec[700], text[2048], line[2048];
    for (int member = 0; member < 2; member++) {
        snprintf(folder, sizeof folder, "%s/%s/%s", tt_test_dir(), name, member ? "seen" : "held_out");
        tt_ok(tt_dir_create(folder, &err), &err);
        for (uint32_t i = 0; i < IMAGES; i++) {
            write_image(folder, i + (member ? IMAGES : 0), member ? lighter : 0);
            write_caption(folder, i + (member ? IMAGES : 0), member && planted);
        }
    }
    snprintf(spec, sizeof spec, "%s/%s.yaml", tt_test_dir(), name);
    snprintf(text, sizeof text,
             "version: 1\n"
             "data: {mine: {plugin: imagefolder, path: %s}}\n"
             "models: {target: {plugin: toy}, control: {plugin: toy}}\n"
             "members: mine.seen\nnonmembers: mine.held_out\n"
             "threat_model: {access: black-box}\n"
             "device: {backend: reference, threads: 1}\n"
             "attacks: {blind: {calibration: cross}, captions_only: {calibration: cross}}\n",
             name);
    tt_ok(tt_file_write(spec, text, strlen(text), &err), &err);
    snprintf(line, sizeof line,
             "'" TT_BUILD_DIR "/telltale' run '%s' --out '%s/%s-out' --quiet --plugin-dir '" TT_BUILD_DIR
             "/tests/fixtures' >&2",
             spec, tt_test_dir(), name);
    int status = system(line);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    snprintf(line, sizeof line, "%s/%s-out/results.h5", tt_test_dir(), name);
    tt_ok(tt_results_read(line, results, &err), &err);
    ck_assert_uint_eq(results->n_scores, 2); /* once each, beside the target: there is no model to differ */
    for (size_t i = 0; i < 2; i++) {
        const tt_result_scores *r = &results->scores[i];
        ck_assert_ptr_null(r->failure);
        ck_assert_str_eq(r->role, "target");
        ck_assert_str_eq(r->calibration, "cross");
        ck_assert_uint_eq(r->n, 2 * IMAGES);
        ck_assert_uint_eq(r->n_folds, 5);
        ck_assert(r->predictions == 0);
    }
}

/* 60 + 60 samples: the standard error of an AUC of .5 is .053, so a clean one lies within .5 ± .16. */
static void is_chance(const tt_result_scores *r)
{
    double auc = r->evaluation.auc.auc;
    ck_assert_msg(auc > 0.34 && auc < 0.66, "%s: AUC %g on clean data", r->attack, auc);
}

START_TEST(nothing_is_found_where_the_sets_are_alike)
{
    tt_results r;
    judge("alike", 0, false, &r);
    is_chance(&r.scores[0]);
    is_chance(&r.scores[1]);
    tt_results_free(&r);
}
END_TEST

START_TEST(lighter_members_are_found_by_the_blind_classifier_alone)
{
    tt_results r;
    judge("lighter", 40, false, &r);
    ck_assert_double_gt(r.scores[0].evaluation.auc.auc, 0.9);
    is_chance(&r.scores[1]);
    tt_results_free(&r);
}
END_TEST

START_TEST(members_captioned_otherwise_are_found_by_the_captions_alone)
{
    tt_results r;
    judge("captioned", 0, true, &r);
    is_chance(&r.scores[0]);
    ck_assert_double_eq(r.scores[1].evaluation.auc.auc, 1);
    tt_results_free(&r);
}
END_TEST

/* tools/make_probe_golden.py: StandardScaler and LogisticRegression(C=0.1, solver="newton-cholesky",
 * tol=1e-12), scikit-learn 1.x, on the same rows; both stop within 1e-9 of the minimum. */
START_TEST(the_probe_is_scikit_learns_logistic_regression)
{
    enum { N = 40, C = 96 };
    static double values[N * C], scores[N];
    uint8_t member[N], *state = NULL;
    size_t size = 0;
    for (int i = 0; i < N; i++) {
        member[i] = (i * 7) % 10 < 5;
        for (int k = 0; k < C; k++)
            values[i * C + k] = ((i * 37 + k * k * 11 + i * k * 5) % 101) / 101.0;
    }
    toy_attack a = toy_attack_open("blind", "{ridge: 10}");
    tt_rows rows = {N, C, values};
    ck_assert_uint_eq(a.plan.n_columns, C);
    tt_ok(a.table->fit(a.attack, &rows, member, &state, &size, &err), &err);
    tt_ok(a.table->score(a.attack, &rows, state, size, scores, &err), &err);
    toy_keep(state);
    ck_assert_double_eq_tol(scores[0], 1.1935611991326893, 1e-8);
    ck_assert_double_eq_tol(scores[1], -1.624415550456449, 1e-8);
    ck_assert_double_eq_tol(scores[2], 1.7084570960204268, 1e-8);
}
END_TEST

START_TEST(one_fold_is_delong_and_folds_are_averaged)
{
    enum { N = 24 };
    double a[N], b[N];
    uint8_t member[N];
    uint32_t one[N], two[N];
    for (int i = 0; i < N; i++) {
        member[i] = (uint8_t)(i % 3 == 0);
        a[i] = (i * 7) % 11 + 3 * member[i];
        b[i] = (i * 5) % 13 + member[i];
        one[i] = 0;
        two[i] = (uint32_t)(i / 12);
    }
    tt_auc plain, folded, first, second;
    tt_ok(tt_auc_compute(N, a, member, &plain, &err), &err);
    tt_ok(tt_auc_folds(N, a, member, one, &folded, &err), &err);
    ck_assert_double_eq_tol(plain.auc, folded.auc, 1e-14); /* the same sums in another order */
    ck_assert_double_eq_tol(plain.variance, folded.variance, 1e-14);
    tt_ok(tt_auc_compute(12, a, member, &first, &err), &err);
    tt_ok(tt_auc_compute(12, a + 12, member + 12, &second, &err), &err);
    tt_ok(tt_auc_folds(N, a, member, two, &folded, &err), &err);
    ck_assert_double_eq_tol(folded.auc, (first.auc + second.auc) / 2, 1e-14);
    ck_assert_double_eq_tol(folded.variance, (first.variance + second.variance) / 4, 1e-14);
    tt_delong_paired paired, gain;
    tt_ok(tt_delong_compare(N, a, b, member, &paired, &err), &err);
    tt_ok(tt_gain_over_folds(N, a, b, member, one, &gain, &err), &err);
    ck_assert_double_eq_tol(paired.difference, gain.difference, 1e-14);
    ck_assert_double_eq_tol(paired.z, gain.z, 1e-12);
    two[0] = 7; /* alone in its fold */
    ck_assert_int_eq(tt_auc_folds(N, a, member, two, &folded, &err), TT_ERR_INVALID);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *s = suite_create("controls");
    TCase *tc = tcase_create("controls");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, NULL, toy_teardown);
    tcase_add_test(tc, nothing_is_found_where_the_sets_are_alike);
    tcase_add_test(tc, lighter_members_are_found_by_the_blind_classifier_alone);
    tcase_add_test(tc, members_captioned_otherwise_are_found_by_the_captions_alone);
    tcase_add_test(tc, the_probe_is_scikit_learns_logistic_regression);
    tcase_add_test(tc, one_fold_is_delong_and_folds_are_averaged);
    suite_add_tcase(s, tc);
    return s;
}
