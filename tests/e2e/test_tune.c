/* `telltale tune` as a person calls it: on the embedded world, on devices that run out of memory, and with
 * arguments that make no sense. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/json.h"
#include "support/shell.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_arena *arena;

static void setup(void)
{
    arena = tt_arena_create(0);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
}

/* A spec with this below `models:`. */
static void write_models(const char *models)
{
    char text[2048];
    snprintf(text, sizeof text,
             "version: 1\n"
             "data:\n"
             "  faces: {plugin: faces, size: 32, splits: {seen: 6, held_out: 6}}\n"
             "models:\n"
             "%s"
             "controls: off\n"
             "members: faces.seen\n"
             "nonmembers: faces.held_out\n"
             "threat_model: {access: grey-box, captions: known}\n"
             "device: {backend: reference, threads: 1}\n"
             "attacks: {loss: {calibration: none}}\n",
             models);
    write_spec(text);
}

static const char embedded[] =
    "  target: {plugin: sd15, path: '" TT_SOURCE_DIR "/configs/models/embedded/target'}\n";
/* each call takes 4 ms, whatever its batch */
static const char toy[] = "  target: {plugin: toy, delay_us: 4000, fits: 10}\n";

/* The exit code; what it says is in `output`, with the messages where they are wanted. */
static int tune(const char *more, bool messages)
{
    return shell("'" PROGRAM "' tune spec.yaml" OPTIONS "%s %s", more, messages ? "" : "2>/dev/null");
}

static void refuses(const char *more, int code, const char *part)
{
    int got = tune(more, true);
    ck_assert_msg(got == code, "%s: exit code %d: %s", more, got, output);
    has(part);
}

static const tt_node *first_model(void)
{
    tt_node *root;
    tt_ok(tt_json_parse(arena, "(output)", output, strlen(output), &root, &err), &err);
    return tt_node_get(root, "models")->children;
}

static double real_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    ck_assert_msg(n != NULL, "no %s", key);
    return n->kind == TT_NODE_INT ? (double)n->value.integer : n->value.real;
}

static const char *text_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    ck_assert_msg(n && n->text, "no %s", key);
    return n->text;
}

START_TEST(the_embedded_model_is_measured_at_growing_batches)
{
    write_models(embedded);
    ck_assert_int_eq(tune("target device=cpu --json", false), 0);
    const tt_node *model = first_model(), *batches = tt_node_get(model, "batches");
    double expected = 1, best = real_of(model, "batch"), highest = 0, chosen = 0;
    for (const tt_node *p = batches->children; p; p = p->next, expected *= 2) {
        ck_assert_double_eq(real_of(p, "batch"), expected);
        ck_assert_double_gt(real_of(p, "ms"), 0);
        double rate = real_of(p, "predictions_per_second");
        ck_assert_double_eq_tol(rate, 1e3 * expected / real_of(p, "ms"), 1e-3 * rate);
        ck_assert_double_gt(real_of(p, "mib"), 1);
        if (rate > highest) highest = rate;
        if (expected == best) chosen = rate;
    }
    ck_assert_uint_ge(batches->n_children, 3);
    ck_assert_double_ge(1.03 * chosen, highest);
    ck_assert_double_eq(real_of(model, "default_batch"), 32);
    ck_assert_str_eq(text_of(model, "memory"), "process");
    char override[64];
    snprintf(override, sizeof override, "models.target.batch=%.0f", best);
    ck_assert_str_eq(text_of(model, "override"), override);
}
END_TEST

START_TEST(people_get_a_table_and_the_override_and_nothing_is_written)
{
    char path[512];
    write_models(toy);
    ck_assert_int_eq(tune("models.target.fits=1", true), 0);
    has("models.target on reference:0\n");
    has("batch   ms a call  predictions/s");
    has("ended: there is no memory for twice as many");
    has("  models.target.batch=1   (the default is 4 here)\n");
    snprintf(path, sizeof path, "%s/results", tt_test_dir());
    ck_assert(!tt_dir_exists(path));
}
END_TEST

/* Where the bits depend on the batch the host refuses, elsewhere it goes on with fewer: neither is the batch
 * that was to be measured. */
START_TEST(memory_that_runs_out_ends_the_search_alone)
{
    static const char *const how[] = {"", "device=batchy", "--in-process"};
    write_models(toy);
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        char more[128];
        snprintf(more, sizeof more, "--json %s", how[i]);
        ck_assert_int_eq(tune(more, false), 0);
        const tt_node *model = first_model();
        ck_assert_uint_eq(tt_node_get(model, "batches")->n_children, 4); /* 1, 2, 4, 8 of 10 that fit */
        ck_assert_double_eq(real_of(model, "batch"), 8);
        ck_assert_str_eq(text_of(model, "ended"), "memory");
    }
}
END_TEST

