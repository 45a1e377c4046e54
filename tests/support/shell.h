/* The program as a person runs it: commands of the shell, what they print, and the files of the test's
 * folder, in which every command begins and from which every name here is taken. */
#ifndef TT_TEST_SHELL_H
#define TT_TEST_SHELL_H

#include "support/test.h"
#include "telltale/status.h"

#include <stddef.h>

#define PROGRAM TT_BUILD_DIR "/telltale"
#define OPTIONS                                                                                              \
    " --plugin-dir '" TT_BUILD_DIR "/tests/fixtures' " /* the toy model, attacks that go wrong               \
                                                        */

/* What the last command printed on both streams; what does not fit is left out. */
extern char output[1 << 17];

/* The exit code of a command. Fails the test where a signal ended it. */
int shell(const char *format, ...) TT_PRINTF(1, 2);
/* That `output` has a part, or lacks it. */
void has(const char *part);
void lacks(const char *part);

/* A path in the folder from a name; the last 16 are kept. */
const char *path_of(const char *format, ...) TT_PRINTF(1, 2);
void write_file(const char *name, const void *data, size_t size);
void write_text(const char *name, const char *text);
/* NUL-terminated; tt_free. `size` may be NULL. */
char *read_file(const char *name, size_t *size);
/* How many entries of a folder begin like this. */
int count(const char *folder, const char *beginning);
/* Fails the test unless FILE is the same bytes in the folders A and B. */
void same(const char *a, const char *b, const char *file);

/* A Python that has these modules ("h5py, numpy"); NULL: none here, and a line says that the test is skipped.
 */
const char *python(const char *modules);

/* ---- runs of the toy model ---- */

/* A spec up to its attacks, which a test adds: "attacks:\n  loss: {}\n". */
#define TOY_SPEC                                                                                             \
    "version: 1\n"                                                                                           \
    "data:\n"                                                                                                \
    "  faces: {plugin: faces, size: 32, splits: {seen: 20, held_out: 20, a: 12, b: 12}}\n"                   \
    "models:\n"                                                                                              \
    "  target: {plugin: toy}\n"                                                                              \
    "  shadow: {plugin: toy, weight: 0.4, members: faces.a, nonmembers: faces.b}\n"                          \
    "  control: {plugin: toy, weight: 0.1}\n"                                                                \
    "members: faces.seen\n"                                                                                  \
    "nonmembers: faces.held_out\n"                                                                           \
    "threat_model: {access: grey-box, captions: known}\n"                                                    \
    "device: {backend: reference, threads: 1}\n"                                                             \
    "batch: 4\n"

/* Writes spec.yaml and gives its path. */
const char *write_spec(const char *text);
/* `telltale COMMAND spec.yaml --out DIR MORE` on a spec of this text. */
int telltale(const char *command, const char *text, const char *dir, const char *more);
int report(const char *dir, const char *more);

/* `telltale run spec.yaml --out DIR` in the background, with models that take `delay_us` for each prediction.
 * It is sent the signal `after_ms` after it started, or, where `once` names a file of DIR, after that is
 * there. The exit code, or minus the signal; what it wrote to stderr is in signalled.txt. */
typedef struct tt_test_signal {
    unsigned delay_us;
    const char *once;
    long after_ms;
    int number;
} tt_test_signal;
int run_and_signal(const char *dir, const tt_test_signal *how);
/* How often a test kills; TELLTALE_TEST_KILLS in the environment says more (tools/test --all). */
int kills(void);

#endif
