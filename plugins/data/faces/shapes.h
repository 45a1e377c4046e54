/* Colours, and signed distances of plain shapes: negative inside, in the units of the coordinates. */
#ifndef FACES_SHAPES_H
#define FACES_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct colour {
    double r, g, b; /* 0..1 */
} colour;

static inline double square_root(double x)
{
    return __builtin_sqrt(x);
}
static inline double magnitude(double x)
{
    return x < 0 ? -x : x;
}
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}
static inline double larger(double a, double b)
{
    return a > b ? a : b;
}
static inline double clamped(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}
static inline double mixed(double a, double b, double t)
{
    return a + (b - a) * t;
}
/* 0 below low, 1 above high, a cubic between */
static inline double step_smooth(double low, double high, double x)
{
    double t = clamped((x - low) / (high - low), 0, 1);
    return t * t * (3 - 2 * t);
}
/* largest integer not above x, for |x| < 2^31 */
static inline int floor_int(double x)
{
    int i = (int)x;
    return i - (x < (double)i);
}
/* triangle wave of period 1 between 0 (at integers) and 1 */
static inline double triangle(double x)
{
    double f = x - (double)floor_int(x);
    return f < 0.5 ? 2 * f : 2 - 2 * f;
}

static inline colour blend(colour a, colour b, double t)
{
    return (colour){mixed(a.r, b.r, t), mixed(a.g, b.g, t), mixed(a.b, b.b, t)};
}
static inline colour scaled(colour c, double s)
{
    return (colour){c.r * s, c.g * s, c.b * s};
}

static inline double length2(double x, double y)
{
    return square_root(x * x + y * y);
}
static inline double circle(double x, double y, double radius)
{
    return length2(x, y) - radius;
}
/* First-order distance of an ellipse: f/|∇f| of f = √(x²/a² + y²/b²) − 1. */
static inline double ellipse(double x, double y, double a, double b)
{
    double u = x / a, v = y / b, k = length2(u, v), gradient = length2(u / a, v / b);
    return gradient > 1e-9 ? k * (k - 1) / gradient : -smaller(a, b);
}
static inline double box(double x, double y, double a, double b, double radius)
{
    double dx = magnitude(x) - a + radius, dy = magnitude(y) - b + radius;
    double outside = length2(larger(dx, 0), larger(dy, 0));
    return outside + smaller(larger(dx, dy), 0) - radius;
}
/* a line from (x0, y0) to (x1, y1) with round ends */
static inline double line(double x, double y, double x0, double y0, double x1, double y1, double radius)
{
    double dx = x1 - x0, dy = y1 - y0;
    double t = clamped(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1);
    return length2(x - x0 - t * dx, y - y0 - t * dy) - radius;
}

#endif
