/* What an image looks like, in 256 bits: a difference hash (the gradient hash that Krawetz described in 2013,
 * here of 16 × 16 gradients and with a margin), in whole numbers alone, so that it is the same everywhere. */
#include "formats/image.h"

#include <stdio.h>
#include <string.h>

enum {
    SIDE = 16,
    /* Grey levels, in 1/256, by which a cell must be brighter than its neighbour: what compression does to
     * flat areas stays below it. */
    MARGIN = 2 * 256
};

/* ITU-R BT.601 in 1/256 */
static uint32_t grey_of(const uint8_t *rgb)
{
    return 77u * rgb[0] + 150u * rgb[1] + 29u * rgb[2];
}

/* How much of pixel `at` lies in part `part` of `parts`, of a side of `length` pixels: in 1/parts of a pixel.
 */
static uint64_t overlap(uint64_t at, uint64_t part, uint64_t parts, uint64_t length)
{
    uint64_t begin = part * length, end = begin + length, first = at * parts, last = first + parts;
    uint64_t low = begin > first ? begin : first, high = end < last ? end : last;
    return high > low ? high - low : 0;
}

/* Mean grey of a cell, in 1/256; pixels count by the area that lies in it. */
static uint32_t cell_of(const tt_pixels *p, uint32_t column, uint32_t row)
{
    const uint64_t width = p->width, height = p->height, columns = SIDE + 1, rows = SIDE;
    uint64_t x0 = width * column / columns, x1 = (width * (column + 1) + columns - 1) / columns, sum = 0;
    uint64_t y0 = height * row / rows, y1 = (height * (row + 1) + rows - 1) / rows;
    for (uint64_t y = y0; y < y1; y++) {
        uint64_t line = 0;
        for (uint64_t x = x0; x < x1; x++)
            line += overlap(x, column, columns, width) * grey_of(p->rgb + 3 * (y * width + x));
        sum += overlap(y, row, rows, height) * line;
    }
    return (uint32_t)(sum / (width * height));
}

tt_image_look tt_image_look_of(const tt_pixels *p)
{
    tt_image_look look = {{0}};
    for (uint32_t row = 0; row < SIDE; row++) {
        uint32_t left = cell_of(p, 0, row);
        for (uint32_t column = 0; column < SIDE; column++) {
            uint32_t right = cell_of(p, column + 1, row), bit = row * SIDE + column;
            if (right > left + MARGIN) look.bits[bit / 64] |= (uint64_t)1 << bit % 64;
            left = right;
        }
    }
    return look;
}

uint32_t tt_image_look_distance(const tt_image_look *a, const tt_image_look *b)
{
    int n = 0;
    for (int i = 0; i < 4; i++)
        n += __builtin_popcountll(a->bits[i] ^ b->bits[i]);
    return (uint32_t)n;
}

void tt_image_look_hex(const tt_image_look *look, char hex[65])
{
    for (int i = 0; i < 4; i++)
        snprintf(hex + (size_t)16 * (size_t)i, 17, "%016llx", (unsigned long long)look->bits[i]);
}

bool tt_image_look_from_hex(const char *hex, tt_image_look *look)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(hex) != 64) return false;
    *look = (tt_image_look){{0}};
    for (size_t i = 0; i < 64; i++) {
        const char *digit = strchr(digits, hex[i]);
        if (!digit) return false;
        look->bits[i / 16] = look->bits[i / 16] << 4 | (uint64_t)(digit - digits);
    }
    return true;
}
