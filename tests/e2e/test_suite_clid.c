/* The CLiD comparison as configs/clid/embedded.yaml runs it: every method is measured, calibrated on the
 * shadow model and judged; the queries are those of the paper's table, and what was computed for them those
 * of the specification's table of shared evaluations; and what is known of the embedded world
 * (configs/clid/README.md) is found again. Under sanitizers a fifth of its portraits. */
#include "base/file.h"
#include "base/mem.h"
#include "experiment/results.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "stats/stats.h"
#include "support/shell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPEC   "'" TT_SOURCE_DIR "/configs/clid/embedded.yaml' "
#define MODELS TT_SOURCE_DIR "/configs/models/embedded"
#define FIFTH                                                                                                \
    "data.faces.splits.seen=40 data.faces.splits.held_out=40 data.faces.splits.shadow_seen=40 "              \
    "data.faces.splits.shadow_held_out=40 "
#ifdef TT_SANITIZE
enum { WHOLE = 0, PORTRAITS = 80 };
#else
enum { WHOLE = 1, PORTRAITS = 400 };
#endif

static tt_error err;

static const tt_node *get(const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    ck_assert_msg(node != NULL, "the report lacks %s", key);
    return node;
}

static double real(const tt_node *node)
{
    return node->kind == TT_NODE_INT ? (double)node->value.integer : node->value.real;
}

static bool is(const tt_node *map, const char *key, const char *value)
{
    return strcmp(get(map, key)->text, value) == 0;
}

/* What a run's folder has as JSON: its report, or the file on what it took. */
static const tt_node *read_json(tt_arena *arena, const char *dir, const char *file)
{
    tt_node *root;
    ck_assert_int_eq(file ? shell("cat '%s/%s'", dir, file) : report(dir, "--json"), 0);
    tt_ok(tt_json_parse(arena, "report", output, strlen(output), &root, &err), &err);
    return root;
}

/* Predictions that were computed, of one attack or (NULL) of all. */
static double executed(const tt_node *info, const char *role, const char *attack)
{
    double sum = 0;
    for (const tt_node *s = get(info, "steps")->children; s; s = s->next)
        if (is(s, "role", role) && (!attack || is(s, "attack", attack)))
            sum += real(get(get(s, "executed"), "predictions"));
    return sum;
}

/* ---- the comparison ---- */

/* In the order of the spec, each attack computes what none before it did: 48 of the 53 that are asked. */
static const struct {
    const char *attack;
    double queries, computed, least; /* least AUC on the target: 40 + 40 portraits leave ± .1 */
} suite[] = {
    {"loss", 1, 1, 0.75},   {"pia", 2, 2, 0.75},       {"monte_carlo", 3, 2, 0.75}, {"secmi", 12, 11, 0.5},
    {"pfami", 20, 20, 0.5}, {"clid_th", 15, 12, 0.75}, {"clid_vec", 15, 0, 0.75},
};
enum { SUITE = sizeof suite / sizeof *suite, ASKED = 53, COMPUTED = 48 };

static double logit(double p)
{
    return log(p / (1 - p));
}

/* The 95 % interval on the logit scale, widened to what Bonferroni's correction for all methods asks. */
static tt_interval for_all(const tt_node *interval)
{
    double low = logit(real(interval->children)), high = logit(real(interval->children->next));
    double centre = (low + high) / 2,
           wider = tt_normal_quantile(1 - 0.025 / SUITE) / tt_normal_quantile(0.975);
    double half = (high - low) / 2 * wider;
    return (tt_interval){1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))};
}

