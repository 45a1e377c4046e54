/* M.C., PIA, SecMI and PFAMI: the golden vectors of the grey-box specification's section 9, and scores worked
 * out by hand. Handles hold f32, so a state is rounded to 6e-8 of itself before a query: PIA's errors, some
 * 1e-2 of the state, agree to 1e-5; SecMI's, differences of two predictions that are 1e-3 apart, to 2e-4. */
#include "support/test.h"
#include "support/toy_model.h"

#include <math.h>
#include <string.h>

static tt_error err;

static void measure_one(toy_attack *a, double *row)
{
    tt_model *model = toy_model();
    tt_measure context = {sizeof context, &model, 1, NULL};
    tt_sample sample = {7, TOY_CAPTION};
    tt_ok(a->table->measure(a->attack, &context, 1, &sample, row, &err), &err);
    ck_assert_uint_eq(toy_predictions(), a->plan.predictions);
}

static void is_near(double found, double expected, double relative)
{
    ck_assert_msg(fabs(found - expected) <= relative * fabs(expected), "%.10g is not %.10g", found, expected);
}

START_TEST(monte_carlo_is_the_golden_mean_of_three)
{
    double row[3], score;
    toy_attack a = toy_attack_open("monte_carlo", "{}");
    ck_assert_uint_eq(a.plan.predictions, 3);
    ck_assert_str_eq(a.plan.columns[2], "L_460");
    measure_one(&a, row);
    ck_assert_double_eq_tol(row[1], 0.5514308821, 1e-10);
    tt_rows rows = {1, 3, row};
    tt_ok(a.table->score(a.attack, &rows, NULL, 0, &score, &err), &err);
    ck_assert_double_eq_tol(score, -0.4357489405, 1e-10);
}
END_TEST

START_TEST(pia_and_pian_are_the_golden_values)
{
    static const struct {
        const char *yaml;
        double sum;
    } cases[] = {
        {"{timestep: 100, p: 2}", 0.0017460934},
        {"{timestep: 200, profile: pia}", 0.0000013476},
        {"{profile: pia}", 0.0002248374},
        {"{profile: pia, normalise: code}", 0.7409049450},
        {"{profile: pia, normalise: paper}", 7.6306819190},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        toy_attack a = toy_attack_open("pia", cases[i].yaml);
        double row;
        ck_assert_uint_eq(a.plan.predictions, 2);
        ck_assert_str_eq(a.plan.paper_reduction, "sum");
        measure_one(&a, &row);
        /* the golden values are given to 1e-10 */
        ck_assert_msg(fabs(4 * row - cases[i].sum) <= 1e-5 * cases[i].sum + 1e-10, "%s: %.10g, not %.10g",
                      cases[i].yaml, 4 * row, cases[i].sum);
    }
}
END_TEST

START_TEST(pia_s_norm_is_the_root_of_the_sum_and_its_default_is_a_square)
{
    double plain, norm, fourth;
    toy_attack a = toy_attack_open("pia", "{}");
    measure_one(&a, &plain);
    toy_attack square = toy_attack_open("pia", "{p: 2, timestep: 500}");
    measure_one(&square, &norm);
    ck_assert_double_eq(norm, plain);
    toy_attack b = toy_attack_open("pia", "{root: true}");
    measure_one(&b, &norm);
    is_near(norm, sqrt(4 * plain), 1e-14);
    ck_assert_ptr_null(b.plan.paper_reduction);
    toy_attack c = toy_attack_open("pia", "{root: true, p: 4}"), d = toy_attack_open("pia", "{p: 4}");
    measure_one(&c, &norm);
    measure_one(&d, &fourth);
    is_near(norm, sqrt(sqrt(4 * fourth)), 1e-14);
}
END_TEST

