#include "runtime/manifest.h"
#include "base/file.h"
#include "base/rng.h"
#include "formats/image.h"
#include "formats/json.h"
#include "formats/text.h"
#include "runtime/manifest_files.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAX_BYTES ((size_t)1 << 30)
#define CAPTION_MAX_BYTES  ((size_t)1 << 20)

/* One line of the manifest to be, with what the overlap checks compare. */
typedef struct line {
    const char *split, *id, *path, *caption, *identity, *extra;
    uint32_t width, height;
    int orientation;
    tt_digest digest;
    tt_image_look look;
} line;

typedef struct builder {
    const tt_manifest_options *options;
    const char *dir;
    tt_arena *arena;
    line *lines;
    size_t n, capacity;
    tt_known_files *files; /* images that need not be decoded again; NULL: transforms want their pixels */
} builder;

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a manifest");
}

/* ---- one item ---- */

static tt_status decode(const builder *b, const tt_item *item, tt_pixels *pixels, tt_image_facts *facts,
                        tt_error *err)
{
    tt_image_options options = {.apply_orientation = b->options->apply_orientation};
    *facts = (tt_image_facts){.exif_orientation = 1};
    if (item->path) return tt_image_read(item->path, &options, pixels, facts, err);
    if (item->encoded)
        return tt_image_decode(item->id, item->encoded, item->encoded_size, &options, pixels, facts, err);
    size_t bytes = (size_t)item->pixels.width * item->pixels.height * 3;
    if (!item->pixels.rgb || bytes == 0)
        return tt_fail(err, TT_ERR_INVALID, "%s: the data plugin gave no image", item->id);
    *pixels = item->pixels;
    pixels->rgb = tt_alloc(bytes);
    if (!pixels->rgb) return no_memory(err);
    memcpy(pixels->rgb, item->pixels.rgb, bytes);
    return TT_OK;
}

/* Applies the transforms; *changed says whether the pixels are no longer the stored ones. */
static tt_status transform(const builder *b, const char *id, tt_pixels *pixels, const char **caption,
                           bool *changed, tt_error *err)
{
    tt_stream_key key = tt_purpose_key(b->options->seed, "transform", id);
    for (size_t i = 0; i < b->options->n_transforms; i++) {
        const tt_transform_plugin *t = b->options->transforms[i];
        void *self = b->options->transform_selves[i];
        uint64_t seed = (uint64_t)tt_keyed_u32(&key, 2 * i) << 32 | tt_keyed_u32(&key, 2 * i + 1);
        if (t->image) {
            tt_pixels out = {0};
            tt_status s = t->image(self, seed, pixels, &out, err);
            if (s) return tt_fail_in(err, "%s", id);
            tt_free(pixels->rgb);
            *pixels = out;
            *changed = true;
        }
        if (t->caption && *caption) {
            char *out = NULL;
            tt_status s = t->caption(self, seed, *caption, &out, err);
            if (s) return tt_fail_in(err, "%s", id);
            *caption = tt_arena_strdup(b->arena, out);
            tt_free(out);
            if (!*caption) return no_memory(err);
        }
    }
    return TT_OK;
}

static tt_status store_png(const builder *b, const tt_pixels *pixels, const tt_digest *digest,
                           const char **path, tt_error *err)
{
    char hex[65];
    tt_digest_hex(digest, hex);
    *path = tt_arena_printf(b->arena, "%s/images/%s.png", b->dir, hex);
    if (!*path) return no_memory(err);
    return tt_file_exists(*path) ? TT_OK : tt_image_write_png(*path, pixels, err);
}

static tt_status check_caption(const tt_item *item, tt_error *err)
{
    if (!item->caption) return TT_OK;
    size_t n = strlen(item->caption);
    if (n > CAPTION_MAX_BYTES)
        return tt_fail(err, TT_ERR_INVALID, "%s: a caption of %zu bytes: at most %zu", item->id, n,
                       CAPTION_MAX_BYTES);
    if (tt_utf8_check(item->caption, n) < n)
        return tt_fail(err, TT_ERR_INVALID, "%s: its caption is not UTF-8: convert it, e.g. with iconv",
                       item->id);
    return TT_OK;
}

static const char *keep(const builder *b, const char *text)
{
    return text ? tt_arena_strdup(b->arena, text) : NULL;
}

static bool transforms_images(const tt_manifest_options *options)
{
    for (size_t i = 0; i < options->n_transforms; i++)
        if (options->transforms[i]->image) return true;
    return false;
}

