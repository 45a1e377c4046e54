/* From a portrait to pixels. Only + − × ÷ √ and comparisons on doubles, each correctly rounded, so that
 * every machine draws the same bytes. */
#ifndef FACES_RENDER_H
#define FACES_RENDER_H

#include "portrait.h"

/* rgb: 3·size·size bytes, the caller's. `work`: render_work_size(size) bytes of scratch memory. blur:
 * standard deviation of the softening, in pixels. */
size_t render_work_size(int size);
void render_portrait(const portrait *p, int size, double blur, void *work, uint8_t *rgb);
face_box render_face_box(const portrait *p, int size);

#endif
