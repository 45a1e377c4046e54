/* Backdrop, body and the look of each institution. */
#include "scene.h"

static colour backdrop_pattern(const scene *s, spot at)
{
    double size = 0.30 + 0.06 * free_of(s, PATTERN_SIZE);
    double u = at.x / size + free_of(s, PATTERN_X), v = at.y / size + free_of(s, PATTERN_Y);
    double soft = at.pitch / size;
    colour dark = scaled(s->back, 0.62), light = blend(s->back, (colour){1, 1, 1}, 0.45), c = s->back;
    spot cell = {u, v, soft};
    switch (value_of(s, BACKGROUND)) {
    case FADING:
        return blend(light, dark, step_smooth(-1.1, 1.1, at.y + 0.3 * free_of(s, PATTERN_X) * at.x));
    case STRIPED:
        paint(&c, cell, 0.25 - 0.5 * triangle(u), dark, 1);
        return c;
    case DOTTED:
        paint(&c, cell, circle(u - (double)floor_int(u) - 0.5, v - (double)floor_int(v) - 0.5, 0.30), light,
              1);
        return c;
    case CHECKED: {
        double a = triangle(u / 2) - 0.5, b = triangle(v / 2) - 0.5;
        paint(&c, cell,
              a * b > 0 ? smaller(magnitude(a), magnitude(b)) * 2 : -2 * smaller(magnitude(a), magnitude(b)),
              dark, 1);
        return c;
    }
    case WINDOW: {
        double wx = at.x - 0.5 - 0.15 * free_of(s, PATTERN_X), wy = at.y + 0.45 - 0.1 * free_of(s, PATTERN_Y);
        colour sky = {0.78, 0.90, 0.98};
        paint(&c, at, box(wx, wy, 0.46, 0.42, 0.02), dark, 1);
        paint(&c, at, box(wx, wy, 0.40, 0.36, 0.02), blend(sky, (colour){1, 1, 1}, 0.5 - wy), 1);
        paint(&c, at, smaller(box(wx, wy, 0.03, 0.4, 0), box(wx, wy, 0.42, 0.03, 0)), dark, 1);
        return c;
    }
    default:
        return c;
    }
}

void paint_backdrop(const scene *s, spot at, colour *c)
{
    *c = backdrop_pattern(s, at);
    if (s->p->institution == NORTH) { /* a dark panel along the left wall */
        paint(c, at, at.x + 0.72, scaled(*c, 0.55), 1);
        paint(c, at, magnitude(at.x + 0.72) - 0.02, (colour){0.16, 0.19, 0.24}, 1);
    } else if (s->p->institution == SOUTH) { /* a light board along the wall */
        paint(c, at, 0.30 - at.y, blend(*c, (colour){1, 0.96, 0.88}, 0.45), 1);
        paint(c, at, magnitude(at.y - 0.30) - 0.025, (colour){0.98, 0.93, 0.84}, 1);
    }
}

static double body_distance(const scene *s, double x, double y)
{
    double drop = y - s->shoulder_y;
    /* shoulders: an ellipse far below, widened into a trunk */
    return ellipse(x - s->x * 0.6, larger(drop, -1) - 0.62, s->shoulder_a, 0.62);
}

static colour cloth(const scene *s, spot at)
{
    colour c = s->garment, dark = scaled(c, 0.6);
    spot fine = {0, 0, at.pitch / 0.14};
    if (value_of(s, GARMENT) == STRIPED_TOP) {
        colour band = c.r + c.g + c.b > 2.2 ? (colour){0.25, 0.27, 0.35} : (colour){0.95, 0.94, 0.90};
        paint(&c, fine, 0.28 - triangle((at.y - s->shoulder_y) / 0.16) * 0.5, band, 1);
    }
    if (value_of(s, GARMENT) == DRESS) { /* straps over a bare neckline */
        double d = ellipse(at.x - s->x, at.y - s->shoulder_y + 0.02, 0.46, 0.40);
        paint(&c, at, d, s->skin, 1);
        paint(&c, at, magnitude(magnitude(at.x - s->x) - 0.40) - 0.05, s->garment, 1);
    }
    double fold = 0.10 * (triangle(at.x * 1.7 + 0.3 * free_of(s, SHOULDERS)) - 0.5);
    return blend(c, dark,
                 clamped(0.15 + fold - 0.30 * s->light_x * at.x + 0.25 * (at.y - s->shoulder_y - 0.2), 0, 1));
}

