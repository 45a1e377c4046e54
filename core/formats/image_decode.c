/* From a file or bytes to pixels: which decoder, limits, orientation. */
#include "formats/image_internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <string.h>

/* A decoded image has at most 300 MiB; no honest file is larger than this. */
#define FILE_MAX_BYTES ((size_t)512 << 20)

tt_status tt_raster_alloc(const tt_image_source *source, uint32_t width, uint32_t height, tt_raster *out,
                          tt_error *err)
{
    if (width == 0 || height == 0)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: image of %ux%u pixels: damaged header: fetch it again, or leave it out",
                       source->name, width, height);
    if (width > TT_IMAGE_MAX_SIDE || height > TT_IMAGE_MAX_SIDE)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: image of %ux%u pixels: sides must be at most %u; reduce it first", source->name,
                       width, height, TT_IMAGE_MAX_SIDE);
    uint64_t pixels = (uint64_t)width * height;
    if (pixels > source->max_pixels)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: image of %ux%u pixels: more than the limit of %u pixels; reduce it first",
                       source->name, width, height, source->max_pixels);
    out->bytes = tt_alloc((size_t)pixels * out->channels);
    if (!out->bytes)
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for %ux%u pixels", source->name, width, height);
    out->width = width;
    out->height = height;
    return TT_OK;
}

/* ---- orientation ---- */

/* EXIF: rows and columns of the stored image run along these sides of the upright one. A value of 5 to 8
 * exchanges the axes; `flip_x`, `flip_y` then say which stored axis is read backwards. */
static const struct {
    bool exchange, flip_x, flip_y;
} orientations[9] = {
    [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
    [5] = {true, false, false}, [6] = {true, false, true}, [7] = {true, true, true},
    [8] = {true, true, false},
};

static tt_status orient(const tt_image_source *source, int orientation, tt_raster *r, tt_error *err)
{
    if (orientation <= 1) return TT_OK;
    bool exchange = orientations[orientation].exchange;
    tt_raster out = {.channels = r->channels};
    tt_status s =
        tt_raster_alloc(source, exchange ? r->height : r->width, exchange ? r->width : r->height, &out, err);
    if (s) return s;
    uint8_t *to = out.bytes;
    for (uint32_t y = 0; y < out.height; y++)
        for (uint32_t x = 0; x < out.width; x++, to += r->channels) {
            uint32_t from_x = exchange ? y : x, from_y = exchange ? x : y;
            if (orientations[orientation].flip_x) from_x = r->width - 1 - from_x;
            if (orientations[orientation].flip_y) from_y = r->height - 1 - from_y;
            memcpy(to, r->bytes + ((size_t)from_y * r->width + from_x) * r->channels, r->channels);
        }
    tt_free(r->bytes);
    *r = out;
    return TT_OK;
}

/* ---- which format ---- */

/* Formats we know but do not read, so that the message can name them. */
static const char *foreign_format(const uint8_t *data, size_t size)
{
    static const struct {
        size_t at;
        const char *magic, *name;
    } known[] = {{0, "GIF8", "GIF"},      {0, "BM", "BMP"},         {0, "II*", "TIFF"},
                 {0, "MM", "TIFF"},       {4, "ftypavif", "AVIF"},  {4, "ftypheic", "HEIC"},
                 {4, "ftypmif1", "HEIF"}, {0, "8BPS", "Photoshop"}, {0, "<svg", "SVG"},
                 {0, "<", "HTML or XML"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].magic);
        if (size >= known[i].at + n && memcmp(data + known[i].at, known[i].magic, n) == 0)
            return known[i].name;
    }
    return NULL;
}

static tt_status decode_any(const tt_image_source *source, tt_raster *out, tt_image_facts *facts,
                            tt_error *err)
{
    const uint8_t *data = source->data;
    size_t size = source->size;
    if (size == 0)
        return tt_fail(err, TT_ERR_FORMAT, "%s: the file is empty: fetch it again, or leave it out",
                       source->name);
    if (size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0) return tt_jpeg_decode(source, out, facts, err);
    if (size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0) return tt_png_decode(source, out, facts, err);
    if (size >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0)
        return tt_webp_decode(source, out, facts, err);
    const char *foreign = foreign_format(data, size);
    if (foreign)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: looks like %s; only JPEG, PNG and WebP are read: convert it to PNG", source->name,
                       foreign);
    return tt_fail(err, TT_ERR_FORMAT,
                   "%s: not a JPEG, PNG or WebP image: convert it to PNG, or leave it out", source->name);
}

static tt_status decode_raster(const char *name, const uint8_t *data, size_t size,
                               const tt_image_options *options, tt_raster *out, tt_image_facts *facts,
                               tt_error *err)
{
    tt_image_source source = {name, data, size,
                              options && options->max_pixels ? options->max_pixels : TT_IMAGE_MAX_PIXELS};
    tt_image_facts own;
    if (!facts) facts = &own;
    *facts = (tt_image_facts){.exif_orientation = 1};
    tt_status s = decode_any(&source, out, facts, err);
    if (s == TT_OK && options && options->apply_orientation)
        s = orient(&source, facts->exif_orientation, out, err);
    if (s) {
        tt_free(out->bytes);
        out->bytes = NULL;
    }
    return s;
}

tt_status tt_image_decode(const char *name, const uint8_t *data, size_t size, const tt_image_options *options,
                          tt_pixels *pixels, tt_image_facts *facts, tt_error *err)
{
    tt_raster r = {.channels = 3};
    *pixels = (tt_pixels){0};
    tt_status s = decode_raster(name, data, size, options, &r, facts, err);
    if (s == TT_OK) *pixels = (tt_pixels){r.width, r.height, r.bytes};
    return s;
}

tt_status tt_image_read(const char *path, const tt_image_options *options, tt_pixels *pixels,
                        tt_image_facts *facts, tt_error *err)
{
    *pixels = (tt_pixels){0};
    char *data;
    size_t size;
    tt_status s = tt_file_read(path, FILE_MAX_BYTES, &data, &size, err);
    if (s) return s;
    s = tt_image_decode(path, (const uint8_t *)data, size, options, pixels, facts, err);
    tt_free(data);
    return s;
}

tt_status tt_image_read_rgba(const char *path, uint32_t *width, uint32_t *height, uint8_t **rgba,
                             tt_error *err)
{
    *rgba = NULL;
    char *data;
    size_t size;
    tt_status s = tt_file_read(path, FILE_MAX_BYTES, &data, &size, err);
    if (s) return s;
    tt_raster r = {.channels = 4};
    s = decode_raster(path, (const uint8_t *)data, size, NULL, &r, NULL, err);
    tt_free(data);
    if (s) return s;
    *width = r.width;
    *height = r.height;
    *rgba = r.bytes;
    return TT_OK;
}
