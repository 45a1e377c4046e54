#include "base/string_map.h"
#include "support/test.h"

#include <string.h>

static void count(void *user, void *value)
{
    *(size_t *)user += *(size_t *)value;
}

START_TEST(what_is_put_is_found_and_nothing_else)
{
    tt_string_map map = {0};
    static size_t values[1000];
    char key[32];
    ck_assert_ptr_null(tt_string_map_get(&map, "a"));
    ck_assert(!tt_string_map_has(&map, "a"));
    for (size_t i = 0; i < 1000; i++) {
        values[i] = i;
        snprintf(key, sizeof key, "key %zu", i);
        ck_assert(tt_string_map_put(&map, key, &values[i]));
    }
    ck_assert_uint_eq(map.n, 1000);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key %zu", i);
        ck_assert_ptr_eq(tt_string_map_get(&map, key), &values[i]);
    }
    ck_assert(!tt_string_map_has(&map, "key 1000"));
    ck_assert(!tt_string_map_has(&map, ""));
    size_t sum = 0;
    tt_string_map_visit(&map, count, &sum);
    ck_assert_uint_eq(sum, 999 * 500);
    tt_string_map_free(&map);
    ck_assert(!tt_string_map_has(&map, "key 1"));
}
END_TEST

START_TEST(a_key_that_is_put_again_has_its_new_value_and_may_have_none)
{
    tt_string_map map = {0};
    int x, y;
    ck_assert(tt_string_map_put(&map, "a", &x));
    ck_assert(tt_string_map_put(&map, "a", &y));
    ck_assert(tt_string_map_put(&map, "b", NULL));
    ck_assert_uint_eq(map.n, 2);
    ck_assert_ptr_eq(tt_string_map_get(&map, "a"), &y);
    ck_assert_ptr_null(tt_string_map_get(&map, "b"));
    ck_assert(tt_string_map_has(&map, "b"));
    tt_string_map_free(&map);
}
END_TEST

START_TEST(without_memory_it_says_so_and_keeps_what_it_has)
{
    tt_string_map map = {0};
    int x;
    for (long left = 0; left < 8; left++) {
        tt_mem_fail_after(left);
        bool put = tt_string_map_put(&map, "a", &x);
        tt_mem_fail_after(-1);
        ck_assert(put == tt_string_map_has(&map, "a"));
    }
    ck_assert_ptr_eq(tt_string_map_get(&map, "a"), &x);
    tt_string_map_free(&map);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("string_map");
    TCase *tc = tcase_create("string_map");
    tcase_add_test(tc, what_is_put_is_found_and_nothing_else);
    tcase_add_test(tc, a_key_that_is_put_again_has_its_new_value_and_may_have_none);
    tcase_add_test(tc, without_memory_it_says_so_and_keeps_what_it_has);
    suite_add_tcase(suite, tc);
    return suite;
}