/* The pixels' part of a line, from the image itself. */
static tt_status fill_from_pixels(builder *b, const tt_item *item, line *l, tt_error *err)
{
    tt_pixels pixels = {0};
    tt_image_facts facts;
    tt_status s = decode(b, item, &pixels, &facts, err);
    if (s) return s;
    l->orientation = facts.exif_orientation;
    bool changed = false;
    s = transform(b, l->id, &pixels, &l->caption, &changed, err);
    if (!s) {
        l->width = pixels.width;
        l->height = pixels.height;
        l->digest = tt_image_digest(&pixels);
        l->look = tt_image_look_of(&pixels);
        if (item->path && !changed) {
            char *real = realpath(item->path, NULL);
            l->path = keep(b, real);
            free(real);
            if (!l->path) s = no_memory(err);
        } else {
            s = store_png(b, &pixels, &l->digest, &l->path, err);
            l->orientation = 1;
        }
    }
    tt_free(pixels.rgb);
    return s;
}

/* The same of a file that is known. */
static tt_status fill_from_known(builder *b, const tt_known_file *known, const char *real, line *l,
                                 tt_error *err)
{
    tt_pixels none = {0};
    bool changed = false;
    l->width = known->width;
    l->height = known->height;
    l->orientation = known->orientation;
    l->digest = known->digest;
    l->look = known->look;
    l->path = keep(b, real);
    return l->path ? transform(b, l->id, &none, &l->caption, &changed, err) : no_memory(err);
}

/* Looks before it reads: a file that changes meanwhile looks otherwise the next time. */
static tt_status fill_from_file(builder *b, const tt_item *item, line *l, tt_error *err)
{
    tt_known_file look;
    char *real = realpath(item->path, NULL);
    bool seen = real && tt_known_file_look(real, &look);
    const tt_known_file *known = seen ? tt_known_files_find(b->files, real, &look) : NULL;
    tt_status s = known ? fill_from_known(b, known, real, l, err) : fill_from_pixels(b, item, l, err);
    if (!s && seen) {
        look.width = l->width;
        look.height = l->height;
        look.orientation = l->orientation;
        look.digest = l->digest;
        look.look = l->look;
        if (!tt_known_files_add(b->files, real, &look)) s = no_memory(err);
    }
    free(real);
    return s;
}

static tt_status add_item(builder *b, const char *split, const tt_item *item, tt_error *err)
{
    tt_status s = check_caption(item, err);
    if (s) return s;
    line l = {.split = split, .id = keep(b, item->id), .caption = keep(b, item->caption)};
    l.identity = keep(b, item->identity);
    l.extra = keep(b, item->extra);
    if (!l.id) return no_memory(err);
    s = b->files && item->path ? fill_from_file(b, item, &l, err) : fill_from_pixels(b, item, &l, err);
    if (s) return s;
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 256;
        line *grown = tt_realloc(b->lines, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        b->lines = grown;
        b->capacity = capacity;
    }
    b->lines[b->n++] = l;
    return TT_OK;
}

/* Transforms that exchange the captions of a split among its samples; those without a caption take no part.
 */
static tt_status exchange(const builder *b, const char *split, size_t first, tt_error *err)
{
    size_t *with = tt_alloc_array(b->n - first + 1, sizeof *with), n = 0;
    uint64_t *from = tt_alloc_array(b->n - first + 1, sizeof *from);
    const char **before = tt_alloc_array(b->n - first + 1, sizeof *before);
    tt_status s = with && from && before ? TT_OK : no_memory(err);
    for (size_t i = first; i < b->n && !s; i++)
        if (b->lines[i].caption) with[n++] = i;
    for (size_t k = 0; k < b->options->n_transforms && !s; k++) {
        const tt_transform_plugin *t = b->options->transforms[k];
        if (!t->exchange) continue;
        tt_stream_key key = tt_purpose_key(b->options->seed, "exchange", split);
        uint64_t seed = (uint64_t)tt_keyed_u32(&key, 2 * k) << 32 | tt_keyed_u32(&key, 2 * k + 1);
        for (size_t i = 0; i < n; i++) {
            from[i] = i;
            before[i] = b->lines[with[i]].caption;
        }
        s = t->exchange(b->options->transform_selves[k], seed, n, from, err);
        for (size_t i = 0; i < n && !s; i++) {
            if (from[i] >= n)
                s = tt_fail(err, TT_ERR_INVALID, "a transform takes caption %llu of %zu for %s",
                            (unsigned long long)from[i], n, b->lines[with[i]].id);
            else
                b->lines[with[i]].caption = before[from[i]];
        }
    }
    tt_free(with);
    tt_free(from);
    tt_free((void *)before);
    return s;
}

