/* Resampling, several comparisons and runs, precision at prevalence, set-level tests, the papers' variants.
 * Numbers with many digits are SciPy's and scikit-learn's, printed by tools/make_stats_golden.py. */
#include "base/rng.h"
#include "stats/stats.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { N = 100, MANY = 600 };
static double scores[N], many[MANY];
static uint8_t member[N], many_member[MANY];
static tt_error err;

static void setup(void)
{
    err = (tt_error){0};
    for (int i = 0; i < N; i++) {
        member[i] = i < 40;
        scores[i] = ((i * 37) % 101) / 3 + 8 * member[i];
    }
    tt_stream_key key = tt_purpose_key(1, "test", "scores");
    float normals[MANY];
    tt_keyed_normals(&key, 0, normals, MANY);
    for (int i = 0; i < MANY; i++) {
        many_member[i] = i < MANY / 2;
        many[i] = (double)normals[i] + 0.5 * many_member[i];
    }
}

START_TEST(partial_auc_agrees_with_scikit_learn)
{
    tt_partial_auc p;
    tt_ok(tt_partial_auc_compute(N, scores, member, 0.1, 1, &p, &err), &err);
    ck_assert(p.resolvable);
    ck_assert_double_eq_tol(p.standardised, 0.62938596491228072, 1e-14);
    ck_assert(p.interval.low < p.standardised && p.standardised < p.interval.high);
    tt_ok(tt_partial_auc_compute(N, scores, member, 0.5, 1, &p, &err), &err);
    ck_assert_double_eq_tol(p.standardised, 0.65611111111111109, 1e-14);
    tt_auc whole;
    tt_ok(tt_auc_compute(N, scores, member, &whole, &err), &err);
    tt_ok(tt_partial_auc_compute(N, scores, member, 1, 1, &p, &err), &err);
    ck_assert_double_eq_tol(p.area, whole.auc, 1e-14);
    ck_assert_double_eq_tol(p.standardised, whole.auc, 1e-14);
}
END_TEST

START_TEST(a_partial_auc_that_the_non_members_cannot_carry_is_not_given)
{
    tt_partial_auc p;
    tt_ok(tt_partial_auc_compute(N, scores, member, 0.01, 1, &p, &err), &err);
    ck_assert(!p.resolvable && isnan(p.area) && isnan(p.interval.low));
    ck_assert_int_eq(tt_partial_auc_compute(N, scores, member, 0, 1, &p, &err), TT_ERR_INVALID);
}
END_TEST

/* Both intervals estimate the same spread: with 300 of each class they differ little. */
START_TEST(the_bootstrap_interval_of_the_auc_is_near_delongs_and_repeatable)
{
    tt_interval b, again;
    tt_auc a;
    tt_ok(tt_auc_bootstrap(MANY, many, many_member, 3, &b, &err), &err);
    tt_ok(tt_auc_bootstrap(MANY, many, many_member, 3, &again, &err), &err);
    ck_assert_mem_eq(&b, &again, sizeof b);
    tt_ok(tt_auc_compute(MANY, many, many_member, &a, &err), &err);
    double sd = sqrt(a.variance);
    ck_assert_double_eq_tol(b.low, a.plain.low, 0.3 * sd);
    ck_assert_double_eq_tol(b.high, a.plain.high, 0.3 * sd);
}
END_TEST

START_TEST(holm_steps_down)
{
    /* by hand: rising 0.01·4, 0.02·3, then the highest so far: 0.03·2 = 0.06, 0.5·1 */
    double p[] = {0.02, NAN, 0.5, 0.01, 0.03}, adjusted[5];
    tt_holm(5, p, adjusted);
    ck_assert_double_eq_tol(adjusted[3], 0.04, 1e-15);
    ck_assert_double_eq_tol(adjusted[0], 0.06, 1e-15);
    ck_assert_double_eq_tol(adjusted[4], 0.06, 1e-15);
    ck_assert_double_eq_tol(adjusted[2], 0.5, 1e-15);
    ck_assert(isnan(adjusted[1]));
    double equal[] = {0.4, 0.4, 0.4};
    tt_holm(3, equal, equal);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(equal[i], 1);
    tt_holm(0, p, adjusted);
}
END_TEST

