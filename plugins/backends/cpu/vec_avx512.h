/* Vectors of 16 floats: AVX-512 F, BW, DQ, VL. Same names as vec_avx2.h and vec_generic.h. */
#ifndef TT_CPU_VEC_H
#define TT_CPU_VEC_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VW  16
#define ISA avx512
/* vectors of queries in an attention tile: 4 × 6 accumulators of 32 registers */
#define QUERY_VECTORS 4

typedef __m512 vf;
typedef struct vd { /* VW doubles */
    __m512d lo, hi;
} vd;

static inline vf v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline vf v_load_bf16(const uint16_t *p)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
/* of VW pairs the first or the second of each */
static inline vf v_load_bf16_of_pairs(const uint16_t *p, bool second)
{
    __m512i pairs = _mm512_loadu_si512((const void *)p);
    return _mm512_castsi512_ps(second ? _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000))
                                      : _mm512_slli_epi32(pairs, 16));
}
/* to nearest even; NaN stays NaN (made quiet) */
static inline void v_store_bf16(uint16_t *p, vf x)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}
static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
/* a·b + c */
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* c − a·b */
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
/* a·b − c */
static inline vf v_fms(vf a, vf b, vf c)
{
    return _mm512_fmsub_ps(a, b, c);
}
/* a NaN in b is kept, in max as in min */
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf v_abs(vf x)
{
    return _mm512_abs_ps(x);
}
static inline vf v_round(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* x·2^n for whole n; any n, also beyond the exponents of floats */
static inline vf v_scale2(vf x, vf n)
{
    return _mm512_scalef_ps(x, n);
}
/* where c < 0: a, else b */
static inline vf v_where_negative(vf c, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(c, _mm512_setzero_ps(), _CMP_LT_OQ), b, a);
}
static inline vd v_double(vf x)
{
    vd r;
    r.lo = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    r.hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return r;
}
static inline vd v_double_zero(void)
{
    vd r = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    return r;
}
static inline vd v_double_add(vd a, vd b)
{
    vd r = {_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)};
    return r;
}
/* a + b·b */
static inline vd v_double_add_square(vd a, vd b)
{
    vd r = {_mm512_fmadd_pd(b.lo, b.lo, a.lo), _mm512_fmadd_pd(b.hi, b.hi, a.hi)};
    return r;
}
static inline void v_double_store(double *p, vd x)
{
    _mm512_storeu_pd(p, x.lo);
    _mm512_storeu_pd(p + 8, x.hi);
}

#endif
