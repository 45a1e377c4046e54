/* Noise schedules and samplers (specs/models-sampling.md): plain float arrays on the host, no network inside.
 */
#ifndef TT_MODELS_SAMPLER_H
#define TT_MODELS_SAMPLER_H

#include "formats/json.h"
#include "telltale/plugin.h"

typedef enum tt_prediction_type { TT_PREDICT_EPSILON, TT_PREDICT_V, TT_PREDICT_SAMPLE } tt_prediction_type;
typedef enum tt_spacing { TT_SPACING_LEADING, TT_SPACING_LINSPACE, TT_SPACING_TRAILING } tt_spacing;

typedef struct tt_schedule_config {
    tt_sampler sampler; /* from _class_name */
    double beta_start, beta_end;
    bool scaled_linear; /* else linear */
    int train_timesteps, steps_offset;
    bool set_alpha_to_one, alpha_to_one_given; /* not given: true for DDIM, false for PNDM */
    bool clip_sample;                          /* of DDIM and its inversion */
    tt_prediction_type prediction;
    tt_spacing spacing;
    bool spacing_given;           /* the file names one; else each sampler's own default (7.9) */
    bool karras, sigma_min_final; /* final_sigmas_type == "sigma_min" */
    bool runge_kutta_start;       /* PNDM without skip_prk_steps: refused when a PNDM run is made */
} tt_schedule_config;

TT_API void tt_schedule_config_sd15(tt_schedule_config *config);
TT_API tt_status tt_schedule_config_parse(const tt_node *json, tt_schedule_config *config, tt_error *err);

/* ᾱ tables: by PyTorch 1.13's f32 rule (default) or 2.15's, and in double (grey-box 1.1). [train_timesteps]
 */
TT_API void tt_alpha_bar_f32(const tt_schedule_config *config, bool torch_2_15, float *out);
TT_API void tt_alpha_bar_f64(const tt_schedule_config *config, double *out);

/* One sampling run. `sampler` DEFAULT: the config's own; others are built from its config as diffusers does
 * (7.9). */
typedef struct tt_sampling tt_sampling;
TT_API tt_status tt_sampling_create(const tt_schedule_config *config, tt_sampler sampler, bool karras,
                                    bool inverse, int steps, tt_sampling **sampling, tt_error *err);
TT_API void tt_sampling_destroy(tt_sampling *s);
/* Cuts the list for image to image: init = min(floor(steps·strength), steps) (7.13). */
TT_API void tt_sampling_cut(tt_sampling *s, double strength);
TT_API int tt_sampling_calls(const tt_sampling *s);              /* model calls of the whole run */
TT_API double tt_sampling_timestep(const tt_sampling *s, int i); /* timestep of call i */
TT_API double tt_sampling_init_sigma(const tt_sampling *s);      /* factor of the starting noise */
/* scale_model_input for call i: out may be x */
TT_API void tt_sampling_input(const tt_sampling *s, int i, const float *x, float *out, size_t n);
/* One step with the model's output of call i; x is updated in place. Calls must come in order. */
TT_API tt_status tt_sampling_step(tt_sampling *s, int i, const float *output, float *x, size_t n,
                                  tt_error *err);
/* x_t of the forward process at call i's noise level (i = calls: clean): x0·√ᾱ + noise·√(1−ᾱ), or x0 +
 * σ·noise. */
TT_API void tt_sampling_add_noise(const tt_sampling *s, int i, const float *x0, const float *noise,
                                  float *out, size_t n);

/* e = e_u + s·(e_c − e_u); rescale φ as 7.11 (0: none); n elements of one sample */
TT_API void tt_guidance(const float *uncond, const float *cond, double scale, double rescale, float *out,
                        size_t n);

#endif
