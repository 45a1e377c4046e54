/* Elementwise kernels and norms, for the vectors of the vec_*.h included before. See kernels.h. */
#include "kernels.h"
#include "vec_math.h"

#include <math.h>
#include <string.h>

#define JOIN_(a, b)   a##b
#define JOIN(a, b)    JOIN_(a, b)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* VW elements from element i on */
ALWAYS_INLINE vf get(bool bf16, const void *p, int64_t i)
{
    return bf16 ? v_load_bf16((const uint16_t *)p + i) : v_load((const float *)p + i);
}
ALWAYS_INLINE void put(bool bf16, void *p, int64_t i, vf x)
{
    if (bf16)
        v_store_bf16((uint16_t *)p + i, x);
    else
        v_store((float *)p + i, x);
}
/* the first n < VW of them; the rest reads as `fill` */
ALWAYS_INLINE vf get_part(bool bf16, const void *p, int64_t i, int64_t n, float fill)
{
    float part[VW];
    v_store(part, v_set(fill));
    if (bf16) {
        uint16_t raw[VW] = {0};
        float wide[VW];
        memcpy(raw, (const uint16_t *)p + i, (size_t)n * sizeof *raw);
        v_store(wide, v_load_bf16(raw));
        memcpy(part, wide, (size_t)n * sizeof *part);
    } else {
        memcpy(part, (const float *)p + i, (size_t)n * sizeof *part);
    }
    return v_load(part);
}
ALWAYS_INLINE void put_part(bool bf16, void *p, int64_t i, int64_t n, vf x)
{
    if (bf16) {
        uint16_t part[VW];
        v_store_bf16(part, x);
        memcpy((uint16_t *)p + i, part, (size_t)n * sizeof *part);
    } else {
        float part[VW];
        v_store(part, x);
        memcpy((float *)p + i, part, (size_t)n * sizeof *part);
    }
}

/* Runs `body`, which uses x (and i) and sets y, over n elements: whole vectors, then the rest. */
#define EACH(n, in_bf16, in, out_bf16, out, body)                                                            \
    do {                                                                                                     \
        int64_t i = 0;                                                                                       \
        for (; i + VW <= (n); i += VW) {                                                                     \
            vf x = get(in_bf16, in, i), y;                                                                   \
            body;                                                                                            \
            put(out_bf16, out, i, y);                                                                        \
        }                                                                                                    \
        if (i < (n)) {                                                                                       \
            vf x = get_part(in_bf16, in, i, (n)-i, 0), y;                                                    \
            body;                                                                                            \
            put_part(out_bf16, out, i, (n)-i, y);                                                            \
        }                                                                                                    \
    } while (0)
/* the same place of another array of the same length */
#define OTHER(bf16, p, n) (i + VW <= (n) ? get(bf16, p, i) : get_part(bf16, p, i, (n)-i, 0))
/* Compiles `call` once for each type. */
#define BY_TYPE(bf16, call)                                                                                  \
    do {                                                                                                     \
        if (bf16) {                                                                                          \
            const bool type = true;                                                                          \
            call;                                                                                            \
        } else {                                                                                             \
            const bool type = false;                                                                         \
            call;                                                                                            \
        }                                                                                                    \
    } while (0)

static void to_bf16(int64_t n, const float *in, uint16_t *out)
{
    EACH(n, false, in, true, out, y = x);
}

static void from_bf16(int64_t n, const uint16_t *in, float *out)
{
    EACH(n, true, in, false, out, y = x);
}

static void activate(tt_activation act, bool bf16, int64_t n, const void *in, void *out)
{
    if (act == TT_ACT_SILU)
        BY_TYPE(bf16, EACH(n, type, in, type, out, y = v_activate(TT_ACT_SILU, x)));
    else if (act == TT_ACT_GELU)
        BY_TYPE(bf16, EACH(n, type, in, type, out, y = v_activate(TT_ACT_GELU, x)));
    else if (act == TT_ACT_QUICK_GELU)
        BY_TYPE(bf16, EACH(n, type, in, type, out, y = v_activate(TT_ACT_QUICK_GELU, x)));
    else
        BY_TYPE(bf16, EACH(n, type, in, type, out, y = x));
}

