/* `telltale run` as a person runs it: results, resumption after everything that can go wrong, exit codes. */
#include "base/mem.h"
#include "formats/json.h"
#include "support/shell.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static tt_error err;

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

static void same_results(const char *a, const char *b)
{
    same(a, b, "results.h5");
}

START_TEST(a_run_prints_its_table_and_writes_the_same_bytes_in_one_process)
{
    ck_assert_int_eq(run(both, "", "apart"), 0);
    has("target\n");
    has("control (never saw the data)");
    has("clid against loss");
    has("20 members, 20 non-members");
    has("TPR@1%FPR is not resolvable with 20 non-members");
    has("apart/results.h5");
    ck_assert_int_eq(run(both, "--in-process", "together"), 0);
    same_results("apart", "together");
}
END_TEST

START_TEST(for_programs_progress_and_results_are_json)
{
    static char results[1 << 16];
    tt_arena *arena = tt_arena_create(0);
    tt_node *root;
    ck_assert_int_eq(run(both, "--json 2>/dev/null | cat", "told"), 0);
    tt_ok(tt_json_parse(arena, "stdout", output, strlen(output), &root, &err), &err);
    ck_assert_ptr_nonnull(tt_node_get(root, "counts"));
    snprintf(results, sizeof results, "%s", output);
    ck_assert_int_eq(report("told", "--json"), 0);
    ck_assert_msg(strcmp(output, results) == 0, "report --json differs from run --json");
    /* a step that fails is told, counted, and no longer waited for */
    ck_assert_int_eq(
        run("  loss: {}\n  rogue: {how: crash}\n", "--json 2>&1 >/dev/null | grep -v ^telltale", "failed"),
        0);
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
        tt_ok(tt_json_parse(arena, "stderr", line, strlen(line), &root, &err), &err);
    ck_assert_str_eq(tt_node_get(root, "event")->text, "progress");
    ck_assert_int_gt(tt_node_get(root, "failures")->value.integer, 0);
    ck_assert_int_eq(tt_node_get(root, "done")->value.integer, tt_node_get(root, "total")->value.integer);
    tt_arena_destroy(arena);
    ck_assert_int_eq(shell("'" PROGRAM "' validate '%s' --json", spec(both)), 2);
}
END_TEST

