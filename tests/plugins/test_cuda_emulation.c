/* The emulation that tests of CUDA kernels stand on: the mistakes of a kernel that it must show. */
#include "support/cuda/emulation.h"
#include "support/cuda/faulty.h"
#include "support/test.h"

#include <math.h>
#include <signal.h>

/* elements of y that are not the index of the thread on the left */
static int wrong(faulty_kernel which)
{
    float y[64];
    int n = 0;
    ck_assert_int_eq(faulty_launch(which, y), 0);
    for (int i = 0; i < 64; i++)
        n += y[i] != (float)((i + 63) % 64);
    return n;
}

START_TEST(a_kernel_with_its_barrier_is_right_in_every_order)
{
    emulation_run_order = (emulation_order)_i;
    ck_assert_int_eq(wrong(FAULTY_NOTHING), 0);
}
END_TEST

START_TEST(a_missing_barrier_shows_in_every_order)
{
    emulation_run_order = (emulation_order)_i;
    ck_assert_int_gt(wrong(FAULTY_NO_BARRIER), 0);
}
END_TEST

START_TEST(shared_memory_is_not_a_number_before_it_is_written)
{
    faulty_kernel which = _i ? FAULTY_NO_WAIT : FAULTY_UNINITIALISED;
    float y[64];
    ck_assert_int_eq(faulty_launch(which, y), 0);
    for (int i = 0; i < 64; i++)
        ck_assert(isnan(y[i]));
}
END_TEST

START_TEST(threads_that_wait_for_ever_end_the_process)
{
    float y[64];
    faulty_launch(FAULTY_LONE_BARRIER + (faulty_kernel)_i, y);
}
END_TEST

START_TEST(a_write_beyond_shared_memory_ends_the_process)
{
    float y[64];
    faulty_launch(FAULTY_BEYOND, y);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("cuda_emulation");
    TCase *faults = tcase_create("faults");
    tcase_add_loop_test(faults, a_kernel_with_its_barrier_is_right_in_every_order, EMULATION_FORWARD,
                        EMULATION_SHUFFLED + 1);
    tcase_add_loop_test(faults, a_missing_barrier_shows_in_every_order, EMULATION_FORWARD,
                        EMULATION_SHUFFLED + 1);
    tcase_add_loop_test(faults, shared_memory_is_not_a_number_before_it_is_written, 0, 2);
    tcase_add_loop_test_raise_signal(faults, threads_that_wait_for_ever_end_the_process, SIGABRT, 0, 3);
#ifdef TT_SANITIZE
    tcase_add_exit_test(faults, a_write_beyond_shared_memory_ends_the_process, 1);
#else
    tcase_add_test_raise_signal(faults, a_write_beyond_shared_memory_ends_the_process, SIGABRT);
#endif
    suite_add_tcase(suite, faults);
    return suite;
}
