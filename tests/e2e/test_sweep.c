/* Sweeps as a person runs them: what is shared is run once, a failed cell costs itself, kills cost nothing.
 */
#include "experiment/sweep_index.h"
#include "support/shell.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static tt_error err;

static const char four[] =
    "sweep: {grid: {attacks.clid.alpha: [0.1, 0.5], attacks.clid.t_mid: [300, 440]}}\n";

/* Gives the path of the spec. */
static const char *spec(const char *more)
{
    char text[4096];
    snprintf(text, sizeof text, TOY_SPEC "controls: off\nattacks:\n  loss: {}\n  clid: {}\n%s", more);
    return write_spec(text);
}

static int swept(const char *command, const char *sweep, const char *dir, const char *more)
{
    return shell("'" PROGRAM "' %s '%s' --out '%s'" OPTIONS "%s", command, spec(sweep), dir, more);
}

START_TEST(what_cells_share_is_run_once_and_each_gives_the_bytes_of_its_own_run)
{
    ck_assert_int_eq(swept("run", four, "grid", ""), 0);
    has("cell 4 of 4: alpha=0.5,t_mid=440");
    has("4 cells, 4 done");
    has("0.5    440    control    clid");
    /* loss on three models, clid on three for each t_mid; scores of target and control */
    ck_assert_int_eq(count("grid/store", "measure-"), 9);
    ck_assert_int_eq(count("grid/store", "score-"), 10);
    ck_assert_int_eq(count("grid/store", "data-"), 1);
    ck_assert_int_eq(count("grid/cells", ""), 4);
    ck_assert_int_eq(swept("run", "", "alone", "attacks.clid.alpha=0.5 attacks.clid.t_mid=300"), 0);
    ck_assert_int_eq(shell("cmp 'grid/cells/alpha=0.5,t_mid=300/results.h5' 'alone/results.h5'"), 0);
}
END_TEST

START_TEST(jobs_change_no_byte)
{
    ck_assert_int_eq(swept("run", four, "alone-one", ""), 0);
    ck_assert_int_eq(swept("run", four, "in-jobs", "--jobs 3"), 0);
    ck_assert_int_eq(shell("for c in alone-one/cells/*; do cmp $c/results.h5 "
                           "in-jobs/cells/${c##*/}/results.h5 || exit 1; done"),
                     0);
    ck_assert_int_eq(swept("run", four, "in-jobs", "--jobs 0"), 2);
    has("--jobs 0: a number from 1 to 64 must be there");
}
END_TEST

START_TEST(cells_are_measured_together_and_share_their_evaluations)
{
    /* other timesteps of the same images: the second cell's encodings are the first one's */
    ck_assert_int_eq(swept("run", "sweep: {grid: {attacks.clid.t_mid: [300, 440]}}\n", "together", ""), 0);
    ck_assert_int_eq(
        shell("grep '\"attack\": \"clid\", \"role\": \"target\"' 'together/cells/t_mid=440/run.json'"), 0);
    has("\"encodes\": 0, ");
    lacks("\"predictions\": 0, ");
}
END_TEST

START_TEST(a_sweep_that_is_done_starts_nothing_and_a_change_runs_what_it_touches)
{
    ck_assert_int_eq(swept("run", four, "again", ""), 0);
    ck_assert_int_eq(shell("rm -rf again/cells/*/log again/log"), 0);
    ck_assert_int_eq(swept("run", four, "again", ""), 0);
    has("4 of 4 cells are done");
    ck_assert_int_eq(shell("find again/cells -name '*.log'"), 0);
    lacks(".log");
    /* one value more of what only scoring reads: two new cells, no model is opened */
    ck_assert_int_eq(swept("run", four, "again", "'sweep.grid.attacks.clid.alpha=[0.1, 0.5, 0.9]'"), 0);
    has("4 of 6 cells are done");
    lacks("measuring");
    ck_assert_int_eq(shell("find again/cells -name '*.log'"), 0);
    lacks(".log");
    ck_assert_int_eq(count("again/store", "measure-"), 9);
    ck_assert_int_eq(count("again/store", "score-"), 14);
}
END_TEST