START_TEST(levels_of_replication_are_kept_apart)
{
    /* training 0: splits with seeds {1, 3} and {5, 7}; training 1: one split, seeds {10, 14} */
    const tt_replicate values[] = {{0, 0, 0, 1}, {1, 0, 1, 14}, {0, 1, 0, 5},
                                   {0, 0, 1, 3}, {1, 0, 0, 10}, {0, 1, 1, 7}};
    tt_replication r;
    tt_ok(tt_replication_of(6, values, &r, &err), &err);
    ck_assert_double_eq_tol(r.mean, ((2.0 + 6) / 2 + 12) / 2, 1e-14);
    ck_assert_uint_eq(r.attacks.n, 6);
    ck_assert_uint_eq(r.attacks.groups, 3);
    ck_assert_double_eq_tol(r.attacks.sd, sqrt((2 + 2 + 8) / 3.0), 1e-14);
    ck_assert_uint_eq(r.splits.n, 3);
    ck_assert_uint_eq(r.splits.groups, 2);
    ck_assert_double_eq_tol(r.splits.sd, sqrt(8.0), 1e-14);
    ck_assert_uint_eq(r.trainings.n, 2);
    ck_assert_double_eq_tol(r.trainings.sd, sqrt(32.0), 1e-14);
    ck_assert_double_eq_tol(r.trainings.half_width_t, tt_student_quantile(0.975, 1) * 4, 1e-9);
    ck_assert_double_eq_tol(r.trainings.half_width_paper, 1.96 * 4 / sqrt(2.0), 1e-14);
    /* training 0 weighs 1/2 and so do its two splits; 3 degrees of the seeds, 1 of the splits */
    double seeds = (4.0 / 64 + 2.0 / 16), splits = 2.0 / 16 + 1.0 / 4;
    ck_assert_double_eq_tol(r.attacks.half_width_t, 3.182446305284263 * 2 * sqrt(seeds), 1e-9);
    ck_assert_double_eq_tol(r.attacks.half_width_paper, 1.96 * sqrt(12 / 6.0) / sqrt(6.0), 1e-14);
    ck_assert_double_eq_tol(r.splits.half_width_t, 12.706204736432095 * sqrt(8.0) * sqrt(splits), 1e-8);
    tt_ok(tt_replication_of(1, values, &r, &err), &err);
    ck_assert(isnan(r.attacks.sd) && isnan(r.trainings.half_width_t));
    ck_assert_int_eq(tt_replication_of(0, values, &r, &err), TT_ERR_INVALID);
}
END_TEST

START_TEST(replicates_of_equal_groups_are_never_pooled_as_if_independent)
{
    /* seeds agree and splits do not: eight values with the spread of two */
    tt_replicate values[8];
    for (uint32_t i = 0; i < 8; i++)
        values[i] = (tt_replicate){0, i / 4, i % 4, i < 4 ? 0.5 : 0.7};
    tt_replication r;
    tt_ok(tt_replication_of(8, values, &r, &err), &err);
    ck_assert_double_eq_tol(r.mean, 0.6, 1e-15);
    ck_assert_double_eq_tol(r.attacks.sd, 0, 1e-15);
    ck_assert_double_eq_tol(r.splits.sd, 0.2 / sqrt(2.0), 1e-15);
    ck_assert_double_eq_tol(r.splits.half_width_t, 12.706204736432095 * 0.1, 1e-9);
    ck_assert(isnan(r.trainings.sd));
    /* of one level alone it is what is said over seeds */
    const double seeds[3] = {0.4, 0.5, 0.9};
    tt_over_seeds o;
    tt_over_seeds_of(seeds, 3, &o);
    for (uint32_t i = 0; i < 3; i++)
        values[i] = (tt_replicate){0, 0, i, seeds[i]};
    tt_ok(tt_replication_of(3, values, &r, &err), &err);
    ck_assert_double_eq_tol(r.attacks.half_width_t, o.half_width_t, 1e-14);
    ck_assert_double_eq_tol(r.attacks.half_width_t, 4.302652729911275 * sqrt(0.07 / 3), 1e-9);
    ck_assert_double_eq_tol(r.attacks.half_width_paper, o.half_width_paper, 1e-14);
    ck_assert_double_eq_tol(r.attacks.sd, o.sd, 1e-14);
}
END_TEST

START_TEST(precision_falls_with_prevalence)
{
    tt_precision p;
    /* at 28: 13 of 40 members are above, 6 of 60 non-members */
    size_t above[2] = {0, 0};
    for (int i = 0; i < N; i++)
        above[member[i]] += scores[i] >= 28;
    double tpr = (double)above[1] / 40, fpr = (double)above[0] / 60, last = 1;
    for (double odds = 1; odds <= 100; odds *= 10) {
        tt_ok(tt_precision_at(N, scores, member, 28, odds, &p, &err), &err);
        ck_assert_double_eq_tol(p.precision, tpr / (tpr + odds * fpr), 1e-14);
        ck_assert(p.interval.low < p.precision && p.precision < p.interval.high && p.precision < last);
        last = p.precision;
    }
}
END_TEST

START_TEST(precision_without_a_false_positive_is_not_certain)
{
    const double clear[] = {5, 6, 7, 1, 2, 3};
    const uint8_t labels[] = {1, 1, 1, 0, 0, 0};
    tt_precision p;
    tt_ok(tt_precision_at(6, clear, labels, 4, 100, &p, &err), &err);
    ck_assert_double_eq(p.precision, 1);
    ck_assert_double_lt(p.interval.low, 0.05);
    ck_assert_double_eq(p.interval.high, 1);
    tt_ok(tt_precision_at(6, clear, labels, 9, 1, &p, &err), &err);
    ck_assert(isnan(p.precision));
    ck_assert_int_eq(tt_precision_at(6, clear, labels, 9, 0, &p, &err), TT_ERR_INVALID);
}
END_TEST

