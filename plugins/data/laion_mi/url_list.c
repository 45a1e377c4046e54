#include "url_list.h"

#include "base/file.h"
#include "formats/csv.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

#define SIDECAR_MAX_BYTES ((size_t)1 << 20)

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a list of URLs");
}

tt_status url_list_begin(const char *path, url_list *l, tt_error *err)
{
    *l = (url_list){.arena = tt_arena_create(0), .folder = path};
    return l->arena ? TT_OK : no_memory(err);
}

/* ---- what was downloaded ---- */

static int by_url(const void *a, const void *b)
{
    return strcmp(((const url_row *)a)->url, ((const url_row *)b)->url);
}

/* The URL in the .json beside an image; NULL where there is none. */
static tt_status read_sidecar(url_list *l, const char *image, const char **url, tt_error *err)
{
    const char *dot = strrchr(image, '.');
    char *path = tt_arena_printf(l->arena, "%s/%.*s.json", l->folder, (int)(dot - image), image);
    *url = NULL;
    if (!path) return no_memory(err);
    if (!tt_file_exists(path)) return TT_OK;
    tt_node *root;
    tt_status s = tt_json_read(l->arena, path, SIDECAR_MAX_BYTES, &root, err);
    if (s) return s;
    const tt_node *node = tt_node_get(root, "url");
    if (node && node->kind == TT_NODE_STRING) *url = node->text;
    return TT_OK;
}

static tt_status read_downloads(url_list *l, tt_error *err)
{
    folder f;
    folder_options none = {0};
    l->downloads_read = true;
    tt_status s = folder_open(l->folder, &none, &f, err);
    if (s) return s;
    l->downloads = tt_alloc_array(f.n, sizeof *l->downloads);
    if (!l->downloads) s = no_memory(err);
    for (size_t i = 0; i < f.n && !s; i++) {
        const char *url;
        s = read_sidecar(l, f.images[i].name, &url, err);
        if (s || !url) continue;
        url_row row = {.url = url, .file = tt_arena_strdup(l->arena, f.images[i].name)};
        if (!row.file) s = no_memory(err);
        l->downloads[l->n_downloads++] = row;
    }
    folder_close(&f);
    if (!s && l->n_downloads == 0)
        s = tt_fail(err, TT_ERR_NOT_FOUND,
                    "%s: the list has no column `file`, and no image has a .json with its URL beside it: "
                    "download with img2dataset, or add the column",
                    l->folder);
    if (!s) qsort(l->downloads, l->n_downloads, sizeof *l->downloads, by_url);
    return s;
}

/* ---- rows ---- */

typedef struct columns {
    size_t url, caption, file, sha256;
} columns;

static tt_status find_columns(const char *path, const tt_csv *csv, columns *c, tt_error *err)
{
    c->url = tt_csv_column(csv, "url");
    c->caption = tt_csv_column(csv, "caption");
    if (c->caption == SIZE_MAX) c->caption = tt_csv_column(csv, "text");
    c->file = tt_csv_column(csv, "file");
    c->sha256 = tt_csv_column(csv, "sha256");
    if (c->url != SIZE_MAX && c->caption != SIZE_MAX) return TT_OK;
    return tt_fail(err, TT_ERR_FORMAT, "%s:1: the columns `url` and `caption` (or `text`) must be there",
                   path);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80) return false;
    return true;
}

/* Where the image lies; NULL: nowhere. */
static tt_status find_file(url_list *l, const char *url, const char *named, const char **file, tt_error *err)
{
    *file = NULL;
    if (named && named[0]) {
        if (!folder_holds(named))
            return tt_fail(err, TT_ERR_INVALID, "the file '%.200s' leaves the folder", named);
        char *path = tt_path_join(l->folder, named);
        if (!path) return no_memory(err);
        if (tt_file_exists(path)) *file = tt_arena_strdup(l->arena, named);
        tt_free(path);
        return TT_OK;
    }
    tt_status s = l->downloads_read ? TT_OK : read_downloads(l, err);
    if (s) return s;
    url_row key = {.url = url};
    const url_row *found =
        l->n_downloads ? bsearch(&key, l->downloads, l->n_downloads, sizeof key, by_url) : NULL;
    if (found) *file = found->file;
    return TT_OK;
}

