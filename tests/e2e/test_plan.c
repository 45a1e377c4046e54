/* `telltale plan`, `explain` and `gc`: what the store has, what is left, why. */
#include "support/shell.h"

#include <stdlib.h>
#include <string.h>

/* Writes a spec and gives its path. */
static const char *spec(const char *attacks)
{
    char text[4096];
    snprintf(text, sizeof text, TOY_SPEC "controls: off\nattacks:\n%s", attacks);
    return write_spec(text);
}

static const char both[] = "  loss: {}\n  clid: {}\n";

static int run(const char *attacks, const char *more, const char *dir)
{
    return shell("'" PROGRAM "' run '%s' --out '%s'" OPTIONS "%s", spec(attacks), dir, more);
}

static int plan(const char *more, const char *dir)
{
    return shell("'" PROGRAM "' plan '%s' --out '%s'" OPTIONS "%s", spec(both), dir, more);
}

static int explain(const char *step, const char *more, const char *dir)
{
    return shell("'" PROGRAM "' explain '%s' '%s' --out '%s'" OPTIONS "%s", spec(both), step, dir, more);
}

START_TEST(a_plan_of_nothing_run_yet_counts_all_of_it)
{
    ck_assert_int_eq(plan("", "new"), 0);
    has("score clid on target");
    has("measure clid on shadow");
    has("never run here");
    /* 40, 24 and 40 images with one query for loss and 15 for clid */
    has("10 steps, 0 stored, 10 to do: at most 1664 predictions, time unknown");
    has("  on target       2 steps, at most ");
    has("disk: rows of all measurements ");
    has("TPR@0.1%FPR will not be resolvable with ");
}
END_TEST

START_TEST(a_quantity_that_is_asked_for_and_has_too_few_samples_is_refused)
{
    ck_assert_int_eq(plan(" 'report.tpr_at_fpr=[0.1, 0.05]'", "asked"), 0);
    ck_assert_int_eq(plan(" 'report.tpr_at_fpr=[0.04]'", "asked"), 3);
    has("report.tpr_at_fpr asks for 0.04, which needs 25 non-members: attacks.loss is judged on 20 of "
        "models.target");
    /* what calibrates is not judged */
    ck_assert_int_eq(plan(" 'report.tpr_at_fpr=[0.1]' attacks.clid.calibration=split "
                          "attacks.clid.calibration_part=0.6",
                          "asked"),
                     3);
    has("attacks.clid is judged on 8 of models.target");
    ck_assert_int_eq(run(both, " 'report.tpr_at_fpr=[0.04]'", "asked"), 3);
    ck_assert_int_eq(plan(" report.asr=true", "asked"), 0);
    ck_assert_int_eq(plan(" report.asr=true attacks.clid.calibration=none", "asked"), 3);
    has("attacks.clid has calibration: none, which fits none");
    const char *small = "'data.faces.splits={seen: 20, held_out: 20, a: 3, b: 12}'";
    char more[256];
    snprintf(more, sizeof more, " report.asr=true %s", small);
    ck_assert_int_eq(plan(more, "asked"), 3);
    has("needs 4 members and 4 non-members in the calibration: attacks.loss has 3 and 12");
    /* nobody asked: said in plan, and in the report in place of a figure */
    ck_assert_int_eq(plan(small, "asked"), 0);
    has("ASR of clid will not be resolvable: it calibrates on 3 members and 12 non-members");
    ck_assert_int_eq(run(both, small, "asked"), 0);
    has("ASR of clid on target is not resolvable");
    /* what could not even be scored */
    const char *fewer = "'data.faces.splits={seen: 3, held_out: 20, a: 12, b: 12}'";
    snprintf(more, sizeof more, "attacks.clid.calibration=cross %s", fewer);
    ck_assert_int_eq(plan(more, "asked"), 3);
    has("calibration: cross needs at least 4 members and 4 non-members: there are 3 and 20");
    snprintf(more, sizeof more, "attacks.clid.calibration=split attacks.clid.calibration_part=0.1 %s", fewer);
    ck_assert_int_eq(plan(more, "asked"), 3);
    has("calibration: split leaves 0 members and 2 non-members to calibrate");
}
END_TEST

