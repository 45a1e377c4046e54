/* results.h5: written, read back, damaged; the metrics it holds. */
#include "base/file.h"
#include "base/mem.h"
#include "experiment/results.h"
#include "formats/hdf5.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 40 };
static tt_error err;
static char path[512];
static double scores_a[N], scores_b[N], values[2 * N];
static uint8_t member[N];
static uint32_t sample[N];
static tt_result_sample samples[N];
static tt_result_model model = {"target", "toy", "00ff", "here", 3};
static const char *const columns[] = {"L", "D"};
static tt_result_features features;
static tt_result_scores scores[3];
static tt_results results;

static void setup(void)
{
    err = (tt_error){0};
    snprintf(path, sizeof path, "%s/results.h5", tt_test_dir());
    for (uint32_t i = 0; i < N; i++) {
        member[i] = i % 2;
        sample[i] = N - 1 - i;
        scores_a[i] = (double)(i * 37 % 41) + (member[i] ? 12.5 : 0);
        scores_b[i] = (double)(i * 29 % 43);
        values[2 * i] = scores_a[i] / 3;
        values[2 * i + 1] = -scores_b[i];
        samples[i] = (tt_result_sample){"faces", i < 20 ? "seen" : "held_out", "x/1",
                                        i % 3 ? "a caption \xc3\xa9" : NULL, tt_sha256_of(&i, sizeof i)};
    }
    features = (tt_result_features){
        "loss", "target", "abc", columns, 2, N, sample, values, {N, N, 0, 1, 0, 2, 3, 0}, 0};
    const tt_result_scores base = {.role = "target",
                                   .plugin = "loss",
                                   .revision = 2,
                                   .params = "{}",
                                   .calibration = "none",
                                   .fitted = "",
                                   .predictions = 1.5,
                                   .n = N,
                                   .sample = sample,
                                   .member = member};
    scores[0] = scores[1] = scores[2] = base;
    scores[0].attack = "zeta"; /* the order of the spec is kept, not that of names */
    scores[0].scores = scores_a;
    scores[0].calibration = "shadow";
    scores[0].n_calibration = N;
    scores[0].calibration_scores = scores_b;
    scores[0].calibration_member = member;
    scores[1].attack = "loss";
    scores[1].scores = scores_b;
    scores[2].attack = "rogue";
    scores[2].failure = "it broke";
    results = (tt_results){.spec = "{\"version\":1}",
                           .version = "0.1",
                           .seed = 9,
                           .samples = samples,
                           .n_samples = N,
                           .models = &model,
                           .n_models = 1,
                           .features = &features,
                           .n_features = 1,
                           .scores = scores,
                           .n_scores = 3};
    tt_ok(tt_result_evaluate(&scores[0], 9, &err), &err);
    tt_ok(tt_result_evaluate(&scores[1], 9, &err), &err);
    tt_ok(tt_results_compare(&results, &err), &err);
}

static void teardown(void)
{
    tt_free(scores[0].roc);
    tt_free(scores[1].roc);
    tt_free(results.comparisons);
}

START_TEST(what_is_written_is_read_back)
{
    tt_results back;
    tt_ok(tt_results_write(&results, path, &err), &err);
    tt_ok(tt_results_read(path, &back, &err), &err);
    ck_assert_str_eq(back.spec, results.spec);
    ck_assert_uint_eq(back.seed, 9);
    ck_assert_uint_eq(back.n_samples, N);
    ck_assert_ptr_null(back.samples[0].caption);
    ck_assert_str_eq(back.samples[1].caption, "a caption \xc3\xa9");
    ck_assert_mem_eq(&back.samples[5].digest, &samples[5].digest, 32);
    ck_assert_str_eq(back.models[0].environment, "here");
    ck_assert_uint_eq(back.features[0].n_columns, 2);
    ck_assert_str_eq(back.features[0].columns[1], "D");
    ck_assert_mem_eq(back.features[0].values, values, sizeof values);
    ck_assert_uint_eq(back.features[0].attributed.texts, 1);
    ck_assert_uint_eq(back.n_scores, 3);
    ck_assert_str_eq(back.scores[0].attack, "zeta");
    ck_assert_str_eq(back.scores[2].failure, "it broke");
    ck_assert_mem_eq(back.scores[0].scores, scores_a, sizeof scores_a);
    ck_assert_double_eq(back.scores[0].evaluation.auc.auc, scores[0].evaluation.auc.auc);
    ck_assert_double_eq(back.scores[0].asr_fitted.low, scores[0].asr_fitted.low);
    ck_assert(!back.scores[1].has_threshold);
    ck_assert_uint_eq(back.n_comparisons, 1);
    ck_assert_double_eq(back.comparisons[0].delong.z, results.comparisons[0].delong.z);
    tt_buf a = {0}, b = {0};
    ck_assert(tt_results_table(&results, NULL, &a) && tt_results_table(&back, NULL, &b));
    ck_assert_str_eq(a.data, b.data);
    tt_buf_free(&a);
    tt_buf_free(&b);
    tt_results_free(&back);
}
END_TEST

