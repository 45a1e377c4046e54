/* What the words of a caption weigh, by a model of the attacker's own or by a file. */
#ifndef TT_WORD_IMPORTANCE_H
#define TT_WORD_IMPORTANCE_H

#include "models/load/load.h"
#include "telltale/plugin.h"

extern const tt_host *words_host;

typedef enum words_method { WORDS_HEAT_MAPS, WORDS_LEAVE_ONE_OUT, WORDS_FILE } words_method;

typedef struct words_service {
    words_method method;
    /* a model: its text encoder, and for heat maps its UNet */
    tt_checkpoint *checkpoint;
    tt_device *device;
    tt_unet *unet;
    tt_clip_text *clip;
    const tt_tokenizer *tokenizer;
    int tokens, width;  /* of a text's states */
    int side, channels; /* of a latent */
    uint32_t batch;
    int steps;
    double guidance;
    uint64_t seed;
    bool sum; /* merge: sum over a word's tokens, not their mean */
    /* a file */
    tt_arena *arena;
    const tt_node *records; /* captions → [[word, weight], …] */
    const char *file;
} words_service;

/* The states of n texts, [n][tokens][width]. */
tt_status words_encode(words_service *w, uint32_t n, const tt_text *texts, float *states, tt_error *err);
/* heat_maps.c: maps [n][tokens][side][side] of n ≤ batch texts, summed over all steps of generating an image
 * from each; the latents that came of it go to `latents` [n][channels][side][side], where it is not NULL. */
tt_status words_heat_maps(words_service *w, uint32_t n, const tt_text *texts, float *maps, float *latents,
                          tt_error *err);
/* Evaluations of the UNet that one text takes. */
uint64_t words_evaluations(const words_service *w);
/* from_file.c */
tt_status words_open_file(words_service *w, const char *path, tt_error *err);
tt_status words_look_up(const words_service *w, const tt_text *text, double *weights, tt_error *err);

#endif
