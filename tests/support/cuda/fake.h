/* The CUDA runtime, cuBLASLt and cuDNN, as far as the cuda backend calls them, on the CPU: what its table of
 * calls holds in tests. Work on a stream runs when it is waited for, no sooner, so that whoever forgets to
 * wait gets what was there before. Device memory is the host's, with its bounds kept, and NaNs in it at
 * first; once freed it faults when it is touched. In a capture nothing may wait, allocate, free, be planned
 * or run for the first time. What the libraries' documentation refuses is refused: wrong kinds of copies,
 * addresses outside a block or less aligned than was said, attributes that are missing or of another type,
 * unfinalised descriptors. Faults are set in `fake_cuda`. */
#ifndef TT_TESTS_CUDA_FAKE_H
#define TT_TESTS_CUDA_FAKE_H

#include "telltale/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fake_cuda_setup {
    int driver, runtime; /* versions as the runtime gives them: 13000; driver 0: none */
    int devices, capability;
    size_t memory;       /* bytes of a device */
    const char *missing; /* what `load` says; NULL: all libraries are there */
    /* the call `fail` (cudaLaunchKernel: of any kernel) gives fail_with, at the fail_at-th time from now (1:
     * the next), once */
    const char *fail;
    int fail_at, fail_with;
    /* the device is lost, with the error lose_with, when it runs the lose_at-th piece of work from now */
    int lose_at, lose_with;
} fake_cuda_setup;
extern fake_cuda_setup fake_cuda;

/* A well machine with one device of sm_90; all memory of before is gone. */
void fake_cuda_reset(void);
/* calls of this name, and launches of kernels of ours, so far */
int fake_cuda_called(const char *name);
int fake_cuda_launched(void);
/* blocks of device and pinned memory that are not freed, and other objects (streams, events, descriptors, …)
 */
int fake_cuda_blocks(void);
int fake_cuda_objects(void);

/* The backend over this runtime. */
const tt_backend *cuda_emulated(void);

#ifdef __cplusplus
}
#endif
#endif