START_TEST(a_rate_that_is_asked_for_has_a_column_in_every_report)
{
    ck_assert_int_eq(run(both, " 'report.tpr_at_fpr=[0.05]'", "rate"), 0);
    has("TPR@5%FPR");
    ck_assert_int_eq(report("rate", "--format markdown"), 0);
    has("| TPR@5%FPR |");
    ck_assert_int_eq(report("rate", "--format csv"), 0);
    has("tpr_at_fpr_0.05,");
    ck_assert_int_eq(report("rate", "--json"), 0);
    has("\"fpr\": 0.05");
}
END_TEST

START_TEST(money_is_planned_limited_and_counted)
{
    static const char priced[] = " models.target.price.prediction=0.01 models.target.price.currency=EUR";
    char more[512];
    ck_assert_int_eq(plan(priced, "paid"), 0);
    /* 40 images with 1 and 15 predictions; one of clid's is the loss itself */
    has("at most 640 predictions over 40 images; at most 6.40 EUR\n");
    has("money: at most 6.40 EUR\n");
    snprintf(more, sizeof more, "%s budgets.money=5.99", priced);
    ck_assert_int_eq(plan(more, "paid"), 3);
    has("the attacks ask for 6 EUR at least, and budgets.money is 5.99");
    snprintf(more, sizeof more, "%s budgets.money=6", priced);
    ck_assert_int_eq(run(both, more, "paid"), 0);
    has("money: 6.0000 EUR (6.4000 without sharing)");
    ck_assert_int_eq(plan(priced, "paid"), 0);
    has("money: at most 0.00 EUR\n");
    /* what lies in the store was paid for, at whatever price it was */
    ck_assert_int_eq(run(both, " models.target.price.prediction=0.02", "paid"), 0);
    lacks("measuring");
    has("money: 6.0000 USD");
    ck_assert_int_eq(report("paid", "--format markdown"), 0);
    has("| money | 6.0000 USD (6.4000 without sharing) |");
    ck_assert_int_eq(report("paid", "--format csv"), 0);
    has(",,,money,6,");
    ck_assert_int_eq(report("paid", "--json"), 0);
    has("\"money\": \"6.0000 USD");
}
END_TEST

START_TEST(a_budget_of_money_is_never_exceeded_and_a_larger_one_goes_on)
{
    static const char apart[] = "  loss: {timesteps: [20]}\n  clid: {}\n";
    static const char priced[] = " models.target.price.prediction=0.01 models.shadow.price.prediction=0.01";
    char more[512];
    /* on the target 40 and 600 predictions, on the shadow 24 and 360: neither fits whole */
    snprintf(more, sizeof more, "%s budgets.money=9.7 --jobs 2", priced);
    ck_assert_int_eq(run(apart, more, "short"), 1);
    has("budgets.money: ");
    has("more were asked for: raise the budget");
    ck_assert_int_eq(shell("cat 'short/run.json'"), 0);
    double spent = 0;
    for (const char *at = output; (at = strstr(at, "\"money\": ")) != NULL; at++)
        spent += strtod(at + strlen("\"money\": "), NULL);
    ck_assert_double_gt(spent, 5);
    ck_assert_double_le(spent, 9.7 + 1e-9);
    snprintf(more, sizeof more, "%s budgets.money=10.3", priced);
    ck_assert_int_eq(run(apart, more, "short"), 0);
    has("money: 10.2400 USD");
}
END_TEST