START_TEST(heat_maps_are_read_back_and_refused_where_their_lists_do_not_fit)
{
    static const uint32_t of[2] = {3, 7}, words[3] = {0, 2, 3};
    static const char *const word[3] = {"red", "hat", "beard"};
    static const double weight[3] = {1, 2, 3}, peak[3] = {0.5, 0.25, 4};
    static const uint8_t map[12] = {0, 255, 3, 4, 255, 6, 7, 8, 9, 10, 255, 12};
    tt_result_heat_maps maps = {"word_importance", "words", 2, 2, of, words, word, weight, peak, map};
    tt_results back;
    results.heat_maps = &maps;
    results.n_heat_maps = 1;
    tt_ok(tt_results_write(&results, path, &err), &err);
    tt_ok(tt_results_read(path, &back, &err), &err);
    ck_assert_uint_eq(back.n_heat_maps, 1);
    const tt_result_heat_maps *m = back.heat_maps;
    ck_assert_str_eq(m->service, "word_importance");
    ck_assert_str_eq(m->plugin, "words");
    ck_assert_uint_eq(m->side, 2);
    ck_assert_uint_eq(m->n, 2);
    ck_assert_mem_eq(m->sample, of, sizeof of);
    ck_assert_mem_eq(m->first, words, sizeof words);
    ck_assert_str_eq(m->word[2], "beard");
    ck_assert_mem_eq(m->weight, weight, sizeof weight);
    ck_assert_mem_eq(m->peak, peak, sizeof peak);
    ck_assert_mem_eq(m->map, map, sizeof map);
    tt_results_free(&back);
    static const uint32_t beyond[2] = {3, N}, falling[3] = {0, 3, 2};
    for (int i = 0; i < 3; i++) {
        tt_result_heat_maps bad = maps;
        if (i == 0) bad.sample = beyond;
        if (i == 1) bad.first = falling;
        if (i == 2) bad.side = 17;
        results.heat_maps = &bad;
        static const uint8_t large[3 * 17 * 17];
        if (i == 2) bad.map = large;
        tt_ok(tt_results_write(&results, path, &err), &err);
        tt_fails(tt_results_read(path, &back, &err), TT_ERR_FORMAT, "/heat_maps/word_importance", &err);
    }
    results.n_heat_maps = 0;
}
END_TEST

START_TEST(the_statistics_behind_the_table_are_read_back_to_the_bit)
{
    tt_results back;
    tt_ok(tt_results_write(&results, path, &err), &err);
    tt_ok(tt_results_read(path, &back, &err), &err);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(scores[i].has_inference && back.scores[i].has_inference);
        tt_buf a = {0}, b = {0};
        ck_assert_mem_eq(&back.scores[i].inference.set, &scores[i].inference.set, sizeof(tt_set_test));
        ck_assert_uint_eq(back.scores[i].inference.n_variants, scores[i].inference.n_variants);
        ck_assert(tt_results_json(&results, NULL, NULL, 3, &a) && tt_results_json(&back, NULL, NULL, 3, &b));
        ck_assert_str_eq(a.data, b.data);
        a.size = b.size = 0;
        ck_assert(tt_results_details(&results, 3, &a) && tt_results_details(&back, 3, &b));
        ck_assert_str_eq(a.data, b.data);
        tt_buf_free(&a);
        tt_buf_free(&b);
    }
    ck_assert_double_eq(back.comparisons[0].p_holm, results.comparisons[0].delong.p); /* one test */
    tt_results_free(&back);
}
END_TEST

START_TEST(precision_is_given_at_a_fitted_threshold_alone)
{
    const tt_inference *fitted = &scores[0].inference, *none = &scores[1].inference;
    for (int k = 0; k < TT_PRECISIONS; k++) {
        ck_assert(!isnan(fitted->precision[k].precision));
        ck_assert(isnan(none->precision[k].precision));
    }
    ck_assert(!none->partial[1].resolvable && isnan(none->partial[1].area)); /* 1 % of 20 non-members */
}
END_TEST

START_TEST(holm_counts_the_comparisons_of_each_role_apart)
{
    tt_result_scores four[4] = {scores[0], scores[1], scores[0], scores[1]};
    four[2].attack = "third";
    four[2].scores = values; /* any other numbers */
    four[3].role = "control";
    tt_results r = results;
    r.scores = four;
    r.n_scores = 4;
    r.comparisons = NULL;
    tt_ok(tt_results_compare(&r, &err), &err);
    ck_assert_uint_eq(r.n_comparisons, 3); /* pairs of the three on target; control has one attack */
    double p[3], adjusted[3];
    for (int i = 0; i < 3; i++)
        p[i] = r.comparisons[i].delong.p;
    tt_holm(3, p, adjusted);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(r.comparisons[i].p_holm, adjusted[i]);
    tt_free(r.comparisons);
}
END_TEST

