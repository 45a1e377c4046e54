#include "base/mem.h"
#include "base/rng.h"
#include "stats/stats.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

/* Values of SciPy 1.x and scikit-learn printed by tools/make_stats_golden.py. */

enum { N = 100 };
static double scores[N];
static uint8_t member[N];

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        member[i] = i < 40;
        scores[i] = ((i * 37) % 101) / 3 + 8 * member[i];
    }
}

START_TEST(auc_and_tpr_agree_with_scikit_learn)
{
    fill();
    tt_error err = {0};
    tt_auc a;
    tt_ok(tt_auc_compute(N, scores, member, &a, &err), &err);
    ck_assert_double_eq_tol(a.auc, 0.70791666666666664, 1e-14);
    tt_tpr t;
    tt_ok(tt_tpr_at_fpr(N, scores, member, 0.1, 1, &t, &err), &err);
    ck_assert_double_eq_tol(t.tpr, 0.35, 1e-14);
    tt_ok(tt_tpr_at_fpr(N, scores, member, 0.05, 1, &t, &err), &err);
    ck_assert_double_eq_tol(t.tpr, 0.3, 1e-14);
    ck_assert_double_le(t.bootstrap.low, t.tpr);
    ck_assert_double_ge(t.bootstrap.high, t.tpr);
}
END_TEST

START_TEST(quantiles_agree_with_scipy)
{
    ck_assert_double_eq_tol(tt_normal_quantile(0.975), 1.959963984540054, 1e-12);
    ck_assert_double_eq_tol(tt_normal_quantile(0.001), -3.0902323061678132, 1e-12);
    ck_assert_double_eq_tol(tt_student_quantile(0.975, 4), 2.7764451051977934, 1e-11);
    ck_assert_double_eq_tol(tt_student_quantile(0.975, 1), 12.706204736174694, 1e-9);
    ck_assert_double_eq_tol(tt_beta_quantile(0.025, 5, 16), 0.086571469101434609, 1e-12);
    ck_assert_double_eq_tol(tt_beta_quantile(0.975, 1, 100), 0.036216692645176407, 1e-12);
    tt_interval i = tt_clopper_pearson(7, 40, 0.95);
    ck_assert_double_eq_tol(i.low, 0.07338272935208498, 1e-12);
    ck_assert_double_eq_tol(i.high, 0.32779013336159446, 1e-12);
}
END_TEST

/* The definition, in O(n²): DeLong's placements pair by pair. */
static void delong_slow(double *auc, double *variance)
{
    double placement[N], m = 0, n = 0, sum = 0;
    for (int i = 0; i < N; i++) {
        double hits = 0, others = 0;
        for (int k = 0; k < N; k++) {
            if (member[i] == member[k]) continue;
            double d = member[i] ? scores[i] - scores[k] : scores[k] - scores[i];
            hits += d > 0 ? 1 : d == 0 ? 0.5 : 0;
            others++;
        }
        placement[i] = hits / others;
        m += member[i];
        n += !member[i];
        if (member[i]) sum += placement[i];
    }
    *auc = sum / m;
    *variance = 0;
    for (int i = 0; i < N; i++) {
        double d = placement[i] - *auc, count = member[i] ? m : n;
        *variance += d * d / (count - 1) / count;
    }
}

START_TEST(fast_delong_equals_its_definition_with_ties)
{
    fill();
    tt_error err = {0};
    tt_auc a;
    double auc, variance;
    tt_ok(tt_auc_compute(N, scores, member, &a, &err), &err);
    delong_slow(&auc, &variance);
    ck_assert_double_eq_tol(a.auc, auc, 1e-14);
    ck_assert_double_eq_tol(a.variance, variance, 1e-15);
    double half = 1.9599639845400545 * sqrt(variance);
    ck_assert_double_eq_tol(a.plain.low, auc - half, 1e-12);
    ck_assert_double_gt(a.logit.low, 0.5);
}
END_TEST

