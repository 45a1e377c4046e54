#include "mark.h"

#include <math.h>

/* Signed distances in pixels, negative inside: sums, products and square roots alone, so that every machine
 * draws the same bytes (tools/make_watermark_golden.py has the twin). */

#define EYE_X 975.5
#define EYE_Y 950.0

static double ring(double x, double y)
{
    double from_centre = sqrt((x - EYE_X) * (x - EYE_X) + (y - EYE_Y) * (y - EYE_Y));
    return fabs(from_centre - 730.0) - 170.0;
}

static double pupil(double x, double y)
{
    return sqrt((x - EYE_X) * (x - EYE_X) + (y - EYE_Y) * (y - EYE_Y)) - 280.0;
}

/* A bar of 1,700 × 116 with round ends. */
static double bar(double x, double y, double centre_y)
{
    double beyond = fabs(x - EYE_X) - 792.0, off = y - centre_y;
    if (beyond < 0) beyond = 0;
    return sqrt(beyond * beyond + off * off) - 58.0;
}

static double mark_distance(double x, double y)
{
    if (y < 1950.0) {
        double a = ring(x, y), b = pupil(x, y);
        return a < b ? a : b;
    }
    double upper = bar(x, y, 2120.0), middle = bar(x, y, 2400.0), lower = bar(x, y, 2680.0);
    double nearest = upper < middle ? upper : middle;
    return nearest < lower ? nearest : lower;
}

static uint8_t coverage(double distance)
{
    double alpha = 0.5 - distance;
    if (alpha <= 0) return 0;
    return alpha >= 1 ? 255 : (uint8_t)floor(alpha * 255 + 0.5);
}

void mark_draw(uint8_t *rgba)
{
    for (uint32_t y = 0; y < MARK_HEIGHT; y++)
        for (uint32_t x = 0; x < MARK_WIDTH; x++, rgba += 4) {
            rgba[0] = 153;
            rgba[1] = rgba[2] = 0;
            rgba[3] = coverage(mark_distance(x + 0.5, y + 0.5));
        }
}
