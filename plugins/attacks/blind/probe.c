#include "probe.h"

#include <math.h>
#include <string.h>

/* Newton's steps end when none moves a weight by more; the penalty makes the minimum unique. */
#define CONVERGED 1e-10
#define STEPS_MAX 100

typedef struct newton {
    size_t n, d; /* rows; weights with the intercept, which is the last */
    double *z;   /* [n][d], last column 1 */
    double *w, *gradient, *hessian;
} newton;

static void standardise(const tt_rows *rows, double *probe, double *z)
{
    size_t n = rows->n, c = rows->n_columns;
    for (size_t k = 0; k < c; k++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < n; i++)
            mean += rows->values[i * c + k] / (double)n;
        for (size_t i = 0; i < n; i++) {
            double d = rows->values[i * c + k] - mean;
            squares += d * d / (double)n;
        }
        double deviation = sqrt(squares);
        /* what differs by rounding alone does not vary */
        if (deviation <= 1e-12 * (fabs(mean) + 1e-300)) deviation = 0;
        probe[k] = mean;
        probe[c + k] = deviation;
        for (size_t i = 0; i < n; i++)
            z[i * (c + 1) + k] = deviation > 0 ? (rows->values[i * c + k] - mean) / deviation : 0;
    }
    for (size_t i = 0; i < n; i++)
        z[i * (c + 1) + c] = 1;
}

static double loss(const newton *x, const uint8_t *member, const double *w, double ridge)
{
    double sum = 0;
    for (size_t i = 0; i < x->n; i++) {
        double m = 0;
        for (size_t k = 0; k < x->d; k++)
            m += w[k] * x->z[i * x->d + k];
        if (!member[i]) m = -m;
        sum += m > 0 ? log1p(exp(-m)) : -m + log1p(exp(m));
    }
    for (size_t k = 0; k + 1 < x->d; k++)
        sum += 0.5 * ridge * w[k] * w[k];
    return sum;
}

static void derivatives(newton *x, const uint8_t *member, double ridge)
{
    size_t d = x->d;
    memset(x->gradient, 0, d * sizeof *x->gradient);
    memset(x->hessian, 0, d * d * sizeof *x->hessian);
    for (size_t i = 0; i < x->n; i++) {
        const double *z = x->z + i * d;
        double m = 0;
        for (size_t k = 0; k < d; k++)
            m += x->w[k] * z[k];
        double p = 1 / (1 + exp(-m)), weight = p * (1 - p);
        for (size_t k = 0; k < d; k++) {
            x->gradient[k] += (p - member[i]) * z[k];
            for (size_t l = 0; l <= k; l++)
                x->hessian[k * d + l] += weight * z[k] * z[l];
        }
    }
    for (size_t k = 0; k + 1 < d; k++) {
        x->gradient[k] += ridge * x->w[k];
        x->hessian[k * d + k] += ridge;
    }
    x->hessian[d * d - 1] += 1e-12; /* all rows saturated: the intercept alone has no penalty */
}

/* Solves H s = g by Cholesky, H's lower triangle overwritten, g by s. false: not positive definite. */
static bool solve(double *h, double *g, size_t d)
{
    for (size_t k = 0; k < d; k++) {
        for (size_t l = 0; l <= k; l++) {
            double sum = h[k * d + l];
            for (size_t j = 0; j < l; j++)
                sum -= h[k * d + j] * h[l * d + j];
            if (l < k)
                h[k * d + l] = sum / h[l * d + l];
            else if (sum > 0)
                h[k * d + k] = sqrt(sum);
            else
                return false;
        }
        for (size_t j = 0; j < k; j++)
            g[k] -= h[k * d + j] * g[j];
        g[k] /= h[k * d + k];
    }
    for (size_t k = d; k-- > 0;) {
        for (size_t j = k + 1; j < d; j++)
            g[k] -= h[j * d + k] * g[j];
        g[k] /= h[k * d + k];
    }
    return true;
}

/* Whole steps, halved while they do not lower the loss. */
static tt_status descend(const tt_host *host, newton *x, const uint8_t *member, double ridge, double *trial,
                         tt_error *err)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        derivatives(x, member, ridge);
        if (!solve(x->hessian, x->gradient, x->d))
            return host->fail(err, TT_ERR_INVALID, "the probe's fit is singular: raise `ridge`");
        double now = loss(x, member, x->w, ridge), moved = 0;
        double share = 1;
        for (int halving = 0; halving < 40; halving++, share /= 2) {
            for (size_t k = 0; k < x->d; k++)
                trial[k] = x->w[k] - share * x->gradient[k];
            if (loss(x, member, trial, ridge) <= now) break;
        }
        for (size_t k = 0; k < x->d; k++) {
            double d = fabs(trial[k] - x->w[k]);
            if (d > moved) moved = d;
        }
        memcpy(x->w, trial, x->d * sizeof *trial);
        if (moved < CONVERGED) break;
    }
    return TT_OK;
}

tt_status probe_fit(const tt_host *host, const tt_rows *rows, const uint8_t *member, double ridge,
                    double *probe, tt_error *err)
{
    size_t d = rows->n_columns + 1;
    newton x = {.n = rows->n, .d = d};
    double *work = host->alloc((rows->n * d + 3 * d + d * d) * sizeof *work);
    if (!work) return host->fail(err, TT_ERR_MEMORY, "out of memory for the probe");
    x.z = work;
    x.w = x.z + rows->n * d;
    x.gradient = x.w + d;
    double *trial = x.gradient + d;
    x.hessian = trial + d;
    standardise(rows, probe, x.z);
    tt_status s = descend(host, &x, member, ridge, trial, err);
    memcpy(probe + 2 * rows->n_columns, x.w, d * sizeof *x.w);
    host->free(work);
    return s;
}

double probe_score(const double *probe, size_t c, const double *row)
{
    double sum = probe[3 * c];
    for (size_t k = 0; k < c; k++)
        if (probe[c + k] > 0) sum += probe[2 * c + k] * (row[k] - probe[k]) / probe[c + k];
    return sum;
}
