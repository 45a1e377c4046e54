/* Vectors of 8 floats: AVX2 and FMA. Same names as vec_avx512.h and vec_generic.h. */
#ifndef TT_CPU_VEC_H
#define TT_CPU_VEC_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VW            8
#define ISA           avx2
#define QUERY_VECTORS 2

typedef __m256 vf;
typedef struct vd { /* VW doubles */
    __m256d lo, hi;
} vd;

static inline vf v_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
static inline vf v_load_bf16(const uint16_t *p)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
/* of VW pairs the first or the second of each */
static inline vf v_load_bf16_of_pairs(const uint16_t *p, bool second)
{
    __m256i pairs = _mm256_loadu_si256((const void *)p);
    return _mm256_castsi256_ps(second ? _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000))
                                      : _mm256_slli_epi32(pairs, 16));
}
/* to nearest even; NaN stays NaN (made quiet) */
static inline void v_store_bf16(uint16_t *p, vf x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    __m256i packed = _mm256_packus_epi32(rounded, rounded); /* within 128-bit lanes */
    packed = _mm256_permute4x64_epi64(packed, 0x08);
    _mm_storeu_si128((void *)p, _mm256_castsi256_si128(packed));
}
static inline vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
/* a·b + c */
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
/* c − a·b */
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
/* a·b − c */
static inline vf v_fms(vf a, vf b, vf c)
{
    return _mm256_fmsub_ps(a, b, c);
}
/* a NaN in b is kept, in max as in min */
static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf v_abs(vf x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
static inline vf v_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* 2^n for whole n in [-126, 127] */
static inline vf v_power2(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
/* x·2^n for whole n; any n, also beyond the exponents of floats: in two steps, so that results round into the
 * denormals and overflow to infinity as they should */
static inline vf v_scale2(vf x, vf n)
{
    __m256i whole = _mm256_cvtps_epi32(_mm256_max_ps(v_set(-250.0f), _mm256_min_ps(v_set(250.0f), n)));
    __m256i half = _mm256_srai_epi32(whole, 1);
    return v_mul(v_mul(x, v_power2(half)), v_power2(_mm256_sub_epi32(whole, half)));
}
/* where c < 0: a, else b */
static inline vf v_where_negative(vf c, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(c, _mm256_setzero_ps(), _CMP_LT_OQ));
}
static inline vd v_double(vf x)
{
    vd r = {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
    return r;
}
static inline vd v_double_zero(void)
{
    vd r = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    return r;
}
static inline vd v_double_add(vd a, vd b)
{
    vd r = {_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)};
    return r;
}
/* a + b·b */
static inline vd v_double_add_square(vd a, vd b)
{
    vd r = {_mm256_fmadd_pd(b.lo, b.lo, a.lo), _mm256_fmadd_pd(b.hi, b.hi, a.hi)};
    return r;
}
static inline void v_double_store(double *p, vd x)
{
    _mm256_storeu_pd(p, x.lo);
    _mm256_storeu_pd(p + 4, x.hi);
}

#endif