START_TEST(a_plan_counts_cells_and_steps_and_asks_each_question_once)
{
    ck_assert_int_eq(swept("plan", four, "planned", ""), 0);
    has("alpha=0.1,t_mid=300     10       0       0     10         1664  time unknown");
    has("alpha=0.5,t_mid=440     10       0       8      2            0");
    has("4 cells, 40 steps, 19 of them different: 0 stored, 19 to do: at most 3224 predictions");
    has("asked once each: 5 attack plans (of 2 workers), 3 models, 1 sets of samples");
    ck_assert_int_eq(swept("run", four, "planned", ""), 0);
    ck_assert_int_eq(swept("plan", four, "planned", ""), 0);
    has("19 stored, 0 to do\n");
    ck_assert_int_eq(swept("plan", four, "planned", "--cell alpha=0.1,t_mid=300"), 0);
    has("10 steps, 10 stored, 0 to do");
    ck_assert_int_eq(swept("plan", four, "planned", "--cell alpha=0.1"), 2);
    ck_assert_int_eq(swept("explain", four, "planned", "clid"), 2);
    has("say which, --cell alpha=0.1,t_mid=300");
    ck_assert_int_eq(shell("'" PROGRAM "' validate '%s'" OPTIONS, spec(four)), 0);
    has("a sweep of 4 cells, alpha=0.1,t_mid=300 to alpha=0.5,t_mid=440");
}
END_TEST

/* "[1, 2, …]", `n` numbers from `first` on. */
static void put_numbers(char *text, size_t size, int first, int n, int divisor)
{
    size_t at = 0;
    for (int i = 0; i < n && at < size; i++)
        at +=
            (size_t)snprintf(text + at, size - at, "%s%.10g", i ? ", " : "[", (double)(first + i) / divisor);
    if (at < size) snprintf(text + at, size - at, "]");
}

START_TEST(a_plan_of_a_thousand_cells_asks_two_workers_and_knows_what_is_shared)
{
    char alphas[1024], middles[1024], sweep[2500];
    put_numbers(alphas, sizeof alphas, 1, 50, 100);
    put_numbers(middles, sizeof middles, 300, 20, 1);
    snprintf(sweep, sizeof sweep, "sweep: {grid: {attacks.clid.alpha: %s, attacks.clid.t_mid: %s}}\n", alphas,
             middles);
    ck_assert_int_eq(shell("'" PROGRAM "' plan '%s' --out 'thousand'" OPTIONS "| tail -2", spec(sweep)), 0);
    /* the loss on three models and its two scores; clid on three for each t_mid; two scores of each cell */
    has("1000 cells, 10000 steps, 2065 of them different: 0 stored, 2065 to do: at most 31304 predictions");
    has("asked once each: 1001 attack plans (of 2 workers), 3 models, 1 sets of samples");
    /* rates that were measured tell how long the rest takes */
    ck_assert_int_eq(swept("run", "", "thousand", ""), 0);
    ck_assert_int_eq(shell("'" PROGRAM "' plan '%s' --out 'thousand'" OPTIONS "| tail -2", spec(sweep)), 0);
    has("5 stored, 2060 to do: at most 31200 predictions, about ");
}
END_TEST

/* The account of each measure step: what was computed, over all sessions, and how long it took. */
static void read_ledger(const char *dir, char *ledger, size_t size)
{
    ck_assert_int_eq(shell("grep '\"attack\"' '%s/run.json'", dir), 0);
    has("\"predictions\": 560");
    snprintf(ledger, size, "%.8000s", output);
}

