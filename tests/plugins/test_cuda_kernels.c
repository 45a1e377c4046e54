/* The cuda backend's kernels, run on the CPU by support/cuda, against plain loops in double: over the shapes
 * of tests/tensor/test_backend_ops.c and awkward ones, every type, aligned and not, and with the threads
 * between two barriers in three orders. Buffers have exactly the size that a kernel may touch. */
#include "kernels.h"

#include "support/cuda/emulation.h"
#include "support/subjects.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef TT_SANITIZE
enum { ORDERS = 1, SHIFTS = 2 }; /* twentyfold slower there */
#else
enum { ORDERS = 3, SHIFTS = 2 };
#endif
static const tt_type types[] = {TT_F32, TT_BF16, TT_F16};
enum { TYPES = 3 };

/* ---- buffers ---- */

typedef struct buffer {
    void *base, *data;
    tt_type type;
    int64_t n;
} buffer;

static size_t size_of(tt_type type)
{
    return type == TT_F32 ? 4 : 2;
}

static double get(const buffer *b, int64_t i)
{
    if (b->type == TT_F32) return (double)((const float *)b->data)[i];
    uint16_t bits = ((const uint16_t *)b->data)[i];
    return (double)(b->type == TT_BF16 ? tt_f32_from_bf16(bits) : tt_f32_from_f16(bits));
}

static void put(const buffer *b, int64_t i, float x)
{
    if (b->type == TT_F32)
        ((float *)b->data)[i] = x;
    else
        ((uint16_t *)b->data)[i] = b->type == TT_BF16 ? tt_bf16_from_f32(x) : tt_f16_from_f32(x);
}

/* n elements that begin `shift` elements after a multiple of 64 bytes, NaN where not filled; the heap block
 * ends where they end */
static buffer make(tt_type type, int64_t n, int shift)
{
    size_t bytes = (size_t)(n + shift) * size_of(type);
    buffer b = {NULL, NULL, type, n};
    ck_assert_int_eq(posix_memalign(&b.base, 64, bytes ? bytes : 1), 0);
    memset(b.base, 0xff, bytes);
    b.data = (char *)b.base + (size_t)shift * size_of(type);
    return b;
}

static buffer filled(tt_type type, int64_t n, int shift, uint64_t stream, float size, float offset)
{
    buffer b = make(type, n, shift);
    for (int64_t i = 0; i < n; i++)
        put(&b, i, offset + size * subject_noise(stream, (uint64_t)i));
    return b;
}

static double *wanted(int64_t n)
{
    double *want = malloc((size_t)(n > 0 ? n : 1) * sizeof *want);
    ck_assert_ptr_nonnull(want);
    return want;
}

/* Root mean square and worst error, beside the root mean square of the values: f32 sums err by some 1e-7,
 * bf16 rounds to 2^-9 and f16 to 2^-11. */
static void compare(const char *name, const buffer *got, double *want)
{
    double error = 0, square = 0, worst = 0;
    for (int64_t i = 0; i < got->n; i++) {
        double d = fabs(get(got, i) - want[i]);
        ck_assert_msg(isfinite(get(got, i)), "%s %s: element %lld is %g", name, tt_type_name(got->type),
                      (long long)i, get(got, i));
        error += d * d;
        square += want[i] * want[i];
        if (d > worst) worst = d;
    }
    double size = sqrt(square / (double)got->n) + 1e-30;
    double limit = got->type == TT_F32 ? 2.5e-6 : got->type == TT_BF16 ? 3e-3 : 5e-4;
    ck_assert_msg(sqrt(error / (double)got->n) / size <= limit && worst / size <= 30 * limit,
                  "%s %s order %d: rms error %.3g, worst %.3g of rms %.3g", name, tt_type_name(got->type),
                  (int)emulation_run_order, sqrt(error / (double)got->n) / size, worst / size, size);
    free(want);
}

static void drop(buffer *b)
{
    free(b->base);
}

/* every type, order and alignment: _i is order·SHIFTS + shift */
#define FOR_TYPES(type, shift)                                                                               \
    int shift = _i % SHIFTS;                                                                                 \
    emulation_run_order = (emulation_order)(_i / SHIFTS);                                                    \
    for (int t_ = 0; t_ < TYPES; t_++)                                                                       \
        for (tt_type type = types[t_], once_ = 1; once_; once_ = 0)

static double gelu(double x)
{
    return x / 2 * (1 + erf(x / sqrt(2)));
}

