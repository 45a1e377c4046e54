/* Convolutions of 3×3 with stride 1 by Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray 2016), for
 * the vectors of the vec_*.h included before; see kernels.h.
 *
 * A tile of 4×4 outputs Y from 6×6 inputs d and weights g is Y = Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A: 36 products where
 * the sums have 144. Interpolation at 0, ±5/8, ±3/2 and ∞ instead of the usual 0, ±1, ±2, ∞ halves the
 * rounding error, and every constant of A and B is exact in f32. */

#define NODE_A 0.625f
#define NODE_B 1.5f
#define A2     (NODE_A * NODE_A)
#define B2     (NODE_B * NODE_B)

#define PANEL (2 * VW) /* output channels of a panel of weights */
/* rows of a register tile: its sums, two vectors of weights and one number of x fill the registers */
#if VW == 16
#define PANEL_ROWS 14
#else
#define PANEL_ROWS 6
#endif

/* Bᵀd of six vectors, `step` apart */
ALWAYS_INLINE void transform_input(const vf *d, int step, vf *v)
{
    const vf *d1 = d + step, *d2 = d1 + step, *d3 = d2 + step, *d4 = d3 + step, *d5 = d4 + step;
    vf a = v_set(NODE_A), b = v_set(NODE_B), a2 = v_set(A2), b2 = v_set(B2), product = v_set(A2 * B2),
       sum = v_set(A2 + B2);
    vf even = v_fnma(b2, *d2, *d4), odd = v_fnma(b2, *d1, *d3);
    vf even_b = v_fnma(a2, *d2, *d4), odd_b = v_fnma(a2, *d1, *d3);
    vf first = v_fma(product, *d, v_fnma(sum, *d2, *d4));
    vf last = v_fma(product, *d1, v_fnma(sum, *d3, *d5));
    v[0] = first;
    v[step] = v_fma(a, odd, even);
    v[2 * step] = v_fnma(a, odd, even);
    v[3 * step] = v_fma(b, odd_b, even_b);
    v[4 * step] = v_fnma(b, odd_b, even_b);
    v[5 * step] = last;
}

ALWAYS_INLINE void winograd_input_of(bool bf16, const cpu_winograd_tile *t, int64_t n, const void *x,
                                     float *out, int64_t step)
{
    for (int64_t c = 0; c < n; c += VW) {
        vf d[6 * 6];
        for (int i = 0; i < 6; i++)
            for (int j = 0; j < 6; j++) {
                int64_t row = t->top + i, column = t->left + j;
                bool inside = row >= 0 && row < t->height && column >= 0 && column < t->width;
                d[6 * i + j] = inside ? get(bf16, x, (row * t->width + column) * t->channels + c) : v_set(0);
            }
        for (int j = 0; j < 6; j++)
            transform_input(d + j, 6, d + j);
        for (int i = 0; i < 6; i++) {
            transform_input(d + 6 * i, 1, d + 6 * i);
            for (int j = 0; j < 6; j++)
                v_store(out + (6 * i + j) * step + c, d[6 * i + j]);
        }
    }
}

static void winograd_input(bool bf16, const cpu_winograd_tile *t, int64_t n, const void *x, float *out,
                           int64_t step)
{
    BY_TYPE(bf16, winograd_input_of(type, t, n, x, out, step));
}

/* Gg of three vectors, to six, `step` apart */
ALWAYS_INLINE void transform_weights(vf g0, vf g1, vf g2, vf *u, int step)
{
    /* 1 / Π(node − other nodes) */
    const float zero = 1 / (A2 * B2), at_a = 1 / (2 * A2 * (A2 - B2)), at_b = 1 / (2 * B2 * (B2 - A2));
    vf even = v_fma(v_set(at_a * A2), g2, v_mul(v_set(at_a), g0));
    vf even_b = v_fma(v_set(at_b * B2), g2, v_mul(v_set(at_b), g0));
    vf a = v_set(at_a * NODE_A), b = v_set(at_b * NODE_B);
    u[0] = v_mul(v_set(zero), g0);
    u[step] = v_fma(a, g1, even);
    u[2 * step] = v_fnma(a, g1, even);
    u[3 * step] = v_fma(b, g1, even_b);
    u[4 * step] = v_fnma(b, g1, even_b);
    u[5 * step] = g2;
}

ALWAYS_INLINE vf weights_at(bool bf16, bool pairs, const void *data, int64_t at, bool odd)
{
    if (!bf16) return v_load((const float *)data + at);
    const uint16_t *p = (const uint16_t *)data + at;
    return pairs ? v_load_bf16_of_pairs(p, odd) : v_load_bf16(p);
}

ALWAYS_INLINE void winograd_weights_of(bool bf16, bool pairs, const dnn_view *w, int64_t out, int64_t in,
                                       int64_t n, float *u, int64_t step)
{
    for (int64_t k = 0; k < n; k++)
        for (int64_t o = 0; o < PANEL; o += VW) {
            int64_t at = dnn_view_at(w, out + o, in + k);
            bool odd = (in + k) % 2;
            vf half[6 * 3], all[6];
            for (int j = 0; j < 3; j++, at += w->column)
                transform_weights(weights_at(bf16, pairs, w->data, at, odd),
                                  weights_at(bf16, pairs, w->data, at + w->row, odd),
                                  weights_at(bf16, pairs, w->data, at + 2 * w->row, odd), half + j, 3);
            for (int i = 0; i < 6; i++) {
                transform_weights(half[3 * i], half[3 * i + 1], half[3 * i + 2], all, 1);
                for (int j = 0; j < 6; j++)
                    v_store(u + (6 * i + j) * step + k * PANEL + o, all[j]);
            }
        }
}