START_TEST(alpha_scaler_and_calibration_change_without_a_query)
{
    static const char *const changes[] = {"attacks.clid.alpha=0.5", "attacks.clid.calibration=split",
                                          "attacks.clid.calibration=none 'attacks.clid.scaler=[1, 2, 3, 4]'"};
    char before[8192], after[8192];
    ck_assert_int_eq(swept("run", "", "ablated", ""), 0);
    read_ledger("ablated", before, sizeof before);
    char *ledger_line = strstr(before, "{\"attack\": \"clid\", \"role\": \"target\"");
    ck_assert_ptr_nonnull(ledger_line);
    char line[512];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(ledger_line, "\n") - 1, ledger_line);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ck_assert_int_eq(shell("rm -r 'ablated/log'"), 0);
        ck_assert_int_eq(swept("run", "", "ablated", changes[i]), 0);
        lacks("measuring");
        read_ledger("ablated", after, sizeof after);
        /* where the shadow calibrates nothing, what was measured on the shadow for clid is not listed */
        if (i < 1) ck_assert_str_eq(after, before);
        ck_assert_ptr_nonnull(strstr(after, line));
        ck_assert_int_eq(shell("ls 'ablated/log'"), 0);
        has("scoring");
        lacks("model-");
    }
}
END_TEST

START_TEST(in_one_process_the_bytes_are_the_same)
{
    ck_assert_int_eq(swept("run", four, "apart", ""), 0);
    ck_assert_int_eq(swept("run", four, "together", "--in-process"), 0);
    same("apart", "together", "sweep.json");
    same("apart", "together", "cells/alpha=0.1,t_mid=300/results.h5");
    same("apart", "together", "cells/alpha=0.5,t_mid=440/results.h5");
}
END_TEST

START_TEST(mistakes_and_refusals_are_told_before_anything_runs)
{
    ck_assert_int_eq(
        swept("run", "sweep: {grid: {attacks.clid.alpha: [0.1, 1.5], seed: [1, 2]}}\n", "bad", ""), 2);
    has("attacks.clid.alpha is 1.5: must be between 0 and 1 (cell alpha=1.5,seed=1 and 1 more)");
    ck_assert_int_eq(swept("run", "sweep: {grid: {threat_model.access: [grey-box, black-box]}}\n", "bad", ""),
                     3);
    has("attacks.loss needs encode, text, predict, which threat_model.access does not grant");
    has("(cell access=black-box)");
    ck_assert_int_eq(shell("test -e 'bad'"), 1);
}
END_TEST

START_TEST(a_cell_that_fails_is_listed_and_the_others_are_done)
{
    const char *failing =
        "sweep: {grid: {models.control.crash_after: {broken: 3, sound: 0}, seed: [1, 2]}}\n";
    ck_assert_int_eq(swept("run", failing, "failing", ""), 1);
    has("4 cells, 2 done, 2 failed:\n");
    has("  crash_after=broken,seed=1: 2 of 4 scores are missing, first: measuring on control: model control");
    tt_sweep_index index;
    tt_ok(tt_sweep_index_read(path_of("failing"), &index, &err), &err);
    ck_assert_uint_eq(index.n, 4);
    for (size_t i = 0; i < index.n; i++) {
        tt_results results = {0};
        bool broken = index.cells[i].choice[0] == 0;
        ck_assert_str_eq(index.axes[0].labels[index.cells[i].choice[0]], broken ? "broken" : "sound");
        ck_assert_int_eq(index.cells[i].state, broken ? TT_CELL_FAILED : TT_CELL_DONE);
        ck_assert((index.cells[i].failure != NULL) == broken);
        tt_ok(tt_sweep_index_results(&index, i, &results, &err), &err);
        ck_assert_uint_eq(results.n_scores, 4);
        tt_results_free(&results);
    }
    tt_sweep_index_free(&index);
    /* what is the same but for speed is not measured again when it is mended */
    ck_assert_int_eq(swept("run", failing, "failing", "'sweep.grid.models.control.crash_after={sound: 0}'"),
                     0);
    has("2 of 2 cells are done");
}
END_TEST

