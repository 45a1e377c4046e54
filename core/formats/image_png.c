/* PNG by libpng: 8-bit samples unchanged (no gamma), palettes expanded, alpha dropped without blending unless
 * asked for; 16-bit files are refused, since scaling them is a choice (specs: models-io 11.4). */
#include "formats/image_internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <png.h>
#include <string.h>

typedef struct png_input {
    const tt_image_source *source;
    size_t at;
    char message[200];
} png_input;

static void on_error(png_structp png, png_const_charp text)
{
    png_input *in = png_get_error_ptr(png);
    strncpy(in->message, text, sizeof in->message - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text; /* odd text chunks and profiles: no pixel depends on them */
}

static void read_bytes(png_structp png, png_bytep to, size_t n)
{
    png_input *in = png_get_io_ptr(png);
    if (n > in->source->size - in->at) png_error(png, "the file ends early");
    memcpy(to, in->source->data + in->at, n);
    in->at += n;
}

static void read_facts(png_structp png, png_infop info, tt_image_facts *facts)
{
    int colour = png_get_color_type(png, info);
    facts->format = "png";
    facts->stored_width = png_get_image_width(png, info);
    facts->stored_height = png_get_image_height(png, info);
    facts->channels = png_get_channels(png, info);
    facts->was_palette = colour == PNG_COLOR_TYPE_PALETTE;
    facts->had_alpha = (colour & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
    png_uint_32 exif_size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(png, info, &exif_size, &exif) && exif)
        facts->exif_orientation = tt_exif_orientation(exif, exif_size);
}

static void set_transforms(png_structp png, png_infop info, uint32_t channels)
{
    int colour = png_get_color_type(png, info);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (colour == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (channels == 4 && png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
    if (colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(png);
    if (channels == 3) png_set_strip_alpha(png);
    if (channels == 4) png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

tt_status tt_png_decode(const tt_image_source *source, tt_raster *out, tt_image_facts *facts, tt_error *err)
{
    png_input in = {.source = source};
    png_bytep *volatile rows = NULL;
    volatile tt_status s = TT_OK;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &in, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", source->name);
    }
    if (setjmp(png_jmpbuf(png))) {
        s = tt_fail(err, TT_ERR_FORMAT, "%s: damaged or truncated PNG: %s; fetch it again, or leave it out",
                    source->name, in.message);
        goto done;
    }
    png_set_read_fn(png, &in, read_bytes);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* our own limits give the clearer message */
    png_set_chunk_malloc_max(png, 64u << 20);
    png_read_info(png, info);
    read_facts(png, info, facts);
    if (png_get_bit_depth(png, info) == 16) {
        s = tt_fail(err, TT_ERR_UNSUPPORTED, "%s: 16-bit PNG: convert it to 8 bits, in the way you mean",
                    source->name);
        goto done;
    }
    s = tt_raster_alloc(source, facts->stored_width, facts->stored_height, out, err);
    if (s) goto done;
    set_transforms(png, info, out->channels);
    if (png_get_rowbytes(png, info) != (size_t)out->width * out->channels)
        png_error(png, "rows of an odd width");
    rows = tt_alloc_array(out->height, sizeof(png_bytep));
    if (!rows) {
        s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", source->name);
        goto done;
    }
    for (uint32_t y = 0; y < out->height; y++)
        rows[y] = out->bytes + (size_t)y * out->width * out->channels;
    png_read_image(png, rows);
    png_read_end(png, NULL);
done:
    png_destroy_read_struct(&png, &info, NULL);
    tt_free((void *)rows);
    if (s) {
        tt_free(out->bytes);
        out->bytes = NULL;
    }
    return s;
}

/* ---- writing ---- */

static void append_bytes(png_structp png, png_bytep data, size_t n)
{
    if (!tt_buf_append(png_get_io_ptr(png), data, n)) png_error(png, "out of memory");
}

static void no_flush(png_structp png)
{
    (void)png;
}

/* rows: RGB, or RGBA if `alpha`. No time, no text: equal pixels are equal bytes. */
static tt_status encode(const char *name, const uint8_t *rows, uint32_t width, uint32_t height, bool alpha,
                        tt_buf *out, tt_error *err)
{
    png_input in = {.source = NULL};
    volatile tt_status s = TT_OK;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &in, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", name);
    }
    if (setjmp(png_jmpbuf(png))) {
        s = tt_fail(err, TT_ERR_MEMORY, "%s: cannot encode: %s", name, in.message);
        goto done;
    }
    png_set_write_fn(png, out, append_bytes, no_flush);
    png_set_IHDR(png, info, width, height, 8, alpha ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < height; y++)
        png_write_row(png, rows + (size_t)y * width * (alpha ? 4 : 3));
    png_write_end(png, NULL);
done:
    png_destroy_write_struct(&png, &info);
    return s;
}

tt_status tt_image_write_png(const char *path, const tt_pixels *pixels, tt_error *err)
{
    tt_buf out = {0};
    tt_status s = encode(path, pixels->rgb, pixels->width, pixels->height, false, &out, err);
    if (!s) s = tt_file_write(path, out.data, out.size, err);
    tt_buf_free(&out);
    return s;
}

tt_status tt_image_encode_png_rgba(const uint8_t *rgba, uint32_t width, uint32_t height, tt_buf *out,
                                   tt_error *err)
{
    return encode("a picture", rgba, width, height, true, out, err);
}
