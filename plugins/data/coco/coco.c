/* Data plugin coco: images with the captions file of MS-COCO (captions_val2017.json: `images` of id and
 * file_name, `annotations` of image_id and caption, five an image). */
#include "listed.h"

#include "base/file.h"
#include "formats/json_reader.h"

#include <stdlib.h>
#include <string.h>

static const tt_host *host;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "folder of the images (val2017/)", TT_PARAM_REQUIRED},
    {"annotations", TT_PARAM_PATH, NULL, 0, 0, NULL, "the captions file (captions_val2017.json)",
     TT_PARAM_REQUIRED},
    {"splits", TT_PARAM_COUNTS, "{seen: 2500, held_out: 2500}", 0, 0, NULL,
     "names and counts, drawn from all images that the file lists", 0},
    LISTED_PARAM_SPLIT_SEED,
    LISTED_PARAM_CAPTION,
};

typedef struct numbered { /* an image of the file */
    int64_t id;
    size_t name; /* offset into names */
} numbered;

typedef struct noted { /* a caption of the file */
    int64_t image_id, id;
    size_t text, size; /* in texts */
} noted;

typedef struct coco {
    tt_json_reader in;
    tt_buf names, texts; /* names end with NUL */
    tt_buf images;       /* numbered */
    tt_buf captions;     /* noted */
} coco;

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a captions file");
}

/* ---- the file ---- */

static tt_status take_integer(tt_json_reader *in, const char *what, int64_t *value, tt_error *err)
{
    tt_json_token token;
    tt_status s = tt_json_next(in, &token, err);
    if (s) return s;
    char text[24], *end = text;
    if (token == TT_JSON_NUMBER && in->text_size < sizeof text) {
        memcpy(text, in->text, in->text_size);
        text[in->text_size] = '\0';
        *value = strtoll(text, &end, 10);
    }
    return end != text && *end == '\0' ? TT_OK : tt_json_fail(in, err, "%s must be an integer", what);
}

static tt_status take_text(tt_json_reader *in, const char *what, tt_buf *out, size_t *at, tt_error *err)
{
    tt_json_token token;
    tt_status s = tt_json_next(in, &token, err);
    if (s) return s;
    if (token != TT_JSON_STRING) return tt_json_fail(in, err, "%s must be a string", what);
    *at = out->size;
    return tt_buf_append(out, in->text, in->text_size) ? TT_OK : no_memory(err);
}

static bool key_is(const tt_json_reader *in, const char *key)
{
    return in->text_size == strlen(key) && memcmp(in->text, key, in->text_size) == 0;
}

/* One of `images`, behind its opening brace. */
static tt_status read_image(coco *c, tt_error *err)
{
    numbered image = {.id = -1, .name = SIZE_MAX};
    tt_json_token token;
    tt_status s;
    while (!(s = tt_json_next(&c->in, &token, err)) && token == TT_JSON_KEY) {
        if (key_is(&c->in, "id")) {
            s = take_integer(&c->in, "id", &image.id, err);
        } else if (key_is(&c->in, "file_name")) {
            s = take_text(&c->in, "file_name", &c->names, &image.name, err);
            if (!s && !tt_buf_append(&c->names, "", 1)) s = no_memory(err);
        } else {
            s = tt_json_skip(&c->in, err);
        }
        if (s) return s;
    }
    if (!s && (image.id < 0 || image.name == SIZE_MAX))
        s = tt_json_fail(&c->in, err, "an image without id or file_name");
    if (!s && !tt_buf_append(&c->images, &image, sizeof image)) s = no_memory(err);
    return s;
}

static tt_status read_caption(coco *c, tt_error *err)
{
    noted note = {.image_id = -1, .text = SIZE_MAX};
    tt_json_token token;
    tt_status s;
    while (!(s = tt_json_next(&c->in, &token, err)) && token == TT_JSON_KEY) {
        if (key_is(&c->in, "image_id")) {
            s = take_integer(&c->in, "image_id", &note.image_id, err);
        } else if (key_is(&c->in, "id")) {
            s = take_integer(&c->in, "id", &note.id, err);
        } else if (key_is(&c->in, "caption")) {
            s = take_text(&c->in, "caption", &c->texts, &note.text, err);
            note.size = c->texts.size - note.text;
        } else {
            s = tt_json_skip(&c->in, err);
        }
        if (s) return s;
    }
    if (!s && (note.image_id < 0 || note.text == SIZE_MAX))
        s = tt_json_fail(&c->in, err, "an annotation without image_id or caption");
    if (!s && !tt_buf_append(&c->captions, &note, sizeof note)) s = no_memory(err);
    return s;
}

