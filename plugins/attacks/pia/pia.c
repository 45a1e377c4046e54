/* PIA and PIAN, proximal initialisation: grey-box spec 2.3. The model's own prediction at the clean latent
 * takes the place of noise: e0 = ε(z, 0, c), z_t = √ᾱ_t·z + √(1−ᾱ_t)·e0, s = Σ |e0 − ε(z_t, t, c)|^p. Low =
 * member, so the score is its negative. Two queries. */
#include "../grey_box.h"

typedef enum normalise { NORMALISE_OFF, NORMALISE_CODE, NORMALISE_PAPER } normalise;

static const tt_host *host;

typedef struct pia {
    grey_box_options options;
    int32_t timestep;
    int p;
    normalise normalise;
    bool root;
} pia;

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
    host->free(attack);
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    pia *a = host->alloc(sizeof *a);
    if (!a) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    a->options = grey_box_read_options(host, params);
    a->timestep = (int32_t)host->param_int(params, "timestep");
    if (host->param_is_set(params, "p"))
        a->p = (int)host->param_int(params, "p");
    else
        a->p = strcmp(host->param_string(params, "profile"), "pia") == 0 ? 4 : 2;
    const char *n = host->param_string(params, "normalise");
    a->normalise = strcmp(n, "code") == 0    ? NORMALISE_CODE
                   : strcmp(n, "paper") == 0 ? NORMALISE_PAPER
                                             : NORMALISE_OFF;
    a->root = host->param_bool(params, "root");
    *attack = a;
    return TT_OK;
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    static const char *const powers[] = {"error"}, *const norms[] = {"norm"};
    const pia *a = attack;
    (void)err;
    grey_box_plan(&a->options, p);
    p->n_columns = 1;
    p->columns = a->root ? norms : powers;
    p->paper_reduction = a->root ? NULL : "sum";
    p->predictions = 2;
    return TT_OK;
}

/* PIAN: e0 scaled to a mean |e0| of √(2/π), that of unit normals (the code), or of √(π/2) (the paper's Eq.
 * 10). */
static tt_status scale_prediction(const pia *a, double *e0, size_t n, tt_error *err)
{
    static const double pi = 3.14159265358979323846;
    if (a->normalise == NORMALISE_OFF) return TT_OK;
    double sum = 0, mean = a->normalise == NORMALISE_CODE ? sqrt(2 / pi) : sqrt(pi / 2);
    for (size_t k = 0; k < n; k++)
        sum += fabs(e0[k]);
    if (!(sum > 0))
        return host->fail(err, TT_ERR_INVALID,
                          "the prediction at the clean latent is 0: it cannot be normalised");
    double factor = mean * (double)n / sum;
    for (size_t k = 0; k < n; k++)
        e0[k] *= factor;
    return TT_OK;
}

/* |d|^p by products, so that it has the same bits everywhere */
static double power(double d, int p)
{
    double x = fabs(d), product = x;
    for (int i = 1; i < p; i++)
        product *= x;
    return product;
}

/* mean of |e0 − e|^p, or the norm (Σ |e0 − e|^p)^(1/p) */
static double error_of(const pia *a, const double *e0, const double *e, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += power(e0[k] - e[k], a->p);
    if (!a->root) return sum / (double)n;
    return a->p == 2 ? sqrt(sum) : pow(sum, 1.0 / a->p);
}

static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    const pia *a = attack;
    tt_model *model = context->models[0];
    grey_box g;
    tt_status s = grey_box_open(host, &a->options, model, n, samples, &g, err);
    size_t size = n * g.elements;
    double *e0 = host->alloc(size * sizeof *e0), *z = host->alloc(size * sizeof *z),
           *e = host->alloc(size * sizeof *e);
    if (!s && (!e0 || !z || !e)) s = host->fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
    if (!s) s = grey_box_latents(&g, z, err);
    if (!s) s = grey_box_epsilon(&g, g.latents, 0, e0, err);
    for (uint32_t i = 0; i < n && !s; i++)
        s = scale_prediction(a, e0 + i * g.elements, g.elements, err);
    if (!s) {
        double bar = grey_box_alpha_bar(&a->options, model)[a->timestep];
        double scale = sqrt(bar), sigma = sqrt(1 - bar);
        for (size_t k = 0; k < size; k++)
            z[k] = scale * z[k] + sigma * e0[k];
        s = grey_box_epsilon_at(&g, z, a->timestep, e, err);
    }
    for (uint32_t i = 0; i < n && !s; i++)
        rows[i] = error_of(a, e0 + i * g.elements, e + i * g.elements, g.elements);
    grey_box_close(&g);
    host->free(e0);
    host->free(z);
    host->free(e);
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
    {"profile", TT_PARAM_CHOICE, "clid", 0, 0, "clid|pia",
     "clid: the comparison's p = 2; pia: the method's own p = 4", 0},
    {"timestep", TT_PARAM_INT, "500", 1, 999, NULL, "where the prediction is tried again", 0},
    {"p", TT_PARAM_INT, NULL, 1, 16, NULL, "power of the error; unset: the profile's", 0},
    {"normalise", TT_PARAM_CHOICE, "off", 0, 0, "off|code|paper",
     "PIAN: scale the first prediction to the mean size of normals, as the code or as the paper has it", 0},
    {"root", TT_PARAM_BOOL, "false", 0, 0, NULL, "the norm (p-th root of the sum), not the mean of powers",
     0},
    GREY_BOX_PARAMS,
};

static const tt_plugin_info offer = {
    sizeof offer,
    TT_KIND_ATTACK,
    "pia",
    1,
    "1.0",
    "proximal initialisation: the clean latent's prediction tried again; low = member",
    params,
    sizeof params / sizeof *params,
    "Kong et al., ICLR 2024 (arXiv 2305.18355)"};

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
