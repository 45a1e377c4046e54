/* CLiD: conditional likelihood discrepancy (grey-box spec 2.6). Features of a sample: L(c), and D_i = L(c*_i)
 * − L(c) for reduced captions c*_i, the null caption last; the same noise for all captions. */
#include "clid.h"

#include <stdio.h>
#include <stdlib.h>

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

/* What D's captions are, and how many. */
static tt_status read_reduction(const tt_params *params, clid *a, tt_error *err)
{
    static const struct {
        const char *name;
        clid_reduction reduction;
        const char *list; /* one reduction for each of its entries */
    } known[] = {{"clipping", CLID_CLIPPING, NULL},
                 {"importance", CLID_IMPORTANCE, "rates"},
                 {"gauss", CLID_GAUSS, "scales"},
                 {"null", CLID_NULL, NULL}};
    const char *name = clid_host->param_string(params, "reduction");
    size_t k = 0;
    while (strcmp(known[k].name, name) != 0)
        k++;
    a->reduction = known[k].reduction;
    a->clip_words = strcmp(clid_host->param_string(params, "clip_by"), "words") == 0;
    const char *importance = clid_host->param_string(params, "importance");
    a->importance = strcmp(importance, "uniform") == 0       ? CLID_UNIFORM
                    : strcmp(importance, "target_maps") == 0 ? CLID_TARGET_MAPS
                    : strcmp(importance, "service") == 0     ? CLID_SERVICE
                                                             : CLID_LEAVE_ONE_OUT;
    size_t n = a->reduction == CLID_CLIPPING ? (size_t)clid_host->param_int(params, "pieces") : 0;
    if (known[k].list) n = clid_host->param_list(params, known[k].list, &a->rates);
    if (a->reduction != CLID_NULL && (n < 1 || n >= CLID_MAX_REDUCED))
        return clid_host->fail(err, TT_ERR_INVALID, "%s: 1 to %d are needed, %zu are given",
                               known[k].list ? known[k].list : "pieces", CLID_MAX_REDUCED - 1, n);
    a->n_reduced = a->n_d ? n + 1 : 0;
    return TT_OK;
}

static void name_columns(clid *a)
{
    if (a->n_l) a->columns[a->n_columns++] = "L";
    for (size_t k = 1; k < a->n_reduced; k++) {
        snprintf(a->names[k], sizeof a->names[k], "D_%u", (unsigned)k % 100);
        a->columns[a->n_columns++] = a->names[k];
    }
    if (a->n_reduced) a->columns[a->n_columns++] = "D_null";
}

/* Where a term is missing, alpha is not a choice. */
static tt_status read_alpha(const tt_params *params, clid *a, tt_error *err)
{
    a->fixed_alpha = clid_host->param_is_set(params, "alpha");
    a->alpha = a->fixed_alpha ? clid_host->param_float(params, "alpha") : 0.9;
    if (a->n_l && a->n_d) return TT_OK;
    double only = a->n_l ? 0 : 1;
    if (a->fixed_alpha && a->alpha != only)
        return clid_host->fail(err, TT_ERR_INVALID,
                               "alpha is %g: with %s: 0 there is no %s to weigh, leave it out", a->alpha,
                               a->n_l ? "n" : "m", a->n_l ? "D" : "L");
    a->fixed_alpha = true;
    a->alpha = only;
    return TT_OK;
}

static tt_status read_scaler(const tt_params *params, clid *a, tt_error *err)
{
    if (!clid_host->param_is_set(params, "scaler")) return TT_OK;
    if (clid_host->param_list(params, "scaler", &a->scaler) != 4)
        return clid_host->fail(err, TT_ERR_INVALID,
                               "scaler: four numbers are needed: median and IQR of L, then of -D");
    if (!(a->scaler[1] > 0) || !(a->scaler[3] > 0))
        return clid_host->fail(err, TT_ERR_INVALID, "scaler: the two IQRs must be above 0");
    return TT_OK;
}