START_TEST(a_score_is_not_different_from_itself_and_differs_from_its_reverse)
{
    fill();
    double reverse[N];
    for (int i = 0; i < N; i++)
        reverse[i] = -scores[i];
    tt_error err = {0};
    tt_delong_paired p;
    tt_ok(tt_delong_compare(N, scores, scores, member, &p, &err), &err);
    ck_assert_double_eq(p.z, 0);
    ck_assert_double_eq(p.p, 1);
    tt_ok(tt_delong_compare(N, scores, reverse, member, &p, &err), &err);
    tt_auc a;
    tt_ok(tt_auc_compute(N, scores, member, &a, &err), &err);
    ck_assert_double_eq_tol(p.difference, 2 * a.auc - 1, 1e-14);
    /* a and −a are fully dependent: the variance of the difference is four times one's own */
    ck_assert_double_eq_tol(p.z, (2 * a.auc - 1) / (2 * sqrt(a.variance)), 1e-12);
}
END_TEST

START_TEST(the_grey_box_specification_s_example_comes_out)
{
    /* members −2 −1.5 −1.2 −.4 .3, non-members −1.3 −.1 .2 .8 1.1, low = member */
    const double low[] = {-2, -1.5, -1.2, -0.4, 0.3, -1.3, -0.1, 0.2, 0.8, 1.1};
    const uint8_t labels[] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 0};
    double high[10], threshold;
    for (int i = 0; i < 10; i++)
        high[i] = -low[i];
    tt_error err = {0};
    tt_auc a;
    tt_ok(tt_auc_compute(10, high, labels, &a, &err), &err);
    ck_assert_double_eq_tol(a.auc, 0.80, 1e-14);
    ck_assert_double_eq_tol(tt_grid_auc(10, low, labels, true), 0.60, 1e-12);
    ck_assert_double_eq_tol(tt_grid_best_accuracy(10, low, labels, true, &threshold), 0.80, 1e-14);
    ck_assert_double_eq_tol(threshold, -0.39885, 1e-9);
    ck_assert_double_eq_tol(tt_grid_auc(10, high, labels, false), 0.60, 1e-12);
    tt_accuracy best;
    tt_ok(tt_best_accuracy(10, high, labels, &best, &err), &err);
    ck_assert_double_eq_tol(best.accuracy, 0.80, 1e-14);
}
END_TEST

START_TEST(clid_s_swapped_tpr_counts_nonmembers_at_the_first_point)
{
    /* 100 members with low-is-member scores 0..99, 100 non-members 50..149: the strictest 1 % of members is
     * the top one (99); non-members at or above it: 99..149 = 51 */
    double s[200];
    uint8_t m[200];
    for (int i = 0; i < 100; i++) {
        s[i] = -i;
        m[i] = 1;
        s[100 + i] = -(50 + i);
        m[100 + i] = 0;
    }
    ck_assert_double_eq_tol(tt_tpr_clid_compat(200, s, m, 0.01), 0.51, 1e-14);
}
END_TEST

START_TEST(a_perfect_score_gets_a_bound_not_a_point)
{
    double s[40];
    uint8_t m[40];
    for (int i = 0; i < 40; i++) {
        m[i] = i < 10;
        s[i] = m[i];
    }
    tt_error err = {0};
    tt_auc a;
    tt_ok(tt_auc_compute(40, s, m, &a, &err), &err);
    ck_assert(a.degenerate);
    ck_assert_double_eq_tol(a.logit.low, 0.7, 1e-14); /* 1 − 3/10 */
    ck_assert_double_eq(a.logit.high, 1);
}
END_TEST

START_TEST(a_tpr_that_the_nonmembers_cannot_carry_is_not_given)
{
    fill();
    tt_error err = {0};
    tt_tpr t;
    tt_ok(tt_tpr_at_fpr(N, scores, member, 0.01, 1, &t, &err), &err); /* 60 non-members: one is 1.7 % */
    ck_assert(!t.resolvable);
    ck_assert(isnan(t.tpr));
}
END_TEST

START_TEST(equal_scores_are_chance_and_no_threshold_splits_them)
{
    double s[20] = {0};
    uint8_t m[20];
    for (int i = 0; i < 20; i++)
        m[i] = (uint8_t)(i % 2);
    tt_error err = {0};
    tt_auc a;
    tt_tpr t;
    tt_ok(tt_auc_compute(20, s, m, &a, &err), &err);
    ck_assert_double_eq(a.auc, 0.5);
    tt_ok(tt_tpr_at_fpr(20, s, m, 0.1, 1, &t, &err), &err);
    ck_assert_double_eq(t.tpr, 0);
    ck_assert_double_eq(t.fpr, 0);
}
END_TEST

