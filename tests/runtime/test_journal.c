#include "base/file.h"
#include "runtime/journal.h"
#include "support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[512], seen[4096];
static tt_error err;

static tt_status collect(void *user, const void *data, size_t size, tt_error *e)
{
    (void)user, (void)e;
    strncat(seen, data, size);
    strcat(seen, ";");
    return TT_OK;
}

static tt_journal *open_journal(void)
{
    tt_journal *j;
    seen[0] = '\0';
    tt_ok(tt_journal_open(path, "step 1", collect, NULL, &j, &err), &err);
    return j;
}

static void setup(void)
{
    err = (tt_error){0};
    snprintf(path, sizeof path, "%s/journal", tt_test_dir());
    tt_journal *j = open_journal();
    tt_ok(tt_journal_append(j, "one", 3, &err), &err);
    tt_ok(tt_journal_append(j, "two", 3, &err), &err);
    tt_journal_close(j);
}

/* As `telltale plan` looks at it. */
static const char *look(void)
{
    char *header;
    seen[0] = '\0';
    tt_ok(tt_journal_read(path, &header, collect, NULL, &err), &err);
    ck_assert_str_eq(header, "step 1");
    tt_free(header);
    return seen;
}

START_TEST(a_reader_sees_whole_records_and_changes_nothing_while_another_writes)
{
    char *data, *header;
    size_t size, header_size = 16 + strlen("step 1");
    tt_journal *writer = open_journal();
    ck_assert_str_eq(look(), "one;two;");
    tt_ok(tt_journal_append(writer, "three", 5, &err), &err);
    ck_assert_str_eq(look(), "one;two;three;");
    tt_journal_close(writer);
    tt_ok(tt_file_read(path, 1 << 20, &data, &size, &err), &err);
    for (size_t cut = header_size; cut < size; cut++) {
        tt_ok(tt_file_write(path, data, cut, &err), &err);
        ck_assert_str_eq(look(), cut < header_size + 19 ? "" : cut < header_size + 38 ? "one;" : "one;two;");
        char *after;
        size_t still;
        tt_ok(tt_file_read(path, 1 << 20, &after, &still, &err), &err);
        ck_assert_uint_eq(still, cut);
        tt_free(after);
    }
    data[header_size + 18] ^= 1; /* in "one" */
    tt_ok(tt_file_write(path, data, size, &err), &err);
    ck_assert_str_eq(look(), "");
    tt_ok(tt_file_write(path, data, header_size - 1, &err), &err);
    ck_assert_int_eq(tt_journal_read(path, &header, collect, NULL, &err), TT_ERR_FORMAT);
    tt_free(header);
    tt_free(data);
    unlink(path);
    ck_assert_int_eq(tt_journal_read(path, &header, collect, NULL, &err), TT_ERR_NOT_FOUND);
    tt_free(header);
}
END_TEST

START_TEST(records_come_back_in_order)
{
    tt_journal_close(open_journal());
    ck_assert_str_eq(seen, "one;two;");
}
END_TEST

START_TEST(cut_anywhere_it_keeps_the_whole_records_and_can_be_continued)
{
    char *data;
    size_t size;
    tt_ok(tt_file_read(path, 1 << 20, &data, &size, &err), &err);
    size_t header = 16 + strlen("step 1");
    for (size_t cut = 0; cut < size; cut++) {
        tt_ok(tt_file_write(path, data, cut, &err), &err);
        tt_journal *j = open_journal();
        ck_assert_str_eq(seen, cut < header + 19 ? "" : "one;");
        tt_ok(tt_journal_append(j, "new", 3, &err), &err);
        tt_journal_close(j);
        tt_journal_close(open_journal());
        ck_assert_str_eq(seen, cut < header + 19 ? "new;" : "one;new;");
    }
    tt_free(data);
}
END_TEST

START_TEST(a_flipped_bit_ends_it_before_the_damaged_record)
{
    char *data;
    size_t size;
    tt_ok(tt_file_read(path, 1 << 20, &data, &size, &err), &err);
    data[size - 1] ^= 1;
    tt_ok(tt_file_write(path, data, size, &err), &err);
    tt_free(data);
    tt_journal_close(open_journal());
    ck_assert_str_eq(seen, "one;");
}
END_TEST

START_TEST(the_log_of_another_step_is_refused)
{
    tt_journal *j;
    tt_fails(tt_journal_open(path, "step 2", collect, NULL, &j, &err), TT_ERR_INVALID, "another step", &err);
}
END_TEST

START_TEST(a_second_writer_is_refused)
{
    tt_journal *j = open_journal(), *other;
    tt_fails(tt_journal_open(path, "step 1", collect, NULL, &other, &err), TT_ERR_IO, "another run", &err);
    tt_journal_close(j);
}
END_TEST

START_TEST(a_full_disk_loses_nothing_that_was_written)
{
    static char large[100000];
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {20000, 20000};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0); /* this test runs in a process of its own */
    tt_journal *j = open_journal();
    tt_fails(tt_journal_append(j, large, sizeof large, &err), TT_ERR_IO,
             "run the same command again to resume", &err);
    tt_ok(tt_journal_append(j, "six", 3, &err), &err);
    tt_journal_close(j);
    tt_journal_close(open_journal());
    ck_assert_str_eq(seen, "one;two;six;");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("journal");
    TCase *tc = tcase_create("journal");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, records_come_back_in_order);
    tcase_add_test(tc, a_reader_sees_whole_records_and_changes_nothing_while_another_writes);
    tcase_add_test(tc, cut_anywhere_it_keeps_the_whole_records_and_can_be_continued);
    tcase_add_test(tc, a_flipped_bit_ends_it_before_the_damaged_record);
    tcase_add_test(tc, the_log_of_another_step_is_refused);
    tcase_add_test(tc, a_second_writer_is_refused);
    tcase_add_test(tc, a_full_disk_loses_nothing_that_was_written);
    suite_add_tcase(suite, tc);
    return suite;
}
