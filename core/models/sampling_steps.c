/* The update rules (specs: models-sampling 7.5–7.8). Each works element by element in double and rounds once.
 */
#include "models/sampling.h"

#include <math.h>
#include <string.h>

/* ᾱ at timestep t; below the schedule its end value */
static double alpha_at(const tt_sampling *s, double t)
{
    return t >= 0 ? (double)s->alpha_bar[(int)t] : s->final_alpha_bar;
}

/* From what the model predicts to (x0, ε) at ᾱ = a */
static void convert(tt_prediction_type type, double a, double output, double x, double *x0, double *eps)
{
    double root = sqrt(a), sigma = sqrt(1 - a);
    switch (type) {
    case TT_PREDICT_V:
        *x0 = root * x - sigma * output;
        *eps = root * output + sigma * x;
        break;
    case TT_PREDICT_SAMPLE:
        *x0 = output;
        *eps = (x - root * output) / sigma;
        break;
    default:
        *x0 = (x - sigma * output) / root;
        *eps = output;
        break;
    }
}

static int stride(const tt_sampling *s)
{
    return s->config.train_timesteps / s->steps;
}

static double clipped(const tt_sampling *s, double x0)
{
    return !s->config.clip_sample ? x0 : x0 < -1 ? -1 : x0 > 1 ? 1 : x0;
}

void tt_step_ddim(tt_sampling *s, double t, const float *output, float *x)
{
    double a = alpha_at(s, t), b = alpha_at(s, t - stride(s)); /* η = 0 */
    for (size_t k = 0; k < s->n; k++) {
        double x0, eps;
        convert(s->config.prediction, a, (double)output[k], (double)x[k], &x0, &eps);
        x[k] = (float)(sqrt(b) * clipped(s, x0) + sqrt(1 - b) * eps);
    }
}

/* The network is told the target time t; the step goes from t − T/n to t. */
void tt_step_inverse(tt_sampling *s, double t, const float *output, float *x)
{
    double last = s->config.train_timesteps - 1, from = t - stride(s);
    double a = alpha_at(s, from > last ? last : from), b = alpha_at(s, t);
    for (size_t k = 0; k < s->n; k++) {
        double x0, eps;
        convert(s->config.prediction, a, (double)output[k], (double)x[k], &x0, &eps);
        x[k] = (float)(sqrt(b) * clipped(s, x0) + sqrt(1 - b) * eps);
    }
}

static void push_history(tt_sampling *s, const float *output)
{
    float *oldest = s->history[3];
    memmove(s->history + 1, s->history, 3 * sizeof *s->history);
    s->history[0] = oldest;
    memcpy(oldest, output, s->n * sizeof *oldest);
    if (s->n_history < 4) s->n_history++;
}

/* the multistep mixture of the last outputs */
static double pndm_mix(const tt_sampling *s, size_t k, double output)
{
    double h[4];
    for (int i = 0; i < 4; i++)
        h[i] = i < s->n_history ? (double)s->history[i][k] : 0;
    if (s->n_history == 1) return s->done == 1 ? (output + h[0]) / 2 : output;
    if (s->n_history == 2) return (3 * h[0] - h[1]) / 2;
    if (s->n_history == 3) return (23 * h[0] - 16 * h[1] + 5 * h[2]) / 12;
    return (55 * h[0] - 59 * h[1] + 37 * h[2] - 9 * h[3]) / 24;
}

void tt_step_pndm(tt_sampling *s, double t, const float *output, float *x)
{
    double previous = t - stride(s);
    if (s->done == 1) { /* the first interval once more */
        previous = t;
        t += stride(s);
    } else {
        push_history(s, output);
    }
    if (s->done == 0) memcpy(s->saved, x, s->n * sizeof *x);
    double last = s->config.train_timesteps - 1;
    double a = alpha_at(s, t > last ? last : t), b = alpha_at(s, previous);
    double divisor = a * sqrt(1 - b) + sqrt(a * (1 - a) * b);
    for (size_t k = 0; k < s->n; k++) {
        double from = s->done == 1 ? (double)s->saved[k] : (double)x[k];
        double e = pndm_mix(s, k, (double)output[k]);
        if (s->config.prediction == TT_PREDICT_V) e = sqrt(a) * e + sqrt(1 - a) * from;
        x[k] = (float)(sqrt(b / a) * from - (b - a) * e / divisor);
    }
}

typedef struct level {
    double alpha, sigma, lambda; /* α = 1/√(σ²+1), ς = σα, λ = ln α − ln ς */
} level;

static level level_of(double sigma)
{
    double alpha = 1 / sqrt(sigma * sigma + 1);
    return (level){alpha, sigma * alpha, sigma > 0 ? -log(sigma) : INFINITY};
}

void tt_step_dpmpp(tt_sampling *s, int i, const float *output, float *x)
{
    int at = s->begin + i, n = s->steps;
    level now = level_of(s->sigmas[at]), next = level_of(s->sigmas[at + 1]);
    bool last = at == n - 1 && (n < 15 || s->sigmas[n] == 0);
    bool first_order = i == 0 || last;
    double h = next.lambda - now.lambda, r0 = 1;
    if (!first_order) r0 = (now.lambda - level_of(s->sigmas[at - 1]).lambda) / h;
    double decay = expm1(-h); /* −1 at the clean end */
    for (size_t k = 0; k < s->n; k++) {
        double m, out = (double)output[k], from = (double)x[k];
        if (s->config.prediction == TT_PREDICT_V)
            m = now.alpha * from - now.sigma * out;
        else if (s->config.prediction == TT_PREDICT_SAMPLE)
            m = out;
        else
            m = (from - now.sigma * out) / now.alpha;
        double to = next.sigma / now.sigma * from - next.alpha * decay * m;
        if (!first_order) to -= 0.5 * next.alpha * decay * (m - (double)s->history[0][k]) / r0;
        s->history[0][k] = (float)m;
        x[k] = (float)to;
    }
}

void tt_step_euler(tt_sampling *s, int i, const float *output, float *x)
{
    double sigma = s->sigmas[s->begin + i], next = s->sigmas[s->begin + i + 1];
    for (size_t k = 0; k < s->n; k++) {
        double out = (double)output[k], from = (double)x[k], x0;
        if (s->config.prediction == TT_PREDICT_V)
            x0 = -sigma / sqrt(sigma * sigma + 1) * out + from / (sigma * sigma + 1);
        else if (s->config.prediction == TT_PREDICT_SAMPLE)
            x0 = out;
        else
            x0 = from - sigma * out;
        x[k] = (float)(from + (from - x0) / sigma * (next - sigma));
    }
}
