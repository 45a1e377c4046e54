/* Cross-attention maps by the unfused path: the probabilities themselves, which the fused operation never
 * writes down. The layer's output still comes from the fused operation, so that a prediction has the same
 * bits with and without maps. */
#include "base/mem.h"
#include "models/unet_internal.h"

#include <math.h>
#include <string.h>

/* ---- bicubic, as torch.nn.functional.interpolate(mode="bicubic", align_corners=False) ---- */

typedef struct tap {
    int at[4];
    float weight[4];
} tap;

/* Cubic convolution with a = −0.75: the weights of the four neighbours of a point t right of the second. */
static void cubic_weights(double t, float w[4])
{
    const double a = -0.75;
    double far[2] = {t + 1, 2 - t}, near[2] = {t, 1 - t};
    for (int i = 0; i < 2; i++) {
        double x = far[i], y = near[i];
        w[i ? 3 : 0] = (float)(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
        w[i ? 2 : 1] = (float)(((a + 2) * y - (a + 3)) * y * y + 1);
    }
}

static void make_taps(int from, int to, tap *taps)
{
    double scale = (double)from / to;
    for (int i = 0; i < to; i++) {
        double x = (i + 0.5) * scale - 0.5, base = floor(x);
        cubic_weights(x - base, taps[i].weight);
        for (int k = 0; k < 4; k++) {
            int at = (int)base - 1 + k;
            taps[i].at[k] = at < 0 ? 0 : at >= from ? from - 1 : at;
        }
    }
}

typedef struct resizer {
    int height, width; /* of the maps that come */
    tap *rows, *columns;
    float *between; /* [height][m->width] */
} resizer;

static tt_status resizer_open(resizer *z, const tt_unet_maps *m, int height, int width, tt_error *err)
{
    *z = (resizer){.height = height, .width = width};
    z->rows = tt_alloc_array((size_t)m->height, sizeof *z->rows);
    z->columns = tt_alloc_array((size_t)m->width, sizeof *z->columns);
    z->between = tt_alloc_array((size_t)height * (size_t)m->width, sizeof *z->between);
    if (!z->rows || !z->columns || !z->between)
        return tt_fail(err, TT_ERR_MEMORY, "attention maps: out of memory");
    make_taps(height, m->height, z->rows);
    make_taps(width, m->width, z->columns);
    return TT_OK;
}

static void resizer_close(resizer *z)
{
    tt_free(z->rows);
    tt_free(z->columns);
    tt_free(z->between);
}

static void add_map(resizer *z, const tt_unet_maps *m, const float *map, float *sum)
{
    for (int y = 0; y < z->height; y++)
        for (int x = 0; x < m->width; x++) {
            const tap *c = &z->columns[x];
            const float *row = map + y * z->width;
            z->between[y * m->width + x] = c->weight[0] * row[c->at[0]] + c->weight[1] * row[c->at[1]] +
                                           c->weight[2] * row[c->at[2]] + c->weight[3] * row[c->at[3]];
        }
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++) {
            const tap *r = &z->rows[y];
            const float *column = z->between + x;
            sum[y * m->width + x] +=
                r->weight[0] * column[r->at[0] * m->width] + r->weight[1] * column[r->at[1] * m->width] +
                r->weight[2] * column[r->at[2] * m->width] + r->weight[3] * column[r->at[3] * m->width];
        }
}

/* ---- probabilities ---- */

/* softmax(s) added to one position of all tokens' maps: sum[token·stride] */
static void add_softmax(float *s, int tokens, float *sum, size_t stride)
{
    float most = s[0];
    double total = 0;
    for (int k = 1; k < tokens; k++)
        if (s[k] > most) most = s[k];
    for (int k = 0; k < tokens; k++) {
        s[k] = expf(s[k] - most);
        total += (double)s[k];
    }
    for (int k = 0; k < tokens; k++)
        sum[(size_t)k * stride] += (float)((double)s[k] / total);
}

/* Of one sample: q [length][c], k [tokens][c] → sum over heads of the probabilities, [tokens][length].
 * transposed: room for [c][tokens], so that the inner loop runs over tokens. */
static void sum_heads(const float *q, const float *k, int length, int tokens, int c, int heads,
                      float *transposed, float *scores, float *sum)
{
    int width = c / heads;
    float scale = (float)(1 / sqrt((double)width));
    for (int t = 0; t < tokens; t++)
        for (int i = 0; i < c; i++)
            transposed[(size_t)i * (size_t)tokens + (size_t)t] = k[(size_t)t * (size_t)c + (size_t)i] * scale;
    memset(sum, 0, (size_t)tokens * (size_t)length * sizeof *sum);
    for (int at = 0; at < length; at++)
        for (int h = 0; h < heads; h++) {
            memset(scores, 0, (size_t)tokens * sizeof *scores);
            for (int i = h * width; i < (h + 1) * width; i++) {
                float x = q[(size_t)at * (size_t)c + (size_t)i];
                const float *row = transposed + (size_t)i * (size_t)tokens;
                for (int t = 0; t < tokens; t++)
                    scores[t] += x * row[t];
            }
            add_softmax(scores, tokens, sum + at, (size_t)length);
        }
}

tt_status tt_unet_maps_add(tt_device *device, const tt_unet_maps *m, const tt_tensor *q,
                           const tt_tensor *const *k, int heads, int height, int width, tt_error *err)
{
    size_t batch = (size_t)q->shape[0], length = (size_t)q->shape[1], c = (size_t)q->shape[2];
    size_t tokens = (size_t)m->tokens, map = (size_t)m->height * (size_t)m->width;
    resizer z = {0};
    float *queries = tt_alloc_array(batch * length * c, sizeof *queries);
    float *keys = tt_alloc_array(2 * tokens * c, sizeof *keys);
    float *sum = tt_alloc_array(tokens * length, sizeof *sum);
    float *scores = tt_alloc_array(tokens, sizeof *scores);
    tt_status s = queries && keys && sum && scores
                      ? tt_tensor_download_f32(device, q, queries, err)
                      : tt_fail(err, TT_ERR_MEMORY, "attention maps: out of memory");
    if (!s) s = resizer_open(&z, m, height, width, err);
    for (size_t i = 0; i < batch && !s; i++) {
        if (k[i]->shape[1] != m->tokens)
            s = tt_fail(err, TT_ERR_INVALID, "attention maps of %d tokens: a condition has %d", m->tokens,
                        (int)k[i]->shape[1]);
        if (!s) s = tt_tensor_download_f32(device, k[i], keys, err);
        if (s) break;
        sum_heads(queries + i * length * c, keys, (int)length, m->tokens, (int)c, heads, keys + tokens * c,
                  scores, sum);
        for (size_t t = 0; t < tokens; t++)
            add_map(&z, m, sum + t * length, m->sum + (i * tokens + t) * map);
    }
    resizer_close(&z);
    tt_free(queries);
    tt_free(keys);
    tt_free(sum);
    tt_free(scores);
    return s;
}
