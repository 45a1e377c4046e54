/* Flash attention in f32, for the vectors of the vec_*.h included before; see kernels.h.
 *
 * Everything is transposed: a vector holds one score, or one output component, of VW queries. So no row of
 * queries is wasted for odd head sizes, the softmax needs no sums across lanes, and keys and values are read
 * one number at a time, as broadcasts. A query's arithmetic does not depend on the other queries of its
 * block. */

#define TILE   (QUERY_VECTORS * VW) /* queries of one register tile */
#define MASKED (-0x1p126f) /* a score of a key that may not be seen; finite, so that differences are */

typedef struct work {
    float *scores; /* [CPU_KEYS][CPU_QUERIES] */
    float *q;      /* [d][CPU_QUERIES] */
    float *out;    /* [d][CPU_QUERIES] */
    float *row;    /* [3][CPU_QUERIES]: greatest score so far, sum of weights, factor of the older sums */
} work;

static size_t attention_work(int64_t d)
{
    return (size_t)(CPU_KEYS + 2 * d + 3) * CPU_QUERIES;
}

static work work_of(const cpu_attention *a)
{
    work w = {.scores = a->work};
    w.q = w.scores + CPU_KEYS * CPU_QUERIES;
    w.out = w.q + a->d * CPU_QUERIES;
    w.row = w.out + a->d * CPU_QUERIES;
    memset(w.out, 0, (size_t)(a->d + 2) * CPU_QUERIES * sizeof *w.out);
    for (int j = 0; j < CPU_QUERIES; j++)
        w.row[j] = 2 * MASKED;
    return w;
}

/* q, transposed and scaled; zeros behind the last query */
static void load_queries(const cpu_attention *a, float *q)
{
    for (int64_t j = 0; j < CPU_QUERIES; j++) {
        if (j >= a->queries) {
            for (int64_t c = 0; c < a->d; c++)
                q[c * CPU_QUERIES + j] = 0;
            continue;
        }
        if (a->bf16) {
            const uint16_t *row = (const uint16_t *)a->q + j * a->q_stride;
            for (int64_t c = 0; c < a->d; c++) {
                uint32_t bits = (uint32_t)row[c] << 16;
                float x;
                memcpy(&x, &bits, sizeof x);
                q[c * CPU_QUERIES + j] = x * a->scale;
            }
        } else {
            const float *row = (const float *)a->q + j * a->q_stride;
            for (int64_t c = 0; c < a->d; c++)
                q[c * CPU_QUERIES + j] = row[c] * a->scale;
        }
    }
}

/* Scores of one panel of keys with a tile of queries. */
ALWAYS_INLINE void score_panel(int vectors, int64_t d, const float *k, const float *q, float *scores)
{
    vf s[CPU_KEY_PANEL][QUERY_VECTORS];
    for (int i = 0; i < CPU_KEY_PANEL; i++)
        for (int v = 0; v < vectors; v++)
            s[i][v] = v_set(0);
    for (int64_t c = 0; c < d; c++) {
        vf x[QUERY_VECTORS];
        for (int v = 0; v < vectors; v++)
            x[v] = v_load(q + c * CPU_QUERIES + v * VW);
#pragma GCC unroll 6
        for (int i = 0; i < CPU_KEY_PANEL; i++) {
            vf y = v_set(k[c * CPU_KEY_PANEL + i]);
            for (int v = 0; v < vectors; v++)
                s[i][v] = v_fma(y, x[v], s[i][v]);
        }
    }
    for (int i = 0; i < CPU_KEY_PANEL; i++)
        for (int v = 0; v < vectors; v++)
            v_store(scores + i * CPU_QUERIES + v * VW, s[i][v]);
}

/* The causal mask: query `from` + j sees keys up to its own index. `key` is the first of the n keys. */
static void mask_scores(int64_t from, int64_t queries, int64_t key, int64_t n, float *scores)
{
    for (int64_t j = 0; j < queries; j++) {
        int64_t visible = from + j - key + 1;
        for (int64_t i = visible > 0 ? visible : 0; i < n; i++)
            scores[i * CPU_QUERIES + j] = MASKED;
    }
}

/* Scores to weights relative to the greatest score so far; `factor` is what older sums must be multiplied by.
 * Sums, here and of values, run over one block of keys and are then added to the older ones: with thousands
 * of keys that is ten times as exact as one running sum. */
