#include "scene.h"

#define RGB(r, g, b)                                                                                         \
    {                                                                                                        \
        (r) / 255.0, (g) / 255.0, (b) / 255.0                                                                \
    }

/* in the order of the words in portrait.c */
static const colour skins[] = {RGB(250, 224, 208), RGB(238, 196, 168), RGB(214, 160, 116),
                               RGB(184, 146, 96),  RGB(142, 92, 58),   RGB(92, 58, 40)};
static const colour hairs[] = {RGB(28, 25, 26),  RGB(98, 62, 36),    RGB(222, 186, 104),
                               RGB(176, 70, 28), RGB(140, 142, 146), RGB(236, 234, 228)};
static const colour irises[] = {RGB(84, 48, 24), RGB(48, 112, 208), RGB(52, 140, 72), RGB(206, 140, 30),
                                RGB(132, 140, 148)};
static const colour hats[] = {RGB(204, 40, 44), RGB(238, 130, 36), RGB(244, 208, 56), RGB(44, 140, 66),
                              RGB(42, 84, 190), RGB(122, 58, 160), RGB(34, 34, 38),   RGB(240, 240, 236)};
static const colour garments[] = {RGB(196, 38, 44),  RGB(232, 124, 36), RGB(240, 202, 60), RGB(48, 132, 64),
                                  RGB(28, 142, 142), RGB(40, 82, 178),  RGB(116, 58, 152), RGB(232, 132, 168),
                                  RGB(112, 76, 48),  RGB(34, 34, 38),   RGB(238, 238, 234)};
static const colour backs[] = {RGB(150, 154, 158), RGB(232, 232, 228), RGB(188, 76, 72),  RGB(226, 150, 84),
                               RGB(230, 208, 116), RGB(112, 168, 108), RGB(82, 168, 166), RGB(98, 142, 206),
                               RGB(150, 112, 184), RGB(228, 164, 186)};

typedef struct outline {
    double half_width, squareness, taper;
} outline;
static const outline outlines[] = {
    [OVAL] = {0.78, 0.00, 0.14}, [ROUND] = {0.92, 0.10, 0.00}, [SQUARE] = {0.84, 0.85, 0.00},
    [LONG] = {0.66, 0.25, 0.04}, [HEART] = {0.88, 0.00, 0.38},
};

static void place_head(scene *s)
{
    /* how each source frames its sitters: spread of the position, mean and spread of the size */
    static const double spread[] = {0.05, 0.08, 0.14}, size[] = {0.50, 0.46, 0.45},
                        range[] = {0.02, 0.03, 0.06};
    institution from = s->p->institution;
    s->x = spread[from] * free_of(s, SHIFT_X);
    s->y = -0.10 + 0.6 * spread[from] * free_of(s, SHIFT_Y);
    s->height = size[from] + range[from] * free_of(s, SCALE);
    /* a rotation without sines: t = tan(angle/2) */
    double t = (from == WILD ? 0.10 : 0.05) * free_of(s, TILT);
    s->cosine = (1 - t * t) / (1 + t * t);
    s->sine = 2 * t / (1 + t * t);
    s->turn = 0.10 * free_of(s, TURN);
    s->shoulder_y = s->y + s->height * 1.32;
    s->shoulder_a = 0.80 + 0.08 * free_of(s, SHOULDERS);
}

static void place_features(scene *s)
{
    outline o = outlines[value_of(s, FACE_SHAPE)];
    s->half_width = o.half_width;
    s->squareness = o.squareness;
    s->taper = o.taper;
    bool wide_open = value_of(s, EXPRESSION) == SURPRISED;
    s->eye_x = 0.36 + 0.03 * free_of(s, EYE_DISTANCE);
    s->eye_y = -0.10 + 0.04 * free_of(s, EYE_HEIGHT);
    s->eye_a = 0.185 + 0.02 * free_of(s, EYE_SIZE);
    s->eye_b = s->eye_a * (wide_open ? 0.85 : 0.62);
    s->brow_y = s->eye_y - 0.25 - 0.03 * free_of(s, BROW_HEIGHT) - (wide_open ? 0.08 : 0);
    s->nose_y = 0.24 + 0.04 * free_of(s, NOSE_LENGTH);
    s->mouth_y = 0.54 + 0.03 * free_of(s, MOUTH_HEIGHT);
    s->mouth_a = 0.28 + 0.03 * free_of(s, MOUTH_WIDTH);
    s->hairline = -0.60 + 0.06 * free_of(s, HAIRLINE);
}

static void choose_light_and_colours(scene *s)
{
    /* the studio of each institution lights from its own side */
    static const double side[] = {-0.45, 0.45, 0.0}, range[] = {0.15, 0.15, 0.7};
    institution from = s->p->institution;
    s->light_x = side[from] + range[from] * free_of(s, LIGHT_X);
    s->light_y = -0.35 + 0.2 * free_of(s, LIGHT_Y);
    s->exposure = 1.0 + (from == WILD ? 0.14 : 0.06) * free_of(s, BRIGHTNESS);
    s->skin = skins[value_of(s, SKIN)];
    s->shade = (colour){s->skin.r * 0.62, s->skin.g * 0.52, s->skin.b * 0.50};
    s->lip = blend(s->skin, (colour)RGB(178, 52, 60), 0.55);
    s->hair = hairs[value_of(s, HAIR_COLOUR)];
    s->iris = irises[value_of(s, EYE_COLOUR)];
    s->hat = hats[value_of(s, HEADWEAR_COLOUR)];
    s->garment = garments[value_of(s, GARMENT_COLOUR)];
    s->back = backs[value_of(s, BACKGROUND_COLOUR)];
}

scene scene_of(const portrait *p)
{
    scene s = {.p = p};
    place_head(&s);
    place_features(&s);
    choose_light_and_colours(&s);
    return s;
}

spot to_head(const scene *s, spot at)
{
    double dx = (at.x - s->x) / s->height, dy = (at.y - s->y) / s->height;
    return (spot){s->cosine * dx + s->sine * dy, s->cosine * dy - s->sine * dx, at.pitch / s->height};
}

/* Between an ellipse and a rounded box below the middle; narrower towards the chin. */
double face_distance(const scene *s, double x, double y)
{
    double below = larger(y, 0), u = x / (s->half_width * (1 - s->taper * smaller(below, 1.2)));
    double round = u * u + y * y, square = u * u * u * u + y * y * y * y;
    double q = mixed(round, square, y > 0 ? s->squareness : 0.3 * s->squareness);
    return (square_root(q) - 1) * s->half_width;
}