/* ---- overlap ---- */

static int by_digest(const void *a, const void *b)
{
    const line *x = *(const line *const *)a, *y = *(const line *const *)b;
    return memcmp(x->digest.bytes, y->digest.bytes, sizeof x->digest.bytes);
}

static int by_identity(const void *a, const void *b)
{
    const line *x = *(const line *const *)a, *y = *(const line *const *)b;
    return strcmp(x->identity ? x->identity : "", y->identity ? y->identity : "");
}

static tt_status check_pixels(const builder *b, const line **sorted, tt_error *err)
{
    qsort(sorted, b->n, sizeof(const line *), by_digest);
    for (size_t i = 1; i < b->n; i++) {
        const line *x = sorted[i - 1], *y = sorted[i];
        if (by_digest(&x, &y) != 0) continue;
        bool within = strcmp(x->split, y->split) == 0;
        if (within && b->options->allow_duplicates) continue;
        return tt_fail(err, TT_ERR_INVALID,
                       "%s (split %s) and %s (split %s) are the same image: remove one%s", x->id, x->split,
                       y->id, y->split, within ? ", or allow duplicates within a split" : "");
    }
    return TT_OK;
}

static tt_status check_identities(const builder *b, const line **sorted, tt_error *err)
{
    qsort(sorted, b->n, sizeof(const line *), by_identity);
    for (size_t i = 1; i < b->n; i++) {
        const line *x = sorted[i - 1], *y = sorted[i];
        if (x->identity && y->identity && strcmp(x->identity, y->identity) == 0 &&
            strcmp(x->split, y->split) != 0)
            return tt_fail(err, TT_ERR_INVALID, "%s (split %s) and %s (split %s) show the same person, %s",
                           x->id, x->split, y->id, y->split, x->identity);
    }
    return TT_OK;
}

static tt_status check_overlap(const builder *b, tt_error *err)
{
    const line **sorted = tt_alloc_array(b->n, sizeof(const line *));
    if (!sorted) return no_memory(err);
    for (size_t i = 0; i < b->n; i++)
        sorted[i] = &b->lines[i];
    tt_status s = check_pixels(b, sorted, err);
    if (!s && b->options->disjoint_identities) s = check_identities(b, sorted, err);
    tt_free((void *)sorted);
    return s;
}

/* ---- writing ---- */

static void write_text(tt_buf *out, const char *key, const char *value)
{
    if (!value) return;
    tt_buf_printf(out, ", \"%s\": ", key);
    tt_json_quote(out, value);
}

static tt_status write_manifest(const builder *b, tt_error *err)
{
    tt_buf out = {0};
    for (size_t i = 0; i < b->n; i++) {
        const line *l = &b->lines[i];
        char hex[65];
        tt_digest_hex(&l->digest, hex);
        tt_buf_printf(&out, "{\"split\": ");
        tt_json_quote(&out, l->split);
        write_text(&out, "id", l->id);
        write_text(&out, "path", l->path);
        char look[65];
        tt_image_look_hex(&l->look, look);
        tt_buf_printf(
            &out,
            ", \"width\": %u, \"height\": %u, \"orientation\": %d, \"sha256\": \"%s\", \"look\": \"%s\"",
            l->width, l->height, l->orientation, hex, look);
        write_text(&out, "caption", l->caption);
        write_text(&out, "identity", l->identity);
        write_text(&out, "extra", l->extra);
        tt_buf_printf(&out, "}\n");
    }
    char *path = tt_path_join(b->dir, "manifest.jsonl");
    tt_status s =
        path && !out.failed ? tt_file_write(path, out.data ? out.data : "", out.size, err) : no_memory(err);
    tt_free(path);
    tt_buf_free(&out);
    return s;
}

static tt_status add_splits(builder *b, const tt_data_plugin *plugin, void *data,
                            void (*progress)(uint64_t, uint64_t), tt_error *err)
{
    uint64_t total = 0, done = 0;
    uint32_t splits = plugin->n_splits(data);
    for (uint32_t k = 0; k < splits; k++)
        total += plugin->split_size(data, k);
    for (uint32_t k = 0; k < splits; k++) {
        const char *split = keep(b, plugin->split_name(data, k));
        size_t first = b->n;
        uint64_t n = plugin->split_size(data, k);
        if (!split) return no_memory(err);
        for (uint64_t i = 0; i < n; i++) {
            tt_item item = {.size = sizeof item};
            tt_status s = plugin->item(data, k, i, &item, err);
            if (!s) s = add_item(b, split, &item, err);
            if (s) return s;
            if (progress) progress(++done, total);
        }
        tt_status s = exchange(b, split, first, err);
        if (s) return s;
    }
    return TT_OK;
}

