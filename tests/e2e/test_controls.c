/* Controls as a person sees them: added, shown, kept out of what is compared, and switched off. */
#include "support/shell.h"

static int run(const char *more, const char *dir)
{
    return telltale("run", TOY_SPEC "attacks:\n  loss: {}\n  clid: {}\n", dir, more);
}

START_TEST(a_run_shows_what_its_attacks_are_worth)
{
    ck_assert_int_eq(run("", "on"), 0);
    has("the images alone                     AUC 0.");
    has("the captions alone                   AUC 0.");
    has("clid, fitted on permuted labels      AUC 0.");
    has("AUC beyond the images alone: loss ");
    lacks("loss, fitted on permuted labels"); /* it has nothing to fit */
    lacks("blind against");
    lacks("against blind");
    ck_assert_int_eq(report("on", ""), 0);
    has("clid, fitted on permuted labels      AUC 0.");
    ck_assert_int_eq(report("on", "--json"), 0);
    has("\"control\": \"permuted_labels\", \"of\": \"clid\"");
    has("\"gain_over_blind\": ");
    ck_assert_int_eq(report("on", "--format markdown"), 0);
    has("target: beyond the images alone");
    has("target: controls");
    ck_assert_int_eq(report("on", "--format csv"), 0);
    has(",target,clid,gain_over_blind,");
    has(",target,blind,auc,");
}
END_TEST

START_TEST(controls_are_switched_off_by_the_spec_alone_and_that_is_printed)
{
    ck_assert_int_eq(run("controls=off", "off"), 0);
    has("controls: off, as the spec asks");
    lacks("the images alone");
    ck_assert_int_eq(report("off", "--format html --out /dev/null"), 0);
    ck_assert_int_eq(report("off", "--format markdown"), 0);
    has("off, as the spec asks");
    ck_assert_int_eq(report("off", "--json"), 0);
    has("\"controls\": \"off\"");
}
END_TEST

START_TEST(one_caption_for_all_costs_queries_and_changes_only_attacks_that_read_captions)
{
    ck_assert_int_eq(
        run("'controls={blind: false, captions_only: false, permuted_labels: false, fixed_caption: a "
            "portrait of a person in the rain}'",
            "fixed"),
        0);
    has("clid, one caption for all            AUC 0.");
    lacks("the images alone");
    ck_assert_int_eq(
        shell("grep '\"attack\": \"clid-fixed_caption\", \"role\": \"target\"' 'fixed/run.json'"), 0);
    lacks("\"predictions\": 0, ");
}
END_TEST

START_TEST(sets_too_small_for_a_control_say_so_and_cost_no_failure)
{
    ck_assert_int_eq(run("'data.faces.splits={seen: 3, held_out: 3, a: 12, b: 12}'", "small"), 0);
    has("the images alone                     none: cross-validation needs at least 4 members");
    lacks("failed:");
}
END_TEST

START_TEST(in_one_process_and_resumed_controls_are_the_same_bytes)
{
    ck_assert_int_eq(run("", "apart"), 0);
    ck_assert_int_eq(run("--in-process", "together"), 0);
    ck_assert_int_eq(shell("cmp 'apart/results.h5' 'together/results.h5'"), 0);
    ck_assert_int_eq(shell("rm -r apart/store/score-*"), 0);
    ck_assert_int_eq(run("", "apart"), 0);
    ck_assert_int_eq(shell("cmp 'apart/results.h5' 'together/results.h5'"), 0);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("controls");
    TCase *tc = tcase_create("controls");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_run_shows_what_its_attacks_are_worth);
    tcase_add_test(tc, controls_are_switched_off_by_the_spec_alone_and_that_is_printed);
    tcase_add_test(tc, one_caption_for_all_costs_queries_and_changes_only_attacks_that_read_captions);
    tcase_add_test(tc, sets_too_small_for_a_control_say_so_and_cost_no_failure);
    tcase_add_test(tc, in_one_process_and_resumed_controls_are_the_same_bytes);
    suite_add_tcase(suite, tc);
    return suite;
}
