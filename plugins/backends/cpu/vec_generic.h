/* Vectors of 4 floats by the compilers' portable vector types: any processor. Same names as vec_avx512.h and
 * vec_avx2.h. Products are rounded before they are added: no fused multiply-add is assumed. */
#ifndef TT_CPU_VEC_H
#define TT_CPU_VEC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VW            4
#define ISA           generic
#define QUERY_VECTORS 2

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
typedef double v2d __attribute__((vector_size(16)));
typedef struct vd { /* VW doubles */
    v2d lo, hi;
} vd;

static inline vf v_set(float x)
{
    return (vf){x, x, x, x};
}
static inline vf v_load(const float *p)
{
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void v_store(float *p, vf x)
{
    memcpy(p, &x, sizeof x);
}
/* where the mask is all ones: a, else b */
static inline vf v_blend(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}
static inline vf v_load_bf16(const uint16_t *p)
{
    vu wide = {p[0], p[1], p[2], p[3]};
    return (vf)(wide << 16);
}
/* of VW pairs the first or the second of each */
static inline vf v_load_bf16_of_pairs(const uint16_t *p, bool second)
{
    p += second;
    vu wide = {p[0], p[2], p[4], p[6]};
    return (vf)(wide << 16);
}
/* to nearest even; NaN stays NaN (made quiet) */
static inline void v_store_bf16(uint16_t *p, vf x)
{
    vu bits = (vu)x, rounded = bits + ((bits >> 16) & 1) + 0x7fff;
    vi nan = (vi)(bits & 0x7fffffff) > 0x7f800000;
    rounded = (vu)v_blend(nan, (vf)(bits | 0x400000), (vf)rounded) >> 16;
    for (int i = 0; i < VW; i++)
        p[i] = (uint16_t)rounded[i];
}
static inline vf v_add(vf a, vf b)
{
    return a + b;
}
static inline vf v_sub(vf a, vf b)
{
    return a - b;
}
static inline vf v_mul(vf a, vf b)
{
    return a * b;
}
static inline vf v_div(vf a, vf b)
{
    return a / b;
}
/* a·b + c */
static inline vf v_fma(vf a, vf b, vf c)
{
    return a * b + c;
}
/* c − a·b */
static inline vf v_fnma(vf a, vf b, vf c)
{
    return c - a * b;
}
/* a·b − c */
static inline vf v_fms(vf a, vf b, vf c)
{
    return a * b - c;
}
/* a NaN in b is kept, in max as in min */
static inline vf v_max(vf a, vf b)
{
    return v_blend(a > b, a, b);
}
static inline vf v_min(vf a, vf b)
{
    return v_blend(a < b, a, b);
}
static inline vf v_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}
/* to nearest even, for |x| < 2^22 (beyond: x itself) */
static inline vf v_round(vf x)
{
    const vf magic = v_set(12582912.0f); /* 1.5·2^23: adding it leaves no bits behind the point */
    return v_blend(v_abs(x) < v_set(4194304.0f), (x + magic) - magic, x);
}
/* 2^n for whole n in [-126, 127] */
static inline vf v_power2(vi n)
{
    return (vf)((n + 127) << 23);
}
/* x·2^n for whole n; any n, also beyond the exponents of floats: in two steps, so that results round into the
 * denormals and overflow to infinity as they should */
static inline vf v_scale2(vf x, vf n)
{
    vi whole = __builtin_convertvector(v_max(v_set(-250.0f), v_min(v_set(250.0f), n)), vi);
    vi half = whole >> 1;
    return x * v_power2(half) * v_power2(whole - half);
}
/* where c < 0: a, else b */
static inline vf v_where_negative(vf c, vf a, vf b)
{
    return v_blend(c < v_set(0), a, b);
}
static inline vd v_double(vf x)
{
    vd r = {{(double)x[0], (double)x[1]}, {(double)x[2], (double)x[3]}};
    return r;
}
static inline vd v_double_zero(void)
{
    vd r = {{0, 0}, {0, 0}};
    return r;
}
static inline vd v_double_add(vd a, vd b)
{
    vd r = {a.lo + b.lo, a.hi + b.hi};
    return r;
}
/* a + b·b */
static inline vd v_double_add_square(vd a, vd b)
{
    vd r = {a.lo + b.lo * b.lo, a.hi + b.hi * b.hi};
    return r;
}
static inline void v_double_store(double *p, vd x)
{
    memcpy(p, &x.lo, sizeof x.lo);
    memcpy(p + 2, &x.hi, sizeof x.hi);
}

#endif