static tt_status keep(url_list *l, const url_row *row, tt_error *err)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 1024;
        url_row *grown = tt_realloc(l->rows, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        l->rows = grown;
        l->capacity = capacity;
    }
    url_row *kept = &l->rows[l->n++];
    *kept = *row;
    kept->url = tt_arena_strdup(l->arena, row->url);
    kept->caption = tt_arena_strdup(l->arena, row->caption);
    bool good = kept->url && kept->caption && kept->file;
    if (row->sha256) {
        char *hex = tt_arena_strdup(l->arena, row->sha256);
        for (char *c = hex; c && *c; c++)
            if (*c >= 'A' && *c <= 'F') *c = (char)(*c - 'A' + 'a');
        kept->sha256 = hex;
        good = good && hex;
    }
    return good ? TT_OK : no_memory(err);
}

static bool is_sha256(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

static tt_status take_row(url_list *l, const char *path, size_t line, const char *const *cells,
                          const columns *c, bool member, const url_list_options *o, size_t *missing,
                          tt_error *err)
{
    url_row row = {.url = cells[c->url], .caption = cells[c->caption], .member = member};
    if (c->sha256 != SIZE_MAX && cells[c->sha256][0]) row.sha256 = cells[c->sha256];
    if (row.sha256 && !is_sha256(row.sha256))
        return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: sha256 must be 64 hexadecimal digits", path, line);
    tt_status s = find_file(l, row.url, c->file == SIZE_MAX ? NULL : cells[c->file], &row.file, err);
    if (s) return tt_fail_in(err, "%s:%zu", path, line);
    if (row.file) return keep(l, &row, err);
    ++*missing;
    if (o->skip_missing) return TT_OK;
    return tt_fail(err, TT_ERR_NOT_FOUND,
                   "%s:%zu: the image of %.200s is not in %s: download it, or leave such rows out with "
                   "missing: skip",
                   path, line, row.url, l->folder);
}

tt_status url_list_add(url_list *l, const char *path, bool member, const url_list_options *o, tt_error *err)
{
    tt_csv csv;
    columns c;
    size_t missing = 0, foreign = 0;
    tt_status s = tt_csv_read(path, &csv, err);
    if (s) return s;
    s = find_columns(path, &csv, &c, err);
    for (size_t i = 0; i < csv.n_rows && !s; i++) {
        const char *const *cells = csv.cells + i * csv.n_columns;
        if (o->ascii_only && !is_ascii(cells[c.caption]))
            foreign++;
        else
            s = take_row(l, path, csv.lines[i], cells, &c, member, o, &missing, err);
    }
    if (!s && (missing || foreign))
        o->log(TT_LOG_INFO, "%s: %zu rows; left out %zu whose image is not there and %zu beyond ASCII", path,
               csv.n_rows, missing, foreign);
    tt_csv_free(&csv);
    return s;
}

/* ---- the folder's list ---- */

static int by_file(const void *a, const void *b)
{
    return strcmp(((const url_row *)a)->file, ((const url_row *)b)->file);
}

tt_status url_list_fill(url_list *l, folder *f, tt_error *err)
{
    tt_status s = TT_OK;
    if (l->n) qsort(l->rows, l->n, sizeof *l->rows, by_file);
    for (size_t i = 1; i < l->n; i++)
        if (by_file(&l->rows[i - 1], &l->rows[i]) == 0)
            return tt_fail(err, TT_ERR_INVALID, "%s: two rows have the image %s: %.200s and %.200s", f->path,
                           l->rows[i].file, l->rows[i - 1].url, l->rows[i].url);
    for (size_t i = 0; i < l->n && !s; i++) {
        s = folder_add(f, l->rows[i].file, err);
        if (!s) f->images[f->n - 1].caption = l->rows[i].caption;
    }
    return s ? s : folder_sort(f, err);
}

const url_row *url_list_row(const url_list *l, const char *file)
{
    url_row key = {.file = file};
    return bsearch(&key, l->rows, l->n, sizeof key, by_file);
}

void url_list_free(url_list *l)
{
    tt_free(l->rows);
    tt_free(l->downloads);
    tt_arena_destroy(l->arena);
    *l = (url_list){0};
}
