/* The backends that tests of operations go through: every backend plugin that is built and usable here, and
 * cpu once for each of its instruction sets; and cuda over an emulated device (support/cuda/fake.h), if its
 * headers are there. */
#ifndef TT_TESTS_SUBJECTS_H
#define TT_TESTS_SUBJECTS_H

#include "telltale/backend.h"

#define SUBJECTS         7
#define SUBJECT_EMULATED 6 /* slow: for small shapes */

/* Device of subject i in [0, SUBJECTS), or NULL with a printed line: not built, not usable, or the processor
 * lacks the instructions. The environment's TELLTALE_TEST_BACKEND leaves its own subjects alone. oneDNN takes
 * its instruction set once in a process: one subject a test. */
tt_device *subject_open(int i, int threads);
/* The best instruction set is the first one usable: true for it and for other devices, so that long tests
 * need not run for each. */
bool subject_is_best(const tt_device *device);

/* Value i of a stream: uniform of mean 0 and variance 1, with one outlier (eightfold) in 4096. */
float subject_noise(uint64_t stream, uint64_t i);

#endif
