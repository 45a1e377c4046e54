#include "runtime/tally.h"
#include "support/test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

START_TEST(what_one_end_sets_the_other_sees)
{
    tt_error err = {0};
    tt_tally *mine;
    int fd;
    uint64_t done = 9, total = 9;
    tt_ok(tt_tally_create(&mine, &fd, &err), &err);
    tt_tally_get(mine, &done, &total);
    ck_assert_uint_eq(done, 0);
    ck_assert_uint_eq(total, 0);
    tt_tally *theirs = tt_tally_take(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    ck_assert_ptr_nonnull(theirs);
    tt_tally_set(theirs, 3, 40);
    tt_tally_close(theirs);
    tt_tally_get(mine, &done, &total);
    ck_assert_uint_eq(done, 3);
    ck_assert_uint_eq(total, 40);
    tt_tally_close(mine);
    tt_tally_set(NULL, 1, 2);
    tt_tally_close(NULL);
}
END_TEST

START_TEST(another_descriptor_is_no_tally)
{
    int fd = memfd_create("other", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 5), 0);
    ck_assert_ptr_null(tt_tally_take(fd));
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* closed */
    ck_assert_ptr_null(tt_tally_take(open("/dev/null", O_RDONLY | O_CLOEXEC)));
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("tally");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, what_one_end_sets_the_other_sees);
    tcase_add_test(cases, another_descriptor_is_no_tally);
    suite_add_tcase(suite, cases);
    return suite;
}
