#include "features.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The layout of a row. */
enum {
    COLOUR = 14,  /* means, spreads, luma's quantiles, saturation's mean and spread, share of grey */
    GRID = 16,    /* mean luma of 4 × 4 tiles */
    GRADIENT = 8, /* directions of gradients in a tile, 2 × 2 tiles, and the mean magnitude of each */
    TILES = 4,
    BANDS = 16, /* log power in bands of the DCT's radius */
    STORED = 14,
    TOTAL = COLOUR + GRID + TILES * (GRADIENT + 1) + BANDS + STORED
};
_Static_assert(TOTAL == BLIND_FEATURES, "the header says how many there are");

enum { SIDE = BLIND_SIDE, PLANE = SIDE * SIDE };

static char names[TOTAL][20];
static const char *name_list[TOTAL];

const char *const *blind_names(void)
{
    static const char *const colour[COLOUR] = {"mean_r",   "mean_g",   "mean_b",     "spread_r", "spread_g",
                                               "spread_b", "luma_5",   "luma_25",    "luma_50",  "luma_75",
                                               "luma_95",  "sat_mean", "sat_spread", "grey"};
    static const char *const stored[STORED] = {
        "log_width", "log_height", "log_aspect", "block_x", "block_y", "noise_1",      "noise_2",
        "black",     "white",      "levels",     "edge",    "centre",  "chroma_noise", "sharp"};
    size_t at = 0;
    for (int i = 0; i < COLOUR; i++)
        snprintf(names[at++], sizeof names[0], "%s", colour[i]);
    for (int i = 0; i < GRID; i++)
        snprintf(names[at++], sizeof names[0], "tile_%d_%d", i / 4, i % 4);
    for (int t = 0; t < TILES; t++)
        for (int i = 0; i <= GRADIENT; i++)
            snprintf(names[at++], sizeof names[0], i < GRADIENT ? "hog_%d_%d" : "gradient_%d", t, i);
    for (int i = 0; i < BANDS; i++)
        snprintf(names[at++], sizeof names[0], "band_%d", i);
    for (int i = 0; i < STORED; i++)
        snprintf(names[at++], sizeof names[0], "%s", stored[i]);
    for (size_t i = 0; i < TOTAL; i++)
        name_list[i] = names[i];
    return name_list;
}

static double luma(const uint8_t *rgb)
{
    return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255.0;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void moments(const double *v, size_t n, double *mean, double *spread)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (v[i] - *mean) * (v[i] - *mean);
    *spread = sqrt(squares / (double)n);
}

static void colour(const tt_pixels *p, const double *y, double *out)
{
    static double values[PLANE];
    double grey = 0;
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < PLANE; i++)
            values[i] = p->rgb[3 * i + (size_t)c] / 255.0;
        moments(values, PLANE, &out[c], &out[3 + c]);
    }
    for (size_t i = 0; i < PLANE; i++)
        values[i] = y[i];
    qsort(values, PLANE, sizeof *values, rising);
    static const int quantiles[5] = {5, 25, 50, 75, 95};
    for (int q = 0; q < 5; q++)
        out[6 + q] = values[(PLANE - 1) * quantiles[q] / 100];
    for (size_t i = 0; i < PLANE; i++) {
        const uint8_t *v = p->rgb + 3 * i;
        int high = v[0] > v[1] ? v[0] : v[1], low = v[0] < v[1] ? v[0] : v[1];
        if (v[2] > high) high = v[2];
        if (v[2] < low) low = v[2];
        values[i] = high ? (double)(high - low) / high : 0;
        grey += high - low < 8;
    }
    moments(values, PLANE, &out[11], &out[12]);
    out[13] = grey / PLANE;
}

static void grid(const double *y, double *out)
{
    for (int i = 0; i < GRID; i++)
        out[i] = 0;
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++)
            out[r / (SIDE / 4) * 4 + c / (SIDE / 4)] += y[r * SIDE + c] * GRID / PLANE;
}

/* Histograms of oriented gradients without sign, each tile's normalised (Dalal and Triggs 2005). */
static void gradients(const double *y, double *out)
{
    const double pi = 3.14159265358979323846;
    for (int i = 0; i < TILES * (GRADIENT + 1); i++)
        out[i] = 0;
    for (int r = 1; r < SIDE - 1; r++)
        for (int c = 1; c < SIDE - 1; c++) {
            double dx = y[r * SIDE + c + 1] - y[r * SIDE + c - 1];
            double dy = y[(r + 1) * SIDE + c] - y[(r - 1) * SIDE + c];
            double size = sqrt(dx * dx + dy * dy), angle = atan2(dy, dx);
            if (angle < 0) angle += pi;
            int bin = (int)(angle / pi * GRADIENT) % GRADIENT;
            double *tile = out + (r / (SIDE / 2) * 2 + c / (SIDE / 2)) * (GRADIENT + 1);
            tile[bin] += size;
            tile[GRADIENT] += size;
        }
    for (int t = 0; t < TILES; t++) {
        double *tile = out + t * (GRADIENT + 1), sum = tile[GRADIENT];
        for (int i = 0; i < GRADIENT; i++)
            tile[i] /= sum + 1e-3;
        tile[GRADIENT] = log(sum * TILES / PLANE + 1e-4);
    }
}

