/* JPEG by libjpeg-turbo with its defaults: the exact integer inverse DCT, fancy up-sampling, block smoothing,
 * as Pillow (specs: models-io 11.3). A warning of the decoder means a damaged file and is an error here. */
#include "formats/image_internal.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

typedef struct jpeg_failure {
    struct jpeg_error_mgr manager; /* first: libjpeg's pointer is ours */
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
} jpeg_failure;

static void on_error(j_common_ptr cinfo)
{
    jpeg_failure *f = (jpeg_failure *)(void *)cinfo->err;
    f->manager.format_message(cinfo, f->message);
    longjmp(f->back, 1);
}

/* level −1 is a warning about corrupt data: a truncated file, a bad code */
static void on_message(j_common_ptr cinfo, int level)
{
    if (level < 0) on_error(cinfo);
}

/* Four-component files hold inverted inks (Adobe's convention, which Pillow takes for all of them); then, as
 * Pillow converts: out = nk − C·nk/255 with nk = 255 − K and its rounded product. */
static void cmyk_row(const uint8_t *cmyk, uint32_t width, uint8_t *out, uint32_t channels)
{
    for (uint32_t x = 0; x < width; x++, cmyk += 4, out += channels) {
        uint32_t nk = cmyk[3];
        for (int k = 0; k < 3; k++) {
            uint32_t t = (255u - cmyk[k]) * nk + 128;
            out[k] = (uint8_t)(nk - (((t >> 8) + t) >> 8));
        }
        if (channels == 4) out[3] = 255;
    }
}

static void widen_row(const uint8_t *rgb, uint32_t width, uint8_t *out)
{
    for (uint32_t x = 0; x < width; x++, rgb += 3, out += 4) {
        memcpy(out, rgb, 3);
        out[3] = 255;
    }
}

static void read_facts(struct jpeg_decompress_struct *c, tt_image_facts *facts)
{
    facts->format = "jpeg";
    facts->stored_width = c->image_width;
    facts->stored_height = c->image_height;
    facts->channels = c->num_components;
    facts->was_cmyk = c->num_components == 4;
    for (jpeg_saved_marker_ptr m = c->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0) {
            facts->exif_orientation = tt_exif_orientation(m->data, m->data_length);
            break;
        }
}

static void read_rows(struct jpeg_decompress_struct *c, uint8_t *row, tt_raster *out)
{
    bool cmyk = c->out_color_space == JCS_CMYK;
    while (c->output_scanline < c->output_height) {
        uint8_t *to = out->bytes + (size_t)c->output_scanline * out->width * out->channels;
        JSAMPROW rows[1] = {cmyk || out->channels == 4 ? row : to};
        jpeg_read_scanlines(c, rows, 1);
        if (cmyk)
            cmyk_row(row, out->width, to, out->channels);
        else if (out->channels == 4)
            widen_row(row, out->width, to);
    }
}

tt_status tt_jpeg_decode(const tt_image_source *source, tt_raster *out, tt_image_facts *facts, tt_error *err)
{
    struct jpeg_decompress_struct c;
    jpeg_failure failure;
    uint8_t *volatile row = NULL;
    volatile tt_status s = TT_OK;
    c.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = on_error;
    failure.manager.emit_message = on_message;
    jpeg_create_decompress(&c);
    if (setjmp(failure.back)) {
        s = tt_fail(err, TT_ERR_FORMAT, "%s: damaged or truncated JPEG: %s; fetch it again, or leave it out",
                    source->name, failure.message);
        goto done;
    }
    jpeg_mem_src(&c, source->data, (unsigned long)source->size);
    jpeg_save_markers(&c, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&c, TRUE);
    read_facts(&c, facts);
    /* limits come before libjpeg takes memory of its own for a progressive image */
    s = tt_raster_alloc(source, c.image_width, c.image_height, out, err);
    if (s) goto done;
    c.out_color_space = c.num_components == 4 ? JCS_CMYK : JCS_RGB;
    row = tt_alloc_array(c.image_width, 4);
    if (!row) {
        s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", source->name);
        goto done;
    }
    jpeg_start_decompress(&c);
    read_rows(&c, row, out);
    jpeg_finish_decompress(&c);
done:
    jpeg_destroy_decompress(&c);
    tt_free(row);
    if (s) {
        tt_free(out->bytes);
        out->bytes = NULL;
    }
    return s;
}
