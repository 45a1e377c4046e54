/* Samplers: lists of timesteps and sigmas, and what all runs share (specs: models-sampling 7.3–7.9). */
#include "models/sampling.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

static bool has_sigmas(const tt_sampling *s)
{
    return s->sampler == TT_SAMPLER_DPMPP_2M || s->sampler == TT_SAMPLER_EULER;
}

static double sigma_at(const tt_sampling *s, int t)
{
    double a = (double)s->alpha_bar[t];
    return (double)(float)sqrt((1 - a) / a);
}

/* linear interpolation of the training sigmas at a fractional timestep */
static double sigma_between(const tt_sampling *s, double t)
{
    int last = s->config.train_timesteps - 1;
    if (t <= 0) return sigma_at(s, 0);
    if (t >= last) return sigma_at(s, last);
    int low = (int)t;
    return sigma_at(s, low) + (t - low) * (sigma_at(s, low + 1) - sigma_at(s, low));
}

/* ---- timesteps; all lists fall, rounding is half to even as numpy's ---- */

static void leading(tt_sampling *s, int parts)
{
    int ratio = s->config.train_timesteps / parts, n = s->steps;
    for (int i = 0; i < n; i++)
        s->timesteps[i] = (double)((parts - 1 - i) * ratio + s->config.steps_offset);
}

static void trailing(tt_sampling *s)
{
    double total = s->config.train_timesteps;
    for (int i = 0; i < s->steps; i++)
        s->timesteps[i] = rint(total - i * (total / s->steps)) - 1;
}

static void fill_plain(tt_sampling *s)
{
    double last = s->config.train_timesteps - 1;
    bool dpmpp = s->sampler == TT_SAMPLER_DPMPP_2M;
    if (s->spacing == TT_SPACING_TRAILING) {
        trailing(s);
    } else if (s->spacing == TT_SPACING_LEADING) {
        leading(s, dpmpp ? s->steps + 1 : s->steps); /* DPM++ drops the last of n+1 */
    } else if (dpmpp) {
        for (int i = 0; i < s->steps; i++)
            s->timesteps[i] = rint(last * (s->steps - i) / s->steps);
    } else {
        for (int i = 0; i < s->steps; i++) {
            double t = s->steps > 1 ? last * (s->steps - 1 - i) / (s->steps - 1) : 0;
            s->timesteps[i] = s->sampler == TT_SAMPLER_EULER ? (double)(float)t : rint(t);
        }
    }
}

/* PNDM with skip_prk_steps: the second-largest timestep is called twice (7.6) */
static void double_second(tt_sampling *s)
{
    if (s->steps < 2) return;
    memmove(s->timesteps + 2, s->timesteps + 1, (size_t)(s->steps - 1) * sizeof *s->timesteps);
    s->calls = s->steps + 1;
}

static double timestep_of_sigma(const tt_sampling *s, double sigma)
{
    int low = 0, last = s->config.train_timesteps - 2;
    for (int j = 0; j <= last; j++)
        if (log(sigma_at(s, j)) <= log(sigma)) low = j;
    double a = log(sigma_at(s, low)), b = log(sigma_at(s, low + 1));
    double w = (a - log(sigma)) / (a - b);
    w = w < 0 ? 0 : w > 1 ? 1 : w;
    return (1 - w) * low + w * (low + 1);
}

static void fill_sigmas(tt_sampling *s)
{
    int n = s->steps, last = s->config.train_timesteps - 1;
    for (int i = 0; i < n; i++)
        s->sigmas[i] = (double)(float)sigma_between(s, s->timesteps[i]);
    /* Karras' ramp: DPM++ spans the whole schedule, Euler what its spacing spans */
    bool euler = s->sampler == TT_SAMPLER_EULER;
    double low = pow(euler ? s->sigmas[n - 1] : sigma_at(s, 0), 1.0 / 7);
    double high = pow(euler ? s->sigmas[0] : sigma_at(s, last), 1.0 / 7);
    for (int i = 0; s->karras && i < n; i++) {
        double u = n > 1 ? (double)i / (n - 1) : 0;
        s->sigmas[i] = pow(high + u * (low - high), 7);
        double t = timestep_of_sigma(s, s->sigmas[i]);
        s->timesteps[i] = euler ? (double)(float)t : rint(t);
    }
    s->sigmas[n] = s->config.sigma_min_final ? sigma_at(s, 0) : 0;
}

