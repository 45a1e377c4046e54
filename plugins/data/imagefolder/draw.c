#include "draw.h"

#include "base/file.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* An image's place in the order: the hash of seed and name (its person's, where persons are drawn), so that
 * adding images to the folder moves none of the others against each other. */
typedef struct lot {
    tt_stream_key person, image;
    size_t index;
} lot;

static int by_lot(const void *a, const void *b)
{
    const lot *x = a, *y = b;
    int order = memcmp(&x->person, &y->person, sizeof x->person);
    return order ? order : memcmp(&x->image, &y->image, sizeof x->image);
}

static tt_status cast_lots(const folder *f, const bool *candidate, uint64_t seed, bool by_person, lot *lots,
                           size_t *n, tt_error *err)
{
    *n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (candidate && !candidate[i]) continue;
        const folder_image *image = &f->images[i];
        if (by_person && !image->identity)
            return tt_fail(err, TT_ERR_INVALID, "%s/%s: no identity is known, and splits are drawn by person",
                           f->path, image->name);
        lots[*n].index = i;
        lots[*n].image = tt_purpose_key(seed, "draw image", image->name);
        lots[*n].person =
            by_person ? tt_purpose_key(seed, "draw person", image->identity) : (tt_stream_key){0};
        (*n)++;
    }
    qsort(lots, *n, sizeof *lots, by_lot);
    return TT_OK;
}

static size_t person_end(const lot *lots, size_t n, size_t first)
{
    size_t end = first + 1;
    while (end < n && memcmp(&lots[end].person, &lots[first].person, sizeof lots[end].person) == 0)
        end++;
    return end;
}

tt_status draw_splits(const folder *f, const bool *candidate, uint64_t seed, bool by_person, uint32_t n,
                      const char *const *names, const uint64_t *counts, uint32_t rest_split, drawn *d,
                      tt_error *err)
{
    lot *lots = tt_alloc_array(f->n, sizeof *lots);
    size_t n_lots = 0, at = 0;
    if (!lots) return tt_fail(err, TT_ERR_MEMORY, "out of memory for drawing splits");
    tt_status s = cast_lots(f, candidate, seed, by_person, lots, &n_lots, err);
    for (uint32_t k = 0; k < n && !s; k++) {
        bool rest = k == rest_split;
        size_t wanted = rest ? n_lots : (size_t)counts[k], got = 0;
        if (d->n_splits == DRAW_MAX_SPLITS) {
            s = tt_fail(err, TT_ERR_INVALID, "more than %d splits", DRAW_MAX_SPLITS);
            break;
        }
        size_t *images = tt_alloc_array(wanted < n_lots ? wanted + 1 : n_lots + 1, sizeof *images);
        if (!images) {
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for drawing splits");
            break;
        }
        while (got < wanted && at < n_lots) {
            size_t end = by_person ? person_end(lots, n_lots, at) : at + 1;
            for (; at < end; at++)
                if (got < wanted) images[got++] = lots[at].index;
        }
        d->names[d->n_splits] = names[k];
        d->counts[d->n_splits] = got;
        d->images[d->n_splits++] = images;
        if (!rest && got < wanted)
            s = tt_fail(err, TT_ERR_INVALID,
                        "%s: split %s wants %llu images and %zu are left of %zu%s; ask for fewer", f->path,
                        names[k], (unsigned long long)counts[k], got, n_lots,
                        by_person ? " (drawn by whole persons)" : "");
    }
    tt_free(lots);
    return s;
}

tt_status draw_item(const folder *f, const drawn *d, uint32_t split, uint64_t index, char **path,
                    tt_item *item, tt_error *err)
{
    if (split >= d->n_splits || index >= d->counts[split])
        return tt_fail(err, TT_ERR_INVALID, "%s: no image %llu in split %u", f->path,
                       (unsigned long long)index, split);
    const folder_image *image = &f->images[d->images[split][index]];
    tt_free(*path);
    *path = tt_path_join(f->path, image->name);
    if (!*path) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a path");
    *item = (tt_item){.size = sizeof *item,
                      .id = image->name,
                      .path = *path,
                      .caption = image->caption,
                      .identity = image->identity};
    return TT_OK;
}

void draw_free(drawn *d)
{
    for (uint32_t k = 0; k < d->n_splits; k++)
        tt_free(d->images[k]);
    *d = (drawn){0};
}
