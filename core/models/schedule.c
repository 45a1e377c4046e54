/* Noise schedules: configs and the ᾱ tables (specs: models-sampling 7.1, grey-box 1.1). */
#include "models/sampler.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

void tt_schedule_config_sd15(tt_schedule_config *c)
{
    *c = (tt_schedule_config){.sampler = TT_SAMPLER_PNDM,
                              .beta_start = 0.00085,
                              .beta_end = 0.012,
                              .scaled_linear = true,
                              .train_timesteps = 1000,
                              .steps_offset = 1,
                              .alpha_to_one_given = true,
                              .spacing = TT_SPACING_LEADING};
}

/* ---- scheduler_config.json ---- */

static tt_status refuse(const tt_node *n, tt_error *err)
{
    return tt_node_fail(n, err, "%s: '%s' is not done; only Stable Diffusion's schedulers are", n->key,
                        n->text ? n->text : "?");
}

static tt_status read_number(const tt_node *json, const char *key, double *out, tt_error *err)
{
    const tt_node *n = tt_node_get(json, key);
    if (!n) return TT_OK;
    if (n->kind == TT_NODE_INT)
        *out = (double)n->value.integer;
    else if (n->kind == TT_NODE_FLOAT)
        *out = n->value.real;
    else
        return tt_node_fail(n, err, "%s must be a number", key);
    return TT_OK;
}

static tt_status read_bool(const tt_node *json, const char *key, bool *out, tt_error *err)
{
    const tt_node *n = tt_node_get(json, key);
    if (!n || n->kind == TT_NODE_NULL) return TT_OK;
    if (n->kind != TT_NODE_BOOL) return tt_node_fail(n, err, "%s must be true or false", key);
    *out = n->value.boolean;
    return TT_OK;
}

typedef struct word {
    const char *text;
    int value;
} word;

/* The value of a key that holds one of a few words; unknown words are refused. */
static tt_status read_word(const tt_node *json, const char *key, const word *words, size_t n_words, int *out,
                           tt_error *err)
{
    const tt_node *n = tt_node_get(json, key);
    if (!n || n->kind == TT_NODE_NULL) return TT_OK;
    for (size_t i = 0; n->text && i < n_words; i++)
        if (strcmp(n->text, words[i].text) == 0) {
            *out = words[i].value;
            return TT_OK;
        }
    return refuse(n, err);
}

static const word sampler_words[] = {{"PNDMScheduler", TT_SAMPLER_PNDM},
                                     {"DDIMScheduler", TT_SAMPLER_DDIM},
                                     {"DPMSolverMultistepScheduler", TT_SAMPLER_DPMPP_2M},
                                     {"EulerDiscreteScheduler", TT_SAMPLER_EULER}};
static const word beta_words[] = {{"scaled_linear", 1}, {"linear", 0}};
static const word prediction_words[] = {
    {"epsilon", TT_PREDICT_EPSILON}, {"v_prediction", TT_PREDICT_V}, {"sample", TT_PREDICT_SAMPLE}};
static const word spacing_words[] = {
    {"leading", TT_SPACING_LEADING}, {"linspace", TT_SPACING_LINSPACE}, {"trailing", TT_SPACING_TRAILING}};
static const word final_words[] = {{"zero", 0}, {"sigma_min", 1}};

#define WORDS(w) (w), sizeof(w) / sizeof *(w)

static tt_status read_words(const tt_node *json, tt_schedule_config *c, tt_error *err)
{
    int sampler = TT_SAMPLER_PNDM, beta = 0, prediction = TT_PREDICT_EPSILON, spacing = -1, final = 0;
    tt_status s = read_word(json, "_class_name", WORDS(sampler_words), &sampler, err);
    if (!s) s = read_word(json, "beta_schedule", WORDS(beta_words), &beta, err);
    if (!s) s = read_word(json, "prediction_type", WORDS(prediction_words), &prediction, err);
    if (!s) s = read_word(json, "timestep_spacing", WORDS(spacing_words), &spacing, err);
    if (!s) s = read_word(json, "final_sigmas_type", WORDS(final_words), &final, err);
    c->sampler = (tt_sampler)sampler;
    c->scaled_linear = beta == 1;
    c->prediction = (tt_prediction_type)prediction;
    c->spacing_given = spacing >= 0;
    c->spacing = c->spacing_given ? (tt_spacing)spacing : TT_SPACING_LEADING;
    c->sigma_min_final = final == 1;
    return s;
}

