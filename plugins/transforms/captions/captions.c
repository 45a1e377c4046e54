/* Transforms of captions, the defences of the CLiD paper's Table 5 (grey-box specification 5): rephrase,
 * delete_words, shuffle_captions. */
#include "base/mem.h"
#include "base/rng.h"
#include "formats/csv.h"
#include "telltale/plugin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const tt_host *host;

static void plain_destroy(void *transform)
{
    host->free(transform);
}

/* ---- rephrase: captions that a file rewrites ---- */

typedef struct phrase {
    const char *original, *rephrased;
} phrase;

typedef struct rephrase {
    tt_csv csv;
    phrase *phrases; /* sorted by original */
    bool keep;
} rephrase;

static const tt_param rephrase_params[] = {
    {"file", TT_PARAM_PATH, NULL, 0, 0, NULL, "CSV with columns original and rephrased", TT_PARAM_REQUIRED},
    {"missing", TT_PARAM_CHOICE, "refuse", 0, 0, "refuse|keep",
     "a caption that the file does not have: an error, or kept as it is", 0},
};

static void rephrase_destroy(void *transform)
{
    rephrase *r = transform;
    tt_csv_free(&r->csv);
    tt_free(r->phrases);
    host->free(r);
}

static int by_original(const void *a, const void *b)
{
    return strcmp(((const phrase *)a)->original, ((const phrase *)b)->original);
}

static tt_status read_phrases(rephrase *r, const char *path, tt_error *err)
{
    tt_status s = tt_csv_read(path, &r->csv, err);
    if (s) return s;
    size_t from = tt_csv_column(&r->csv, "original"), to = tt_csv_column(&r->csv, "rephrased");
    if (from == SIZE_MAX || to == SIZE_MAX)
        return host->fail(err, TT_ERR_FORMAT, "%s:1: the columns `original` and `rephrased` must be there",
                          path);
    r->phrases = tt_alloc_array(r->csv.n_rows + 1, sizeof *r->phrases);
    if (!r->phrases) return host->fail(err, TT_ERR_MEMORY, "out of memory for rephrased captions");
    for (size_t i = 0; i < r->csv.n_rows; i++)
        r->phrases[i] =
            (phrase){r->csv.cells[i * r->csv.n_columns + from], r->csv.cells[i * r->csv.n_columns + to]};
    qsort(r->phrases, r->csv.n_rows, sizeof *r->phrases, by_original);
    for (size_t i = 1; i < r->csv.n_rows; i++)
        if (by_original(&r->phrases[i - 1], &r->phrases[i]) == 0 &&
            strcmp(r->phrases[i - 1].rephrased, r->phrases[i].rephrased) != 0)
            return host->fail(err, TT_ERR_INVALID, "%s: \"%.200s\" is rephrased in two ways", path,
                              r->phrases[i].original);
    return TT_OK;
}

static tt_status rephrase_create(const tt_params *p, void **transform, tt_error *err)
{
    rephrase *r = host->alloc(sizeof *r);
    if (!r) return host->fail(err, TT_ERR_MEMORY, "out of memory for rephrased captions");
    r->keep = strcmp(host->param_string(p, "missing"), "keep") == 0;
    tt_status s = read_phrases(r, host->param_string(p, "file"), err);
    if (s) {
        rephrase_destroy(r);
        return s;
    }
    *transform = r;
    return TT_OK;
}

static tt_status copy_text(const char *text, size_t size, char **out, tt_error *err)
{
    *out = host->alloc(size + 1);
    if (!*out) return host->fail(err, TT_ERR_MEMORY, "out of memory for a caption");
    memcpy(*out, text, size);
    return TT_OK;
}

static tt_status rephrase_caption(void *transform, uint64_t seed, const char *in, char **out, tt_error *err)
{
    (void)seed; /* the file decides */
    const rephrase *r = transform;
    phrase key = {.original = in};
    const phrase *found = bsearch(&key, r->phrases, r->csv.n_rows, sizeof key, by_original);
    if (!found && !r->keep)
        return host->fail(err, TT_ERR_NOT_FOUND,
                          "rephrase: the file has no row for the caption \"%.200s\"; add it, or say "
                          "missing: keep",
                          in);
    const char *text = found ? found->rephrased : in;
    return copy_text(text, strlen(text), out, err);
}

/* ---- delete_words ---- */

typedef struct delete_words {
    double share;
} delete_words;

static const tt_param delete_words_params[] = {
    {"share", TT_PARAM_FLOAT, "0.1", 0, 1, NULL,
     "of a caption's words, the number rounded (halves to even); the last word is never deleted", 0},
};

