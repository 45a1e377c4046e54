/* Faults that make a membership inference look better than it is, planted one by one, and the check that
 * catches each (docs/controls.md, "Named checks"). */
#include "experiment/results.h"
#include "experiment/samples.h"
#include "formats/image.h"
#include "runtime/confine.h"
#include "support/shell.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;

static const char faces[] =
    "  faces: {plugin: faces, size: 32, splits: {seen: 20, held_out: 20, a: 8, b: 8}}\n";
static const char toy[] = "  target: {plugin: toy}\n";

static void write_run(const char *data, const char *models, const char *attacks)
{
    char text[4096];
    snprintf(text, sizeof text,
             "version: 1\ndata:\n%smodels:\n%smembers: faces.seen\nnonmembers: faces.held_out\n"
             "threat_model: {access: grey-box, captions: known}\n"
             "device: {backend: reference, threads: 1}\nbatch: 8\ncontrols: off\nattacks:\n%s",
             data, models, attacks);
    write_spec(text);
}

static int run(const char *dir, const char *more)
{
    return shell("'" PROGRAM "' run spec.yaml --out %s" OPTIONS "%s", dir, more);
}

/* ---- labels reach a worker ---- */

enum { SAMPLES = 6 };
static tt_manifest_item items[SAMPLES];
static tt_sample_ref refs[SAMPLES];

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const tt_sample_ref *)a)->id, y = ((const tt_sample_ref *)b)->id;
    return x < y ? -1 : x > y;
}

static int members_first(const void *a, const void *b)
{
    int x = ((const tt_sample_ref *)a)->member, y = ((const tt_sample_ref *)b)->member;
    return x == y ? by_id(a, b) : y - x;
}

static tt_universe make_universe(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        items[i] = (tt_manifest_item){.split = "s", .id = "x", .digest = tt_sha256_of(&i, sizeof i)};
        refs[i] = (tt_sample_ref){
            .id = tt_samples_id(3, &items[i], 0), .item = &items[i], .data = "d", .member = i % 2};
    }
    qsort(refs, SAMPLES, sizeof *refs, by_id);
    return (tt_universe){.refs = refs, .n = SAMPLES, .members = SAMPLES / 2};
}

START_TEST(ids_and_an_order_that_tell_labels_are_caught_as_label_blindness)
{
    tt_universe u = make_universe();
    tt_ok(tt_samples_check_blind(3, &u, &err), &err);
    tt_fails(tt_samples_check_blind(4, &u, &err), TT_ERR_INTERNAL, "label blindness: the id of d.s", &err);
    qsort(refs, SAMPLES, sizeof *refs, members_first);
    tt_fails(tt_samples_check_blind(3, &u, &err), TT_ERR_INTERNAL, "label blindness: d.s (x) is not where",
             &err);
    u = make_universe();
    for (int i = 0; i < SAMPLES; i++) /* the lowest bit */
        refs[i].id = (refs[i].id & ~UINT64_C(1)) | refs[i].member;
    tt_fails(tt_samples_check_blind(3, &u, &err), TT_ERR_INTERNAL, "label blindness: the id of", &err);
}
END_TEST

/* The toy's loss grows with its caption. */
static const char long_caption[] =
    "a portrait that is told of in so many words that a target without a network, whose prediction is a sum "
    "over "
    "the characters of what it is told, is further from the noise than for any portrait of few words";

/* 12 members and 12 non-members, all unlike; captions: 1 members', 2 all. */
static void make_images(int captions)
{
    static uint8_t rgb[32 * 32 * 3];
    ck_assert_int_eq(shell("rm -rf img && mkdir -p img/seen img/held_out"), 0);
    for (int i = 0; i < 24; i++) {
        const char *split = i < 12 ? "seen" : "held_out";
        char name[64];
        memset(rgb, i < 12 ? 255 - i : 122 + i, sizeof rgb);
        tt_pixels p = {32, 32, rgb};
        tt_ok(tt_image_write_png(path_of("img/%s/%d.png", split, i), &p, &err), &err);
        snprintf(name, sizeof name, "img/%s/%d.txt", split, i);
        if (captions == 2 || (captions == 1 && i < 12))
            write_text(name, i < 12 ? long_caption : "a portrait");
    }
}

static const char folder[] = "  faces: {plugin: imagefolder, path: img}\n";

START_TEST(captions_that_only_some_samples_have_reach_no_worker)
{
    char dir[32];
    for (int captions = 1; captions <= 2; captions++) {
        make_images(captions);
        write_run(folder, toy, "  snoop: {}\n");
        snprintf(dir, sizeof dir, "captions%d", captions);
        ck_assert_msg(run(dir, "") == 0, "%s", output);
        tt_results r;
        tt_ok(tt_results_read(path_of("%s/results.h5", dir), &r, &err), &err);
        ck_assert_uint_eq(r.features[0].n, 24);
        for (size_t i = 0; i < 24; i++)
            ck_assert((r.features[0].values[i] >= 10000) == (captions == 2));
        tt_results_free(&r);
    }
}
END_TEST

/* ---- direction, calibration, images ---- */

