/* Keyed streams; docs/randomness.md is their definition, tools/telltale_noise.py their twin. stream_key.c
 * makes the keys. */
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- integers and uniforms ---- */

static void block_at(const tt_stream_key *key, uint64_t i, uint32_t attempt, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), key->counter_high[0],
                                 key->counter_high[1] + attempt};
    tt_philox4x32(key->key, counter, out);
}

static uint64_t join(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

uint32_t tt_keyed_u32(const tt_stream_key *key, uint64_t i)
{
    uint32_t w[4];
    block_at(key, i / 4, 0, w);
    return w[i % 4];
}

double tt_keyed_uniform(const tt_stream_key *key, uint64_t i)
{
    uint32_t w[4];
    block_at(key, i / 2, 0, w);
    uint64_t u = i % 2 ? join(w[2], w[3]) : join(w[0], w[1]);
    return (double)(u >> 11) * 0x1p-53;
}

/* Lemire's multiplication with rejection (ACM TOMACS 29, 2019). Each i owns whole blocks, two candidates
 * each, so that a rejection does not shift the elements behind it. */
uint64_t tt_keyed_below(const tt_stream_key *key, uint64_t i, uint64_t bound)
{
    if (bound < 2) return 0;
    const uint64_t smallest_kept = (0 - bound) % bound; /* 2^64 mod bound */
    for (uint32_t attempt = 0;; attempt++) {
        uint32_t w[4];
        block_at(key, i, attempt, w);
        for (int half = 0; half < 4; half += 2) {
            __extension__ unsigned __int128 product = (unsigned __int128)join(w[half], w[half + 1]) * bound;
            if ((uint64_t)product >= smallest_kept) return (uint64_t)(product >> 64);
        }
    }
}

void tt_keyed_permutation(const tt_stream_key *key, uint64_t *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = i;
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = tt_keyed_below(key, i - 1, i);
        uint64_t held = out[i - 1];
        out[i - 1] = out[j];
        out[j] = held;
    }
}

/* ---- normals ---- */

/* ln((x + ½)·2⁻³²): mantissa m in [√½, √2), ln m = 2 artanh(s), s = (m−1)/(m+1), |s| < 0.172; the series cut
 * after s²¹ is right to 1e-17 relative. Only + − × ÷, so every IEEE machine agrees. */
static double ln_uniform(uint32_t x)
{
    double m = (double)x + 0.5;
    uint64_t bits;
    memcpy(&bits, &m, sizeof bits);
    double e = (double)((int)(bits >> 52) - 1023 - 32);
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    memcpy(&m, &bits, sizeof m);
    bool high = m > 1.4142135623730951;
    m = high ? m * 0.5 : m;
    e = high ? e + 1.0 : e;
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    p = p * z + 1.0;
    return e * 0.6931471805599453 + 2.0 * s * p;
}

/* cos and sin of 2π(x + ½)·2⁻³²: the nearest quarter turn is split off in integers, so the argument is exact
 * and |a| ≤ π/4; Taylor series to a¹⁶ and a¹⁵ (errors below 1e-16). */
static void turn(uint32_t x, double *cosine, double *sine)
{
    uint32_t quarter = (x + 0x20000000u) >> 30;
    int32_t rest = (int32_t)(x - (quarter << 30));
    double a = ((double)rest + 0.5) * 1.4629180792671596e-09; /* 2π/2³² */
    double z = a * a;
    double s = -1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z - 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z - 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z - 1.0 / 6.0;
    s = s * z * a + a;
    double c = 1.0 / 20922789888000.0;
    c = c * z - 1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z - 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z - 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = c * z - 1.0 / 2.0;
    c = c * z + 1.0;
    /* by quarter: (c, s), (−s, c), (−c, −s), (s, −c) */
    double first = quarter & 1 ? s : c, second = quarter & 1 ? c : s;
    *cosine = (quarter + 1) & 2 ? -first : first;
    *sine = quarter & 2 ? -second : second;
}

enum { CHUNK = 64 }; /* blocks at a time: the loops below stay in L1 and vectorise */

/* Box–Muller on the pairs (0, 1) and (2, 3) of each block. */
static void normals_of_blocks(const tt_stream_key *key, uint64_t first_block, size_t blocks, float *out)
{
    uint32_t w[CHUNK][4];
    double radius[2 * CHUNK];
    for (size_t b = 0; b < blocks; b++)
        block_at(key, first_block + b, 0, w[b]);
    const uint32_t *flat = &w[0][0];
    for (size_t p = 0; p < 2 * blocks; p++)
        radius[p] = sqrt(-2.0 * ln_uniform(flat[2 * p]));
    for (size_t p = 0; p < 2 * blocks; p++) {
        double c, s;
        turn(flat[2 * p + 1], &c, &s);
        out[2 * p] = (float)(radius[p] * c);
        out[2 * p + 1] = (float)(radius[p] * s);
    }
}

void tt_keyed_normals(const tt_stream_key *key, uint64_t first, float *out, size_t n)
{
    float chunk[4 * CHUNK];
    uint64_t block = first / 4;
    size_t skip = (size_t)(first % 4);
    while (n > 0) {
        size_t blocks = n >= 4 * CHUNK - skip ? CHUNK : (n + skip + 3) / 4;
        normals_of_blocks(key, block, blocks, chunk);
        size_t take = 4 * blocks - skip < n ? 4 * blocks - skip : n;
        memcpy(out, chunk + skip, take * sizeof *out);
        out += take;
        n -= take;
        block += blocks;
        skip = 0;
    }
}