static tt_status read_list(coco *c, const char *name, tt_status (*read)(coco *, tt_error *), tt_error *err)
{
    tt_json_token token;
    tt_status s = tt_json_next(&c->in, &token, err);
    if (!s && token != TT_JSON_ARRAY) s = tt_json_fail(&c->in, err, "%s must be a list", name);
    while (!s && !(s = tt_json_next(&c->in, &token, err)) && token != TT_JSON_ARRAY_END)
        s = token == TT_JSON_OBJECT ? read(c, err)
                                    : tt_json_fail(&c->in, err, "%s must be a list of objects", name);
    return s;
}

static tt_status read_file(coco *c, const char *path, tt_error *err)
{
    tt_map map;
    tt_status s = tt_map_open(path, &map, err);
    if (s) return s;
    tt_json_token token = TT_JSON_NULL;
    s = tt_json_open(&c->in, path, (const char *)map.data, map.size, err);
    if (!s) s = tt_json_next(&c->in, &token, err);
    if (!s && token != TT_JSON_OBJECT)
        s = tt_json_fail(&c->in, err, "not a captions file of COCO: it has `images` and `annotations`");
    while (!s && !(s = tt_json_next(&c->in, &token, err)) && token == TT_JSON_KEY) {
        if (key_is(&c->in, "images"))
            s = read_list(c, "images", read_image, err);
        else if (key_is(&c->in, "annotations"))
            s = read_list(c, "annotations", read_caption, err);
        else
            s = tt_json_skip(&c->in, err);
    }
    if (!s && (c->images.size == 0 || c->captions.size == 0))
        s = tt_json_fail(&c->in, err, "no `%s`: is this captions_val2017.json, or instances_…?",
                         c->images.size ? "annotations with captions" : "images");
    tt_json_close(&c->in);
    tt_map_close(&map);
    return s;
}

/* ---- the list ---- */

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const numbered *)a)->id, y = ((const numbered *)b)->id;
    return (x > y) - (x < y);
}

static int by_annotation(const void *a, const void *b)
{
    const noted *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

static tt_status list_images(const coco *c, listed *l, tt_error *err)
{
    const numbered *images = (const numbered *)(const void *)c->images.data;
    tt_status s = TT_OK;
    for (size_t i = 0; i < c->images.size / sizeof *images && !s; i++)
        s = folder_add(&l->folder, c->names.data + images[i].name, err);
    return s ? s : folder_sort(&l->folder, err);
}

static tt_status give_captions(coco *c, const tt_params *p, listed *l, tt_error *err)
{
    numbered *images = (numbered *)(void *)c->images.data;
    noted *captions = (noted *)(void *)c->captions.data;
    size_t n_images = c->images.size / sizeof *images, n_captions = c->captions.size / sizeof *captions;
    qsort(images, n_images, sizeof *images, by_id);
    qsort(captions, n_captions, sizeof *captions, by_annotation);
    caption_chooser chooser;
    tt_status s = captions_begin(l, host, p, &chooser, err);
    if (s) return s;
    for (size_t i = 0; i < n_captions && !s; i++) {
        numbered key = {.id = captions[i].image_id};
        const numbered *image = bsearch(&key, images, n_images, sizeof key, by_id);
        if (!image)
            s = tt_fail(err, TT_ERR_INVALID,
                        "annotation %lld belongs to image %lld, which the file does not list",
                        (long long)captions[i].id, (long long)captions[i].image_id);
        else
            s = captions_offer(l, &chooser, listed_find(l, c->names.data + image->name),
                               c->texts.data + captions[i].text, captions[i].size, err);
    }
    captions_end(&chooser);
    return s;
}

static tt_status coco_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    listed *l = tt_alloc_zero(sizeof *l);
    if (!l) return no_memory(err);
    coco c = {0};
    tt_status s = folder_begin(host->param_string(p, "path"), &l->folder, err);
    if (!s) s = read_file(&c, host->param_string(p, "annotations"), err);
    if (!s) s = list_images(&c, l, err);
    if (!s) s = give_captions(&c, p, l, err);
    if (!s) s = listed_draw(l, host, p, err);
    tt_buf_free(&c.names);
    tt_buf_free(&c.texts);
    tt_buf_free(&c.images);
    tt_buf_free(&c.captions);
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
    .name = "coco",
    .revision = 1,
    .version = "0.1.0",
    .summary = "MS-COCO: a folder of images and its captions file",
    .reference = "Lin et al., Microsoft COCO, ECCV 2014 (arXiv 1405.0312)",
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
    static const tt_data_plugin table = LISTED_TABLE(coco_open);
    return kind == TT_KIND_DATA && strcmp(name, "coco") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
