/* SecMI-stat: grey-box spec 2.4. The latent is inverted by deterministic DDIM steps of k to t; then one step
 * further and back, and the square of what that step and its inverse miss is the error. Low = member, so the
 * score is its negative. t/k + 2 queries. */
#include "../grey_box.h"

#include <stdio.h>

static const tt_host *host;

typedef struct secmi {
    grey_box_options options;
    int32_t t_cmp, k;
    bool sum;             /* how the profile's source reduces the error */
    size_t map;           /* elements of the error map that are stored; 0: none */
    char (*names)[24];    /* [map] */
    const char **columns; /* [1 + map] */
} secmi;

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
    secmi *a = attack;
    if (!a) return;
    host->free(a->names);
    host->free(a->columns);
    host->free(a);
}

static tt_status check_path(const secmi *a, tt_error *err)
{
    if (a->t_cmp % a->k != 0)
        return host->fail(
            err, TT_ERR_INVALID,
            "t_cmp is %d and k is %d: steps of k must end at t_cmp, so it must be a multiple of k", a->t_cmp,
            a->k);
    if (a->t_cmp + a->k > 999)
        return host->fail(err, TT_ERR_INVALID,
                          "t_cmp + k is %d: the step beyond t_cmp must end at 999 or before",
                          a->t_cmp + a->k);
    return TT_OK;
}

static tt_status name_columns(secmi *a, tt_error *err)
{
    a->names = host->alloc((a->map + 1) * sizeof *a->names);
    a->columns = host->alloc((a->map + 1) * sizeof *a->columns);
    if (!a->names || !a->columns) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->columns[0] = "error";
    for (size_t i = 0; i < a->map; i++) {
        snprintf(a->names[i], sizeof a->names[i], "e_%zu", i);
        a->columns[1 + i] = a->names[i];
    }
    return TT_OK;
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    secmi *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    bool ldm = strcmp(host->param_string(params, "profile"), "ldm") == 0;
    a->options = grey_box_read_options(host, params);
    a->sum = ldm;
    a->t_cmp = host->param_is_set(params, "t_cmp") ? (int32_t)host->param_int(params, "t_cmp")
               : ldm                               ? 140
                                                   : 100;
    a->k = (int32_t)host->param_int(params, "k");
    a->map = (size_t)host->param_int(params, "map_elements");
    tt_status s = check_path(a, err);
    if (!s && strcmp(host->param_string(params, "mode"), "nn") == 0)
        s = host->fail(
            err, TT_ERR_UNSUPPORTED,
            "mode: nn scores error maps by a network that has to be trained, which nothing here can do yet; "
            "choose mode: stat (map_elements stores the maps for it)");
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
    const secmi *a = attack;
    (void)err;
    grey_box_plan(&a->options, p);
    p->n_columns = (uint32_t)(1 + a->map);
    p->columns = a->columns;
    p->paper_reduction = a->sum ? "sum" : "mean";
    p->predictions = (uint32_t)(a->t_cmp / a->k) + 2;
    return TT_OK;
}

/* One deterministic DDIM step of x with ε from ᾱ = a to ᾱ = b, in place (spec 1.1) */
static void ddim_step(double a, double b, const double *eps, double *x, size_t n)
{
    double from = sqrt(a), noise_from = sqrt(1 - a), to = sqrt(b), noise_to = sqrt(1 - b);
    for (size_t i = 0; i < n; i++)
        x[i] = to * ((x[i] - noise_from * eps[i]) / from) + noise_to * eps[i];
}

/* The residual of the step t → t+k → t without its cancellation (spec 1.9): from e1 = ε(y, t) and e2 =
 * ε(φ(y), t+k), r − y = (e1 − e2)·(√(ᾱ_t/ᾱ_{t+k})·√(1−ᾱ_{t+k}) − √(1−ᾱ_t)). */
static void fill_row(const secmi *a, const double *bar, const double *e1, const double *e2, size_t n,
                     double *row)
{
    double here = bar[a->t_cmp], there = bar[a->t_cmp + a->k], sum = 0;
    double factor = sqrt(here / there) * sqrt(1 - there) - sqrt(1 - here);
    for (size_t i = 0; i < n; i++) {
        double d = (e1[i] - e2[i]) * factor;
        sum += d * d;
        if (a->map) row[1 + i] = fabs(d);
    }
    row[0] = sum / (double)n;
}

