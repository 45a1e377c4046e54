/* Every tests/<room>/test_<subject>.c defines `Suite *tt_test_suite(void)`; tests/support/main.c runs it with
 * Check (forked, so that a crash is one failed test). Tests of the whole program take support/shell.h. */
#ifndef TT_TEST_H
#define TT_TEST_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>

Suite *tt_test_suite(void);

/* Fails with the error's message when a status is not TT_OK: tt_ok(tt_file_read(…, &err), &err) */
#define tt_ok(call, err) ck_assert_msg((call) == TT_OK, "%s", (err)->message)
/* Expects a failure with this status and a message that contains `part`. */
#define tt_fails(call, status, part, err)                                                                    \
    do {                                                                                                     \
        tt_status got_ = (call);                                                                             \
        ck_assert_msg(got_ == (status), "status %d, expected %d: %s", got_, (status), (err)->message);       \
        ck_assert_msg(strstr((err)->message, (part)) != NULL, "message '%s' lacks '%s'", (err)->message,     \
                      (part));                                                                               \
    } while (0)

/* Path of a file of ../shared/data, or NULL (and a line that says the test is skipped). */
const char *tt_shared_data(const char *name);
/* A fresh temporary folder, removed when the process ends. */
const char *tt_test_dir(void);

#endif
