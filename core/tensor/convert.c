/* Floating types on the host. Every conversion rounds once, to nearest, ties to even. */
#include "tensor/tensor.h"

#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Selections and masks rather than branches, here and in from_f16: loops over them become vector code. */
static inline uint16_t to_bf16(float x)
{
    uint32_t u = bits_of(x), rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    /* NaN: the upper half as it is, unless its payload lay in the lower half alone and would turn to ∞ */
    uint32_t quiet = (u & 0x007f0000u) ? 0 : 0x40u, nan = u >> 16 | quiet;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

static inline float from_bf16(uint16_t x)
{
    return float_of((uint32_t)x << 16);
}

static inline uint16_t to_f16(float x)
{
    uint32_t u = bits_of(x), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        uint32_t payload = magnitude >> 13 & 0x3ffu;
        return (uint16_t)(sign | 0x7c00u | (payload ? payload : 0x200u));
    }
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* ≥ 65520 rounds to ∞ */
    if (magnitude >= 0x38800000u) { /* ≥ 2⁻¹⁴: normal; rebias 127 → 15 */
        uint32_t v = magnitude - 0x38000000u;
        return (uint16_t)(sign | (v + 0xfffu + (v >> 13 & 1u)) >> 13);
    }
    if (magnitude < 0x33000000u) return (uint16_t)sign; /* below half the least denormal, 2⁻²⁵ */
    /* denormal: the significand in units of 2⁻²⁴ */
    uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u, shift = 126u - (magnitude >> 23);
    uint32_t v = significand >> shift, rest = significand & ((1u << shift) - 1u), half = 1u << (shift - 1);
    if (rest > half || (rest == half && (v & 1u))) v++;
    return (uint16_t)(sign | v);
}

static inline float from_f16(uint16_t x)
{
    uint32_t sign = (uint32_t)(x & 0x8000u) << 16, exponent = x >> 10 & 0x1fu, fraction = x & 0x3ffu;
    uint32_t normal = (exponent + 112u) << 23 | fraction << 13;     /* rebias 15 → 127 */
    uint32_t special = (0u - ((exponent + 1u) >> 5)) & 0x7f800000u; /* ∞ and NaN: all ones in any bias */
    uint32_t denormal = bits_of(float_of(0x38800000u | fraction << 13) - 0x1p-14f); /* exact */
    uint32_t is_denormal = 0u - ((exponent - 1u) >> 31);
    return float_of(sign | special | (normal & ~is_denormal) | (denormal & is_denormal));
}

/* What is exported may be replaced by the dynamic linker and is therefore never inlined; the loops below use
 * the static ones. */
uint16_t tt_bf16_from_f32(float x)
{
    return to_bf16(x);
}

float tt_f32_from_bf16(uint16_t x)
{
    return from_bf16(x);
}

uint16_t tt_f16_from_f32(float x)
{
    return to_f16(x);
}

float tt_f32_from_f16(uint16_t x)
{
    return from_f16(x);
}

/* double to float, rounded to odd: an inexact result has its last bit set, so that a second rounding to a
 * type with at least two bits less gives what one rounding would have given. */
static float to_odd(double x)
{
    float f = (float)x;
    if (x != x || (double)f == x) return f;
    uint32_t u = bits_of(f);
    double magnitude = x < 0 ? -x : x, rounded = f < 0 ? -(double)f : (double)f;
    if (rounded > magnitude) u--; /* towards zero; from ∞ to the largest finite value */
    return float_of(u | 1u);
}

static double load(tt_type type, const char *p)
{
    double d;
    float f;
    uint16_t h;
    switch (type) {
    case TT_F64:
        memcpy(&d, p, sizeof d);
        return d;
    case TT_F32:
        memcpy(&f, p, sizeof f);
        return (double)f;
    case TT_BF16:
        memcpy(&h, p, sizeof h);
        return (double)from_bf16(h);
    default:
        memcpy(&h, p, sizeof h);
        return (double)from_f16(h);
    }
}

static void store(tt_type type, char *p, double x)
{
    float f;
    uint16_t h;
    switch (type) {
    case TT_F64:
        memcpy(p, &x, sizeof x);
        break;
    case TT_F32:
        f = (float)x, memcpy(p, &f, sizeof f);
        break;
    case TT_BF16:
        h = to_bf16(to_odd(x)), memcpy(p, &h, sizeof h);
        break;
    default:
        h = to_f16(to_odd(x)), memcpy(p, &h, sizeof h);
        break;
    }
}

/* One loop for each common pair, so that the compiler sees the types; memcpy because weights in files may lie
 * at any address. */
#define LOOP(name, to_t, from_t, expression)                                                                 \
    static void name(char *d, const char *s, size_t n)                                                       \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++) {                                                                     \
            from_t x;                                                                                        \
            memcpy(&x, s + i * sizeof x, sizeof x);                                                          \
            to_t y = (expression);                                                                           \
            memcpy(d + i * sizeof y, &y, sizeof y);                                                          \
        }                                                                                                    \
    }
LOOP(bf16_of_f32, uint16_t, float, to_bf16(x))
LOOP(f16_of_f32, uint16_t, float, to_f16(x))
LOOP(f64_of_f32, double, float, (double)x)
LOOP(f32_of_bf16, float, uint16_t, from_bf16(x))
LOOP(f32_of_f16, float, uint16_t, from_f16(x))
LOOP(bf16_of_f16, uint16_t, uint16_t, to_bf16(from_f16(x)))
LOOP(f16_of_bf16, uint16_t, uint16_t, to_f16(from_bf16(x)))
LOOP(f32_of_f64, float, double, (float)x)

static const struct {
    tt_type from, to;
    void (*run)(char *d, const char *s, size_t n);
} loops[] = {
    {TT_F32, TT_BF16, bf16_of_f32}, {TT_F32, TT_F16, f16_of_f32},   {TT_F32, TT_F64, f64_of_f32},
    {TT_F16, TT_BF16, bf16_of_f16}, {TT_BF16, TT_F16, f16_of_bf16}, /* widening is exact: one rounding */
    {TT_BF16, TT_F32, f32_of_bf16}, {TT_F16, TT_F32, f32_of_f16},   {TT_F64, TT_F32, f32_of_f64},
};

void tt_convert(tt_type to, void *dst, tt_type from, const void *src, size_t n)
{
    char *d = dst;
    const char *s = src;
    if (to == from) {
        if (n) memmove(d, s, n * tt_type_size(to));
        return;
    }
    for (size_t k = 0; k < sizeof loops / sizeof *loops; k++)
        if (loops[k].from == from && loops[k].to == to) {
            loops[k].run(d, s, n);
            return;
        }
    for (size_t i = 0; i < n; i++)
        store(to, d + i * tt_type_size(to), load(from, s + i * tt_type_size(from)));
}