static double act(tt_activation a, double x)
{
    switch (a) {
    case TT_ACT_SILU:
        return x / (1 + exp(-x));
    case TT_ACT_GELU:
        return gelu(x);
    case TT_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    default:
        return x;
    }
}

/* ---- elements ---- */

START_TEST(casts_round_once)
{
    static const int64_t counts[] = {1, 7, 16, 1001, 4096};
    FOR_TYPES(from, shift)
    for (int to = 0; to < TYPES; to++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            int64_t n = counts[c];
            buffer x = filled(from, n, shift, 1, 3, 0), y = make(types[to], n, shift),
                   want = make(types[to], n, 0);
            ck_assert_int_eq(cuda_cast(NULL, from, x.data, types[to], y.data, n), 0);
            for (int64_t i = 0; i < n; i++)
                put(&want, i, (float)get(&x, i));
            ck_assert_mem_eq(y.data, want.data, (size_t)n * size_of(types[to]));
            drop(&x), drop(&y), drop(&want);
        }
}
END_TEST

START_TEST(activations_add_a_residual_also_in_place)
{
    static const int64_t counts[] = {1, 17, 1001, 3000};
    FOR_TYPES(type, shift)
    for (int a = TT_ACT_NONE; a <= TT_ACT_QUICK_GELU; a++)
        for (int mode = 0; mode < 3; mode++) /* no residual; residual; y is the residual */
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                int64_t n = counts[c];
                buffer x = filled(type, n, shift, 1, 3, 0), r = filled(type, n, shift, 2, 1, 0),
                       y = make(type, n, shift);
                double *want = wanted(n);
                for (int64_t i = 0; i < n; i++)
                    want[i] = act((tt_activation)a, get(&x, i)) + (mode ? get(&r, i) : 0);
                buffer *out = mode == 2 ? &r : &y;
                ck_assert_int_eq(
                    cuda_activate(NULL, type, (tt_activation)a, n, x.data, mode ? r.data : NULL, out->data),
                    0);
                compare("activate", out, want);
                drop(&x), drop(&r), drop(&y);
            }
}
END_TEST

START_TEST(activations_hold_at_the_ends_of_the_range)
{
    const float ends[] = {-INFINITY, -3e38f, -200, -0.0f, 0, 200, 3e38f, INFINITY};
    for (int a = TT_ACT_SILU; a <= TT_ACT_QUICK_GELU; a++)
        for (int i = 1; i < 7; i++) {
            float y = NAN;
            ck_assert_int_eq(cuda_activate(NULL, TT_F32, (tt_activation)a, 1, &ends[i], NULL, &y), 0);
            ck_assert_msg(fabs((double)y - act((tt_activation)a, (double)ends[i])) <=
                              1e-6 * fabs((double)ends[i]),
                          "activation %d of %g is %g", a, (double)ends[i], (double)y);
        }
}
END_TEST

START_TEST(scale_is_one_fused_step)
{
    FOR_TYPES(type, shift)
    {
        int64_t n = 999;
        buffer x = filled(type, n, shift, 1, 1, 0), y = make(type, n, shift);
        double *want = wanted(n);
        for (int64_t i = 0; i < n; i++)
            want[i] = 0.75 * get(&x, i) - 2;
        ck_assert_int_eq(cuda_scale(NULL, type, n, 0.75f, -2, x.data, y.data), 0);
        compare("scale", &y, want);
        drop(&x), drop(&y);
    }
}
END_TEST

START_TEST(channel_terms_are_an_items_own)
{
    static const int64_t shapes[][3] = {{2, 9, 32}, {3, 5, 7}, {1, 64, 320}, {4, 1, 8}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int mode = 0; mode < 8; mode++) {
            int64_t b = shapes[s][0], p = shapes[s][1], c = shapes[s][2], n = b * p * c;
            buffer x = filled(type, n, shift, 1, 1, 0), ch = filled(type, b * c, shift, 2, 1, 0),
                   r = filled(type, n, shift, 3, 1, 0), y = make(type, n, shift);
            double *want = wanted(n);
            for (int64_t i = 0; i < n; i++)
                want[i] = (mode & 4 ? 0 : get(&x, i)) + (mode & 1 ? get(&ch, i / (p * c) * c + i % c) : 0) +
                          (mode & 2 ? get(&r, i) : 0);
            ck_assert_int_eq(cuda_add_channels(NULL, type, b, p, c, mode & 4 ? NULL : x.data,
                                               mode & 1 ? ch.data : NULL, mode & 2 ? r.data : NULL, y.data),
                             0);
            compare("add channels", &y, want);
            drop(&x), drop(&ch), drop(&r), drop(&y);
        }
}
END_TEST

