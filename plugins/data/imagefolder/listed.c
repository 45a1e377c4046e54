#include "listed.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

void listed_close(void *data)
{
    listed *l = data;
    draw_free(&l->drawn);
    folder_close(&l->folder);
    tt_free(l->path);
    tt_free(l);
}

uint32_t listed_n_splits(void *data)
{
    return ((listed *)data)->drawn.n_splits;
}

const char *listed_split_name(void *data, uint32_t split)
{
    return ((listed *)data)->drawn.names[split];
}

uint64_t listed_split_size(void *data, uint32_t split)
{
    return ((listed *)data)->drawn.counts[split];
}

tt_status listed_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err)
{
    listed *l = data;
    return draw_item(&l->folder, &l->drawn, split, index, &l->path, item, err);
}

tt_status listed_draw(listed *l, const tt_host *host, const tt_params *p, tt_error *err)
{
    const char *const *names;
    const int64_t *counts;
    size_t n = host->param_counts(p, "splits", &names, &counts);
    uint64_t wanted[DRAW_MAX_SPLITS];
    if (n > DRAW_MAX_SPLITS) return tt_fail(err, TT_ERR_INVALID, "more than %d splits", DRAW_MAX_SPLITS);
    for (size_t k = 0; k < n; k++) {
        if (counts[k] < 0) return tt_fail(err, TT_ERR_INVALID, "splits.%s is negative", names[k]);
        wanted[k] = (uint64_t)counts[k];
    }
    return draw_splits(&l->folder, NULL, (uint64_t)host->param_int(p, "split_seed"), false, (uint32_t)n,
                       names, wanted, UINT32_MAX, &l->drawn, err);
}

/* ---- captions ---- */

tt_status captions_begin(const listed *l, const tt_host *host, const tt_params *p, caption_chooser *c,
                         tt_error *err)
{
    const char *choice = host->param_string(p, "caption");
    *c = (caption_chooser){.choice = strcmp(choice, "longest") == 0  ? CAPTION_LONGEST
                                     : strcmp(choice, "random") == 0 ? CAPTION_RANDOM
                                                                     : CAPTION_FIRST,
                           .seed = (uint64_t)host->param_int(p, "split_seed")};
    c->lots = tt_alloc_array(l->folder.n, sizeof *c->lots);
    c->seen = tt_alloc_zero(l->folder.n * sizeof *c->seen);
    if (c->lots && c->seen) return TT_OK;
    captions_end(c);
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for captions");
}

/* Every caption draws a lot; the lowest wins, so each has the same chance without all of them being kept. */
static bool wins(caption_chooser *c, const folder_image *image, size_t at, size_t size)
{
    uint32_t lot = 0;
    if (c->choice == CAPTION_RANDOM) {
        tt_stream_key key = tt_purpose_key(c->seed, "draw caption", image->name);
        lot = tt_keyed_u32(&key, c->seen[at]);
    }
    bool better = !image->caption || (c->choice == CAPTION_LONGEST && size > strlen(image->caption)) ||
                  (c->choice == CAPTION_RANDOM && lot < c->lots[at]);
    if (better) c->lots[at] = lot;
    c->seen[at]++;
    return better;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

tt_status captions_offer(listed *l, caption_chooser *c, size_t at, const char *text, size_t size,
                         tt_error *err)
{
    for (; size > 0 && is_space(text[0]); size--)
        text++;
    while (size > 0 && is_space(text[size - 1]))
        size--;
    folder_image *image = &l->folder.images[at];
    if (size == 0 || !wins(c, image, at, size)) return TT_OK;
    image->caption = tt_arena_strndup(l->folder.arena, text, size);
    return image->caption ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for captions");
}

void captions_end(caption_chooser *c)
{
    tt_free(c->lots);
    tt_free(c->seen);
    *c = (caption_chooser){0};
}

static int name_order(const void *key, const void *image)
{
    return strcmp(key, ((const folder_image *)image)->name);
}

size_t listed_find(const listed *l, const char *name)
{
    const folder_image *found =
        bsearch(name, l->folder.images, l->folder.n, sizeof *l->folder.images, name_order);
    return found ? (size_t)(found - l->folder.images) : SIZE_MAX;
}