START_TEST(secmi_is_the_golden_values_at_all_three_comparisons)
{
    static const struct {
        const char *yaml;
        uint32_t predictions;
        double sum;
    } cases[] = {
        {"{t_cmp: 90}", 11, 1.933883e-09},
        {"{}", 12, 1.785203e-09},
        {"{profile: ldm}", 16, 1.945136e-09},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        toy_attack a = toy_attack_open("secmi", cases[i].yaml);
        double row;
        ck_assert_uint_eq(a.plan.predictions, cases[i].predictions);
        measure_one(&a, &row);
        is_near(4 * row, cases[i].sum, 2e-4);
    }
}
END_TEST

START_TEST(secmi_s_map_is_the_error_of_each_element)
{
    double row[5], sum = 0;
    toy_attack a = toy_attack_open("secmi", "{map_elements: 4}");
    ck_assert_uint_eq(a.plan.n_columns, 5);
    ck_assert_str_eq(a.plan.columns[4], "e_3");
    measure_one(&a, row);
    for (int i = 1; i < 5; i++) {
        ck_assert_double_gt(row[i], 0);
        sum += row[i] * row[i];
    }
    is_near(sum / 4, row[0], 1e-14);
    tt_model *model = toy_model();
    tt_measure context = {sizeof context, &model, 1, NULL};
    tt_sample sample = {7, TOY_CAPTION};
    toy_attack b = toy_attack_open("secmi", "{map_elements: 5}");
    double wrong[6];
    tt_fails(b.table->measure(b.attack, &context, 1, &sample, wrong, &err), TT_ERR_INVALID,
             "latents have 4 elements", &err);
}
END_TEST

START_TEST(low_errors_are_members)
{
    static const char *const attacks[] = {"pia", "secmi"};
    const double values[3] = {0.5, 0.25, 2};
    for (size_t i = 0; i < 2; i++) {
        double scores[3];
        toy_attack a = toy_attack_open(attacks[i], "{}");
        tt_rows rows = {3, 1, values};
        tt_ok(a.table->score(a.attack, &rows, NULL, 0, scores, &err), &err);
        for (int k = 0; k < 3; k++)
            ck_assert_double_eq(scores[k], -values[k]);
    }
}
END_TEST

