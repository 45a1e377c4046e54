/* The CLiD scripts' grid of thresholds (grey-box spec 2.6.3 and 4.1): start at the smallest score, step a
 * 2,000th of the range, "score ≤ threshold is member". Its AUC starts at the first grid point, not at (0,0).
 * For parity only. */
#include "base/mem.h"
#include "stats/order.h"

#include <math.h>

typedef struct grid {
    double start, step; /* threshold i = start + i·((start + step) − start), as NumPy's arange */
    size_t n;
} grid;

static bool make_grid(const tt_order *o, bool low_is_member, grid *g)
{
    double high = o->ties[0].score, low = o->ties[o->n - 1].score;
    double min = low_is_member ? low : -high, max = low_is_member ? high : -low;
    double step = (max - min) / 2000;
    if (!(step > 0)) return false; /* all equal: the scripts' grid is empty */
    g->start = min;
    g->step = (min + step) - min;
    g->n = (size_t)ceil((max - min) / step);
    return true;
}

/* Walks the grid; at point i: true and false positives so far. */
typedef struct cursor {
    const tt_order *o;
    bool low_is_member;
    size_t at; /* ties passed, in rising order of the script's score */
    uint64_t tp, fp;
} cursor;

static void advance(cursor *c, double threshold)
{
    for (; c->at < c->o->n; c->at++) {
        const tt_tie *t = &c->o->ties[c->low_is_member ? c->o->n - 1 - c->at : c->at];
        if ((c->low_is_member ? t->score : -t->score) > threshold) break;
        c->tp += t->members;
        c->fp += t->nonmembers;
    }
}

double tt_grid_auc(size_t n, const double *scores, const uint8_t *member, bool low_is_member)
{
    tt_order o;
    if (tt_order_make(n, scores, member, &o, NULL) != TT_OK) return NAN;
    grid g;
    double area = 0, x0 = 0, y0 = 0;
    if (make_grid(&o, low_is_member, &g)) {
        cursor c = {.o = &o, .low_is_member = low_is_member};
        for (size_t i = 0; i < g.n; i++) {
            advance(&c, g.start + (double)i * g.step);
            double x = (double)c.fp / (double)o.nonmembers, y = (double)c.tp / (double)o.members;
            if (i > 0) area += (x - x0) * (y + y0) / 2;
            x0 = x;
            y0 = y;
        }
    }
    tt_order_free(&o);
    return area;
}

double tt_grid_best_accuracy(size_t n, const double *scores, const uint8_t *member, bool low_is_member,
                             double *threshold)
{
    tt_order o;
    if (tt_order_make(n, scores, member, &o, NULL) != TT_OK) return NAN;
    grid g;
    double best = 0;
    *threshold = NAN;
    if (make_grid(&o, low_is_member, &g)) {
        cursor c = {.o = &o, .low_is_member = low_is_member};
        for (size_t i = 0; i < g.n; i++) {
            double t = g.start + (double)i * g.step;
            advance(&c, t);
            double accuracy = (double)(c.tp + o.nonmembers - c.fp) / (double)n;
            if (accuracy > best) {
                best = accuracy;
                *threshold = low_is_member ? t : -t;
            }
        }
    }
    tt_order_free(&o);
    return best;
}
