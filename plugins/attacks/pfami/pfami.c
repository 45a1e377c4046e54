/* PFAMI, probabilistic fluctuation: grey-box spec 2.5. A member sits at a local peak of the model's
 * likelihood: cropping its image raises the loss more. Stored are the losses of the whole image and of the
 * crops at every timestep; the score is their difference, high = member. */
#include "../grey_box.h"

#include <stddef.h>
#include <stdio.h>

enum { DEFAULT_TIMES = 10, DEFAULT_STRENGTHS = 10, SCORED_OF_ORIGINAL = 5 };

static const tt_host *host;

typedef struct pfami {
    grey_box_options options;
    size_t n_times, n_strengths;
    double *times, *strengths;
    size_t scored;            /* index of the strength that the score takes */
    size_t first, n_measured; /* the strengths that are measured: all for the map, else the scored one */
    bool relative, fresh;
    char (*names)[32];
    const char **columns;
} pfami;

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
    pfami *a = attack;
    if (!a) return;
    host->free(a->times);
    host->free(a->strengths);
    host->free(a->names);
    host->free(a->columns);
    host->free(a);
}

/* ---- parameters ---- */

/* A list of its own from the spec, or n values of the profile: first, first + step, … */
static tt_status take_list(const tt_params *params, const char *key, size_t n, double first, double step,
                           double **list, size_t *n_list, tt_error *err)
{
    const double *given = NULL;
    size_t n_given = host->param_is_set(params, key) ? host->param_list(params, key, &given) : 0;
    if (host->param_is_set(params, key) && n_given == 0)
        return host->fail(err, TT_ERR_INVALID, "%s is empty: at least one is needed", key);
    *n_list = given ? n_given : n;
    *list = host->alloc(*n_list * sizeof **list);
    if (!*list) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < *n_list; i++)
        (*list)[i] = given ? given[i] : first + (double)i * step;
    return TT_OK;
}

static tt_status check_distinct(const double *list, size_t n, const char *key, tt_error *err)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (list[k] == list[i])
                return host->fail(err, TT_ERR_INVALID, "%s: %g is there twice", key, list[i]);
    return TT_OK;
}

static tt_status read_params(const tt_params *params, pfami *a, tt_error *err)
{
    bool original = strcmp(host->param_string(params, "profile"), "pfami") == 0;
    tt_status s =
        take_list(params, "timesteps", DEFAULT_TIMES, original ? 0 : 1, 50, &a->times, &a->n_times, err);
    if (!s) /* numpy's linspace(0.95, 0.70, 10) */
        s = original ? take_list(params, "strengths", DEFAULT_STRENGTHS, 0.95, (0.70 - 0.95) / 9,
                                 &a->strengths, &a->n_strengths, err)
                     : take_list(params, "strengths", 1, 0.825, 0, &a->strengths, &a->n_strengths, err);
    if (!s) s = check_distinct(a->times, a->n_times, "timesteps", err);
    if (!s) s = check_distinct(a->strengths, a->n_strengths, "strengths", err);
    if (s) return s;
    if (original && !host->param_is_set(params, "strengths")) a->strengths[DEFAULT_STRENGTHS - 1] = 0.70;
    if (host->param_is_set(params, "scored"))
        a->scored = (size_t)host->param_int(params, "scored");
    else if (original && !host->param_is_set(params, "strengths"))
        a->scored = SCORED_OF_ORIGINAL;
    if (a->scored >= a->n_strengths)
        return host->fail(err, TT_ERR_INVALID, "scored is %zu: there are %zu strengths, counted from 0",
                          a->scored, a->n_strengths);
    bool map = host->param_bool(params, "map");
    a->first = map ? 0 : a->scored;
    a->n_measured = map ? a->n_strengths : 1;
    a->relative = host->param_is_set(params, "relative") ? host->param_bool(params, "relative") : original;
    a->fresh = host->param_is_set(params, "noise") ? strcmp(host->param_string(params, "noise"), "fresh") == 0
                                                   : original;
    return TT_OK;
}