/* A number or word other than the one we do. */
static bool other_than(const tt_node *n, double number, const char *text)
{
    if (n->kind == TT_NODE_NULL) return false;
    if (text) return n->kind != TT_NODE_STRING || strcmp(n->text, text) != 0;
    if (n->kind == TT_NODE_BOOL) return n->value.boolean != (number != 0);
    return n->kind == TT_NODE_INT ? (double)n->value.integer != number
                                  : n->kind != TT_NODE_FLOAT || n->value.real != number;
}

/* Keys with one value that we do: the scheduler's default, which a file need not name. */
static tt_status refuse_variants(const tt_node *json, const tt_schedule_config *c, tt_error *err)
{
    static const struct {
        const char *key, *text;
        double number;
        tt_sampler sampler; /* whose key it is */
    } only[] = {{"algorithm_type", "dpmsolver++", 0, TT_SAMPLER_DPMPP_2M},
                {"solver_type", "midpoint", 0, TT_SAMPLER_DPMPP_2M},
                {"solver_order", NULL, 2, TT_SAMPLER_DPMPP_2M},
                {"lower_order_final", NULL, 1, TT_SAMPLER_DPMPP_2M},
                {"variance_type", "none", 0, TT_SAMPLER_DPMPP_2M},
                {"interpolation_type", "linear", 0, TT_SAMPLER_EULER},
                {"timestep_type", "discrete", 0, TT_SAMPLER_EULER},
                {"sigma_min", "none", 0, TT_SAMPLER_EULER},
                {"sigma_max", "none", 0, TT_SAMPLER_EULER}};
    for (size_t i = 0; i < sizeof only / sizeof *only; i++) {
        const tt_node *n = tt_node_get(json, only[i].key);
        if (n && c->sampler == only[i].sampler && other_than(n, only[i].number, only[i].text))
            return refuse(n, err);
    }
    const tt_node *range = tt_node_get(json, "clip_sample_range");
    if (c->clip_sample && range && other_than(range, 1, NULL)) return refuse(range, err);
    return TT_OK;
}

/* Keys that change results in ways that we do not do: refused unless they have their neutral value. */
static tt_status refuse_others(const tt_node *json, tt_error *err)
{
    static const char *const off[] = {"thresholding",    "rescale_betas_zero_snr", "use_exponential_sigmas",
                                      "use_beta_sigmas", "use_lu_lambdas",         "euler_at_final",
                                      "use_flow_sigmas"};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        const tt_node *n = tt_node_get(json, off[i]);
        if (n && n->kind == TT_NODE_BOOL && n->value.boolean) return refuse(n, err);
    }
    const tt_node *betas = tt_node_get(json, "trained_betas");
    if (betas && betas->kind != TT_NODE_NULL) return refuse(betas, err);
    return TT_OK;
}