START_TEST(a_cell_without_its_data_is_listed_and_the_others_are_done)
{
    const char *missing =
        "sweep: {grid: {data.faces: {drawn: {plugin: faces, size: 32, splits: {seen: 20, held_out: "
        "20, a: 12, b: 12}}, absent: {plugin: imagefolder, path: nowhere/, splits: {seen: 20, "
        "held_out: 20, a: 12, b: 12}}}}}\n";
    ck_assert_int_eq(swept("run", missing, "missing", ""), 1);
    has("2 cells, 1 done, 1 failed:\n  faces=absent: ");
    has("nowhere");
    ck_assert_int_eq(swept("plan", missing, "missing", ""), 1);
    has("faces=absent  cannot run: ");
}
END_TEST

START_TEST(killed_anywhere_it_goes_on_and_gives_the_same_bytes)
{
    const char *delay = "models.target.delay_us=0 models.shadow.delay_us=0 models.control.delay_us=0";
    spec(four);
    int killed = 0;
    for (int i = 0; i < kills(); i++) {
        int code = run_and_signal("killed", &(tt_test_signal){2000, NULL, 120 + 83 * (i * 7 % 11), SIGKILL});
        ck_assert_msg(code == -SIGKILL || code == 0, "exit code %d after %d kills", code, killed);
        killed += code == -SIGKILL;
    }
    ck_assert_int_gt(killed, 0);
    ck_assert_int_eq(swept("run", four, "killed", delay), 0);
    ck_assert_int_eq(swept("run", four, "whole", delay), 0);
    same("killed", "whole", "sweep.json");
    static const char *const cells[] = {"alpha=0.1,t_mid=300", "alpha=0.1,t_mid=440", "alpha=0.5,t_mid=300",
                                        "alpha=0.5,t_mid=440"};
    for (int i = 0; i < 4; i++) {
        char file[256];
        snprintf(file, sizeof file, "cells/%s/results.h5", cells[i]);
        same("killed", "whole", file);
    }
    ck_assert_int_eq(count("killed/store", "measure-"), 9);
}
END_TEST

START_TEST(interrupted_it_says_how_to_go_on_and_lists_what_is_left)
{
    spec(four);
    ck_assert_int_eq(run_and_signal("stopped", &(tt_test_signal){2000, "sweep.json", 300, SIGINT}), 4);
    ck_assert_int_eq(shell("cat 'signalled.txt'"), 0);
    has("stopped; what was measured is kept");
    ck_assert_int_eq(report("stopped", ""), 0);
    has(" not run to the end");
    const char *delay = "models.target.delay_us=0 models.shadow.delay_us=0 models.control.delay_us=0";
    ck_assert_int_eq(swept("run", four, "stopped", delay), 0);
    has("4 cells, 4 done");
}
END_TEST

START_TEST(gc_keeps_what_every_cell_uses)
{
    ck_assert_int_eq(swept("run", four, "kept", ""), 0);
    ck_assert_int_eq(shell("'" PROGRAM "' gc 'kept'"), 0);
    has("20 artifacts in use, 0 removed");
    ck_assert_int_eq(shell("rm -r 'kept/cells/alpha=0.5,t_mid=300' 'kept/cells/alpha=0.1,t_mid=300'"), 0);
    /* three measurements and four scores of clid at t_mid 300 */
    ck_assert_int_eq(shell("'" PROGRAM "' gc 'kept'"), 0);
    has("13 artifacts in use, 7 removed");
}
END_TEST

