#include "stats/stats.h"
#include "support/test.h"
#include "support/toy_model.h"

#include <math.h>
#include <string.h>

/* The golden vectors of the grey-box specification, section 9. */

static tt_error err;

static void measure_one(toy_attack *a, double *row)
{
    tt_model *model = toy_model();
    tt_measure context = {sizeof context, &model, 1, NULL};
    tt_sample sample = {7, TOY_CAPTION};
    tt_ok(a->table->measure(a->attack, &context, 1, &sample, row, &err), &err);
    ck_assert_uint_eq(toy_predictions(), a->plan.predictions);
}

START_TEST(loss_and_monte_carlo_are_the_golden_values)
{
    double row[3], score;
    toy_attack a = toy_attack_open("loss", "{}");
    measure_one(&a, row);
    ck_assert_uint_eq(a.plan.predictions, 1);
    ck_assert_double_eq_tol(row[0], 0.5514308821, 1e-10);
    a = toy_attack_open("loss", "{timesteps: [440, 450, 460]}");
    measure_one(&a, row);
    ck_assert_uint_eq(a.plan.predictions, 3);
    ck_assert_str_eq(a.plan.columns[1], "L_450");
    tt_rows rows = {1, 3, row};
    tt_ok(a.table->score(a.attack, &rows, NULL, 0, &score, &err), &err);
    ck_assert_double_eq_tol(score, -0.4357489405, 1e-10);
}
END_TEST

START_TEST(clid_features_are_the_golden_values)
{
    double row[5];
    const double want[5] = {0.4357489405, -0.0000926305, -0.0000408522, 0.0000763217, 0.0002588913};
    toy_attack a = toy_attack_open("clid", "{}");
    ck_assert_uint_eq(a.plan.predictions, 15);
    ck_assert_uint_eq(a.plan.n_columns, 5);
    ck_assert_str_eq(a.plan.columns[4], "D_null");
    measure_one(&a, row);
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq_tol(row[i], want[i], 1e-10);
    a = toy_attack_open("clid", "{reduction: \"null\"}");
    ck_assert_uint_eq(a.plan.predictions, 6);
    measure_one(&a, row);
    ck_assert_double_eq_tol(row[1], want[4], 1e-10);
    a = toy_attack_open("clid", "{m: 1, n: 1}");
    ck_assert_uint_eq(a.plan.predictions, 5);
    measure_one(&a, row);
    ck_assert_double_eq_tol(row[0], 0.5514308821, 1e-10); /* t = 450 alone */
    a = toy_attack_open("clid", "{m: 3, n: 1}");          /* D at the middle of L's list */
    ck_assert_uint_eq(a.plan.predictions, 7);
    measure_one(&a, row);
    ck_assert_double_eq_tol(row[0], want[0], 1e-10);
}
END_TEST

/* eight shadow rows (L, mean D), as single-D rows */
static const double shadow[16] = {.080, .0040, .095, .0035, .070, .0050, .110, .0020,
                                  .090, .0010, .120, .0005, .085, .0015, .105, .0022};
static const uint8_t labels[8] = {1, 1, 1, 1, 0, 0, 0, 0};