static void fill(tt_sampling *s)
{
    fill_plain(s);
    s->calls = s->steps;
    s->init_sigma = 1;
    if (has_sigmas(s)) {
        fill_sigmas(s);
        if (s->sampler == TT_SAMPLER_EULER)
            s->init_sigma =
                s->spacing == TT_SPACING_LEADING ? sqrt(s->sigmas[0] * s->sigmas[0] + 1) : s->sigmas[0];
    } else if (s->sampler == TT_SAMPLER_PNDM) {
        double_second(s);
    }
    for (int i = 0; s->inverse && i < s->calls / 2; i++) { /* rising */
        double held = s->timesteps[i];
        s->timesteps[i] = s->timesteps[s->calls - 1 - i];
        s->timesteps[s->calls - 1 - i] = held;
    }
}

tt_status tt_sampling_create(const tt_schedule_config *config, tt_sampler sampler, bool karras, bool inverse,
                             int steps, tt_sampling **out, tt_error *err)
{
    if (sampler == TT_SAMPLER_DEFAULT) sampler = config->sampler;
    if (steps < 1 || steps >= config->train_timesteps)
        return tt_fail(err, TT_ERR_INVALID, "%d steps: must be between 1 and %d", steps,
                       config->train_timesteps - 1);
    if (inverse && sampler != TT_SAMPLER_DDIM)
        return tt_fail(err, TT_ERR_INVALID, "inversion is DDIM's: choose sampler ddim");
    if (karras && sampler != TT_SAMPLER_DPMPP_2M && sampler != TT_SAMPLER_EULER)
        return tt_fail(err, TT_ERR_INVALID, "Karras sigmas are for dpmpp_2m and euler");
    if (sampler == TT_SAMPLER_PNDM && config->runge_kutta_start)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "a PNDM that starts with Runge-Kutta steps is not done: set "
                       "skip_prk_steps to true, or choose sampler ddim");
    if (sampler == TT_SAMPLER_PNDM && config->prediction == TT_PREDICT_SAMPLE)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "PNDM is not defined for a model that predicts the clean image: "
                       "choose sampler ddim");
    tt_sampling *s = tt_alloc_zero(sizeof *s);
    if (!s) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a sampler");
    s->config = *config;
    s->sampler = sampler;
    bool sigmas = has_sigmas(s);
    s->spacing = config->spacing_given ? config->spacing : sigmas ? TT_SPACING_LINSPACE : TT_SPACING_LEADING;
    s->karras = karras || (sigmas && config->karras);
    s->inverse = inverse;
    s->steps = steps;
    s->timesteps = tt_alloc_array((size_t)steps + 2, sizeof *s->timesteps);
    s->sigmas = sigmas ? tt_alloc_array((size_t)steps + 1, sizeof *s->sigmas) : NULL;
    s->alpha_bar = tt_alloc_array((size_t)config->train_timesteps, sizeof *s->alpha_bar);
    if (!s->timesteps || !s->alpha_bar || (sigmas && !s->sigmas)) {
        tt_sampling_destroy(s);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for a sampler");
    }
    tt_alpha_bar_f32(config, false, s->alpha_bar);
    /* a default of one class does not pass to another that is built from its config */
    bool to_one = config->alpha_to_one_given ? config->set_alpha_to_one : sampler == TT_SAMPLER_DDIM;
    s->final_alpha_bar = to_one ? 1 : (double)s->alpha_bar[0];
    fill(s);
    for (int i = 0; i < s->calls; i++)
        if (!(s->timesteps[i] >= 0) || s->timesteps[i] > config->train_timesteps - 1) {
            tt_sampling_destroy(s);
            return tt_fail(err, TT_ERR_INVALID, "%d steps with this spacing and offset leave the schedule",
                           steps);
        }
    *out = s;
    return TT_OK;
}