/* DCT-II of rows, then of columns; mean power of the coefficients at each distance from the corner. */
static void bands(const double *y, double *out)
{
    static double cosine[SIDE][SIDE], rows[PLANE];
    const double pi = 3.14159265358979323846;
    if (cosine[0][0] == 0)
        for (int k = 0; k < SIDE; k++)
            for (int i = 0; i < SIDE; i++)
                cosine[k][i] = cos(pi * (i + 0.5) * k / SIDE);
    double power[BANDS] = {0}, count[BANDS] = {0};
    for (int r = 0; r < SIDE; r++)
        for (int k = 0; k < SIDE; k++) {
            double sum = 0;
            for (int i = 0; i < SIDE; i++)
                sum += y[r * SIDE + i] * cosine[k][i];
            rows[k * SIDE + r] = sum;
        }
    for (int k = 0; k < SIDE; k++)
        for (int l = 0; l < SIDE; l++) {
            double sum = 0, radius = sqrt((double)(k * k + l * l));
            for (int i = 0; i < SIDE; i++)
                sum += rows[k * SIDE + i] * cosine[l][i];
            int band = (int)(radius * BANDS / SIDE);
            if ((k || l) && band < BANDS) {
                power[band] += sum * sum;
                count[band]++;
            }
        }
    for (int b = 0; b < BANDS; b++)
        out[b] = log(power[b] / (count[b] > 0 ? count[b] : 1) + 1e-6);
}

/* ---- the stored image ---- */

/* Mean |difference| between neighbours along a direction: across the borders of JPEG's blocks of eight
 * against everywhere else, as the logarithm of their ratio; 0 where nothing was coded in blocks. */
static double blockiness(const tt_pixels *p, bool down)
{
    size_t w = p->width, h = p->height, along = down ? h : w, step = 3 * (down ? w : 1);
    double border = 0, inner = 0, n_border = 0, n_inner = 0;
    for (size_t r = 0; r < h; r++)
        for (size_t c = 0; c < w; c++) {
            size_t place = down ? r : c;
            if (place + 1 >= along) continue;
            const uint8_t *v = p->rgb + 3 * (r * w + c);
            double d = fabs(luma(v + step) - luma(v));
            if (place % 8 == 7) {
                border += d;
                n_border++;
            } else {
                inner += d;
                n_inner++;
            }
        }
    if (n_border < 1 || n_inner < 1) return 0;
    return log((border / n_border + 1e-4) / (inner / n_inner + 1e-4));
}

typedef struct residuals {
    double noise, noise2, chroma, edge, centre, n, n_edge, n_centre;
} residuals;

/* Luma's and chroma's second differences along the rows, at steps one and two. */
static residuals second_differences(const tt_pixels *p)
{
    residuals s = {0};
    size_t w = p->width, h = p->height;
    for (size_t r = 0; r < h; r++)
        for (size_t c = 2; c + 2 < w; c++) {
            const uint8_t *v = p->rgb + 3 * (r * w + c);
            double y = luma(v), d = fabs(2 * y - luma(v - 3) - luma(v + 3));
            s.noise += d;
            s.noise2 += fabs(2 * y - luma(v - 6) - luma(v + 6));
            s.chroma += fabs(2.0 * (v[2] - v[0]) - (v[-1] - v[-3]) - (v[5] - v[3])) / 255.0;
            s.n++;
            bool centre = r > h / 4 && r < h - h / 4 && c > w / 4 && c < w - w / 4;
            *(centre ? &s.centre : &s.edge) += d;
            *(centre ? &s.n_centre : &s.n_edge) += 1;
        }
    return s;
}

static double log_mean(double sum, double n)
{
    return log((n > 0 ? sum / n : 0) + 1e-4);
}

static void stored_features(const tt_pixels *p, double *out)
{
    size_t n = (size_t)p->width * p->height;
    bool seen[256] = {false};
    double black = 0, white = 0, levels = 0;
    for (size_t i = 0; i < n; i++) {
        int y = (int)(255 * luma(p->rgb + 3 * i) + 0.5);
        seen[y & 255] = true;
        black += y <= 2;
        white += y >= 253;
    }
    for (int i = 0; i < 256; i++)
        levels += seen[i];
    residuals s = second_differences(p);
    const double values[STORED] = {log(p->width),
                                   log(p->height),
                                   log((double)p->width / p->height),
                                   blockiness(p, false),
                                   blockiness(p, true),
                                   log_mean(s.noise, s.n),
                                   log_mean(s.noise2, s.n),
                                   black / (double)n,
                                   white / (double)n,
                                   levels / 256,
                                   log_mean(s.edge, s.n_edge),
                                   log_mean(s.centre, s.n_centre),
                                   log_mean(s.chroma, s.n),
                                   log_mean(s.noise, s.n) - log_mean(s.noise2, s.n)};
    for (int i = 0; i < STORED; i++)
        out[i] = values[i];
}

void blind_features(const tt_pixels *stored, const tt_pixels *small, double out[BLIND_FEATURES])
{
    static double y[PLANE];
    for (size_t i = 0; i < PLANE; i++)
        y[i] = luma(small->rgb + 3 * i);
    colour(small, y, out);
    grid(y, out + COLOUR);
    gradients(y, out + COLOUR + GRID);
    bands(y, out + COLOUR + GRID + TILES * (GRADIENT + 1));
    stored_features(stored, out + TOTAL - STORED);
}