START_TEST(geglu_gates_by_the_second_half)
{
    static const int64_t shapes[][2] = {{60, 128}, {5, 13}, {3, 8}, {1, 1}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t rows = shapes[s][0], n = shapes[s][1];
        buffer x = filled(type, rows * 2 * n, shift, 1, 2, 0), y = make(type, rows * n, shift);
        double *want = wanted(rows * n);
        for (int64_t i = 0; i < rows * n; i++)
            want[i] = get(&x, i / n * 2 * n + i % n) * gelu(get(&x, i / n * 2 * n + n + i % n));
        ck_assert_int_eq(cuda_geglu(NULL, type, rows, n, x.data, y.data), 0);
        compare("geglu", &y, want);
        drop(&x), drop(&y);
    }
}
END_TEST

/* ---- moves ---- */

START_TEST(concat_puts_a_before_b)
{
    static const int64_t shapes[][3] = {{50, 24, 40}, {7, 3, 5}, {4, 8, 9}, {2, 640, 320}, {3, 16, 1}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t rows = shapes[s][0], wa = shapes[s][1], wb = shapes[s][2], w = wa + wb;
        buffer a = filled(type, rows * wa, shift, 1, 1, 0), b = filled(type, rows * wb, shift, 2, 1, 0),
               y = make(type, rows * w, shift);
        ck_assert_int_eq(cuda_concat(NULL, type, rows, wa, wb, a.data, b.data, y.data), 0);
        for (int64_t i = 0; i < rows * w; i++)
            ck_assert(get(&y, i) ==
                      (i % w < wa ? get(&a, i / w * wa + i % w) : get(&b, i / w * wb + i % w - wa)));
        drop(&a), drop(&b), drop(&y);
    }
}
END_TEST

START_TEST(upsampling_takes_the_nearest_above_left)
{
    static const int64_t shapes[][6] = {
        {2, 4, 5, 12, 8, 10}, {1, 4, 5, 3, 7, 11}, {2, 8, 8, 16, 16, 16}, {1, 5, 3, 8, 2, 2}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t *d = shapes[s];
        int64_t n = d[0] * d[4] * d[5] * d[3];
        buffer x = filled(type, d[0] * d[1] * d[2] * d[3], shift, 1, 1, 0), y = make(type, n, shift);
        ck_assert_int_eq(cuda_upsample(NULL, type, d[0], d[1], d[2], d[3], d[4], d[5], x.data, y.data), 0);
        for (int64_t i = 0; i < n; i++) {
            int64_t c = i % d[3], px = i / d[3] % d[5], py = i / d[3] / d[5] % d[4],
                    b = i / d[3] / d[5] / d[4];
            ck_assert(get(&y, i) ==
                      get(&x, ((b * d[1] + py * d[1] / d[4]) * d[2] + px * d[2] / d[5]) * d[3] + c));
        }
        drop(&x), drop(&y);
    }
}
END_TEST

START_TEST(patches_are_what_an_outputs_pixels_see)
{
    /* batch, height, width, channels, kernel height and width, stride, pads above and left, out height and
     * width, first pixel, pixels */
    static const int64_t shapes[][13] = {{2, 5, 6, 8, 3, 3, 1, 1, 1, 5, 6, 0, 60},
                                         {2, 5, 6, 8, 3, 3, 1, 1, 1, 5, 6, 16, 37},
                                         {1, 9, 7, 3, 3, 3, 2, 0, 0, 4, 3, 2, 10},
                                         {3, 4, 4, 5, 1, 2, 1, 0, 1, 4, 5, 7, 50},
                                         {1, 28, 28, 4, 14, 14, 14, 0, 0, 2, 2, 0, 4}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t *d = shapes[s];
        int64_t width = d[4] * d[5] * d[3], n = d[12] * width;
        buffer x = filled(type, d[0] * d[1] * d[2] * d[3], shift, 1, 1, 0), y = make(type, n, shift);
        const cuda_patches p = {type, d[1], d[2], d[3], d[9],  d[10], d[4],   d[5],
                                d[6], d[6], d[7], d[8], d[11], d[12], x.data, y.data};
        ck_assert_int_eq(cuda_gather_patches(NULL, &p), 0);
        for (int64_t i = 0; i < n; i++) {
            int64_t pixel = d[11] + i / width, c = i % d[3], k = i % width / d[3];
            int64_t row = pixel / d[10] % d[9] * d[6] + k / d[5] - d[7],
                    column = pixel % d[10] * d[6] + k % d[5] - d[8], b = pixel / d[10] / d[9];
            bool inside = row >= 0 && row < d[1] && column >= 0 && column < d[2];
            ck_assert(get(&y, i) == (inside ? get(&x, ((b * d[1] + row) * d[2] + column) * d[3] + c) : 0));
        }
        drop(&x), drop(&y);
    }
}
END_TEST

