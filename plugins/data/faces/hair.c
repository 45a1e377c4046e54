/* Hair, headwear, glasses, earrings. */
#include "scene.h"

/* 32 directions, one every 11.25 degrees, by repeated rotation (cosine and sine of the step). */
enum { CURLS = 32 };
static double curls(const scene *s, double x, double y)
{
    double a = s->half_width + 0.10, cosine = 1, sine = 0, best = 9;
    for (int i = 0; i < CURLS; i++) {
        double radius = i % 2 ? 0.20 : 0.16;
        if (sine < 0.45) best = smaller(best, circle(x - a * cosine, y - 1.06 * sine, radius));
        double next = cosine * 0.98078528040323044913 - sine * 0.19509032201612826785;
        sine = sine * 0.98078528040323044913 + cosine * 0.19509032201612826785;
        cosine = next;
    }
    return best;
}

static colour strands(const scene *s, double x, double y)
{
    double wave = value_of(s, HAIR_STYLE) == WAVY ? 0.16 * triangle(y * 2.2) : 0;
    double strand = triangle((x + wave) * 5.3) * 0.6 + triangle((x + wave) * 11.7 + y) * 0.4;
    double gloss = 1 - step_smooth(0.0, 0.45, magnitude(y + 0.72 - 0.3 * x * s->light_x));
    colour c = blend(scaled(s->hair, 0.70), s->hair, strand);
    return blend(c, (colour){1, 0.98, 0.92}, 0.18 * gloss);
}

static double hair_width(const scene *s)
{
    static const double extra[] = {0.02, 0.09, 0.10, 0.16, 0.15, 0.06, 0.20};
    return extra[value_of(s, HAIR_STYLE)];
}

void paint_hair_behind(const scene *s, spot at, colour *c)
{
    int style = value_of(s, HAIR_STYLE);
    double a = s->half_width + hair_width(s), d = 9;
    double ripple = style == WAVY ? 0.08 * (triangle(at.y * 2.2) - 0.5) : 0;
    if (style == BOB) d = box(at.x, at.y + 0.10, a + 0.04, 0.98, 0.55);
    if (style == LONG_HAIR) d = box(at.x, at.y - 0.30, a + 0.05, 1.42, 0.6);
    if (style == WAVY) d = box(at.x, at.y - 0.12, a + 0.06 + ripple, 1.26, 0.6);
    if (style == TIED) d = circle(at.x - 0.25 * free_of(s, PARTING), at.y + 1.24, 0.36);
    if (style == CURLY) d = smaller(ellipse(at.x, at.y + 0.1, a, 1.0), curls(s, at.x, at.y));
    if (d < at.pitch) paint(c, at, d, scaled(strands(s, at.x, at.y), 0.80), 1);
}

/* Below this y the forehead is bare: lower at the temples, slanted by the parting. */
static double hair_edge(const scene *s, double x)
{
    int style = value_of(s, HAIR_STYLE);
    double u = x / s->half_width, parting = 0.14 * free_of(s, PARTING);
    double edge = s->hairline + 0.10 + parting * u;
    double temple = style == TIED || style == SHAVED ? 0.25 : 0.55;
    edge += temple * u * u * u * u;
    if (style == BOB && free_of(s, FRINGE) > 0) edge = larger(edge, -0.38);
    if (style == CURLY) edge += 0.07 * triangle(u * 3.5);
    if (style == WAVY) edge += 0.10 * (1 - step_smooth(0.0, 0.5, magnitude(u - 0.6 * free_of(s, PARTING))));
    return edge;
}

void paint_hair(const scene *s, spot at, colour *c)
{
    int style = value_of(s, HAIR_STYLE);
    double outer = face_distance(s, at.x, at.y) - hair_width(s) * (at.y < 0 ? 1 : 0.6);
    if (style == CURLY) outer = smaller(outer, larger(curls(s, at.x, at.y), at.y + 0.25));
    double d = larger(outer, at.y - hair_edge(s, at.x));
    if (style == BOB || style == LONG_HAIR || style == WAVY) { /* locks beside the cheeks */
        double bottom = style == BOB ? 0.72 : 1.05;
        double lock = larger(-face_distance(s, at.x, at.y) - 0.10, at.y - bottom);
        lock = larger(larger(lock, outer - 0.06), -0.25 - at.y);
        d = smaller(d, lock);
    }
    paint(c, at, d, strands(s, at.x, at.y), style == SHAVED ? 0.55 : 1);
}

