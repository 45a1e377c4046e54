#include "support/test.h"
#include "telltale/status.h"

#include <string.h>

START_TEST(a_failure_carries_its_message_and_its_place)
{
    tt_error err = {0};
    ck_assert_int_eq(tt_fail(&err, TT_ERR_INVALID, "alpha is %g", 1.5), TT_ERR_INVALID);
    ck_assert_int_eq(tt_fail_in(&err, "a.yaml:%d", 3), TT_ERR_INVALID);
    ck_assert_str_eq(err.message, "a.yaml:3: alpha is 1.5");
}
END_TEST

START_TEST(an_overlong_message_is_cut_not_overrun)
{
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tt_error err = {0};
    tt_fail(&err, TT_ERR_IO, "%s", text);
    tt_fail_in(&err, "%s", text);
    ck_assert_uint_eq(strlen(err.message), TT_ERROR_MESSAGE_MAX - 1);
}
END_TEST

START_TEST(a_remedy_is_put_behind_the_message_where_it_fits)
{
    tt_error err = {0};
    tt_fail(&err, TT_ERR_FORMAT, "a.png: cut short");
    ck_assert_int_eq(tt_fail_hint(&err, TT_ERR_FORMAT, "fetch it again"), TT_ERR_FORMAT);
    ck_assert_str_eq(err.message, "a.png: cut short; fetch it again");
    memset(err.message, 'x', sizeof err.message - 1);
    tt_fail_hint(&err, TT_ERR_FORMAT, "fetch it again");
    ck_assert_uint_eq(strlen(err.message), TT_ERROR_MESSAGE_MAX - 1);
    ck_assert_int_eq(err.message[TT_ERROR_MESSAGE_MAX - 2], 'x');
    ck_assert_int_eq(tt_fail_hint(NULL, TT_ERR_FORMAT, "fetch it again"), TT_ERR_FORMAT);
}
END_TEST

START_TEST(a_caller_may_not_want_the_message)
{
    ck_assert_int_eq(tt_fail(NULL, TT_ERR_IO, "lost"), TT_ERR_IO);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("status");
    TCase *tc = tcase_create("status");
    tcase_add_test(tc, a_failure_carries_its_message_and_its_place);
    tcase_add_test(tc, an_overlong_message_is_cut_not_overrun);
    tcase_add_test(tc, a_remedy_is_put_behind_the_message_where_it_fits);
    tcase_add_test(tc, a_caller_may_not_want_the_message);
    suite_add_tcase(suite, tc);
    return suite;
}
