/* Captions only: can members be told from non-members by the words of their captions, without image or model?
 * A control: multinomial naive Bayes on the counts of words. */
#include "telltale/plugin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tt_host *host;

#define WORDS_MAX 512

typedef struct captions {
    double smoothing;
    uint32_t n_words; /* columns */
    char (*names)[16];
    const char **columns;
} captions;

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static void destroy(void *attack)
{
    captions *a = attack;
    if (!a) return;
    host->free(a->names);
    host->free(a->columns);
    host->free(a);
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    captions *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->smoothing = host->param_float(params, "smoothing");
    a->n_words = (uint32_t)host->param_int(params, "words");
    a->names = host->alloc(a->n_words * sizeof *a->names);
    a->columns = host->alloc(a->n_words * sizeof *a->columns);
    if (!a->names || !a->columns) {
        destroy(a);
        return host->fail(err, TT_ERR_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < a->n_words; i++) {
        snprintf(a->names[i], sizeof a->names[i], "word_%u", i);
        a->columns[i] = a->names[i];
    }
    *attack = a;
    return TT_OK;
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    const captions *a = attack;
    (void)err;
    p->needs_captions = true;
    p->can_fit = true;
    p->n_columns = a->n_words;
    p->columns = a->columns;
    return TT_OK;
}

/* ---- words as numbers ---- */

/* A word is letters and digits (and any byte above ASCII), ASCII letters lowered; its number is 52 bits of
 * FNV-1a, exact in a double, and never 0. */
static const char *next_word(const char *p, double *number)
{
    uint64_t hash = 0xcbf29ce484222325u;
    size_t n = 0;
    for (; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool upper = c >= 'A' && c <= 'Z';
        if (!upper && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c < 0x80) {
            if (n) break;
            continue;
        }
        hash = (hash ^ (upper ? (unsigned)(c - 'A' + 'a') : c)) * 0x100000001b3u;
        n++;
    }
    *number = n ? (double)((hash ^ hash >> 52) % ((1ull << 52) - 1) + 1) : 0;
    return p;
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const captions *a = attack;
    (void)context;
    for (uint32_t i = 0; i < n; i++) {
        const char *p = samples[i].caption;
        if (!p) return host->fail(err, TT_ERR_INVALID, "a sample has no caption: this control reads them");
        for (uint32_t k = 0; k < a->n_words; k++)
            p = next_word(p, &rows[(size_t)i * a->n_words + k]);
    }
    return TT_OK;
}

/* ---- naive Bayes ---- */

/* The state: number of words, prior, then (word, score) by rising word. The score of
 * a word is log P(word | member) − log P(word | non-member), P = (count + a)/(all + a·vocabulary). A word
 * that was never seen says nothing of either class: 0. */
typedef struct entry {
    double word, count[2];
} entry;

static int by_word(const void *a, const void *b)
{
    double x = ((const entry *)a)->word, y = ((const entry *)b)->word;
    return (x > y) - (x < y);
}

static tt_status fit(void *attack, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                     size_t *state_size, tt_error *err)
{
    const captions *a = attack;
    size_t most = rows->n * rows->n_columns, n = 0, vocabulary = 0;
    entry *list = host->alloc(most * sizeof *list);
    if (!list) return host->fail(err, TT_ERR_MEMORY, "out of memory for %zu words", most);
    double total[2] = {0, 0}, documents[2] = {0, 0};
    for (size_t i = 0; i < rows->n; i++) {
        documents[member[i]]++;
        for (size_t k = 0; k < rows->n_columns; k++) {
            double word = rows->values[i * rows->n_columns + k];
            if (word == 0) continue;
            list[n] = (entry){.word = word};
            list[n++].count[member[i]] = 1;
            total[member[i]]++;
        }
    }
    qsort(list, n, sizeof *list, by_word);
    for (size_t i = 0; i < n; i++) {
        if (vocabulary && list[vocabulary - 1].word == list[i].word) {
            list[vocabulary - 1].count[0] += list[i].count[0];
            list[vocabulary - 1].count[1] += list[i].count[1];
        } else {
            list[vocabulary++] = list[i];
        }
    }
    double *out = host->alloc((2 + 2 * vocabulary) * sizeof *out);
    if (!out) {
        host->free(list);
        return host->fail(err, TT_ERR_MEMORY, "out of memory for %zu words", vocabulary);
    }
    double v = (double)vocabulary, s = a->smoothing;
    out[0] = v;
    out[1] = documents[0] > 0 && documents[1] > 0 ? log(documents[1] / documents[0]) : 0;
    for (size_t i = 0; i < vocabulary; i++) {
        out[2 + 2 * i] = list[i].word;
        out[3 + 2 * i] = log((list[i].count[1] + s) / (total[1] + s * v)) -
                         log((list[i].count[0] + s) / (total[0] + s * v));
    }
    host->free(list);
    *state = (uint8_t *)out;
    *state_size = (2 + 2 * vocabulary) * sizeof *out;
    return TT_OK;
}

static double double_at(const uint8_t *state, size_t i)
{
    double v;
    memcpy(&v, state + i * sizeof v, sizeof v);
    return v;
}

static double score_of(const uint8_t *state, size_t n, double word)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        double at = double_at(state, 2 + 2 * middle);
        if (at == word) return double_at(state, 3 + 2 * middle);
        if (at < word)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t state_size,
                       double *scores, tt_error *err)
{
    (void)attack;
    if (!state)
        return host->fail(err, TT_ERR_INVALID,
                          "captions_only has nothing to go by unless it is fitted: say calibration: cross, "
                          "split or shadow");
    size_t n = state_size / sizeof(double) / 2 - 1;
    if (state_size % (2 * sizeof(double)) || state_size == 0 || double_at(state, 0) != (double)n)
        return host->fail(err, TT_ERR_FORMAT, "a vocabulary of %zu bytes: is cut short", state_size);
    for (size_t i = 0; i < rows->n; i++) {
        scores[i] = double_at(state, 1);
        for (size_t k = 0; k < rows->n_columns; k++) {
            double word = rows->values[i * rows->n_columns + k];
            if (word != 0) scores[i] += score_of(state, n, word);
        }
    }
    return TT_OK;
}

static const tt_param params[] = {
    {"smoothing", TT_PARAM_FLOAT, "1", 1e-6, 1e6, NULL, "added to every word's count (Laplace)",
     TT_PARAM_SCORE},
    {"words", TT_PARAM_INT, "96", 1, WORDS_MAX, NULL, "words of a caption that count, from the first on", 0},
};

static const tt_plugin_info captions_info = {
    .size = sizeof captions_info,
    .kind = TT_KIND_ATTACK,
    .name = "captions_only",
    .revision = 1,
    .version = "1",
    .summary = "control: naive Bayes on the words of captions, without image or model",
    .params = params,
    .n_params = sizeof params / sizeof *params,
};

static const tt_attack_plugin table = {.size = sizeof table,
                                       .create = create,
                                       .destroy = destroy,
                                       .plan = plan,
                                       .measure = measure,
                                       .fit = fit,
                                       .score = score};

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &captions_info : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_ATTACK && strcmp(name, "captions_only") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get};