static tt_status read_params(const tt_params *params, clid *a, tt_error *err)
{
    a->n_l = (size_t)clid_host->param_int(params, "m");
    a->n_d = (size_t)clid_host->param_int(params, "n");
    if (a->n_l == 0 && a->n_d == 0)
        return clid_host->fail(err, TT_ERR_INVALID, "m and n are both 0: nothing would be measured");
    a->n_timesteps = a->n_l > a->n_d ? a->n_l : a->n_d;
    a->first_l = a->n_timesteps / 2 - a->n_l / 2; /* the middle sub-list (1.9) */
    a->first_d = a->n_timesteps / 2 - a->n_d / 2;
    a->mean_latent = strcmp(clid_host->param_string(params, "vae_mode"), "mean") == 0;
    a->alpha_bar_f32 = strcmp(clid_host->param_string(params, "alpha_table"), "diffusers") == 0;
    a->vec = strcmp(clid_host->param_string(params, "classifier"), "vec") == 0;
    a->seed = clid_host->param_int(params, "classifier_seed");
    tt_status s = read_reduction(params, a, err);
    if (!s) s = read_alpha(params, a, err);
    if (!s) s = read_scaler(params, a, err);
    if (!s)
        s = build_timesteps(a, clid_host->param_int(params, "t_mid"), clid_host->param_int(params, "t_step"),
                            err);
    if (!s) name_columns(a);
    return s;
}

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    clid *a = clid_host->alloc(sizeof *a);
    if (!a) return clid_host->fail(err, TT_ERR_MEMORY, "out of memory");
    tt_status s = read_params(params, a, err);
    if (s)
        clid_host->free(a);
    else
        *attack = a;
    return s;
}

static void destroy(void *attack)
{
    clid_host->free(attack);
}

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    const clid *a = attack;
    (void)err;
    uint32_t needs = TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT;
    if (a->reduction == CLID_IMPORTANCE && a->importance == CLID_TARGET_MAPS) needs |= TT_CAP_ATTENTION;
    p->roles[0] = (tt_role_need){"target", needs};
    p->n_roles = 1;
    p->needs_captions = true;
    p->can_fit = true;
    p->n_columns = (uint32_t)a->n_columns;
    p->columns = a->columns;
    p->paper_reduction = "mean";
    if (a->reduction == CLID_IMPORTANCE && a->importance == CLID_SERVICE && a->n_reduced)
        p->services[p->n_services++] = "word_importance";
    bool cuts = a->reduction == CLID_IMPORTANCE || (a->reduction == CLID_CLIPPING && a->clip_words);
    if (cuts && a->n_reduced) p->min_words = (uint32_t)a->n_reduced - 1; /* else reductions would repeat */
    p->predictions = (uint32_t)(a->n_timesteps + a->n_reduced * a->n_d);
    return TT_OK;
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
    if (!a->vec) return clid_th_explain(a, state, size, text, text_size, err);
    strncpy(text, "20 trees of depth 3", text_size - 1);
    return TT_OK;
}

static const tt_param params[] = {
    {"reduction", TT_PARAM_CHOICE, "clipping", 0, 0, "clipping|importance|gauss|null",
     "reduced captions: pieces of the caption, its weightiest words cut, or noise on its embedding, and the "
     "null "
     "caption; or the null caption alone",
     0},
    {"pieces", TT_PARAM_INT, "3", 1, 32, NULL, "clipping: into how many pieces", 0},
    {"clip_by", TT_PARAM_CHOICE, "characters", 0, 0, "characters|words",
     "clipping: what pieces are counted in (characters: parity)", 0},
    {"importance", TT_PARAM_CHOICE, "leave_one_out", 0, 0, "leave_one_out|service|target_maps|uniform",
     "what a word weighs: how far the embedding moves without it, what services.word_importance says, the "
     "target's "
     "own attention (a stronger attacker), or all the same (every word is cut)",
     0},
    {"rates", TT_PARAM_FLOATS, "[0.3, 0.5, 0.7]", 0, 1, NULL, "importance: shares of the words that are cut",
     0},
    {"scales", TT_PARAM_FLOATS, "[0.5, 0.7, 0.9]", 0, 100, NULL,
     "gauss: of the noise, in standard deviations of the embedding", 0},
    {"m", TT_PARAM_INT, "3", 0, 64, NULL, "timesteps averaged in L(c); 0: score by D alone", 0},
    {"n", TT_PARAM_INT, "3", 0, 64, NULL, "timesteps averaged in each D; 0: score by L alone", 0},
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
    static const tt_attack_plugin table = {sizeof table, create, destroy, plan,
                                           clid_measure, fit,    score,   explain};
    (void)name;
    return kind == TT_KIND_ATTACK ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
