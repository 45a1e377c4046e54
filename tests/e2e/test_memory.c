/* Models whose batch does not fit into their device's memory. */
#include "base/mem.h"
#include "support/shell.h"

#include <stdlib.h>
#include <string.h>

/* its bits depend on the batch, and the memory holds two predictions of the four that the model would like */
#define SCARCE "device=batchy models.target.fits=2 "

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

static int ask(const char *command, const char *out, const char *more)
{
    return telltale(command, spec, out, more);
}

static int run(const char *out, const char *more)
{
    return ask("run", out, more);
}

/* The run's features and scores, as `telltale export` writes them. */
static char *exported(const char *out, size_t *size)
{
    ck_assert_int_eq(shell("'" PROGRAM "' export '%s' --out '%s.npz' >/dev/null", out, out), 0);
    char name[64];
    snprintf(name, sizeof name, "%s.npz", out);
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

static size_t times(const char *part)
{
    size_t n = 0;
    for (const char *at = output; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

/* How often a host has tried four predictions and found no memory: the toy says so in its log. */
static int attempts_of(const char *out)
{
    shell("cat '%s'/log/model-*.log | grep -c 'toy: tried 4'", out);
    return atoi(output);
}

START_TEST(what_fits_is_remembered_by_the_run_s_folder)
{
    ck_assert_int_eq(run("kept", SCARCE), 0);
    has("starting again with models.target.batch=2");
    /* as it began before: with what fits, and with nothing left to do */
    ck_assert_int_eq(run("kept", SCARCE), 0);
    lacks("too little memory");
    lacks("measuring");
    ck_assert_int_eq(ask("plan", "kept", SCARCE), 0);
    has("2 steps, 2 stored, 0 to do");
    /* other measurements of that model begin with it, too */
    ck_assert_int_eq(run("kept", SCARCE "seed=7"), 0);
    has("measuring");
    lacks("too little memory");
    /* in another folder it is found anew */
    ck_assert_int_eq(run("elsewhere", SCARCE), 0);
    has("starting again");
}
END_TEST

START_TEST(what_does_not_fit_any_more_is_made_smaller_again)
{
    ck_assert_int_eq(run("shrinking", SCARCE), 0);
    ck_assert_int_eq(run("shrinking", "device=batchy models.target.fits=1"), 0);
    has("too little memory for 2 predictions at once; 1 fit");
    has("starting again with models.target.batch=1");
}
END_TEST

START_TEST(a_file_of_batches_that_is_none_is_refused_with_the_remedy)
{
    static const char no_batch[] = "{\"batches\": [{\"batch\": 0}]}";
    ck_assert_int_eq(shell("mkdir broken"), 0);
    write_text("broken/batches.json", no_batch);
    ck_assert_int_ne(run("broken", ""), 0);
    has("batches.json:1:");
    has("remove the file to have batches found anew");
    write_text("broken/batches.json", "{}");
    ck_assert_int_ne(run("broken", ""), 0);
    has("is no list of batches: remove it");
}
END_TEST

START_TEST(cells_of_a_sweep_start_again_and_give_the_bytes_of_their_own_runs)
{
    ck_assert_int_eq(run("sweep", SCARCE "'sweep={grid: {seed: [1, 2]}}'"), 0);
    has("2 cells, 2 done");
    ck_assert_uint_eq(times("starting again with models.target.batch=2"), 1);
    ck_assert_int_eq(attempts_of("sweep"), 1); /* though each seed has a host of its own */
    ck_assert_int_eq(run("alone", SCARCE "seed=2"), 0);
    same("sweep/cells/seed=2", "alone", "results.h5");
}
END_TEST

START_TEST(a_sweep_that_goes_on_begins_with_what_fits)
{
    ck_assert_int_eq(run("going", SCARCE "'sweep={grid: {seed: [1]}}'"), 0);
    ck_assert_int_eq(
        shell("cp going/cells/seed=1/results.h5 before.h5 && rm -r going/cells/seed=1 going/store/*"), 0);
    ck_assert_int_eq(ask("plan", "going", SCARCE "'sweep={grid: {seed: [1, 2]}}'"), 0);
    ck_assert_int_eq(run("going", SCARCE "'sweep={grid: {seed: [1, 2]}}'"), 0);
    lacks("too little memory");
    ck_assert_int_eq(shell("cmp before.h5 going/cells/seed=1/results.h5"), 0);
    ck_assert_int_eq(run("going", SCARCE "'sweep={grid: {seed: [1, 2]}}'"), 0);
    has("2 of 2 cells are done");
    ck_assert_int_eq(ask("plan", "going", SCARCE "'sweep={grid: {seed: [1, 2]}}'"), 0);
    has("4 stored, 0 to do");
    ck_assert_int_eq(ask("plan", "going", SCARCE "'sweep={grid: {seed: [1, 2]}}' --cell seed=2"), 0);
    has("2 steps, 2 stored, 0 to do");
}
END_TEST

START_TEST(a_cell_that_asks_for_its_batch_fails_alone)
{
    ck_assert_int_eq(run("asking", SCARCE "'sweep={grid: {models.target.batch: [0, 4]}}'"), 1);
    has("2 cells, 1 done, 1 failed");
    has("2 fit: set the model's batch to 2");
    has("starting again with models.target.batch=2");
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
    tcase_add_test(tc, what_fits_is_remembered_by_the_run_s_folder);
    tcase_add_test(tc, what_does_not_fit_any_more_is_made_smaller_again);
    tcase_add_test(tc, a_file_of_batches_that_is_none_is_refused_with_the_remedy);
    tcase_add_test(tc, cells_of_a_sweep_start_again_and_give_the_bytes_of_their_own_runs);
    tcase_add_test(tc, a_sweep_that_goes_on_begins_with_what_fits);
    tcase_add_test(tc, a_cell_that_asks_for_its_batch_fails_alone);
    tcase_add_test(tc, a_batch_that_the_spec_asks_for_is_not_changed);
    tcase_add_test(tc, a_model_of_which_not_one_prediction_fits_fails_its_steps);
    suite_add_tcase(suite, tc);
    return suite;
}
