/* In Check's place where it is not installed (a machine with a GPU and little else): as much of its interface
 * as the tests of tensors, networks and the cuda backend use. Each test runs in a process of its own, as
 * Check does it; a failed assertion ends that process. */
#ifndef TT_TESTS_BARE_CHECK_H
#define TT_TESTS_BARE_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct Suite Suite;
typedef struct TCase TCase;
typedef struct SRunner SRunner;
typedef struct bare_test {
    const char *name;
    void (*run)(int i);
} bare_test;
enum { CK_NORMAL, CK_FORK, CK_NOFORK };

#define START_TEST(test)                                                                                     \
    static void test##_run(int _i);                                                                          \
    static const bare_test test##_test = {#test, test##_run};                                                \
    static const bare_test *const test = &test##_test;                                                       \
    static void test##_run(int _i __attribute__((unused)))
#define END_TEST

Suite *suite_create(const char *name);
TCase *tcase_create(const char *name);
void suite_add_tcase(Suite *s, TCase *tc);
void tcase_set_timeout(TCase *tc, double seconds);
void tcase_add_checked_fixture(TCase *tc, void (*setup)(void), void (*teardown)(void));
/* runs it for _i in [start, end); each must end by `signal` where that is not 0, else with `status` */
void bare_add(TCase *tc, const bare_test *test, int signal, int status, int start, int end);
#define tcase_add_test(tc, test)                   bare_add(tc, test, 0, 0, 0, 1)
#define tcase_add_loop_test(tc, test, start, end)  bare_add(tc, test, 0, 0, (int)(start), (int)(end))
#define tcase_add_test_raise_signal(tc, test, sig) bare_add(tc, test, sig, 0, 0, 1)
#define tcase_add_exit_test(tc, test, status)      bare_add(tc, test, 0, status, 0, 1)
#define tcase_add_loop_test_raise_signal(tc, test, sig, start, end)                                          \
    bare_add(tc, test, sig, 0, (int)(start), (int)(end))

SRunner *srunner_create(Suite *s);
void srunner_set_fork_status(SRunner *r, int status);
void srunner_run_all(SRunner *r, int output);
int srunner_ntests_failed(const SRunner *r);
void srunner_free(SRunner *r);

/* ends the test with FILE:LINE and the message */
_Noreturn void bare_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define ck_abort_msg(...) bare_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(holds, ...)                                                                            \
    do {                                                                                                     \
        if (!(holds)) bare_fail(__FILE__, __LINE__, __VA_ARGS__);                                            \
    } while (0)
#define ck_assert(holds) ck_assert_msg(holds, "%s", #holds)

#define bare_compare(type, format, a, op, b)                                                                 \
    do {                                                                                                     \
        type a_ = (type)(a), b_ = (type)(b);                                                                 \
        ck_assert_msg(a_ op b_, "%s %s %s: " format ", " format, #a, #op, #b, a_, b_);                       \
    } while (0)
#define ck_assert_int_eq(a, b)    bare_compare(long long, "%lld", a, ==, b)
#define ck_assert_int_ne(a, b)    bare_compare(long long, "%lld", a, !=, b)
#define ck_assert_int_lt(a, b)    bare_compare(long long, "%lld", a, <, b)
#define ck_assert_int_le(a, b)    bare_compare(long long, "%lld", a, <=, b)
#define ck_assert_int_gt(a, b)    bare_compare(long long, "%lld", a, >, b)
#define ck_assert_int_ge(a, b)    bare_compare(long long, "%lld", a, >=, b)
#define ck_assert_uint_eq(a, b)   bare_compare(unsigned long long, "%llu", a, ==, b)
#define ck_assert_uint_ne(a, b)   bare_compare(unsigned long long, "%llu", a, !=, b)
#define ck_assert_uint_lt(a, b)   bare_compare(unsigned long long, "%llu", a, <, b)
#define ck_assert_uint_le(a, b)   bare_compare(unsigned long long, "%llu", a, <=, b)
#define ck_assert_uint_gt(a, b)   bare_compare(unsigned long long, "%llu", a, >, b)
#define ck_assert_uint_ge(a, b)   bare_compare(unsigned long long, "%llu", a, >=, b)
#define ck_assert_double_lt(a, b) bare_compare(double, "%g", a, <, b)
#define ck_assert_double_le(a, b) bare_compare(double, "%g", a, <=, b)
#define ck_assert_double_gt(a, b) bare_compare(double, "%g", a, >, b)
#define ck_assert_double_eq_tol(a, b, tolerance)                                                             \
    do {                                                                                                     \
        double a_ = (a), b_ = (b), d_ = a_ < b_ ? b_ - a_ : a_ - b_;                                         \
        ck_assert_msg(d_ < (tolerance), "%s = %.17g is not %s = %.17g", #a, a_, #b, b_);                     \
    } while (0)
#define ck_assert_ptr_nonnull(p)     ck_assert_msg((p) != NULL, "%s is NULL", #p)
#define ck_assert_ptr_null(p)        ck_assert_msg((p) == NULL, "%s is not NULL", #p)
#define ck_assert_ptr_eq(a, b)       ck_assert_msg((a) == (b), "%s is not %s", #a, #b)
#define ck_assert_ptr_ne(a, b)       ck_assert_msg((a) != (b), "%s is %s", #a, #b)
#define ck_assert_mem_eq(a, b, size) ck_assert_msg(memcmp(a, b, size) == 0, "%s and %s differ", #a, #b)
#define ck_assert_mem_ne(a, b, size) ck_assert_msg(memcmp(a, b, size) != 0, "%s and %s are equal", #a, #b)
#define ck_assert_str_eq(a, b)                                                                               \
    do {                                                                                                     \
        const char *a_ = (a), *b_ = (b);                                                                     \
        ck_assert_msg(strcmp(a_, b_) == 0, "%s is '%s', not '%s'", #a, a_, b_);                              \
    } while (0)

#endif