static char *bytes(size_t *size)
{
    char *data;
    tt_ok(tt_file_read(path, (size_t)1 << 26, &data, size, &err), &err);
    return data;
}

START_TEST(the_same_results_are_the_same_bytes)
{
    size_t n, m;
    tt_ok(tt_results_write(&results, path, &err), &err);
    char *first = bytes(&n);
    sleep(1); /* a time in the file would show */
    tt_ok(tt_results_write(&results, path, &err), &err);
    char *second = bytes(&m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(first, second, n);
    tt_free(first);
    tt_free(second);
}
END_TEST

/* Cut off, as copies are that were broken off. (Flipped bits are libhdf5's to find: 1.10 follows some of them
 * astray, so results of strangers deserve the caution of any HDF5 file.) */
START_TEST(a_file_that_is_cut_off_is_an_error)
{
    size_t n;
    tt_ok(tt_results_write(&results, path, &err), &err);
    char *data = bytes(&n);
    for (size_t cut = 0; cut < n; cut += n / 40 + 1) {
        tt_results back;
        tt_ok(tt_file_write(path, data, cut, &err), &err);
        ck_assert_int_ne(tt_results_read(path, &back, &err), TT_OK);
        ck_assert_msg(strstr(err.message, "results.h5") != NULL, "%s", err.message);
    }
    tt_free(data);
}
END_TEST

START_TEST(other_hdf5_files_and_newer_versions_are_refused)
{
    tt_results back;
    tt_fails(tt_results_read("/nowhere/results.h5", &back, &err), TT_ERR_NOT_FOUND, "no such file", &err);
    tt_hdf5_writer *w = tt_hdf5_create();
    tt_ok(tt_hdf5_write(w, path, &err), &err);
    tt_fails(tt_results_read(path, &back, &err), TT_ERR_FORMAT, "no results of telltale", &err);
    w = tt_hdf5_create();
    tt_hdf5_set_u64(w, "/", "schema_version", 99);
    tt_ok(tt_hdf5_write(w, path, &err), &err);
    tt_fails(tt_results_read(path, &back, &err), TT_ERR_UNSUPPORTED, "schema version 99", &err);
    w = tt_hdf5_create();
    tt_hdf5_set_u64(w, "/absent", "x", 1);
    tt_hdf5_group(w, "/later");
    tt_fails(tt_hdf5_write(w, path, &err), TT_ERR_INTERNAL, "/absent", &err);
    w = tt_hdf5_create();
    tt_fails(tt_hdf5_write(w, "/nowhere/x.h5", &err), TT_ERR_IO, "/nowhere", &err);
}
END_TEST

START_TEST(the_fitted_threshold_is_the_best_on_the_calibration_and_its_interval_holds_the_accuracy)
{
    tt_accuracy best;
    tt_ok(tt_best_accuracy(N, scores_b, member, &best, &err), &err);
    ck_assert_double_eq(scores[0].threshold, best.threshold);
    ck_assert(scores[0].asr_fitted.low <= scores[0].asr.accuracy);
    ck_assert(scores[0].asr_fitted.high >= scores[0].asr.accuracy);
    /* choosing the threshold anew widens the interval */
    tt_interval own;
    tt_ok(tt_accuracy_refitted(N, scores_a, member, N, scores_a, member, 1, &own, &err), &err);
    ck_assert(own.low < own.high && own.low > 0.3 && own.high <= 1);
    tt_interval again;
    tt_ok(tt_accuracy_refitted(N, scores_a, member, N, scores_a, member, 1, &again, &err), &err);
    ck_assert_double_eq(own.low, again.low);
    scores_a[3] = (double)NAN;
    tt_fails(tt_accuracy_refitted(N, scores_a, member, N, scores_b, member, 1, &own, &err), TT_ERR_INVALID,
             "score or label 3", &err);
}
END_TEST

START_TEST(rates_beside_the_usual_ones_are_read_back_and_have_columns_of_their_own)
{
    tt_results back;
    for (size_t i = 0; i < 2; i++) {
        tt_free(scores[i].roc);
        scores[i].fprs[0] = 0.25;
        scores[i].n_fprs = 1;
        tt_ok(tt_result_evaluate(&scores[i], 9, &err), &err);
        ck_assert_uint_eq(scores[i].evaluation.n_tprs, 4);
        tt_tpr one;
        tt_ok(tt_tpr_at_fpr(N, scores[i].scores, member, 0.25, 9, &one, &err), &err);
        ck_assert_double_eq(scores[i].evaluation.tpr[3].tpr, one.tpr);
        ck_assert_double_eq(scores[i].evaluation.tpr[3].bootstrap.low, one.bootstrap.low);
    }
    tt_ok(tt_results_write(&results, path, &err), &err);
    tt_ok(tt_results_read(path, &back, &err), &err);
    tt_buf a = {0}, b = {0};
    ck_assert(tt_results_table(&results, NULL, &a) && tt_results_table(&back, NULL, &b));
    ck_assert_str_eq(a.data, b.data);
    ck_assert_ptr_nonnull(strstr(a.data, "TPR@25%FPR"));
    ck_assert_uint_eq(back.scores[0].n_fprs, 1);
    ck_assert_double_eq(back.scores[0].fprs[0], 0.25);
    tt_buf_free(&a);
    tt_buf_free(&b);
    tt_results_free(&back);
}
END_TEST

START_TEST(no_threshold_is_fitted_on_a_calibration_that_is_too_small)
{
    uint8_t labels[N] = {1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    tt_free(scores[0].roc);
    scores[0].calibration_member = labels;
    scores[0].n_calibration = 10;
    scores[0].has_threshold = false;
    tt_ok(tt_result_evaluate(&scores[0], 9, &err), &err);
    ck_assert(tt_result_too_few(&scores[0]) && !scores[0].has_threshold);
    tt_buf table = {0}, json = {0};
    ck_assert(tt_results_table(&results, NULL, &table) && tt_results_json(&results, NULL, NULL, 0, &json));
    ck_assert_ptr_nonnull(strstr(table.data, "ASR of zeta on target is not resolvable: a threshold needs 4"));
    ck_assert_ptr_nonnull(strstr(json.data, "\"asr\": null"));
    tt_buf_free(&table);
    tt_buf_free(&json);
    labels[3] = 1; /* four of each */
    tt_free(scores[0].roc);
    tt_ok(tt_result_evaluate(&scores[0], 9, &err), &err);
    ck_assert(scores[0].has_threshold);
}
END_TEST

START_TEST(run_json_is_read_back_and_its_absence_of_sense_is_an_error)
{
    char file[512];
    snprintf(file, sizeof file, "%s/run.json", tt_test_dir());
    tt_run_step step = {"loss", "target", {7, 6, 5, 4, 3, 2, 1, 1250000001}, 1.25, 2500000000};
    tt_run_info info = {.build = "0.1",
                        .host_name = "a \"host\"",
                        .landlock = 4,
                        .currency = "EUR",
                        .seconds = 12.5,
                        .resumed = 2,
                        .steps = &step,
                        .n_steps = 1},
                back;
    char text[96];
    tt_ok(tt_run_info_write(&info, file, &err), &err);
    tt_ok(tt_run_info_read(file, &back, &err), &err);
    ck_assert_str_eq(back.host_name, "a \"host\"");
    ck_assert_uint_eq(back.steps[0].executed.images, 3);
    ck_assert_double_eq(back.steps[0].seconds, 1.25);
    ck_assert_uint_eq(back.resumed, 2);
    ck_assert_uint_eq(back.steps[0].executed.money, 1250000001);
    ck_assert_str_eq(tt_run_money(&back, text), "money: 1.2500 EUR (2.5000 without sharing)");
    ck_assert_str_eq(tt_run_confinement(&back, text), "workers confined by Landlock (ABI 4)");
    tt_run_info_free(&back);
    tt_ok(tt_file_write(file, "[]", 2, &err), &err);
    tt_fails(tt_run_info_read(file, &back, &err), TT_ERR_FORMAT, "no run.json", &err);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("results");
    TCase *tc = tcase_create("results");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, heat_maps_are_read_back_and_refused_where_their_lists_do_not_fit);
    tcase_add_test(tc, the_statistics_behind_the_table_are_read_back_to_the_bit);
    tcase_add_test(tc, precision_is_given_at_a_fitted_threshold_alone);
    tcase_add_test(tc, holm_counts_the_comparisons_of_each_role_apart);
    tcase_add_test(tc, the_same_results_are_the_same_bytes);
    tcase_add_test(tc, a_file_that_is_cut_off_is_an_error);
    tcase_add_test(tc, other_hdf5_files_and_newer_versions_are_refused);
    tcase_add_test(tc,
                   the_fitted_threshold_is_the_best_on_the_calibration_and_its_interval_holds_the_accuracy);
    tcase_add_test(tc, rates_beside_the_usual_ones_are_read_back_and_have_columns_of_their_own);
    tcase_add_test(tc, no_threshold_is_fitted_on_a_calibration_that_is_too_small);
    tcase_add_test(tc, run_json_is_read_back_and_its_absence_of_sense_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
