/* Kernels with the mistakes that the emulation must show. */
#ifndef TT_TESTS_CUDA_FAULTY_H
#define TT_TESTS_CUDA_FAULTY_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum faulty_kernel {
    FAULTY_NOTHING,         /* y[i] = i of the thread on the left, by shared memory and a barrier */
    FAULTY_NO_BARRIER,      /* the same without it */
    FAULTY_UNINITIALISED,   /* y[i] = shared memory that nobody wrote */
    FAULTY_NO_WAIT,         /* y[i] = an asynchronous copy that was not waited for */
    FAULTY_LONE_BARRIER,    /* half of the threads meet a barrier */
    FAULTY_LONE_LANE,       /* all lanes but one meet a warp operation */
    FAULTY_MISALIGNED_COPY, /* an asynchronous copy to an odd place */
    FAULTY_BEYOND           /* a write to the first byte beyond shared memory */
} faulty_kernel;

/* y: 64 floats, one a thread */
int faulty_launch(faulty_kernel which, float *y);

#ifdef __cplusplus
}
#endif
#endif
