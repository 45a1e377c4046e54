#include "experiment/evaluate.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "support/shell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *write_csv(const char *text)
{
    write_text("scores.csv", text);
    return path_of("scores.csv");
}

START_TEST(released_scores_give_the_published_auc)
{
    const char *expected = tt_shared_data("face-mia-scores/expected-auc.csv");
    if (!expected) return;
    tt_error err = {0};
    tt_csv csv;
    tt_ok(tt_csv_read(expected, &csv, &err), &err);
    tt_evaluations e = {0};
    char loaded[64] = "";
    size_t checked = 0;
    for (size_t i = 0; i < csv.n_rows; i++) {
        const char *const *cells = csv.cells + i * csv.n_columns;
        if (strcmp(loaded, cells[0]) != 0) {
            char name[128];
            snprintf(name, sizeof name, "face-mia-scores/%s.csv", cells[0]);
            const char *path = tt_shared_data(name);
            ck_assert_ptr_nonnull(path);
            tt_evaluations_free(&e);
            tt_ok(tt_evaluate_csv(path, &e, &err), &err);
            snprintf(loaded, sizeof loaded, "%s", cells[0]);
        }
        for (size_t k = 0; k < e.n; k++)
            if (e.of_seed[k].seed == strtoll(cells[1], NULL, 10)) {
                ck_assert_double_eq_tol(e.of_seed[k].auc.auc, strtod(cells[2], NULL), 1e-9);
                checked++;
            }
    }
    ck_assert_uint_eq(checked, csv.n_rows);
    ck_assert_uint_ge(checked, 40);
    tt_evaluations_free(&e);
    tt_csv_free(&csv);
}
END_TEST

START_TEST(a_file_without_seeds_is_one_run)
{
    tt_error err = {0};
    tt_evaluations e;
    tt_ok(tt_evaluate_csv(write_csv("label,score\n1,0.9\n1,0.6\n0,0.7\n0,0.1\n"), &e, &err), &err);
    ck_assert_uint_eq(e.n, 1);
    ck_assert_double_eq(e.of_seed[0].auc.auc, 0.75);
    tt_evaluations_free(&e);
}
END_TEST

START_TEST(bad_files_are_refused_with_place_and_reason)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "empty"},
        {"a,b\n1,2\n", "no column 'label'"},
        {"label,x\n1,2\n", "no column 'score'"},
        {"label,score\n", "no rows"},
        {"label,score\n1,0.5\n2,0.5\n", ":3: label is '2'"},
        {"label,score\n1,nan\n", ":2: score is 'nan'"},
        {"label,score\n1,1e999\n", ":2: score is '1e999'"},
        {"label,score\n1,0.5,7\n", ":2: 3 cells"},
        {"label,score\n1,\"0.5\n", "never closed"},
        {"label,score\n1,0.5\n1,0.6\n", "0 non-members"},
        {"label,score,seed\n1,0.5,x\n", "seed is 'x'"},
        {"label,score\n1,\xff\n", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_error err = {0};
        tt_evaluations e;
        tt_status s = tt_evaluate_csv(write_csv(cases[i].text), &e, &err);
        ck_assert_int_ne(s, TT_OK);
        ck_assert_msg(strstr(err.message, cases[i].part), "case %zu: %s", i, err.message);
    }
    tt_error err = {0};
    tt_evaluations e;
    tt_fails(tt_evaluate_csv("/nowhere/x.csv", &e, &err), TT_ERR_NOT_FOUND, "/nowhere/x.csv", &err);
}
END_TEST

static int evaluate(const char *scores, const char *more)
{
    write_text("scores.csv", scores);
    return shell("'" PROGRAM "' evaluate scores.csv %s", more);
}

START_TEST(the_program_prints_a_table_and_exit_codes)
{
    ck_assert_int_eq(evaluate("label,score\n1,0.9\n1,0.6\n0,0.7\n0,0.1\n", ""), 0);
    ck_assert_int_eq(evaluate("label,score\n1,0.9\n0,0.1\n", "--json"), 0);
    ck_assert_int_eq(shell("'" PROGRAM "' evaluate /nowhere/x.csv"), 2);
    ck_assert_int_eq(shell("'" PROGRAM "' evaluate"), 2);
    ck_assert_int_eq(shell("'" PROGRAM "' evaluate --help"), 0);
    ck_assert_int_eq(shell("'" PROGRAM "' no-such-command"), 2);
}
END_TEST

/* The column, in characters and not bytes, at which `at` stands in its line. */
static int column_of(const char *text, const char *at)
{
    ck_assert_ptr_nonnull(at);
    int column = 0;
    while (at > text && at[-1] != '\n')
        column += ((unsigned char)*--at & 0xc0) != 0x80;
    return column;
}

/* AUC 1 and 0.75; best accuracy 1 and 0.75 */
static const char two_seeds[] = "label,score,seed\n1,0.9,1\n1,0.6,1\n0,0.5,1\n0,0.1,1\n"
                                "1,0.9,2\n1,0.2,2\n0,0.5,2\n0,0.1,2\n";

