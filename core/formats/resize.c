/* Pillow's Image.resize, bit for bit (specs/models-io.md 11.1): two separable passes of a weighted sum with
 * 22-bit integer weights, the picture between them rounded to 8 bits.
 *
 * Both passes are one kernel, dst[j] = Σ_t k[t]·src[t·stride + j], over lanes j that lie side by side. The
 * vertical pass has the samples of a row as lanes. The horizontal pass first turns a band of 16 rows on its
 * side, so that its lanes are the 16 rows' samples of one column. */
#include "formats/image.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define WEIGHT_BITS 22
#define BAND_ROWS   16u
#define LANES_MAX   512u

/* ---- filters ---- */

static double box_filter(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle_filter(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double hamming_filter(double x)
{
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= M_PI;
    return sin(x) / x * (0.54 + 0.46 * cos(x));
}

static double bicubic_filter(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double lanczos_filter(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static const struct {
    double (*weight)(double x);
    double support;
} filters[] = {
    [TT_FILTER_BOX] = {box_filter, 0.5},         [TT_FILTER_BILINEAR] = {triangle_filter, 1.0},
    [TT_FILTER_HAMMING] = {hamming_filter, 1.0}, [TT_FILTER_BICUBIC] = {bicubic_filter, 2.0},
    [TT_FILTER_LANCZOS] = {lanczos_filter, 3.0},
};

/* ---- weights of one axis ---- */

typedef struct taps {
    uint32_t *first, *count; /* [out] */
    int32_t *weights;        /* [out][stride] */
    size_t stride;
} taps;

static void taps_free(taps *t)
{
    tt_free(t->first);
    tt_free(t->count);
    tt_free(t->weights);
}

/* Weights in double, divided by their sum, then rounded away from zero to 22 bits. */
static bool taps_init(taps *t, uint32_t in, uint32_t out, tt_filter filter)
{
    double scale = (double)in / out;
    double stretch = scale > 1.0 ? scale : 1.0;
    double support = filters[filter].support * stretch;
    double shrink = 1.0 / stretch;
    *t = (taps){.stride = (size_t)ceil(support) * 2 + 1};
    size_t n;
    double *w = tt_alloc_array(t->stride, sizeof *w);
    t->first = tt_alloc_array(out, sizeof *t->first);
    t->count = tt_alloc_array(out, sizeof *t->count);
    t->weights = tt_size_mul(out, t->stride, &n) ? tt_alloc_array(n, sizeof *t->weights) : NULL;
    if (!w || !t->first || !t->count || !t->weights) {
        tt_free(w);
        taps_free(t);
        return false;
    }
    for (uint32_t x = 0; x < out; x++) {
        double centre = ((double)x + 0.5) * scale;
        double low = centre - support + 0.5, high = centre + support + 0.5;
        uint32_t begin = low > 0.0 ? (uint32_t)low : 0;
        uint32_t end = high < (double)in ? (uint32_t)high : in;
        double sum = 0.0;
        for (uint32_t i = begin; i < end; i++)
            sum += w[i - begin] = filters[filter].weight(((double)i - centre + 0.5) * shrink);
        int32_t *k = t->weights + x * t->stride;
        for (uint32_t i = 0; i < end - begin; i++) {
            double share = sum != 0.0 ? w[i] / sum : w[i];
            k[i] = (int32_t)(share * (double)(1 << WEIGHT_BITS) + (share < 0.0 ? -0.5 : 0.5));
        }
        t->first[x] = begin;
        t->count[x] = end - begin;
    }
    tt_free(w);
    return true;
}

/* ---- the kernel ---- */

/* dst[j] = clip8((2^21 + Σ_t k[t]·src[t·stride + j]) >> 22), j < n ≤ LANES_MAX. No sum leaves 32 bits: the
 * absolute weights of every filter here add up to less than 2·2^22. */
static inline __attribute__((always_inline)) void weigh_body(const int32_t *restrict k, uint32_t n_taps,
                                                             const uint8_t *restrict src, size_t stride,
                                                             uint8_t *restrict dst, uint32_t n)
{
    int32_t sum[LANES_MAX];
    for (uint32_t j = 0; j < n; j++)
        sum[j] = 1 << (WEIGHT_BITS - 1);
    for (uint32_t t = 0; t < n_taps; t++) {
        const uint8_t *restrict row = src + t * stride;
        int32_t weight = k[t];
        for (uint32_t j = 0; j < n; j++)
            sum[j] += weight * (int32_t)row[j];
    }
    for (uint32_t j = 0; j < n; j++) {
        int32_t v = sum[j] >> WEIGHT_BITS;
        v = v < 0 ? 0 : v;
        dst[j] = (uint8_t)(v > 255 ? 255 : v);
    }
}

typedef void weigh_function(const int32_t *k, uint32_t n_taps, const uint8_t *src, size_t stride,
                            uint8_t *dst, uint32_t n);

/* A known number of lanes lets the compiler keep the sums of an RGB band in registers. */
static inline __attribute__((always_inline)) void
weigh_split(const int32_t *k, uint32_t n_taps, const uint8_t *src, size_t stride, uint8_t *dst, uint32_t n)
{
    if (n == 3 * BAND_ROWS)
        weigh_body(k, n_taps, src, stride, dst, 3 * BAND_ROWS);
    else
        weigh_body(k, n_taps, src, stride, dst, n);
}

static void weigh_any(const int32_t *k, uint32_t n_taps, const uint8_t *src, size_t stride, uint8_t *dst,
                      uint32_t n)
{
    weigh_split(k, n_taps, src, stride, dst, n);
}

#if defined(__x86_64__)
/* The baseline instruction set has no 32-bit lane product. Integers: the same bits. */
__attribute__((target("avx2"))) static void weigh_avx2(const int32_t *k, uint32_t n_taps, const uint8_t *src,
                                                       size_t stride, uint8_t *dst, uint32_t n)
{
    weigh_split(k, n_taps, src, stride, dst, n);
}
#endif

static weigh_function *weigh_choose(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return weigh_avx2;
#endif
    return weigh_any;
}

/* ---- passes ---- */

typedef struct plane {
    uint32_t width, height, channels;
    const uint8_t *data;
} plane;

static void vertical_pass(const plane *in, const taps *t, uint32_t out_height, uint8_t *out)
{
    weigh_function *weigh = weigh_choose();
    size_t row = (size_t)in->width * in->channels;
    for (uint32_t y = 0; y < out_height; y++)
        for (size_t x = 0; x < row; x += LANES_MAX) {
            uint32_t n = row - x < LANES_MAX ? (uint32_t)(row - x) : LANES_MAX;
            weigh(t->weights + y * t->stride, t->count[y], in->data + t->first[y] * row + x, row,
                  out + y * row + x, n);
        }
}

/* band[x][c][r] = rows[r][x][c]; rows beyond the picture are left as they are and never read back. */
static void band_load(const plane *in, uint32_t y, uint32_t rows, uint8_t *restrict band)
{
    size_t row = (size_t)in->width * in->channels;
    for (uint32_t r = 0; r < rows; r++) {
        const uint8_t *restrict from = in->data + (y + r) * row;
        for (size_t i = 0; i < row; i++)
            band[i * BAND_ROWS + r] = from[i];
    }
}

static bool horizontal_pass(const plane *in, const taps *t, uint32_t out_width, uint8_t *out)
{
    weigh_function *weigh = weigh_choose();
    uint32_t lanes = in->channels * BAND_ROWS;
    size_t out_row = (size_t)out_width * in->channels;
    uint8_t *band = tt_alloc_array((size_t)in->width * in->channels, BAND_ROWS);
    if (!band) return false;
    for (uint32_t y = 0; y < in->height; y += BAND_ROWS) {
        uint32_t rows = in->height - y < BAND_ROWS ? in->height - y : BAND_ROWS;
        band_load(in, y, rows, band);
        for (uint32_t x = 0; x < out_width; x++) {
            uint8_t column[4 * BAND_ROWS];
            weigh(t->weights + x * t->stride, t->count[x], band + (size_t)t->first[x] * lanes, lanes, column,
                  lanes);
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t c = 0; c < in->channels; c++)
                    out[(y + r) * out_row + (size_t)x * in->channels + c] = column[c * BAND_ROWS + r];
        }
    }
    tt_free(band);
    return true;
}

static uint8_t *plane_alloc(uint32_t width, uint32_t height, uint32_t channels)
{
    size_t n;
    if (!tt_size_mul(width, height, &n) || !tt_size_mul(n, channels, &n)) return NULL;
    return tt_alloc(n);
}

/* One axis; *data is a new buffer, or NULL when out of memory. */
static uint8_t *resize_axis(const plane *in, bool vertical, uint32_t out_size, tt_filter filter)
{
    taps t;
    if (!taps_init(&t, vertical ? in->height : in->width, out_size, filter)) return NULL;
    uint8_t *out =
        plane_alloc(vertical ? in->width : out_size, vertical ? out_size : in->height, in->channels);
    if (out && vertical) {
        vertical_pass(in, &t, out_size, out);
    } else if (out && !horizontal_pass(in, &t, out_size, out)) {
        tt_free(out);
        out = NULL;
    }
    taps_free(&t);
    return out;
}

static uint8_t *copy_of(const plane *in)
{
    uint8_t *out = plane_alloc(in->width, in->height, in->channels);
    if (out) memcpy(out, in->data, (size_t)in->width * in->height * in->channels);
    return out;
}

/* Horizontal, then vertical; a pass is skipped when its axis keeps its size. Very tall pictures that shrink
 * go the other way round, as in Pillow (the rounding between the passes makes the order visible). */
static uint8_t *resize_filtered(const plane *in, uint32_t width, uint32_t height, tt_filter filter)
{
    bool wide = width != in->width, tall = height != in->height;
    if (!wide && !tall) return copy_of(in);
    if (!wide || !tall) return resize_axis(in, tall, tall ? height : width, filter);
    bool vertical_first =
        in->height / 100u >= in->width && in->height > 100u * in->width && height < in->height;
    uint8_t *half = resize_axis(in, vertical_first, vertical_first ? height : width, filter);
    if (!half) return NULL;
    plane between = {vertical_first ? in->width : width, vertical_first ? height : in->height, in->channels,
                     half};
    uint8_t *out = resize_axis(&between, !vertical_first, vertical_first ? width : height, filter);
    tt_free(half);
    return out;
}

/* The source coordinate is accumulated, not computed anew for each sample: the two differ at ties. */
static void nearest_table(uint32_t in, uint32_t out, uint32_t *table)
{
    double scale = (double)in / out, at = 0.5 * scale;
    for (uint32_t x = 0; x < out; x++, at += scale)
        table[x] = at < (double)in ? (uint32_t)at : in - 1;
}

static uint8_t *resize_nearest(const plane *in, uint32_t width, uint32_t height)
{
    uint32_t *xs = tt_alloc_array(width, sizeof *xs), *ys = tt_alloc_array(height, sizeof *ys);
    uint8_t *out = xs && ys ? plane_alloc(width, height, in->channels) : NULL;
    if (out) {
        nearest_table(in->width, width, xs);
        nearest_table(in->height, height, ys);
        uint32_t c = in->channels;
        for (uint32_t y = 0; y < height; y++) {
            const uint8_t *row = in->data + (size_t)ys[y] * in->width * c;
            uint8_t *to = out + (size_t)y * width * c;
            for (uint32_t x = 0; x < width; x++, to += c)
                memcpy(to, row + (size_t)xs[x] * c, c);
        }
    }
    tt_free(xs);
    tt_free(ys);
    return out;
}

/* ---- alpha ---- */

/* a·b/255, rounded, by Pillow's shifts */
static uint8_t times_255th(uint32_t a, uint32_t b)
{
    uint32_t v = a * b + 128;
    return (uint8_t)(((v >> 8) + v) >> 8);
}

static void premultiply(const uint8_t *in, size_t n_pixels, uint8_t *out)
{
    for (size_t i = 0; i < n_pixels; i++, in += 4, out += 4) {
        for (int c = 0; c < 3; c++)
            out[c] = times_255th(in[c], in[3]);
        out[3] = in[3];
    }
}

static void unpremultiply(uint8_t *p, size_t n_pixels)
{
    for (size_t i = 0; i < n_pixels; i++, p += 4) {
        uint32_t alpha = p[3];
        if (alpha == 0 || alpha == 255) continue;
        for (int c = 0; c < 3; c++) {
            uint32_t v = 255u * p[c] / alpha;
            p[c] = (uint8_t)(v > 255 ? 255 : v);
        }
    }
}

static uint8_t *resize_with_alpha(const plane *in, uint32_t width, uint32_t height, tt_filter filter)
{
    uint8_t *weighted = plane_alloc(in->width, in->height, 4);
    if (!weighted) return NULL;
    premultiply(in->data, (size_t)in->width * in->height, weighted);
    plane p = {in->width, in->height, 4, weighted};
    uint8_t *out = resize_filtered(&p, width, height, filter);
    tt_free(weighted);
    if (out) unpremultiply(out, (size_t)width * height);
    return out;
}

/* ---- public ---- */

tt_status tt_image_resize(const uint8_t *in, uint32_t width, uint32_t height, uint32_t channels,
                          uint32_t out_width, uint32_t out_height, tt_filter filter, uint8_t **out,
                          tt_error *err)
{
    *out = NULL;
    if (channels != 1 && channels != 3 && channels != 4)
        return tt_fail(err, TT_ERR_INVALID, "resize of %u channels: must be 1, 3 or 4", channels);
    if (width == 0 || height == 0 || out_width == 0 || out_height == 0)
        return tt_fail(err, TT_ERR_INVALID, "resize from %ux%u to %ux%u: sides must be at least 1", width,
                       height, out_width, out_height);
    if (width > TT_IMAGE_MAX_SIDE || height > TT_IMAGE_MAX_SIDE || out_width > TT_IMAGE_MAX_SIDE ||
        out_height > TT_IMAGE_MAX_SIDE)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "resize from %ux%u to %ux%u: sides must be at most %u", width,
                       height, out_width, out_height, TT_IMAGE_MAX_SIDE);
    if ((unsigned)filter > TT_FILTER_LANCZOS)
        return tt_fail(err, TT_ERR_INVALID, "resize: filter %d is unknown", (int)filter);
    plane p = {width, height, channels, in};
    if (width == out_width && height == out_height)
        *out = copy_of(&p); /* Pillow copies, without a round trip through premultiplied alpha */
    else if (filter == TT_FILTER_NEAREST)
        *out = resize_nearest(&p, out_width, out_height);
    else if (channels == 4)
        *out = resize_with_alpha(&p, out_width, out_height, filter);
    else
        *out = resize_filtered(&p, out_width, out_height, filter);
    return *out ? TT_OK
                : tt_fail(err, TT_ERR_MEMORY, "resize from %ux%u to %ux%u: out of memory", width, height,
                          out_width, out_height);
}

tt_status tt_pixels_resize(const tt_pixels *in, uint32_t width, uint32_t height, tt_filter filter,
                           tt_pixels *out, tt_error *err)
{
    *out = (tt_pixels){0};
    tt_status s = tt_image_resize(in->rgb, in->width, in->height, 3, width, height, filter, &out->rgb, err);
    if (s == TT_OK) {
        out->width = width;
        out->height = height;
    }
    return s;
}
