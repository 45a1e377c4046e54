/* CLiD-th (2.6.3): robust scaling of L and of b = −mean D, a mixture by α, both fitted on calibration rows.
 */
#include "clid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct th_state {
    char letter[4]; /* "TH1" */
    uint32_t reserved;
    double median[2], iqr[2], alpha;
} th_state;

static bool has_feature(const clid *a, int which)
{
    return which ? a->n_d != 0 : a->n_l != 0;
}

/* feature 0: L; feature 1: −mean of the D columns */
static double feature(const clid *a, const tt_rows *rows, size_t i, int which)
{
    const double *row = rows->values + i * rows->n_columns;
    size_t first = a->n_l ? 1 : 0;
    if (which == 0) return row[0];
    double sum = 0;
    for (size_t k = first; k < rows->n_columns; k++)
        sum += row[k];
    return -sum / (double)(rows->n_columns - first);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* percentile by linear interpolation between the order statistics */
static double percentile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

/* A feature that is not measured scales by 1 and weighs nothing, for alpha is 0 or 1 then. */
static tt_status fit_scaler(const clid *a, const tt_rows *rows, th_state *s, tt_error *err)
{
    double *v = clid_host->alloc(rows->n * sizeof *v);
    if (!v) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    tt_status status = TT_OK;
    for (int f = 0; f < 2 && !status; f++) {
        s->iqr[f] = 1;
        if (!has_feature(a, f)) continue;
        for (size_t i = 0; i < rows->n; i++)
            v[i] = feature(a, rows, i, f);
        qsort(v, rows->n, sizeof *v, compare);
        s->median[f] = percentile(v, rows->n, 0.5);
        s->iqr[f] = percentile(v, rows->n, 0.75) - percentile(v, rows->n, 0.25);
        if (!(s->iqr[f] > 0))
            status = clid_host->fail(
                err, TT_ERR_INVALID,
                "the middle half of the calibration rows has one value of %s: no scale can be "
                "fitted; use more samples",
                f ? "D" : "L");
    }
    clid_host->free(v);
    return status;
}

static double mixture(const clid *a, const th_state *s, const tt_rows *rows, size_t i, double alpha)
{
    double sum = 0;
    for (int f = 0; f < 2; f++)
        if (has_feature(a, f))
            sum += (f ? alpha : 1 - alpha) * ((feature(a, rows, i, f) - s->median[f]) / s->iqr[f]);
    return sum; /* low = member */
}

/* the first of 0, 0.1, …, 1 with the strictly largest grid AUC */
static tt_status fit_alpha(const clid *a, const tt_rows *rows, const uint8_t *member, th_state *s,
                           tt_error *err)
{
    double *scores = clid_host->alloc(rows->n * sizeof *scores), best = -1;
    if (!scores) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (int step = 0; step <= 10; step++) {
        double alpha = step / 10.0;
        for (size_t i = 0; i < rows->n; i++)
            scores[i] = mixture(a, s, rows, i, alpha);
        double auc = clid_host->grid_auc(rows->n, scores, member, true);
        if (auc > best) {
            best = auc;
            s->alpha = alpha;
        }
    }
    clid_host->free(scores);
    return TT_OK;
}

tt_status clid_th_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                      size_t *size, tt_error *err)
{
    th_state s = {.letter = "TH1", .alpha = a->alpha};
    tt_status status = fit_scaler(a, rows, &s, err);
    if (!status && !a->fixed_alpha) status = fit_alpha(a, rows, member, &s, err);
    if (status) return status;
    *state = clid_host->alloc(sizeof s);
    if (!*state) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    memcpy(*state, &s, sizeof s);
    *size = sizeof s;
    return TT_OK;
}

static tt_status read_state(const uint8_t *state, size_t size, th_state *s, tt_error *err)
{
    if (size != sizeof *s)
        return clid_host->fail(err, TT_ERR_FORMAT, "a fitted state of another attack or version");
    memcpy(s, state, sizeof *s);
    if (memcmp(s->letter, "TH1", 4) != 0 || !isfinite(s->median[0]) || !isfinite(s->median[1]) ||
        !(s->iqr[0] > 0 && isfinite(s->iqr[0])) || !(s->iqr[1] > 0 && isfinite(s->iqr[1])) ||
        !(s->alpha >= 0 && s->alpha <= 1))
        return clid_host->fail(err, TT_ERR_FORMAT, "a fitted state of another attack or version");
    return TT_OK;
}

tt_status clid_th_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size, double *scores,
                        tt_error *err)
{
    th_state s = {.alpha = a->alpha};
    tt_status status = TT_OK;
    if (state)
        status = read_state(state, size, &s, err);
    else if (a->scaler) /* calibration: none, with a scale from the spec */
        for (int f = 0; f < 2; f++) {
            s.median[f] = a->scaler[2 * f];
            s.iqr[f] = a->scaler[2 * f + 1];
        }
    else /* calibration: none: the scale of the scored rows themselves, which needs no label */
        status = fit_scaler(a, rows, &s, err);
    for (size_t i = 0; i < rows->n && !status; i++)
        scores[i] = -mixture(a, &s, rows, i, s.alpha);
    return status;
}

tt_status clid_th_explain(const clid *a, const uint8_t *state, size_t size, char *text, size_t text_size,
                          tt_error *err)
{
    static const char *const names[2] = {"L", "-D"};
    th_state s;
    tt_status status = read_state(state, size, &s, err);
    int at = status ? 0 : snprintf(text, text_size, "alpha %.6g", s.alpha);
    for (int f = 0; f < 2 && !status; f++)
        if (has_feature(a, f) && at >= 0 && (size_t)at < text_size)
            at += snprintf(text + at, text_size - (size_t)at, "; %s: median %.6g, IQR %.6g", names[f],
                           s.median[f], s.iqr[f]);
    return status;
}
