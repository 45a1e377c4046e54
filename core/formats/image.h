/* Images: JPEG, PNG and WebP in, PNG out, and Pillow-exact geometry (specs/models-io.md 11). 8-bit RGB
 * throughout. Every file is hostile: sizes are checked against limits before memory is taken. */
#ifndef TT_FORMATS_IMAGE_H
#define TT_FORMATS_IMAGE_H

#include "base/hash.h"
#include "base/mem.h"
#include "telltale/plugin.h"

#define TT_IMAGE_MAX_SIDE   16384u
#define TT_IMAGE_MAX_PIXELS (100u << 20)

typedef struct tt_image_facts {
    uint32_t stored_width, stored_height;
    int exif_orientation; /* 1..8; 1 when absent */
    int channels;         /* as stored: 1, 2, 3, 4 */
    bool had_alpha, was_palette, was_cmyk, was_animated;
    const char *format; /* "jpeg", "png", "webp" */
} tt_image_facts;

typedef struct tt_image_options {
    bool apply_orientation; /* EXIF; default false, as plain Pillow scripts */
    uint32_t max_pixels;    /* 0: TT_IMAGE_MAX_PIXELS */
} tt_image_options;

/* pixels->rgb is freed with tt_free. facts and options may be NULL. Animated files give their first frame
 * (facts say so); 16-bit files are refused. */
TT_API tt_status tt_image_read(const char *path, const tt_image_options *options, tt_pixels *pixels,
                               tt_image_facts *facts, tt_error *err);
TT_API tt_status tt_image_decode(const char *name, const uint8_t *data, size_t size,
                                 const tt_image_options *options, tt_pixels *pixels, tt_image_facts *facts,
                                 tt_error *err);
TT_API tt_status tt_image_write_png(const char *path, const tt_pixels *pixels, tt_error *err); /* atomic */
/* Appends a PNG; straight alpha. */
TT_API tt_status tt_image_encode_png_rgba(const uint8_t *rgba, uint32_t width, uint32_t height, tt_buf *out,
                                          tt_error *err);
/* Appends a JPEG as libjpeg-turbo (and Pillow) writes it: the exact integer DCT, quality 1..100, colours at
 * half the resolution (4:2:0) or at the whole. */
TT_API tt_status tt_image_encode_jpeg(const tt_pixels *pixels, int quality, bool half_colours, tt_buf *out,
                                      tt_error *err);
/* RGBA, straight alpha; for marks. rgba is freed with tt_free. */
TT_API tt_status tt_image_read_rgba(const char *path, uint32_t *width, uint32_t *height, uint8_t **rgba,
                                    tt_error *err);

/* SHA-256 of width, height (u32 LE) and the RGB rows (grey-box spec 1.6). */
TT_API tt_digest tt_image_digest(const tt_pixels *pixels);

typedef enum tt_filter {
    TT_FILTER_NEAREST,
    TT_FILTER_BOX,
    TT_FILTER_BILINEAR,
    TT_FILTER_HAMMING,
    TT_FILTER_BICUBIC,
    TT_FILTER_LANCZOS
} tt_filter;

/* Pillow's Image.resize, bit for bit. out->rgb is freed with tt_free. channels: 1, 3 or 4 (4: premultiplied
 * as Pillow does). */
TT_API tt_status tt_image_resize(const uint8_t *in, uint32_t width, uint32_t height, uint32_t channels,
                                 uint32_t out_width, uint32_t out_height, tt_filter filter, uint8_t **out,
                                 tt_error *err);
TT_API tt_status tt_pixels_resize(const tt_pixels *in, uint32_t width, uint32_t height, tt_filter filter,
                                  tt_pixels *out, tt_error *err);
/* torchvision Resize(n) + CenterCrop(n): shorter side n (longer truncated), offsets half to even. */
TT_API tt_status tt_pixels_resize_crop(const tt_pixels *in, uint32_t side, tt_filter filter, tt_pixels *out,
                                       tt_error *err);
TT_API tt_status tt_pixels_center_crop(const tt_pixels *in, uint32_t width, uint32_t height, tt_pixels *out,
                                       tt_error *err);
/* v/255·2−1 in f32 steps ((v/255 − 0.5)/0.5), flat C,H,W; and back: clamp(x/2+1/2)·255, half to even. */
TT_API void tt_pixels_to_chw(const tt_pixels *in, float *chw);
TT_API void tt_pixels_from_chw(const float *chw, tt_pixels *out);

/* ---- what it looks like ---- */

/* For each of 16 rows and 16 columns of cells: is the next cell to the right brighter? Recompression,
 * resizing and brightness change few of these bits. */
typedef struct tt_image_look {
    uint64_t bits[4];
} tt_image_look;
TT_API tt_image_look tt_image_look_of(const tt_pixels *image);
/* 64 hexadecimal digits, and back; false: not these. */
TT_API void tt_image_look_hex(const tt_image_look *look, char hex[65]);
TT_API bool tt_image_look_from_hex(const char *hex, tt_image_look *look);
/* Bits that differ, 0 to 256. */
TT_API uint32_t tt_image_look_distance(const tt_image_look *a, const tt_image_look *b);

#endif
