/* AVX-512 with bf16 products (Zen 4 and 5, Cooper Lake, Sapphire Rapids): as kernels_avx512.c, but attention
 * between bf16 tensors multiplies in pairs of bf16, summed in f32. f32 tensors take the f32 kernel. */
#include "vec_avx512.h"

#include "kernels_body.h"

#include "attention_body.h"
#include "winograd_body.h"

/* 2^x to 2.6e-6: it is rounded to bf16 (2e-3) at once */
static inline vf v_exp2_coarse(vf x)
{
    x = v_max(v_set(-200.0f), x);
    vf n = v_round(x), r = v_sub(x, n);
    vf p = v_set(0.009570096619427204f);
    p = v_fma(p, r, v_set(0.05591786280274391f));
    p = v_fma(p, r, v_set(0.240247443318367f));
    p = v_fma(p, r, v_set(0.6931217908859253f));
    p = v_fma(p, r, v_set(0.9999992847442627f));
    return v_scale2(p, n);
}

/* q in pairs [d/2][CPU_QUERIES][2]; negated for a negative scale, so that |scale| keeps the order of scores
 */
static void load_query_pairs(const cpu_attention *a, uint32_t *q)
{
    uint16_t flip = a->scale < 0 ? 0x8000 : 0;
    int64_t pairs = (a->d + 1) / 2;
    for (int64_t j = 0; j < CPU_QUERIES; j++) {
        const uint16_t *row = (const uint16_t *)a->q + j * a->q_stride;
        for (int64_t c = 0; c < pairs; c++) {
            uint32_t low = 0, high = 0;
            if (j < a->queries) {
                low = row[2 * c] ^ flip;
                if (2 * c + 1 < a->d) high = (uint32_t)(row[2 * c + 1] ^ flip) << 16;
            }
            q[c * CPU_QUERIES + j] = low | high;
        }
    }
}

static inline vf multiply_pairs(vf sum, uint32_t pair, __m512i pairs)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32((int)pair), (__m512bh)pairs);
}

ALWAYS_INLINE void score_pairs(int vectors, int64_t pairs, const uint32_t *k, const uint32_t *q,
                               float *scores)
{
    vf s[CPU_KEY_PANEL][QUERY_VECTORS];
    for (int i = 0; i < CPU_KEY_PANEL; i++)
        for (int v = 0; v < vectors; v++)
            s[i][v] = v_set(0);
    for (int64_t c = 0; c < pairs; c++) {
        __m512i x[QUERY_VECTORS];
        for (int v = 0; v < vectors; v++)
            x[v] = _mm512_loadu_si512(q + c * CPU_QUERIES + v * VW);
#pragma GCC unroll 6
        for (int i = 0; i < CPU_KEY_PANEL; i++)
            for (int v = 0; v < vectors; v++)
                s[i][v] = multiply_pairs(s[i][v], k[c * CPU_KEY_PANEL + i], x[v]);
    }
    for (int i = 0; i < CPU_KEY_PANEL; i++)
        for (int v = 0; v < vectors; v++)
            v_store(scores + i * CPU_QUERIES + v * VW, s[i][v]);
}

/* As weigh, and the weights of two keys become a pair: row i/2 of `scores` holds those of keys i and i + 1.
 */