START_TEST(scores_that_are_lower_for_members_are_told_as_direction_and_not_turned_round)
{
    static const char *const forms[] = {"terminal", "markdown", "latex", "json"};
    make_images(2);
    write_run(folder, toy, "  loss: {}\n");
    ck_assert_msg(run("swapped", "") == 0, "%s", output);
    has("loss            0.");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        ck_assert_int_eq(shell("'" PROGRAM "' report 'swapped' --format %s", forms[i]), 0);
        has("direction: loss on target: AUC 0.");
    }
    ck_assert_int_eq(report("swapped", "--format csv"), 0);
    has(",target,loss,direction_warning,1,");
    /* without a signal there is no warning */
    write_run(faces, toy, "  snoop: {}\n");
    ck_assert_int_eq(run("level", ""), 0);
    lacks("direction:");
}
END_TEST

START_TEST(a_threshold_from_the_rows_that_it_judges_is_refused_as_calibration)
{
    static const char same[] = "  target: {plugin: toy}\n"
                               "  shadow: {plugin: toy, members: faces.seen, nonmembers: faces.held_out}\n";
    static const char apart[] = "  target: {plugin: toy}\n"
                                "  shadow: {plugin: toy, members: faces.a, nonmembers: faces.b}\n";
    write_run(faces, same, "  clid: {}\n");
    ck_assert_int_eq(run("same", ""), 1);
    has("calibration: faces.");
    has("is judged on models.target and calibrates on the same weights");
    write_run(faces, apart, "  clid: {}\n");
    ck_assert_msg(run("apart", "") == 0, "%s", output);
    write_run(faces, toy, "  clid: {calibration: split}\n");
    ck_assert_msg(run("split", "") == 0, "%s", output);
}
END_TEST

START_TEST(an_image_in_two_splits_or_as_member_and_non_member_is_refused_as_the_same_image)
{
    make_images(2);
    ck_assert_int_eq(shell("cp img/seen/0.png img/held_out/12.png"), 0);
    write_run(folder, toy, "  loss: {}\n");
    ck_assert_int_ne(run("splits", ""), 0);
    has("are the same image");
    write_run("  faces: {plugin: imagefolder, path: img, splits: {seen: 12}}\n"
              "  other: {plugin: imagefolder, path: img, splits: {held_out: 12}}\n",
              toy, "  loss: {}\n");
    ck_assert_int_ne(run("sets", "nonmembers=other.held_out"), 0);
    has("same image: models.target: ");
}
END_TEST

/* ---- what an attack asks ---- */

START_TEST(an_operation_that_was_not_declared_is_refused_by_name)
{
    write_run(faces, toy, "  rogue: {how: undeclared}\n");
    ck_assert_int_eq(run("undeclared", ""), 1);
    has("predict is NULL, as it should be");
    /* one that writes to the host itself: runtime/test_processes.c; a program: e2e/test_exec.c */
    ck_assert_int_ne(shell("'" PROGRAM "' plugin check '" TT_BUILD_DIR "/tests/faulty/asks_undeclared.so'"),
                     0);
    has("calls predict, whose capability its plan does not declare");
}
END_TEST

START_TEST(a_sample_that_is_not_of_the_step_is_refused_by_id)
{
    write_run(faces, toy, "  rogue: {how: foreign}\n");
    ck_assert_int_eq(run("foreign", ""), 1);
    has("is not one of this step's");
}
END_TEST

/* ---- files ---- */

/* A run whose snoop opens this in this call; the exit code. */
static int snoop(const char *dir, const char *file, const char *when, const char *more)
{
    char attacks[1024];
    snprintf(attacks, sizeof attacks, "  snoop: {file: '%s', when: %s, %s}\n", file, when, more);
    write_run(faces,
              "  target: {plugin: toy}\n"
              "  shadow: {plugin: toy, weight: 0.4, members: faces.a, nonmembers: faces.b}\n",
              attacks);
    return run(dir, "");
}

static bool landlock(void)
{
    if (tt_confine_abi() > 0) return true;
    printf("skipped: the kernel has no Landlock\n");
    return false;
}

START_TEST(a_worker_that_opens_the_manifest_or_the_weights_is_refused_by_the_kernel)
{
    static const char *const calls[] = {"measure", "fit", "score"};
    static const char weights[] = TT_SOURCE_DIR "/configs/models/embedded/target/unet/config.json";
    char manifest[600], unread[700];
    if (!landlock()) return;
    ck_assert_int_eq(snoop("plain", "/usr/bin/env", "measure", "write: false"), 0);
    ck_assert_int_eq(shell("ls -d '%s'/plain/store/*/manifest.jsonl | head -1", tt_test_dir()), 0);
    output[strcspn(output, "\n")] = '\0';
    snprintf(manifest, sizeof manifest, "%.590s", output);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(snoop("plain", manifest, calls[i], "write: false"), 1);
        snprintf(unread, sizeof unread, "%s: Permission denied", manifest);
        has(unread);
        ck_assert_int_eq(snoop("plain", weights, calls[i], "write: false"), 1);
        has("config.json: Permission denied");
    }
    /* what it may not write, and where it may not call */
    ck_assert_int_eq(snoop("plain", "/tmp/telltale-planted", "measure", "write: true"), 1);
    has("/tmp/telltale-planted: Permission denied");
    if (tt_confine_abi() >= 4) {
        ck_assert_int_eq(snoop("plain", "network", "measure", "write: false"), 1);
        has("connect: Permission denied");
    }
}
END_TEST

