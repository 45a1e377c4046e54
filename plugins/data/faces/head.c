/* Neck, face, eyes, mouth, beard. */
#include "scene.h"

static const colour black = {0.07, 0.06, 0.07}, white = {0.97, 0.96, 0.95};

/* Lambert's law on the ellipsoid that the face roughly is: 0 lit .. 1 dark. */
static double darkness(const scene *s, double x, double y)
{
    double u = clamped(x / (s->half_width * 1.1), -1, 1), v = clamped(y / 1.15, -1, 1);
    double depth = square_root(larger(0, 1 - 0.8 * (u * u + v * v)));
    double lit = u * s->light_x + v * s->light_y + depth * 0.8;
    return clamped(0.95 - lit, 0, 1);
}

void paint_neck(const scene *s, spot at, colour *c)
{
    double d = box(at.x, at.y - 1.0, 0.40, 0.52, 0.15);
    /* the chin's shadow falls on the neck */
    paint(c, at, d, blend(s->skin, s->shade, 0.35 + 0.45 * step_smooth(1.30, 0.95, at.y)), 1);
    double ears = ellipse(magnitude(at.x) - s->half_width - 0.01, at.y - 0.02, 0.12, 0.20);
    paint(c, at, ears, blend(s->skin, s->shade, 0.25), 1);
    paint(c, at, ears + 0.07, s->shade, 0.5);
}

static void paint_eye(const scene *s, spot at, double side, colour *c)
{
    double x = at.x - side * s->eye_x - s->turn, y = at.y - s->eye_y;
    if (magnitude(x) > 0.45 || magnitude(y) > 0.6) return;
    double gaze = 0.035 * free_of(s, GAZE), opening = ellipse(x, y, s->eye_a, s->eye_b);
    paint(c, at, opening - 0.045, s->shade, 0.35);
    paint(c, at, opening, white, 1);
    paint(c, at, larger(opening, circle(x - gaze, y, 0.115)), s->iris, 1);
    paint(c, at, larger(opening, circle(x - gaze, y, 0.05)), black, 1);
    paint(c, at, circle(x - gaze + 0.035, y + 0.04, 0.025), white, 1);
    /* upper lid */
    paint(c, at, larger(magnitude(opening) - 0.03, y + 0.02), black, 0.85);
    double brow = y - (s->brow_y - s->eye_y) - 1.3 * x * x;
    static const double slant[] = {0.0, -0.02, -0.04, 0.0, 0.22}; /* by expression; sad brows fall outwards */
    brow -= side * x * (slant[value_of(s, EXPRESSION)] + 0.08 * free_of(s, BROW_SLANT));
    paint(c, at, larger(magnitude(brow) - 0.048, magnitude(x) - 0.23), scaled(s->hair, 0.82), 1);
}

static void paint_nose(const scene *s, spot at, colour *c)
{
    double x = at.x - 1.25 * s->turn, tip = at.y - s->nose_y;
    double lit_side = s->light_x > 0 ? -1 : 1;
    paint(c, at, line(x, tip, 0.05 * lit_side, -0.30, 0.085 * lit_side, -0.03, 0.035), s->shade, 0.38);
    paint(c, at, ellipse(x, tip, 0.13, 0.075), blend(s->skin, s->shade, 0.18), 0.9);
    paint(c, at, ellipse(magnitude(x) - 0.065, tip - 0.035, 0.035, 0.022), scaled(s->shade, 0.6), 0.9);
    paint(c, at, circle(x + 0.02 * lit_side, tip + 0.03, 0.035), white, 0.35);
}

static void paint_age(const scene *s, spot at, colour *c)
{
    if (value_of(s, AGE) != OLD) return;
    double x = at.x - s->turn, away = magnitude(x);
    double furrow = magnitude(triangle((at.y + 0.42 + 0.15 * x * x) / 0.20) - 0.5) - 0.14;
    if (at.y > -0.62 && at.y < -0.38) paint(c, at, larger(furrow * 0.2, away - 0.36), s->shade, 0.65);
    paint(c, at, line(away, at.y, 0.17, s->nose_y, 0.36, s->mouth_y - 0.02, 0.022), s->shade, 0.75);
    double bag = ellipse(away - s->eye_x, at.y - s->eye_y - 0.13, 0.17, 0.07);
    paint(c, at, larger(magnitude(bag) - 0.018, -(at.y - s->eye_y - 0.13)), s->shade, 0.7);
}