typedef struct path {
    double *y, *e1, *e2; /* [n][elements] */
} path;

/* y becomes φ(z̃_t), e1 = ε(z̃_t, t), e2 = ε(φ(z̃_t), t+k) */
static tt_status walk(const secmi *a, grey_box *g, const double *bar, path *w, tt_error *err)
{
    size_t size = g->n * g->elements;
    tt_status s = grey_box_latents(g, w->y, err);
    /* the first step asks at the latent itself: the same query as PIA's first */
    if (!s) s = grey_box_epsilon(g, g->latents, 0, w->e1, err);
    for (int32_t t = 0; t < a->t_cmp && !s; t += a->k) {
        ddim_step(bar[t], bar[t + a->k], w->e1, w->y, size);
        s = grey_box_epsilon_at(g, w->y, t + a->k, w->e1, err);
    }
    if (s) return s;
    ddim_step(bar[a->t_cmp], bar[a->t_cmp + a->k], w->e1, w->y, size);
    return grey_box_epsilon_at(g, w->y, a->t_cmp + a->k, w->e2, err);
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const secmi *a = attack;
    tt_model *model = context->models[0];
    const double *bar = grey_box_alpha_bar(&a->options, model);
    grey_box g;
    tt_status s = grey_box_open(host, &a->options, model, n, samples, &g, err);
    size_t size = n * g.elements;
    path w = {host->alloc(size * sizeof(double)), host->alloc(size * sizeof(double)),
              host->alloc(size * sizeof(double))};
    if (!s && (!w.y || !w.e1 || !w.e2)) s = host->fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
    if (!s && a->map && a->map != g.elements)
        s = host->fail(err, TT_ERR_INVALID, "map_elements is %zu, the model's latents have %zu elements",
                       a->map, g.elements);
    if (!s) s = walk(a, &g, bar, &w, err);
    for (uint32_t i = 0; i < n && !s; i++)
        fill_row(a, bar, w.e1 + i * g.elements, w.e2 + i * g.elements, g.elements, rows + i * (1 + a->map));
    grey_box_close(&g);
    host->free(w.y);
    host->free(w.e1);
    host->free(w.e2);
    return s;
}

static tt_status score(void *attack, const tt_rows *rows, const uint8_t *state, size_t state_size,
                       double *scores, tt_error *err)
{
    (void)attack, (void)state, (void)state_size, (void)err;
    for (size_t i = 0; i < rows->n; i++)
        scores[i] = -rows->values[i * rows->n_columns];
    return TT_OK;
}

static const tt_param params[] = {
    {"profile", TT_PARAM_CHOICE, "clid", 0, 0, "clid|ldm",
     "clid: the comparison's t_cmp = 100 and mean; ldm: the authors' Stable Diffusion code, 140 and sum", 0},
    {"t_cmp", TT_PARAM_INT, NULL, 1, 998, NULL,
     "timestep at which a step and its inverse are compared; unset: the profile's", 0},
    {"k", TT_PARAM_INT, "10", 1, 500, NULL, "size of a DDIM step; t_cmp must be a multiple", 0},
    {"mode", TT_PARAM_CHOICE, "stat", 0, 0, "stat|nn",
     "stat: threshold on the error; nn: SecMI-NNs, a ResNet-18 on the maps, refused until networks can be "
     "trained here (map_elements stores the maps now)",
     TT_PARAM_SCORE},
    {"map_elements", TT_PARAM_INT, "0", 0, 65535, NULL,
     "store the error of each latent element too: their number (16384 for Stable Diffusion at 512); 0: no",
     0},
    GREY_BOX_PARAMS,
};

static const tt_plugin_info offer = {sizeof offer,
                                     TT_KIND_ATTACK,
                                     "secmi",
                                     1,
                                     "1.0",
                                     "error of a deterministic step and its inverse; low = member",
                                     params,
                                     sizeof params / sizeof *params,
                                     "Duan et al., ICML 2023 (arXiv 2302.01316)"};

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