static void finish(tt_activation act, bool bf16, int64_t n, const float *in, const void *residual, void *out)
{
    if (residual)
        BY_TYPE(bf16, EACH(n, false, in, type, out, y = v_add(v_activate(act, x), OTHER(type, residual, n))));
    else
        BY_TYPE(bf16, EACH(n, false, in, type, out, y = v_activate(act, x)));
}

static void geglu(bool bf16, int64_t rows, int64_t n, const void *in, void *out)
{
    size_t size = bf16 ? sizeof(uint16_t) : sizeof(float);
    for (int64_t r = 0; r < rows; r++) {
        const char *a = (const char *)in + (size_t)(2 * r * n) * size, *gate = a + (size_t)n * size;
        char *to = (char *)out + (size_t)(r * n) * size;
        BY_TYPE(bf16, EACH(n, type, gate, type, to, y = v_mul(v_gelu(x), OTHER(type, a, n))));
    }
}

static void add(bool bf16, int64_t n, const void *in, const void *b, void *out)
{
    BY_TYPE(bf16, EACH(n, type, in, type, out, y = v_add(x, OTHER(type, b, n))));
}

static void scale(bool bf16, int64_t n, const void *in, float factor, float offset, void *out)
{
    vf f = v_set(factor), o = v_set(offset);
    BY_TYPE(bf16, EACH(n, type, in, type, out, y = v_fma(x, f, o)));
}

/* Maximum over the lanes; NaN if there is one. */
static float lanes_max(vf x)
{
    float part[VW], most;
    v_store(part, x);
    most = part[0];
    for (int i = 1; i < VW; i++)
        most = part[i] > most || isnan(part[i]) ? part[i] : most;
    return most;
}

ALWAYS_INLINE void softmax_row(bool bf16, int64_t n, const void *in, float factor, void *out)
{
    vf s = v_set(factor), most = v_set(-INFINITY);
    vd total = v_double_zero(); /* an f32 sum of thousands would be off by some 1e-6 */
    int64_t k = 0;
    for (; k + VW <= n; k += VW)
        most = v_max(most, v_mul(s, get(bf16, in, k)));
    if (k < n) {
        float part[VW]; /* padding must not win: -inf whatever the factor's sign */
        v_store(part, v_mul(s, get_part(bf16, in, k, n - k, 0)));
        for (int64_t j = n - k; j < VW; j++)
            part[j] = -INFINITY;
        most = v_max(most, v_load(part));
    }
    vf shift = v_set(lanes_max(most));
    /* two passes of exponentials instead of a rounding of them to bf16 in between */
    for (k = 0; k + VW <= n; k += VW)
        total = v_double_add(total, v_double(v_exp(v_sub(v_mul(s, get(bf16, in, k)), shift))));
    if (k < n) {
        float part[VW];
        v_store(part, v_exp(v_sub(v_mul(s, get_part(bf16, in, k, n - k, 0)), shift)));
        for (int64_t j = n - k; j < VW; j++)
            part[j] = 0;
        total = v_double_add(total, v_double(v_load(part)));
    }
    double lanes[VW], sum = 0;
    v_double_store(lanes, total);
    for (int j = 0; j < VW; j++)
        sum += lanes[j];
    vf inverse = v_set((float)(1 / sum));
    EACH(n, bf16, in, bf16, out, y = v_mul(v_exp(v_sub(v_mul(s, x), shift)), inverse));
}

static void softmax(bool bf16, int64_t n, int64_t width, const void *in, float factor, void *out)
{
    BY_TYPE(bf16, softmax_row(type, n, in, factor, out));
    size_t size = bf16 ? sizeof(uint16_t) : sizeof(float);
    memset((char *)out + (size_t)n * size, 0, (size_t)(width - n) * size);
}

