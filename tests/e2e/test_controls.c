/* Controls as a person sees them: added, shown, kept out of what is compared, and switched off. */
#include "base/file.h"
#include "base/mem.h"
#include "support/test.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM TT_BUILD_DIR "/telltale"
#define OPTIONS " --plugin-dir '" TT_BUILD_DIR "/tests/fixtures' "

static char output[1 << 16];
static tt_error err;

static int shell(const char *format, ...) TT_PRINTF(1, 2);

static int shell(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 8, format, args);
    va_end(args);
    memcpy(line + n, " 2>&1", 6);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t size = fread(output, 1, sizeof output - 1, pipe);
    output[size] = '\0';
    int status = pclose(pipe);
    ck_assert_msg(WIFEXITED(status), "%s died: %s", line, output);
    return WEXITSTATUS(status);
}

static void has(const char *part)
{
    ck_assert_msg(strstr(output, part) != NULL, "'%s' is not in:\n%s", part, output);
}

static void lacks(const char *part)
{
    ck_assert_msg(strstr(output, part) == NULL, "'%s' is in:\n%s", part, output);
}

static const char text[] =
    "version: 1\n"
    "data:\n"
    "  faces: {plugin: faces, size: 32, splits: {seen: 20, held_out: 20, a: 12, b: 12}}\n"
    "models:\n"
    "  target: {plugin: toy}\n"
    "  shadow: {plugin: toy, weight: 0.4, members: faces.a, nonmembers: faces.b}\n"
    "  control: {plugin: toy, weight: 0.1}\n"
    "members: faces.seen\n"
    "nonmembers: faces.held_out\n"
    "threat_model: {access: grey-box, captions: known}\n"
    "device: {backend: reference, threads: 1}\n"
    "batch: 4\n"
    "attacks:\n"
    "  loss: {}\n"
    "  clid: {}\n";

static int run(const char *more, const char *dir)
{
    char path[512];
    snprintf(path, sizeof path, "%s/spec.yaml", tt_test_dir());
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
    return shell("'" PROGRAM "' run '%s' --out '%s/%s'" OPTIONS "%s", path, tt_test_dir(), dir, more);
}

static int report(const char *dir, const char *more)
{
    return shell("'" PROGRAM "' report '%s/%s' %s", tt_test_dir(), dir, more);
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
        shell("grep '\"attack\": \"clid-fixed_caption\", \"role\": \"target\"' '%s/fixed/run.json'",
              tt_test_dir()),
        0);
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
    ck_assert_int_eq(
        shell("cmp '%s/apart/results.h5' '%s/together/results.h5'", tt_test_dir(), tt_test_dir()), 0);
    ck_assert_int_eq(shell("rm -r '%s'/apart/store/score-*", tt_test_dir()), 0);
    ck_assert_int_eq(run("", "apart"), 0);
    ck_assert_int_eq(
        shell("cmp '%s/apart/results.h5' '%s/together/results.h5'", tt_test_dir(), tt_test_dir()), 0);
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