/* L_t of the whole, then C<strength>_t of each crop */
static tt_status name_columns(pfami *a, tt_error *err)
{
    size_t n = (1 + a->n_measured) * a->n_times;
    a->names = host->alloc(n * sizeof *a->names);
    a->columns = host->alloc(n * sizeof *a->columns);
    if (!a->names || !a->columns) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < n; k++) {
        int t = (int)a->times[k % a->n_times];
        if (k < a->n_times)
            snprintf(a->names[k], sizeof a->names[k], "L_%d", t);
        else
            snprintf(a->names[k], sizeof a->names[k], "C%u_%d", (unsigned)(a->first + k / a->n_times - 1), t);
        a->columns[k] = a->names[k];
    }
    return TT_OK;
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    pfami *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->options = grey_box_read_options(host, params);
    tt_status s = read_params(params, a, err);
    if (!s && strcmp(host->param_string(params, "mode"), "nn") == 0)
        s = host->fail(err, TT_ERR_UNSUPPORTED,
                       "mode: nn scores the map of losses by a network that has to be trained, which "
                       "nothing here can do yet; choose mode: met (map: true stores the whole map for it)");
    if (!s) s = name_columns(a, err);
    if (s) {
        destroy(a);
        return s;
    }
    *attack = a;
    return TT_OK;
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    const pfami *a = attack;
    (void)err;
    grey_box_plan(&a->options, p);
    p->n_columns = (uint32_t)((1 + a->n_measured) * a->n_times);
    p->columns = a->columns;
    p->paper_reduction = "mean";
    p->predictions = p->n_columns;
    return TT_OK;
}

/* ---- measure ---- */

/* Of sample i the views are i·(1 + crops): the whole, then its crops; the evaluations are all timesteps of
 * each view. */
typedef struct work {
    tt_encode_crop *encodes; /* [n][crops] */
    tt_handle *crops;
    tt_predict *requests;
    tt_prediction *results;
} work;

static tt_status encode_crops(const pfami *a, tt_model *model, uint32_t n, const tt_sample *samples, work *w,
                              tt_error *err)
{
    if (model->size < offsetof(tt_model, encode_crop) + sizeof model->encode_crop || !model->encode_crop)
        return host->fail(err, TT_ERR_UNSUPPORTED, "this model's host cannot encode crops of an image");
    for (size_t i = 0; i < n * a->n_measured; i++) {
        size_t strength = a->first + i % a->n_measured;
        uint32_t side = (uint32_t)(model->info.resolution * a->strengths[strength]);
        if (side == 0)
            return host->fail(err, TT_ERR_INVALID, "strength %g leaves nothing of %u pixels",
                              a->strengths[strength], model->info.resolution);
        w->encodes[i] = (tt_encode_crop){
            samples[i / a->n_measured].id,
            {a->options.mean_latent ? NULL : "vae.crop", -1, a->options.mean_latent ? 0 : (uint32_t)strength},
            side};
    }
    return model->encode_crop(model, (uint32_t)(n * a->n_measured), w->encodes, w->crops, err);
}

/* view 0: the whole; view 1 + i: crop of strength i. One noise for all timesteps of a view (CLiD's code), or
 * one for each timestep (PFAMI's). */
static tt_noise noise_of(const pfami *a, uint32_t view, int32_t t)
{
    return a->fresh ? (tt_noise){"eps.pfami", t, view} : (tt_noise){"eps.shared", -1, view};
}