START_TEST(set_tests_agree_with_scipy)
{
    tt_set_test t;
    tt_ok(tt_set_test_compute(40, scores, 60, scores + 40, &t, &err), &err);
    ck_assert_double_eq_tol(t.welch_t, 3.9733876333167348, 1e-12);
    ck_assert_double_eq_tol(t.welch_df, 82.925393333540882, 1e-10);
    ck_assert_double_eq_tol(t.welch_p / 7.5231271966903329e-05, 1, 1e-9);
    ck_assert_double_eq(t.mann_whitney_u, 1699);
    ck_assert_double_eq_tol(t.mann_whitney_p / 0.00022512684258832471, 1, 1e-10);
    ck_assert_double_eq_tol(tt_student_upper(2.5, 7.3), 0.019825117332800214, 1e-13);
    ck_assert_double_eq_tol(tt_student_upper(-1, 3), 0.80449889052211476, 1e-13);
    ck_assert_double_eq_tol(tt_student_upper(40, 30) / 6.8630225972032086e-28, 1, 1e-10);
    const double flat[] = {1, 1, 1};
    tt_ok(tt_set_test_compute(3, flat, 3, flat, &t, &err), &err);
    ck_assert(isnan(t.welch_p) && isnan(t.mann_whitney_p));
    ck_assert_int_eq(tt_set_test_compute(1, flat, 3, flat, &t, &err), TT_ERR_INVALID);
}
END_TEST

START_TEST(power_rises_with_the_set_and_false_alarms_stay_near_the_level)
{
    const size_t sizes[] = {5, 20, 100, 200, 500};
    tt_set_power p[5];
    tt_ok(tt_set_power_compute(MANY, many, many_member, sizes, 5, 0.05, 1, p, &err), &err);
    for (int i = 0; i < 3; i++) {
        /* a binomial of 1,000 at 0.05 has a standard deviation of 0.007; overlapping draws widen it */
        ck_assert_double_eq_tol(p[i].false_welch, 0.05, 0.035);
        ck_assert_double_eq_tol(p[i].false_mann_whitney, 0.05, 0.035);
        if (i) ck_assert_double_gt(p[i].welch, p[i - 1].welch);
    }
    /* half a standard deviation apart, 100 against 100: power 0.97 by the normal formula */
    ck_assert_double_gt(p[2].welch, 0.9);
    ck_assert(!isnan(p[3].welch) && isnan(p[3].false_welch)); /* 300 non-members are no 2·200 */
    ck_assert(isnan(p[4].welch));
}
END_TEST

static double variant(const char *name)
{
    const tt_stat_variant *list;
    size_t n = tt_stat_variants(&list);
    double values[16];
    ck_assert_uint_le(n, 16);
    tt_ok(tt_stat_variants_compute(N, scores, member, values, &err), &err);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return values[i];
    ck_abort_msg("no variant %s", name);
    return NAN;
}

START_TEST(the_papers_variants_are_what_their_scripts_give)
{
    ck_assert_double_eq_tol(variant("tpr1_nearest"), 0.25, 1e-14);
    ck_assert_double_eq_tol(variant("tpr1_last_below"), 0.225, 1e-14);
    ck_assert_double_eq_tol(variant("tpr1_first_above"), 0.25, 1e-14);
    ck_assert_double_eq_tol(variant("asr_max"), 0.62916666666666665, 1e-14);
    ck_assert_double_eq_tol(variant("asr_equal_error"), 0.6, 1e-14);
    ck_assert_double_eq_tol(variant("accuracy_youden"), 0.57, 1e-14);
    ck_assert_double_eq(variant("tpr1_clid"), tt_tpr_clid_compat(N, scores, member, 0.01));
    ck_assert_double_eq(variant("auc_grid2000"), tt_grid_auc(N, scores, member, false));
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("inference");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, partial_auc_agrees_with_scikit_learn);
    tcase_add_test(cases, a_partial_auc_that_the_non_members_cannot_carry_is_not_given);
    tcase_add_test(cases, the_bootstrap_interval_of_the_auc_is_near_delongs_and_repeatable);
    tcase_add_test(cases, holm_steps_down);
    tcase_add_test(cases, levels_of_replication_are_kept_apart);
    tcase_add_test(cases, replicates_of_equal_groups_are_never_pooled_as_if_independent);
    tcase_add_test(cases, precision_falls_with_prevalence);
    tcase_add_test(cases, precision_without_a_false_positive_is_not_certain);
    tcase_add_test(cases, set_tests_agree_with_scipy);
    tcase_add_test(cases, power_rises_with_the_set_and_false_alarms_stay_near_the_level);
    tcase_add_test(cases, the_papers_variants_are_what_their_scripts_give);
    suite_add_tcase(suite, cases);
    return suite;
}