void paint_glasses(const scene *s, spot at, colour *c)
{
    int kind = value_of(s, GLASSES);
    if (!kind) return;
    colour frame = kind == ROUND_GLASSES ? (colour){0.55, 0.40, 0.14} : (colour){0.08, 0.08, 0.10};
    double x = magnitude(at.x - s->turn), y = at.y - s->eye_y;
    double lens = kind == ROUND_GLASSES
                      ? circle(x - s->eye_x, y - 0.02, 0.255)
                      : box(x - s->eye_x, y - 0.02, 0.275, 0.19, kind == SUNGLASSES ? 0.12 : 0.04);
    if (kind == SUNGLASSES) {
        paint(c, at, lens,
              blend((colour){0.05, 0.05, 0.08}, (colour){0.35, 0.38, 0.45}, clamped(-2 * y, 0, 1)), 0.97);
    } else {
        paint(c, at, lens, (colour){0.9, 0.95, 1.0}, 0.14);
    }
    paint(c, at, magnitude(lens) - 0.035, frame, 1);
    paint(c, at, box(x, y, s->eye_x - 0.25, 0.03, 0.02), frame, 1);
    double arm = line(x, y, s->eye_x + 0.27, -0.02, s->half_width + 0.04, -0.05, 0.028);
    paint(c, at, arm, frame, 1);
}

void paint_earrings(const scene *s, spot at, colour *c)
{
    static const colour metals[] = {
        {0, 0, 0}, {0.93, 0.72, 0.16}, {0.78, 0.80, 0.84}, {0.97, 0.94, 0.90}, {0.80, 0.08, 0.20}};
    int kind = value_of(s, EARRINGS);
    if (!kind) return;
    double x = magnitude(at.x) - s->half_width - 0.06, y = at.y - 0.30;
    double d =
        kind == GOLD || kind == SILVER ? magnitude(circle(x, y - 0.05, 0.12)) - 0.045 : circle(x, y, 0.11);
    paint(c, at, d - 0.02, scaled(metals[kind], 0.6), 0.8);
    paint(c, at, d, metals[kind], 1);
    paint(c, at, circle(x + 0.03, y - (kind <= SILVER ? 0.13 : -0.03), 0.03), (colour){1, 1, 1}, 0.7);
}

void paint_headwear(const scene *s, spot at, colour *c)
{
    int kind = value_of(s, HEADWEAR);
    if (!kind || at.y > 0) return;
    double a = s->half_width + hair_width(s) + 0.04, top = at.y + 0.50;
    colour light = blend(s->hat, (colour){1, 1, 1}, 0.18), dark = scaled(s->hat, 0.62);
    double shade = clamped(0.45 - 0.5 * at.x * s->light_x / a + 0.25 * top, 0, 1);
    colour felt = blend(light, dark, shade);
    double dome = larger(ellipse(at.x, top, a, 0.70), top);
    if (kind == CAP) {
        paint(c, at, dome, felt, 1);
        paint(c, at, ellipse(at.x - 0.30 * (free_of(s, TURN) > 0 ? 1 : -1), top + 0.02, a + 0.06, 0.13), dark,
              1);
        paint(c, at, circle(at.x, top + 0.68, 0.06), dark, 1);
    } else if (kind == BEANIE) {
        colour knit = blend(felt, dark, 0.4 * triangle(at.x * 7));
        paint(c, at, dome, knit, 1);
        paint(c, at, box(at.x, top + 0.04, a + 0.03, 0.13, 0.08),
              blend(light, dark, 0.6 * triangle(at.x * 7)), 1);
        paint(c, at, circle(at.x, top + 0.78, 0.17), light, 1);
    } else if (kind == HAT) {
        paint(c, at, box(at.x, top + 0.36, a * 0.82, 0.42, 0.16), felt, 1);
        paint(c, at, box(at.x, top + 0.10, a * 0.83, 0.09, 0), dark, 1);
        paint(c, at, ellipse(at.x, top - 0.02, a + 0.38, 0.13), felt, 1);
    } else {
        double bow = magnitude(top + 0.16 - 0.25 * at.x * at.x) - 0.10;
        paint(c, at, larger(bow, magnitude(at.x) - a + 0.03), blend(light, dark, shade), 1);
    }
}
