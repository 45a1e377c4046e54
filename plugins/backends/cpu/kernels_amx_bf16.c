/* AVX-512 with AMX tiles (Sapphire Rapids and newer): as kernels_avx512.c, but attention between bf16 tensors
 * multiplies tiles of bf16, summed in f32.
 *
 * Transposed like the other attentions, so that the softmax has a vector of queries and no sums across lanes:
 * scores = keys·queries, output = values·weights, both with 16 keys or channels × 16 queries in a tile. A
 * column of a tile's product does not depend on the others. */
#include "vec_avx512.h"

#include "kernels_body.h"

#include "attention_body.h"
#include "winograd_body.h"

#define COLUMNS   32  /* queries that are taken together: two tiles */
#define TILE_KEYS 128 /* in place of CPU_KEYS; a multiple of 32 */

typedef struct tile_work {
    float *scores; /* [TILE_KEYS][COLUMNS]; then weights, pairs of bf16, [TILE_KEYS/2][COLUMNS] */
    uint32_t *q;   /* pairs of bf16 [d/2][CPU_QUERIES], d padded to 32 */
    float *out;    /* [d][CPU_QUERIES], d padded to 32 */
    float *row;    /* [2][CPU_QUERIES]: greatest score so far, sum of weights */
} tile_work;

static int64_t padded(int64_t d)
{
    return (d + 31) / 32 * 32;
}

static size_t tile_work_floats(int64_t d)
{
    size_t tiles = TILE_KEYS * COLUMNS + (size_t)(padded(d) + padded(d) / 2 + 2) * CPU_QUERIES,
           floats = attention_work(d);
    return tiles > floats ? tiles : floats;
}

static tile_work tile_work_of(const cpu_attention *a)
{
    tile_work w = {.scores = a->work};
    w.q = (uint32_t *)(w.scores + TILE_KEYS * COLUMNS);
    w.out = (float *)w.q + padded(a->d) / 2 * CPU_QUERIES;
    w.row = w.out + padded(a->d) * CPU_QUERIES;
    memset(w.out, 0, (size_t)(padded(a->d) + 2) * CPU_QUERIES * sizeof *w.out);
    for (int j = 0; j < CPU_QUERIES; j++)
        w.row[j] = 2 * MASKED;
    return w;
}

/* All eight tiles: 16 rows of 64 bytes. */
static void configure_tiles(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = 64;
        config.rows[i] = 16;
    }
    _tile_loadconfig(&config);
}

/* gcc does not tell its optimiser that tile loads read memory */
ALWAYS_INLINE void finish_stores(void)
{
    __asm__ volatile("" ::: "memory");
}

/* 16×16 words */
static void transpose(__m512i x[16])
{
    __m512i y[16];
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            x[i + 2 * k] = _mm512_unpacklo_epi64(y[i + k], y[i + k + 2]);
            x[i + 2 * k + 1] = _mm512_unpackhi_epi64(y[i + k], y[i + k + 2]);
        }
    for (int i = 0; i < 16; i += 8)
        for (int k = 0; k < 4; k++) {
            y[i + k] = _mm512_shuffle_i32x4(x[i + k], x[i + k + 4], 0x88);
            y[i + k + 4] = _mm512_shuffle_i32x4(x[i + k], x[i + k + 4], 0xdd);
        }
    for (int k = 0; k < 8; k++) {
        x[k] = _mm512_shuffle_i32x4(y[k], y[k + 8], 0x88);
        x[k + 8] = _mm512_shuffle_i32x4(y[k], y[k + 8], 0xdd);
    }
}

/* the first n of 32 halves */
static __mmask32 halves(int64_t n)
{
    return n >= 32 ? 0xffffffffu : (1u << n) - 1;
}

/* Negated for a negative scale, so that |scale| keeps the order of scores. */
static void load_query_tiles(const cpu_attention *a, uint32_t *q)
{
    __m512i flip = _mm512_set1_epi32(a->scale < 0 ? (int)0x80008000 : 0), x[16];
    for (int64_t j = 0; j < CPU_QUERIES; j += 16)
        for (int64_t c = 0; c < a->d; c += 32) {
            for (int64_t i = 0; i < 16; i++) {
                x[i] = _mm512_setzero_si512();
                if (j + i < a->queries)
                    x[i] = _mm512_maskz_loadu_epi16(halves(a->d - c),
                                                    (const uint16_t *)a->q + (j + i) * a->q_stride + c);
                x[i] = _mm512_xor_si512(x[i], flip);
            }
            transpose(x);
            for (int64_t i = 0; i < 16; i++)
                _mm512_storeu_si512(q + (c / 2 + i) * CPU_QUERIES + j, x[i]);
        }
}

/* Rounded to nearest even, NaN kept: the bf16 bits of `low` below those of `high`. */
static inline __m512i pair_rounded(vf low, vf high)
{
    uint16_t bits[2 * VW];
    v_store_bf16(bits, low);
    v_store_bf16(bits + VW, high);
    __m512i l = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)bits));
    __m512i h = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(bits + VW)));
    return _mm512_or_si512(l, _mm512_slli_epi32(h, 16));
}