START_TEST(permuted_labels_are_at_chance)
{
    enum { MANY = 4000 };
    static double s[MANY];
    static uint8_t m[MANY];
    uint32_t x = 12345;
    for (int i = 0; i < MANY; i++) {
        x = x * 1664525u + 1013904223u;
        s[i] = (double)(x >> 8);
        x = x * 1664525u + 1013904223u;
        m[i] = (uint8_t)(x >> 31);
    }
    tt_error err = {0};
    tt_auc a;
    tt_ok(tt_auc_compute(MANY, s, m, &a, &err), &err);
    ck_assert(a.logit.low < 0.5 && a.logit.high > 0.5);
}
END_TEST

START_TEST(bad_scores_are_named)
{
    double s[4] = {1, 2, NAN, 3};
    uint8_t m[4] = {1, 0, 1, 0};
    tt_error err = {0};
    tt_auc a;
    tt_fails(tt_auc_compute(4, s, m, &a, &err), TT_ERR_INVALID, "score 2 is not a finite number", &err);
    s[2] = 0;
    memset(m, 1, sizeof m);
    tt_fails(tt_auc_compute(4, s, m, &a, &err), TT_ERR_INVALID, "0 non-members", &err);
}
END_TEST

START_TEST(the_bootstrap_is_the_same_each_time_and_for_each_seed_another)
{
    fill();
    tt_error err = {0};
    tt_tpr a, b, c;
    tt_ok(tt_tpr_at_fpr(N, scores, member, 0.1, 1, &a, &err), &err);
    tt_ok(tt_tpr_at_fpr(N, scores, member, 0.1, 1, &b, &err), &err);
    tt_ok(tt_tpr_at_fpr(N, scores, member, 0.1, 2, &c, &err), &err);
    ck_assert_double_eq(a.bootstrap.low, b.bootstrap.low);
    ck_assert_double_eq(a.bootstrap.high, b.bootstrap.high);
    ck_assert_double_eq_tol(a.bootstrap.low, c.bootstrap.low, 0.1);
}
END_TEST

START_TEST(several_rates_at_once_are_each_as_if_alone)
{
    fill();
    tt_error err = {0};
    const double rates[] = {0.5, 0.001, 0.1, 0.05};
    tt_tpr all[4];
    tt_ok(tt_tprs_at_fprs(N, scores, member, rates, 4, 3, all, &err), &err);
    for (int k = 0; k < 4; k++) {
        tt_tpr one;
        tt_ok(tt_tpr_at_fpr(N, scores, member, rates[k], 3, &one, &err), &err);
        ck_assert(one.resolvable == all[k].resolvable && one.fpr_target == all[k].fpr_target);
        if (!one.resolvable) {
            ck_assert(isnan(all[k].tpr) && isnan(all[k].bootstrap.low));
            continue;
        }
        ck_assert(one.tpr == all[k].tpr && one.fpr == all[k].fpr && one.threshold == all[k].threshold);
        ck_assert(one.bootstrap.low == all[k].bootstrap.low && one.bootstrap.high == all[k].bootstrap.high);
    }
    const double bad[] = {0.1, 1.0};
    tt_fails(tt_tprs_at_fprs(N, scores, member, bad, 2, 3, all, &err), TT_ERR_INVALID, "an FPR of 1", &err);
}
END_TEST

/* Members N(1, 1), non-members N(0, 1), 400 and 500, 200 times: the bootstrap of the TPR at 10 % FPR, whose
 * truth is Φ(1 + Φ⁻¹(0.1)), should cover 95 %. A percentile interval of a step function errs by a few per
 * cent; one that left the threshold's uncertainty out would cover about 75 %. */
