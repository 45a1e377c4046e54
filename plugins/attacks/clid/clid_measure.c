/* CLiD's features of a batch. */
#include "clid.h"

/* Of sample i the texts are i·(K+1): the caption, then its reductions; the evaluations are all timesteps
 * under the caption, then D's timesteps under each reduction. */
typedef struct work {
    size_t n, per_sample, texts_per_sample;
    tt_encode *encodes;
    words *words; /* 1 a sample, where words are cut */
    void **parts; /* K a sample: strings and pieces that texts point to */
    tt_text_piece *pieces;
    tt_text *texts;
    tt_handle *latents, *conditions;
    tt_predict *requests;
    tt_prediction *results;
} work;

static tt_status alloc_work(const clid *a, uint32_t n, work *w, tt_error *err)
{
    *w = (work){
        .n = n, .per_sample = a->n_timesteps + a->n_reduced * a->n_d, .texts_per_sample = a->n_reduced + 1};
    size_t texts = n * w->texts_per_sample, evaluations = n * w->per_sample;
    w->encodes = clid_host->alloc(n * sizeof *w->encodes);
    w->words = clid_host->alloc(n * sizeof *w->words);
    w->parts = clid_host->alloc(texts * sizeof(void *));
    w->pieces = clid_host->alloc(texts * sizeof *w->pieces);
    w->texts = clid_host->alloc(texts * sizeof *w->texts);
    w->latents = clid_host->alloc(n * sizeof *w->latents);
    w->conditions = clid_host->alloc(texts * sizeof *w->conditions);
    w->requests = clid_host->alloc(evaluations * sizeof *w->requests);
    w->results = clid_host->alloc(evaluations * sizeof *w->results);
    return w->encodes && w->words && w->parts && w->pieces && w->texts && w->latents && w->conditions &&
                   w->requests && w->results
               ? TT_OK
               : clid_host->fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
}

static void free_work(work *w)
{
    for (size_t i = 0; w->parts && i < w->n * w->texts_per_sample; i++)
        clid_host->free(w->parts[i]);
    for (size_t i = 0; w->words && i < w->n; i++)
        words_free(&w->words[i]);
    clid_host->free(w->words);
    clid_host->free(w->parts);
    clid_host->free(w->encodes);
    clid_host->free(w->pieces);
    clid_host->free(w->texts);
    clid_host->free(w->latents);
    clid_host->free(w->conditions);
    clid_host->free(w->requests);
    clid_host->free(w->results);
}

/* ---- evaluations ---- */

static void fill_requests(const clid *a, work *w, size_t i, uint64_t sample)
{
    tt_predict *r = w->requests + i * w->per_sample;
    for (size_t text = 0; text < w->texts_per_sample; text++) {
        size_t first = text ? a->first_d : 0, n = text ? a->n_d : a->n_timesteps;
        for (size_t k = 0; k < n; k++) {
            int32_t t = a->timesteps[first + k];
            *r++ = (tt_predict){.latent = w->latents[i],
                                .condition = w->conditions[i * w->texts_per_sample + text],
                                .timestep = t,
                                .want = TT_WANT_LOSS,
                                .sample = sample,
                                .noise = {"eps", t, 0}, /* the same for every caption */
                                .alpha_bar_f32 = a->alpha_bar_f32};
        }
    }
}

/* Evaluations [begin, end) of each sample, in one call. maps: NULL, or room for a handle of each. */
static tt_status evaluate(work *w, tt_model *model, size_t begin, size_t end, tt_handle *maps, tt_error *err)
{
    size_t each = end - begin;
    tt_predict *requests = clid_host->alloc(w->n * each * sizeof *requests);
    tt_prediction *results = clid_host->alloc(w->n * each * sizeof *results);
    tt_status s = requests && results ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < w->n && !s; i++)
        memcpy(requests + i * each, w->requests + i * w->per_sample + begin, each * sizeof *requests);
    uint32_t n = (uint32_t)(w->n * each);
    if (!s && n)
        s = maps ? model->attend(model, n, requests, results, maps, err)
                 : model->predict(model, n, requests, results, err);
    for (size_t i = 0; i < w->n && !s; i++)
        memcpy(w->results + i * w->per_sample + begin, results + i * each, each * sizeof *results);
    clid_host->free(requests);
    clid_host->free(results);
    return s;
}

