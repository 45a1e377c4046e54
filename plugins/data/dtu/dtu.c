/* Data plugins dtu and aau: the two portrait collections of the face-image study, as folders that the user
 * brings. 1,120 portraits are `seen`, the others `unseen` (black-box specification 3.5). */
#include "draw.h"

#include <string.h>

static const tt_host *host;

typedef struct portraits {
    folder folder;
    drawn drawn;
    char *path; /* of the last item */
} portraits;

#define COMMON(total_)                                                                                       \
    {                                                                                                        \
        "path",           TT_PARAM_PATH, NULL, 0, 0, NULL, "folder of portraits, one for each person",       \
        TT_PARAM_REQUIRED},                                                                                  \
        {"seen", TT_PARAM_INT, "1120", 1, 1e6, NULL, "portraits in the split `seen`; the rest are `unseen`", \
         0},                                                                                                 \
        {"total",                                                                                            \
         TT_PARAM_INT,                                                                                       \
         total_,                                                                                             \
         0,                                                                                                  \
         1e7,                                                                                                \
         NULL,                                                                                               \
         "portraits that the folder must hold (the study's number); 0: any number",                          \
         0},                                                                                                 \
        {"split_seed", TT_PARAM_INT, "0", 0, 9007199254740992.0, NULL, "which draw of `seen`", 0},           \
        {"caption_column",                                                                                   \
         TT_PARAM_STRING,                                                                                    \
         NULL,                                                                                               \
         0,                                                                                                  \
         0,                                                                                                  \
         NULL,                                                                                               \
         "metadata column of the captions; unset: text, else caption",                                       \
         0},

static const tt_param dtu_params[] = {COMMON("2223")};
static const tt_param aau_params[] = {COMMON("2098")};

static void portraits_close(void *data)
{
    portraits *s = data;
    draw_free(&s->drawn);
    folder_close(&s->folder);
    tt_free(s->path);
    host->free(s);
}

static tt_status draw(portraits *s, const tt_params *p, tt_error *err)
{
    static const char *const names[] = {"seen", "unseen"};
    int64_t total = host->param_int(p, "total");
    uint64_t counts[] = {(uint64_t)host->param_int(p, "seen"), 0};
    if (total && (uint64_t)total != s->folder.n)
        return host->fail(
            err, TT_ERR_INVALID,
            "%s: holds %zu portraits, and `total` says %lld; where the folder is right say total: %zu, "
            "or total: 0 for any number",
            s->folder.path, s->folder.n, (long long)total, s->folder.n);
    if (s->folder.n <= counts[0])
        return host->fail(err, TT_ERR_INVALID,
                          "%s: holds %zu portraits, too few for %llu seen and some unseen", s->folder.path,
                          s->folder.n, (unsigned long long)counts[0]);
    return draw_splits(&s->folder, NULL, (uint64_t)host->param_int(p, "split_seed"), false, 2, names, counts,
                       1, &s->drawn, err);
}

static tt_status portraits_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    portraits *s = host->alloc(sizeof *s);
    if (!s) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    folder_options options = {host->param_string(p, "caption_column"), NULL};
    tt_status status = folder_open(host->param_string(p, "path"), &options, &s->folder, err);
    if (!status) status = draw(s, p, err);
    if (status) {
        portraits_close(s);
        return status;
    }
    *data = s;
    return TT_OK;
}

static uint32_t portraits_n_splits(void *data)
{
    return ((portraits *)data)->drawn.n_splits;
}

static const char *portraits_split_name(void *data, uint32_t split)
{
    return ((portraits *)data)->drawn.names[split];
}

static uint64_t portraits_split_size(void *data, uint32_t split)
{
    return ((portraits *)data)->drawn.counts[split];
}

/* One portrait a person (3.5): each is an identity of its own. */
static tt_status portraits_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err)
{
    portraits *s = data;
    tt_status status = draw_item(&s->folder, &s->drawn, split, index, &s->path, item, err);
    if (!status) item->identity = item->id;
    return status;
}

static const tt_plugin_info descriptions[] = {
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_DATA,
     .name = "dtu",
     .revision = 1,
     .version = "0.1.0",
     .summary = "DTU portraits: a folder of 2,223, of which 1,120 are seen",
     .params = dtu_params,
     .n_params = sizeof dtu_params / sizeof dtu_params[0]},
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_DATA,
     .name = "aau",
     .revision = 1,
     .version = "0.1.0",
     .summary = "AAU portraits: a folder of 2,098, of which 1,120 are seen",
     .params = aau_params,
     .n_params = sizeof aau_params / sizeof aau_params[0]},
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
    return index < 2 ? &descriptions[index] : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_data_plugin table = {.size = sizeof table,
                                         .open = portraits_open,
                                         .close = portraits_close,
                                         .n_splits = portraits_n_splits,
                                         .split_name = portraits_split_name,
                                         .split_size = portraits_split_size,
                                         .item = portraits_item};
    bool ours = strcmp(name, "dtu") == 0 || strcmp(name, "aau") == 0;
    return kind == TT_KIND_DATA && ours ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