START_TEST(report_shows_a_line_for_each_cell_and_attack)
{
    char table[8192];
    ck_assert_int_eq(swept("run", four, "told", ""), 0);
    snprintf(table, sizeof table, "%s", strstr(output, "alpha  t_mid  model"));
    *strstr(table, "Intervals") = '\0';
    ck_assert_int_eq(report("told", ""), 0);
    has(table);
    ck_assert_int_eq(report("told", "--json"), 0);
    has("{\"name\": \"alpha=0.1,t_mid=300\", \"values\": {\"attacks.clid.alpha\": 0.1, "
        "\"attacks.clid.t_mid\": 300}");
    has("\"tpr_at_1_percent_fpr\": null");
    ck_assert_int_eq(report("told", "--json --details >told.json"), 0);
    ck_assert_int_eq(shell("grep '\"run\": \"alpha=0.1,t_mid=300\"' told.json"), 0);
    ck_assert_int_eq(shell("test $(grep -c '\"asked\": {\"predictions\": ' told.json) -ge 8"), 0);
    ck_assert_int_eq(report("told", "--figures"), 0);
    ck_assert_int_eq(shell("test -s 'told/figures/runs-target.dat'"), 0);
    ck_assert_int_eq(report("told/cells/alpha=0.1,t_mid=300", ""), 0);
    has("control (never saw the data)");
    ck_assert_int_ne(swept("run", "", "told", ""), 0);
    has("holds a sweep: give this run another folder");
}
END_TEST

START_TEST(a_sweep_file_that_lies_is_refused)
{
    static const struct {
        const char *from, *to;
    } lies[] = {{"\\[0, 1\\]", "[0, 7]"},
                {"\\[0, 1\\]", "[0]"},
                {"alpha=0.1,t_mid=440", "..\\/.."},
                {"done", "finished"},
                {"\"axes\"", "\"axis\""}};
    ck_assert_int_eq(swept("run", four, "lying", ""), 0);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        ck_assert_int_eq(shell("mkdir -p 'lie'; sed 's/%s/%s/' 'lying/sweep.json' >'lie/sweep.json'",
                               lies[i].from, lies[i].to),
                         0);
        ck_assert_int_ne(report("lie", ""), 0);
        has("is not what `telltale run` writes of a sweep");
    }
}
END_TEST

START_TEST(the_example_runs_on_the_embedded_models)
{
    ck_assert_int_eq(shell("'" PROGRAM "' run '" TT_SOURCE_DIR "/configs/sweep.yaml' --out 'example' "
                           "data.faces.splits='{seen: 8, held_out: 8, shadow_seen: 8, shadow_held_out: 8}'"),
                     0);
    has("6 cells, 6 done");
    has("0.9    t450       control    clid");
    /* clid once on three models, the loss at two timesteps; images and captions alone */
    ck_assert_int_eq(count("example/store", "measure-"), 11);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("sweep");
    TCase *tc = tcase_create("sweep");
    tcase_set_timeout(tc, 120 + 2 * kills());
    tcase_add_test(tc, what_cells_share_is_run_once_and_each_gives_the_bytes_of_its_own_run);
    tcase_add_test(tc, a_sweep_that_is_done_starts_nothing_and_a_change_runs_what_it_touches);
    tcase_add_test(tc, jobs_change_no_byte);
    tcase_add_test(tc, cells_are_measured_together_and_share_their_evaluations);
    tcase_add_test(tc, a_plan_counts_cells_and_steps_and_asks_each_question_once);
    tcase_add_test(tc, a_plan_of_a_thousand_cells_asks_two_workers_and_knows_what_is_shared);
    tcase_add_test(tc, alpha_scaler_and_calibration_change_without_a_query);
    tcase_add_test(tc, in_one_process_the_bytes_are_the_same);
    tcase_add_test(tc, mistakes_and_refusals_are_told_before_anything_runs);
    tcase_add_test(tc, a_cell_that_fails_is_listed_and_the_others_are_done);
    tcase_add_test(tc, a_cell_without_its_data_is_listed_and_the_others_are_done);
    tcase_add_test(tc, killed_anywhere_it_goes_on_and_gives_the_same_bytes);
    tcase_add_test(tc, interrupted_it_says_how_to_go_on_and_lists_what_is_left);
    tcase_add_test(tc, gc_keeps_what_every_cell_uses);
    tcase_add_test(tc, report_shows_a_line_for_each_cell_and_attack);
    tcase_add_test(tc, a_sweep_file_that_lies_is_refused);
    tcase_add_test(tc, the_example_runs_on_the_embedded_models);
    suite_add_tcase(suite, tc);
    return suite;
}
