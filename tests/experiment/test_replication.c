/* The spec's `replication`: which cells it makes, alone and with a sweep, and every mistake with its place.
 */
#include "support/shell.h"
#include "support/sweeps.h"

#include <string.h>

static const char head[] =
    "version: 1\n"
    "data:\n"
    "  mine: {plugin: imagefolder, path: '.', split_seed: 4, splits: {seen: 20, held_out: 20}}\n"
    "  other: {plugin: imagefolder, path: '.', splits: {seen: 20, held_out: 20}}\n"
    "models:\n"
    "  target: {plugin: toy}\n"
    "members: mine.seen\n"
    "nonmembers: other.held_out\n"
    "seed: 7\n"
    "threat_model: {access: [encode, text, predict]}\n"
    "attacks: {loss: , clid: {alpha: 0.25}}\n"
    "device: {backend: reference}\n";

/* What stands behind the head begins in line 13. */
static void setup(void)
{
    sweeps_setup(head, "replication");
}

START_TEST(seeds_are_counted_on_from_the_specs_own_or_listed_or_named)
{
    tt_ok(check("replication: {attack_seeds: 3}\n"), &sweep_error);
    ck_assert_uint_eq(sweep->n, 3);
    ck_assert_int_eq(sweep->axes[0].level, TT_LEVEL_ATTACK);
    ck_assert_str_eq(sweep->names[0], "seed=7");
    cell_says("seed=9", "\"seed\":9");
    tt_ok(open_with("replication: {attack_seeds: 2}\n", "seed=20"), &sweep_error);
    ck_assert_str_eq(sweep->names[1], "seed=21");
    tt_ok(open_with("replication: {attack_seeds: 2}\n", "replication.attack_seeds=4"), &sweep_error);
    ck_assert_uint_eq(sweep->n, 4);
    tt_ok(open_with("replication: {attack_seeds: 2}\n", "replication=null"), &sweep_error);
    ck_assert_ptr_null(sweep);
    tt_ok(check("replication: {attack_seeds: [5, 1]}\n"), &sweep_error);
    cell_says("seed=5", "\"seed\":5");
    tt_ok(check("replication: {attack_seeds: {a: 5, b: 1}}\n"), &sweep_error);
    cell_says("seed=b", "\"seed\":1");
    tt_ok(check("replication: {attack_seeds: {plain: , other: {attacks.clid.classifier_seed: 3}}}\n"),
          &sweep_error);
    cell_says("seed=plain", "\"classifier_seed\":0");
    cell_says("seed=other", "\"classifier_seed\":3");
    cell_says("seed=other", "\"seed\":7");
}
END_TEST

START_TEST(splits_draw_both_data_sets_anew_each_from_its_own_split_seed)
{
    tt_ok(check("replication: {splits: 2}\n"), &sweep_error);
    ck_assert_uint_eq(sweep->n, 2);
    ck_assert_int_eq(sweep->axes[0].level, TT_LEVEL_SPLIT);
    cell_says("split=5", "\"split_seed\":5");
    cell_says("split=5", "\"split_seed\":1"); /* of `other`, whose first is 0 */
    tt_ok(check("replication: {splits: [8, 9]}\n"), &sweep_error);
    cell_says("split=9", "\"split_seed\":9");
    tt_ok(check("replication: {splits: {a: 8, b: 9}}\n"), &sweep_error);
    cell_says("split=a", "\"split_seed\":8");
    tt_ok(check("replication: {splits: {a: , b: {nonmembers: mine.held_out}}}\n"), &sweep_error);
    cell_says("split=a", "\"nonmembers\":\"other.held_out\"");
    cell_says("split=b", "\"nonmembers\":\"mine.held_out\"");
}
END_TEST

