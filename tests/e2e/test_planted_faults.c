/* Faults that make a membership inference look better than it is, planted one by one, and the check that
 * catches each (docs/controls.md, "Named checks"). */
#include "base/file.h"
#include "experiment/samples.h"
#include "formats/image.h"
#include "runtime/confine.h"
#include "support/test.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM TT_BUILD_DIR "/telltale"

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

static void write_text(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), name);
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
}

static const char faces[] =
    "  faces: {plugin: faces, size: 32, splits: {seen: 20, held_out: 20, a: 8, b: 8}}\n";
static const char toy[] = "  target: {plugin: toy}\n";

static void write_spec(const char *data, const char *models, const char *attacks)
{
    char text[4096];
    snprintf(text, sizeof text,
             "version: 1\ndata:\n%smodels:\n%smembers: faces.seen\nnonmembers: faces.held_out\n"
             "threat_model: {access: grey-box, captions: known}\n"
             "device: {backend: reference, threads: 1}\nbatch: 8\ncontrols: off\nattacks:\n%s",
             data, models, attacks);
    write_text("spec.yaml", text);
}

static int run(const char *dir, const char *more)
{
    return shell("cd '%s' && '" PROGRAM "' run spec.yaml --out %s --plugin-dir '" TT_BUILD_DIR
                 "/tests/fixtures' %s",
                 tt_test_dir(), dir, more);
}

/* ---- 7: files ---- */

/* A run whose snoop opens this in this call; the exit code. */
static int snoop(const char *dir, const char *file, const char *when, const char *more)
{
    char attacks[1024];
    snprintf(attacks, sizeof attacks, "  snoop: {file: '%s', when: %s, %s}\n", file, when, more);
    write_spec(faces,
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
        ck_assert_int_eq(shell("grep '\"landlock\": [1-9]' '%s/granted/run.json'", tt_test_dir()), 0);
    }
    snprintf(attack, sizeof attack, "  snoop: {file: '%s/words.txt'}\n", tt_test_dir());
    write_spec(faces, toy, attack);
    ck_assert_int_eq(run("apart", ""), tt_confine_abi() > 0 ? 1 : 0);
    ck_assert_int_eq(run("together", "--in-process"), 0);
    has("workers not confined: in process");
    static const char *const forms[] = {"terminal", "markdown", "latex", "json"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        ck_assert_int_eq(shell("'" PROGRAM "' report '%s/together' --format %s", tt_test_dir(), forms[i]), 0);
        has("workers not confined: in process");
    }
    ck_assert_int_eq(shell("'" PROGRAM
                           "' report '%s/together' --format html && grep confined '%s/together/report.html'",
                           tt_test_dir(), tt_test_dir()),
                     0);
    has("workers not confined: in process");
    ck_assert_int_eq(shell("'" PROGRAM "' report '%s/together' --format csv", tt_test_dir()), 0);
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
    if (shell("/usr/bin/python3 -c 'import numpy'") != 0) {
        printf("skipped: no python3 with numpy (tools/setup installs python3-numpy)\n");
        return;
    }
    ck_assert_int_eq(snoop("before", "/usr/bin/env", "measure", "write: false"), 0);
    write_text("planted.py", planted);
    write_spec(faces, toy, "  mine: {exec: planted.py, interpreter: /usr/bin/python3}\n");
    /* its own folder, which holds the run: what lies beside it, yes; the store, no */
    write_text("beside.txt", "x");
    snprintf(helper, sizeof helper, "FILE = '%s/beside.txt'\n", tt_test_dir());
    write_text("helper.py", helper);
    ck_assert_msg(run("program", "") == 0, "%s", output);
    ck_assert_int_eq(shell("ls -d '%s'/program/store/*/manifest.jsonl | head -1", tt_test_dir()), 0);
    output[strcspn(output, "\n")] = '\0';
    snprintf(helper, sizeof helper, "FILE = '%.600s'\n", output);
    write_text("helper.py", helper);
    ck_assert_int_eq(shell("echo '# changed' >> '%s/planted.py'", tt_test_dir()), 0);
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

    tcase_add_test(t, a_worker_that_opens_the_manifest_or_the_weights_is_refused_by_the_kernel);
    tcase_add_test(t, a_file_that_a_parameter_names_is_read_and_in_process_nothing_is_confined);
    tcase_add_test(t, a_program_is_confined_as_a_plugin_is);
    suite_add_tcase(s, t);
    return s;
}
