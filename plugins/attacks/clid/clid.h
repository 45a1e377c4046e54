/* Shared by the files of the CLiD attack. */
#ifndef TT_ATTACK_CLID_H
#define TT_ATTACK_CLID_H

#include "telltale/plugin.h"

#define CLID_MAX_TIMESTEPS 64
#define CLID_MAX_REDUCED   4

typedef struct clid {
    int32_t timesteps[CLID_MAX_TIMESTEPS];          /* rising; max(M, N) of them */
    size_t n_timesteps, first_l, n_l, first_d, n_d; /* the middle sub-lists for L and D */
    size_t n_reduced;                               /* K: reduced captions, the last one null */
    bool mean_latent, alpha_bar_f32, vec, fixed_alpha;
    double alpha;
    const double *scaler; /* median_L, iqr_L, median_b, iqr_b when given; else NULL */
    int64_t seed;
} clid;

extern const tt_host *clid_host;

/* clid_text.c: thirds of the raw caption by code points (2.6.2); three strings from host->alloc in out. */
tt_status clid_clip(const char *caption, char *out[3], tt_error *err);

/* clid_th.c, clid_vec.c: the two deciders; their states begin with a letter of their own */
tt_status clid_th_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                      size_t *size, tt_error *err);
tt_status clid_th_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size, double *scores,
                        tt_error *err);
tt_status clid_th_explain(const uint8_t *state, size_t size, char *text, size_t text_size, tt_error *err);
tt_status clid_vec_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                       size_t *size, tt_error *err);
tt_status clid_vec_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size,
                         double *scores, tt_error *err);

#endif
