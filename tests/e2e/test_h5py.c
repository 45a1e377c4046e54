/* The examples of docs/results-format.md, as they stand there, on results of this program: h5py reads them.
 */
#include "base/file.h"
#include "base/mem.h"
#include "support/shell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Example `index` of the page becomes NAME.py. */
static void extract(int index, const char *name)
{
    char *page;
    size_t size;
    tt_ok(tt_file_read(TT_SOURCE_DIR "/docs/results-format.md", 1 << 20, &page, &size, &err), &err);
    char *at = page;
    for (int i = 0; i <= index; i++) {
        at = strstr(at, "```python\n");
        ck_assert_msg(at != NULL, "docs/results-format.md has no example %d", index);
        at += strlen("```python\n");
    }
    char *end = strstr(at, "```");
    ck_assert_ptr_nonnull(end);
    write_file(name, at, (size_t)(end - at));
    tt_free(page);
}

#define RUN "'" PROGRAM "' run %s --out results/%s --quiet" OPTIONS

START_TEST(the_documented_examples_read_a_run_and_a_sweep)
{
    const char *interpreter = python("h5py, numpy");
    if (!interpreter) return;
    write_text("run.yaml", spec);
    write_text("sweep.yaml", sweep);
    ck_assert_msg(shell(RUN, "run.yaml", "quickstart") == 0, "%s", output);
    ck_assert_msg(shell(RUN, "sweep.yaml", "sweep") == 0, "%s", output);

    extract(0, "run.py");
    ck_assert_msg(shell("%s run.py", interpreter) == 0, "%s", output);
    char *rest;
    double counted = strtod(output, &rest), stored = strtod(rest, &rest);
    ck_assert_msg(counted > 0 && fabs(counted - stored) < 1e-12, "%s", output);
    ck_assert_msg(strchr(rest, '\n') != NULL && rest[1] != '\0', "%s", output); /* the first sample */

    extract(1, "sweep.py");
    ck_assert_msg(shell("%s sweep.py", interpreter) == 0, "%s", output);
    has("['0.2'] ");
    has("\n['0.8'] ");
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
