/* The spec's `sweep`: cells, their names and specs, and every mistake told once with its place. */
#include "support/shell.h"
#include "support/sweeps.h"

#include <string.h>

static const char head[] = "version: 1\n"
                           "data:\n"
                           "  faces: {plugin: faces, splits: {seen: 20, held_out: 20}}\n"
                           "models:\n"
                           "  target: {plugin: toy}\n"
                           "members: faces.seen\n"
                           "nonmembers: faces.held_out\n"
                           "threat_model: {access: [encode, text, predict]}\n"
                           "attacks:\n"
                           "  loss: {timesteps: [450]}\n"
                           "  clid: {alpha: 0.25}\n"
                           "device: {backend: reference}\n";

/* What stands behind the head begins in line 13. */
static void setup(void)
{
    sweeps_setup(head, "sweep");
}

START_TEST(a_grid_makes_every_combination_and_names_them)
{
    tt_ok(check("sweep: {grid: {attacks.clid.alpha: [0.1, 0.5], seed: [1, 2]}}\n"), &sweep_error);
    static const char *const names[] = {"alpha=0.1,seed=1", "alpha=0.1,seed=2", "alpha=0.5,seed=1",
                                        "alpha=0.5,seed=2"};
    ck_assert_uint_eq(sweep->n, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(sweep->names[i], names[i]);
    cell_says("alpha=0.1,seed=2", "\"alpha\":0.1");
    cell_says("alpha=0.1,seed=2", "\"seed\":2");
    cell_says("alpha=0.5,seed=1", "\"alpha\":0.5");
    size_t cell;
    tt_fails(tt_sweep_find(sweep, "alpha=0.5,sed=1", &cell, &sweep_error), TT_ERR_NOT_FOUND,
             "did you mean 'alpha=0.5,seed=1'?", &sweep_error);
}
END_TEST

START_TEST(zipped_axes_advance_together_within_a_grid)
{
    tt_ok(
        check("sweep:\n"
              "  grid: {seed: [1, 2]}\n"
              "  zip: {attacks.clid.alpha: [0.1, 0.2, 0.3], attacks.loss.timesteps: [[440], [450], [460]]}\n"
              "  name: s${seed}-a${alpha}-t${attacks.loss.timesteps}\n"),
        &sweep_error);
    ck_assert_uint_eq(sweep->n, 6);
    ck_assert_str_eq(sweep->names[0], "s1-a0.1-t440");
    ck_assert_str_eq(sweep->names[5], "s2-a0.3-t460");
    cell_says("s2-a0.2-t450", "\"timesteps\":[450]");
    refused("sweep: {zip: {seed: [1, 2], batch: [1, 2, 3]}}\n",
            "s.yaml:13:29: sweep.zip: batch has 3 values and seed has 2");
}
END_TEST

START_TEST(values_and_sets_of_keys_may_have_names)
{
    tt_ok(check("sweep:\n"
                "  grid:\n"
                "    data.faces.splits: {few: {seen: 4, held_out: 4}, many: {seen: 9, held_out: 9}}\n"
                "    variant:\n"
                "      plain:\n"
                "      strong: {attacks.clid.alpha: 0.75, seed: 7}\n"),
          &sweep_error);
    ck_assert_uint_eq(sweep->n, 4);
    ck_assert_str_eq(sweep->names[3], "splits=many,strong");
    cell_says("splits=few,plain", "\"alpha\":0.25");
    cell_says("splits=few,strong", "\"alpha\":0.75");
    cell_says("splits=many,strong", "\"seen\":9");
    cell_says("splits=many,strong", "\"seed\":7");
}
END_TEST

START_TEST(references_are_followed_in_each_cell)
{
    tt_ok(check("sweep: {grid: {seed: [3, 4]}}\nbatch: \"${spec.seed}\"\n"), &sweep_error);
    cell_says("seed=4", "\"batch\":4");
    tt_ok(check("sweep: {grid: {attacks.clid.alpha: [\"${NOT_SET:-0.5}\", 0.125]}, name: \"x${alpha}\"}\n"),
          &sweep_error);
    cell_says("x0.125", "\"alpha\":0.125");
}
END_TEST

START_TEST(overrides_reach_the_sweep_and_may_leave_it_out)
{
    tt_ok(
        open_with("sweep: {grid: {attacks.clid.alpha: [0.1, 0.5]}}\n", "sweep.grid.attacks.clid.alpha=[0.3]"),
        &sweep_error);
    ck_assert_uint_eq(sweep->n, 1);
    ck_assert_str_eq(sweep->names[0], "alpha=0.3");
    tt_ok(open_with("sweep: {grid: {seed: [1, 2]}}\n", "sweep.zip.batch=[1, 2, 3]"), &sweep_error);
    ck_assert_uint_eq(sweep->n, 6);
    tt_ok(open_with("sweep: {grid: {seed: [1, 2]}}\n", "sweep=null"), &sweep_error);
    ck_assert_ptr_null(sweep);
    ck_assert_int_ne(open_with("sweep: {grid: {seed: [1, 2]}}\n", "seed=5"), TT_OK);
    has_problem("override seed=5: an axis of the sweep sets that in every cell");
}
END_TEST

START_TEST(one_run_is_not_made_of_a_sweep_in_silence)
{
    tt_ok(open_with("sweep: {grid: {seed: [1, 2]}}\n", NULL), &sweep_error);
    tt_spec *spec = NULL;
    tt_fails(tt_spec_load(sweep->path, NULL, 0, &source, &spec, &sweep_error), TT_ERR_INVALID,
             "this spec stands for several runs", &sweep_error);
}
END_TEST

START_TEST(a_misspelt_path_names_the_nearest_key_and_its_place)
{
    refused("sweep: {grid: {atacks.clid.alpha: [1]}}\n",
            "s.yaml:13:16: sweep: atacks.clid.alpha: 'atacks' is no key of a spec: did you mean 'attacks'?");
    refused("sweep: {grid: {v: {a: {sed: 1}}}}\n",
            "s.yaml:13:24: sweep: sed: 'sed' is no key of a spec: did you "
            "mean 'seed'?");
    ck_assert_int_ne(check("sweep: {grid: {attacks.clyd.alpha: [0.5]}}\n"), TT_OK);
    has_problem("s.yaml:13:16: the spec has no attacks.clyd: did you mean 'clid'?");
    ck_assert_int_ne(check("sweep:\n  grid:\n    attacks.clid.alhpa: [0.5]\n"), TT_OK);
    has_problem("s.yaml:15:5: attacks.clid.alhpa");
    has_problem("did you mean 'alpha'?");
    ck_assert_int_ne(check("sweep: {grid: {device.thraeds: [1, 2]}}\n"), TT_OK);
    has_problem("s.yaml:13:16: device.thraeds is no key of a spec: did you mean 'threads'?");
    refused("sweep: {gird: {seed: [1]}}\n", "sweep.gird is no key of a spec: did you mean 'grid'?");
    refused("sweep: {grid: {seed: [1]}, name: \"${sede}\"}\n",
            "${sede} is no axis of the sweep: did you mean 'seed'?");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    refused("sweep: {grid: {seed: 5}}\n", "s.yaml:13:22: sweep: seed is 5: must be a list of values");
    refused("sweep: {grid: {seed: []}}\n", "seed has no value");
    refused("sweep: {}\n", "sweep has no axis");
    refused("sweep: [1]\n", "sweep is a list: must be a map");
    refused("sweep: {grid: {base: [a.yaml]}}\n", "it cannot be an axis");
    refused("sweep: {grid: {seed: [1, 1]}}\n", "cells 1 and 2 have one name, seed=1");
    refused("sweep: {grid: {seed: [1, 2], batch: [1, 2]}, name: \"s${seed}\"}\n",
            "cells 1 and 2 have one name, s1");
    refused("sweep: {grid: {seed: [1]}, name: a/b}\n", "sweep.name is a/b: must be letters");
    refused("sweep: {grid: {seed: {\"a b\": 1}}}\n", "'a b' names a value of seed");
    refused("sweep: {grid: {seed: [1, 2]}, zip: {seed: [1, 2]}}\n", "two axes set seed");
    refused("sweep: {grid: {v: {a: {seed: 1}}, seed: [2]}}\n", "two axes set seed");
    refused("sweep: {grid: {attacks.clid: [{}], attacks.clid.alpha: [0.1]}}\n",
            "another axis sets a map in which attacks.clid.alpha lies");
}
END_TEST

START_TEST(too_many_cells_are_taken_for_a_mistake_until_the_limit_is_raised)
{
    refused("sweep: {grid: {seed: [1, 2], batch: [1, 2, 3]}, max_cells: 5}\n",
            "s.yaml:13:8: sweep makes 6 cells, and sweep.max_cells allows 5");
    tt_ok(open_with("sweep: {grid: {seed: [1, 2], batch: [1, 2, 3]}, max_cells: 6}\n", NULL), &sweep_error);
    ck_assert_uint_eq(sweep->n, 6);
}
END_TEST

START_TEST(a_mistake_of_many_cells_is_told_once_with_the_first_of_them)
{
    ck_assert_int_ne(check("sweep: {grid: {attacks.clid.alpha: [0.5, 1.4], seed: [1, 2, 3]}}\n"), TT_OK);
    ck_assert_uint_eq(problems.n, 1);
    ck_assert_str_eq(
        strrchr(problems.list[0].message, '/') + 1,
        "s.yaml:13:42: attacks.clid.alpha is 1.4: must be between 0 and 1 (cell alpha=1.4,seed=1 and 2 "
        "more)");
    /* what all cells have is not the sweep's */
    ck_assert_int_ne(check("sweep: {grid: {seed: [1, 2, 3]}}\nbatch: 0\n"), TT_OK);
    ck_assert_uint_eq(problems.n, 1);
    ck_assert_ptr_null(strstr(problems.list[0].message, "cell"));
}
END_TEST

START_TEST(a_thousand_cells_are_a_thousand_specs)
{
    char text[8192] =
        "sweep: {grid: {seed: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], batch: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "
        "attacks.clid.alpha: [.1, .2, .3, .4, .5, .6, .7, .8, .9, 1]}}\n";
    tt_ok(check(text), &sweep_error);
    ck_assert_uint_eq(sweep->n, 1000);
    cell_says("seed=10,batch=10,alpha=.9", "\"alpha\":0.9");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("sweep");
    TCase *tc = tcase_create("sweep");
    tcase_add_checked_fixture(tc, setup, sweeps_teardown);
    tcase_add_test(tc, a_grid_makes_every_combination_and_names_them);
    tcase_add_test(tc, zipped_axes_advance_together_within_a_grid);
    tcase_add_test(tc, values_and_sets_of_keys_may_have_names);
    tcase_add_test(tc, references_are_followed_in_each_cell);
    tcase_add_test(tc, overrides_reach_the_sweep_and_may_leave_it_out);
    tcase_add_test(tc, one_run_is_not_made_of_a_sweep_in_silence);
    tcase_add_test(tc, a_misspelt_path_names_the_nearest_key_and_its_place);
    tcase_add_test(tc, what_makes_no_sense_is_refused);
    tcase_add_test(tc, too_many_cells_are_taken_for_a_mistake_until_the_limit_is_raised);
    tcase_add_test(tc, a_mistake_of_many_cells_is_told_once_with_the_first_of_them);
    tcase_add_test(tc, a_thousand_cells_are_a_thousand_specs);
    suite_add_tcase(suite, tc);
    return suite;
}