START_TEST(embeddings_of_unknown_ids_are_zero)
{
    static const int64_t widths[] = {24, 5, 768};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof widths / sizeof *widths; s++) {
        const int32_t ids[] = {3, 0, -1, 49, 50, 7, INT32_MAX, INT32_MIN};
        int64_t n = 8, w = widths[s];
        buffer table = filled(type, 50 * w, shift, 1, 1, 0), y = make(type, n * w, shift);
        ck_assert_int_eq(cuda_embedding(NULL, type, n, 50, w, ids, table.data, y.data), 0);
        for (int64_t i = 0; i < n * w; i++) {
            int32_t id = ids[i / w];
            ck_assert(get(&y, i) == (id >= 0 && id < 50 ? get(&table, id * w + i % w) : 0));
        }
        drop(&table), drop(&y);
    }
}
END_TEST

START_TEST(regions_are_copied_whole_and_alone)
{
    enum { N = 300 }; /* more than one launch */
    tt_copy_region regions[N];
    buffer from[N], to[N];
    emulation_run_order = (emulation_order)_i;
    for (int i = 0; i < N; i++) {
        int64_t n = i * 7 % 90;
        from[i] = filled(TT_F16, n, i % 3, (uint64_t)i, 1, 0);
        to[i] = make(TT_F16, n, i % 2);
        regions[i] = (tt_copy_region){to[i].data, from[i].data, (size_t)n * 2};
    }
    ck_assert_int_eq(cuda_copy_regions(NULL, N, regions), 0);
    ck_assert_int_eq(cuda_copy_regions(NULL, 0, NULL), 0);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(memcmp(from[i].data, to[i].data, regions[i].bytes), 0);
        drop(&from[i]), drop(&to[i]);
    }
}
END_TEST

/* ---- norms ---- */

static void group_norm(const buffer *x, const int64_t *d, bool silu, const buffer *gamma, const buffer *beta,
                       double *y)
{
    int64_t size = d[2] / d[3], n = d[1] * size;
    for (int64_t b = 0; b < d[0]; b++)
        for (int64_t g = 0; g < d[3]; g++) {
            double mean = 0, variance = 0;
            for (int64_t i = 0; i < n; i++)
                mean += get(x, (b * d[1] + i / size) * d[2] + g * size + i % size) / (double)n;
            for (int64_t i = 0; i < n; i++)
                variance +=
                    pow(get(x, (b * d[1] + i / size) * d[2] + g * size + i % size) - mean, 2) / (double)n;
            for (int64_t i = 0; i < n; i++) {
                int64_t c = g * size + i % size, at = (b * d[1] + i / size) * d[2] + c;
                double v = (get(x, at) - mean) / sqrt(variance + 1e-5) * get(gamma, c) + get(beta, c);
                y[at] = silu ? act(TT_ACT_SILU, v) : v;
            }
        }
}

START_TEST(group_norm_holds_beside_a_large_mean_and_for_tiny_values)
{
    static const int64_t shapes[][4] = {{2, 64, 64, 32}, {2, 64, 320, 32},  {1, 37, 96, 32},
                                        {2, 15, 12, 4},  {1, 1, 8, 2},      {1, 200, 640, 32},
                                        {3, 7, 5, 1},    {1, 70, 1280, 32}, {2, 6, 512, 256}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int mode = 0; mode < 3; mode++) { /* as is, tiny with SiLU, beside a large mean */
            const int64_t *d = shapes[s];
            int64_t n = d[0] * d[1] * d[2];
            if (mode == 2 && d[1] * d[2] / d[3] < 30) continue; /* too few values for any statistics in f32 */
            buffer x = filled(type, n, shift, 1, mode == 1 ? 1e-3f : 1, mode == 2 ? 8 : 0),
                   y = make(type, n, shift), gamma = filled(TT_F32, d[2], 0, 2, 1, 0),
                   beta = filled(TT_F32, d[2], 0, 3, 1, 0);
            void *work = malloc(cuda_group_norm_work(d[0], d[1], d[2], d[3]));
            double *want = wanted(n);
            group_norm(&x, d, mode == 1, &gamma, &beta, want);
            ck_assert_int_eq(cuda_group_norm(NULL, type, d[0], d[1], d[2], d[3], mode == 1, 1e-5f, x.data,
                                             gamma.data, beta.data, y.data, work),
                             0);
            compare("group norm", &y, want);
            free(work);
            drop(&x), drop(&y), drop(&gamma), drop(&beta);
        }
}
END_TEST