static void check_scores(const tt_node *scores, const char *role)
{
    size_t found = 0;
    double asked = 0;
    for (const tt_node *s = scores->children; s; s = s->next) {
        if (!is(s, "role", role)) continue;
        size_t a = 0;
        while (a < SUITE && !is(s, "attack", suite[a].attack))
            a++;
        ck_assert_uint_lt(a, SUITE);
        found++;
        ck_assert_str_eq(get(s, "calibration")->text, "shadow");
        ck_assert_double_eq(real(get(s, "predictions_per_sample")), suite[a].queries);
        asked += suite[a].computed > 0 ? suite[a].queries : 0; /* clid_vec takes clid_th's rows */
        double auc = real(get(s, "auc"));
        tt_interval i = for_all(get(s, "auc_logit"));
        if (strcmp(role, "target") == 0)
            ck_assert_msg(auc > suite[a].least && (!WHOLE || i.low > 0.5), "%s: AUC %g from %g on the target",
                          suite[a].attack, auc, i.low);
        else
            ck_assert_msg(i.low < 0.5 && i.high > 0.5, "%s: AUC %g on the control, [%g, %g] has no 0.5",
                          suite[a].attack, auc, i.low, i.high);
    }
    ck_assert_uint_eq(found, SUITE);
    ck_assert_double_eq(asked, ASKED);
}

/* No method is better than CLiD-th at the 5 % level: paired DeLong, corrected by Holm. */
static void check_gate(const tt_node *comparisons)
{
    size_t found = 0;
    for (const tt_node *c = comparisons->children; c; c = c->next) {
        bool first = is(c, "attack_a", "clid_th"), second = is(c, "attack_b", "clid_th");
        if (!is(c, "role", "target") || (!first && !second)) continue;
        if (is(c, "attack_a", "clid_vec")) continue; /* no baseline */
        found++;
        double lead = (first ? 1 : -1) * real(get(c, "difference"));
        ck_assert_msg(lead > 0 || real(get(c, "p_holm")) > 0.05,
                      "a baseline is better than CLiD-th by %g: %s, %s", -lead, get(c, "attack_a")->text,
                      get(c, "attack_b")->text);
    }
    ck_assert_uint_eq(found, SUITE - 2);
}

START_TEST(every_method_of_the_comparison_finds_members_in_the_target_and_none_in_the_control)
{
    static const char *const roles[] = {"target", "shadow", "control"};
    ck_assert_msg(
        shell("'" PROGRAM "' run " SPEC "%s device.threads=2 --quiet --out 'suite'", WHOLE ? "" : FIFTH) == 0,
        "%s", output);
    tt_arena *arena = tt_arena_create(0);
    const tt_node *root = read_json(arena, "suite", NULL), *info = read_json(arena, "suite", "run.json");
    check_scores(get(root, "scores"), "target");
    check_scores(get(root, "scores"), "control");
    check_gate(get(root, "comparisons"));
    for (int r = 0; r < 3; r++) {
        for (size_t a = 0; a < SUITE; a++)
            ck_assert_double_eq(executed(info, roles[r], suite[a].attack), PORTRAITS * suite[a].computed);
        ck_assert_double_eq(executed(info, roles[r], NULL), PORTRAITS * COMPUTED);
    }
    tt_arena_destroy(arena);
}
END_TEST

/* ---- shared evaluations ---- */

static const char *const few =
    "version: 1\ncontrols: off\ndata: {faces: {plugin: faces, splits: {seen: 3, held_out: 3}}}\n"
    "models: {target: {plugin: sd15, path: '" MODELS "/target'}}\n"
    "members: faces.seen\nnonmembers: faces.held_out\n"
    "threat_model: {access: grey-box, captions: known}\n";

/* Runs `few` and what follows it in a folder, and reads the results. */
static void run_few(const char *dir, const char *rest, tt_results *r)
{
    char text[2048];
    int n = snprintf(text, sizeof text, "%s%s", few, rest);
    ck_assert(n > 0 && (size_t)n < sizeof text);
    tt_ok(tt_file_write(path_of("%s.yaml", dir), text, (size_t)n, &err), &err);
    ck_assert_msg(shell("'" PROGRAM "' run %s.yaml --quiet --out %s", dir, dir) == 0, "%s", output);
    if (r) tt_ok(tt_results_read(path_of("%s/results.h5", dir), r, &err), &err);
}