tt_status tt_manifest_build(const tt_data_plugin *plugin, void *data, const tt_manifest_options *options,
                            const char *dir, void (*progress)(uint64_t, uint64_t), tt_error *err)
{
    builder b = {.options = options, .dir = dir, .arena = tt_arena_create(0)};
    char *images = tt_path_join(dir, "images");
    tt_status s = b.arena && images ? tt_dir_create(images, err) : no_memory(err);
    if (!s && !transforms_images(options)) {
        b.files = tt_known_files_load(dir);
        if (!b.files) s = no_memory(err);
    }
    if (!s) s = add_splits(&b, plugin, data, progress, err);
    if (!s) s = check_overlap(&b, err);
    if (!s) s = write_manifest(&b, err);
    if (!s && b.files) s = tt_known_files_write(b.files, dir, err);
    tt_known_files_free(b.files);
    tt_free(images);
    tt_free(b.lines);
    tt_arena_destroy(b.arena);
    return s;
}

/* ---- reading ---- */

static bool digest_from_hex(const char *hex, tt_digest *d)
{
    if (strlen(hex) != 64) return false;
    for (int i = 0; i < 64; i++) {
        const char *at = strchr("0123456789abcdef", hex[i]);
        if (!at) return false;
        int v = (int)(at - "0123456789abcdef");
        d->bytes[i / 2] = (uint8_t)(i % 2 ? d->bytes[i / 2] | v : v << 4);
    }
    return true;
}

static const char *text_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    return n && n->kind == TT_NODE_STRING ? n->text : NULL;
}

static int64_t integer_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    return n && n->kind == TT_NODE_INT ? n->value.integer : -1;
}

static tt_status read_line(tt_manifest *m, const char *path, size_t number, const char *text, size_t size,
                           tt_error *err)
{
    tt_node *map;
    tt_status s = tt_json_parse(m->arena, path, text, size, &map, err);
    if (s) return s;
    tt_manifest_item *item = &m->items[m->n];
    *item = (tt_manifest_item){
        .split = text_of(map, "split"), .id = text_of(map, "id"), .path = text_of(map, "path")};
    item->caption = text_of(map, "caption");
    item->identity = text_of(map, "identity");
    item->extra = text_of(map, "extra");
    int64_t width = integer_of(map, "width"), height = integer_of(map, "height");
    item->exif_orientation = (int)integer_of(map, "orientation");
    const char *hex = text_of(map, "sha256"), *look = text_of(map, "look");
    if (!item->split || !item->id || !item->path || width < 1 || height < 1 || width > INT32_MAX ||
        height > INT32_MAX || !hex || !digest_from_hex(hex, &item->digest) || !look ||
        !tt_image_look_from_hex(look, &item->look))
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s:%zu: not a line of a manifest; remove the file to build it anew", path, number);
    item->width = (uint32_t)width;
    item->height = (uint32_t)height;
    m->n++;
    return TT_OK;
}

tt_status tt_manifest_load(const char *dir, tt_manifest *m, tt_error *err)
{
    *m = (tt_manifest){0};
    char *path = tt_path_join(dir, "manifest.jsonl");
    char *text = NULL;
    size_t size = 0, lines = 1;
    tt_status s = path ? tt_file_read(path, MANIFEST_MAX_BYTES, &text, &size, err) : no_memory(err);
    if (!s) {
        for (size_t i = 0; i < size; i++)
            lines += text[i] == '\n';
        m->digest = tt_sha256_of(text, size);
        m->arena = tt_arena_create(0);
        m->items = tt_alloc_array(lines, sizeof *m->items);
        if (!m->arena || !m->items) s = no_memory(err);
    }
    size_t number = 1;
    for (size_t at = 0; !s && at < size; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        s = read_line(m, path, number, text + at, n, err);
        at += n + 1;
    }
    tt_free(text);
    tt_free(path);
    if (s) tt_manifest_free(m);
    return s;
}

void tt_manifest_free(tt_manifest *m)
{
    tt_free(m->items);
    tt_arena_destroy(m->arena);
    *m = (tt_manifest){0};
}
