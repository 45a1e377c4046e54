/* Places of blocks in a region: apart, in gaps where they fit, the same for the same requests. */
#include "support/test.h"
#include "tensor/places.h"

static tt_places places;

static void setup(void)
{
    places = (tt_places){0};
}

static void teardown(void)
{
    tt_places_clear(&places);
    tt_mem_fail_after(-1);
}

static size_t take(size_t size)
{
    size_t at = SIZE_MAX;
    ck_assert(tt_places_take(&places, size, &at));
    ck_assert_uint_eq(at % 256, 0);
    return at;
}

START_TEST(blocks_follow_each_other_at_multiples_of_256)
{
    ck_assert_uint_eq(take(1), 0);
    ck_assert_uint_eq(take(256), 256);
    ck_assert_uint_eq(take(257), 512);
    ck_assert_uint_eq(take(64), 1024);
    ck_assert_uint_eq(places.end, 1280);
}
END_TEST

START_TEST(the_smallest_gap_that_is_large_enough_is_taken)
{
    size_t wide = take(1024), between = take(256), narrow = take(512);
    take(256);
    tt_places_give(&places, wide);
    tt_places_give(&places, narrow);
    ck_assert_uint_eq(take(300), narrow);
    ck_assert_uint_eq(take(300), wide);
    ck_assert_uint_eq(take(256), wide + 512);
    tt_places_give(&places, between);
    ck_assert_uint_eq(take(256), wide + 768); /* of equal gaps the lowest */
    ck_assert_uint_eq(take(256), between);
    ck_assert_uint_eq(places.end, 2048);
}
END_TEST

START_TEST(neighbouring_gaps_are_one)
{
    size_t a = take(256), b = take(256);
    take(256);
    tt_places_give(&places, b);
    tt_places_give(&places, a);
    ck_assert_uint_eq(take(512), 0);
}
END_TEST

START_TEST(places_never_overlap_and_the_same_requests_get_the_same_ones)
{
    enum { N = 400, LIVE = 24 };
    size_t at[2][N], size[LIVE] = {0}, live[LIVE] = {0};
    for (int round = 0; round < 2; round++) {
        uint32_t x = 7;
        setup();
        for (int i = 0; i < N; i++) {
            x = x * 1664525 + 1013904223;
            int slot = (int)(x >> 8) % LIVE;
            if (i >= LIVE)
                tt_places_give(&places, live[slot]);
            else
                slot = i;
            size[slot] = 1 + (x >> 4) % 5000;
            live[slot] = at[round][i] = take(size[slot]);
            for (int k = 0; k < LIVE && k <= i; k++)
                ck_assert(k == slot || live[k] + size[k] <= live[slot] || live[slot] + size[slot] <= live[k]);
            ck_assert(live[slot] + size[slot] <= places.end);
        }
        tt_places_clear(&places);
    }
    ck_assert_mem_eq(at[0], at[1], sizeof at[0]);
}
END_TEST

START_TEST(without_memory_or_beyond_all_addresses_nothing_is_taken)
{
    size_t at;
    tt_mem_fail_after(0);
    ck_assert(!tt_places_take(&places, 1, &at));
    tt_mem_fail_after(-1);
    ck_assert(!tt_places_take(&places, SIZE_MAX, &at));
    take(1024);
    ck_assert(!tt_places_take(&places, SIZE_MAX - 1000, &at));
    ck_assert_uint_eq(take(256), 1024);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("places");
    TCase *tc = tcase_create("places");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, blocks_follow_each_other_at_multiples_of_256);
    tcase_add_test(tc, the_smallest_gap_that_is_large_enough_is_taken);
    tcase_add_test(tc, neighbouring_gaps_are_one);
    tcase_add_test(tc, places_never_overlap_and_the_same_requests_get_the_same_ones);
    tcase_add_test(tc, without_memory_or_beyond_all_addresses_nothing_is_taken);
    suite_add_tcase(suite, tc);
    return suite;
}