START_TEST(clid_th_scales_by_median_and_quartiles_and_mixes)
{
    const double want[8] = {-.81555556, -.54888889, -1.26,     .11777778,
                            .42888889,  .76222222,  .20666667, .01555556};
    toy_attack a = toy_attack_open("clid", "{reduction: \"null\", alpha: 0.9}");
    tt_rows rows = {8, 2, shadow};
    uint8_t *state;
    size_t size;
    double scores[8];
    char text[256];
    tt_ok(a.table->fit(a.attack, &rows, labels, &state, &size, &err), &err);
    toy_keep(state);
    tt_ok(a.table->score(a.attack, &rows, state, size, scores, &err), &err);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq_tol(scores[i], -want[i], 1e-8); /* higher = member */
    tt_ok(a.table->explain(a.attack, state, size, text, sizeof text, &err), &err);
    ck_assert_ptr_nonnull(strstr(text, "alpha 0.9"));
    ck_assert_ptr_nonnull(strstr(text, "0.0925"));
    state[0] = 'X';
    tt_fails(a.table->score(a.attack, &rows, state, size, scores, &err), TT_ERR_FORMAT, "another attack",
             &err);
    tt_fails(a.table->score(a.attack, &rows, state, 3, scores, &err), TT_ERR_FORMAT, "another attack", &err);
    /* without calibration: the same scale comes from the same rows, unlabelled, and alpha is the paper's */
    toy_attack b = toy_attack_open("clid", "{reduction: \"null\"}");
    tt_ok(b.table->score(b.attack, &rows, NULL, 0, scores, &err), &err);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq_tol(scores[i], -want[i], 1e-8);
    toy_attack c = toy_attack_open(
        "clid", "{reduction: \"null\", alpha: 0.9, scaler: [0.0925, 0.0225, -0.0021, 0.00225]}");
    tt_ok(c.table->score(c.attack, &rows, NULL, 0, scores, &err), &err);
    ck_assert_double_eq_tol(scores[0], -want[0], 1e-8);
}
END_TEST

START_TEST(clid_th_takes_the_alpha_of_the_largest_grid_auc)
{
    toy_attack a = toy_attack_open("clid", "{reduction: \"null\"}");
    tt_rows rows = {8, 2, shadow};
    uint8_t *state;
    size_t size;
    char text[256];
    tt_ok(a.table->fit(a.attack, &rows, labels, &state, &size, &err), &err);
    toy_keep(state);
    tt_ok(a.table->explain(a.attack, state, size, text, sizeof text, &err), &err);
    /* the eight rows are split best from alpha 0.8 on, or by a neighbour: it must be one of the grid's */
    double alpha;
    ck_assert_int_eq(sscanf(text, "alpha %lf", &alpha), 1);
    ck_assert(alpha >= 0 && alpha <= 1);
    toy_attack fixed = toy_attack_open("clid", "{reduction: \"null\", alpha: 0}");
    uint8_t *other;
    tt_ok(fixed.table->fit(fixed.attack, &rows, labels, &other, &size, &err), &err);
    toy_keep(other);
    tt_ok(fixed.table->explain(fixed.attack, other, size, text, sizeof text, &err), &err);
    ck_assert_ptr_nonnull(strstr(text, "alpha 0;"));
}
END_TEST

START_TEST(a_fixed_alpha_is_shown_as_it_was_given)
{
    toy_attack a = toy_attack_open("clid", "{reduction: \"null\", alpha: 0.85}");
    tt_rows rows = {8, 2, shadow};
    uint8_t *state;
    size_t size;
    char text[256];
    tt_ok(a.table->fit(a.attack, &rows, labels, &state, &size, &err), &err);
    toy_keep(state);
    tt_ok(a.table->explain(a.attack, state, size, text, sizeof text, &err), &err);
    ck_assert_ptr_nonnull(strstr(text, "alpha 0.85;"));
}
END_TEST

START_TEST(one_class_alone_calibrates_nothing)
{
    static const char *const yaml[] = {"{reduction: \"null\"}", "{reduction: \"null\", classifier: vec}"};
    const uint8_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < 2; i++) {
        toy_attack a = toy_attack_open("clid", yaml[i]);
        tt_rows rows = {8, 2, shadow};
        uint8_t *state;
        size_t size;
        tt_fails(a.table->fit(a.attack, &rows, ones, &state, &size, &err), TT_ERR_INVALID, "one class", &err);
    }
}
END_TEST

START_TEST(rows_without_spread_cannot_be_scaled)
{
    const double flat[8] = {1, 2, 1, 2, 1, 2, 1, 2};
    const uint8_t member[4] = {1, 1, 0, 0};
    toy_attack a = toy_attack_open("clid", "{reduction: \"null\"}");
    tt_rows rows = {4, 2, flat};
    uint8_t *state;
    size_t size;
    tt_fails(a.table->fit(a.attack, &rows, member, &state, &size, &err), TT_ERR_INVALID, "use more samples",
             &err);
}
END_TEST