/* ---- captions ---- */

/* Words weighed by the target's attention in the very evaluations under the caption that L needs: no query is
 * added. */
static tt_status weigh_by_target(const clid *a, work *w, tt_model *model, const tt_sample *samples,
                                 tt_error *err)
{
    size_t each = a->n_timesteps;
    tt_handle *conditions = clid_host->alloc(w->n * sizeof *conditions);
    tt_handle *maps = clid_host->alloc(w->n * each * sizeof *maps);
    tt_text *texts = clid_host->alloc(w->n * sizeof *texts);
    tt_status s = conditions && maps && texts ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < w->n && !s; i++)
        texts[i] = w->texts[i * w->texts_per_sample];
    if (!s) s = model->text(model, (uint32_t)w->n, texts, conditions, err);
    for (size_t i = 0; i < w->n && !s; i++) {
        w->conditions[i * w->texts_per_sample] = conditions[i];
        fill_requests(a, w, i, samples[i].id);
    }
    if (!s) s = evaluate(w, model, 0, each, maps, err);
    for (size_t i = 0; i < w->n && !s; i++)
        s = words_from_maps(model, &w->words[i], each, maps + i * each, err);
    if (!s) s = model->release(model, (uint32_t)(w->n * each), maps, err);
    clid_host->free(conditions);
    clid_host->free(maps);
    clid_host->free(texts);
    return s;
}

/* Words weighed by a model of the attacker's own, in one call. */
static tt_status weigh_by_service(work *w, tt_service *service, tt_error *err)
{
    tt_text *texts = clid_host->alloc(w->n * sizeof *texts);
    double **weights = clid_host->alloc(w->n * sizeof(double *));
    size_t total = 0, at = 0;
    for (size_t i = 0; i < w->n; i++)
        total += w->words[i].n;
    tt_text_piece *pieces = clid_host->alloc(total * sizeof *pieces);
    tt_status s = texts && weights && pieces ? TT_OK : clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < w->n && !s; i++) {
        const words *list = &w->words[i];
        texts[i] = words_text(list, 0, list->n, list->n, pieces + at);
        weights[i] = list->weights;
        at += list->n;
    }
    if (!s) s = service->weigh(service, (uint32_t)w->n, texts, weights, err);
    clid_host->free(texts);
    clid_host->free(weights);
    clid_host->free(pieces);
    return s;
}

/* Captions whose weightiest words are cut */
static tt_status fill_cuts(const clid *a, work *w, size_t i, tt_model *model, tt_error *err)
{
    const words *list = &w->words[i];
    size_t at = i * w->texts_per_sample;
    tt_status s = TT_OK;
    for (size_t k = 1; k < a->n_reduced && !s; k++) {
        tt_text_piece *cut = NULL;
        s = clid_cut(list, a->rates[k - 1], model->info.end_token, &cut, err);
        w->parts[at + k] = cut;
        w->texts[at + k] = (tt_text){cut, (uint32_t)list->n};
    }
    return s;
}

/* Pieces of equally many words */
static tt_status fill_word_pieces(const clid *a, work *w, size_t i, tt_error *err)
{
    const words *list = &w->words[i];
    size_t at = i * w->texts_per_sample, n = a->n_reduced - 1;
    for (size_t k = 0; k < n; k++) {
        tt_text_piece *pieces = clid_host->alloc(list->n * sizeof *pieces);
        if (!pieces) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
        w->parts[at + 1 + k] = pieces;
        w->texts[at + 1 + k] = words_text(list, k * list->n / n, (k + 1) * list->n / n, list->n, pieces);
    }
    return TT_OK;
}

static tt_status fill_char_pieces(const clid *a, work *w, size_t i, const char *caption, tt_error *err)
{
    char *parts[CLID_MAX_REDUCED] = {0};
    size_t at = i * w->texts_per_sample, n = a->n_reduced - 1;
    tt_status s = clid_clip(caption, n, parts, err);
    for (size_t k = 0; k < n; k++) {
        w->parts[at + 1 + k] = parts[k];
        w->pieces[at + 1 + k].text = parts[k];
    }
    return s;
}

