/* Attention: packs the keys and values of some images, then shares out blocks of queries. The maps, where
 * they are asked for, are written whole and applied by matrix products. */
#include "cpu.h"

#include <math.h>
#include <string.h>

#define LOG2E 1.4426950408889634

typedef struct image {
    const cpu_kernels *k;
    const tt_op *op;
    int64_t b, heads, d, queries, keys;
    bool bf16;
    cpu_packing packing;
    size_t key_bytes, value_bytes; /* of a head */
    char *packed_keys, *packed_values;
    float *work;
    size_t work_floats; /* of a thread */
} image;

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

/* Number `i` of row `row` of a head, as bits of a float. */
static const char *row_of(const tt_tensor *t, const image *m, int64_t head, int64_t row)
{
    size_t size = m->bf16 ? sizeof(uint16_t) : sizeof(float);
    int64_t rows = t->shape[1];
    return (const char *)t->data + (size_t)((m->b * rows + row) * t->row_stride + head * m->d) * size;
}

static void read_row(const image *m, const char *row, int64_t n, float *out)
{
    if (m->bf16)
        m->k->from_bf16(n, (const uint16_t *)(const void *)row, out);
    else
        memcpy(out, row, (size_t)n * sizeof *out);
}

/* [panel][d][CPU_KEY_PANEL] and [keys][d] in f32; `first` is a multiple of the panel */
static void pack_f32(const image *m, int64_t head, int64_t first, int64_t n)
{
    float *keys = (float *)(void *)(m->packed_keys + (size_t)head * m->key_bytes);
    float *values = (float *)(void *)(m->packed_values + (size_t)head * m->value_bytes);
    int64_t d = m->d;
    for (int64_t i = first; i < first + n; i++)
        read_row(m, row_of(m->op->in[2], m, head, i), d, values + i * d);
    for (int64_t i = first; i < round_up(first + n, CPU_KEY_PANEL); i++) {
        float *to = keys + i / CPU_KEY_PANEL * CPU_KEY_PANEL * d + i % CPU_KEY_PANEL;
        float row[1024];
        for (int64_t c = 0; c < d; c += 1024) {
            int64_t part = d - c < 1024 ? d - c : 1024;
            if (i < first + n)
                read_row(m, row_of(m->op->in[1], m, head, i) + (size_t)c * (m->bf16 ? 2 : 4), part, row);
            else
                memset(row, 0, (size_t)part * sizeof *row);
            for (int64_t j = 0; j < part; j++)
                to[(c + j) * CPU_KEY_PANEL] = row[j];
        }
    }
}

static uint32_t pair_of(uint16_t low, uint16_t high)
{
    return (uint32_t)low | (uint32_t)high << 16;
}

/* keys [panel][d/2][CPU_KEY_PANEL] and values [keys/2][d], each a pair of bf16 */
static void pack_pairs(const image *m, int64_t head, int64_t first, int64_t n)
{
    uint32_t *keys = (uint32_t *)(void *)(m->packed_keys + (size_t)head * m->key_bytes);
    uint32_t *values = (uint32_t *)(void *)(m->packed_values + (size_t)head * m->value_bytes);
    int64_t d = m->d, pairs = (d + 1) / 2;
    for (int64_t i = first; i < round_up(first + n, CPU_KEY_PANEL); i++) {
        uint32_t *to = keys + i / CPU_KEY_PANEL * CPU_KEY_PANEL * pairs + i % CPU_KEY_PANEL;
        const uint16_t *row = i < first + n ? (const void *)row_of(m->op->in[1], m, head, i) : NULL;
        for (int64_t c = 0; c < pairs; c++)
            to[c * CPU_KEY_PANEL] = row ? pair_of(row[2 * c], 2 * c + 1 < d ? row[2 * c + 1] : 0) : 0;
    }
    for (int64_t i = first; i < first + n; i += 2) {
        const uint16_t *even = (const void *)row_of(m->op->in[2], m, head, i);
        const uint16_t *odd = i + 1 < first + n ? (const void *)row_of(m->op->in[2], m, head, i + 1) : NULL;
        for (int64_t c = 0; c < d; c++)
            values[i / 2 * d + c] = pair_of(even[c], odd ? odd[c] : 0);
    }
}

/* keys [tile of 16][tile of 32 of d][16][32] and values, transposed, [tile of 32][tile of 16 of d][16][32],
 * zeros behind the last */
