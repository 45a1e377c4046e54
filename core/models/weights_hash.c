/* u(name, i) = 2·mix(fnv(name) + i·2654435761)/2^32 − 1 in double, then scaled and rounded to f32 once.
 * A whole UNet takes 860 million of them, so the loop is compiled for the vector units that are there; each
 * element is the same handful of exact or singly rounded operations on every path. */
#include "models/weights_hash.h"
#include "models/weights.h"

#include <math.h>
#include <string.h>

uint32_t tt_hash_name(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static inline __attribute__((always_inline)) void fill(uint32_t seed, double offset, double scale, float *out,
                                                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t x = seed + (uint32_t)i * 2654435761u;
        x ^= x >> 16;
        x *= 0x7feb352du;
        x ^= x >> 15;
        x *= 0x846ca68bu;
        x ^= x >> 16;
        double u = 2.0 * ((double)x / 4294967296.0) - 1.0;
        out[i] = (float)(offset + u * scale);
    }
}

static void fill_plain(uint32_t seed, double offset, double scale, float *out, size_t n)
{
    fill(seed, offset, scale, out, n);
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq,avx512vl"))) static void
fill_avx512(uint32_t seed, double offset, double scale, float *out, size_t n)
{
    fill(seed, offset, scale, out, n);
}

__attribute__((target("avx2"))) static void fill_avx2(uint32_t seed, double offset, double scale, float *out,
                                                      size_t n)
{
    fill(seed, offset, scale, out, n);
}
#endif

static void fill_best(uint32_t seed, double offset, double scale, float *out, size_t n)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        fill_avx512(seed, offset, scale, out, n);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        fill_avx2(seed, offset, scale, out, n);
        return;
    }
#endif
    fill_plain(seed, offset, scale, out, n);
}

void tt_hash_fill(const char *name, int32_t rank, const int64_t *shape, float *out, size_t count)
{
    const char *dot = strrchr(name, '.');
    const char *last = dot ? dot + 1 : name;
    double offset = 0, scale = 0.1;
    if (strcmp(last, "num_batches_tracked") == 0) {
        scale = 0;
    } else if (strcmp(last, "logit_scale") == 0) {
        offset = (double)4.6052f;
        scale = 0;
    } else if (rank >= 2) {
        double fan_in = 1;
        for (int32_t i = 1; i < rank; i++)
            fan_in *= (double)shape[i];
        scale = sqrt(3.0 / fan_in);
    } else if (strcmp(last, "weight") == 0 || strcmp(last, "running_var") == 0) {
        offset = 1;
    }
    fill_best(tt_hash_name(name), offset, scale, out, count);
}

void tt_hash_input(const char *name, float *out, size_t n)
{
    fill_best(tt_hash_name(name), 0, sqrt(3.0), out, n);
}