static void store_tiles(const cpu_attention *a, const float *out, const float *total)
{
    for (int64_t j = 0; j < a->queries; j += 16) {
        vf inverse = v_div(v_set(1.0f), v_load(total + j));
        for (int64_t c = 0; c < a->d; c += 32) {
            __m512i x[16];
            for (int64_t i = 0; i < 16; i++) {
                const float *from = out + (c + 2 * i) * CPU_QUERIES + j;
                x[i] = pair_rounded(v_mul(v_load(from), inverse), v_mul(v_load(from + CPU_QUERIES), inverse));
            }
            transpose(x);
            for (int64_t i = 0; i < 16 && j + i < a->queries; i++)
                _mm512_mask_storeu_epi16((uint16_t *)a->y + (j + i) * a->y_stride + c, halves(a->d - c),
                                         x[i]);
        }
    }
}

#define TILE_ELEMENTS (16 * 32)
#define ROW_BYTES     (CPU_QUERIES * sizeof(float))
#define SCORE_BYTES   (COLUMNS * sizeof(float))

/* Scores of n keys, padded to 32, with COLUMNS queries. */
static void score_tiles(int64_t steps, int64_t n, const uint16_t *k, const uint32_t *q, float *scores)
{
    for (int64_t i = 0; i < n; i += 32) {
        const uint16_t *upper = k + i / 16 * steps * TILE_ELEMENTS, *lower = upper + steps * TILE_ELEMENTS;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t c = 0; c < steps; c++) {
            _tile_loadd(6, q + c * 16 * CPU_QUERIES, ROW_BYTES);
            _tile_loadd(4, upper + c * TILE_ELEMENTS, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, q + c * 16 * CPU_QUERIES + 16, ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, lower + c * TILE_ELEMENTS, 64);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, scores + i * COLUMNS, SCORE_BYTES);
        _tile_stored(1, scores + i * COLUMNS + 16, SCORE_BYTES);
        _tile_stored(2, scores + (i + 16) * COLUMNS, SCORE_BYTES);
        _tile_stored(3, scores + (i + 16) * COLUMNS + 16, SCORE_BYTES);
    }
}

/* The causal mask: the first query is `ahead` of the first key. */
static void mask_columns(int64_t ahead, int64_t n, float *scores)
{
    for (int64_t i = ahead < 0 ? 0 : ahead + 1; i < n; i++)
        for (int64_t j = 0; j < COLUMNS && j < i - ahead; j++)
            scores[i * COLUMNS + j] = MASKED;
}

/* 2^x to 2.7e-6, for x not much above 0: it is rounded to bf16 (2e-3) at once. The polynomial is of what x
 * has above the next whole number below, which is what scalef takes. */
static inline vf v_exp2_weight(vf x)
{
    vf r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    vf p = v_set(0.013534167781472206f);
    p = v_fma(p, r, v_set(0.052011460065841675f));
    p = v_fma(p, r, v_set(0.2414427548646927f));
    p = v_fma(p, r, v_set(0.6930038332939148f));
    p = v_fma(p, r, v_set(1.0000026226043701f));
    return v_scale2(p, x);
}

/* Weights, not negative, to nearest: those of one key below those of the next. A NaN stays one, for bf16
 * inputs give it no low bits. */
static inline __m512i pair_of_weights(vf low, vf high)
{
    const __m512i half = _mm512_set1_epi32(0x8000);
    __m512i l = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(low), half), 16);
    __m512i h = _mm512_add_epi32(_mm512_castps_si512(high), half);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, l, h);
}

/* As weigh: scores of n keys become weights, pairs of keys, zeros up to 32. Relative to the very greatest
 * score the greatest weight, 1, needs no rounding. Returns for which of the two tiles older sums must be
 * multiplied by `factor`. */
static int weigh_tiles(int64_t n, float scale_of, float *scores, float *most, float *total, vf factor[2])
{
    vf m[2], other[2], t[2], f = v_set(scale_of);
    int changed = 0;
    int64_t i = 0;
    for (int v = 0; v < 2; v++)
        m[v] = other[v] = v_set(2 * MASKED);
    for (; i + 2 <= n; i += 2)
        for (int v = 0; v < 2; v++) {
            m[v] = v_max(m[v], v_load(scores + i * COLUMNS + v * VW));
            other[v] = v_max(other[v], v_load(scores + (i + 1) * COLUMNS + v * VW));
        }
    for (int v = 0; v < 2; v++) {
        if (i < n) m[v] = v_max(m[v], v_load(scores + i * COLUMNS + v * VW));
        vf old = v_load(most + v * VW);
        m[v] = v_max(old, v_mul(f, v_max(m[v], other[v])));
        if (_mm512_cmp_ps_mask(old, m[v], _CMP_NEQ_UQ)) changed |= 1 << v;
        factor[v] = v_exp2(v_sub(old, m[v]));
        v_store(most + v * VW, m[v]);
        t[v] = v_set(0);
    }
    for (i = 0; i < n; i += 2)
        for (int v = 0; v < 2; v++) {
            float *at = scores + i * COLUMNS + v * VW;
            vf a = v_exp2_weight(v_fms(f, v_load(at), m[v])), b = v_set(0);
            if (i + 1 < n) b = v_exp2_weight(v_fms(f, v_load(at + COLUMNS), m[v]));
            t[v] = v_add(t[v], v_add(a, b));
            _mm512_storeu_si512(scores + i / 2 * COLUMNS + v * VW, pair_of_weights(a, b));
        }
    for (i = (n + 1) / 2; i < padded(n) / 2; i++)
        for (int v = 0; v < 2; v++)
            v_store(scores + i * COLUMNS + v * VW, v_set(0));
    for (int v = 0; v < 2; v++)
        v_store(total + v * VW, v_fma(factor[v], v_load(total + v * VW), t[v]));
    return changed;
}