static void pack_tiles(const image *m, int64_t head, int64_t first, int64_t n)
{
    uint16_t *keys = (uint16_t *)(void *)(m->packed_keys + (size_t)head * m->key_bytes);
    uint32_t *values = (uint32_t *)(void *)(m->packed_values + (size_t)head * m->value_bytes);
    int64_t d = m->d, wide = round_up(d, 32), tall = round_up(d, 16), end = round_up(first + n, 32);
    for (int64_t i = first; i < end; i++) {
        const char *row = i < first + n ? row_of(m->op->in[1], m, head, i) : NULL;
        uint16_t *to = keys + i / 16 * 16 * wide + i % 16 * 32;
        for (int64_t c = 0; c < wide; c += 32, to += 16 * 32) {
            size_t part = !row ? 0 : (size_t)(d - c < 32 ? d - c : 32) * sizeof *to;
            if (part) memcpy(to, row + (size_t)c * sizeof *to, part);
            memset((char *)to + part, 0, 32 * sizeof *to - part);
        }
    }
    for (int64_t i = first; i < end; i += 2) {
        const uint16_t *even = i < first + n ? (const void *)row_of(m->op->in[2], m, head, i) : NULL;
        const uint16_t *odd = i + 1 < first + n ? (const void *)row_of(m->op->in[2], m, head, i + 1) : NULL;
        uint32_t *to = values + i / 32 * 16 * tall + i % 32 / 2;
        for (int64_t c = 0; c < tall; c++)
            to[c * 16] = even && c < d ? pair_of(even[c], odd ? odd[c] : 0) : 0;
    }
}

#define PACK_KEYS (4 * CPU_KEYS) /* keys that a thread packs at a time */
#define GROUP_BYTES                                                                                          \
    (32 * 1024 * 1024) /* of packed keys and values: fewer meetings of the threads with more */

/* Image i behind the first of a group. */
static image image_of(const image *group, int64_t i)
{
    image m = *group;
    m.b += i;
    m.packed_keys += (size_t)(i * m.heads) * m.key_bytes;
    m.packed_values += (size_t)(i * m.heads) * m.value_bytes;
    return m;
}

static void pack_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const image *group = argument;
    int64_t parts = (group->keys + PACK_KEYS - 1) / PACK_KEYS, head = item / parts % group->heads;
    int64_t first = item % parts * PACK_KEYS, n = group->keys - first;
    image m = image_of(group, item / parts / group->heads);
    if (n > PACK_KEYS) n = PACK_KEYS;
    if (m.packing == CPU_TILES)
        pack_tiles(&m, head, first, n);
    else if (m.packing == CPU_PAIRS)
        pack_pairs(&m, head, first, n);
    else
        pack_f32(&m, head, first, n);
}

static void attend_part(void *argument, int thread, int64_t item)
{
    const image *group = argument;
    int64_t blocks = (group->queries + CPU_QUERIES - 1) / CPU_QUERIES, head = item / blocks % group->heads;
    const image m = image_of(group, item / blocks / group->heads);
    const tt_tensor *q = m.op->in[0];
    tt_tensor *y = m.op->out[0];
    size_t size = m.bf16 ? sizeof(uint16_t) : sizeof(float);
    int64_t first = item % blocks * CPU_QUERIES;
    cpu_attention a = {.d = m.d, .keys = m.keys, .bf16 = m.bf16, .q_stride = q->row_stride};
    a.q = row_of(q, &m, head, first);
    a.queries = m.queries - first < CPU_QUERIES ? m.queries - first : CPU_QUERIES;
    a.k = m.packed_keys + (size_t)head * m.key_bytes;
    a.v = m.packed_values + (size_t)head * m.value_bytes;
    a.scale = (float)(m.op->attr.attention.scale * LOG2E);
    a.causal_from = m.op->attr.attention.causal ? first : -1;
    a.y_stride = m.heads * m.d;
    a.y = (char *)y->data + (size_t)((m.b * m.queries + first) * a.y_stride + head * m.d) * size;
    a.work = m.work + (size_t)thread * m.work_floats;
    m.k->attention(&a);
}

static size_t cache_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static tt_status attend_fused(cpu *c, image *m, tt_error *err)
{
    m->packing = m->bf16 ? c->k->packing : CPU_FLOATS;
    int64_t padded = round_up(m->keys, CPU_KEY_PANEL * 2);
    if (m->packing == CPU_TILES) {
        padded = round_up(m->keys, 32);
        m->key_bytes = (size_t)(padded * round_up(m->d, 32)) * sizeof(uint16_t);
        m->value_bytes = (size_t)(padded * round_up(m->d, 16)) * sizeof(uint16_t);
    } else if (m->packing == CPU_PAIRS) {
        m->key_bytes = cache_lines((size_t)(padded * ((m->d + 1) / 2)) * sizeof(uint32_t));
        m->value_bytes = cache_lines((size_t)(padded / 2 * m->d) * sizeof(uint32_t));
    } else {
        m->key_bytes = m->value_bytes = cache_lines((size_t)(padded * m->d) * sizeof(float));
    }
    m->work_floats = (c->k->attention_work(m->d) + 15) / 16 * 16;
    int64_t images = m->op->out[0]->shape[0], group = images;
    size_t one = (size_t)m->heads * (m->key_bytes + m->value_bytes), threads = (size_t)c->threads;
    if (one * (size_t)group > GROUP_BYTES) group = one < GROUP_BYTES ? (int64_t)(GROUP_BYTES / one) : 1;
    size_t heads = (size_t)(group * m->heads);
    m->packed_keys = cpu_scratch(c, (size_t)group * one + threads * m->work_floats * 4);
    if (!m->packed_keys) return cpu_no_memory(m->op, err);
    m->packed_values = m->packed_keys + heads * m->key_bytes;
    m->work = (float *)(void *)(m->packed_values + heads * m->value_bytes);
    int64_t packs = (m->keys + PACK_KEYS - 1) / PACK_KEYS;
    int64_t blocks = (m->queries + CPU_QUERIES - 1) / CPU_QUERIES;
    for (m->b = 0; m->b < images; m->b += group) {
        int64_t n = (images - m->b < group ? images - m->b : group) * m->heads;
        cpu_parallel(c->threads, n * packs, pack_part, m);
        cpu_parallel(c->threads, n * blocks, attend_part, m);
    }
    return TT_OK;
}

