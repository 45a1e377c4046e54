/* Importance clipping (2.6.2): words that weigh most give way to the end token. The weights are the change of
 * the text encoder's embedding when a word is left out, or equal for all words (a control: everything is
 * cut). */
#include "clid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void clid_words_free(clid_words *w)
{
    clid_host->free(w->text);
    clid_host->free(w->words);
    clid_host->free(w->weights);
    *w = (clid_words){0};
}

tt_status clid_words_split(const char *caption, clid_words *w, tt_error *err)
{
    size_t size = strlen(caption);
    *w = (clid_words){.text = clid_host->alloc(size + 1)};
    w->words = clid_host->alloc((size / 2 + 1) * sizeof(char *));
    w->weights = clid_host->alloc((size / 2 + 1) * sizeof *w->weights);
    if (!w->text || !w->words || !w->weights) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    memcpy(w->text, caption, size);
    for (size_t i = 0; i < size; i++) {
        if (is_space(w->text[i]))
            w->text[i] = '\0';
        else if (i == 0 || w->text[i - 1] == '\0')
            w->words[w->n++] = w->text + i;
    }
    return w->n ? TT_OK
                : clid_host->fail(err, TT_ERR_INVALID,
                                  "a caption of spaces alone has no words: give it a text, or choose "
                                  "reduction: clipping");
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* the weight at place (int)(r·n − 0.01) from the top: words that weigh as much or more are cut */
static tt_status threshold(const clid_words *w, double rate, double *out, tt_error *err)
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

tt_status clid_words_cut(const clid_words *w, double rate, int32_t end_token, tt_text_piece **pieces,
                         tt_error *err)
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

/* ---- leave one out ---- */

/* All words but number `out` (none is left out when it is n), one piece a word */
static void fill_text(const clid_words *w, size_t out, tt_text_piece *pieces, tt_text *text)
{
    uint32_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        if (i != out) pieces[n++] = (tt_text_piece){w->words[i], 0};
    *text = (tt_text){pieces, n};
}

static tt_status weigh(tt_model *model, clid_words *w, const tt_handle *conditions, tt_error *err)
{
    size_t size = (size_t)model->info.text_tokens * model->info.text_width;
    float *whole = clid_host->alloc(size * sizeof *whole), *less = clid_host->alloc(size * sizeof *less);
    tt_status s = whole && less ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = model->get(model, conditions[w->n], whole, size, err);
    for (size_t i = 0; i < w->n && !s; i++) {
        double sum = 0;
        s = model->get(model, conditions[i], less, size, err);
        for (size_t k = 0; k < size && !s; k++) {
            double d = (double)whole[k] - (double)less[k];
            sum += d * d;
        }
        w->weights[i] = sqrt(sum);
    }
    clid_host->free(whole);
    clid_host->free(less);
    return s;
}

tt_status clid_words_leave_one_out(tt_model *model, clid_words *w, tt_error *err)
{
    size_t n = w->n + 1;
    tt_text *texts = clid_host->alloc(n * sizeof *texts);
    tt_text_piece *pieces = clid_host->alloc(n * n * sizeof *pieces);
    tt_handle *conditions = clid_host->alloc(n * sizeof *conditions);
    tt_status s =
        texts && pieces && conditions ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n && !s; i++)
        fill_text(w, i, pieces + i * n, &texts[i]);
    if (!s) s = model->text(model, (uint32_t)n, texts, conditions, err);
    if (!s) s = weigh(model, w, conditions, err);
    if (!s) s = model->release(model, (uint32_t)n, conditions, err);
    clid_host->free(texts);
    clid_host->free(pieces);
    clid_host->free(conditions);
    return s;
}