START_TEST(commands_on_runs_say_what_they_need)
{
    static const char *const lines[][2] = {
        {"export", "telltale: export needs a run's folder, and --out"},
        {"export x --csv", "telltale: export does not understand '--csv'\nusage: telltale export"},
        {"compare x", "telltale: compare needs the folders of two runs"},
        {"compare x y z", "telltale: compare does not understand 'z'"},
        {"bundle x", "telltale: bundle needs a run's folder and --out FILE.ttb"},
        {"bundle x --zip", "telltale: bundle does not understand '--zip'"},
        {"verify", "telltale: verify needs a bundle, FILE.ttb"},
        {"verify x y", "telltale: verify does not understand 'y'"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_int_eq(shell("'" PROGRAM "' %s", lines[i][0]), 2);
        has(lines[i][1]);
    }
}
END_TEST

START_TEST(report_prints_a_run_again_and_says_what_is_missing)
{
    char table[8192], json[32];
    ck_assert_int_eq(run(both, "", "told"), 0);
    char *end = strstr(output, "\n\n20 members");
    ck_assert_ptr_nonnull(end);
    snprintf(table, sizeof table, "%.*s", (int)(end - strstr(output, "target\n")),
             strstr(output, "target\n"));
    ck_assert_int_eq(report("told", ""), 0);
    has(table);
    ck_assert_int_eq(report("told", "--json --figures"), 0);
    snprintf(json, sizeof json, "{\n  \"scores\": [");
    has(json);
    has("\"attack_a\": \"clid\"");
    ck_assert_int_eq(shell("test -s 'told/figures/roc-target.dat' -a -s 'told/figures/roc-control.gp'"), 0);
    ck_assert_int_eq(report("absent", ""), 2);
    has("no such folder");
    ck_assert_int_eq(shell("mkdir 'empty'; '" PROGRAM "' report 'empty'"), 2);
    has("holds no results yet");
    ck_assert_int_eq(shell("'" PROGRAM "' report"), 2);
}
END_TEST

START_TEST(killed_again_and_again_it_resumes_and_the_results_are_the_same_bytes)
{
    spec(both);
    int killed = 0;
    for (int i = 0; i < kills(); i++) {
        int code = run_and_signal("killed", &(tt_test_signal){3000, NULL, 150 + 67 * (i * 7 % 11), SIGKILL});
        if (code != -SIGKILL && code != 0) shell("cat 'signalled.txt'");
        ck_assert_msg(code == -SIGKILL || code == 0, "exit code %d after %d kills:\n%s", code, killed,
                      output);
        killed += code == -SIGKILL;
        if (code == 0) ck_assert_int_eq(shell("rm -rf 'killed'"), 0);
    }
    ck_assert_int_gt(killed, 0);
    /* the delay is a matter of speed: no part of a key, so that the rest is done without it */
    const char *delay = "models.target.delay_us=0 models.shadow.delay_us=0 models.control.delay_us=0";
    ck_assert_int_eq(run(both, delay, "killed"), 0);
    ck_assert_int_eq(run(both, delay, "whole"), 0);
    same_results("killed", "whole");
}
END_TEST

START_TEST(interrupted_it_says_how_to_go_on_and_the_same_command_does)
{
    spec(both);
    ck_assert_int_eq(run_and_signal("stopped", &(tt_test_signal){3000, NULL, 900, SIGINT}), 4);
    ck_assert_int_eq(shell("cat 'signalled.txt'"), 0);
    has("stopped; what was measured is kept");
    has("telltale run ");
    const char *delay = "models.target.delay_us=0 models.shadow.delay_us=0 models.control.delay_us=0";
    ck_assert_int_eq(run(both, delay, "stopped"), 0);
    ck_assert_int_eq(run(both, delay, "unstopped"), 0);
    same_results("stopped", "unstopped");
}
END_TEST

START_TEST(a_full_disk_is_said_and_the_run_goes_on_from_there)
{
    /* a limit on file sizes, its signal ignored, fails writes as a full disk does */
    int code = shell("trap '' XFSZ; ulimit -f 4; '" PROGRAM "' run '%s' --out 'full'" OPTIONS, spec(both));
    ck_assert_msg(code == 1, "exit code %d: %s", code, output);
    has("annot write");
    ck_assert_int_eq(run(both, "", "full"), 0);
    ck_assert_int_eq(run(both, "", "roomy"), 0);
    same_results("full", "roomy");
}
END_TEST

START_TEST(an_attack_that_crashes_is_listed_and_the_others_are_scored)
{
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: crash}\n", "", "crash"), 1);
    has("failed:");
    has("rogue on target: measuring on target: attack rogue, measuring: killed by signal 6");
    has("its messages are in ");
    has("  loss  ");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: hang}\n", "limits.answer_s=3", "hang"), 1);
    has("gave no answer within its time limit");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: hang}\n", " limits.heartbeat_s=1", "hung"), 1);
    has("hung: nothing used the processor for 1 s (limits.heartbeat_s)");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: hog}\n", "limits.memory_mib=250", "hog"), 1);
    has("more than limits.memory_mib (250), and was killed");
    has("  loss  ");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: crash_in_score}\n", "", "scoring"), 1);
    has("rogue on target: attack rogue, scoring: killed by signal 6");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: crash_in_fit}\n", "", "fitting"), 1);
    has("rogue on target: attack rogue, ");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: nan}\n", "", "nan"), 1);
    has("feature x of ");
    has("is not a finite number");
}
END_TEST

START_TEST(samples_without_finite_features_are_left_out_and_told_up_to_a_share)
{
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: one_nan}\n", "limits.bad_samples=0.01", "few"), 1);
    has("feature x of faces.");
    has("more than limits.bad_samples (0.01) allows");
    has("  loss  ");
    ck_assert_int_eq(run("  loss: {}\n  rogue: {how: one_nan}\n", "limits.bad_samples=0.5", "some"), 0);
    has("samples have a feature that is not a finite number: left out, first faces.");
    ck_assert_int_eq(run("  rogue: {how: nan}\n", "limits.bad_samples=1", "all"), 1);
    has("no sound sample is left");
}
END_TEST

