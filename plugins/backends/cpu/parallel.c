#include "parallel.h"

#include <stdatomic.h>

/* libgomp's own entry points, a stable ABI, instead of pragmas: clang's pragmas would bring in a second
 * OpenMP runtime (libomp), whose threads would fight oneDNN's for the processors. */
extern void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern void omp_set_num_threads(int threads);

typedef struct job {
    cpu_task task;
    void *argument;
    int64_t items;
    _Atomic int64_t next;
} job;

static void work(void *data)
{
    job *j = data;
    int thread = omp_get_thread_num();
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
        if (i >= j->items) return;
        j->task(j->argument, thread, i);
    }
}

void cpu_parallel(int threads, int64_t items, cpu_task task, void *argument)
{
    if (threads > items) threads = (int)items;
    if (threads <= 1) {
        for (int64_t i = 0; i < items; i++)
            task(argument, 0, i);
        return;
    }
    job j = {.task = task, .argument = argument, .items = items};
    GOMP_parallel(work, &j, (unsigned)threads, 0);
}

void cpu_set_threads(int threads)
{
    omp_set_num_threads(threads);
}