ALWAYS_INLINE void weigh_pairs(int vectors, int64_t n, float scale_of, float *scores, float *most,
                               float *total, float *factor)
{
    /* words of the low half go to the even places, of the high half to the odd ones */
    const __m512i interleave = _mm512_add_epi32(
        _mm512_set1_epi32(0x00100000),
        _mm512_mullo_epi32(_mm512_set1_epi32(0x00010001),
                           _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    vf m[QUERY_VECTORS], t[QUERY_VECTORS], f = v_set(scale_of);
    for (int v = 0; v < vectors; v++)
        m[v] = v_set(2 * MASKED);
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < vectors; v++)
            m[v] = v_max(m[v], v_load(scores + i * CPU_QUERIES + v * VW));
    for (int v = 0; v < vectors; v++) {
        vf old = v_load(most + v * VW);
        m[v] = v_max(old, v_mul(f, m[v]));
        vf down = v_exp2(v_sub(old, m[v]));
        v_store(factor + v * VW, down);
        v_store(most + v * VW, m[v]);
        t[v] = v_set(0);
    }
    for (int64_t i = 0; i < n; i += 2)
        for (int v = 0; v < vectors; v++) {
            float *at = scores + i * CPU_QUERIES + v * VW;
            vf a = v_exp2_coarse(v_fms(f, v_load(at), m[v])), b = v_set(0);
            if (i + 1 < n) b = v_exp2_coarse(v_fms(f, v_load(at + CPU_QUERIES), m[v]));
            t[v] = v_add(t[v], v_add(a, b));
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
            _mm512_storeu_si512(scores + i / 2 * CPU_QUERIES + v * VW,
                                _mm512_permutexvar_epi16(interleave, both));
        }
    for (int v = 0; v < vectors; v++)
        v_store(total + v * VW, v_fma(v_load(factor + v * VW), v_load(total + v * VW), t[v]));
}

ALWAYS_INLINE void gather_pairs_rows(int rows, int vectors, int64_t pairs, int64_t d, const uint32_t *values,
                                     const float *weights, const float *factor, float *out)
{
    vf o[6][QUERY_VECTORS];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            o[i][v] = v_set(0);
    for (int64_t k = 0; k < pairs; k++) {
        __m512i p[QUERY_VECTORS];
        for (int v = 0; v < vectors; v++)
            p[v] = _mm512_loadu_si512(weights + k * CPU_QUERIES + v * VW);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                o[i][v] = multiply_pairs(o[i][v], values[k * d + i], p[v]);
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            v_store(out + i * CPU_QUERIES + v * VW,
                    v_fma(v_load(factor + v * VW), v_load(out + i * CPU_QUERIES + v * VW), o[i][v]));
}

ALWAYS_INLINE void gather_pairs(int vectors, int64_t pairs, int64_t d, const uint32_t *values,
                                const float *weights, const float *factor, float *out)
{
    int64_t c = 0, step = d % 5 == 0 ? 5 : 6;
    for (; step == 5 && c + 5 <= d; c += 5)
        gather_pairs_rows(5, vectors, pairs, d, values + c, weights, factor, out + c * CPU_QUERIES);
    for (; c + 6 <= d; c += 6)
        gather_pairs_rows(6, vectors, pairs, d, values + c, weights, factor, out + c * CPU_QUERIES);
    for (; c + 2 <= d; c += 2)
        gather_pairs_rows(2, vectors, pairs, d, values + c, weights, factor, out + c * CPU_QUERIES);
    if (c < d) gather_pairs_rows(1, vectors, pairs, d, values + c, weights, factor, out + c * CPU_QUERIES);
}

ALWAYS_INLINE void attend_pairs(int vectors, const cpu_attention *a, int64_t key, int64_t n, int64_t j,
                                const work *w)
{
    float *scores = w->scores + j, *row = w->row + j;
    int64_t pairs = (a->d + 1) / 2;
    const uint32_t *k = (const uint32_t *)a->k + key * pairs, *q = (const uint32_t *)w->q + j;
    for (int64_t i = 0; i < n; i += CPU_KEY_PANEL)
        score_pairs(vectors, pairs, k + i * pairs, q, scores + i * CPU_QUERIES);
    if (a->causal_from >= 0) mask_scores(a->causal_from + j, vectors * VW, key, n, scores);
    weigh_pairs(vectors, n, a->scale < 0 ? -a->scale : a->scale, scores, row, row + CPU_QUERIES,
                row + 2 * CPU_QUERIES);
    gather_pairs(vectors, (n + 1) / 2, a->d, (const uint32_t *)a->v + key / 2 * a->d, scores,
                 row + 2 * CPU_QUERIES, w->out + j);
}

static void attention_bf16(const cpu_attention *a)
{
    if (!a->bf16) {
        attention(a);
        return;
    }
    work w = work_of(a);
    load_query_pairs(a, (uint32_t *)w.q);
    int64_t keys = a->keys;
    if (a->causal_from >= 0 && a->causal_from + a->queries < keys) keys = a->causal_from + a->queries;
    for (int64_t key = 0; key < keys; key += CPU_KEYS) {
        int64_t n = keys - key < CPU_KEYS ? keys - key : CPU_KEYS, j = 0;
        for (; j + TILE - VW < a->queries; j += TILE)
            attend_pairs(QUERY_VECTORS, a, key, n, j, &w);
        for (; j < a->queries; j += VW)
            attend_pairs(1, a, key, n, j, &w);
    }
    store_output(a, w.out, w.row + CPU_QUERIES);
}

const cpu_kernels cpu_kernels_avx512_bf16 = {
    .name = "avx512_bf16",
#include "kernels_table.h"
    .attention_work = attention_work,
    .attention = attention_bf16,
    .packing = CPU_PAIRS,
};
