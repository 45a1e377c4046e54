/* Data plugin lfw: Labeled Faces in the Wild, which the user brings, with splits drawn by whole persons. */
#include "lfw.h"

#include "base/file.h"

#include <ctype.h>
#include <string.h>

static const tt_host *host;

typedef struct lfw {
    folder folder;
    lfw_file *files; /* NULL: a folder on disk */
    lfw_list list;   /* fold NULL: no list was given */
    drawn drawn;
    bool *candidate;
    size_t first; /* images [0, first) count */
    char *path;   /* of the last item */
} lfw;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "the folder that holds a folder for each person, or the .tgz",
     TT_PARAM_REQUIRED},
    {"first", TT_PARAM_INT, NULL, 1, 1e7, NULL,
     "only so many images, in sorted order (9452: the number of the FACE study); unset: all", 0},
    {"complete", TT_PARAM_BOOL, "true", 0, 0, NULL,
     "refuse anything but the 13,233 images of 5,749 people that LFW has", 0},
    {"splits", TT_PARAM_COUNTS, NULL, 0, 0, NULL,
     "names and counts of images, drawn; unset: one split `all`, or those of `people` or `pairs`", 0},
    {"by_person", TT_PARAM_BOOL, "true", 0, 0, NULL, "draw whole persons: nobody is in two splits", 0},
    {"split_seed", TT_PARAM_INT, "0", 0, 9007199254740992.0, NULL, "which draw", 0},
    {"people", TT_PARAM_PATH, NULL, 0, 0, NULL,
     "people.txt, peopleDevTrain.txt or peopleDevTest.txt: only these people; splits fold_1, … or people", 0},
    {"pairs", TT_PARAM_PATH, NULL, 0, 0, NULL,
     "pairs.txt, pairsDevTrain.txt or pairsDevTest.txt: only images that are in a pair, each with its pairs "
     "as "
     "extra facts; split pairs",
     0},
    {"caption", TT_PARAM_STRING, NULL, 0, 0, NULL,
     "caption of every image that has none; {person} stands for the name", 0},
};

bool lfw_name_parse(const char *path, const char **id, size_t *person_size)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return false;
    const char *person = slash;
    while (person > path && person[-1] != '/')
        person--;
    size_t n = (size_t)(slash - person);
    const char *file = slash + 1, *digits = file + n + 1;
    if (n == 0 || strlen(file) != n + strlen("_0001.jpg") || strncmp(file, person, n) != 0 || file[n] != '_')
        return false;
    for (int i = 0; i < 4; i++)
        if (!isdigit((unsigned char)digits[i])) return false;
    *id = person;
    *person_size = n;
    return strcmp(digits + 4, ".jpg") == 0;
}

static void lfw_close(void *data)
{
    lfw *s = data;
    draw_free(&s->drawn);
    lfw_list_free(&s->list);
    if (s->folder.arena) folder_close(&s->folder);
    tt_free(s->files);
    tt_free(s->candidate);
    tt_free(s->path);
    host->free(s);
}

static tt_status open_images(lfw *s, const char *path, tt_error *err)
{
    if (tt_file_exists(path) && !tt_dir_exists(path))
        return lfw_archive_open(path, &s->folder, &s->files, err);
    folder_options options = {NULL, NULL};
    return folder_open(path, &options, &s->folder, err);
}

/* Who is on an image is in its name. */
static tt_status name_people(lfw *s, size_t *n_people, tt_error *err)
{
    const char *last = "";
    *n_people = 0;
    for (size_t i = 0; i < s->folder.n; i++) {
        folder_image *image = &s->folder.images[i];
        const char *id;
        size_t n;
        if (!lfw_name_parse(image->name, &id, &n) || id != image->name)
            return host->fail(
                err, TT_ERR_INVALID,
                "%s/%s: not named as LFW names its images, PERSON/PERSON_0001.jpg; `path` must be the "
                "folder that holds a folder for each person",
                s->folder.path, image->name);
        if (strlen(last) != n || strncmp(last, id, n) != 0) {
            last = tt_arena_strndup(s->folder.arena, id, n);
            if (!last) return host->fail(err, TT_ERR_MEMORY, "lfw: out of memory");
            (*n_people)++;
        }
        image->identity = last;
    }
    return TT_OK;
}

static tt_status check_complete(const lfw *s, const tt_params *p, size_t n_people, tt_error *err)
{
    if (host->param_bool(p, "complete") && (s->folder.n != LFW_IMAGES || n_people != LFW_PEOPLE))
        return host->fail(
            err, TT_ERR_INVALID,
            "%s: holds %zu images of %zu people, and LFW has 13,233 of 5,749; fetch it again, or say "
            "complete: false to take what is there",
            s->folder.path, s->folder.n, n_people);
    if (s->first > s->folder.n)
        return host->fail(err, TT_ERR_INVALID, "%s: holds %zu images, fewer than `first`: %zu",
                          s->folder.path, s->folder.n, s->first);
    return TT_OK;
}

static tt_status write_captions(lfw *s, const char *pattern, tt_error *err)
{
    const char *place = strstr(pattern, "{person}");
    for (size_t i = 0; i < s->folder.n; i++) {
        folder_image *image = &s->folder.images[i];
        if (image->caption) continue;
        char *name = tt_arena_strdup(s->folder.arena, image->identity);
        for (char *c = name; c && *c; c++)
            if (*c == '_') *c = ' ';
        image->caption = !place ? pattern
                         : name ? tt_arena_printf(s->folder.arena, "%.*s%s%s", (int)(place - pattern),
                                                  pattern, name, place + strlen("{person}"))
                                : NULL;
        if (!image->caption) return host->fail(err, TT_ERR_MEMORY, "lfw: out of memory for captions");
    }
    return TT_OK;
}

