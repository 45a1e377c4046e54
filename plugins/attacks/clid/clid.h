/* Shared by the files of the CLiD attack. */
#ifndef TT_ATTACK_CLID_H
#define TT_ATTACK_CLID_H

#include "../words.h"

#define CLID_MAX_TIMESTEPS 64
#define CLID_MAX_REDUCED   33 /* with the null caption */

typedef enum clid_reduction { CLID_CLIPPING, CLID_NULL, CLID_IMPORTANCE, CLID_GAUSS } clid_reduction;
typedef enum clid_importance {
    CLID_LEAVE_ONE_OUT,
    CLID_UNIFORM,
    CLID_TARGET_MAPS,
    CLID_SERVICE
} clid_importance;

typedef struct clid {
    clid_reduction reduction;
    clid_importance importance;
    bool clip_words;     /* clipping: pieces of words, not of characters */
    const double *rates; /* importance: shares of the words; gauss: scales; [n_reduced − 1] */
    int32_t timesteps[CLID_MAX_TIMESTEPS];          /* rising; max(M, N) of them */
    size_t n_timesteps, first_l, n_l, first_d, n_d; /* the middle sub-lists for L and D */
    size_t n_reduced; /* K: reduced captions, the last one null; 0 where N is 0 */
    size_t n_columns;
    char names[1 + CLID_MAX_REDUCED][8];
    const char *columns[1 + CLID_MAX_REDUCED]; /* L (where M is not 0), D_1, …, D_null */
    bool mean_latent, alpha_bar_f32, vec, fixed_alpha;
    double alpha;
    const double *scaler; /* median_L, iqr_L, median_b, iqr_b when given; else NULL */
    int64_t seed;
} clid;

extern const tt_host *clid_host;

/* clid_measure.c */
tt_status clid_measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                       double *rows, tt_error *err);

/* clid_text.c: the raw caption cut into n pieces of equally many code points (2.6.2), strings from
 * host->alloc */
tt_status clid_clip(const char *caption, size_t n, char **out, tt_error *err);
/* The weightiest share `rate` of the words give way to end tokens: w->n pieces from host->alloc. */
tt_status clid_cut(const words *w, double rate, int32_t end_token, tt_text_piece **pieces, tt_error *err);

/* clid_gauss.c: conditions [n] of a sample from that of its caption, each perturbed at one of `scales` */
tt_status clid_perturb(tt_model *model, uint64_t sample, tt_handle caption, size_t n, const double *scales,
                       tt_handle *conditions, tt_error *err);

/* clid_th.c, clid_vec.c: the two deciders; their states begin with a letter of their own */
tt_status clid_th_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                      size_t *size, tt_error *err);
tt_status clid_th_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size, double *scores,
                        tt_error *err);
tt_status clid_th_explain(const clid *a, const uint8_t *state, size_t size, char *text, size_t text_size,
                          tt_error *err);
tt_status clid_vec_fit(const clid *a, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                       size_t *size, tt_error *err);
tt_status clid_vec_score(const clid *a, const tt_rows *rows, const uint8_t *state, size_t size,
                         double *scores, tt_error *err);

#endif
