/* The examples of docs/results-format.md, as they stand there, on results of this program: h5py reads them.
 */
#include "base/file.h"
#include "base/mem.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static tt_error err;

static const char spec[] = "version: 1\n"
                           "data:\n"
                           "  faces: {plugin: faces, size: 32, splits: {seen: 20, held_out: 20}}\n"
                           "models:\n"
                           "  target: {plugin: toy}\n"
                           "controls: off\n"
                           "members: faces.seen\n"
                           "nonmembers: faces.held_out\n"
                           "threat_model: {access: grey-box, captions: known}\n"
                           "device: {threads: 1}\n"
                           "attacks: {clid: {calibration: none}}\n";
static const char sweep[] = "base: run.yaml\n"
                            "sweep: {grid: {attacks.clid.alpha: [0.2, 0.8]}}\n";

/* A Python that has h5py; NULL: none here, and a line says that the test is skipped. */
static const char *python(void)
{
    static const char *const names[] = {"/usr/bin/python3", "python3"};
    for (size_t i = 0; i < 2; i++) {
        char line[128];
        snprintf(line, sizeof line, "%s -c 'import h5py, numpy' 2>/dev/null", names[i]);
        if (system(line) == 0) return names[i];
    }
    printf("skipped: no python3 with h5py (tools/setup --developer installs python3-h5py)\n");
    return NULL;
}

static void write_text(const char *name, const char *text, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), name);
    tt_ok(tt_file_write(path, text, size, &err), &err);
}

static char *read_text(const char *path)
{
    char *text;
    size_t size;
    tt_ok(tt_file_read(path, 1 << 20, &text, &size, &err), &err);
    return text;
}

/* In the test's folder; what it prints goes to `out` there. */
static void shell(const char *command)
{
    char line[2048];
    snprintf(line, sizeof line, "cd '%s' && { %s; } >out 2>&1", tt_test_dir(), command);
    int status = system(line);
    char path[512];
    snprintf(path, sizeof path, "%s/out", tt_test_dir());
    char *text = read_text(path);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s", command, text);
    tt_free(text);
}

/* Example `index` of the page becomes NAME.py. */
static void extract(int index, const char *name)
{
    char *page = read_text(TT_SOURCE_DIR "/docs/results-format.md"), *at = page;
    for (int i = 0; i <= index; i++) {
        at = strstr(at, "```python\n");
        ck_assert_msg(at != NULL, "docs/results-format.md has no example %d", index);
        at += strlen("```python\n");
    }
    char *end = strstr(at, "```");
    ck_assert_ptr_nonnull(end);
    write_text(name, at, (size_t)(end - at));
    tt_free(page);
}

static char *printed(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/out", tt_test_dir());
    return read_text(path);
}

#define RUN                                                                                                  \
    TT_BUILD_DIR "/telltale run %s --out results/%s --quiet --plugin-dir '" TT_BUILD_DIR "/tests/fixtures'"

START_TEST(the_documented_examples_read_a_run_and_a_sweep)
{
    const char *interpreter = python();
    if (!interpreter) return;
    char line[1024];
    write_text("run.yaml", spec, sizeof spec - 1);
    write_text("sweep.yaml", sweep, sizeof sweep - 1);
    snprintf(line, sizeof line, RUN, "run.yaml", "quickstart");
    shell(line);
    snprintf(line, sizeof line, RUN, "sweep.yaml", "sweep");
    shell(line);

    extract(0, "run.py");
    snprintf(line, sizeof line, "%s run.py", interpreter);
    shell(line);
    char *text = printed(), *rest;
    double counted = strtod(text, &rest), stored = strtod(rest, &rest);
    ck_assert_msg(counted > 0 && fabs(counted - stored) < 1e-12, "%s", text);
    ck_assert_msg(strchr(rest, '\n') != NULL && rest[1] != '\0', "%s", text); /* the first sample */
    tt_free(text);

    extract(1, "sweep.py");
    snprintf(line, sizeof line, "%s sweep.py", interpreter);
    shell(line);
    text = printed();
    ck_assert_msg(strstr(text, "['0.2'] ") && strstr(text, "\n['0.8'] "), "%s", text);
    tt_free(text);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("h5py");
    TCase *tc = tcase_create("h5py");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_documented_examples_read_a_run_and_a_sweep);
    suite_add_tcase(suite, tc);
    return suite;
}