START_TEST(each_cell_of_a_sweep_is_repeated)
{
    tt_ok(check("sweep: {grid: {attacks.clid.alpha: [0.1, 0.5]}, name: \"a${alpha}\"}\n"
                "replication: {attack_seeds: 2, splits: 2}\n"),
          &sweep_error);
    ck_assert_uint_eq(sweep->n, 8);
    ck_assert_str_eq(sweep->names[0], "a0.1,split=4,seed=7");
    ck_assert_str_eq(sweep->names[1], "a0.1,split=4,seed=8");
    cell_says("a0.5,split=5,seed=8", "\"alpha\":0.5");
    refused("sweep: {grid: {batch: [1, 2, 3]}, max_cells: 8}\nreplication: {attack_seeds: 3}\n",
            "sweep makes 9 cells, and sweep.max_cells allows 8");
}
END_TEST

START_TEST(one_run_is_not_made_of_replicates_in_silence)
{
    tt_ok(open_with("replication: {attack_seeds: 2}\n", NULL), &sweep_error);
    tt_spec *spec = NULL;
    tt_fails(tt_spec_load(sweep->path, NULL, 0, &source, &spec, &sweep_error), TT_ERR_INVALID,
             "replication: this spec stands for several runs", &sweep_error);
}
END_TEST

START_TEST(numbers_and_lists_that_make_no_sense_are_refused_where_they_stand)
{
    refused(
        "replication: {attack_seeds: 0}\n",
        "s.yaml:13:29: replication.attack_seeds: 0 stands where there must be how many (1 to 1000), a list");
    refused("replication: {attack_seeds: 1001}\n", "s.yaml:13:29: replication.attack_seeds: 1001 stands");
    refused("replication: {splits: -1}\n", "s.yaml:13:23: replication.splits: -1 stands");
    refused("replication: {attack_seeds: 2.5}\n", "s.yaml:13:29: replication.attack_seeds: 2.5 stands");
    refused("replication: {attack_seeds: many}\n", "s.yaml:13:29: replication.attack_seeds: many stands");
    refused("replication: {attack_seeds: []}\n", "s.yaml:13:29: replication.attack_seeds has no value");
    refused("replication: {attack_seeds: [1, 2, 1]}\n",
            "s.yaml:13:36: replication.attack_seeds: 1 stands there twice");
    refused("replication: {splits: {a: 3, b: 3}}\n",
            "s.yaml:13:33: replication.splits: 3 stands there twice");
    refused("replication: {attack_seeds: [1, [2, 3]]}\n",
            "s.yaml:13:33: replication.attack_seeds: list stands");
    refused("replication: {attack_seeds: {n: 3, values: [1]}}\n",
            "s.yaml:13:44: replication.attack_seeds: list stands");
    refused("replication: {attack_seeds: {a: 3, b: {seed: 4}}}\n",
            "s.yaml:13:39: replication.attack_seeds: map stands");
    refused("replication: {attack_seeds: {a: 3, b: }}\n", "replication.attack_seeds: null stands");
    refused("replication: {attack_seeds: [-3]}\n", "s.yaml:13:30: replication.attack_seeds: -3 stands");
    refused("replication: {trainings: 3}\n",
            "s.yaml:13:26: replication.trainings: 3 stands where there must be "
            "a list of paths");
    refused("replication: {trainings: [models/a, 3]}\n", "s.yaml:13:37: replication.trainings: 3 stands");
    refused("replication: {}\n", "replication repeats nothing: write replication: {attack_seeds: 3}");
    refused("replication: 3\n", "replication is a whole number: must be a map");
    refused("replication: {attack_seed: 3}\n",
            "s.yaml:13:15: replication.attack_seed is no key of a spec: did you mean 'attack_seeds'?");
}
END_TEST

START_TEST(every_mistake_is_told_at_once)
{
    ck_assert_int_ne(open_with("replication: {attack_seeds: 0, splits: [1, 1], trainings: [3]}\n", NULL),
                     TT_OK);
    ck_assert_uint_eq(problems.n, 3);
}
END_TEST

