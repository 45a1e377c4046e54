/* What this processor can do at most: multiply-adds a second in f32 and in bf16 with f32 sums, from registers
 * alone, and bytes a second from memory. The floors of docs/performance.md are counted from it.
 *
 *   build/release/bench/bench_peak [threads] */
#include <immintrin.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUMS        16
#define MAX_THREADS 256
#define BYTES       ((size_t)256 << 20)

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each returns the FLOP it did; independent sums hide the latency. `start` is 0, which the compiler does not
 * know. */
__attribute__((target("avx512f"))) static double f32_avx512(long rounds, float start, float *out)
{
    __m512 sum[SUMS], a = _mm512_set1_ps(start + 1.0001f), b = _mm512_set1_ps(start + 1e-9f);
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm512_set1_ps(start + (float)i);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
    for (int i = 0; i < SUMS; i++)
        *out += _mm512_reduce_add_ps(sum[i]);
    return (double)rounds * SUMS * 16 * 2;
}

__attribute__((target("avx2,fma"))) static double f32_avx2(long rounds, float start, float *out)
{
    __m256 sum[SUMS - 4], a = _mm256_set1_ps(start + 1.0001f), b = _mm256_set1_ps(start + 1e-9f);
    for (int i = 0; i < SUMS - 4; i++)
        sum[i] = _mm256_set1_ps(start + (float)i);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < SUMS - 4; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], a, b);
    float lanes[8];
    for (int i = 0; i < SUMS - 4; i++) {
        _mm256_storeu_ps(lanes, sum[i]);
        *out += lanes[0] + lanes[7];
    }
    return (double)rounds * (SUMS - 4) * 8 * 2;
}

__attribute__((target("avx512f,avx512bf16"))) static double bf16_avx512(long rounds, float start, float *out)
{
    __m512 sum[SUMS];
    __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(start + 1), _mm512_set1_ps(start + 2)), b = a;
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm512_set1_ps(start + (float)i);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < SUMS; i++)
            sum[i] = _mm512_dpbf16_ps(sum[i], a, b);
    for (int i = 0; i < SUMS; i++)
        *out += _mm512_reduce_add_ps(sum[i]);
    return (double)rounds * SUMS * 32 * 2;
}

typedef double (*kernel)(long rounds, float start, float *out);

typedef struct work {
    kernel run; /* NULL: read `memory` */
    uint64_t *memory;
    double amount; /* FLOP or bytes */
    float result;
} work;

static pthread_barrier_t together;

static double read_memory(const uint64_t *memory, float *out)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < BYTES / sizeof *memory; i++)
        sum += memory[i];
    *out += (float)(sum & 1);
    return (double)BYTES;
}

static void *one_thread(void *argument)
{
    work *w = argument;
    if (!w->run) memset(w->memory, 1, BYTES);
    pthread_barrier_wait(&together);
    w->amount = w->run ? w->run(20000000, w->result, &w->result) : read_memory(w->memory, &w->result);
    pthread_barrier_wait(&together);
    return NULL;
}

/* The best of five, of all threads together. */
static double rate(kernel run, int threads)
{
    static work works[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    double best = 0;
    for (int repeat = 0; repeat < 5; repeat++) {
        pthread_barrier_init(&together, NULL, (unsigned)threads + 1);
        for (int i = 0; i < threads; i++) {
            works[i] = (work){.run = run, .memory = run ? NULL : malloc(BYTES)};
            if ((!run && !works[i].memory) || pthread_create(&ids[i], NULL, one_thread, &works[i]) != 0)
                exit(1);
        }
        pthread_barrier_wait(&together);
        double start = seconds(), amount = 0;
        pthread_barrier_wait(&together);
        double took = seconds() - start;
        for (int i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            amount += works[i].amount;
            free(works[i].memory);
        }
        pthread_barrier_destroy(&together);
        if (amount / took > best) best = amount / took;
    }
    return best;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    if (threads < 1 || threads > MAX_THREADS) return 2;
    bool avx512 = __builtin_cpu_supports("avx512f"), avx2 = __builtin_cpu_supports("fma");
    bool bf16 = __builtin_cpu_supports("avx512bf16");
    if (!avx512 && !avx2) {
        fprintf(stderr, "bench_peak: needs a processor with AVX2 and FMA\n");
        return 1;
    }
    double f32 = rate(avx512 ? f32_avx512 : f32_avx2, threads);
    printf("f32 %.1f GFLOP/s\n", f32 / 1e9);
    printf("bf16 %.1f GFLOP/s\n", (bf16 ? rate(bf16_avx512, threads) : f32) / 1e9);
    printf("memory %.1f GB/s read\n", rate(NULL, threads) / 1e9);
    return 0;
}
