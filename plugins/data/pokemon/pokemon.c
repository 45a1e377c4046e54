/* Data plugin pokemon: a folder of images with captions (plugins/data/imagefolder), 833 of them, in the
 * comparison's halves. */
#include "listed.h"

#include <string.h>

static const tt_host *host;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "folder with images and metadata.jsonl or metadata.csv",
     TT_PARAM_REQUIRED},
    {"splits", TT_PARAM_COUNTS, "{seen: 416, held_out: 417}", 0, 0, NULL,
     "names and counts, drawn from all images", 0},
    LISTED_PARAM_SPLIT_SEED,
    {"caption_column", TT_PARAM_STRING, NULL, 0, 0, NULL,
     "metadata column of the captions; unset: text, else caption", 0},
};

static tt_status pokemon_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    listed *l = tt_alloc_zero(sizeof *l);
    if (!l) return host->fail(err, TT_ERR_MEMORY, "out of memory for a folder's list");
    folder_options options = {host->param_string(p, "caption_column"), NULL};
    tt_status s = folder_open(host->param_string(p, "path"), &options, &l->folder, err);
    if (!s) s = listed_draw(l, host, p, err);
    if (s) {
        listed_close(l);
        return s;
    }
    *data = l;
    return TT_OK;
}

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_DATA,
    .name = "pokemon",
    .revision = 1,
    .version = "0.1.0",
    .summary = "Pokemon with BLIP captions: a folder of 833 images, halved",
    .reference = "Pinkney, Pokemon BLIP captions, 2022",
    .params = params,
    .n_params = sizeof params / sizeof params[0],
};

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &description : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_data_plugin table = LISTED_TABLE(pokemon_open);
    return kind == TT_KIND_DATA && strcmp(name, "pokemon") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