static void winograd_weights(const dnn_view *w, int64_t out, int64_t in, int64_t n, float *u, int64_t step)
{
    if (!w->bf16)
        winograd_weights_of(false, false, w, out, in, n, u, step);
    else if (w->pair == 1)
        winograd_weights_of(true, false, w, out, in, n, u, step);
    else
        winograd_weights_of(true, true, w, out, in, n, u, step);
}

/* m[rows][PANEL] = v·u, or += */
ALWAYS_INLINE void multiply_rows(int rows, int64_t n, const float *v, const float *u, float *m, bool add)
{
    vf sum[PANEL_ROWS][2];
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = v_set(0);
    for (int64_t k = 0; k < n; k++) {
        vf left = v_load(u + k * PANEL), right = v_load(u + k * PANEL + VW);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            vf x = v_set(v[i * CPU_WINOGRAD_DEPTH + k]);
            sum[i][0] = v_fma(x, left, sum[i][0]);
            sum[i][1] = v_fma(x, right, sum[i][1]);
        }
    }
    for (int i = 0; i < rows; i++, m += PANEL) {
        v_store(m, add ? v_add(v_load(m), sum[i][0]) : sum[i][0]);
        v_store(m + VW, add ? v_add(v_load(m + VW), sum[i][1]) : sum[i][1]);
    }
}

static void winograd_multiply(int64_t rows, int64_t n, const float *v, const float *u, float *m, bool add)
{
    int64_t blocks = (rows + PANEL_ROWS - 1) / PANEL_ROWS;
    for (int64_t b = 0; b < blocks; b++) { /* even blocks: none of one or two rows alone */
        int64_t first = rows * b / blocks, count = rows * (b + 1) / blocks - first;
        const float *from = v + first * CPU_WINOGRAD_DEPTH;
        float *to = m + first * PANEL;
#define ROWS(r)                                                                                              \
    case r:                                                                                                  \
        multiply_rows(r, n, from, u, to, add);                                                               \
        break
        switch (count) {
            ROWS(1);
            ROWS(2);
            ROWS(3);
            ROWS(4);
            ROWS(5);
            ROWS(6);
#if PANEL_ROWS == 14
            ROWS(7);
            ROWS(8);
            ROWS(9);
            ROWS(10);
            ROWS(11);
            ROWS(12);
            ROWS(13);
            ROWS(14);
#endif
        }
#undef ROWS
    }
}

/* Aᵀm of six vectors, `step` apart, to four */
ALWAYS_INLINE void transform_output(const vf *m, int step, vf *y)
{
    const vf *m1 = m + step, *m2 = m1 + step, *m3 = m2 + step, *m4 = m3 + step, *m5 = m4 + step;
    vf sum_a = v_add(*m1, *m2), difference_a = v_sub(*m1, *m2);
    vf sum_b = v_add(*m3, *m4), difference_b = v_sub(*m3, *m4);
    vf y0 = v_add(*m, v_add(sum_a, sum_b));
    vf y3 = v_fma(v_set(NODE_A * A2), difference_a, v_fma(v_set(NODE_B * B2), difference_b, *m5));
    y[step] = v_fma(v_set(NODE_A), difference_a, v_mul(v_set(NODE_B), difference_b));
    y[2 * step] = v_fma(v_set(A2), sum_a, v_mul(v_set(B2), sum_b));
    y[0] = y0;
    y[3 * step] = y3;
}

ALWAYS_INLINE void winograd_output_of(bool bf16, const cpu_winograd_tile *t, const float *in, int64_t step,
                                      const float *bias, const void *residual, void *out)
{
    int64_t rows = t->height - t->top < 4 ? t->height - t->top : 4;
    int64_t columns = t->width - t->left < 4 ? t->width - t->left : 4;
    for (int64_t c = 0; c < PANEL; c += VW) {
        vf m[6 * 6], add = v_load(bias + c);
        for (int j = 0; j < 6; j++) {
            for (int i = 0; i < 6; i++)
                m[6 * i + j] = v_load(in + (6 * i + j) * step + c);
            transform_output(m + j, 6, m + j);
        }
        for (int i = 0; i < rows; i++) {
            vf y[4];
            transform_output(m + 6 * i, 1, y);
            for (int j = 0; j < columns; j++) {
                int64_t at = ((t->top + i) * t->width + t->left + j) * t->channels + c;
                vf sum = v_add(y[j], add);
                put(bf16, out, at, residual ? v_add(sum, get(bf16, residual, at)) : sum);
            }
        }
    }
}

static void winograd_output(bool bf16, const cpu_winograd_tile *t, const float *in, int64_t step,
                            const float *bias, const void *residual, void *out)
{
    BY_TYPE(bf16, winograd_output_of(type, t, in, step, bias, residual, out));
}