START_TEST(group_norm_of_an_item_is_its_own)
{
    enum { PIXELS = 60, CHANNELS = 320, GROUPS = 32, ITEM = PIXELS * CHANNELS };
    FOR_TYPES(type, shift)
    {
        buffer x = filled(type, 3 * ITEM, shift, 1, 1, 0), y = make(type, 3 * ITEM, shift),
               alone = make(type, ITEM, shift), gamma = filled(TT_F32, CHANNELS, 0, 2, 1, 0),
               beta = filled(TT_F32, CHANNELS, 0, 3, 1, 0);
        void *work = malloc(cuda_group_norm_work(3, PIXELS, CHANNELS, GROUPS));
        size_t bytes = (size_t)ITEM * size_of(type);
        ck_assert_int_eq(cuda_group_norm(NULL, type, 3, PIXELS, CHANNELS, GROUPS, true, 1e-5f, x.data,
                                         gamma.data, beta.data, y.data, work),
                         0);
        memcpy(x.data, (char *)x.data + 2 * bytes, bytes);
        ck_assert_int_eq(cuda_group_norm(NULL, type, 1, PIXELS, CHANNELS, GROUPS, true, 1e-5f, x.data,
                                         gamma.data, beta.data, alone.data, work),
                         0);
        ck_assert_int_eq(memcmp(alone.data, (char *)y.data + 2 * bytes, bytes), 0);
        free(work);
        drop(&x), drop(&y), drop(&alone), drop(&gamma), drop(&beta);
    }
}
END_TEST

START_TEST(group_norm_of_a_batch_that_fills_any_device_has_the_bits_of_its_items)
{
    enum { BATCH = 2100, PIXELS = 64, CHANNELS = 256, GROUPS = 32, ITEM = PIXELS * CHANNELS };
    buffer x = filled(TT_BF16, (int64_t)BATCH * ITEM, 0, 1, 1, 0),
           y = make(TT_BF16, (int64_t)BATCH * ITEM, 0), alone = make(TT_BF16, ITEM, 0),
           gamma = filled(TT_F32, CHANNELS, 0, 2, 1, 0), beta = filled(TT_F32, CHANNELS, 0, 3, 1, 0);
    void *work = malloc(cuda_group_norm_work(BATCH, PIXELS, CHANNELS, GROUPS));
    ck_assert_int_eq(cuda_group_norm(NULL, TT_BF16, BATCH, PIXELS, CHANNELS, GROUPS, true, 1e-5f, x.data,
                                     gamma.data, beta.data, y.data, work),
                     0);
    for (size_t item = 0; item < BATCH; item += BATCH - 1) {
        size_t bytes = ITEM * sizeof(uint16_t), at = item * bytes;
        ck_assert_int_eq(cuda_group_norm(NULL, TT_BF16, 1, PIXELS, CHANNELS, GROUPS, true, 1e-5f,
                                         (char *)x.data + at, gamma.data, beta.data, alone.data, work),
                         0);
        ck_assert_int_eq(memcmp(alone.data, (char *)y.data + at, bytes), 0);
    }
    free(work);
    drop(&x), drop(&y), drop(&alone), drop(&gamma), drop(&beta);
}
END_TEST

