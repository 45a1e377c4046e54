/* What is done with decoded pixels: digest, crops, grey, floats. */
#include "formats/image.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static void put_u32_le(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

tt_digest tt_image_digest(const tt_pixels *pixels)
{
    tt_digest none = {{0}};
    tt_sha256 *h = tt_sha256_create();
    if (!h) return none;
    uint8_t sides[8];
    put_u32_le(sides, pixels->width);
    put_u32_le(sides + 4, pixels->height);
    tt_sha256_update(h, sides, sizeof sides);
    tt_sha256_update(h, pixels->rgb, (size_t)pixels->width * pixels->height * 3);
    return tt_sha256_finish(h);
}

/* ---- geometry ---- */

static tt_status pixels_alloc(uint32_t width, uint32_t height, tt_pixels *out, tt_error *err)
{
    *out = (tt_pixels){0};
    if (width == 0 || height == 0 || width > TT_IMAGE_MAX_SIDE || height > TT_IMAGE_MAX_SIDE)
        return tt_fail(err, TT_ERR_INVALID, "an image of %ux%u: sides must be between 1 and %u", width,
                       height, TT_IMAGE_MAX_SIDE);
    out->rgb = tt_alloc_zero((size_t)width * height * 3); /* at most 3·2^28: no overflow */
    if (!out->rgb) return tt_fail(err, TT_ERR_MEMORY, "an image of %ux%u: out of memory", width, height);
    out->width = width;
    out->height = height;
    return TT_OK;
}

/* Where an axis of length `in` lies in a centre crop of length `crop`. Shorter axes are padded first, with
 * the odd pixel at the end; then round((length − crop)/2), half to even (torchvision's Python round). */
static void crop_axis(uint32_t in, uint32_t crop, uint32_t *from, uint32_t *to, uint32_t *n)
{
    if (crop >= in) {
        *from = 0;
        *to = (crop - in) / 2;
        *n = in;
        return;
    }
    uint32_t spare = in - crop, half = spare / 2;
    *from = half + (spare & half & 1u);
    *to = 0;
    *n = crop;
}

tt_status tt_pixels_center_crop(const tt_pixels *in, uint32_t width, uint32_t height, tt_pixels *out,
                                tt_error *err)
{
    tt_status s = pixels_alloc(width, height, out, err);
    if (s) return s;
    uint32_t from_x, to_x, n_x, from_y, to_y, n_y;
    crop_axis(in->width, width, &from_x, &to_x, &n_x);
    crop_axis(in->height, height, &from_y, &to_y, &n_y);
    for (uint32_t y = 0; y < n_y; y++)
        memcpy(out->rgb + ((size_t)(to_y + y) * width + to_x) * 3,
               in->rgb + ((size_t)(from_y + y) * in->width + from_x) * 3, (size_t)n_x * 3);
    return TT_OK;
}

tt_status tt_pixels_resize_crop(const tt_pixels *in, uint32_t side, tt_filter filter, tt_pixels *out,
                                tt_error *err)
{
    *out = (tt_pixels){0};
    if (in->width == 0 || in->height == 0 || side == 0)
        return tt_fail(err, TT_ERR_INVALID, "resize of %ux%u to side %u: sides must be at least 1", in->width,
                       in->height, side);
    bool wide = in->width > in->height;
    uint32_t shorter = wide ? in->height : in->width, longer = wide ? in->width : in->height;
    uint64_t scaled = (uint64_t)side * longer / shorter;
    if (scaled > TT_IMAGE_MAX_SIDE)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "resize of %ux%u to shorter side %u: the longer side would exceed %u", in->width,
                       in->height, side, TT_IMAGE_MAX_SIDE);
    tt_pixels resized;
    tt_status s = tt_pixels_resize(in, wide ? (uint32_t)scaled : side, wide ? side : (uint32_t)scaled, filter,
                                   &resized, err);
    if (s) return s;
    s = tt_pixels_center_crop(&resized, side, side, out, err);
    tt_free(resized.rgb);
    return s;
}

/* ---- values ---- */

void tt_pixels_to_grey(const tt_pixels *in, uint8_t *grey)
{
    size_t n = (size_t)in->width * in->height;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = in->rgb + 3 * i;
        grey[i] = (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 0x8000u) >> 16);
    }
}

void tt_pixels_to_chw(const tt_pixels *in, float *chw)
{
    float level[256];
    for (int v = 0; v < 256; v++)
        level[v] = ((float)v / 255.0f - 0.5f) / 0.5f;
    size_t n = (size_t)in->width * in->height;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++)
            chw[c * n + i] = level[in->rgb[3 * i + c]];
}

void tt_pixels_from_chw(const float *chw, tt_pixels *out)
{
    size_t n = (size_t)out->width * out->height;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++) {
            float v = chw[c * n + i] / 2.0f + 0.5f;
            v = v > 0.0f ? v : 0.0f; /* also NaN */
            v = v < 1.0f ? v : 1.0f;
            out->rgb[3 * i + c] = (uint8_t)rintf(v * 255.0f);
        }
}
