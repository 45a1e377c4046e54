/* Replication as a person runs it: replicates share their steps, one more runs what is new, and every form of
 * the report tells the levels apart. */
#include "experiment/replication.h"
#include "support/shell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tt_error err;

static const char head[] =
    "version: 1\n"
    "data:\n"
    "  faces: {plugin: faces, size: 32, splits: {seen: 20, held_out: 20, others: 20, a: 12, b: 12}}\n"
    "models:\n"
    "  target: {plugin: toy}\n"
    "  shadow: {plugin: toy, weight: 0.4, members: faces.a, nonmembers: faces.b}\n"
    "controls: off\n"
    "members: faces.seen\n"
    "nonmembers: faces.held_out\n"
    "threat_model: {access: grey-box, captions: known}\n"
    "device: {backend: reference, threads: 1}\n"
    "batch: 4\n"
    "attacks:\n"
    "  loss: {}\n"
    "  clid: {}\n";

static const char two_levels[] =
    "replication: {attack_seeds: 3, splits: {one: , two: {nonmembers: faces.others}}}\n";

static int replicated(const char *command, const char *replication, const char *dir, const char *more)
{
    char text[4096];
    snprintf(text, sizeof text, "%s%s", head, replication);
    return telltale(command, text, dir, more);
}

/* Of the tree of a run: what was measured and scored, with times of change. */
static void state_of(const char *dir, char state[sizeof output])
{
    ck_assert_int_eq(
        shell("cd '%s/store' && find measure-* score-* -type f -printf '%%p %%T@\\n' | sort", dir), 0);
    memcpy(state, output, sizeof output);
}