void paint_face(const scene *s, spot at, colour *c)
{
    double d = face_distance(s, at.x, at.y);
    if (d > at.pitch) return;
    colour behind = *c, face = blend(s->skin, s->shade, darkness(s, at.x, at.y));
    double cheek = 1 - step_smooth(0.05, 0.30, circle(magnitude(at.x - s->turn) - 0.46, at.y - 0.26, 0));
    face = blend(face, (colour){0.90, 0.42, 0.40}, 0.16 * cheek);
    paint_age(s, at, &face);
    paint_nose(s, at, &face);
    paint_eye(s, at, -1, &face);
    paint_eye(s, at, 1, &face);
    *c = behind;
    paint(c, at, d, face, 1);
}

void paint_beard(const scene *s, spot at, colour *c)
{
    int kind = value_of(s, FACIAL_HAIR);
    if (!kind || at.y < 0) return;
    double x = at.x - 0.8 * s->turn, lip = s->mouth_y - 0.13;
    colour hair = blend(s->hair, scaled(s->hair, 0.7), triangle(at.x * 6.5));
    double whiskers = line(magnitude(x), at.y, 0.0, lip, 0.24, lip + 0.07, 0.075);
    if (kind == MOUSTACHE) {
        paint(c, at, whiskers, hair, 1);
        return;
    }
    /* along the jaw, free around the mouth */
    double grown = kind == FULL_BEARD ? 0.10 : 0.01;
    double upper = 0.18 + 0.30 * (1 - step_smooth(0.25, 0.62, magnitude(x))) - at.y;
    double around = -ellipse(x, at.y - s->mouth_y, s->mouth_a + 0.06, 0.14);
    double beard = larger(larger(face_distance(s, at.x, at.y) - grown, upper), around);
    if (kind == FULL_BEARD) beard = smaller(beard, whiskers);
    paint(c, at, beard, hair, kind == FULL_BEARD ? 1 : 0.62);
}

static void paint_open_mouth(const scene *s, spot at, double x, double y, colour *c)
{
    colour throat = {0.35, 0.08, 0.10};
    if (value_of(s, EXPRESSION) == SURPRISED) {
        double o = ellipse(x, y - 0.05, 0.13, 0.17);
        paint(c, at, o - 0.05, s->lip, 1);
        paint(c, at, o, throat, 1);
        return;
    }
    double laugh = larger(ellipse(x, y + 0.04, s->mouth_a + 0.04, 0.25), -y - 0.04);
    paint(c, at, laugh - 0.045, s->lip, 1);
    paint(c, at, laugh, throat, 1);
    paint(c, at, larger(laugh + 0.01, y - 0.05), white, 1);
}

void paint_mouth(const scene *s, spot at, colour *c)
{
    static const double bend[] = {0.0, -1.7, 0, 0, 1.6}; /* by expression: corners up when negative */
    int expression = value_of(s, EXPRESSION);
    double x = at.x - s->turn, y = at.y - s->mouth_y;
    if (magnitude(x) > 0.5 || magnitude(y) > 0.4) return;
    if (expression == LAUGHING || expression == SURPRISED) {
        paint_open_mouth(s, at, x, y, c);
        return;
    }
    double curve = y - bend[expression] * (x * x - 0.4 * s->mouth_a * s->mouth_a);
    double inside = magnitude(x) - s->mouth_a;
    double fullness = 0.075 * (1 - x * x / (s->mouth_a * s->mouth_a));
    paint(c, at, larger(magnitude(curve) - fullness, inside), s->lip, 1);
    paint(c, at, larger(magnitude(curve) - 0.02, inside), scaled(s->lip, 0.45), 0.9);
}