START_TEST(after_a_run_all_is_stored_and_a_change_says_what_it_costs_and_why)
{
    ck_assert_int_eq(run(both, "", "done"), 0);
    ck_assert_int_eq(plan("", "done"), 0);
    has("10 steps, 10 stored, 0 to do\n");
    lacks("predictions");
    /* what only scoring reads */
    ck_assert_int_eq(plan("attacks.clid.alpha=0.5", "done"), 0);
    has("10 steps, 8 stored, 2 to do\n");
    has("params.alpha");
    /* what measuring reads: three measurements, and the scores above them */
    ck_assert_int_eq(plan("attacks.clid.t_mid=300", "done"), 0);
    has("10 steps, 5 stored, 5 to do: at most 1560 predictions, about ");
    lacks("time unknown");
}
END_TEST

START_TEST(explain_names_every_part_of_the_key_that_differs)
{
    ck_assert_int_eq(run(both, "", "why"), 0);
    ck_assert_int_eq(explain("measure clid on target", "", "why"), 0);
    has("nothing is computed: the store has it");
    ck_assert_int_eq(explain("measure loss on target", "seed=2 models.target.weight=0.75", "why"), 0);
    has("is computed: it differs from what is stored");
    has("seed: 1 -> 2");
    has("models.target.params.weight: ");
    has(" -> 0.75");
    ck_assert_int_eq(explain("score clid on target", "attacks.clid.alpha=0.5", "why"), 0);
    has("params.alpha: ");
    has("needs: measure clid on shadow, whole");
    lacks("rows");
    ck_assert_int_eq(explain("measure nothing", "", "why"), 2);
    has("no step is called 'measure nothing'; there are 'measure loss on target'");
}
END_TEST

START_TEST(stored_scores_start_no_worker_and_give_the_same_bytes)
{
    ck_assert_int_eq(run(both, "", "twice"), 0);
    ck_assert_int_eq(shell("cp 'twice/results.h5' 'first.h5'; rm -rf 'twice/log'"), 0);
    ck_assert_int_eq(run(both, "", "twice"), 0);
    ck_assert_int_eq(shell("cmp 'twice/results.h5' 'first.h5'"), 0);
    ck_assert_int_eq(shell("ls 'twice/log'"), 0);
    lacks("scoring");
    lacks("measuring");
}
END_TEST

START_TEST(gc_removes_what_the_last_run_does_not_use_and_nothing_else)
{
    ck_assert_int_eq(run(both, "attacks.clid.t_mid=300", "old"), 0);
    ck_assert_int_eq(run(both, "", "old"), 0);
    ck_assert_int_eq(shell("'" PROGRAM "' gc 'old' --dry-run"), 0);
    has("would remove measure-");
    has("11 artifacts in use, 5 not");
    ck_assert_int_eq(shell("'" PROGRAM "' gc 'old'"), 0);
    has("11 artifacts in use, 5 removed");
    ck_assert_int_eq(plan("", "old"), 0);
    has("10 steps, 10 stored");
    ck_assert_int_eq(shell("'" PROGRAM "' gc 'old'"), 0);
    has("11 artifacts in use, 0 removed");
    ck_assert_int_eq(shell("mkdir -p 'other/store'; '" PROGRAM "' gc 'other'"), 2);
    has("no run says there what it uses");
    ck_assert_int_eq(shell("'" PROGRAM "' gc"), 2);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_plan_of_nothing_run_yet_counts_all_of_it);
    tcase_add_test(tc, a_quantity_that_is_asked_for_and_has_too_few_samples_is_refused);
    tcase_add_test(tc, a_rate_that_is_asked_for_has_a_column_in_every_report);
    tcase_add_test(tc, money_is_planned_limited_and_counted);
    tcase_add_test(tc, a_budget_of_money_is_never_exceeded_and_a_larger_one_goes_on);
    tcase_add_test(tc, after_a_run_all_is_stored_and_a_change_says_what_it_costs_and_why);
    tcase_add_test(tc, explain_names_every_part_of_the_key_that_differs);
    tcase_add_test(tc, stored_scores_start_no_worker_and_give_the_same_bytes);
    tcase_add_test(tc, gc_removes_what_the_last_run_does_not_use_and_nothing_else);
    suite_add_tcase(suite, tc);
    return suite;
}
