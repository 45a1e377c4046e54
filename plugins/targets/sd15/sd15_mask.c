/* In-painting masks at latent size (specs/models-sampling.md 7.14). */
#include "sd15.h"
#include "base/mem.h"
#include "formats/image.h"

/* Pillow's conversion of RGB to L */
static uint8_t grey(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* legacy: nearest to the latent size, the grey value is the weight. */
static tt_status legacy_mask(const tt_pixels *mask, uint32_t w, uint32_t h, float *weights, tt_error *err)
{
    tt_pixels small;
    tt_status s = tt_pixels_resize(mask, w, h, TT_FILTER_NEAREST, &small, err);
    if (s) return s;
    for (size_t i = 0; i < (size_t)w * h; i++)
        weights[i] = (float)grey(small.rgb + 3 * i) / 255.0f;
    tt_free(small.rgb);
    return TT_OK;
}

tt_status sd15_mask(const tt_pixels *mask, uint32_t width, uint32_t height, int factor, bool legacy,
                    float *weights, tt_error *err)
{
    uint32_t f = (uint32_t)factor, w = width / f, h = height / f;
    if (legacy) return legacy_mask(mask, w, h, weights, err);
    /* today's pipeline: Lanczos to the image's size, cut at a half there, then nearest */
    tt_pixels sized = *mask;
    bool resized = mask->width != width || mask->height != height;
    tt_status s = resized ? tt_pixels_resize(mask, width, height, TT_FILTER_LANCZOS, &sized, err) : TT_OK;
    if (s) return s;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            float v = (float)grey(sized.rgb + 3 * ((size_t)y * f * width + (size_t)x * f)) / 255.0f;
            weights[(size_t)y * w + x] = v < 0.5f ? 0.0f : 1.0f;
        }
    if (resized) tt_free(sized.rgb);
    return TT_OK;
}
