/* Heat maps of the words of captions, as files: where in the image a model sees each word. A service's host
 * writes one for each text that it weighs; reports read them. A file is named by its caption, white space
 * aside. */
#ifndef TT_RUNTIME_WORD_MAPS_H
#define TT_RUNTIME_WORD_MAPS_H

#include "base/mem.h"
#include "telltale/plugin.h"

enum {
    TT_WORD_MAP_SIDE_MAX = 16,        /* of what is kept; larger maps are averaged down */
    TT_WORD_MAP_SIDE_GIVEN_MAX = 1024 /* of what a service may draw */
};

typedef struct tt_word_maps {
    uint32_t n, side;
    const char **words;    /* [n] */
    const double *weights; /* [n] */
    const double *peaks;   /* [n] the value that 255 stands for */
    const uint8_t *cells;  /* [n][side][side], row by row */
} tt_word_maps;

/* maps: [text->n_pieces][side][side], at least 0. A text with special tokens is no caption: nothing is
 * written. Same text and maps, same bytes. */
TT_API tt_status tt_word_maps_write(const char *dir, const tt_text *text, const double *weights,
                                    uint32_t side, const float *maps, tt_error *err);
/* TT_ERR_NOT_FOUND: there are none of this caption. */
TT_API tt_status tt_word_maps_read(const char *dir, const char *caption, tt_arena *arena, tt_word_maps *out,
                                   tt_error *err);

#endif