ALWAYS_INLINE void layer_norm_row(bool bf16, int64_t n, const void *in, const float *gamma, const float *beta,
                                  float eps, void *out)
{
    /* f64 sums: cheap beside the loads, and no cancellation to think about */
    vd total = v_double_zero(), squares = v_double_zero();
    int64_t k = 0;
    for (; k + VW <= n; k += VW)
        total = v_double_add(total, v_double(get(bf16, in, k)));
    if (k < n) total = v_double_add(total, v_double(get_part(bf16, in, k, n - k, 0)));
    double lanes[VW], sum = 0;
    v_double_store(lanes, total);
    for (int j = 0; j < VW; j++)
        sum += lanes[j];
    float mean = (float)(sum / (double)n);
    vf m = v_set(mean);
    for (k = 0; k + VW <= n; k += VW)
        squares = v_double_add_square(squares, v_double(v_sub(get(bf16, in, k), m)));
    if (k < n) squares = v_double_add_square(squares, v_double(v_sub(get_part(bf16, in, k, n - k, mean), m)));
    v_double_store(lanes, squares);
    sum = 0;
    for (int j = 0; j < VW; j++)
        sum += lanes[j];
    vf rate = v_set((float)(1 / sqrt(sum / (double)n + (double)eps)));
    EACH(n, bf16, in, bf16, out,
         y = v_fma(v_mul(v_sub(x, m), rate), OTHER(false, gamma, n), OTHER(false, beta, n)));
}

static void layer_norm(bool bf16, int64_t rows, int64_t n, const void *in, const float *gamma,
                       const float *beta, float eps, void *out)
{
    size_t step = (size_t)n * (bf16 ? sizeof(uint16_t) : sizeof(float));
    for (int64_t r = 0; r < rows; r++) {
        const char *from = (const char *)in + (size_t)r * step;
        char *to = (char *)out + (size_t)r * step;
        BY_TYPE(bf16, layer_norm_row(type, n, from, gamma, beta, eps, to));
    }
}

/* up to 4 vectors of channels down all pixels */
ALWAYS_INLINE void moments_of(bool bf16, int vectors, int64_t pixels, int64_t width, const void *in,
                              double *sum, double *square)
{
    vd s[4], q[4];
    for (int v = 0; v < vectors; v++)
        s[v] = q[v] = v_double_zero();
    for (int64_t p = 0; p < pixels; p++)
        for (int v = 0; v < vectors; v++) {
            vd x = v_double(get(bf16, in, p * width + v * VW));
            s[v] = v_double_add(s[v], x);
            q[v] = v_double_add_square(q[v], x);
        }
    for (int v = 0; v < vectors; v++) {
        v_double_store(sum + v * VW, s[v]);
        v_double_store(square + v * VW, q[v]);
    }
}

static void moments(bool bf16, int64_t pixels, int64_t width, int64_t n, const void *in, double *sum,
                    double *square)
{
    size_t size = bf16 ? sizeof(uint16_t) : sizeof(float);
    int64_t c = 0;
    for (; c + 4 * VW <= n; c += 4 * VW)
        BY_TYPE(bf16,
                moments_of(type, 4, pixels, width, (const char *)in + (size_t)c * size, sum + c, square + c));
    for (; c + VW <= n; c += VW)
        BY_TYPE(bf16,
                moments_of(type, 1, pixels, width, (const char *)in + (size_t)c * size, sum + c, square + c));
    for (; c < n; c++) {
        sum[c] = square[c] = 0;
        for (int64_t p = 0; p < pixels; p++) {
            float part[VW];
            v_store(part, get_part(bf16, in, p * width + c, 1, 0));
            sum[c] += (double)part[0];
            square[c] += (double)part[0] * (double)part[0];
        }
    }
}

static void normalise(bool bf16, bool silu, int64_t pixels, int64_t n, const void *in, const float *mean,
                      const float *rate, const float *beta, void *out)
{
    size_t step = (size_t)n * (bf16 ? sizeof(uint16_t) : sizeof(float));
#define NORMALISED v_fma(v_sub(x, OTHER(false, mean, n)), OTHER(false, rate, n), OTHER(false, beta, n))
    for (int64_t p = 0; p < pixels; p++) {
        const char *from = (const char *)in + (size_t)p * step;
        char *to = (char *)out + (size_t)p * step;
        if (silu)
            BY_TYPE(bf16, EACH(n, type, from, type, to, y = v_swish(NORMALISED, 1.0f)));
        else
            BY_TYPE(bf16, EACH(n, type, from, type, to, y = NORMALISED));
    }
#undef NORMALISED
}