START_TEST(layer_norm_and_softmax_work_row_by_row)
{
    static const int64_t shapes[][2] = {{100, 320}, {7, 100},  {3, 5}, {9, 77},
                                        {2, 1280},  {3, 1000}, {4, 3}, {1, 1}};
    FOR_TYPES(type, shift)
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int tiny = 0; tiny < 2; tiny++) {
            int64_t rows = shapes[s][0], n = shapes[s][1];
            buffer x = filled(type, rows * n, shift, 1, tiny ? 1e-3f : 3, 0), y = make(type, rows * n, shift),
                   gamma = filled(TT_F32, n, 0, 2, 1, 0), beta = filled(TT_F32, n, 0, 3, 1, 0);
            double *norm = wanted(rows * n), *soft = wanted(rows * n);
            for (int64_t r = 0; r < rows; r++) {
                double mean = 0, variance = 0, sum = 0;
                for (int64_t i = 0; i < n; i++)
                    mean += get(&x, r * n + i) / (double)n;
                for (int64_t i = 0; i < n; i++) {
                    variance += pow(get(&x, r * n + i) - mean, 2) / (double)n;
                    sum += exp(get(&x, r * n + i));
                }
                for (int64_t i = 0; i < n; i++) {
                    norm[r * n + i] =
                        (get(&x, r * n + i) - mean) / sqrt(variance + 1e-5) * get(&gamma, i) + get(&beta, i);
                    soft[r * n + i] = exp(get(&x, r * n + i)) / sum;
                }
            }
            ck_assert_int_eq(
                cuda_layer_norm(NULL, type, rows, n, x.data, gamma.data, beta.data, 1e-5f, y.data), 0);
            compare("layer norm", &y, norm);
            ck_assert_int_eq(cuda_softmax(NULL, type, rows, n, x.data, x.data), 0);
            compare("softmax", &x, soft);
            drop(&x), drop(&y), drop(&gamma), drop(&beta);
        }
}
END_TEST

/* ---- attention ---- */

enum { CAUSAL = 1, STRIDED = 2, MAPS = 4, NEGATIVE = 8, ZERO = 16 };

typedef struct attention_case {
    int64_t batch, queries, keys, heads, d;
    int flags;
} attention_case;

static const attention_case attentions[] = {
    {2, 256, 256, 2, 40, 0},
    {1, 100, 77, 8, 40, 0},
    {2, 64, 300, 1, 160, STRIDED},
    {2, 77, 77, 2, 64, CAUSAL},
    {1, 150, 150, 1, 64, CAUSAL},
    {1, 70, 130, 1, 512, 0},
    {1, 33, 29, 3, 5, 0},
    {1, 5, 1, 2, 7, 0},
    {1, 20, 97, 1, 48, NEGATIVE},
    {2, 64, 77, 2, 40, MAPS},
    {1, 30, 30, 2, 20, MAPS | CAUSAL},
    {1, 30, 31, 2, 20, MAPS | STRIDED},
    {1, 130, 65, 2, 80, 0},
    {2, 129, 64, 1, 80, STRIDED | CAUSAL},
    {1, 65, 33, 1, 128, 0},
    {1, 40, 200, 1, 128, CAUSAL},
    {1, 17, 17, 1, 200, NEGATIVE},
    {1, 1, 128, 1, 16, 0},
    {1, 20, 40, 1, 8, ZERO | CAUSAL},
    {1, 9, 20, 1, 511, 0},
    {1, 40, 4096, 1, 40, 0},
    {1, 33, 1030, 1, 80, STRIDED},
    {1, 77, 77, 12, 64, CAUSAL},
};
#define N_ATTENTIONS (int)(sizeof attentions / sizeof *attentions)

/* a matrix of tokens; STRIDED: columns [8, 8 + width) of a wider one */
typedef struct rows {
    buffer all;
    void *data;
    int64_t stride, start;
} rows;

static rows make_rows(const attention_case *c, tt_type type, int64_t tokens, int shift, uint64_t stream,
                      float size)
{
    int64_t width = c->heads * c->d, start = c->flags & STRIDED ? 8 : 0;
    rows r = {filled(type, c->batch * tokens * (width + start), shift, stream, size, 0), NULL, width + start,
              start};
    r.data = (char *)r.all.data + (size_t)start * size_of(type);
    return r;
}

static double at(const rows *r, int64_t token, int64_t column)
{
    return get(&r->all, token * r->stride + r->start + column);
}

