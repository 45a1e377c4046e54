/* Splits drawn from a folder's list: which image stands where. */
#ifndef DRAW_H
#define DRAW_H

#include "folder.h"

#define DRAW_MAX_SPLITS 64

typedef struct drawn {
    uint32_t n_splits;
    const char *names[DRAW_MAX_SPLITS];
    uint64_t counts[DRAW_MAX_SPLITS];
    size_t *images[DRAW_MAX_SPLITS]; /* [counts[k]] indices into folder->images, in drawn order */
} drawn;

/* Draws splits of exactly `counts` images each (rest_split: index of one that takes what is left, or
 * UINT32_MAX) in an order keyed by `seed` and the images' names. by_person: no identity in two splits; what a
 * person has beyond a split's count is left out. `candidate`: [f->n], NULL for all. Adds to *d. */
tt_status draw_splits(const folder *f, const bool *candidate, uint64_t seed, bool by_person, uint32_t n,
                      const char *const *names, const uint64_t *counts, uint32_t rest_split, drawn *d,
                      tt_error *err);
/* Fills *item; *path is kept by the caller between calls and freed with tt_free. */
tt_status draw_item(const folder *f, const drawn *d, uint32_t split, uint64_t index, char **path,
                    tt_item *item, tt_error *err);
void draw_free(drawn *d);

#endif
