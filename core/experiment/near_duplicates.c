#include "experiment/near_duplicates.h"

#include <stdlib.h>
#include <string.h>

/* ---- the search ---- */

typedef struct looked { /* one image, with what the search compares side by side in memory */
    tt_image_look look;
    uint32_t set, index;
} looked;

/* Splits, numbered; samples come data set by data set and split by split, so the last one is mostly it. */
typedef struct sets {
    const tt_sample_ref **first; /* one sample of each */
    uint32_t n;
} sets;

static uint32_t set_of(sets *s, const tt_sample_ref *r)
{
    for (uint32_t i = s->n; i > 0; i--)
        if (strcmp(s->first[i - 1]->data, r->data) == 0 &&
            strcmp(s->first[i - 1]->item->split, r->item->split) == 0)
            return i - 1;
    s->first[s->n] = r;
    return s->n++;
}

static int by_distance(const void *a, const void *b)
{
    const tt_near_pair *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    if (x->a != y->a) return x->a < y->a ? -1 : 1;
    return x->b < y->b ? -1 : x->b > y->b;
}

/* Keeps the closest half when the room is full, so that a search among copies of one image ends. */
static void keep(tt_near_duplicates *out, size_t room, tt_near_pair pair)
{
    if (out->n_listed == room) {
        qsort(out->pairs, out->n_listed, sizeof *out->pairs, by_distance);
        out->n_listed = room / 2;
    }
    out->pairs[out->n_listed++] = pair;
    out->n++;
}

/* Every pair is looked at: the first 64 bits decide nearly all, a nanosecond each. */
static void compare_all(const looked *images, size_t n, uint32_t within, size_t room, tt_near_duplicates *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            uint64_t first = images[i].look.bits[0] ^ images[k].look.bits[0];
            if ((uint32_t)__builtin_popcountll(first) > within || images[i].set == images[k].set) continue;
            uint32_t distance = tt_image_look_distance(&images[i].look, &images[k].look);
            if (distance <= within)
                keep(out, room, (tt_near_pair){images[i].index, images[k].index, distance});
        }
}

tt_status tt_near_duplicates_find(const tt_samples *samples, uint32_t within, tt_arena *arena,
                                  tt_near_duplicates *out, tt_error *err)
{
    const size_t room = 2 * TT_NEAR_PAIRS_MAX, n = samples->n_all;
    *out = (tt_near_duplicates){.within = within};
    if (within == 0) return TT_OK;
    looked *images = tt_alloc_array(n + 1, sizeof *images);
    sets seen = {.first = tt_alloc_array(n + 1, sizeof(const tt_sample_ref *))};
    out->pairs = tt_arena_alloc_array(arena, room, sizeof *out->pairs);
    tt_status s =
        images && seen.first && out->pairs
            ? TT_OK
            : tt_fail(err, TT_ERR_MEMORY, "out of memory to look for near duplicates among %zu images", n);
    for (size_t i = 0; i < n && !s; i++)
        images[i] = (looked){samples->all[i]->item->look, set_of(&seen, samples->all[i]), (uint32_t)i};
    if (!s) {
        compare_all(images, n, within, room, out);
        qsort(out->pairs, out->n_listed, sizeof *out->pairs, by_distance);
        if (out->n_listed > TT_NEAR_PAIRS_MAX) out->n_listed = TT_NEAR_PAIRS_MAX;
    }
    tt_free((void *)seen.first);
    tt_free(images);
    return s;
}

/* ---- results.h5 ---- */

void tt_near_duplicates_write(tt_hdf5_writer *w, const tt_near_duplicates *n)
{
    static const char *const paths[] = {"/near_duplicates/a", "/near_duplicates/b",
                                        "/near_duplicates/distance"};
    uint32_t column[TT_NEAR_PAIRS_MAX];
    tt_hdf5_group(w, "/near_duplicates");
    tt_hdf5_set_u64(w, "/near_duplicates", "within", n->within);
    tt_hdf5_set_u64(w, "/near_duplicates", "pairs", n->n);
    for (int k = 0; k < 3 && n->n_listed; k++) {
        for (size_t i = 0; i < n->n_listed; i++)
            column[i] = k == 0 ? n->pairs[i].a : k == 1 ? n->pairs[i].b : n->pairs[i].distance;
        tt_hdf5_put_u32(w, paths[k], n->n_listed, column);
    }
}

tt_status tt_near_duplicates_read(tt_hdf5_reader *h, tt_results *r, tt_error *err)
{
    tt_near_duplicates *out = &r->near_duplicates;
    *out = (tt_near_duplicates){0};
    if (!tt_hdf5_has(h, "/near_duplicates")) return TT_OK;
    uint64_t within = 0, pairs = 0;
    uint32_t *a, *b, *distance;
    size_t n = 0, n_b = 0, n_distance = 0;
    tt_status s = tt_hdf5_attribute_u64(h, "/near_duplicates", "within", &within, err);
    if (!s) s = tt_hdf5_attribute_u64(h, "/near_duplicates", "pairs", &pairs, err);
    if (s) return s;
    out->within = (uint32_t)within;
    out->n = pairs;
    if (!tt_hdf5_has(h, "/near_duplicates/a")) return TT_OK;
    s = tt_hdf5_get_u32(h, "/near_duplicates/a", &n, &a, err);
    if (!s) s = tt_hdf5_get_u32(h, "/near_duplicates/b", &n_b, &b, err);
    if (!s) s = tt_hdf5_get_u32(h, "/near_duplicates/distance", &n_distance, &distance, err);
    if (!s && (n != n_b || n != n_distance || n > TT_NEAR_PAIRS_MAX))
        s = tt_fail(err, TT_ERR_FORMAT, "/near_duplicates has lists of different lengths, or too long ones");
    if (!s) out->pairs = tt_arena_alloc_array(r->arena, n + 1, sizeof *out->pairs);
    if (!s && !out->pairs) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for near duplicates");
    for (size_t i = 0; i < n && !s; i++) {
        out->pairs[i] = (tt_near_pair){a[i], b[i], distance[i]};
        if (a[i] >= r->n_samples || b[i] >= r->n_samples)
            s = tt_fail(err, TT_ERR_FORMAT, "/near_duplicates names sample %u of %zu",
                        a[i] > b[i] ? a[i] : b[i], r->n_samples);
    }
    out->n_listed = s ? 0 : n;
    return s;
}

/* ---- for people ---- */

void tt_near_duplicates_text(const tt_results *r, tt_buf *out)
{
    enum { SHOWN = 3 };
    const tt_near_duplicates *n = &r->near_duplicates;
    if (n->within == 0) return;
    tt_buf_printf(out, "    near duplicates across sets          ");
    if (n->n == 0) {
        tt_buf_printf(out, "none within %u of 256 bits\n", n->within);
        return;
    }
    tt_buf_printf(out, "%llu pair%s within %u of 256 bits:", (unsigned long long)n->n, n->n == 1 ? "" : "s",
                  n->within);
    for (size_t i = 0; i < n->n_listed && i < SHOWN; i++) {
        const tt_result_sample *a = &r->samples[n->pairs[i].a], *b = &r->samples[n->pairs[i].b];
        tt_buf_printf(out, "%s %s %s ~ %s %s (%u)", i ? ";" : "", a->data, a->id, b->data, b->id,
                      n->pairs[i].distance);
    }
    tt_buf_printf(out, n->n > SHOWN ? "; …\n" : "\n");
}
