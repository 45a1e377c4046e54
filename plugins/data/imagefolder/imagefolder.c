/* Data plugin imagefolder: one's own images and captions, in Hugging Face's layout. */
#include "draw.h"

#include <string.h>

static const tt_host *host;

typedef struct imagefolder {
    folder folder;
    drawn drawn;
    char *path; /* of the last item */
    bool *candidate;
} imagefolder;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "folder with images and metadata.jsonl or metadata.csv",
     TT_PARAM_REQUIRED},
    {"splits", TT_PARAM_COUNTS, NULL, 0, 0, NULL,
     "names and counts, drawn from all images, or from subfolders of these names; unset: each subfolder is a "
     "split",
     0},
    {"split_seed", TT_PARAM_INT, "0", 0, 9007199254740992.0, NULL,
     "which draw; apart from the run's seed, for who is a member does not change with it", 0},
    {"caption_column", TT_PARAM_STRING, NULL, 0, 0, NULL,
     "metadata column of the captions; unset: text, else caption", 0},
    {"identity_column", TT_PARAM_STRING, NULL, 0, 0, NULL,
     "metadata column that names the person; splits are then drawn by whole persons", 0},
};

static void imagefolder_close(void *data)
{
    imagefolder *s = data;
    draw_free(&s->drawn);
    folder_close(&s->folder);
    tt_free(s->path);
    tt_free(s->candidate);
    host->free(s);
}

/* The first folder on the way to an image, as [*n] bytes of its name; 0: it lies at the top. */
static size_t top_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

static bool inside(const folder_image *image, const char *sub)
{
    size_t n = top_folder(image->name);
    return n == strlen(sub) && strncmp(image->name, sub, n) == 0;
}

static size_t mark(imagefolder *s, const char *sub)
{
    size_t n = 0;
    for (size_t i = 0; i < s->folder.n; i++) {
        s->candidate[i] = inside(&s->folder.images[i], sub);
        n += s->candidate[i];
    }
    return n;
}

/* Splits are the subfolders, whole; images at the top, where there are no subfolders, are the split `all`. */
static tt_status split_by_folder(imagefolder *s, tt_error *err)
{
    const char *last = NULL;
    for (size_t i = 0; i < s->folder.n; i++) {
        const char *name = s->folder.images[i].name;
        size_t n = top_folder(name);
        if (n == 0 || (last && inside(&s->folder.images[i], last))) continue;
        last = tt_arena_strndup(s->folder.arena, name, n);
        if (!last) return tt_fail(err, TT_ERR_MEMORY, "out of memory for splits");
        uint64_t count = mark(s, last);
        tt_status status =
            draw_splits(&s->folder, s->candidate, 0, false, 1, &last, &count, UINT32_MAX, &s->drawn, err);
        if (status) return status;
    }
    if (s->drawn.n_splits) return TT_OK;
    static const char *const all = "all";
    uint64_t count = s->folder.n;
    return draw_splits(&s->folder, NULL, 0, false, 1, &all, &count, UINT32_MAX, &s->drawn, err);
}

static tt_status split_by_counts(imagefolder *s, const tt_params *p, tt_error *err)
{
    const char *const *names;
    const int64_t *counts;
    size_t n = host->param_counts(p, "splits", &names, &counts), folders = 0;
    uint64_t wanted[DRAW_MAX_SPLITS];
    if (n > DRAW_MAX_SPLITS) return host->fail(err, TT_ERR_INVALID, "more than %d splits", DRAW_MAX_SPLITS);
    for (size_t k = 0; k < n; k++) {
        if (counts[k] < 0) return host->fail(err, TT_ERR_INVALID, "splits.%s is negative", names[k]);
        wanted[k] = (uint64_t)counts[k];
        folders += mark(s, names[k]) > 0;
    }
    uint64_t seed = (uint64_t)host->param_int(p, "split_seed");
    bool by_person = host->param_is_set(p, "identity_column");
    if (folders == 0)
        return draw_splits(&s->folder, NULL, seed, by_person, (uint32_t)n, names, wanted, UINT32_MAX,
                           &s->drawn, err);
    if (folders < n)
        return host->fail(
            err, TT_ERR_INVALID,
            "%s: some of `splits` are subfolders and some are not: name subfolders only, or none",
            s->folder.path);
    tt_status status = TT_OK;
    for (size_t k = 0; k < n && !status; k++) {
        mark(s, names[k]);
        status = draw_splits(&s->folder, s->candidate, seed, by_person, 1, &names[k], &wanted[k], UINT32_MAX,
                             &s->drawn, err);
    }
    return status;
}

static tt_status imagefolder_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    imagefolder *s = host->alloc(sizeof *s);
    if (!s) return host->fail(err, TT_ERR_MEMORY, "imagefolder: out of memory");
    folder_options options = {host->param_string(p, "caption_column"),
                              host->param_string(p, "identity_column")};
    tt_status status = folder_open(host->param_string(p, "path"), &options, &s->folder, err);
    if (!status) {
        s->candidate = tt_alloc_array(s->folder.n, sizeof *s->candidate);
        if (!s->candidate) status = host->fail(err, TT_ERR_MEMORY, "imagefolder: out of memory");
    }
    if (!status)
        status = host->param_is_set(p, "splits") ? split_by_counts(s, p, err) : split_by_folder(s, err);
    if (status) {
        imagefolder_close(s);
        return status;
    }
    *data = s;
    return TT_OK;
}

static uint32_t imagefolder_n_splits(void *data)
{
    return ((imagefolder *)data)->drawn.n_splits;
}

static const char *imagefolder_split_name(void *data, uint32_t split)
{
    return ((imagefolder *)data)->drawn.names[split];
}

static uint64_t imagefolder_split_size(void *data, uint32_t split)
{
    return ((imagefolder *)data)->drawn.counts[split];
}

static tt_status imagefolder_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err)
{
    imagefolder *s = data;
    return draw_item(&s->folder, &s->drawn, split, index, &s->path, item, err);
}

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_DATA,
    .name = "imagefolder",
    .revision = 1,
    .version = "0.1.0",
    .summary = "a folder of images with captions in metadata.jsonl, metadata.csv or text files",
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
    static const tt_data_plugin table = {.size = sizeof table,
                                         .open = imagefolder_open,
                                         .close = imagefolder_close,
                                         .n_splits = imagefolder_n_splits,
                                         .split_name = imagefolder_split_name,
                                         .split_size = imagefolder_split_size,
                                         .item = imagefolder_item};
    return kind == TT_KIND_DATA && strcmp(name, "imagefolder") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
