/* CLiD: conditional likelihood discrepancy (grey-box spec 2.6). Features of a sample: L(c), and D_i = L(c*_i)
 * − L(c) for reduced captions c*_i, the null caption last; the same noise for all captions. */
#include "clid.h"

#include <stdlib.h>
#include <string.h>

const tt_host *clid_host;

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    clid_host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static int rising(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* 2.6.1: the middle, then one step below, one above, two below, … until there are n */
static tt_status build_timesteps(clid *a, int64_t middle, int64_t step, tt_error *err)
{
    for (size_t i = 0; i < a->n_timesteps; i++) {
        int64_t reach = ((int64_t)i + 1) / 2 * step;
        int64_t t = i % 2 ? middle - reach : middle + reach;
        if (t < 0 || t > 999)
            return clid_host->fail(
                err, TT_ERR_INVALID,
                "%zu timesteps of step %lld around %lld leave 0 to 999: choose fewer or closer ones",
                a->n_timesteps, (long long)step, (long long)middle);
        a->timesteps[i] = (int32_t)t;
    }
    qsort(a->timesteps, a->n_timesteps, sizeof *a->timesteps, rising);
    return TT_OK;
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    clid *a = clid_host->alloc(sizeof *a);
    if (!a) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->n_l = (size_t)clid_host->param_int(params, "m");
    a->n_d = (size_t)clid_host->param_int(params, "n");
    a->n_timesteps = a->n_l > a->n_d ? a->n_l : a->n_d;
    a->first_l = a->n_timesteps / 2 - a->n_l / 2; /* the middle sub-list (1.9) */
    a->first_d = a->n_timesteps / 2 - a->n_d / 2;
    const char *reduction = clid_host->param_string(params, "reduction");
    a->reduction = strcmp(reduction, "null") == 0       ? CLID_NULL
                   : strcmp(reduction, "clipping") == 0 ? CLID_CLIPPING
                                                        : CLID_IMPORTANCE;
    a->n_reduced = a->reduction == CLID_NULL ? 1 : CLID_MAX_REDUCED;
    a->uniform = strcmp(clid_host->param_string(params, "importance"), "uniform") == 0;
    a->mean_latent = strcmp(clid_host->param_string(params, "vae_mode"), "mean") == 0;
    a->alpha_bar_f32 = strcmp(clid_host->param_string(params, "alpha_table"), "diffusers") == 0;
    a->vec = strcmp(clid_host->param_string(params, "classifier"), "vec") == 0;
    a->fixed_alpha = clid_host->param_is_set(params, "alpha");
    a->alpha = a->fixed_alpha ? clid_host->param_float(params, "alpha") : 0.9;
    a->seed = clid_host->param_int(params, "classifier_seed");
    tt_status s = TT_OK;
    if (clid_host->param_list(params, "rates", &a->rates) != CLID_MAX_REDUCED - 1)
        s = clid_host->fail(err, TT_ERR_INVALID, "rates: three shares of the words are needed");
    if (!s && clid_host->param_is_set(params, "scaler") &&
        clid_host->param_list(params, "scaler", &a->scaler) != 4)
        s = clid_host->fail(err, TT_ERR_INVALID,
                            "scaler: four numbers are needed: median and IQR of L, then of -D");
    if (!s && a->scaler && (!(a->scaler[1] > 0) || !(a->scaler[3] > 0)))
        s = clid_host->fail(err, TT_ERR_INVALID, "scaler: the two IQRs must be above 0");
    if (!s)
        s = build_timesteps(a, clid_host->param_int(params, "t_mid"), clid_host->param_int(params, "t_step"),
                            err);
    if (s) {
        clid_host->free(a);
        return s;
    }
    *attack = a;
    return TT_OK;
}

static void destroy(void *attack)
{
    clid_host->free(attack);
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    static const char *const clipping[] = {"L", "D_1", "D_2", "D_3", "D_null"}, *const null_only[] = {
                                                                                    "L", "D_null"};
    const clid *a = attack;
    (void)err;
    p->roles[0] = (tt_role_need){"target", TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT};
    p->n_roles = 1;
    p->needs_captions = true;
    p->can_fit = true;
    p->n_columns = (uint32_t)(1 + a->n_reduced);
    p->columns = a->n_reduced == 1 ? null_only : clipping;
    p->paper_reduction = "mean";
    p->predictions = (uint32_t)(a->n_timesteps + a->n_reduced * a->n_d);
    return TT_OK;
}

/* ---- measure ---- */

/* All evaluations of the samples go in one call. Of sample i the texts are i·(K+1): the caption, then its
 * reductions; the evaluations are all timesteps under the caption, then D's timesteps under each reduction.
 */
typedef struct work {
    size_t n, per_sample, texts_per_sample;
    tt_encode *encodes;
    char **clips;         /* 3 a sample: thirds of the caption */
    clid_words *words;    /* 1 a sample, for importance */
    tt_text_piece **cuts; /* 3 a sample: captions with words cut out */
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
    w->clips = clid_host->alloc(3 * n * sizeof(char *));
    w->words = clid_host->alloc(n * sizeof *w->words);
    w->cuts = clid_host->alloc(3 * n * sizeof(tt_text_piece *));
    w->pieces = clid_host->alloc(texts * sizeof *w->pieces);
    w->texts = clid_host->alloc(texts * sizeof *w->texts);
    w->latents = clid_host->alloc(n * sizeof *w->latents);
    w->conditions = clid_host->alloc(texts * sizeof *w->conditions);
    w->requests = clid_host->alloc(evaluations * sizeof *w->requests);
    w->results = clid_host->alloc(evaluations * sizeof *w->results);
    return w->encodes && w->clips && w->words && w->cuts && w->pieces && w->texts && w->latents &&
                   w->conditions && w->requests && w->results
               ? TT_OK
               : clid_host->fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
}

static void free_work(work *w)
{
    for (size_t i = 0; w->clips && i < 3 * w->n; i++)
        clid_host->free(w->clips[i]);
    for (size_t i = 0; w->cuts && i < 3 * w->n; i++)
        clid_host->free(w->cuts[i]);
    for (size_t i = 0; w->words && i < w->n; i++)
        clid_words_free(&w->words[i]);
    clid_host->free(w->words);
    clid_host->free(w->cuts);
    clid_host->free(w->clips);
    clid_host->free(w->encodes);
    clid_host->free(w->pieces);
    clid_host->free(w->texts);
    clid_host->free(w->latents);
    clid_host->free(w->conditions);
    clid_host->free(w->requests);
    clid_host->free(w->results);
}

/* Three captions whose weightiest words are cut, at text[1..3] */
static tt_status fill_cuts(const clid *a, work *w, size_t i, tt_model *model, const char *caption,
                           tt_text *text, tt_error *err)
{
    clid_words *words = &w->words[i];
    tt_status s = clid_words_split(caption, words, err); /* weights of 0: uniform */
    if (!s && !a->uniform) s = clid_words_leave_one_out(model, words, err);
    for (size_t k = 0; k < 3 && !s; k++) {
        tt_text_piece **cut = &w->cuts[3 * i + k];
        s = clid_words_cut(words, a->rates[k], model->info.end_token, cut, err);
        text[1 + k] = (tt_text){*cut, (uint32_t)words->n};
    }
    return s;
}

static tt_status fill_texts(const clid *a, work *w, size_t i, tt_model *model, const tt_sample *sample,
                            tt_error *err)
{
    if (!sample->caption || !*sample->caption)
        return clid_host->fail(err, TT_ERR_INVALID,
                               "a sample has no caption: CLiD compares captions and needs them");
    size_t at = i * w->texts_per_sample;
    const char *strings[1 + CLID_MAX_REDUCED] = {sample->caption};
    if (a->reduction == CLID_CLIPPING) {
        tt_status s = clid_clip(sample->caption, w->clips + 3 * i, err);
        if (s) return s;
        for (size_t k = 0; k < 3; k++)
            strings[1 + k] = w->clips[3 * i + k];
    }
    strings[a->n_reduced] = "";
    for (size_t k = 0; k < w->texts_per_sample; k++) {
        w->pieces[at + k] = (tt_text_piece){strings[k], 0};
        w->texts[at + k] = (tt_text){&w->pieces[at + k], 1};
    }
    return a->reduction == CLID_IMPORTANCE ? fill_cuts(a, w, i, model, sample->caption, w->texts + at, err)
                                           : TT_OK;
}

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
    row[0] = mean(p + a->first_l, a->n_l);
    for (size_t k = 0; k < a->n_reduced; k++)
        row[1 + k] = mean(p + a->n_timesteps + k * a->n_d, a->n_d) - base;
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const clid *a = attack;
    tt_model *model = context->models[0];
    work w;
    tt_status s = alloc_work(a, n, &w, err);
    for (uint32_t i = 0; i < n && !s; i++) {
        w.encodes[i] = (tt_encode){samples[i].id, {a->mean_latent ? NULL : "vae", -1, 0}};
        s = fill_texts(a, &w, i, model, &samples[i], err);
    }
    if (!s) s = model->encode(model, n, w.encodes, w.latents, err);
    if (!s) s = model->text(model, (uint32_t)(n * w.texts_per_sample), w.texts, w.conditions, err);
    for (uint32_t i = 0; i < n && !s; i++)
        fill_requests(a, &w, i, samples[i].id);
    if (!s) s = model->predict(model, (uint32_t)(n * w.per_sample), w.requests, w.results, err);
    for (uint32_t i = 0; i < n && !s; i++)
        fill_row(a, &w, i, rows + i * (1 + a->n_reduced));
    free_work(&w);
    return s;
}

