/* faces: procedural portraits with captions, so that everything can be tried without any download. The models
 * in configs/models/embedded were trained on the portraits of world 1. */
#include "portrait.h"
#include "render.h"
#include "telltale/plugin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const tt_host *host;

enum { MAX_SPLITS = 64, MAX_NAME = 120 };

typedef struct faces {
    int size;
    double blur;
    uint64_t world_seed;
    const char *source; /* both | north | south | wild | all */
    uint32_t n_splits;
    char names[MAX_SPLITS][MAX_NAME + 1];
    uint64_t counts[MAX_SPLITS];
    uint8_t *rgb;
    void *work;
    char id[MAX_NAME + 32];
    char caption[PORTRAIT_TEXT_MAX], extra[PORTRAIT_TEXT_MAX];
} faces;

static const tt_param params[] = {
    {"size", TT_PARAM_INT, "64", 16, 1024, NULL, "side of the images in pixels", 0},
    {"splits", TT_PARAM_COUNTS, NULL, 0, 1e9, NULL,
     "images in each split; a split's portraits depend on its name, not on the other splits",
     TT_PARAM_REQUIRED},
    {"institution", TT_PARAM_CHOICE, "both", 0, 0, "both|north|south|wild|all",
     "who is portrayed; both: north and south in turn; all: north, south, wild, wild in turn", 0},
    {"world_seed", TT_PARAM_INT, "1", 0, 9007199254740992.0, NULL,
     "which world of portraits; the embedded models know world 1. The spec's own seed has no part in it", 0},
    {"blur", TT_PARAM_FLOAT, "0.9", 0, 16, NULL, "softening: standard deviation in pixels", 0},
};

static void faces_close(void *data)
{
    faces *f = data;
    if (!f) return;
    host->free(f->rgb);
    host->free(f->work);
    host->free(f);
}

static tt_status read_splits(faces *f, const tt_params *p, tt_error *err)
{
    const char *const *names;
    const int64_t *values;
    size_t n = host->param_counts(p, "splits", &names, &values);
    if (n == 0) return host->fail(err, TT_ERR_INVALID, "splits is empty: name at least one, {seen: 200}");
    if (n > MAX_SPLITS) return host->fail(err, TT_ERR_INVALID, "splits: at most %d, got %zu", MAX_SPLITS, n);
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) > MAX_NAME) {
            return host->fail(err, TT_ERR_INVALID, "splits: the name '%.20s…' is longer than %d bytes",
                              names[i], MAX_NAME);
        }
        if (values[i] < 0) {
            return host->fail(err, TT_ERR_INVALID, "splits.%s is %" PRId64 ": must not be negative", names[i],
                              values[i]);
        }
        memcpy(f->names[i], names[i], strlen(names[i]) + 1);
        f->counts[i] = (uint64_t)values[i];
    }
    f->n_splits = (uint32_t)n;
    return TT_OK;
}

/* The portraits are bound to world_seed, not to the run's seed: the embedded models have learnt them, and a
 * replication over run seeds must find the same members. */
static tt_status faces_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed;
    faces *f = host->alloc(sizeof *f);
    if (!f) return host->fail(err, TT_ERR_MEMORY, "faces: out of memory");
    f->size = (int)host->param_int(p, "size");
    f->blur = host->param_float(p, "blur");
    f->world_seed = (uint64_t)host->param_int(p, "world_seed");
    f->source = host->param_string(p, "institution");
    f->rgb = host->alloc((size_t)f->size * (size_t)f->size * 3);
    f->work = host->alloc(render_work_size(f->size));
    tt_status status =
        f->rgb && f->work
            ? read_splits(f, p, err)
            : host->fail(err, TT_ERR_MEMORY, "faces: out of memory for images of %d pixels", f->size);
    if (status) {
        faces_close(f);
        return status;
    }
    *data = f;
    return TT_OK;
}

static uint32_t faces_n_splits(void *data)
{
    return ((faces *)data)->n_splits;
}

static const char *faces_split_name(void *data, uint32_t split)
{
    return ((faces *)data)->names[split];
}

static uint64_t faces_split_size(void *data, uint32_t split)
{
    return ((faces *)data)->counts[split];
}

static institution institution_at(const char *source, uint64_t index)
{
    static const institution all[] = {NORTH, SOUTH, WILD, WILD};
    switch (source[0]) {
    case 'n':
        return NORTH;
    case 's':
        return SOUTH;
    case 'w':
        return WILD;
    case 'a':
        return all[index % 4];
    default:
        return all[index % 2];
    }
}

static tt_status faces_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err)
{
    faces *f = data;
    if (split >= f->n_splits || index >= f->counts[split]) {
        return host->fail(err, TT_ERR_INVALID, "faces: no image %" PRIu64 " in split %u", index, split);
    }
    const char *name = f->names[split];
    portrait p = portrait_draw(f->world_seed, name, index, institution_at(f->source, index));
    render_portrait(&p, f->size, f->blur, f->work, f->rgb);
    portrait_caption(&p, f->caption);
    portrait_extra(&p, f->size, render_face_box(&p, f->size), f->extra);
    snprintf(f->id, sizeof f->id, "%s/%06" PRIu64, name, index);
    *item = (tt_item){
        .size = sizeof *item,
        .id = f->id,
        .pixels = {(uint32_t)f->size, (uint32_t)f->size, f->rgb},
        .caption = f->caption,
        .identity = f->id, /* every portrait is of a person of its own */
        .extra = f->extra,
    };
    return TT_OK;
}

static const tt_data_plugin table = {
    .size = sizeof table,
    .open = faces_open,
    .close = faces_close,
    .n_splits = faces_n_splits,
    .split_name = faces_split_name,
    .split_size = faces_split_size,
    .item = faces_item,
};

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_DATA,
    .name = "faces",
    .revision = 1,
    .version = "0.1.0",
    .summary = "procedural portraits with captions, of two institutions and of the street",
    .params = params,
    .n_params = sizeof params / sizeof params[0],
};

static tt_status faces_init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void faces_deinit(void)
{
}

static const tt_plugin_info *faces_info(uint32_t index)
{
    return index == 0 ? &description : NULL;
}

static const void *faces_get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_DATA && strcmp(name, "faces") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), faces_init, faces_deinit, faces_info, faces_get,
};
