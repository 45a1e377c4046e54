/* A sampling run's insides, shared by sampling.c (timesteps, sigmas, common parts) and sampling_steps.c (the
 * updates). */
#ifndef TT_MODELS_SAMPLING_H
#define TT_MODELS_SAMPLING_H

#include "models/sampler.h"

struct tt_sampling {
    tt_schedule_config config;
    tt_sampler sampler;
    tt_spacing spacing;
    bool karras, inverse;
    int steps;         /* n: what the user asked for */
    int calls, begin;  /* timesteps[begin .. begin+calls): begin > 0 after a cut */
    double *timesteps; /* of all calls of the uncut run */
    double *sigmas;    /* DPM++, Euler: one more than timesteps; else NULL */
    float *alpha_bar;
    double final_alpha_bar, init_sigma;
    /* state of the run */
    int done;
    size_t n;
    float *history[4]; /* PNDM: last outputs, newest first; DPM++: [0] the last x0 */
    int n_history;
    float *saved;
};

/* One file-level entry for each update rule; called in order. */
void tt_step_ddim(tt_sampling *s, double t, const float *output, float *x);
void tt_step_inverse(tt_sampling *s, double t, const float *output, float *x);
void tt_step_pndm(tt_sampling *s, double t, const float *output, float *x);
void tt_step_dpmpp(tt_sampling *s, int i, const float *output, float *x);
void tt_step_euler(tt_sampling *s, int i, const float *output, float *x);

#endif
