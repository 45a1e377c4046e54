/* Threads inside an operation: OpenMP's, shared with oneDNN and OpenBLAS, so that there is one pool. */
#ifndef TT_CPU_PARALLEL_H
#define TT_CPU_PARALLEL_H

#include <stdint.h>

typedef void (*cpu_task)(void *argument, int thread, int64_t item);

/* Runs task(argument, thread, i) for i in [0, items), on at most `threads` threads; items go to whichever
 * thread is free, so no result may depend on the thread. */
void cpu_parallel(int threads, int64_t items, cpu_task task, void *argument);

/* How many threads libraries take in calls from this thread. */
void cpu_set_threads(int threads);

#endif