START_TEST(what_is_computed_depends_on_no_order_and_grows_where_inputs_differ)
{
    static const struct {
        const char *attacks;
        double computed; /* predictions a sample */
    } cases[] = {
        {"{loss: {K}, pia: {K}, monte_carlo: {K}, secmi: {K}, pfami: {K}, clid: {K}}", 48},
        {"{clid: {K}, pfami: {K}, secmi: {K}, monte_carlo: {K}, pia: {K}, loss: {K}}", 48},
        {"{pfami: {K}, monte_carlo: {K}, clid: {K}, loss: {K}, secmi: {K}, pia: {K}}", 48},
        /* 485, 495, 505 of CLiD's other script: neither Loss nor M.C. is a part of it */
        {"{loss: {K}, pia: {K}, monte_carlo: {K}, secmi: {K}, pfami: {K}, clid: {K, t_mid: 495}}", 51},
        /* a latent of its own shares nothing */
        {"{loss: {K, vae_mode: mean}, monte_carlo: {K}, clid: {K}}", 16},
        {"{pia: {K, vae_mode: mean}, secmi: {K}}", 14},
        {"{pia: {K}, b: {plugin: pia, K, profile: pia}, c: {plugin: pia, K, normalise: code}}", 3},
        {"{clid: {K, m: 1, n: 1}}", 5},
        {"{clid: {K, reduction: 'null'}}", 6},
        {"{a: {plugin: pfami, K}, b: {plugin: pfami, K, relative: true}}", 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024] = "attacks: ", dir[32];
        size_t n = strlen(text);
        for (const char *c = cases[i].attacks; *c; c++)
            n += (size_t)snprintf(text + n, sizeof text - n, *c == 'K' ? "calibration: none" : "%c", *c);
        snprintf(dir, sizeof dir, "shared-%zu", i);
        run_few(dir, text, NULL);
        tt_arena *arena = tt_arena_create(0);
        double computed = executed(read_json(arena, dir, "run.json"), "target", NULL) / 6;
        ck_assert_msg(computed == cases[i].computed, "%s: %g a sample were computed, not %g",
                      cases[i].attacks, computed, cases[i].computed);
        tt_arena_destroy(arena);
    }
}
END_TEST

/* ---- maps for networks ---- */

START_TEST(the_maps_that_networks_will_score_are_measured_and_stored)
{
    tt_results r;
    run_few("nets",
            "attacks: {secmi: {calibration: none, map_elements: 1024}, "
            "pfami: {calibration: none, profile: pfami, map: true}}\n",
            &r);
    ck_assert_uint_eq(r.n_features, 2);
    ck_assert_uint_eq(r.features[0].n_columns, 1025); /* the error, and that of 4 x 16 x 16 elements */
    ck_assert_uint_eq(r.features[1].n_columns, 110);  /* ten timesteps of the whole and of ten crops */
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < r.features[f].n * r.features[f].n_columns; i++)
            ck_assert(r.features[f].values[i] > 0);
    tt_results_free(&r);
}
END_TEST

/* ---- heat maps ---- */

static void check_words(const tt_results *r, const tt_result_heat_maps *m, size_t i)
{
    char words[600] = "";
    for (size_t k = m->first[i]; k < m->first[i + 1]; k++) {
        size_t n = strlen(words);
        snprintf(words + n, sizeof words - n, "%s%s", n ? " " : "", m->word[k]);
        ck_assert_double_gt(m->peak[k], 0);
    }
    ck_assert_str_eq(words, r->samples[m->sample[i]].caption);
}

START_TEST(heat_maps_of_every_caption_are_in_the_results_and_in_the_store)
{
    tt_results r;
    run_few("maps",
            "attacks: {clid: {calibration: none, reduction: importance, importance: service}}\n"
            "services: {word_importance: {plugin: word_importance, path: '" MODELS "/base', steps: 2}}\n",
            &r);
    ck_assert_uint_eq(r.n_heat_maps, 1);
    ck_assert_str_eq(r.heat_maps->service, "word_importance");
    ck_assert_uint_eq(r.heat_maps->n, 6);
    for (size_t i = 0; i < 6; i++)
        check_words(&r, r.heat_maps, i);
    tt_results_free(&r);
    /* made again from the store, which keeps them as long as the run is there */
    ck_assert_msg(shell("cd 'maps' && mv results.h5 first.h5 && '" PROGRAM
                        "' gc . && test -d store/words-* && '" PROGRAM
                        "' run ../maps.yaml --quiet --out . && cmp results.h5 first.h5") == 0,
                  "%s", output);
    ck_assert_msg(shell("cd 'maps' && rm artifacts.txt && touch artifacts.txt && '" PROGRAM
                        "' gc . && ! ls store | grep words-") == 0,
                  "%s", output);
}
END_TEST