START_TEST(the_bootstrap_covers_the_truth_with_the_threshold_s_uncertainty)
{
    enum { MEMBERS = 400, ALL = 900, RUNS = 200 };
    static double x[ALL];
    static float noise[ALL];
    static uint8_t label[ALL];
    const double truth = tt_normal_cdf(1 + tt_normal_quantile(0.1));
    int covered = 0, fixed = 0;
    for (int run = 0; run < RUNS; run++) {
        char what[16];
        snprintf(what, sizeof what, "%d", run);
        tt_stream_key key = tt_purpose_key(1, "coverage", what);
        tt_keyed_normals(&key, 0, noise, ALL);
        for (int i = 0; i < ALL; i++) {
            label[i] = i < MEMBERS;
            x[i] = (double)noise[i] + label[i];
        }
        tt_error err = {0};
        tt_tpr t;
        tt_ok(tt_tpr_at_fpr(ALL, x, label, 0.1, (uint64_t)run, &t, &err), &err);
        covered += t.bootstrap.low <= truth && truth <= t.bootstrap.high;
        fixed += t.interval.low <= truth && truth <= t.interval.high;
    }
    ck_assert_msg(covered >= 180 && covered <= 199, "%d of 200", covered);
    ck_assert_msg(fixed < covered, "%d of 200 at the fixed threshold", fixed);
}
END_TEST

/* df = 1 is Cauchy's tangent and beta(1, b) is 1 − (1−p)^(1/b), both in closed form; the rest is SciPy's. */
START_TEST(quantiles_keep_their_digits_in_the_tails_and_for_large_samples)
{
    ck_assert_double_eq_tol(tt_student_quantile(0.5001, 1) / 0.000314159275694370692, 1, 1e-11);
    ck_assert_double_eq_tol(tt_student_quantile(1 - 1e-8, 1) / 31830988.4584360022, 1, 1e-11);
    ck_assert_double_eq_tol(tt_beta_quantile(0.975, 1, 1e5) / 0.0000368881141579242029, 1, 1e-10);
    ck_assert_double_eq_tol(tt_beta_quantile(0.025, 5001, 95000), 0.048667126952963616, 1e-12);
    ck_assert_double_eq_tol(tt_beta_quantile(0.975, 5001, 95000), 0.05136892088058044, 1e-12);
    for (int e = -300; e < 0; e += 13) {
        double p = pow(10, e);
        ck_assert_double_eq_tol(tt_normal_cdf(tt_normal_quantile(p)) / p, 1, 1e-11);
    }
}
END_TEST

START_TEST(an_allocation_that_fails_is_an_error_and_no_leak)
{
    fill();
    for (long after = 0; after < 6; after++) {
        tt_error err = {0};
        tt_tpr t;
        tt_mem_fail_after(after);
        tt_status s = tt_tpr_at_fpr(N, scores, member, 0.1, 1, &t, &err);
        tt_mem_fail_after(-1);
        ck_assert_int_eq(s, TT_ERR_MEMORY);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("stats");
    TCase *tc = tcase_create("stats");
    tcase_add_test(tc, auc_and_tpr_agree_with_scikit_learn);
    tcase_add_test(tc, quantiles_agree_with_scipy);
    tcase_add_test(tc, fast_delong_equals_its_definition_with_ties);
    tcase_add_test(tc, a_score_is_not_different_from_itself_and_differs_from_its_reverse);
    tcase_add_test(tc, the_grey_box_specification_s_example_comes_out);
    tcase_add_test(tc, clid_s_swapped_tpr_counts_nonmembers_at_the_first_point);
    tcase_add_test(tc, a_perfect_score_gets_a_bound_not_a_point);
    tcase_add_test(tc, a_tpr_that_the_nonmembers_cannot_carry_is_not_given);
    tcase_add_test(tc, equal_scores_are_chance_and_no_threshold_splits_them);
    tcase_add_test(tc, permuted_labels_are_at_chance);
    tcase_add_test(tc, bad_scores_are_named);
    tcase_add_test(tc, the_bootstrap_is_the_same_each_time_and_for_each_seed_another);
    tcase_add_test(tc, several_rates_at_once_are_each_as_if_alone);
    tcase_add_test(tc, the_bootstrap_covers_the_truth_with_the_threshold_s_uncertainty);
    tcase_add_test(tc, quantiles_keep_their_digits_in_the_tails_and_for_large_samples);
    tcase_add_test(tc, an_allocation_that_fails_is_an_error_and_no_leak);
    suite_add_tcase(suite, tc);
    return suite;
}