ALWAYS_INLINE void weigh(int vectors, int64_t n, float *scores, float *most, float *total, float *factor)
{
    vf m[QUERY_VECTORS], t[QUERY_VECTORS];
    for (int v = 0; v < vectors; v++)
        m[v] = v_load(most + v * VW);
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < vectors; v++)
            m[v] = v_max(m[v], v_load(scores + i * CPU_QUERIES + v * VW));
    for (int v = 0; v < vectors; v++) {
        vf f = v_exp2(v_sub(v_load(most + v * VW), m[v]));
        v_store(factor + v * VW, f);
        v_store(most + v * VW, m[v]);
        t[v] = v_set(0);
    }
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < vectors; v++) {
            vf p = v_exp2(v_sub(v_load(scores + i * CPU_QUERIES + v * VW), m[v]));
            v_store(scores + i * CPU_QUERIES + v * VW, p);
            t[v] = v_add(t[v], p);
        }
    for (int v = 0; v < vectors; v++)
        v_store(total + v * VW, v_fma(v_load(factor + v * VW), v_load(total + v * VW), t[v]));
}

/* out[0..rows) = factor·out + Σ over n keys of values·weights */
ALWAYS_INLINE void gather_rows(int rows, int vectors, int64_t n, int64_t d, const float *values,
                               const float *weights, const float *factor, float *out)
{
    vf o[6][QUERY_VECTORS];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            o[i][v] = v_set(0);
    for (int64_t k = 0; k < n; k++) {
        vf p[QUERY_VECTORS];
        for (int v = 0; v < vectors; v++)
            p[v] = v_load(weights + k * CPU_QUERIES + v * VW);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            vf y = v_set(values[k * d + i]);
            for (int v = 0; v < vectors; v++)
                o[i][v] = v_fma(y, p[v], o[i][v]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            v_store(out + i * CPU_QUERIES + v * VW,
                    v_fma(v_load(factor + v * VW), v_load(out + i * CPU_QUERIES + v * VW), o[i][v]));
}

ALWAYS_INLINE void gather(int vectors, int64_t n, int64_t d, const float *values, const float *weights,
                          const float *factor, float *out)
{
    int64_t c = 0, step = d % 5 == 0 ? 5 : 6;
    for (; step == 5 && c + 5 <= d; c += 5)
        gather_rows(5, vectors, n, d, values + c, weights, factor, out + c * CPU_QUERIES);
    for (; c + 6 <= d; c += 6)
        gather_rows(6, vectors, n, d, values + c, weights, factor, out + c * CPU_QUERIES);
    for (; c + 2 <= d; c += 2)
        gather_rows(2, vectors, n, d, values + c, weights, factor, out + c * CPU_QUERIES);
    if (c < d) gather_rows(1, vectors, n, d, values + c, weights, factor, out + c * CPU_QUERIES);
}

/* One block of keys for the tile of queries that begins at j. */
ALWAYS_INLINE void attend_tile(int vectors, const cpu_attention *a, int64_t key, int64_t n, int64_t j,
                               const work *w)
{
    float *scores = w->scores + j, *row = w->row + j;
    const float *k = (const float *)a->k + key * a->d;
    for (int64_t i = 0; i < n; i += CPU_KEY_PANEL)
        score_panel(vectors, a->d, k + i * a->d, w->q + j, scores + i * CPU_QUERIES);
    if (a->causal_from >= 0) mask_scores(a->causal_from + j, vectors * VW, key, n, scores);
    weigh(vectors, n, scores, row, row + CPU_QUERIES, row + 2 * CPU_QUERIES);
    gather(vectors, n, a->d, (const float *)a->v + key * a->d, scores, row + 2 * CPU_QUERIES, w->out + j);
}

static void store_output(const cpu_attention *a, const float *out, const float *total)
{
    for (int64_t j = 0; j < a->queries; j++) {
        float inverse = 1.0f / total[j];
        for (int64_t c = 0; c < a->d; c += VW) {
            int64_t n = a->d - c < VW ? a->d - c : VW;
            float part[VW] = {0};
            for (int64_t i = 0; i < n; i++)
                part[i] = out[(c + i) * CPU_QUERIES + j] * inverse;
            put_part(a->bf16, a->y, j * a->y_stride + c, n, v_load(part));
        }
    }
}

static void attention(const cpu_attention *a)
{
    work w = work_of(a);
    load_queries(a, w.q);
    int64_t keys = a->keys;
    if (a->causal_from >= 0 && a->causal_from + a->queries < keys) keys = a->causal_from + a->queries;
    for (int64_t key = 0; key < keys; key += CPU_KEYS) {
        int64_t n = keys - key < CPU_KEYS ? keys - key : CPU_KEYS, j = 0;
        for (; j + TILE - VW < a->queries; j += TILE)
            attend_tile(QUERY_VECTORS, a, key, n, j, &w);
        for (; j < a->queries; j += VW)
            attend_tile(1, a, key, n, j, &w);
    }
    store_output(a, w.out, w.row + CPU_QUERIES);
}