/* ---- fit and score ---- */

static tt_status fit(void *attack, const tt_rows *rows, const uint8_t *member, uint8_t **state, size_t *size,
                     tt_error *err)
{
    const clid *a = attack;
    size_t members = 0;
    for (size_t i = 0; i < rows->n; i++)
        members += member[i] != 0;
    if (members == 0 || members == rows->n)
        return clid_host->fail(
            err, TT_ERR_INVALID,
            "the calibration rows are all of one class (%zu members of %zu): both are needed", members,
            rows->n);
    return a->vec ? clid_vec_fit(a, rows, member, state, size, err)
                  : clid_th_fit(a, rows, member, state, size, err);
}

static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t size, double *scores,
                       tt_error *err)
{
    const clid *a = attack;
    return a->vec ? clid_vec_score(a, rows, state, size, scores, err)
                  : clid_th_score(a, rows, state, size, scores, err);
}

static tt_status explain(void *attack, const uint8_t *state, size_t size, char *text, size_t text_size,
                         tt_error *err)
{
    const clid *a = attack;
    if (!a->vec) return clid_th_explain(state, size, text, text_size, err);
    strncpy(text, "20 trees of depth 3", text_size - 1);
    return TT_OK;
}

static const tt_param params[] = {
    {"reduction", TT_PARAM_CHOICE, "clipping", 0, 0, "clipping|importance|null",
     "reduced captions: thirds of the caption by characters, or its weightiest words cut, and the null "
     "caption; "
     "or the null caption alone",
     0},
    {"importance", TT_PARAM_CHOICE, "leave_one_out", 0, 0, "leave_one_out|uniform",
     "what a word weighs: how far the text's embedding moves without it, or all the same (every word is cut)",
     0},
    {"rates", TT_PARAM_FLOATS, "[0.3, 0.5, 0.7]", 0, 1, NULL, "importance: shares of the words that are cut",
     0},
    {"m", TT_PARAM_INT, "3", 1, 64, NULL, "timesteps averaged in L(c)", 0},
    {"n", TT_PARAM_INT, "3", 1, 64, NULL, "timesteps averaged in each D", 0},
    {"t_mid", TT_PARAM_INT, "450", 0, 999, NULL, "the middle timestep", 0},
    {"t_step", TT_PARAM_INT, "10", 1, 500, NULL, "distance of the timesteps", 0},
    {"vae_mode", TT_PARAM_CHOICE, "sample", 0, 0, "sample|mean",
     "latent: a draw of the posterior (parity) or its mean", 0},
    {"alpha_table", TT_PARAM_CHOICE, "double", 0, 0, "double|diffusers",
     "noise schedule: exact, or the f32 table of diffusers", 0},
    {"classifier", TT_PARAM_CHOICE, "th", 0, 0, "th|vec",
     "decide by a threshold on a mixture, or by boosted trees", TT_PARAM_SCORE},
    {"alpha", TT_PARAM_FLOAT, NULL, 0, 1, NULL,
     "weight of D against L; unset: fitted (0.9, the paper's, where nothing is fitted)", TT_PARAM_SCORE},
    {"scaler", TT_PARAM_FLOATS, NULL, 0, 0, NULL,
     "without calibration: median and IQR of L, then of -D; unset: those of the scored rows, label-blind",
     TT_PARAM_SCORE},
    {"classifier_seed", TT_PARAM_INT, "0", 0, 2147483647, NULL, "seed of the boosted trees' sampling",
     TT_PARAM_SCORE},
};

static const tt_plugin_info offer = {sizeof offer,
                                     TT_KIND_ATTACK,
                                     "clid",
                                     1,
                                     "1.0",
                                     "conditional likelihood discrepancy: how much worse without the caption",
                                     params,
                                     sizeof params / sizeof *params,
                                     "Zhai et al., NeurIPS 2024 (arXiv 2405.14800)"};

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &offer : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_attack_plugin table = {sizeof table, create, destroy, plan, measure, fit, score, explain};
    (void)name;
    return kind == TT_KIND_ATTACK ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