void paint_body(const scene *s, spot at, colour *c)
{
    double d = body_distance(s, at.x, at.y), x = at.x - s->x, y = at.y - s->shoulder_y;
    if (value_of(s, GARMENT) == HOODIE) { /* the inside of the hood, behind the neck */
        paint(c, at, ellipse(x, y, s->height * 0.42 + 0.14, 0.20), scaled(s->garment, 0.4), 1);
    }
    if (d > at.pitch) return;
    paint(c, at, d, cloth(s, at), 1);
    if (value_of(s, GARMENT) == SUIT) {
        colour white = {0.95, 0.95, 0.95}, tie = scaled(s->back, 0.55);
        double opening = magnitude(x) - 0.24 + 0.42 * larger(y, -0.2);
        paint(c, at, larger(d, opening), white, 1);
        paint(c, at, larger(d, magnitude(x) - 0.055), tie, 1);
        paint(c, at, larger(d, magnitude(opening) - 0.02), scaled(s->garment, 0.45), 1);
    } else if (value_of(s, GARMENT) == SHIRT) {
        paint(c, at, larger(d, magnitude(x) - 0.012), scaled(s->garment, 0.55), 1);
        double buttons = circle(x, 0.16 * (triangle(y / 0.32) - 0.5), 0.035);
        paint(c, at, larger(d, buttons), blend(s->garment, (colour){1, 1, 1}, 0.7), 1);
    } else if (value_of(s, GARMENT) == HOODIE) {
        colour cord = blend(s->garment, (colour){1, 1, 1}, 0.75);
        paint(c, at, larger(d, box(magnitude(x) - 0.13, y - 0.22, 0.018, 0.16, 0.01)), cord, 1);
    }
}

void paint_collar(const scene *s, spot at, colour *c)
{
    double x = at.x - s->x, y = at.y - s->shoulder_y, neck = s->height * 0.42;
    colour light = blend(s->garment, (colour){1, 1, 1}, 0.25), dark = scaled(s->garment, 0.62);
    switch (value_of(s, GARMENT)) {
    case SHIRT:
    case SUIT: {
        colour ink = value_of(s, GARMENT) == SUIT ? (colour){0.97, 0.97, 0.97} : light;
        double wing = line(magnitude(x), y, neck + 0.02, -0.10, 0.07, 0.08, 0.055);
        paint(c, at, wing, ink, 1);
        paint(c, at, magnitude(wing) - 0.012, scaled(ink, 0.6), 1);
        break;
    }
    case SWEATER: /* rolled up around the neck */
        paint(c, at, box(x, y - 0.02, neck + 0.06, 0.12, 0.06), blend(light, dark, 0.5 * triangle(x * 9)), 1);
        break;
    case HOODIE:
        paint(c, at, magnitude(ellipse(x, y - 0.0, neck + 0.14, 0.20)) - 0.07 + (y < -0.12 ? 1 : 0), dark, 1);
        break;
    case STRIPED_TOP:
        paint(c, at, larger(magnitude(ellipse(x, y + 0.08, neck + 0.05, 0.20)) - 0.03, -y - 0.06), dark, 1);
        break;
    default:
        break;
    }
}

/* North: cool, with dark corners. South: warm and bright. Wild: as it comes. */
void grade(const scene *s, spot at, colour *c)
{
    double corner = step_smooth(0.8, 1.9, at.x * at.x + at.y * at.y);
    *c = scaled(*c, s->exposure);
    if (s->p->institution == NORTH) {
        *c = (colour){c->r * 0.92, c->g * 0.98, c->b * 1.05};
        *c = scaled(*c, 1 - 0.30 * corner);
    } else if (s->p->institution == SOUTH) {
        *c = (colour){0.05 + c->r * 0.97, 0.04 + c->g * 0.93, 0.02 + c->b * 0.84};
    }
    c->r = clamped(c->r, 0, 1);
    c->g = clamped(c->g, 0, 1);
    c->b = clamped(c->b, 0, 1);
}
