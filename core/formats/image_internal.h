/* Shared by the image decoders; not for other rooms. */
#ifndef TT_FORMATS_IMAGE_INTERNAL_H
#define TT_FORMATS_IMAGE_INTERNAL_H

#include "formats/image.h"

/* An encoded image in memory. `name` is for messages. */
typedef struct tt_image_source {
    const char *name;
    const uint8_t *data;
    size_t size;
    uint32_t max_pixels;
} tt_image_source;

/* Rows of width·channels bytes. channels is set by the caller, 3 (alpha dropped) or 4; the rest by the
 * decoder. bytes is freed with tt_free, and is NULL after a failure. */
typedef struct tt_raster {
    uint32_t width, height, channels;
    uint8_t *bytes;
} tt_raster;

tt_status tt_jpeg_decode(const tt_image_source *source, tt_raster *out, tt_image_facts *facts, tt_error *err);
tt_status tt_png_decode(const tt_image_source *source, tt_raster *out, tt_image_facts *facts, tt_error *err);
tt_status tt_webp_decode(const tt_image_source *source, tt_raster *out, tt_image_facts *facts, tt_error *err);

/* Checks the header's sides against the limits, then allocates (not zeroed). */
tt_status tt_raster_alloc(const tt_image_source *source, uint32_t width, uint32_t height, tt_raster *out,
                          tt_error *err);

/* The orientation in an EXIF block (TIFF header, with or without "Exif\0\0" before it); 1 when there is none
 * or the block is damaged: it never makes an image unreadable. */
int tt_exif_orientation(const uint8_t *data, size_t size);

#endif
