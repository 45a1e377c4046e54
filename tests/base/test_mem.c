#include "base/mem.h"
#include "support/test.h"

#include <string.h>

START_TEST(sizes_that_do_not_fit_are_refused)
{
    size_t out = 7;
    ck_assert(!tt_size_mul(SIZE_MAX / 2, 3, &out));
    ck_assert(!tt_size_add(SIZE_MAX, 1, &out));
    ck_assert(tt_size_mul(6, 7, &out) && out == 42);
    ck_assert_ptr_null(tt_alloc_array(SIZE_MAX / 4, 8));
}
END_TEST

START_TEST(allocations_fail_on_purpose_after_the_given_number)
{
    tt_mem_fail_after(2);
    void *a = tt_alloc(1), *b = tt_alloc_zero(1), *c = tt_alloc(1), *d = tt_realloc(NULL, 5);
    char *e = tt_strdup("x");
    tt_mem_fail_after(-1);
    ck_assert(a && b && !c && !d && !e);
    tt_free(a);
    tt_free(b);
}
END_TEST

START_TEST(strndup_ends_its_copy)
{
    char *s = tt_strndup("telltale", 4);
    ck_assert_str_eq(s, "tell");
    tt_free(s);
}
END_TEST

START_TEST(an_arena_gives_aligned_zeroed_memory_of_its_own)
{
    tt_arena *arena = tt_arena_create(0);
    unsigned char *previous = NULL;
    for (size_t size = 0; size < 9000; size += 37) {
        unsigned char *p = tt_arena_alloc(arena, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(p[i], 0);
        memset(p, 0xff, size); /* a later piece that overlapped would not be zero */
        ck_assert_ptr_ne(p, previous);
        previous = p;
    }
    ck_assert_str_eq(tt_arena_strdup(arena, "caption"), "caption");
    ck_assert_str_eq(tt_arena_strndup(arena, "caption", 3), "cap");
    ck_assert_str_eq(tt_arena_printf(arena, "%s %d", "t", 450), "t 450");
    tt_arena_destroy(arena);
}
END_TEST

START_TEST(an_arena_keeps_below_its_ceiling)
{
    for (size_t ceiling = 16; ceiling <= 20000; ceiling = ceiling * 2 + 16) {
        tt_arena *arena = tt_arena_create(ceiling);
        size_t total = 0;
        ck_assert_ptr_null(tt_arena_alloc(arena, ceiling + 1));
        while (tt_arena_alloc(arena, 16))
            total += 16;
        ck_assert_uint_le(total, ceiling);
        ck_assert_uint_gt(total + 16, ceiling); /* and it gives all of it */
        tt_arena_destroy(arena);
    }
}
END_TEST

START_TEST(an_arena_refuses_sizes_that_overflow)
{
    tt_arena *arena = tt_arena_create(0);
    ck_assert_ptr_null(tt_arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(tt_arena_alloc(arena, SIZE_MAX - 40));
    ck_assert_ptr_null(tt_arena_alloc_array(arena, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(tt_arena_strndup(arena, "x", SIZE_MAX));
    ck_assert_ptr_nonnull(tt_arena_alloc(arena, 8)); /* and lives on */
    tt_mem_fail_after(0);
    void *p = tt_arena_alloc(arena, 1 << 20);
    tt_mem_fail_after(-1);
    ck_assert_ptr_null(p);
    tt_arena_destroy(arena);
    tt_arena_destroy(NULL);
}
END_TEST

START_TEST(a_buffer_grows_to_its_ceiling_and_then_stays_as_it_was)
{
    tt_buf buf;
    tt_buf_init(&buf, 10);
    ck_assert(tt_buf_append(&buf, "12345", 5));
    ck_assert(tt_buf_printf(&buf, "%d", 67890));
    ck_assert_str_eq(buf.data, "1234567890");
    ck_assert(!buf.failed);
    ck_assert(!tt_buf_append(&buf, "x", 1));
    ck_assert(!tt_buf_printf(&buf, "%d", 1));
    ck_assert(buf.failed);
    ck_assert_str_eq(buf.data, "1234567890");
    ck_assert_uint_eq(buf.size, 10);
    ck_assert(!tt_buf_append(&buf, NULL, SIZE_MAX));
    tt_buf_free(&buf);
    ck_assert(!buf.failed && buf.max_bytes == 10);
}
END_TEST

START_TEST(a_buffer_survives_a_failed_allocation)
{
    tt_buf buf = {0};
    ck_assert(tt_buf_append(&buf, "abc", 3));
    char big[4096];
    memset(big, 'x', sizeof big);
    tt_mem_fail_after(0);
    bool grown = tt_buf_append(&buf, big, sizeof big);
    tt_mem_fail_after(-1);
    ck_assert(!grown && buf.failed);
    ck_assert_str_eq(buf.data, "abc");
    ck_assert(tt_buf_append(&buf, big, sizeof big)); /* memory is there again; the mark stays */
    ck_assert(buf.failed && buf.size == 4099);
    tt_buf_free(&buf);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("mem");
    TCase *tc = tcase_create("mem");
    tcase_add_test(tc, sizes_that_do_not_fit_are_refused);
    tcase_add_test(tc, allocations_fail_on_purpose_after_the_given_number);
    tcase_add_test(tc, strndup_ends_its_copy);
    tcase_add_test(tc, an_arena_gives_aligned_zeroed_memory_of_its_own);
    tcase_add_test(tc, an_arena_keeps_below_its_ceiling);
    tcase_add_test(tc, an_arena_refuses_sizes_that_overflow);
    tcase_add_test(tc, a_buffer_grows_to_its_ceiling_and_then_stays_as_it_was);
    tcase_add_test(tc, a_buffer_survives_a_failed_allocation);
    suite_add_tcase(suite, tc);
    return suite;
}
