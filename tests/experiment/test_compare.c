/* Runs against each other, and runs for other programs. */
#include "base/file.h"
#include "experiment/compare.h"
#include "experiment/export.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 60 };
static tt_error err;
static double strong[N], weak[N];
static uint8_t member[2][N];
static uint32_t forward[N], backward[N];
static tt_result_sample samples[N], others[N];
static tt_result_scores scores[4];
static tt_results a, b;

static tt_result_scores scored(const char *attack, const double *values, const uint8_t *labels,
                               const uint32_t *at)
{
    return (tt_result_scores){.attack = attack,
                              .role = "target",
                              .plugin = "loss",
                              .params = "{}",
                              .calibration = "none",
                              .fitted = "",
                              .n = N,
                              .sample = at,
                              .member = labels,
                              .scores = values};
}

static void setup(void)
{
    err = (tt_error){0};
    for (uint32_t i = 0; i < N; i++) {
        uint32_t other = i + 1000;
        member[0][i] = i % 2;
        member[1][i] = !(i % 2); /* of row i when the rows run backwards: N is even */
        forward[i] = i;
        backward[i] = N - 1 - i;
        strong[i] = (double)(i * 37 % 41) + (i % 2 ? 25 : 0);
        weak[i] = (double)(i * 29 % 43);
        samples[i] =
            (tt_result_sample){"faces", "seen", "x,\"1\"", "caf\xc3\xa9", tt_sha256_of(&i, sizeof i)};
        others[i] = (tt_result_sample){"more", "seen", "y", NULL, tt_sha256_of(&other, sizeof other)};
    }
    scores[0] = scored("clid", strong, member[0], forward);
    scores[1] = scored("clid", weak, member[1], backward);
    a = (tt_results){.spec = "{}",
                     .version = "0",
                     .seed = 3,
                     .samples = samples,
                     .n_samples = N,
                     .scores = &scores[0],
                     .n_scores = 1};
    b = a;
    b.scores = &scores[1];
    for (int i = 0; i < 2; i++)
        tt_ok(tt_auc_compute(N, scores[i].scores, scores[i].member, &scores[i].evaluation.auc, &err), &err);
}

START_TEST(samples_are_matched_by_content_in_whatever_order_they_stand)
{
    double reversed[N];
    for (int i = 0; i < N; i++)
        reversed[i] = weak[N - 1 - i]; /* of sample i */
    tt_delong_paired expected;
    tt_ok(tt_delong_compare(N, strong, reversed, member[0], &expected, &err), &err);
    tt_comparison c;
    tt_ok(tt_compare_runs(&a, &b, &c, &err), &err);
    ck_assert_uint_eq(c.n, 1);
    ck_assert(c.pairs[0].paired);
    ck_assert_uint_eq(c.pairs[0].common, N);
    ck_assert_double_eq_tol(c.pairs[0].z, expected.z, 1e-12);
    ck_assert_double_eq_tol(c.pairs[0].p_holm, expected.p, 1e-15);
    ck_assert_double_lt(c.pairs[0].p, 0.05);
    tt_buf out = {0};
    ck_assert(tt_comparison_text(&c, "one", "two", &out));
    ck_assert_ptr_nonnull(strstr(out.data, "by Holm: significant"));
    tt_buf_free(&out);
    tt_comparison_free(&c);
}
END_TEST

START_TEST(runs_without_a_common_sample_are_independent)
{
    b.samples = others;
    tt_comparison c;
    tt_ok(tt_compare_runs(&a, &b, &c, &err), &err);
    ck_assert(!c.pairs[0].paired && !c.pairs[0].failure);
    double sd = sqrt(scores[0].evaluation.auc.variance + scores[1].evaluation.auc.variance);
    ck_assert_double_eq_tol(c.pairs[0].z, (scores[0].evaluation.auc.auc - scores[1].evaluation.auc.auc) / sd,
                            1e-12);
    tt_comparison_free(&c);
}
END_TEST

START_TEST(a_contradiction_is_said_and_not_computed)
{
    scores[1].member = member[0]; /* backwards, so every image changes sides */
    tt_comparison c;
    tt_ok(tt_compare_runs(&a, &b, &c, &err), &err);
    ck_assert_ptr_nonnull(strstr(c.pairs[0].failure, "a member in one run"));
    tt_buf out = {0};
    ck_assert(tt_comparison_json(&c, &out));
    ck_assert_ptr_nonnull(strstr(out.data, "\"failure\""));
    tt_buf_free(&out);
    tt_comparison_free(&c);
    scores[1].role = "control";
    ck_assert_int_eq(tt_compare_runs(&a, &b, &c, &err), TT_ERR_INVALID);
}
END_TEST

