/* Words of a caption and what they weigh, for attacks that take words away. Inline, since a plugin links
 * nothing. */
#ifndef TT_ATTACKS_WORDS_H
#define TT_ATTACKS_WORDS_H

#include "telltale/plugin.h"

#include <math.h>
#include <string.h>

/* The words of a caption, cut at white space. */
typedef struct words {
    const tt_host *host;
    char *text;         /* the caption, its spaces turned to ends */
    const char **words; /* [n], into text */
    double *weights;    /* [n], all 0 at first */
    size_t n;
} words;

static inline bool words_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline void words_free(words *w)
{
    if (!w->host) return;
    w->host->free(w->text);
    w->host->free(w->words);
    w->host->free(w->weights);
    *w = (words){0};
}

/* words_free in any case. A caption of spaces alone is an error. */
static inline tt_status words_split(const tt_host *host, const char *caption, words *w, tt_error *err)
{
    size_t size = strlen(caption);
    *w = (words){.host = host, .text = host->alloc(size + 1)};
    w->words = host->alloc((size / 2 + 1) * sizeof(char *));
    w->weights = host->alloc((size / 2 + 1) * sizeof *w->weights);
    if (!w->text || !w->words || !w->weights) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    memcpy(w->text, caption, size);
    for (size_t i = 0; i < size; i++) {
        if (words_space(w->text[i]))
            w->text[i] = '\0';
        else if (i == 0 || w->text[i - 1] == '\0')
            w->words[w->n++] = w->text + i;
    }
    return w->n ? TT_OK
                : host->fail(
                      err, TT_ERR_INVALID,
                      "a caption of spaces alone has no words: give it a text, or choose a reduction that "
                      "needs none");
}

/* Words [begin, end) but number `out` (none is left out when it is end or beyond), a piece each; pieces has
 * room for all. */
static inline tt_text words_text(const words *w, size_t begin, size_t end, size_t out, tt_text_piece *pieces)
{
    uint32_t n = 0;
    for (size_t i = begin; i < end; i++)
        if (i != out) pieces[n++] = (tt_text_piece){w->words[i], 0};
    return (tt_text){pieces, n};
}

/* ---- leave one out ---- */

static inline double words_distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        double d = (double)a[k] - (double)b[k];
        sum += d * d;
    }
    return sqrt(sum);
}

static inline tt_status words_compare(tt_model *model, words *w, const tt_handle *conditions, tt_error *err)
{
    size_t size = (size_t)model->info.text_tokens * model->info.text_width;
    float *whole = w->host->alloc(size * sizeof *whole), *less = w->host->alloc(size * sizeof *less);
    tt_status s = whole && less ? TT_OK : w->host->fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = model->get(model, conditions[w->n], whole, size, err);
    for (size_t i = 0; i < w->n && !s; i++) {
        s = model->get(model, conditions[i], less, size, err);
        if (!s) w->weights[i] = words_distance(whole, less, size);
    }
    w->host->free(whole);
    w->host->free(less);
    return s;
}

/* A word weighs as far as the embedding of the caption is from that without it, by the model's own text
 * encoder. Texts are no queries. */
static inline tt_status words_leave_one_out(tt_model *model, words *w, tt_error *err)
{
    size_t n = w->n + 1;
    tt_text *texts = w->host->alloc(n * sizeof *texts);
    tt_text_piece *pieces = w->host->alloc(n * n * sizeof *pieces);
    tt_handle *conditions = w->host->alloc(n * sizeof *conditions);
    tt_status s = texts && pieces && conditions ? TT_OK : w->host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n && !s; i++)
        texts[i] = words_text(w, 0, w->n, i, pieces + i * n);
    if (!s) s = model->text(model, (uint32_t)n, texts, conditions, err);
    if (!s) s = words_compare(model, w, conditions, err);
    if (!s) s = model->release(model, (uint32_t)n, conditions, err);
    w->host->free(texts);
    w->host->free(pieces);
    w->host->free(conditions);
    return s;
}

/* ---- attention maps ---- */

/* Adds to each word the mean over its tokens of their maps' sums. A word behind the last token weighs
 * nothing. */
static inline void words_add_maps(words *w, const uint32_t *first, const float *maps, size_t plane)
{
    for (size_t i = 0; i < w->n; i++) {
        double sum = 0;
        for (size_t k = first[i] * plane; k < first[i + 1] * plane; k++)
            sum += (double)maps[k];
        if (first[i + 1] > first[i]) w->weights[i] += sum / (first[i + 1] - first[i]);
    }
}

/* A word weighs what the model attends to it in n evaluations whose maps are given (tt_model.attend). */
static inline tt_status words_from_maps(tt_model *model, words *w, size_t n, const tt_handle *maps,
                                        tt_error *err)
{
    const tt_model_info *info = &model->info;
    size_t plane = (size_t)info->latent_height * info->latent_width, size = plane * info->text_tokens;
    tt_text_piece *pieces = w->host->alloc(w->n * sizeof *pieces);
    uint32_t *first = w->host->alloc((w->n + 1) * sizeof *first);
    float *values = w->host->alloc(size * sizeof *values);
    tt_status s = TT_OK;
    if (!pieces || !first || !values) s = w->host->fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) {
        tt_text text = words_text(w, 0, w->n, w->n, pieces);
        s = model->spans(model, &text, first, err);
    }
    for (size_t k = 0; k < n && !s; k++) {
        s = model->get(model, maps[k], values, size, err);
        if (!s) words_add_maps(w, first, values, plane);
    }
    w->host->free(pieces);
    w->host->free(first);
    w->host->free(values);
    return s;
}

#endif