START_TEST(clid_vec_learns_and_refuses_other_widths)
{
    enum { N = 200 };
    static double values[N * 2], scores[N];
    static uint8_t member[N];
    for (int i = 0; i < N; i++) {
        member[i] = (uint8_t)(i % 2);
        values[2 * i] = (i * 37 % 101) / 101.0;
        values[2 * i + 1] = (i * 53 % 97) / 97.0 + (member[i] ? 0.8 : 0);
    }
    toy_attack a = toy_attack_open("clid", "{reduction: \"null\", classifier: vec}");
    tt_rows rows = {N, 2, values};
    uint8_t *state = NULL;
    size_t size = 0;
    if (a.table->fit(a.attack, &rows, member, &state, &size, &err) == TT_ERR_UNSUPPORTED) {
        printf("skipped: built without XGBoost\n");
        return;
    }
    toy_keep(state);
    tt_ok(a.table->score(a.attack, &rows, state, size, scores, &err), &err);
    tt_auc auc;
    tt_ok(tt_auc_compute(N, scores, member, &auc, &err), &err);
    ck_assert_double_gt(auc.auc, 0.9);
    uint8_t *again;
    size_t size_again;
    tt_ok(a.table->fit(a.attack, &rows, member, &again, &size_again, &err), &err);
    toy_keep(again);
    ck_assert_uint_eq(size, size_again);
    ck_assert_mem_eq(state, again, size); /* the same seed gives the same trees */
    tt_rows wide = {N / 2, 4, values};
    tt_fails(a.table->score(a.attack, &wide, state, size, scores, &err), TT_ERR_INVALID,
             "fitted on 2 features", &err);
    tt_fails(a.table->score(a.attack, &rows, NULL, 0, scores, &err), TT_ERR_INVALID, "calibration", &err);
    state[4] = 4; /* a header that claims the width, over trees of another */
    tt_fails(a.table->score(a.attack, &wide, state, size, scores, &err), TT_ERR_INVALID,
             "fitted on 2 features, these rows have 4", &err);
    tt_rows few = {6, 2, values};
    tt_fails(a.table->fit(a.attack, &few, member, &again, &size_again, &err), TT_ERR_INVALID,
             "found a split in 6 calibration rows", &err);
}
END_TEST

START_TEST(captions_are_needed_and_timesteps_must_stay_in_range)
{
    toy_attack a = toy_attack_open("clid", "{}");
    tt_model *model = toy_model();
    tt_measure context = {sizeof context, &model, 1, NULL};
    tt_sample sample = {7, NULL};
    double row[5];
    tt_fails(a.table->measure(a.attack, &context, 1, &sample, row, &err), TT_ERR_INVALID, "no caption", &err);
    tt_fails(toy_attack_try("clid", "{t_mid: 990, t_step: 20}", &err), TT_ERR_INVALID, "leave 0 to 999",
             &err);
    tt_fails(toy_attack_try("clid", "{scaler: [1, 2]}", &err), TT_ERR_INVALID, "four numbers", &err);
    tt_fails(toy_attack_try("loss", "{timesteps: []}", &err), TT_ERR_INVALID, "timesteps", &err);
    tt_fails(toy_attack_try("loss", "{timesteps: [1000]}", &err), TT_ERR_INVALID, "999", &err);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("clid");
    TCase *tc = tcase_create("clid");
    tcase_add_checked_fixture(tc, NULL, toy_teardown);
    tcase_add_test(tc, loss_and_monte_carlo_are_the_golden_values);
    tcase_add_test(tc, clid_features_are_the_golden_values);
    tcase_add_test(tc, clid_th_scales_by_median_and_quartiles_and_mixes);
    tcase_add_test(tc, clid_th_takes_the_alpha_of_the_largest_grid_auc);
    tcase_add_test(tc, a_fixed_alpha_is_shown_as_it_was_given);
    tcase_add_test(tc, one_class_alone_calibrates_nothing);
    tcase_add_test(tc, rows_without_spread_cannot_be_scaled);
    tcase_add_test(tc, clid_vec_learns_and_refuses_other_widths);
    tcase_add_test(tc, captions_are_needed_and_timesteps_must_stay_in_range);
    suite_add_tcase(suite, tc);
    return suite;
}
