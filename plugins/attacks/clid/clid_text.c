#include "clid.h"

#include <stdlib.h>

/* bytes of the first n code points; the caption is valid UTF-8 */
static size_t offset_of(const char *text, size_t n)
{
    size_t at = 0;
    for (; n > 0 && text[at]; n--)
        do
            at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

tt_status clid_clip(const char *caption, size_t n, char **out, tt_error *err)
{
    size_t points = 0;
    for (const char *p = caption; *p; p++)
        points += ((unsigned char)*p & 0xc0) != 0x80;
    for (size_t k = 0; k < n; k++) {
        size_t begin = offset_of(caption, k * points / n), end = offset_of(caption, (k + 1) * points / n);
        out[k] = clid_host->alloc(end - begin + 1);
        if (!out[k]) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
        memcpy(out[k], caption + begin, end - begin);
    }
    return TT_OK;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* the weight at place (int)(r·n − 0.01) from the top: words that weigh as much or more are cut */
static tt_status threshold(const words *w, double rate, double *out, tt_error *err)
{
    double *sorted = clid_host->alloc(w->n * sizeof *sorted);
    if (!sorted) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    memcpy(sorted, w->weights, w->n * sizeof *sorted);
    qsort(sorted, w->n, sizeof *sorted, falling);
    double place = rate * (double)w->n - 0.01;
    *out = sorted[place > 0 ? (size_t)place : 0];
    clid_host->free(sorted);
    return TT_OK;
}

tt_status clid_cut(const words *w, double rate, int32_t end_token, tt_text_piece **pieces, tt_error *err)
{
    double least = 0;
    tt_status s = threshold(w, rate, &least, err);
    if (s) return s;
    tt_text_piece *p = clid_host->alloc(w->n * sizeof *p);
    if (!p) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < w->n; i++)
        p[i] = w->weights[i] >= least ? (tt_text_piece){NULL, end_token} : (tt_text_piece){w->words[i], 0};
    *pieces = p;
    return TT_OK;
}
