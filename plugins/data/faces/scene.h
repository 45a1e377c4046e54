/* What the drawing functions share: a portrait translated into lengths and colours. */
#ifndef FACES_SCENE_H
#define FACES_SCENE_H

#include "portrait.h"
#include "shapes.h"

/* Frame: x to the right, y down, both −1..1 over the image. Head frame: origin in the middle of the face,
 * turned with it, half the face's height is 1. */
typedef struct scene {
    const portrait *p;
    double x, y, cosine, sine, height;         /* the head in the frame; half its height */
    double half_width, squareness, taper;      /* outline of the face */
    double turn;                               /* shift of the features towards one side */
    double eye_x, eye_y, eye_a, eye_b, brow_y; /* eyes at ±eye_x */
    double nose_y, mouth_y, mouth_a;
    double hairline;
    double shoulder_y, shoulder_a; /* frame */
    double light_x, light_y, exposure;
    colour skin, shade, lip, hair, iris, garment, hat, back;
} scene;

/* A sample: where it is and how fine the grid is there. */
typedef struct spot {
    double x, y, pitch; /* distance of neighbouring samples, in the units of x and y */
} spot;

scene scene_of(const portrait *p);
spot to_head(const scene *s, spot at);
double face_distance(const scene *s, double x, double y);

static inline void paint(colour *c, spot at, double distance, colour ink, double opacity)
{
    *c = blend(*c, ink, opacity * clamped(0.5 - distance / at.pitch, 0, 1));
}
static inline int value_of(const scene *s, attribute which)
{
    return s->p->attributes[which];
}
static inline double free_of(const scene *s, freedom which)
{
    return s->p->free[which];
}

/* Each paints one sample. Frame coordinates: */
void paint_backdrop(const scene *s, spot at, colour *c);
void paint_body(const scene *s, spot at, colour *c);
void paint_collar(const scene *s, spot at, colour *c);
void grade(const scene *s, spot at, colour *c);
/* Head coordinates: */
void paint_hair_behind(const scene *s, spot at, colour *c);
void paint_neck(const scene *s, spot at, colour *c);
void paint_face(const scene *s, spot at, colour *c);
void paint_beard(const scene *s, spot at, colour *c);
void paint_mouth(const scene *s, spot at, colour *c);
void paint_hair(const scene *s, spot at, colour *c);
void paint_glasses(const scene *s, spot at, colour *c);
void paint_earrings(const scene *s, spot at, colour *c);
void paint_headwear(const scene *s, spot at, colour *c);

#endif