static tt_status read_list(lfw *s, const tt_params *p, tt_error *err)
{
    bool people = host->param_is_set(p, "people"), pairs = host->param_is_set(p, "pairs");
    if (people && pairs) return host->fail(err, TT_ERR_INVALID, "lfw: give `people` or `pairs`, not both");
    if (people) return lfw_people_read(host->param_string(p, "people"), &s->folder, &s->list, err);
    return pairs ? lfw_pairs_read(host->param_string(p, "pairs"), &s->folder, &s->list, err) : TT_OK;
}

/* Marks the images that count; fold UINT32_MAX: of every fold. Returns how many. */
static uint64_t mark(lfw *s, uint32_t fold)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->folder.n; i++) {
        bool listed =
            !s->list.fold || (fold == UINT32_MAX ? s->list.fold[i] != 0 : s->list.fold[i] == fold + 1);
        s->candidate[i] = i < s->first && listed;
        n += s->candidate[i];
    }
    return n;
}

static tt_status draw_whole(lfw *s, const char *name, uint32_t fold, tt_error *err)
{
    uint64_t n = mark(s, fold);
    return draw_splits(&s->folder, s->candidate, 0, false, 1, &name, &n, UINT32_MAX, &s->drawn, err);
}

static tt_status draw_given(lfw *s, tt_error *err)
{
    if (!s->list.fold) return draw_whole(s, "all", UINT32_MAX, err);
    if (s->list.extra) return draw_whole(s, "pairs", UINT32_MAX, err);
    if (s->list.n_folds == 1) return draw_whole(s, "people", UINT32_MAX, err);
    for (uint32_t fold = 0; fold < s->list.n_folds; fold++) {
        const char *name = tt_arena_printf(s->folder.arena, "fold_%u", fold + 1);
        if (!name) return host->fail(err, TT_ERR_MEMORY, "lfw: out of memory for splits");
        tt_status status = draw_whole(s, name, fold, err);
        if (status) return status;
    }
    return TT_OK;
}

static tt_status draw(lfw *s, const tt_params *p, tt_error *err)
{
    s->candidate = tt_alloc_array(s->folder.n + 1, sizeof *s->candidate);
    if (!s->candidate) return host->fail(err, TT_ERR_MEMORY, "lfw: out of memory");
    if (!host->param_is_set(p, "splits")) return draw_given(s, err);
    const char *const *names;
    const int64_t *counts;
    uint64_t wanted[DRAW_MAX_SPLITS];
    size_t n = host->param_counts(p, "splits", &names, &counts);
    if (n > DRAW_MAX_SPLITS) return host->fail(err, TT_ERR_INVALID, "more than %d splits", DRAW_MAX_SPLITS);
    for (size_t k = 0; k < n; k++) {
        if (counts[k] < 0) return host->fail(err, TT_ERR_INVALID, "splits.%s is negative", names[k]);
        wanted[k] = (uint64_t)counts[k];
    }
    mark(s, UINT32_MAX);
    return draw_splits(&s->folder, s->candidate, (uint64_t)host->param_int(p, "split_seed"),
                       host->param_bool(p, "by_person"), (uint32_t)n, names, wanted, UINT32_MAX, &s->drawn,
                       err);
}

static tt_status lfw_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    lfw *s = host->alloc(sizeof *s);
    if (!s) return host->fail(err, TT_ERR_MEMORY, "lfw: out of memory");
    size_t n_people;
    tt_status status = open_images(s, host->param_string(p, "path"), err);
    if (!status) {
        s->first = host->param_is_set(p, "first") ? (size_t)host->param_int(p, "first") : s->folder.n;
        status = name_people(s, &n_people, err);
    }
    if (!status) status = check_complete(s, p, n_people, err);
    if (!status && host->param_is_set(p, "caption"))
        status = write_captions(s, host->param_string(p, "caption"), err);
    if (!status) status = read_list(s, p, err);
    if (!status) status = draw(s, p, err);
    if (status) {
        lfw_close(s);
        return status;
    }
    *data = s;
    return TT_OK;
}

static uint32_t lfw_n_splits(void *data)
{
    return ((lfw *)data)->drawn.n_splits;
}

static const char *lfw_split_name(void *data, uint32_t split)
{
    return ((lfw *)data)->drawn.names[split];
}

static uint64_t lfw_split_size(void *data, uint32_t split)
{
    return ((lfw *)data)->drawn.counts[split];
}

static tt_status lfw_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err)
{
    lfw *s = data;
    tt_status status = draw_item(&s->folder, &s->drawn, split, index, &s->path, item, err);
    if (status) return status;
    size_t image = s->drawn.images[split][index];
    if (s->list.extra) item->extra = s->list.extra[image];
    if (s->files) {
        item->path = NULL;
        item->encoded = s->files[image].data;
        item->encoded_size = s->files[image].size;
    }
    return TT_OK;
}

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_DATA,
    .name = "lfw",
    .revision = 1,
    .version = "0.1.0",
    .summary =
        "Labeled Faces in the Wild: folder or .tgz, splits by whole persons, lists of people and pairs",
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
                                         .open = lfw_open,
                                         .close = lfw_close,
                                         .n_splits = lfw_n_splits,
                                         .split_name = lfw_split_name,
                                         .split_size = lfw_split_size,
                                         .item = lfw_item};
    return kind == TT_KIND_DATA && strcmp(name, "lfw") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
