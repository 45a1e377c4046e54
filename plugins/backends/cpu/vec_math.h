/* Exponential, normal distribution and activations on vectors of a vec_*.h included before. The polynomials
 * are minimax fits (Lawson's iteration in f64, coefficients then rounded to f32). */
#ifndef TT_CPU_VEC_MATH_H
#define TT_CPU_VEC_MATH_H

#include "telltale/backend.h"

/* e^x, below 1.5 ulp, over the whole range: 0 below -104, infinity above 88.73; NaN kept.
 * x = n·ln 2 + r, |r| ≤ ln 2/2; the fit of e^r is good to 1.9e-9. */
static inline vf v_exp(vf x)
{
    x = v_min(v_set(90.0f), v_max(v_set(-106.0f), x));
    vf n = v_round(v_mul(x, v_set(1.44269504f)));
    vf r = v_fnma(n, v_set(0.693359375f), x); /* ln 2 = 0.693359375 − 2.12194440e-4; n·high part is exact */
    r = v_fnma(n, v_set(-2.12194440e-4f), r);
    vf p = v_set(0.0013836831785738468f);
    p = v_fma(p, r, v_set(0.008374824188649654f));
    p = v_fma(p, r, v_set(0.04166822507977486f));
    p = v_fma(p, r, v_set(0.16666419804096222f));
    p = v_fma(p, r, v_set(0.49999991059303284f));
    p = v_fma(p, r, v_set(1.0f));
    p = v_fma(p, r, v_set(1.0f));
    return v_scale2(p, n);
}

/* 2^x to 1e-7 relative. Any x from -FLT_MAX (gives 0) up to 127. */
static inline vf v_exp2(vf x)
{
    x = v_max(v_set(-200.0f), x);
    vf n = v_round(x), r = v_sub(x, n);
    vf p = v_set(0.0013276466634124517f);
    p = v_fma(p, r, v_set(0.009675541892647743f));
    p = v_fma(p, r, v_set(0.05550713464617729f));
    p = v_fma(p, r, v_set(0.24022120237350464f));
    p = v_fma(p, r, v_set(0.6931469440460205f));
    p = v_fma(p, r, v_set(1.0000001192092896f));
    return v_scale2(p, n);
}

/* Φ(x) = (1 + erf(x/√2))/2 to 3e-7 relative, also in the lower tail, where 1 + erf would cancel:
 * with z = |x|/√2, erfc(z) = e^(−z²)·erfcx(z), and erfcx(z)·(1 + 2z) is a polynomial in t = (z − 3)/(z + 3)
 * to 2.2e-9 (the mapping is that of Schonfelder, Math. Comp. 32, 1978). z² is taken as high + low, since its
 * rounding error would grow by z². */
static inline vf v_normal_cdf(vf x)
{
    vf z = v_mul(v_abs(x), v_set(0.70710678f));
    z = v_min(v_set(10.5f), z); /* e^(−110) is 0 in f32 */
    vf t = v_div(v_sub(z, v_set(3.0f)), v_add(z, v_set(3.0f)));
    vf p = v_set(-0.00026435827021487057f);
    p = v_fma(p, t, v_set(-0.0007678697584196925f));
    p = v_fma(p, t, v_set(0.002007698407396674f));
    p = v_fma(p, t, v_set(0.0025639492087066174f));
    p = v_fma(p, t, v_set(-0.023801516741514206f));
    p = v_fma(p, t, v_set(0.06829576939344406f));
    p = v_fma(p, t, v_set(-0.11927024275064468f));
    p = v_fma(p, t, v_set(0.12964648008346558f));
    p = v_fma(p, t, v_set(-0.04756244271993637f));
    p = v_fma(p, t, v_set(-0.13562114536762238f));
    p = v_fma(p, t, v_set(1.2530080080032349f));
    vf square = v_mul(z, z), low = v_fms(z, z, square);
    vf e = v_exp(v_sub(v_set(0.0f), square));
    e = v_fnma(e, low, e);
    vf tail = v_div(v_mul(v_mul(v_set(0.5f), e), p), v_fma(v_set(2.0f), z, v_set(1.0f)));
    return v_where_negative(x, tail, v_sub(v_set(1.0f), tail));
}

static inline vf v_gelu(vf x)
{
    return v_mul(x, v_normal_cdf(x));
}

/* x·σ(k·x); no overflow: e^90 is infinite in f32 and x/∞ the right limit */
static inline vf v_swish(vf x, float k)
{
    vf e = v_exp(v_mul(x, v_set(-k)));
    return v_div(x, v_add(v_set(1.0f), e));
}

static inline vf v_activate(tt_activation act, vf x)
{
    switch (act) {
    case TT_ACT_SILU:
        return v_swish(x, 1.0f);
    case TT_ACT_GELU:
        return v_gelu(x);
    case TT_ACT_QUICK_GELU:
        return v_swish(x, 1.702f);
    default:
        return x;
    }
}

#endif