START_TEST(a_second_run_runs_nothing_and_one_more_seed_runs_what_is_new)
{
    static char before[sizeof output], after[sizeof output];
    ck_assert_int_eq(replicated("plan", two_levels, "seeds", ""), 0);
    has("split=two,seed=3      6       0       2      4");
    ck_assert_int_eq(replicated("run", two_levels, "seeds", ""), 0);
    has("6 cells, 6 done");
    /* for each seed two attacks on the shadow and on two sets of samples of the target */
    ck_assert_int_eq(count("seeds/store", "measure-"), 18);
    ck_assert_int_eq(count("seeds/store", "score-"), 12);
    state_of("seeds", before);
    ck_assert_int_eq(replicated("run", two_levels, "seeds", ""), 0);
    has("6 of 6 cells are done");
    lacks("measuring");
    lacks("cell 1 of 6");
    state_of("seeds", after);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(replicated("run", two_levels, "seeds", "replication.attack_seeds=4"), 0);
    has("6 of 8 cells are done");
    has("8 cells, 8 done");
    lacks("seed=3\n");
    ck_assert_int_eq(count("seeds/store", "measure-"), 24);
    ck_assert_int_eq(count("seeds/store", "score-"), 16);
    state_of("seeds", after);
    for (char *line = strtok(before, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strstr(after, line) != NULL, "%s was written again", line);
}
END_TEST

START_TEST(seeds_of_scoring_alone_measure_once)
{
    static const char trees[] = "replication: {attack_seeds: {a: {attacks.clid.classifier_seed: 0}, b: "
                                "{attacks.clid.classifier_seed: 1}, c: {attacks.clid.classifier_seed: 2}}}\n";
    ck_assert_int_eq(replicated("run", trees, "trees", "attacks.clid.classifier=vec"), 0);
    has("3 cells, 3 done");
    ck_assert_int_eq(count("trees/store", "measure-"), 4);
    ck_assert_int_eq(count("trees/store", "score-"), 4); /* three of clid, one of the loss */
    ck_assert_int_eq(report("trees", ""), 0);
    has("target     loss            AUC");
    has("3: 0.0000 ± 0.0000 (0.0000)"); /* the loss draws nothing from it */
}
END_TEST

/* Read from each cell's results by hand. */
static double auc_of(const tt_sweep_index *index, const char *cell, const char *attack)
{
    double auc = NAN;
    for (size_t i = 0; i < index->n; i++) {
        tt_results results = {0};
        if (strcmp(index->cells[i].name, cell) != 0) continue;
        tt_ok(tt_sweep_index_results(index, i, &results, &err), &err);
        for (size_t k = 0; k < results.n_scores; k++)
            if (strcmp(results.scores[k].attack, attack) == 0) auc = results.scores[k].evaluation.auc.auc;
        tt_results_free(&results);
    }
    ck_assert(isfinite(auc));
    return auc;
}

START_TEST(levels_are_those_of_the_cells_scores)
{
    tt_sweep_index index;
    tt_replicated_list list = {0};
    const char *dir = path_of("levels");
    tt_replicate values[6];
    ck_assert_int_eq(replicated("run", two_levels, "levels", ""), 0);
    tt_ok(tt_sweep_index_read(dir, &index, &err), &err);
    tt_ok(tt_replicated_read(&index, &list, &err), &err);
    ck_assert_uint_eq(list.n, 2);
    ck_assert(list.levels[TT_LEVEL_ATTACK] && list.levels[TT_LEVEL_SPLIT] && !list.levels[TT_LEVEL_TRAINING]);
    for (uint32_t split = 0; split < 2; split++)
        for (uint32_t seed = 0; seed < 3; seed++) {
            char cell[64];
            snprintf(cell, sizeof cell, "split=%s,seed=%u", split ? "two" : "one", seed + 1);
            values[3 * split + seed] = (tt_replicate){0, split, seed, auc_of(&index, cell, "clid")};
        }
    tt_replication by_hand;
    tt_ok(tt_replication_of(6, values, &by_hand, &err), &err);
    const tt_replicated *clid = &list.rows[1];
    ck_assert_str_eq(clid->attack, "clid");
    ck_assert_str_eq(clid->setting, "");
    ck_assert_uint_eq(clid->n, 6);
    ck_assert_uint_eq(clid->missing, 0);
    ck_assert_double_eq(clid->of[0].mean, by_hand.mean);
    ck_assert_double_eq(clid->of[0].attacks.half_width_t, by_hand.attacks.half_width_t);
    ck_assert_double_eq(clid->of[0].splits.half_width_paper, by_hand.splits.half_width_paper);
    ck_assert(!clid->known[1]); /* controls are off: no gain */
    ck_assert(!clid->known[4]); /* 1 % of 20 non-members */
    tt_replicated_free(&list);
    /* what is missing is said, and the rest is not taken for all */
    ck_assert_int_eq(shell("rm levels/cells/split=two,seed=3/results.h5"), 0);
    tt_ok(tt_replicated_read(&index, &list, &err), &err);
    ck_assert_uint_eq(list.rows[0].n, 5);
    ck_assert_uint_eq(list.rows[0].missing, 1);
    ck_assert_uint_eq(list.rows[0].of[0].attacks.n, 5);
    tt_replicated_free(&list);
    tt_sweep_index_free(&index);
    ck_assert_int_eq(report("levels", ""), 0);
    has("target     clid            1 replicate is missing");
}
END_TEST

START_TEST(every_form_of_the_report_shows_the_levels)
{
    static const char swept[] = "sweep: {grid: {attacks.clid.alpha: [0.1, 0.5]}}\n"
                                "replication: {attack_seeds: 2, splits: {one: , two: {nonmembers: "
                                "faces.others}}}\n"
                                "report: {tpr_at_fpr: [0.25]}\n";
    ck_assert_int_eq(replicated("run", swept, "forms", ""), 0);
    has("8 cells, 8 done");
    has("setting    model      attack          metric              mean  seed");
    has("alpha=0.5  target     clid            AUC ");
    has("seed speaks of: this model and these samples, the attack's draws anew\n");
    has("split speaks of: this model, other samples of the same source\n");
    lacks("training speaks of");
    has("alpha=0.5  target     clid            TPR@25%FPR ");
    lacks("clid            TPR@1%FPR"); /* of 20 non-members */
    ck_assert_int_eq(count("forms/store", "measure-"), 12);
    ck_assert_int_eq(report("forms", "--details"), 0);
    has("alpha=0.5  target     clid            AUC ");
    ck_assert_int_eq(report("forms", "--json"), 0);
    has("\"replication\": [\n {\"setting\": \"alpha=0.1\", \"role\": \"target\", \"attack\": \"loss\", "
        "\"replicates\": 4, \"missing\": 0, \"auc\": {\"mean\": ");
    has("\"seed\": {\"n\": 4, \"groups\": 2, \"sd\": ");
    has("\"split\": {\"n\": 2, \"groups\": 1, \"sd\": ");
    ck_assert_int_eq(report("forms", "--format markdown"), 0);
    has("| setting | model | attack | metric | mean | over | n | sd | ± t | ± 1.96·sd/√n |");
    has("| alpha=0.5 | target | clid | AUC |");
    has("seed speaks of this model and these samples");
    ck_assert(strstr(output, "## Replication") < strstr(output, "## target"));
    ck_assert_int_eq(report("forms", "--format latex"), 0);
    has("\\label{tab:replication}");
    ck_assert_int_eq(report("forms", "--format csv | grep _over_"), 0);
    has("\"alpha=0.5\",target,clid,auc_over_seed,0.");
    has("\"alpha=0.5\",target,clid,auc_over_split_paper,0.");
    has("\"alpha=0.5\",target,clid,auc_n_over_seed,4,,,\n");
    has("\"alpha=0.5\",target,clid,tpr_at_fpr_0.25_over_seed,");
    ck_assert_int_eq(report("forms", "--format html --images 0"), 0);
    ck_assert_int_eq(shell("grep -c 'Replication' 'forms/report.html'"), 0);
}
END_TEST

START_TEST(conflicts_and_bad_numbers_are_refused_in_plan)
{
    ck_assert_int_eq(replicated("plan", "replication: {attack_seeds: 0}\n", "bad", ""), 2);
    has("spec.yaml:16:29: replication.attack_seeds: 0 stands where there must be how many (1 to 1000)");
    ck_assert_int_eq(
        replicated("plan", "sweep: {grid: {seed: [1, 2]}}\nreplication: {attack_seeds: 2}\n", "bad", ""), 2);
    has("spec.yaml:17:15: replication.attack_seeds sets seed, and so does an axis of the sweep");
    /* portraits are not drawn from a list: they have no other draw */
    ck_assert_int_eq(replicated("plan", "replication: {splits: 2}\n", "bad", ""), 2);
    has("spec.yaml:16:23: data.faces.split_seed: data 'faces' has no such parameter");
    ck_assert_int_eq(shell("test -e 'bad'"), 1);
    ck_assert_int_eq(replicated("explain", two_levels, "bad", "clid"), 2);
    has("say which, --cell split=one,seed=1");
}
END_TEST

START_TEST(two_trainings_with_the_same_weights_are_told)
{
    static const char same[] = "replication: {trainings: {one: {models.target.delay_us: 0}, "
                               "two: {models.target.delay_us: 1}}}\n";
    ck_assert_int_eq(replicated("run", same, "same", ""), 0);
    has("warning: trainings one and two have the same weights\n");
    ck_assert_int_eq(report("same", "--format markdown"), 0);
    has("Warning: trainings one and two have the same weights.");
}
END_TEST

START_TEST(the_example_runs_on_the_embedded_models)
{
    ck_assert_int_eq(shell("'" PROGRAM "' run '" TT_SOURCE_DIR "/configs/replication.yaml' --out 'example' "
                           "data.faces.splits='{seen: 8, held_out: 8, shadow_seen: 8, shadow_held_out: 8}' "
                           "replication.attack_seeds=2"),
                     0);
    has("4 cells, 4 done");
    has("control    clid            AUC ");
    lacks("the same weights");
    /* for each seed two attacks: target and shadow each on its images, the control on both */
    ck_assert_int_eq(count("example/store", "measure-"), 16);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("replication");
    TCase *tc = tcase_create("replication");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_second_run_runs_nothing_and_one_more_seed_runs_what_is_new);
    tcase_add_test(tc, seeds_of_scoring_alone_measure_once);
    tcase_add_test(tc, levels_are_those_of_the_cells_scores);
    tcase_add_test(tc, every_form_of_the_report_shows_the_levels);
    tcase_add_test(tc, conflicts_and_bad_numbers_are_refused_in_plan);
    tcase_add_test(tc, two_trainings_with_the_same_weights_are_told);
    tcase_add_test(tc, the_example_runs_on_the_embedded_models);
    suite_add_tcase(suite, tc);
    return suite;
}