void tt_sampling_destroy(tt_sampling *s)
{
    if (!s) return;
    tt_free(s->timesteps);
    tt_free(s->sigmas);
    tt_free(s->alpha_bar);
    for (int i = 0; i < 4; i++)
        tt_free(s->history[i]);
    tt_free(s->saved);
    tt_free(s);
}

void tt_sampling_cut(tt_sampling *s, double strength)
{
    double wanted = floor(s->steps * strength);
    int keep = wanted > s->steps ? s->steps : wanted > 0 ? (int)wanted : 0;
    s->begin = s->steps - keep;
    s->calls = (s->sampler == TT_SAMPLER_PNDM && s->steps > 1 ? s->steps + 1 : s->steps) - s->begin;
}

int tt_sampling_calls(const tt_sampling *s)
{
    return s->calls;
}

double tt_sampling_timestep(const tt_sampling *s, int i)
{
    return s->timesteps[s->begin + i];
}

double tt_sampling_init_sigma(const tt_sampling *s)
{
    return s->init_sigma;
}

void tt_sampling_input(const tt_sampling *s, int i, const float *x, float *out, size_t n)
{
    double scale = 1;
    if (s->sampler == TT_SAMPLER_EULER) {
        double sigma = s->sigmas[s->begin + i];
        scale = sqrt(sigma * sigma + 1);
    }
    for (size_t k = 0; k < n; k++)
        out[k] = (float)((double)x[k] / scale);
}

void tt_sampling_add_noise(const tt_sampling *s, int i, const float *x0, const float *noise, float *out,
                           size_t n)
{
    double scale = 1, sigma = 0;
    if (i < s->calls && s->sampler == TT_SAMPLER_EULER) {
        sigma = s->sigmas[s->begin + i];
    } else if (i < s->calls && s->sampler == TT_SAMPLER_DPMPP_2M) {
        /* by sigma: with Karras' ramp the timestep is only the nearest one */
        scale = 1 / hypot(s->sigmas[s->begin + i], 1);
        sigma = s->sigmas[s->begin + i] * scale;
    } else if (i < s->calls) {
        double a = (double)s->alpha_bar[(int)tt_sampling_timestep(s, i)];
        scale = sqrt(a);
        sigma = sqrt(1 - a);
    }
    for (size_t k = 0; k < n; k++)
        out[k] = (float)(scale * (double)x0[k] + sigma * (double)noise[k]);
}

static tt_status prepare(tt_sampling *s, size_t n, tt_error *err)
{
    if (s->n == n) return TT_OK;
    if (s->n != 0)
        return tt_fail(err, TT_ERR_INVALID, "a sampling step of %zu values after one of %zu", n, s->n);
    int arrays = s->sampler == TT_SAMPLER_PNDM ? 4 : s->sampler == TT_SAMPLER_DPMPP_2M ? 1 : 0;
    for (int i = 0; i < arrays; i++) {
        s->history[i] = tt_alloc_array(n, sizeof(float));
        if (!s->history[i]) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a sampler");
    }
    s->saved = tt_alloc_array(n, sizeof *s->saved);
    if (!s->saved) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a sampler");
    s->n = n;
    return TT_OK;
}

tt_status tt_sampling_step(tt_sampling *s, int i, const float *output, float *x, size_t n, tt_error *err)
{
    if (i != s->done || i >= s->calls)
        return tt_fail(err, TT_ERR_INVALID, "sampling step %d: expected %d of %d", i, s->done, s->calls);
    tt_status status = prepare(s, n, err);
    if (status) return status;
    double t = tt_sampling_timestep(s, i);
    if (s->inverse)
        tt_step_inverse(s, t, output, x);
    else if (s->sampler == TT_SAMPLER_DDIM)
        tt_step_ddim(s, t, output, x);
    else if (s->sampler == TT_SAMPLER_PNDM)
        tt_step_pndm(s, t, output, x);
    else if (s->sampler == TT_SAMPLER_DPMPP_2M)
        tt_step_dpmpp(s, i, output, x);
    else
        tt_step_euler(s, i, output, x);
    s->done++;
    return TT_OK;
}