START_TEST(pfami_is_the_mean_difference_or_the_mean_ratio_of_its_scored_crop)
{
    /* two timesteps, two strengths: whole, crop 0, crop 1 */
    const double rows_map[12] = {1, 2, 3, 3, 2, 8, /* second sample */ 4, 1, 2, 2, 4, 1};
    static const char list[] = "timesteps: [10, 20], strengths: [0.9, 0.7], map: true";
    static const struct {
        const char *more;
        double expected[2];
    } cases[] = {
        {"scored: 0", {((3 - 1) + (3 - 2)) / 2.0, ((2 - 4) + (2 - 1)) / 2.0}},
        {"scored: 1", {((2 - 1) + (8 - 2)) / 2.0, 0}},
        {"scored: 1, relative: true", {(1.0 / 1 + 6.0 / 2) / 2, 0}},
        {"scored: 0, relative: true", {(2.0 / 1 + 1.0 / 2) / 2, (-2.0 / 4 + 1.0 / 1) / 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[256];
        double scores[2];
        snprintf(yaml, sizeof yaml, "{%s, %s}", list, cases[i].more);
        toy_attack a = toy_attack_open("pfami", yaml);
        ck_assert_uint_eq(a.plan.n_columns, 6);
        ck_assert_str_eq(a.plan.columns[1], "L_20");
        ck_assert_str_eq(a.plan.columns[2], "C0_10");
        ck_assert_str_eq(a.plan.columns[5], "C1_20");
        tt_rows rows = {2, 6, rows_map};
        tt_ok(a.table->score(a.attack, &rows, NULL, 0, scores, &err), &err);
        ck_assert_double_eq(scores[0], cases[i].expected[0]);
        ck_assert_double_eq(scores[1], cases[i].expected[1]);
    }
    /* without the map only the scored crop is there */
    const double four[4] = {1, 2, 2, 8};
    double score;
    toy_attack a = toy_attack_open("pfami", "{timesteps: [10, 20], strengths: [0.9, 0.7], scored: 1}");
    ck_assert_str_eq(a.plan.columns[2], "C1_10");
    tt_rows rows = {1, 4, four};
    tt_ok(a.table->score(a.attack, &rows, NULL, 0, &score, &err), &err);
    ck_assert_double_eq(score, 3.5);
    tt_rows wide = {1, 3, four};
    tt_fails(a.table->score(a.attack, &wide, NULL, 0, &score, &err), TT_ERR_INVALID, "rows of 3", &err);
}
END_TEST

START_TEST(parameters_out_of_range_are_refused_with_the_remedy)
{
    static const struct {
        const char *attack, *yaml, *part;
        tt_status status;
    } cases[] = {
        {"monte_carlo", "{timesteps: []}", "timesteps", TT_ERR_INVALID},
        {"monte_carlo", "{timesteps: [440, 440]}", "440 is there twice", TT_ERR_INVALID},
        {"monte_carlo", "{timesteps: [1000]}", "999", TT_ERR_INVALID},
        {"pia", "{p: 0}", "p", TT_ERR_INVALID},
        {"pia", "{timestep: 1000}", "999", TT_ERR_INVALID},
        {"secmi", "{t_cmp: 105}", "multiple of k", TT_ERR_INVALID},
        {"secmi", "{t_cmp: 990}", "999 or before", TT_ERR_INVALID},
        {"secmi", "{mode: nn}", "choose mode: stat", TT_ERR_UNSUPPORTED},
        {"pfami", "{mode: nn}", "choose mode: met", TT_ERR_UNSUPPORTED},
        {"pfami", "{scored: 1}", "1 strengths", TT_ERR_INVALID},
        {"pfami", "{strengths: [0.5, 0.5]}", "twice", TT_ERR_INVALID},
        {"pfami", "{strengths: []}", "strengths", TT_ERR_INVALID},
        {"pfami", "{strengths: [1.5]}", "strengths", TT_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        tt_fails(toy_attack_try(cases[i].attack, cases[i].yaml, &err), cases[i].status, cases[i].part, &err);
}
END_TEST

START_TEST(a_missing_caption_is_refused_and_a_prompt_replaces_it)
{
    static const char *const attacks[] = {"monte_carlo", "pia", "secmi"};
    for (size_t i = 0; i < 3; i++) {
        toy_attack a = toy_attack_open(attacks[i], "{}");
        ck_assert(a.plan.needs_captions);
        tt_model *model = toy_model();
        tt_measure context = {sizeof context, &model, 1, NULL};
        tt_sample sample = {7, NULL};
        double row[3], with_prompt[3];
        tt_fails(a.table->measure(a.attack, &context, 1, &sample, row, &err), TT_ERR_INVALID, "no caption",
                 &err);
        measure_one(&a, row);
        toy_attack b = toy_attack_open(attacks[i], "{prompt: " TOY_CAPTION "}");
        ck_assert(!b.plan.needs_captions);
        tt_ok(b.table->measure(b.attack, &context, 1, &sample, with_prompt, &err), &err);
        ck_assert_mem_eq(row, with_prompt, a.plan.n_columns * sizeof *row);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("grey_box");
    TCase *tc = tcase_create("grey_box");
    tcase_add_checked_fixture(tc, NULL, toy_teardown);
    tcase_add_test(tc, monte_carlo_is_the_golden_mean_of_three);
    tcase_add_test(tc, pia_and_pian_are_the_golden_values);
    tcase_add_test(tc, pia_s_norm_is_the_root_of_the_sum_and_its_default_is_a_square);
    tcase_add_test(tc, secmi_is_the_golden_values_at_all_three_comparisons);
    tcase_add_test(tc, secmi_s_map_is_the_error_of_each_element);
    tcase_add_test(tc, low_errors_are_members);
    tcase_add_test(tc, pfami_is_the_mean_difference_or_the_mean_ratio_of_its_scored_crop);
    tcase_add_test(tc, parameters_out_of_range_are_refused_with_the_remedy);
    tcase_add_test(tc, a_missing_caption_is_refused_and_a_prompt_replaces_it);
    suite_add_tcase(suite, tc);
    return suite;
}