/* ---- bf16 ---- */

typedef struct column {
    double value[80];
    size_t n;
} column;

static column read_column(const char *dir, const char *attack, const char *name)
{
    tt_csv csv;
    column c = {.n = 0};
    tt_ok(tt_csv_read(path_of("%s-csv/features-%s-target.csv", dir, attack), &csv, &err), &err);
    size_t at = tt_csv_column(&csv, name);
    ck_assert_uint_ne(at, SIZE_MAX);
    ck_assert_uint_le(csv.n_rows, sizeof c.value / sizeof *c.value);
    for (c.n = 0; c.n < csv.n_rows; c.n++)
        c.value[c.n] = atof(csv.cells[c.n * csv.n_columns + at]);
    tt_csv_free(&csv);
    return c;
}

/* Spearman's: values without ties. */
static double rank_correlation(const column *a, const column *b)
{
    double sum = 0, n = (double)a->n;
    for (size_t i = 0; i < a->n; i++) {
        double d = 0;
        for (size_t k = 0; k < a->n; k++)
            d += (a->value[k] < a->value[i]) - (b->value[k] < b->value[i]);
        sum += d * d;
    }
    return 1 - 6 * sum / (n * (n * n - 1));
}

/* docs/performance.md states what this finds at 400 portraits. */
START_TEST(bf16_keeps_the_ranks_of_losses_and_nearly_those_of_their_differences)
{
    static const struct {
        const char *attack, *column;
        double least_rank, most; /* change, as a share of the mean loss */
    } cases[] = {
        {"loss", "L_450", 0.999, 0.01}, {"clid", "L", 0.999, 0.01},  {"clid", "D_1", 0.99, 0.01},
        {"clid", "D_2", 0.99, 0.01},    {"clid", "D_3", 0.99, 0.01}, {"clid", "D_null", 0.99, 0.01},
    };
    static const char *const types[] = {"f32", "bf16"};
    for (int t = 0; t < 2; t++) {
        ck_assert_msg(shell("'" PROGRAM "' run " SPEC FIFTH
                            "'attacks={loss: {calibration: none}, clid: {calibration: none}}' "
                            "controls=off models.target.dtype=%s --quiet --out '%s'",
                            types[t], types[t]) == 0,
                      "%s", output);
        ck_assert_msg(shell("'" PROGRAM "' export '%s' --out '%s-csv'", types[t], types[t]) == 0, "%s",
                      output);
    }
    column loss = read_column("f32", "loss", "L_450");
    double mean = 0;
    for (size_t i = 0; i < loss.n; i++)
        mean += loss.value[i] / (double)loss.n;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        column a = read_column("f32", cases[k].attack, cases[k].column),
               b = read_column("bf16", cases[k].attack, cases[k].column);
        double largest = 0, rank = rank_correlation(&a, &b);
        for (size_t i = 0; i < a.n; i++)
            largest = fmax(largest, fabs(a.value[i] - b.value[i]) / mean);
        printf("%s %s: rank correlation %.6f, largest change %.2g of the mean loss\n", cases[k].attack,
               cases[k].column, rank, largest);
        ck_assert_double_gt(largest, 0);
        ck_assert_double_ge(rank, cases[k].least_rank);
        ck_assert_double_le(largest, cases[k].most);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *s = suite_create("clid comparison");
    TCase *tc = tcase_create("comparison"), *parts = tcase_create("parts");
    tcase_set_timeout(tc, 1100);
    tcase_set_timeout(parts, 600);
    tcase_add_test(tc, every_method_of_the_comparison_finds_members_in_the_target_and_none_in_the_control);
    tcase_add_test(parts, what_is_computed_depends_on_no_order_and_grows_where_inputs_differ);
    tcase_add_test(parts, the_maps_that_networks_will_score_are_measured_and_stored);
    tcase_add_test(parts, heat_maps_of_every_caption_are_in_the_results_and_in_the_store);
    tcase_add_test(parts, bf16_keeps_the_ranks_of_losses_and_nearly_those_of_their_differences);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, parts);
    return s;
}