static void attend(const attention_case *c, const rows *q, const rows *k, const rows *v, double scale,
                   double *y, double *maps)
{
    double *p = wanted(c->keys);
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t h = 0; h < c->heads; h++)
            for (int64_t i = 0; i < c->queries; i++) {
                double most = -INFINITY, sum = 0;
                for (int64_t j = 0; j < c->keys; j++) {
                    p[j] = 0;
                    for (int64_t d = 0; d < c->d; d++)
                        p[j] +=
                            at(q, b * c->queries + i, h * c->d + d) * at(k, b * c->keys + j, h * c->d + d);
                    p[j] = c->flags & CAUSAL && j > i ? -INFINITY : p[j] * scale;
                    most = fmax(most, p[j]);
                }
                for (int64_t j = 0; j < c->keys; j++)
                    sum += p[j] = exp(p[j] - most);
                for (int64_t j = 0; j < c->keys; j++)
                    maps[((b * c->heads + h) * c->queries + i) * c->keys + j] = p[j] / sum;
                for (int64_t d = 0; d < c->d; d++) {
                    double out = 0;
                    for (int64_t j = 0; j < c->keys; j++)
                        out += p[j] / sum * at(v, b * c->keys + j, h * c->d + d);
                    y[(b * c->queries + i) * c->heads * c->d + h * c->d + d] = out;
                }
            }
    free(p);
}

static float scale_of(const attention_case *c)
{
    float scale = 1 / sqrtf((float)c->d);
    return c->flags & ZERO ? 0 : c->flags & NEGATIVE ? -scale : scale;
}

static cuda_attention call_of(const attention_case *c, tt_type type, const rows *q, const rows *k,
                              const rows *v, const buffer *y, const buffer *maps)
{
    return (cuda_attention){.type = type,
                            .batch = c->batch,
                            .heads = c->heads,
                            .head_size = c->d,
                            .queries = c->queries,
                            .keys = c->keys,
                            .q = q->data,
                            .k = k->data,
                            .v = v->data,
                            .q_stride = q->stride,
                            .k_stride = k->stride,
                            .v_stride = v->stride,
                            .y = y->data,
                            .scale = scale_of(c),
                            .causal = (c->flags & CAUSAL) != 0,
                            .maps = c->flags & MAPS ? maps->data : NULL};
}

static void check_attention(const attention_case *c, tt_type type, int shift)
{
    char name[96];
    snprintf(name, sizeof name, "attention %lldx%lldx%lld, %lld of %lld, flags %d, shift %d",
             (long long)c->batch, (long long)c->queries, (long long)c->keys, (long long)c->heads,
             (long long)c->d, c->flags, shift);
    int64_t n = c->batch * c->queries * c->heads * c->d, n_maps = c->batch * c->heads * c->queries * c->keys;
    rows q = make_rows(c, type, c->queries, shift, 1, 2), k = make_rows(c, type, c->keys, shift, 2, 2),
         v = make_rows(c, type, c->keys, shift, 3, 1);
    buffer y = make(type, n, shift), maps = make(TT_F32, n_maps, 0);
    double *want = wanted(n), *want_maps = wanted(n_maps);
    attend(c, &q, &k, &v, (double)scale_of(c), want, want_maps);
    cuda_attention a = call_of(c, type, &q, &k, &v, &y, &maps);
    ck_assert_int_eq(cuda_attend(NULL, &a), 0);
    compare(name, &y, want);
    if (c->flags & MAPS)
        compare(name, &maps, want_maps);
    else
        free(want_maps);
    drop(&q.all), drop(&k.all), drop(&v.all), drop(&y), drop(&maps);
}

START_TEST(attention_agrees_with_plain_sums)
{
    emulation_run_order = (emulation_order)(_i % ORDERS);
    for (int t = 0; t < TYPES; t++)
        check_attention(&attentions[_i], types[t], 0);
    check_attention(&attentions[_i], TT_BF16, 1);
}
END_TEST

START_TEST(attention_does_not_depend_on_the_order_of_threads)
{
    static const attention_case small[] = {
        {1, 20, 77, 1, 40, 0}, {1, 20, 40, 1, 80, CAUSAL}, {1, 9, 33, 1, 512, 0}, {1, 5, 40, 1, 20, MAPS}};
    emulation_run_order = (emulation_order)(_i % ORDERS);
    for (int t = 0; t < TYPES; t++)
        check_attention(&small[_i / ORDERS], types[t], 0);
}
END_TEST

