/* What tests of whole networks share: a backend, and rows of specs/models.md to compare with. */
#ifndef TT_TEST_NETWORKS_H
#define TT_TEST_NETWORKS_H

#include "telltale/tensor.h"

#include <stdbool.h>
#include <stddef.h>

/* A device of the backend plugin `name` (NULL: the environment's TELLTALE_TEST_BACKEND, else cpu) in the
 * build folder; NULL (and a line that says why) when it was not built or does not run here. Call it inside
 * the test that uses it: backends have threads, which a fork does not copy. */
tt_device *tt_test_device(const char *name);

/* A row of the golden vectors. rms and L2 come from the population: std and mean are given with 7 digits. */
typedef struct tt_golden {
    const char *what;
    double mean, std, max, l2; /* max and l2 0: not given */
    double first[8], last[4];
    int n_last;
} tt_golden;

/* Fails when the values are not the row's: L2, mean, std and max to `tolerance` of the row's rms or norm,
 * listed values to 5·tolerance·rms (the error of one element; five sigma when the relative L2 error is the
 * tolerance). Prints what was measured. */
void tt_golden_check(const tt_golden *golden, const float *values, size_t n, double tolerance);

/* |a − b|₂ / |b|₂ */
double tt_relative_error(const float *a, const float *b, size_t n);

/* n values of tt_hash_input, freed with free; clamp: to [-1, 1] */
float *tt_test_input(const char *name, size_t n, bool clamp);

/* true, with a line that says so, under sanitizers, where a full network would run for an hour; small ones
 * run there (tests/models/test_networks_small.c). */
bool tt_test_too_slow(void);

double tt_test_seconds(void);    /* monotonic clock */
size_t tt_test_peak_bytes(void); /* highest resident memory of this process */

#endif