static void correct(int64_t d, vf factor, float *out)
{
    for (int64_t c = 0; c < d; c++)
        v_store(out + c * CPU_QUERIES, v_mul(factor, v_load(out + c * CPU_QUERIES)));
}

/* out += values·weights for COLUMNS queries; `steps` tiles of keys, `tiles` of channels */
static void gather_tiles(int64_t steps, int64_t tiles, const uint16_t *values, const float *weights,
                         float *out)
{
    int64_t t = 0;
    for (; t + 2 <= tiles; t += 2) {
        float *upper = out + t * 16 * CPU_QUERIES, *lower = upper + 16 * CPU_QUERIES;
        _tile_loadd(0, upper, ROW_BYTES);
        _tile_loadd(1, upper + 16, ROW_BYTES);
        _tile_loadd(2, lower, ROW_BYTES);
        _tile_loadd(3, lower + 16, ROW_BYTES);
        for (int64_t i = 0; i < steps; i++) {
            const uint16_t *v = values + (i * tiles + t) * TILE_ELEMENTS;
            _tile_loadd(6, weights + i * 16 * COLUMNS, SCORE_BYTES);
            _tile_loadd(4, v, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, weights + i * 16 * COLUMNS + 16, SCORE_BYTES);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, v + TILE_ELEMENTS, 64);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, upper, ROW_BYTES);
        _tile_stored(1, upper + 16, ROW_BYTES);
        _tile_stored(2, lower, ROW_BYTES);
        _tile_stored(3, lower + 16, ROW_BYTES);
    }
    if (t == tiles) return;
    float *last = out + t * 16 * CPU_QUERIES;
    _tile_loadd(0, last, ROW_BYTES);
    _tile_loadd(1, last + 16, ROW_BYTES);
    for (int64_t i = 0; i < steps; i++) {
        _tile_loadd(6, weights + i * 16 * COLUMNS, SCORE_BYTES);
        _tile_loadd(7, weights + i * 16 * COLUMNS + 16, SCORE_BYTES);
        _tile_loadd(4, values + (i * tiles + t) * TILE_ELEMENTS, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, last, ROW_BYTES);
    _tile_stored(1, last + 16, ROW_BYTES);
}

/* One block of keys for the COLUMNS queries that begin at j. */
static void attend_columns(const cpu_attention *a, int64_t key, int64_t n, int64_t j, const tile_work *w)
{
    float *scores = w->scores, *out = w->out + j, *row = w->row + j;
    int64_t tiles = (a->d + 15) / 16;
    vf factor[2];
    finish_stores();
    score_tiles(padded(a->d) / 32, n, (const uint16_t *)a->k + key * padded(a->d), w->q + j, scores);
    if (a->causal_from >= 0) mask_columns(a->causal_from + j - key, n, scores);
    int changed = weigh_tiles(n, fabsf(a->scale), scores, row, row + CPU_QUERIES, factor);
    for (int v = 0; v < 2; v++)
        if (changed & 1 << v) correct(a->d, factor[v], out + v * VW);
    finish_stores();
    gather_tiles(padded(n) / 32, tiles, (const uint16_t *)a->v + key * tiles * 16, scores, out);
}

static void attention_tiles(const cpu_attention *a)
{
    if (!a->bf16) {
        attention(a);
        return;
    }
    tile_work w = tile_work_of(a);
    load_query_tiles(a, w.q);
    int64_t keys = a->keys;
    if (a->causal_from >= 0 && a->causal_from + a->queries < keys) keys = a->causal_from + a->queries;
    configure_tiles();
    for (int64_t key = 0; key < keys; key += TILE_KEYS) {
        int64_t n = keys - key < TILE_KEYS ? keys - key : TILE_KEYS;
        for (int64_t j = 0; j < a->queries; j += COLUMNS)
            attend_columns(a, key, n, j, &w);
    }
    _tile_release();
    store_tiles(a, w.out, w.row + CPU_QUERIES);
}

const cpu_kernels cpu_kernels_amx_bf16 = {
    .name = "amx_bf16",
#include "kernels_table.h"
    .packing = CPU_TILES,
    .attention_work = tile_work_floats,
    .attention = attention_tiles,
};
