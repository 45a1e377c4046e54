#include "formats/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

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

static void write_rows(struct jpeg_compress_struct *c, const tt_pixels *pixels)
{
    while (c->next_scanline < c->image_height) {
        /* libjpeg takes rows that it does not write to without const */
        JSAMPROW rows[1] = {pixels->rgb + (size_t)c->next_scanline * pixels->width * 3};
        jpeg_write_scanlines(c, rows, 1);
    }
}

tt_status tt_image_encode_jpeg(const tt_pixels *pixels, int quality, bool half_colours, tt_buf *out,
                               tt_error *err)
{
    if (quality < 1 || quality > 100 || pixels->width == 0 || pixels->height == 0 ||
        pixels->width > JPEG_MAX_DIMENSION || pixels->height > JPEG_MAX_DIMENSION)
        return tt_fail(
            err, TT_ERR_INVALID,
            "a JPEG of %u x %u pixels at quality %d cannot be: sides are 1 to %ld, quality 1 to 100",
            pixels->width, pixels->height, quality, JPEG_MAX_DIMENSION);
    struct jpeg_compress_struct c;
    jpeg_failure failure;
    unsigned char *volatile bytes = NULL;
    unsigned long size = 0;
    volatile tt_status s = TT_OK;
    c.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = on_error;
    jpeg_create_compress(&c);
    if (setjmp(failure.back)) {
        s = tt_fail(err, TT_ERR_INTERNAL, "cannot write a JPEG: %s", failure.message);
        goto done;
    }
    jpeg_mem_dest(&c, (unsigned char **)&bytes, &size);
    c.image_width = pixels->width;
    c.image_height = pixels->height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    c.comp_info[0].h_samp_factor = c.comp_info[0].v_samp_factor = half_colours ? 2 : 1;
    jpeg_start_compress(&c, TRUE);
    write_rows(&c, pixels);
    jpeg_finish_compress(&c);
    if (!tt_buf_append(out, (const void *)bytes, size))
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a JPEG");
done:
    jpeg_destroy_compress(&c);
    free((void *)bytes);
    return s;
}
