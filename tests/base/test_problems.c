/* Problems are collected, each once, and told together. */
#include "base/problems.h"
#include "support/test.h"

#include <string.h>

START_TEST(mistakes_are_kept_and_other_errors_given_back)
{
    tt_problems p = {0};
    tt_error err = {0}, all = {0};
    ck_assert_int_eq(tt_problems_status(&p, &all), TT_OK);
    ck_assert_int_eq(tt_problems_note(&p, tt_fail(&err, TT_ERR_NOT_FOUND, "f:1:2: a"), &err), TT_OK);
    ck_assert_int_eq(tt_problems_note(&p, tt_fail(&err, TT_ERR_INVALID, "f:2:2: b"), &err), TT_OK);
    ck_assert_int_eq(tt_problems_note(&p, tt_fail(&err, TT_ERR_MEMORY, "out"), &err), TT_ERR_MEMORY);
    ck_assert_int_eq(tt_problems_note(NULL, TT_ERR_INVALID, &err), TT_ERR_INVALID);
    ck_assert_int_eq(tt_problems_note(&p, TT_OK, &err), TT_OK);
    ck_assert_uint_eq(p.n, 2);
    ck_assert_int_eq(tt_problems_status(&p, &all), TT_ERR_NOT_FOUND);
    ck_assert_str_eq(all.message, "f:1:2: a\nf:2:2: b");
    tt_problems_free(&p);
}
END_TEST

START_TEST(nothing_is_told_twice_nor_of_a_muted_place)
{
    tt_problems p = {0};
    tt_error err = {0};
    for (int i = 0; i < 2; i++)
        tt_problems_note(&p, tt_fail(&err, TT_ERR_INVALID, "f:1:2: a"), &err);
    ck_assert_uint_eq(p.n, 1);
    ck_assert_int_eq(tt_problems_mute(&p, "f", 3, 4), TT_OK);
    tt_problems_note(&p, tt_fail(&err, TT_ERR_INVALID, "f:3:4: b"), &err);
    ck_assert_uint_eq(p.n, 1);
    tt_problems_note(&p, tt_fail(&err, TT_ERR_INVALID, "f:3:44: b"), &err);
    ck_assert_uint_eq(p.n, 2);
    tt_problems_free(&p);
}
END_TEST

START_TEST(beyond_the_limit_they_are_counted)
{
    tt_problems p = {0};
    tt_error err = {0};
    for (unsigned i = 0; i < TT_PROBLEMS_MAX + 3; i++)
        tt_problems_note(&p, tt_fail(&err, TT_ERR_INVALID, "f:%u:1: long enough to fill the message", i),
                         &err);
    ck_assert_uint_eq(p.n, TT_PROBLEMS_MAX);
    ck_assert_uint_eq(p.n_dropped, 3);
    ck_assert_int_eq(tt_problems_status(&p, &err), TT_ERR_INVALID);
    ck_assert_uint_eq(strlen(err.message), TT_ERROR_MESSAGE_MAX - 1);
    tt_problems_free(&p);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("problems");
    TCase *tc = tcase_create("problems");
    tcase_add_test(tc, mistakes_are_kept_and_other_errors_given_back);
    tcase_add_test(tc, nothing_is_told_twice_nor_of_a_muted_place);
    tcase_add_test(tc, beyond_the_limit_they_are_counted);
    suite_add_tcase(suite, tc);
    return suite;
}
