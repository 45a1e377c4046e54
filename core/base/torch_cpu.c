/* PyTorch's CPU generator: mt19937 and the fills of its AVX2 build (ATen's DistributionTemplates.h,
 * DistributionsHelper.h). The single-precision ln, sin and cos are Cephes' polynomials with the fused
 * multiply-adds that the release build has, so each fmaf below is part of the definition. */
#include "base/rng.h"

#include <math.h>
#include <string.h>

void tt_torch_cpu_seed(tt_torch_cpu *g, uint64_t seed)
{
    g->state[0] = (uint32_t)seed; /* the engine takes the low half only */
    for (uint32_t i = 1; i < 624; i++)
        g->state[i] = 1812433253u * (g->state[i - 1] ^ g->state[i - 1] >> 30) + i;
    g->at = 624;
    g->cached_normal = 0.0;
    g->has_cached_normal = 0;
}

static void refill(tt_torch_cpu *g)
{
    uint32_t *s = g->state;
    for (int i = 0; i < 624; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % 624] & 0x7fffffffu);
        s[i] = s[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0u);
    }
    g->at = 0;
}

uint32_t tt_torch_cpu_u32(tt_torch_cpu *g)
{
    if (g->at >= 624) refill(g);
    uint32_t y = g->state[g->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint64_t tt_torch_cpu_u64(tt_torch_cpu *g)
{
    uint64_t high = tt_torch_cpu_u32(g);
    return high << 32 | tt_torch_cpu_u32(g);
}

float tt_torch_cpu_uniform_f32(tt_torch_cpu *g)
{
    return (float)(tt_torch_cpu_u32(g) & 0xffffffu) * 0x1p-24f;
}

double tt_torch_cpu_uniform_f64(tt_torch_cpu *g)
{
    return (double)(tt_torch_cpu_u64(g) & ((1ull << 53) - 1)) * 0x1p-53;
}

/* ---- randn ---- */

/* x in (0, 1], normal */
static float cephes_ln(float x)
{
    static const float p[9] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                               -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                               2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int)(bits >> 23) - 126);
    bits = (bits & 0x007fffffu) | 0x3f000000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    float f = m - 1.0f;
    if (m < 0.70710678f) {
        e -= 1.0f;
        f += m;
    }
    float z = f * f, y = p[0];
    for (int k = 1; k < 9; k++)
        y = fmaf(y, f, p[k]);
    y *= f;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y -= 0.5f * z;
    return fmaf(e, 0.693359375f, f + y);
}

/* x ≥ 0 */
static void cephes_sincos(float x, float *sine, float *cosine)
{
    int32_t j = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    float q = (float)j;
    x = fmaf(q, -0.78515625f, x);
    x = fmaf(q, -2.4187564849853515625e-4f, x);
    x = fmaf(q, -3.77489497744594108e-8f, x);
    float z = x * x;
    float c = fmaf(fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f) * z;
    c = fmaf(c, z, -0.5f * z) + 1.0f;
    float s = fmaf(fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f) * z;
    s = fmaf(s, x, x);
    float first = j & 2 ? c : s, second = j & 2 ? s : c;
    *sine = j & 4 ? -first : first;
    *cosine = ~(j - 2) & 4 ? -second : second;
}

/* 16 uniforms become 16 normals: d[j] pairs with d[j + 8] */
static void box_muller_16(float *d)
{
    for (int j = 0; j < 8; j++) {
        float r = sqrtf(-2.0f * cephes_ln(1.0f - d[j]));
        float sine, cosine;
        cephes_sincos(6.283185307179586f * d[j + 8], &sine, &cosine);
        d[j] = r * cosine;
        d[j + 8] = r * sine;
    }
}

/* One normal in double; its twin waits in the generator, also for the next call. */
static double scalar_normal(tt_torch_cpu *g)
{
    if (g->has_cached_normal) {
        g->has_cached_normal = 0;
        return g->cached_normal;
    }
    double u1 = tt_torch_cpu_uniform_f64(g), u2 = tt_torch_cpu_uniform_f64(g);
    double r = sqrt(-2.0 * log1p(-u2)), angle = 6.283185307179586 * u1;
    g->cached_normal = r * sin(angle);
    g->has_cached_normal = 1;
    return r * cos(angle);
}

void tt_torch_cpu_randn(tt_torch_cpu *g, float *out, size_t n)
{
    if (n < 16) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)scalar_normal(g);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = tt_torch_cpu_uniform_f32(g);
    for (size_t i = 0; i + 16 <= n; i += 16)
        box_muller_16(out + i);
    if (n % 16 == 0) return;
    float *tail = out + n - 16; /* overwrites values that the last whole block has just made */
    for (int i = 0; i < 16; i++)
        tail[i] = tt_torch_cpu_uniform_f32(g);
    box_muller_16(tail);
}

/* ---- integers ---- */

uint64_t tt_torch_cpu_randint(tt_torch_cpu *g, uint64_t range)
{
    return range >> 32 ? tt_torch_cpu_u64(g) % range : tt_torch_cpu_u32(g) % range;
}

void tt_torch_cpu_randperm(tt_torch_cpu *g, uint64_t *out, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = i;
    for (uint64_t i = 0; i + 1 < n; i++) {
        uint64_t j = i + tt_torch_cpu_u32(g) % (n - i);
        uint64_t held = out[i];
        out[i] = out[j];
        out[j] = held;
    }
}