/* ---- with maps ---- */

typedef struct rows {
    const image *m;
    float *maps; /* of a head */
} rows;

static void softmax_part(void *argument, int thread, int64_t item)
{
    (void)thread;
    const rows *r = argument;
    int64_t n = r->m->op->attr.attention.causal ? item + 1 : r->m->keys;
    float *row = r->maps + item * r->m->keys;
    r->m->k->softmax(false, n, r->m->keys, row, 1.0f, row);
}

static tt_status sgemm(cpu *c, bool transposed_b, int64_t m, int64_t n, int64_t k, double scale,
                       const float *a, const float *b, float *out, tt_error *err)
{
    int64_t ldb = transposed_b ? k : n;
    if (!c->blas) return dnn_sgemm_f32(transposed_b, m, n, k, (float)scale, a, k, b, ldb, out, n, err);
    blas_sgemm(transposed_b, m, n, k, (float)scale, a, k, b, ldb, out, n);
    return TT_OK;
}

/* One head of one image: maps = softmax(scale·q·kᵀ), y = maps·v. q, k, v, y are dense f32 copies. */
static tt_status attend_head(cpu *c, image *m, int64_t head, float *q, float *k, float *v, float *y,
                             tt_error *err)
{
    const tt_op *op = m->op;
    rows r = {m, (float *)op->out[1]->data + (m->b * m->heads + head) * m->queries * m->keys};
    for (int64_t i = 0; i < m->queries; i++)
        read_row(m, row_of(op->in[0], m, head, i), m->d, q + i * m->d);
    for (int64_t i = 0; i < m->keys; i++) {
        read_row(m, row_of(op->in[1], m, head, i), m->d, k + i * m->d);
        read_row(m, row_of(op->in[2], m, head, i), m->d, v + i * m->d);
    }
    tt_status status = sgemm(c, true, m->queries, m->keys, m->d, op->attr.attention.scale, q, k, r.maps, err);
    if (status) return status;
    cpu_parallel(c->threads, m->queries, softmax_part, &r);
    status = sgemm(c, false, m->queries, m->d, m->keys, 1.0, r.maps, v, y, err);
    for (int64_t i = 0; i < m->queries && !status; i++) {
        int64_t at = (m->b * m->queries + i) * m->heads * m->d + head * m->d;
        if (m->bf16)
            m->k->to_bf16(m->d, y + i * m->d, (uint16_t *)op->out[0]->data + at);
        else
            memcpy((float *)op->out[0]->data + at, y + i * m->d, (size_t)m->d * sizeof *y);
    }
    return status;
}

static tt_status attend_with_maps(cpu *c, image *m, tt_error *err)
{
    int64_t n_q = round_up(m->queries * m->d, 16), n_k = round_up(m->keys * m->d, 16);
    float *q = cpu_scratch(c, (size_t)(2 * n_q + 2 * n_k) * sizeof *q);
    if (!q) return cpu_no_memory(m->op, err);
    tt_status status = TT_OK;
    for (m->b = 0; m->b < m->op->out[0]->shape[0]; m->b++)
        for (int64_t head = 0; head < m->heads && !status; head++)
            status = attend_head(c, m, head, q, q + 2 * n_q, q + 2 * n_q + n_k, q + n_q, err);
    return status;
}

tt_status cpu_attend(cpu *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *q = op->in[0], *k = op->in[1];
    image m = {.k = c->k, .op = op, .heads = op->attr.attention.heads};
    m.d = q->shape[2] / m.heads;
    m.queries = q->shape[1];
    m.keys = k->shape[1];
    m.bf16 = q->type == TT_BF16;
    return op->out[1] ? attend_with_maps(c, &m, err) : attend_fused(c, &m, err);
}
