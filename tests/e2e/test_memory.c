/* Models whose batch does not fit into their device's memory. */
#include "base/mem.h"
#include "support/shell.h"

#include <sys/wait.h>

static const char spec[] = "version: 1\n"
                           "data:\n"
                           "  faces: {plugin: faces, size: 32, splits: {seen: 6, held_out: 6}}\n"
                           "models:\n"
                           "  target: {plugin: toy}\n"
                           "controls: off\n"
                           "members: faces.seen\n"
                           "nonmembers: faces.held_out\n"
                           "threat_model: {access: grey-box, captions: known}\n"
                           "device: {backend: reference, threads: 1}\n"
                           "attacks: {loss: {calibration: none}}\n";

static int run(const char *out, const char *more)
{
    return telltale("run", spec, out, more);
}

/* The run's features and scores, as `telltale export` writes them. */
static char *exported(const char *out, size_t *size)
{
    char name[64];
    snprintf(name, sizeof name, "%s.npz", out);
    ck_assert_int_eq(shell("'" PROGRAM "' export %s --out %s", out, name), 0);
    return read_file(name, size);
}

START_TEST(a_host_goes_on_with_fewer_at_once_where_that_changes_no_bit)
{
    size_t n_plenty, n_scarce;
    ck_assert_int_eq(run("plenty", ""), 0);
    char *plenty = exported("plenty", &n_plenty);
    ck_assert_int_eq(run("scarce", "models.target.fits=1"), 0);
    lacks("failed");
    char *scarce = exported("scarce", &n_scarce);
    ck_assert_uint_eq(n_plenty, n_scarce);
    ck_assert_mem_eq(plenty, scarce, n_plenty);
    tt_free(plenty);
    tt_free(scarce);
}
END_TEST

START_TEST(where_bits_depend_on_the_batch_the_run_starts_again_with_one_that_fits)
{
    ck_assert_int_eq(run("restart", "device=batchy models.target.fits=2"), 0);
    has("too little memory for 4 predictions at once; 2 fit");
    has("starting again with models.target.batch=2");
    /* as if it had been asked for */
    ck_assert_int_eq(run("restart", "device=batchy models.target.fits=2 models.target.batch=2"), 0);
    lacks("starting again");
    lacks("measuring");
}
END_TEST

START_TEST(a_batch_that_the_spec_asks_for_is_not_changed)
{
    ck_assert_int_eq(run("asked", "device=batchy models.target.fits=1 models.target.batch=4"), 1);
    has("loss on target failed: ");
    has("1 fit: set the model's batch to 1");
    lacks("starting again");
}
END_TEST

START_TEST(a_model_of_which_not_one_prediction_fits_fails_its_steps)
{
    ck_assert_int_eq(run("none", "models.target.fits=0"), 1);
    has("loss on target failed: ");
    has("not even one prediction at a time fits into the device's memory");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_host_goes_on_with_fewer_at_once_where_that_changes_no_bit);
    tcase_add_test(tc, where_bits_depend_on_the_batch_the_run_starts_again_with_one_that_fits);
    tcase_add_test(tc, a_batch_that_the_spec_asks_for_is_not_changed);
    tcase_add_test(tc, a_model_of_which_not_one_prediction_fits_fails_its_steps);
    suite_add_tcase(suite, tc);
    return suite;
}
