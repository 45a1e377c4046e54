/* Data plugin laion_mi: members and non-members of Stable Diffusion's pre-training of one distribution
 * (LAION-mi), as lists of URL and caption whose images somebody has downloaded. */
#include "listed.h"
#include "url_list.h"

#include "base/hash.h"

#include <string.h>

static const tt_host *host;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "folder of the downloaded images", TT_PARAM_REQUIRED},
    {"members", TT_PARAM_PATH, NULL, 0, 0, NULL,
     "CSV of members: url, caption (or text) and, where known, file and sha256 (of the file)",
     TT_PARAM_REQUIRED},
    {"nonmembers", TT_PARAM_PATH, NULL, 0, 0, NULL, "the same of non-members", TT_PARAM_REQUIRED},
    {"seen", TT_PARAM_INT, "2500", 0, 1e7, NULL, "images in the split `seen`, drawn from the members", 0},
    {"held_out", TT_PARAM_INT, "2500", 0, 1e7, NULL,
     "images in the split `held_out`, drawn from the non-members", 0},
    {"split_seed", TT_PARAM_INT, "0", 0, 9007199254740992.0, NULL, "which draw", 0},
    {"missing", TT_PARAM_CHOICE, "refuse", 0, 0, "refuse|skip",
     "rows whose image is not in the folder: an error, or left out and counted in the log", 0},
    {"ascii_captions", TT_PARAM_BOOL, "true", 0, 0, NULL,
     "leave out rows whose caption has other characters than ASCII, as the comparison does", 0},
};

typedef struct laion {
    listed list; /* first: the functions of LISTED_TABLE take it */
    url_list urls;
} laion;

static void laion_close(void *data)
{
    laion *s = data;
    url_list_free(&s->urls);
    listed_close(&s->list); /* frees s */
}

static tt_status draw(laion *s, const tt_params *p, tt_error *err)
{
    static const char *const names[] = {"seen", "held_out"};
    uint64_t seed = (uint64_t)host->param_int(p, "split_seed");
    folder *f = &s->list.folder;
    bool *candidate = tt_alloc_array(f->n, sizeof *candidate);
    if (!candidate) return host->fail(err, TT_ERR_MEMORY, "out of memory for a draw");
    tt_status status = TT_OK;
    for (uint32_t k = 0; k < 2 && !status; k++) {
        uint64_t count = (uint64_t)host->param_int(p, names[k]);
        for (size_t i = 0; i < f->n; i++)
            candidate[i] = url_list_row(&s->urls, f->images[i].name)->member == (k == 0);
        status =
            draw_splits(f, candidate, seed, false, 1, &names[k], &count, UINT32_MAX, &s->list.drawn, err);
    }
    tt_free(candidate);
    return status;
}

static tt_status laion_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    laion *s = tt_alloc_zero(sizeof *s);
    if (!s) return host->fail(err, TT_ERR_MEMORY, "out of memory for a list of images");
    url_list_options options = {.skip_missing = strcmp(host->param_string(p, "missing"), "skip") == 0,
                                .ascii_only = host->param_bool(p, "ascii_captions"),
                                .log = host->log};
    folder *f = &s->list.folder;
    tt_status status = folder_begin(host->param_string(p, "path"), f, err);
    if (!status) status = url_list_begin(f->path, &s->urls, err);
    if (!status) status = url_list_add(&s->urls, host->param_string(p, "members"), true, &options, err);
    if (!status) status = url_list_add(&s->urls, host->param_string(p, "nonmembers"), false, &options, err);
    if (!status) status = url_list_fill(&s->urls, f, err);
    if (!status) status = draw(s, p, err);
    if (status) {
        laion_close(s);
        return status;
    }
    *data = s;
    return TT_OK;
}

/* A host that moved or replaced the image must not pass for the one that was trained on. */
static tt_status check_hash(const laion *s, const tt_item *item, tt_error *err)
{
    const url_row *row = url_list_row(&s->urls, item->id);
    if (!row->sha256) return TT_OK;
    tt_digest digest;
    char hex[65];
    tt_status status = tt_sha256_of_file(item->path, &digest, err);
    if (status) return status;
    tt_digest_hex(&digest, hex);
    if (strcmp(hex, row->sha256) == 0) return TT_OK;
    return host->fail(err, TT_ERR_INVALID,
                      "%s has SHA-256 %s, and its row says %s (%.200s): the file is not the image that was "
                      "listed; remove it or its row",
                      item->path, hex, row->sha256, row->url);
}

static tt_status laion_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err)
{
    tt_status s = listed_item(data, split, index, item, err);
    return s ? s : check_hash(data, item, err);
}

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_DATA,
    .name = "laion_mi",
    .revision = 1,
    .version = "0.1.0",
    .summary = "LAION-mi: lists of URL and caption, images already downloaded",
    .reference = "Dubinski et al., WACV 2024 (arXiv 2306.12983)",
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
                                         .open = laion_open,
                                         .close = laion_close,
                                         .n_splits = listed_n_splits,
                                         .split_name = listed_split_name,
                                         .split_size = listed_split_size,
                                         .item = laion_item};
    return kind == TT_KIND_DATA && strcmp(name, "laion_mi") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