static tt_status delete_words_create(const tt_params *p, void **transform, tt_error *err)
{
    delete_words *d = host->alloc(sizeof *d);
    if (!d) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    d->share = host->param_float(p, "share");
    *transform = d;
    return TT_OK;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word at or behind *at; its size, 0 at the end. */
static size_t next_word(const char *text, size_t *at)
{
    while (is_space(text[*at]))
        ++*at;
    size_t n = 0;
    while (text[*at + n] && !is_space(text[*at + n]))
        n++;
    return n;
}

static uint64_t count_words(const char *text)
{
    uint64_t n = 0;
    for (size_t at = 0, size; (size = next_word(text, &at)) > 0; at += size)
        n++;
    return n;
}

static tt_status delete_words_caption(void *transform, uint64_t seed, const char *in, char **out,
                                      tt_error *err)
{
    const delete_words *d = transform;
    uint64_t n = count_words(in), cut = (uint64_t)nearbyint(d->share * (double)n);
    if (n > 0 && cut >= n) cut = n - 1;
    if (cut == 0) return copy_text(in, strlen(in), out, err);
    uint64_t *order = tt_alloc_array(n, sizeof *order);
    bool *gone = tt_alloc_zero(n * sizeof *gone);
    tt_buf text = {0};
    tt_status s = order && gone ? TT_OK : host->fail(err, TT_ERR_MEMORY, "out of memory for a caption");
    if (!s) {
        tt_stream_key key = tt_purpose_key(seed, "delete words", "");
        tt_keyed_permutation(&key, order, n);
        for (uint64_t i = 0; i < cut; i++)
            gone[order[i]] = true;
        uint64_t word = 0;
        for (size_t at = 0, size; (size = next_word(in, &at)) > 0; at += size, word++)
            if (!gone[word]) tt_buf_printf(&text, "%s%.*s", text.size ? " " : "", (int)size, in + at);
        s = text.failed ? host->fail(err, TT_ERR_MEMORY, "out of memory for a caption")
                        : copy_text(text.data, text.size, out, err);
    }
    tt_buf_free(&text);
    tt_free(order);
    tt_free(gone);
    return s;
}

/* ---- shuffle_captions ---- */

typedef struct shuffle_captions {
    double share;
} shuffle_captions;

static const tt_param shuffle_captions_params[] = {
    {"share", TT_PARAM_FLOAT, "0.5", 0, 1, NULL,
     "of a split's pairs of image and caption, the number rounded, that lose each other", 0},
};

static tt_status shuffle_captions_create(const tt_params *p, void **transform, tt_error *err)
{
    shuffle_captions *d = host->alloc(sizeof *d);
    if (!d) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    d->share = host->param_float(p, "share");
    *transform = d;
    return TT_OK;
}

/* A uniform permutation without fixed point: uniform ones until one has none, e of them on average. */
static void derange(uint64_t seed, uint64_t n, uint64_t *order)
{
    for (uint64_t attempt = 0;; attempt++) {
        tt_stream_key key = tt_purpose_key(seed + attempt, "derangement", "");
        tt_keyed_permutation(&key, order, n);
        uint64_t fixed = 0;
        while (fixed < n && order[fixed] != fixed)
            fixed++;
        if (fixed == n) return;
    }
}

static tt_status shuffle_captions_exchange(void *transform, uint64_t seed, uint64_t n, uint64_t *from,
                                           tt_error *err)
{
    const shuffle_captions *d = transform;
    uint64_t moved = (uint64_t)nearbyint(d->share * (double)n);
    if (moved < 2) return TT_OK;
    uint64_t *chosen = tt_alloc_array(n, sizeof *chosen), *order = tt_alloc_array(moved, sizeof *order);
    tt_status s = chosen && order ? TT_OK : host->fail(err, TT_ERR_MEMORY, "out of memory for a shuffle");
    if (!s) {
        tt_stream_key key = tt_purpose_key(seed, "shuffle captions", "");
        tt_keyed_permutation(&key, chosen, n); /* the first `moved` are those that lose their partners */
        derange(seed, moved, order);
        for (uint64_t i = 0; i < moved; i++)
            from[chosen[i]] = chosen[order[i]];
    }
    tt_free(chosen);
    tt_free(order);
    return s;
}

/* ---- the plugins ---- */

static const tt_plugin_info descriptions[] = {
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "rephrase",
     .revision = 1,
     .version = "0.1.0",
     .summary = "captions as a file rewrites them",
     .params = rephrase_params,
     .n_params = sizeof rephrase_params / sizeof rephrase_params[0],
     .reference = "Zhai et al., NeurIPS 2024 (arXiv 2405.14800), Table 5"},
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "delete_words",
     .revision = 1,
     .version = "0.1.0",
     .summary = "deletes a share of the words of every caption",
     .params = delete_words_params,
     .n_params = sizeof delete_words_params / sizeof delete_words_params[0],
     .reference = "Zhai et al., NeurIPS 2024 (arXiv 2405.14800), Table 5"},
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "shuffle_captions",
     .revision = 1,
     .version = "0.1.0",
     .summary = "exchanges the captions of a share of the images",
     .params = shuffle_captions_params,
     .n_params = sizeof shuffle_captions_params / sizeof shuffle_captions_params[0],
     .reference = "Zhai et al., NeurIPS 2024 (arXiv 2405.14800), Table 5"},
};

static const tt_transform_plugin rephrase_table = {.size = sizeof(tt_transform_plugin),
                                                   .create = rephrase_create,
                                                   .destroy = rephrase_destroy,
                                                   .caption = rephrase_caption};
static const tt_transform_plugin delete_words_table = {.size = sizeof(tt_transform_plugin),
                                                       .create = delete_words_create,
                                                       .destroy = plain_destroy,
                                                       .caption = delete_words_caption};
static const tt_transform_plugin shuffle_captions_table = {.size = sizeof(tt_transform_plugin),
                                                           .create = shuffle_captions_create,
                                                           .destroy = plain_destroy,
                                                           .exchange = shuffle_captions_exchange};

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static const tt_plugin_info *info(uint32_t index)
{
    return index < sizeof descriptions / sizeof descriptions[0] ? &descriptions[index] : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    if (kind != TT_KIND_TRANSFORM) return NULL;
    if (strcmp(name, "rephrase") == 0) return &rephrase_table;
    if (strcmp(name, "delete_words") == 0) return &delete_words_table;
    if (strcmp(name, "shuffle_captions") == 0) return &shuffle_captions_table;
    return NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
