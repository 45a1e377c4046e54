/* Shared by the files of the CLiD attack. */
#ifndef TT_ATTACK_CLID_H
#define TT_ATTACK_CLID_H

#include "telltale/plugin.h"

#define CLID_MAX_TIMESTEPS 64
#define CLID_MAX_REDUCED   4

typedef enum clid_reduction { CLID_CLIPPING, CLID_NULL, CLID_IMPORTANCE } clid_reduction;

typedef struct clid {
    clid_reduction reduction;
    bool uniform;                                   /* importance: all words weigh the same */
    const double *rates;                            /* importance: [3] */
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

/* clid_importance.c: the words of a caption, cut at white space, and what they weigh */
typedef struct clid_words {
    char *text;         /* the caption, its spaces turned to ends */
    const char **words; /* [n], into text */
    double *weights;    /* [n] */
    size_t n;
} clid_words;
tt_status clid_words_split(const char *caption, clid_words *w, tt_error *err); /* free it in any case */
void clid_words_free(clid_words *w);
/* weights: the distance of the caption's embedding from that without the word. Texts are no queries. */
tt_status clid_words_leave_one_out(tt_model *model, clid_words *w, tt_error *err);
/* The caption as n pieces, of which the weightiest share `rate` are end tokens; from host->alloc. */
tt_status clid_words_cut(const clid_words *w, double rate, int32_t end_token, tt_text_piece **pieces,
                         tt_error *err);

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