START_TEST(the_table_is_aligned_and_says_what_cannot_be_resolved)
{
    ck_assert_int_eq(evaluate(two_seeds, "--fpr 0.5,0.01"), 0);
    const char *text = output, *second = strstr(text, "\n2 "), *mean = strstr(text, "\nmean");
    ck_assert(second && mean);
    const char *auc = strstr(mean, "0.8750 ±");
    ck_assert_ptr_nonnull(auc);
    const char *accuracy = strstr(auc + 1, "0.8750 ±"); /* the same mean, two columns on */
    ck_assert_ptr_nonnull(accuracy);
    ck_assert_int_eq(column_of(text, strstr(text, "AUC [95")), column_of(text, auc));
    ck_assert_int_eq(column_of(text, strstr(text, "best accuracy")), column_of(text, accuracy));
    ck_assert_int_eq(column_of(text, strstr(text, "TPR@1%FPR")),
                     column_of(text, strstr(mean, "not resolvable")));
    /* of two non-members one may be wrong, and so both members are found */
    ck_assert_int_eq(column_of(text, strstr(text, "TPR@50%FPR")),
                     column_of(text, strstr(second, "1.0000 [")));
    ck_assert_ptr_nonnull(strstr(text, "TPR at 1 % FPR is not resolvable with 2 non-members: it needs 100."));
}
END_TEST

START_TEST(the_json_output_is_json)
{
    ck_assert_int_eq(evaluate(two_seeds, "--json --fpr 0.5,0.01"), 0);
    const char *text = output;
    tt_arena *arena = tt_arena_create(0);
    tt_node *root;
    tt_error err = {0};
    tt_ok(tt_json_parse(arena, "out", text, strlen(text), &root, &err), &err);
    ck_assert_ptr_nonnull(strstr(text, "\"resolvable\": false, \"tpr\": null"));
    ck_assert_ptr_nonnull(strstr(text, "\"auc_mean\": 0.875"));
    tt_arena_destroy(arena);
}
END_TEST

START_TEST(members_are_judged_as_a_set_where_that_is_asked)
{
    /* Welch: means 0.75 and 0.3, variances 0.045 and 0.08: t 0.45/0.25 = 1.8 */
    ck_assert_int_eq(evaluate(two_seeds, "--json --set"), 0);
    tt_arena *arena = tt_arena_create(0);
    tt_node *root;
    tt_error err = {0};
    const char *text = output;
    tt_ok(tt_json_parse(arena, "out", text, strlen(text), &root, &err), &err);
    const tt_node *seed = tt_node_get(root, "seeds")->children, *p = tt_node_get(seed, "set_welch_p");
    ck_assert_ptr_nonnull(p);
    double df = 0.0625 * 0.0625 / (0.0225 * 0.0225 + 0.04 * 0.04);
    ck_assert_double_eq_tol(strtod(p->text, NULL), tt_student_upper(1.8, df), 1e-12);
    ck_assert_uint_eq(tt_node_get(seed, "set_power")->n_children, TT_SET_SIZES);
    tt_arena_destroy(arena);
    ck_assert_int_eq(evaluate("label,score\n1,0.9\n0,0.1\n", "--set"), 0);
    has("not resolvable: at least 2 members and 2 non-members");
    ck_assert_int_eq(evaluate(two_seeds, ""), 0);
    lacks("as a set");
}
END_TEST

START_TEST(bad_rates_are_refused)
{
    static const char *const bad[] = {"0",       "1",   "x",    "0.1,",
                                      "0.1;0.2", "nan", "-0.1", ".1,.1,.1,.1,.1,.1,.1,.1,.1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char rates[64];
        snprintf(rates, sizeof rates, "--fpr '%s'", bad[i]);
        ck_assert_int_eq(evaluate(two_seeds, rates), 2);
        has("--fpr");
    }
}
END_TEST

/* 200,000 rows: the time limit of the test case stands guard over quadratic costs. */
START_TEST(a_large_file_is_no_trouble)
{
    tt_buf csv = {0};
    tt_buf_printf(&csv, "label,score\n");
    for (int i = 0; i < 200000; i++)
        tt_buf_printf(&csv, "%d,%d.%d\n", i % 2, (int)((unsigned)i * 2654435761u % 1000u) + 100 * (i % 2),
                      i % 10);
    ck_assert(!csv.failed);
    tt_error err = {0};
    tt_evaluations e;
    tt_ok(tt_evaluate_csv(write_csv(csv.data), &e, &err), &err);
    ck_assert_uint_eq(e.of_seed[0].members, 100000);
    /* two even distributions of width 1000, one shifted by 100: AUC = 1 − 0.9²/2 */
    ck_assert_double_eq_tol(e.of_seed[0].auc.auc, 1 - 0.9 * 0.9 / 2, 0.01);
    tt_evaluations_free(&e);
    tt_buf_free(&csv);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("evaluate");
    TCase *tc = tcase_create("evaluate");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, released_scores_give_the_published_auc);
    tcase_add_test(tc, a_file_without_seeds_is_one_run);
    tcase_add_test(tc, bad_files_are_refused_with_place_and_reason);
    tcase_add_test(tc, the_program_prints_a_table_and_exit_codes);
    tcase_add_test(tc, the_table_is_aligned_and_says_what_cannot_be_resolved);
    tcase_add_test(tc, the_json_output_is_json);
    tcase_add_test(tc, members_are_judged_as_a_set_where_that_is_asked);
    tcase_add_test(tc, bad_rates_are_refused);
    tcase_add_test(tc, a_large_file_is_no_trouble);
    suite_add_tcase(suite, tc);
    return suite;
}