START_TEST(attacks_of_other_names_are_compared_where_no_name_is_in_both)
{
    scores[2] = scored("loss", weak, member[0], forward);
    scores[3] = scored("pia", strong, member[0], forward);
    b.scores = &scores[2];
    b.n_scores = 2;
    tt_comparison c;
    tt_ok(tt_compare_runs(&a, &b, &c, &err), &err);
    ck_assert_uint_eq(c.n, 2);
    ck_assert_double_eq(c.pairs[1].difference, 0);
    ck_assert_double_ge(c.pairs[0].p_holm, c.pairs[0].p);
    tt_comparison_free(&c);
}
END_TEST

START_TEST(the_difference_of_tprs_needs_enough_non_members)
{
    tt_tpr_paired t;
    tt_ok(tt_tpr_compare(N, strong, weak, member[0], 0.01, 1, &t, &err), &err);
    ck_assert(!t.resolvable && isnan(t.difference));
    tt_ok(tt_tpr_compare(N, strong, weak, member[0], 0.1, 1, &t, &err), &err);
    tt_tpr alone;
    tt_ok(tt_tpr_at_fpr(N, strong, member[0], 0.1, 1, &alone, &err), &err);
    ck_assert_double_eq(t.tpr_a, alone.tpr);
    tt_ok(tt_tpr_at_fpr(N, weak, member[0], 0.1, 1, &alone, &err), &err);
    ck_assert_double_eq(t.tpr_b, alone.tpr);
    ck_assert(t.interval.low <= t.difference && t.difference <= t.interval.high);
    tt_ok(tt_tpr_compare(N, weak, weak, member[0], 0.1, 1, &t, &err), &err);
    ck_assert(t.interval.low == 0 && t.interval.high == 0); /* drawn together */
}
END_TEST

/* ---- export ---- */

static const char *path_of(const char *name)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), name);
    return path;
}

START_TEST(csv_holds_scores_to_the_last_digit)
{
    char *text;
    size_t size;
    tt_ok(tt_export_csv(&a, path_of("csv"), &err), &err);
    tt_ok(tt_file_read(path_of("csv/samples.csv"), 1 << 20, &text, &size, &err), &err);
    ck_assert_ptr_nonnull(strstr(text, "\n0,faces,seen,\"x,\"\"1\"\"\","));
    tt_free(text);
    tt_ok(tt_file_read(path_of("csv/scores.csv"), 1 << 20, &text, &size, &err), &err);
    ck_assert_int_eq(
        strncmp(text, "attack,model,sample,label,score\nclid,target,0,0,0\nclid,target,1,1,62\n", 69), 0);
    tt_free(text);
}
END_TEST

/* The member's data, found by its name: stored, so it lies there as it is. */
static const char *member_of(const char *zip, size_t size, const char *name)
{
    for (size_t i = 0; i + strlen(name) < size; i++)
        if (memcmp(zip + i, name, strlen(name)) == 0) {
            for (size_t k = i; k + 6 < size; k++)
                if (memcmp(zip + k, "\x93NUMPY", 6) == 0) return zip + k;
        }
    ck_abort_msg("no %s", name);
    return NULL;
}

START_TEST(npz_holds_numpys_arrays_and_is_repeatable)
{
    char *first, *second, path[800];
    size_t n, m;
    snprintf(path, sizeof path, "%s", path_of("run.npz"));
    tt_ok(tt_export_npz(&a, path, &err), &err);
    tt_ok(tt_file_read(path, 1 << 24, &first, &n, &err), &err);
    sleep(2); /* zip counts in steps of two seconds */
    tt_ok(tt_export_npz(&a, path, &err), &err);
    tt_ok(tt_file_read(path, 1 << 24, &second, &m, &err), &err);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(first, second, n);
    const unsigned char *array = (const unsigned char *)member_of(first, n, "scores.clid.target.score.npy");
    size_t header = array[8] + 256u * array[9];
    ck_assert_uint_eq((10 + header) % 64, 0);
    ck_assert_ptr_nonnull(
        strstr((const char *)array + 10, "'descr': '<f8', 'fortran_order': False, 'shape': (60,), }"));
    ck_assert_mem_eq(array + 10 + header, strong, sizeof strong);
    array = (const unsigned char *)member_of(first, n, "samples.caption.npy");
    ck_assert_ptr_nonnull(strstr((const char *)array + 10, "'<U4'"));
    tt_free(first);
    tt_free(second);
    ck_assert_int_ne(tt_export_npz(&a, "/nowhere/at/all.npz", &err), TT_OK);
    ck_assert(!tt_file_exists("/nowhere/at/all.npz.partial"));
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("compare");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, samples_are_matched_by_content_in_whatever_order_they_stand);
    tcase_add_test(cases, runs_without_a_common_sample_are_independent);
    tcase_add_test(cases, a_contradiction_is_said_and_not_computed);
    tcase_add_test(cases, attacks_of_other_names_are_compared_where_no_name_is_in_both);
    tcase_add_test(cases, the_difference_of_tprs_needs_enough_non_members);
    tcase_add_test(cases, csv_holds_scores_to_the_last_digit);
    tcase_add_test(cases, npz_holds_numpys_arrays_and_is_repeatable);
    suite_add_tcase(suite, cases);
    return suite;
}
