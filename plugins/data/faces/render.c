#include "render.h"

#include "scene.h"

#include <string.h>

static int samples_per_side(int size)
{
    return size <= 128 ? 3 : 2;
}

static colour sample(const scene *s, spot at)
{
    colour c;
    paint_backdrop(s, at, &c);
    paint_body(s, at, &c);
    spot head = to_head(s, at);
    paint_hair_behind(s, head, &c);
    paint_neck(s, head, &c);
    paint_collar(s, at, &c);
    paint_face(s, head, &c);
    paint_mouth(s, head, &c);
    paint_beard(s, head, &c);
    paint_hair(s, head, &c);
    paint_earrings(s, head, &c);
    paint_glasses(s, head, &c);
    paint_headwear(s, head, &c);
    grade(s, at, &c);
    return c;
}

/* The mean of the pixel's samples, 0..1. */
static void pixel(const scene *s, int size, int x, int y, float *rgb)
{
    int n = samples_per_side(size);
    double pitch = 2.0 / (size * n);
    colour sum = {0, 0, 0};
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++) {
            spot at = {(x * n + i + 0.5) * pitch - 1, (y * n + j + 0.5) * pitch - 1, pitch};
            colour c = sample(s, at);
            sum = (colour){sum.r + c.r, sum.g + c.g, sum.b + c.b};
        }
    }
    sum = scaled(sum, 1.0 / (n * n));
    rgb[0] = (float)sum.r;
    rgb[1] = (float)sum.g;
    rgb[2] = (float)sum.b;
}

/* ±2 grey levels, uniform; the softening takes most of it away again */
static void add_grain(const portrait *p, size_t n, float *image)
{
    for (size_t i = 0; i < n; i++) {
        double lot = (double)tt_keyed_u32(&p->grain, i) / 4294967296.0 - 0.5;
        image[i] += (float)(lot * (4.0 / 255.0));
    }
}

/* [a, 1 − 2a, a] along one line, edges repeated. The line's values lie `stride` floats apart. */
static void soften_line(float *line, size_t n, size_t stride, float a)
{
    float before = line[0];
    for (size_t i = 0; i < n; i++) {
        float here = line[i * stride], after = i + 1 < n ? line[(i + 1) * stride] : here;
        line[i * stride] = here + a * ((before - here) + (after - here));
        before = here;
    }
}

/* A Gaussian of variance blur² as passes of a three-tap filter: each adds variance 2a, a ≤ 1/4. */
static void soften(float *image, int size, double blur)
{
    double variance = blur * blur;
    int passes = (int)(variance * 2) + 1;
    float a = (float)(variance / (2 * passes));
    size_t n = (size_t)size;
    for (int pass = 0; pass < passes; pass++) {
        for (size_t row = 0; row < n; row++) {
            for (size_t channel = 0; channel < 3; channel++)
                soften_line(image + row * 3 * n + channel, n, 3, a);
        }
        for (size_t column = 0; column < 3 * n; column++)
            soften_line(image + column, n, 3 * n, a);
    }
}

size_t render_work_size(int size)
{
    return (size_t)size * (size_t)size * 3 * sizeof(float);
}

void render_portrait(const portrait *p, int size, double blur, void *work, uint8_t *rgb)
{
    scene s = scene_of(p);
    float *image = work;
    size_t n = (size_t)size * (size_t)size * 3;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++)
            pixel(&s, size, x, y, image + 3 * ((size_t)y * (size_t)size + (size_t)x));
    }
    add_grain(p, n, image);
    if (blur > 0) soften(image, size, blur);
    for (size_t i = 0; i < n; i++)
        rgb[i] = (uint8_t)(clamped((double)image[i], 0, 1) * 255 + 0.5);
}

face_box render_face_box(const portrait *p, int size)
{
    scene s = scene_of(p);
    /* bounds of the ellipse with the outline's half axes, turned with the head */
    double a = s.half_width, dx = s.height * length2(a * s.cosine, s.sine);
    double dy = s.height * length2(a * s.sine, s.cosine), half = size / 2.0;
    int left = floor_int((s.x - dx + 1) * half), right = floor_int((s.x + dx + 1) * half) + 1;
    int top = floor_int((s.y - dy + 1) * half), bottom = floor_int((s.y + dy + 1) * half) + 1;
    left = left < 0 ? 0 : left;
    top = top < 0 ? 0 : top;
    right = right > size ? size : right;
    bottom = bottom > size ? size : bottom;
    return (face_box){left, top, right - left, bottom - top};
}