START_TEST(attention_of_an_item_is_its_own)
{
    static const attention_case three = {3, 40, 77, 2, 40, 0}, one = {1, 40, 77, 2, 40, 0};
    for (int t = 0; t < TYPES; t++) {
        tt_type type = types[t];
        rows q = make_rows(&three, type, 40, 0, 1, 2), k = make_rows(&three, type, 77, 0, 2, 2),
             v = make_rows(&three, type, 77, 0, 3, 1);
        buffer y = make(type, 3 * 40 * 80, 0), alone = make(type, 40 * 80, 0);
        cuda_attention a = call_of(&three, type, &q, &k, &v, &y, NULL);
        ck_assert_int_eq(cuda_attend(NULL, &a), 0);
        cuda_attention b = call_of(&one, type, &q, &k, &v, &alone, NULL);
        size_t size = size_of(type);
        b.q = (char *)q.data + 2 * 40 * 80 * size;
        b.k = (char *)k.data + 2 * 77 * 80 * size;
        b.v = (char *)v.data + 2 * 77 * 80 * size;
        ck_assert_int_eq(cuda_attend(NULL, &b), 0);
        ck_assert_int_eq(memcmp(alone.data, (char *)y.data + 2 * 40 * 80 * size, 40 * 80 * size), 0);
        drop(&q.all), drop(&k.all), drop(&v.all), drop(&y), drop(&alone);
    }
}
END_TEST

START_TEST(heads_wider_than_512_are_refused)
{
    cuda_attention a = {.type = TT_BF16, .batch = 1, .heads = 1, .head_size = 513, .queries = 1, .keys = 1};
    ck_assert_int_eq(cuda_attend(NULL, &a), 1);
}
END_TEST

static int launches;
static int refuse(void *stream, void *kernel, void (*run)(void *launch), void (*drop_it)(void *launch),
                  void *launch)
{
    (void)stream, (void)kernel;
    launches++;
    if (launches < 2) run(launch);
    drop_it(launch);
    return launches < 2 ? 0 : 719;
}

START_TEST(a_failed_launch_is_the_calls_error)
{
    buffer x = filled(TT_F32, 640, 0, 1, 1, 0), gamma = filled(TT_F32, 64, 0, 2, 1, 0),
           y = make(TT_F32, 640, 0);
    void *work = malloc(cuda_group_norm_work(1, 10, 64, 32));
    emulation_on_launch = refuse;
    ck_assert_int_eq(cuda_group_norm(NULL, TT_F32, 1, 10, 64, 32, false, 1e-5f, x.data, gamma.data,
                                     gamma.data, y.data, work),
                     719);
    ck_assert_int_eq(launches, 2); /* nothing is launched after it */
    ck_assert_int_eq(cuda_scale(NULL, TT_I32, 1, 1, 0, x.data, y.data), 1);
    free(work);
    drop(&x), drop(&y), drop(&gamma);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("cuda_kernels");
    TCase *moves = tcase_create("elements and moves"), *norms = tcase_create("norms");
    tcase_set_timeout(moves, 120);
    tcase_set_timeout(norms, 120);
    tcase_add_loop_test(moves, casts_round_once, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, activations_add_a_residual_also_in_place, 0, ORDERS * SHIFTS);
    tcase_add_test(moves, activations_hold_at_the_ends_of_the_range);
    tcase_add_loop_test(moves, scale_is_one_fused_step, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, channel_terms_are_an_items_own, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, geglu_gates_by_the_second_half, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, concat_puts_a_before_b, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, upsampling_takes_the_nearest_above_left, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, patches_are_what_an_outputs_pixels_see, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, embeddings_of_unknown_ids_are_zero, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(moves, regions_are_copied_whole_and_alone, 0, ORDERS);
    tcase_add_loop_test(norms, group_norm_holds_beside_a_large_mean_and_for_tiny_values, 0, ORDERS * SHIFTS);
    tcase_add_loop_test(norms, group_norm_of_an_item_is_its_own, 0, ORDERS * SHIFTS);
    tcase_add_test(norms, group_norm_of_a_batch_that_fills_any_device_has_the_bits_of_its_items);
    tcase_add_loop_test(norms, layer_norm_and_softmax_work_row_by_row, 0, ORDERS * SHIFTS);
    tcase_add_test(norms, a_failed_launch_is_the_calls_error);
    TCase *attention = tcase_create("attention");
    tcase_set_timeout(attention, 120);
    tcase_add_loop_test(attention, attention_agrees_with_plain_sums, 0, N_ATTENTIONS);
    tcase_add_loop_test(attention, attention_does_not_depend_on_the_order_of_threads, 0, 4 * ORDERS);
    tcase_add_test(attention, attention_of_an_item_is_its_own);
    tcase_add_test(attention, heads_wider_than_512_are_refused);
    suite_add_tcase(suite, moves);
    suite_add_tcase(suite, attention);
    suite_add_tcase(suite, norms);
    return suite;
}
