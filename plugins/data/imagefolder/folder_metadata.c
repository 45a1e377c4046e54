/* Captions and identities from metadata.jsonl and metadata.csv (Hugging Face's imagefolder layout). */
#include "folder.h"

#include "base/file.h"
#include "formats/csv.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

#define METADATA_MAX_BYTES ((size_t)1 << 30)

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for metadata");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const folder_image *)a)->name, ((const folder_image *)b)->name);
}

/* One row: file name (relative to the metadata's folder), caption and identity or NULL. */
static tt_status describe(folder *f, const char *metadata, size_t line, const char *name, const char *caption,
                          const char *identity, tt_error *err)
{
    if (!folder_holds(name))
        return tt_fail(err, TT_ERR_INVALID, "%s/%s:%zu: file_name '%.200s' leaves the folder", f->path,
                       metadata, line, name);
    const char *slash = strrchr(metadata, '/');
    int inside = slash ? (int)(slash - metadata) + 1 : 0;
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    folder_image key = {.name = tt_arena_printf(f->arena, "%.*s%s", inside, metadata, name)};
    if (!key.name) return no_memory(err);
    folder_image *image = bsearch(&key, f->images, f->n, sizeof key, by_name);
    if (!image)
        return tt_fail(err, TT_ERR_INVALID, "%s/%s:%zu: there is no image %.200s", f->path, metadata, line,
                       key.name);
    if (image->described)
        return tt_fail(err, TT_ERR_INVALID, "%s/%s:%zu: %.200s has a row already", f->path, metadata, line,
                       key.name);
    image->described = true;
    image->caption = caption ? tt_arena_strdup(f->arena, caption) : NULL;
    image->identity = identity ? tt_arena_strdup(f->arena, identity) : NULL;
    return (caption && !image->caption) || (identity && !image->identity) ? no_memory(err) : TT_OK;
}

/* ---- CSV ---- */

static tt_status no_column(const folder *f, const char *metadata, const char *name, tt_error *err)
{
    return tt_fail(err, TT_ERR_INVALID, "%s/%s: no column '%s'", f->path, metadata, name);
}

static tt_status read_csv(folder *f, const char *metadata, const char *path, const folder_options *o,
                          tt_error *err)
{
    tt_csv csv;
    tt_status s = tt_csv_read(path, &csv, err);
    if (s) return s;
    size_t file = tt_csv_column(&csv, "file_name"), caption = SIZE_MAX, identity = SIZE_MAX;
    if (o->caption_column) {
        caption = tt_csv_column(&csv, o->caption_column);
    } else {
        caption = tt_csv_column(&csv, "text");
        if (caption == SIZE_MAX) caption = tt_csv_column(&csv, "caption");
    }
    if (o->identity_column) identity = tt_csv_column(&csv, o->identity_column);
    if (file == SIZE_MAX)
        s = no_column(f, metadata, "file_name", err);
    else if (o->caption_column && caption == SIZE_MAX)
        s = no_column(f, metadata, o->caption_column, err);
    else if (o->identity_column && identity == SIZE_MAX)
        s = no_column(f, metadata, o->identity_column, err);
    for (size_t i = 0; i < csv.n_rows && !s; i++) {
        const char **cells = csv.cells + i * csv.n_columns;
        s = describe(f, metadata, csv.lines[i], cells[file], caption == SIZE_MAX ? NULL : cells[caption],
                     identity == SIZE_MAX ? NULL : cells[identity], err);
    }
    tt_csv_free(&csv);
    return s;
}

/* ---- JSON lines ---- */

static tt_status text_of(const tt_node *row, const char *key, bool required, const char **text, tt_error *err)
{
    const tt_node *node = tt_node_get(row, key);
    *text = NULL;
    if ((!node || node->kind == TT_NODE_NULL) && !required) return TT_OK;
    if (!node) return tt_node_fail(row, err, "no '%s' in this line", key);
    if (node->kind != TT_NODE_STRING)
        return tt_node_fail(node, err, "'%s' is a %s, not a string", key, tt_node_kind_name(node->kind));
    *text = node->text;
    return TT_OK;
}

static tt_status read_line(folder *f, const char *metadata, const char *path, size_t number, const char *text,
                           size_t size, const folder_options *o, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    if (!arena) return no_memory(err);
    tt_node *row = NULL;
    const char *name = NULL, *caption = NULL, *identity = NULL;
    tt_error why = {0};
    tt_status s = tt_json_parse(arena, "line", text, size, &row, &why);
    if (!s && row->kind != TT_NODE_MAP) s = tt_fail(&why, TT_ERR_FORMAT, "not a JSON object");
    if (!s) s = text_of(row, "file_name", true, &name, &why);
    if (!s && o->caption_column) s = text_of(row, o->caption_column, true, &caption, &why);
    if (!s && !o->caption_column) s = text_of(row, "text", false, &caption, &why);
    if (!s && !o->caption_column && !caption) s = text_of(row, "caption", false, &caption, &why);
    if (!s && o->identity_column) s = text_of(row, o->identity_column, true, &identity, &why);
    if (s)
        tt_fail(err, s, "%s:%zu: %s", path, number, why.message);
    else
        s = describe(f, metadata, number, name, caption, identity, err);
    tt_arena_destroy(arena);
    return s;
}

static tt_status read_jsonl(folder *f, const char *metadata, const char *path, const folder_options *o,
                            tt_error *err)
{
    char *text;
    size_t size, number = 1;
    tt_status s = tt_file_read(path, METADATA_MAX_BYTES, &text, &size, err);
    if (s) return s;
    for (size_t at = 0; at < size && !s; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        if (n > 0 && strspn(text + at, " \t\r") < n)
            s = read_line(f, metadata, path, number, text + at, n, o, err);
        at += n + 1;
    }
    tt_free(text);
    return s;
}

tt_status folder_read_metadata(folder *f, const char *inside, const folder_options *options, tt_error *err)
{
    char *path = tt_arena_printf(f->arena, "%s/%s", f->path, inside);
    if (!path) return no_memory(err);
    size_t n = strlen(path);
    return strcmp(path + n - 4, ".csv") == 0 ? read_csv(f, inside, path, options, err)
                                             : read_jsonl(f, inside, path, options, err);
}