START_TEST(what_two_would_set_is_refused)
{
    refused("sweep: {grid: {seed: [1, 2]}}\nreplication: {attack_seeds: 3}\n",
            "s.yaml:14:15: replication.attack_seeds sets seed, and so does an axis of the sweep");
    refused("sweep: {grid: {data.mine.split_seed: [1, 2]}}\nreplication: {splits: 3}\n",
            "s.yaml:14:15: replication.splits sets data.mine.split_seed, and so does an axis of the sweep");
    refused("sweep: {grid: {models.target.path: [a, b]}}\nreplication: {trainings: [c, d]}\n",
            "replication.trainings sets models.target.path, and so does an axis of the sweep");
    refused(
        "sweep: {grid: {models.target: {a: {plugin: toy}}}}\nreplication: {trainings: [c, d]}\n",
        "replication.trainings sets models.target.path, which lies in a map that an axis of the sweep sets");
    refused("replication: {splits: {a: {seed: 1}, b: {seed: 2}}, attack_seeds: 2}\n",
            "replication.attack_seeds sets seed, and so does replication.splits");
    refused("sweep: {grid: {members: [mine.seen, other.seen]}}\nreplication: {splits: 2}\n",
            "s.yaml:14:15: replication.splits draws from the data set of members, which an axis of the sweep "
            "sets");
    refused("sweep: {grid: {replication.splits: [1, 2]}}\n", "replication is the same in all cells");
    ck_assert_int_ne(open_with("replication: {attack_seeds: [1, 2]}\n", "seed=5"), TT_OK);
    has_problem("override seed=5: replication.attack_seeds sets that in every cell");
}
END_TEST

START_TEST(sets_of_keys_are_checked_like_those_of_a_sweep)
{
    refused("replication: {splits: {a: {sed: 1}}}\n",
            "s.yaml:13:28: replication: sed: 'sed' is no key of a spec: did you mean 'seed'?");
    ck_assert_int_ne(check("replication: {trainings: {a: {models.target.wight: 0.5}}}\n"), TT_OK);
    has_problem("did you mean 'weight'?");
    ck_assert_int_ne(check("replication: {splits: {a: , b: {nonmembers: mine.heldout}}}\n"), TT_OK);
    has_problem("s.yaml:13:45: nonmembers: data.mine has no split 'heldout': did you mean 'held_out'?");
    has_problem("(cell split=b)");
}
END_TEST

START_TEST(a_training_that_is_not_there_is_refused_before_any_work)
{
    static const char text[] = "base: b.yaml\n"
                               "models: {target: {plugin: sd15, path: .}}\n"
                               "replication: {trainings: {one: ., two: nowhere/}}\n";
    write_text("b.yaml", head);
    write_text("t.yaml", text);
    tt_spec_request request = {path_of("t.yaml"), NULL, 0};
    tt_ok(tt_sweep_open(&request, &problems, &sweep, &sweep_error), &sweep_error);
    ck_assert_int_ne(tt_sweep_check(sweep, &source, NULL, &problems, &sweep_error), TT_OK);
    ck_assert_uint_eq(problems.n, 1);
    has_problem("t.yaml:3:40: replication.trainings: models.target.path is ");
    has_problem("nowhere/: there is no such file or folder (cell training=two)");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("replication");
    TCase *tc = tcase_create("replication");
    tcase_add_checked_fixture(tc, setup, sweeps_teardown);
    tcase_add_test(tc, seeds_are_counted_on_from_the_specs_own_or_listed_or_named);
    tcase_add_test(tc, splits_draw_both_data_sets_anew_each_from_its_own_split_seed);
    tcase_add_test(tc, each_cell_of_a_sweep_is_repeated);
    tcase_add_test(tc, one_run_is_not_made_of_replicates_in_silence);
    tcase_add_test(tc, numbers_and_lists_that_make_no_sense_are_refused_where_they_stand);
    tcase_add_test(tc, every_mistake_is_told_at_once);
    tcase_add_test(tc, what_two_would_set_is_refused);
    tcase_add_test(tc, sets_of_keys_are_checked_like_those_of_a_sweep);
    tcase_add_test(tc, a_training_that_is_not_there_is_refused_before_any_work);
    suite_add_tcase(suite, tc);
    return suite;
}
