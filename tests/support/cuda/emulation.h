/* How emulated kernels run, for tests and for the emulated CUDA runtime. */
#ifndef TT_TESTS_CUDA_EMULATION_H
#define TT_TESTS_CUDA_EMULATION_H

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which the threads of a block run between two barriers. A kernel that lacks a barrier gives
 * something else in another order. */
typedef enum emulation_order {
    EMULATION_FORWARD,
    EMULATION_REVERSE,
    EMULATION_SHUFFLED /* another one at each barrier */
} emulation_order;
extern emulation_order emulation_run_order;

/* Sees each launch of a kernel before it runs: NULL runs it at once. run(launch) may be called any number of
 * times; then drop(launch). Gives a cudaError_t. */
typedef int (*emulation_hook)(void *stream, void *kernel, void (*run)(void *launch),
                              void (*drop)(void *launch), void *launch);
extern emulation_hook emulation_on_launch;

#ifdef __cplusplus
}
#endif
#endif
