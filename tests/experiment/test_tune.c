/* When the search for a batch ends, and which it chooses. */
#include "experiment/tune.h"
#include "support/test.h"

/* Points at batches 1, 2, 4, … with these rates. */
static size_t points_of(tt_tune_point *points, size_t n, const double *rates)
{
    for (size_t i = 0; i < n; i++)
        points[i] = (tt_tune_point){.batch = 1u << i, .seconds = (double)(1u << i) / rates[i]};
    return n;
}

static bool settled(size_t n, const double *rates, size_t *best)
{
    tt_tune_point points[TT_TUNE_POINTS];
    points_of(points, n, rates);
    return tt_tune_settled(points, n, best);
}

START_TEST(a_rate_that_grows_goes_on)
{
    const double rates[] = {100, 180, 300, 450, 600};
    size_t best;
    for (size_t n = 1; n <= 5; n++) {
        ck_assert(!settled(n, rates, &best));
        ck_assert_uint_eq(best, n - 1);
    }
}
END_TEST

START_TEST(two_doublings_that_gain_less_than_3_percent_end_it_and_the_smallest_batch_is_chosen)
{
    const double rates[] = {100, 180, 300, 304, 305};
    size_t best;
    ck_assert(!settled(4, rates, &best)); /* one doubling may be noise */
    ck_assert(settled(5, rates, &best));
    ck_assert_uint_eq(best, 2);
    const double slow[] = {100, 102, 103.5}; /* little and little is more than 3 % */
    ck_assert(!settled(3, slow, &best));
    ck_assert_uint_eq(best, 1); /* within 3 % of the highest */
}
END_TEST

START_TEST(a_rate_that_falls_ends_it_at_the_highest)
{
    const double rates[] = {100, 200, 150, 120};
    size_t best;
    ck_assert(!settled(3, rates, &best));
    ck_assert(settled(4, rates, &best));
    ck_assert_uint_eq(best, 1);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("tune");
    TCase *tc = tcase_create("tune");
    tcase_add_test(tc, a_rate_that_grows_goes_on);
    tcase_add_test(tc, two_doublings_that_gain_less_than_3_percent_end_it_and_the_smallest_batch_is_chosen);
    tcase_add_test(tc, a_rate_that_falls_ends_it_at_the_highest);
    suite_add_tcase(suite, tc);
    return suite;
}