START_TEST(on_a_device_with_its_own_memory_that_is_told)
{
    write_models(embedded);
    ck_assert_int_eq(tune("--json device=apart models.target.batch=1 limits.answer_s=200", false), 0);
    const tt_node *model = first_model(), *point = tt_node_get(model, "batches")->children;
    ck_assert_str_eq(text_of(model, "memory"), "device");
    double one = real_of(point, "mib"), two = real_of(point->next, "mib");
    ck_assert_double_gt(one, 0.1);
    ck_assert_double_gt(two, one); /* twice the activations */
}
END_TEST

START_TEST(no_more_than_256_are_tried)
{
    write_models(toy);
    ck_assert_int_eq(tune("--json models.target.fits=4096 models.target.delay_us=15000", false), 0);
    const tt_node *model = first_model();
    ck_assert_str_eq(text_of(model, "ended"), "largest");
    ck_assert_uint_eq(tt_node_get(model, "batches")->n_children, 9);
}
END_TEST

START_TEST(models_without_a_batch_to_choose_are_left_out_or_refused_by_name)
{
    write_models("  target: {plugin: toy, fits: 1}\n"
                 "  shadow: {plugin: plain, members: faces.seen, nonmembers: faces.held_out}\n"
                 "  control: {plugin: toy, mute: true}\n"
                 "  reference: {plugin: toy, price: {prediction: 1, currency: EUR}}\n");
    ck_assert_int_eq(tune("", false), 0);
    has("models.target.batch=1 ");
    has("models.shadow: left out: target plain has no parameter `batch`\n");
    has("models.control: left out: target toy predicts no noise for texts (predict, text)\n");
    has("models.reference: left out: its predictions cost money\n");
    refuses("shadow", 2, "models.shadow has no batch to choose: target plain has no parameter `batch`");
    refuses("target control", 2, "models.control has no batch to choose: target toy predicts no noise");
    refuses("reference", 2, "its predictions cost money");
    write_models("  target: {plugin: toy, mute: true}\n");
    refuses("", 2, "the spec has no model with a batch to choose: target toy predicts no noise");
}
END_TEST

START_TEST(arguments_that_make_no_sense_are_refused)
{
    write_models(toy);
    refuses("taget", 2, "the spec has no models.taget: did you mean 'target'?");
    refuses("--jobs 2", 2, "tune does not understand '--jobs'");
    refuses("--out x", 2, "tune does not understand '--out'");
    refuses("models.target.batch=x", 2, "models.target.batch");
    refuses("'sweep={grid: {seed: [1, 2]}}'", 2, "is a sweep of 2 cells: say which, --cell seed=1");
    refuses("models.target.fits=0", 2, "not even one prediction at a time fits into the device's memory");
    ck_assert_int_eq(tune("'sweep={grid: {seed: [1, 2]}}' --cell seed=2 models.target.fits=1", false), 0);
    has("models.target.batch=1 ");
    ck_assert_int_eq(tune("--help", false), 0);
    has("usage: telltale tune SPEC [ROLE ...]");
}
END_TEST

START_TEST(a_host_that_dies_is_an_error_that_says_how)
{
    write_models(toy);
    refuses("models.target.crash_after=2 --quiet", 1, "killed by signal 6");
    lacks("For the spec");
}
END_TEST

START_TEST(an_interrupted_search_ends_at_once)
{
    write_models(toy);
    /* in the foreground: timeout else signals its whole group, too, and a second SIGINT kills at once */
    ck_assert_int_eq(shell("timeout --foreground --preserve-status -s INT 1 '" PROGRAM
                           "' tune spec.yaml --quiet" OPTIONS "models.target.delay_us=900000"),
                     4);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("tune");
    TCase *tc = tcase_create("tune");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_embedded_model_is_measured_at_growing_batches);
    tcase_add_test(tc, people_get_a_table_and_the_override_and_nothing_is_written);
    tcase_add_test(tc, memory_that_runs_out_ends_the_search_alone);
    tcase_add_test(tc, on_a_device_with_its_own_memory_that_is_told);
    tcase_add_test(tc, no_more_than_256_are_tried);
    tcase_add_test(tc, models_without_a_batch_to_choose_are_left_out_or_refused_by_name);
    tcase_add_test(tc, arguments_that_make_no_sense_are_refused);
    tcase_add_test(tc, a_host_that_dies_is_an_error_that_says_how);
    tcase_add_test(tc, an_interrupted_search_ends_at_once);
    suite_add_tcase(suite, tc);
    return suite;
}