tt_status tt_schedule_config_parse(const tt_node *json, tt_schedule_config *c, tt_error *err)
{
    if (!json || json->kind != TT_NODE_MAP)
        return tt_fail(err, TT_ERR_FORMAT, "scheduler_config.json: an object is needed");
    *c = (tt_schedule_config){
        .beta_start = 0.0001, .beta_end = 0.02, .train_timesteps = 1000}; /* diffusers' defaults */
    double steps = 1000, offset = 0;
    bool skip_runge_kutta = false;
    tt_status s = read_words(json, c, err);
    /* DDIM's class default; it is the only one that clips, also when it is built from another's config. A
     * null is Python's None, which clips nothing. */
    c->clip_sample = tt_node_get(json, "clip_sample") == NULL;
    c->alpha_to_one_given = tt_node_get(json, "set_alpha_to_one") != NULL;
    if (!s) s = refuse_others(json, err);
    if (!s) s = read_number(json, "beta_start", &c->beta_start, err);
    if (!s) s = read_number(json, "beta_end", &c->beta_end, err);
    if (!s) s = read_number(json, "num_train_timesteps", &steps, err);
    if (!s) s = read_number(json, "steps_offset", &offset, err);
    if (!s) s = read_bool(json, "set_alpha_to_one", &c->set_alpha_to_one, err);
    if (!s) s = read_bool(json, "clip_sample", &c->clip_sample, err);
    if (!s) s = read_bool(json, "use_karras_sigmas", &c->karras, err);
    if (!s) s = read_bool(json, "skip_prk_steps", &skip_runge_kutta, err);
    if (!s) s = refuse_variants(json, c, err);
    if (s) return s;
    c->runge_kutta_start = c->sampler == TT_SAMPLER_PNDM && !skip_runge_kutta;
    if (!(steps >= 2 && steps <= 100000) || !(offset >= 0 && offset < steps) || !(c->beta_start > 0) ||
        !(c->beta_end > c->beta_start) || !(c->beta_end < 1))
        return tt_node_fail(json, err,
                            "num_train_timesteps, steps_offset, beta_start or beta_end is out of range");
    c->train_timesteps = (int)steps;
    c->steps_offset = (int)offset;
    return TT_OK;
}

/* ---- tables ---- */

void tt_alpha_bar_f64(const tt_schedule_config *c, double *out)
{
    double product = 1;
    int last = c->train_timesteps - 1;
    for (int i = 0; i <= last; i++) {
        double low = c->scaled_linear ? sqrt(c->beta_start) : c->beta_start;
        double high = c->scaled_linear ? sqrt(c->beta_end) : c->beta_end;
        double r = low + (high - low) * i / last;
        product *= 1 - (c->scaled_linear ? r * r : r);
        out[i] = product;
    }
}

void tt_alpha_bar_f32(const tt_schedule_config *c, bool torch_2_15, float *out)
{
    int n = c->train_timesteps;
    float low = (float)(c->scaled_linear ? sqrt(c->beta_start) : c->beta_start);
    float high = (float)(c->scaled_linear ? sqrt(c->beta_end) : c->beta_end);
    float step = (high - low) / (float)(n - 1);
    double product = 1; /* the running product is in double, each entry rounded */
    for (int i = 0; i < n; i++) {
        /* PyTorch 1.13 (AVX2) fuses at the start of each block of 8 lanes; 2.15 at every element */
        int at = torch_2_15 ? i : i / 8 * 8;
        float base = at < n / 2 ? fmaf(step, (float)at, low) : fmaf(-step, (float)(n - 1 - at), high);
        float x = base + (float)(i - at) * step;
        float beta = c->scaled_linear ? x * x : x;
        product *= (double)(1 - beta);
        out[i] = (float)product;
    }
}

void tt_guidance(const float *uncond, const float *cond, double scale, double rescale, float *out, size_t n)
{
    double mean[2] = {0, 0}, squares[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        out[i] = uncond[i] + (float)scale * (cond[i] - uncond[i]);
        mean[0] += (double)cond[i] / (double)n;
        mean[1] += (double)out[i] / (double)n;
    }
    if (rescale == 0) return;
    for (size_t i = 0; i < n; i++) {
        squares[0] += ((double)cond[i] - mean[0]) * ((double)cond[i] - mean[0]);
        squares[1] += ((double)out[i] - mean[1]) * ((double)out[i] - mean[1]);
    }
    double factor = squares[1] > 0 ? sqrt(squares[0] / squares[1]) : 1;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(rescale * (double)out[i] * factor + (1 - rescale) * (double)out[i]);
}