static void fill_requests(const pfami *a, const grey_box *g, const tt_sample *samples, work *w)
{
    tt_predict *r = w->requests;
    for (uint32_t i = 0; i < g->n; i++)
        for (size_t view = 0; view <= a->n_measured; view++)
            for (size_t k = 0; k < a->n_times; k++) {
                int32_t t = (int32_t)a->times[k];
                *r++ = (tt_predict){.latent = view ? w->crops[i * a->n_measured + view - 1] : g->latents[i],
                                    .condition = g->conditions[i],
                                    .timestep = t,
                                    .want = TT_WANT_LOSS,
                                    .sample = samples[i].id,
                                    .noise = noise_of(a, view ? (uint32_t)(a->first + view) : 0, t),
                                    .alpha_bar_f32 = a->options.alpha_bar_f32};
            }
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const pfami *a = attack;
    tt_model *model = context->models[0];
    size_t crops = n * a->n_measured, evaluations = (n + crops) * a->n_times;
    grey_box g;
    work w = {host->alloc(crops * sizeof *w.encodes), host->alloc(crops * sizeof *w.crops),
              host->alloc(evaluations * sizeof *w.requests), host->alloc(evaluations * sizeof *w.results)};
    tt_status s = grey_box_open(host, &a->options, model, n, samples, &g, err);
    if (!s && (!w.encodes || !w.crops || !w.requests || !w.results))
        s = host->fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
    if (!s) s = encode_crops(a, model, n, samples, &w, err);
    if (!s) {
        fill_requests(a, &g, samples, &w);
        s = model->predict(model, (uint32_t)evaluations, w.requests, w.results, err);
    }
    for (size_t k = 0; k < evaluations && !s; k++)
        rows[k] = w.results[k].loss;
    grey_box_close(&g);
    host->free(w.encodes);
    host->free(w.crops);
    host->free(w.requests);
    host->free(w.results);
    return s;
}

/* mean over t of crop − whole, each divided by the whole's loss where `relative` */
static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t state_size,
                       double *scores, tt_error *err)
{
    const pfami *a = attack;
    (void)state, (void)state_size;
    size_t n = a->n_times, block = (1 + a->scored - a->first) * n;
    if (rows->n_columns != (1 + a->n_measured) * n)
        return host->fail(err, TT_ERR_INVALID, "rows of %zu features, not %zu", rows->n_columns,
                          (1 + a->n_measured) * n);
    for (size_t i = 0; i < rows->n; i++) {
        const double *whole = rows->values + i * rows->n_columns, *crop = whole + block;
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += a->relative ? (crop[k] - whole[k]) / whole[k] : crop[k] - whole[k];
        scores[i] = sum / (double)n;
    }
    return TT_OK;
}

static const tt_param params[] = {
    {"profile", TT_PARAM_CHOICE, "clid", 0, 0, "clid|pfami",
     "clid: one crop, difference, one noise for all timesteps; pfami: the method's own grid, relative, fresh "
     "noise",
     0},
    {"timesteps", TT_PARAM_INTS, NULL, 0, 999, NULL,
     "timesteps of the losses; unset: 1, 51, …, 451 (clid) or 0, 50, …, 450 (pfami)", 0},
    {"strengths", TT_PARAM_FLOATS, NULL, 0.01, 1, NULL,
     "sides of the crops as parts of the image; unset: 0.825 (clid) or ten from 0.95 to 0.70 (pfami)", 0},
    {"scored", TT_PARAM_INT, NULL, 0, 1000, NULL,
     "index of the strength that the score takes; unset: 5 of pfami's ten, else 0", 0},
    {"map", TT_PARAM_BOOL, "false", 0, 0, NULL, "measure and store all strengths, not only the scored one",
     0},
    {"noise", TT_PARAM_CHOICE, NULL, 0, 0, "per_image|fresh",
     "one noise for all timesteps of an image, or one for each; unset: the profile's", 0},
    {"relative", TT_PARAM_BOOL, NULL, 0, 0, NULL,
     "divide the difference by the whole image's loss; unset: the profile's", TT_PARAM_SCORE},
    {"mode", TT_PARAM_CHOICE, "met", 0, 0, "met|nn",
     "met: threshold on the fluctuation; nn: PFAMI-NNs, a ResNet-18 on the map, refused until networks can "
     "be "
     "trained here (map: true stores the map now)",
     TT_PARAM_SCORE},
    GREY_BOX_PARAMS,
};

static const tt_plugin_info offer = {sizeof offer,
                                     TT_KIND_ATTACK,
                                     "pfami",
                                     1,
                                     "1.0",
                                     "probabilistic fluctuation: how much a crop raises the loss",
                                     params,
                                     sizeof params / sizeof *params,
                                     "Fu et al., 2023 (arXiv 2308.12143)"};

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &offer : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_attack_plugin table = {.size = sizeof table,
                                           .create = create,
                                           .destroy = destroy,
                                           .plan = plan,
                                           .measure = measure,
                                           .score = score};
    (void)name;
    return kind == TT_KIND_ATTACK ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