START_TEST(a_model_host_that_dies_fails_its_steps_and_a_new_run_resumes_them)
{
    ck_assert_int_eq(run(both, "models.control.crash_after=7", "host"), 1);
    has("model control: killed by signal 6");
    has("loss on control");
    ck_assert_int_eq(run(both, "models.control.crash_after=0", "host"), 0);
    ck_assert_int_eq(run(both, "models.control.crash_after=0", "sound"), 0);
    same_results("host", "sound");
}
END_TEST

START_TEST(what_only_scoring_reads_is_changed_without_measuring_again)
{
    ck_assert_int_eq(run(both, "", "again"), 0);
    has("measuring");
    ck_assert_int_eq(run(both, "attacks.clid.alpha=0.5", "again"), 0);
    lacks("measuring");
    has("alpha 0.5");
    ck_assert_int_eq(run(both, "attacks.clid.t_mid=300", "again"), 0);
    has("measuring");
}
END_TEST

START_TEST(attacks_that_share_rows_score_them_each_by_its_own_parameters)
{
    ck_assert_int_eq(
        run("  level: {plugin: clid, alpha: 0}\n  change: {plugin: clid, alpha: 1}\n", "", "pair"), 0);
    has("alpha 0;");
    has("alpha 1;");
}
END_TEST

START_TEST(the_threat_model_is_enforced_before_any_work)
{
    ck_assert_int_eq(run(both, "threat_model.access=black-box", "refused"), 3);
    has("attacks.loss needs encode, text, predict, which threat_model.access does not grant");
    ck_assert_int_eq(run(both, "threat_model.captions=unknown", "refused"), 3);
    has("needs the captions");
    ck_assert_int_eq(shell("'" PROGRAM "' validate '%s'" OPTIONS "threat_model.access=black-box", spec(both)),
                     3);
}
END_TEST

START_TEST(data_that_the_threat_model_does_not_name_are_not_used)
{
    ck_assert_int_eq(run(both, "threat_model.auxiliary=none", "named"), 3);
    has("attacks.loss is calibrated on models.shadow: the step 'measure loss on shadow' uses faces.a, which "
        "threat_model.auxiliary does not name");
    ck_assert_int_eq(run(both, "'threat_model.auxiliary=[faces.a]'", "named"), 3);
    has("uses faces.b, which");
    ck_assert_int_eq(run(both, "threat_model.auxiliary=none attacks.loss.calibration=none", "named"), 3);
    has("'measure clid on shadow'");
    /* candidates whose labels are known are no auxiliary data */
    ck_assert_int_eq(run(both,
                         "threat_model.auxiliary=none attacks.loss.calibration=none "
                         "attacks.clid.calibration=split",
                         "named"),
                     0);
    ck_assert_int_eq(run(both, "'threat_model.auxiliary=[faces.a, faces.b]'", "named"), 0);
}
END_TEST

START_TEST(a_budget_is_kept_before_and_during_a_run)
{
    ck_assert_int_eq(run(both, " budgets.queries_per_sample=3", "poor"), 3);
    has("attacks.clid asks 15 queries a sample, and budgets.queries_per_sample is 3");
    ck_assert_int_eq(run(both, " budgets.predictions=100", "poor"), 3);
    has("attacks.clid asks the target 600 predictions for 40 samples, and budgets.predictions is 100");
    /* enough for both, whose loss at 450 is one of clid's evaluations; not for a loss elsewhere */
    ck_assert_int_eq(run(both, " budgets.predictions=600 budgets.queries_per_sample=15", "enough"), 0);
    static const char apart[] = "  loss: {timesteps: [20]}\n  clid: {}\n";
    ck_assert_int_eq(run(apart, " budgets.predictions=600", "poor"), 1);
    has("are left and");
    has("more were asked for: raise the budget");
    /* what loss took is kept, and what clid had still to ask is within a larger one */
    ck_assert_int_eq(run(apart, " budgets.predictions=640", "poor"), 0);
    lacks("budgets.");
}
END_TEST