/* The caption's own text and the null caption's; all reductions are null until they are filled. */
static tt_status begin_texts(const clid *a, work *w, size_t i, const tt_sample *sample, tt_error *err)
{
    if (!sample->caption || !*sample->caption)
        return clid_host->fail(err, TT_ERR_INVALID,
                               "a sample has no caption: CLiD compares captions and needs them");
    size_t at = i * w->texts_per_sample;
    for (size_t k = 0; k < w->texts_per_sample; k++) {
        w->pieces[at + k] = (tt_text_piece){k ? "" : sample->caption, 0};
        w->texts[at + k] = (tt_text){&w->pieces[at + k], 1};
    }
    bool needs_words = a->reduction == CLID_IMPORTANCE || (a->reduction == CLID_CLIPPING && a->clip_words);
    return needs_words && a->n_reduced ? words_split(clid_host, sample->caption, &w->words[i], err) : TT_OK;
}

static tt_status reduce(const clid *a, work *w, size_t i, tt_model *model, const tt_sample *sample,
                        tt_error *err)
{
    if (a->n_reduced < 2) return TT_OK;
    if (a->reduction == CLID_CLIPPING)
        return a->clip_words ? fill_word_pieces(a, w, i, err)
                             : fill_char_pieces(a, w, i, sample->caption, err);
    if (a->reduction != CLID_IMPORTANCE) return TT_OK;
    tt_status s = a->importance == CLID_LEAVE_ONE_OUT ? words_leave_one_out(model, &w->words[i], err) : TT_OK;
    return s ? s : fill_cuts(a, w, i, model, err);
}

/* What the embedding's own reductions do, when the texts are there. */
static tt_status perturb(const clid *a, work *w, tt_model *model, const tt_sample *samples, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < w->n && !s; i++) {
        tt_handle *conditions = w->conditions + i * w->texts_per_sample;
        s = clid_perturb(model, samples[i].id, conditions[0], a->n_reduced - 1, a->rates, conditions + 1,
                         err);
    }
    return s;
}

/* ---- rows ---- */

static double mean(const tt_prediction *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i].loss;
    return n ? sum / (double)n : 0;
}

static void fill_row(const clid *a, const work *w, size_t i, double *row)
{
    const tt_prediction *p = w->results + i * w->per_sample;
    double base = mean(p + a->first_d, a->n_d);
    if (a->n_l) *row++ = mean(p + a->first_l, a->n_l);
    for (size_t k = 0; k < a->n_reduced; k++)
        row[k] = mean(p + a->n_timesteps + k * a->n_d, a->n_d) - base;
}

tt_status clid_measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                       double *rows, tt_error *err)
{
    const clid *a = attack;
    tt_model *model = context->models[0];
    bool by_target = a->reduction == CLID_IMPORTANCE && a->importance == CLID_TARGET_MAPS && a->n_reduced;
    work w;
    tt_status s = alloc_work(a, n, &w, err);
    for (uint32_t i = 0; i < n && !s; i++) {
        w.encodes[i] = (tt_encode){samples[i].id, {a->mean_latent ? NULL : "vae", -1, 0}};
        s = begin_texts(a, &w, i, &samples[i], err);
    }
    if (!s) s = model->encode(model, n, w.encodes, w.latents, err);
    if (!s && by_target) s = weigh_by_target(a, &w, model, samples, err);
    if (!s && a->reduction == CLID_IMPORTANCE && a->importance == CLID_SERVICE && a->n_reduced)
        s = weigh_by_service(&w, context->services[0], err);
    for (uint32_t i = 0; i < n && !s; i++)
        s = reduce(a, &w, i, model, &samples[i], err);
    if (!s) s = model->text(model, (uint32_t)(n * w.texts_per_sample), w.texts, w.conditions, err);
    if (!s && a->reduction == CLID_GAUSS && a->n_reduced) s = perturb(a, &w, model, samples, err);
    for (uint32_t i = 0; i < n && !s; i++)
        fill_requests(a, &w, i, samples[i].id);
    if (!s) s = evaluate(&w, model, by_target ? a->n_timesteps : 0, w.per_sample, NULL, err);
    for (uint32_t i = 0; i < n && !s; i++)
        fill_row(a, &w, i, rows + i * a->n_columns);
    free_work(&w);
    return s;
}