START_TEST(a_file_that_a_parameter_names_is_read_and_in_process_nothing_is_confined)
{
    char attack[700];
    write_text("words.txt", "a\n");
    ck_assert_int_eq(snoop("granted", "/usr/bin/env", "fit", "granted: words.txt"), 0);
    if (landlock()) {
        has("workers confined by Landlock (ABI ");
        ck_assert_int_eq(shell("grep '\"landlock\": [1-9]' 'granted/run.json'"), 0);
    }
    snprintf(attack, sizeof attack, "  snoop: {file: '%s/words.txt'}\n", tt_test_dir());
    write_run(faces, toy, attack);
    ck_assert_int_eq(run("apart", ""), tt_confine_abi() > 0 ? 1 : 0);
    ck_assert_int_eq(run("together", "--in-process"), 0);
    has("workers not confined: in process");
    static const char *const forms[] = {"terminal", "markdown", "latex", "json"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        ck_assert_int_eq(shell("'" PROGRAM "' report 'together' --format %s", forms[i]), 0);
        has("workers not confined: in process");
    }
    ck_assert_int_eq(
        shell("'" PROGRAM "' report 'together' --format html && grep confined 'together/report.html'"), 0);
    has("workers not confined: in process");
    ck_assert_int_eq(report("together", "--format csv"), 0);
    has("landlock_abi,-1,");
    /* a run that was begun unconfined is not called confined when it is resumed */
    ck_assert_int_eq(run("together", "attacks.snoop.file=/usr/bin/env"), 0);
    has("workers not confined: in process");
}
END_TEST

START_TEST(a_program_is_confined_as_a_plugin_is)
{
    static const char planted[] = "import sys, os, numpy as np, telltale, helper\n"
                                  "class A(telltale.Attack):\n"
                                  "    name = 'planted'\n"
                                  "    def plan(self): return telltale.Plan({'target': 'encode'}, ['a'], 0)\n"
                                  "    def measure(self, models, samples):\n"
                                  "        open(helper.FILE).close()\n"
                                  "        return np.array([[s.id % 97] for s in samples], float)\n"
                                  "    def score(self, rows, state): return rows[:, 0]\n"
                                  "telltale.run(A)\n";
    char helper[700];
    if (!landlock()) return;
    const char *interpreter = python("numpy");
    if (!interpreter) return;
    ck_assert_int_eq(snoop("before", "/usr/bin/env", "measure", "write: false"), 0);
    write_text("planted.py", planted);
    write_run(faces, toy, "  mine: {exec: planted.py, interpreter: /usr/bin/python3}\n");
    /* its own folder, which holds the run: what lies beside it, yes; the store, no */
    write_text("beside.txt", "x");
    snprintf(helper, sizeof helper, "FILE = '%s/beside.txt'\n", tt_test_dir());
    write_text("helper.py", helper);
    ck_assert_msg(run("program", "") == 0, "%s", output);
    ck_assert_int_eq(shell("ls -d '%s'/program/store/*/manifest.jsonl | head -1", tt_test_dir()), 0);
    output[strcspn(output, "\n")] = '\0';
    snprintf(helper, sizeof helper, "FILE = '%.600s'\n", output);
    write_text("helper.py", helper);
    ck_assert_int_eq(shell("echo '# changed' >> 'planted.py'"), 0);
    ck_assert_int_eq(run("program", ""), 1);
    has("PermissionError");
    lacks("ModuleNotFoundError");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *s = suite_create("planted faults");
    TCase *t = tcase_create("planted faults");
    tcase_set_timeout(t, 240);

    tcase_add_test(t, ids_and_an_order_that_tell_labels_are_caught_as_label_blindness);
    tcase_add_test(t, captions_that_only_some_samples_have_reach_no_worker);
    tcase_add_test(t, scores_that_are_lower_for_members_are_told_as_direction_and_not_turned_round);
    tcase_add_test(t, a_threshold_from_the_rows_that_it_judges_is_refused_as_calibration);
    tcase_add_test(t, an_image_in_two_splits_or_as_member_and_non_member_is_refused_as_the_same_image);
    tcase_add_test(t, an_operation_that_was_not_declared_is_refused_by_name);
    tcase_add_test(t, a_sample_that_is_not_of_the_step_is_refused_by_id);
    tcase_add_test(t, a_worker_that_opens_the_manifest_or_the_weights_is_refused_by_the_kernel);
    tcase_add_test(t, a_file_that_a_parameter_names_is_read_and_in_process_nothing_is_confined);
    tcase_add_test(t, a_program_is_confined_as_a_plugin_is);
    suite_add_tcase(s, t);
    return s;
}