START_TEST(a_bad_spec_has_exit_code_2_and_names_the_place)
{
    ck_assert_int_eq(run("  clid: {alpha: 1.4}\n", "", "bad"), 2);
    has("spec.yaml:15:17: attacks.clid.alpha is 1.4: must be between 0 and 1");
    ck_assert_int_eq(run("  clyd: {}\n", "", "bad"), 2);
    has("clid");
    ck_assert_int_eq(run(both, "members=faces.sen", "bad"), 2);
    has("did you mean 'seen'?");
    ck_assert_int_eq(shell("'" PROGRAM "' run /nowhere/spec.yaml"), 2);
    has("/nowhere/spec.yaml");
    ck_assert_int_eq(shell("'" PROGRAM "' run"), 2);
    has("needs a spec");
    ck_assert_int_eq(shell("'" PROGRAM "' run a.yaml b.yaml"), 2);
}
END_TEST

START_TEST(a_folder_in_use_is_refused)
{
    const char *path = spec(both);
    ck_assert_int_eq(shell("('" PROGRAM "' run '%s' --out 'busy' --quiet" OPTIONS
                           "models.target.delay_us=20000 >/dev/null &) ; sleep 0.5; '" PROGRAM
                           "' run '%s' --out 'busy'" OPTIONS,
                           path, path),
                     1);
    has("another run is at work in this folder");
}
END_TEST

START_TEST(calibration_on_a_split_judges_the_rest_and_says_so)
{
    ck_assert_int_eq(run("  clid: {calibration: split, calibration_part: 0.25}\n", "", "split"), 0);
    has("15 members, 15 non-members");
    has("split (stronger attacker");
    ck_assert_int_eq(run("  clid: {calibration: none}\n", "", "none"), 0);
    has("(optimistic)");
}
END_TEST

START_TEST(validate_says_what_would_run)
{
    ck_assert_int_eq(shell("'" PROGRAM "' validate '%s'" OPTIONS, spec(both)), 0);
    has("clid             15 queries a sample, 5 features; needs encode, text, predict and captions; "
        "calibration: shadow");
    has("measured: loss on target, loss on shadow, loss on control, clid on target");
    has("is valid");
    ck_assert_int_eq(shell("'" PROGRAM "' run --help"), 0);
    has("Exit code: 0 done");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("run");
    TCase *tc = tcase_create("run");
    tcase_set_timeout(tc, 120 + 2 * kills());
    tcase_add_test(tc, a_run_prints_its_table_and_writes_the_same_bytes_in_one_process);
    tcase_add_test(tc, for_programs_progress_and_results_are_json);
    tcase_add_test(tc, commands_on_runs_say_what_they_need);
    tcase_add_test(tc, report_prints_a_run_again_and_says_what_is_missing);
    tcase_add_test(tc, killed_again_and_again_it_resumes_and_the_results_are_the_same_bytes);
    tcase_add_test(tc, interrupted_it_says_how_to_go_on_and_the_same_command_does);
    tcase_add_test(tc, a_full_disk_is_said_and_the_run_goes_on_from_there);
    tcase_add_test(tc, an_attack_that_crashes_is_listed_and_the_others_are_scored);
    tcase_add_test(tc, samples_without_finite_features_are_left_out_and_told_up_to_a_share);
    tcase_add_test(tc, a_model_host_that_dies_fails_its_steps_and_a_new_run_resumes_them);
    tcase_add_test(tc, what_only_scoring_reads_is_changed_without_measuring_again);
    tcase_add_test(tc, attacks_that_share_rows_score_them_each_by_its_own_parameters);
    tcase_add_test(tc, the_threat_model_is_enforced_before_any_work);
    tcase_add_test(tc, data_that_the_threat_model_does_not_name_are_not_used);
    tcase_add_test(tc, a_budget_is_kept_before_and_during_a_run);
    tcase_add_test(tc, a_bad_spec_has_exit_code_2_and_names_the_place);
    tcase_add_test(tc, a_folder_in_use_is_refused);
    tcase_add_test(tc, calibration_on_a_split_judges_the_rest_and_says_so);
    tcase_add_test(tc, validate_says_what_would_run);
    suite_add_tcase(suite, tc);
    return suite;
}
