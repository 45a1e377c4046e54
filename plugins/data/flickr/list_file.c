#include "list_file.h"

#include "base/file.h"
#include "formats/csv.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a captions file");
}

static tt_status add(list_file *f, const char *name, size_t name_size, const char *caption,
                     size_t caption_size, tt_error *err)
{
    if (f->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 1024;
        list_row *grown = tt_realloc(f->rows, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        f->rows = grown;
        f->capacity = capacity;
    }
    list_row *row = &f->rows[f->n];
    *row = (list_row){tt_arena_strndup(f->arena, name, name_size),
                      tt_arena_strndup(f->arena, caption, caption_size), f->n};
    f->n++;
    return row->name && row->caption ? TT_OK : no_memory(err);
}

static tt_status malformed(const char *path, size_t line, const char *must, tt_error *err)
{
    return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: the line must be %s", path, line, must);
}

/* ---- lines ---- */

/* NAME#NUMBER TAB CAPTION */
static tt_status token_line(list_file *f, const char *path, size_t number, const char *line, size_t size,
                            tt_error *err)
{
    const char *tab = memchr(line, '\t', size), *hash = memchr(line, '#', size);
    if (!tab || !hash || hash > tab) return malformed(path, number, "IMAGE#NUMBER, a tab, CAPTION", err);
    return add(f, line, (size_t)(hash - line), tab + 1, size - (size_t)(tab + 1 - line), err);
}

/* NAME| NUMBER| CAPTION; one line of the published file lacks the second bar. */
static tt_status bar_line(list_file *f, const char *path, size_t number, const char *line, size_t size,
                          tt_error *err)
{
    const char *bar = memchr(line, '|', size), *end = line + size;
    if (!bar) return malformed(path, number, "IMAGE| NUMBER| CAPTION", err);
    const char *at = bar + 1;
    while (at < end && *at == ' ')
        at++;
    const char *digits = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    if (at == digits || at == end || (*at != '|' && *at != ' '))
        return malformed(path, number, "IMAGE| NUMBER| CAPTION", err);
    return add(f, line, (size_t)(bar - line), at + 1, (size_t)(end - at - 1), err);
}

typedef tt_status (*line_reader)(list_file *, const char *, size_t, const char *, size_t, tt_error *);

static tt_status read_lines(list_file *f, const char *path, const char *text, size_t size, size_t first,
                            line_reader read, tt_error *err)
{
    tt_status s = TT_OK;
    size_t number = 1;
    for (size_t at = 0; at < size && !s; number++) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t n = newline ? (size_t)(newline - text) - at : size - at;
        size_t kept = n && text[at + n - 1] == '\r' ? n - 1 : n;
        if (number >= first && kept) s = read(f, path, number, text + at, kept, err);
        at += n + 1;
    }
    return s;
}

/* ---- CSV ---- */

/* ["one caption", "another"] */
static tt_status add_list(list_file *f, const char *path, size_t line, const char *name, const char *list,
                          tt_error *err)
{
    tt_node *root;
    tt_status s = tt_json_parse(f->arena, path, list, strlen(list), &root, err);
    if (s || root->kind != TT_NODE_LIST)
        return malformed(path, line, "a file name, and in `raw` a JSON list of captions", err);
    for (const tt_node *node = root->children; node && !s; node = node->next)
        s = node->kind == TT_NODE_STRING ? add(f, name, strlen(name), node->text, strlen(node->text), err)
                                         : malformed(path, line, "a list of captions that are strings", err);
    return s;
}

static tt_status read_csv(list_file *f, const char *path, const char *text, size_t size, tt_error *err)
{
    tt_csv csv;
    tt_status s = tt_csv_parse(path, text, size, &csv, err);
    if (s) return s;
    size_t name = tt_csv_column(&csv, "filename"), raw = tt_csv_column(&csv, "raw");
    size_t image = tt_csv_column(&csv, "image"), caption = tt_csv_column(&csv, "caption");
    bool lists = name != SIZE_MAX && raw != SIZE_MAX;
    if (!lists && (image == SIZE_MAX || caption == SIZE_MAX))
        s = tt_fail(err, TT_ERR_FORMAT,
                    "%s: no known form of Flickr's captions: lines of IMAGE#0 and a tab, lines of IMAGE| 0| "
                    "CAPTION, or a CSV with columns filename and raw, or image and caption",
                    path);
    for (size_t i = 0; i < csv.n_rows && !s; i++) {
        const char **cells = csv.cells + i * csv.n_columns;
        s = lists ? add_list(f, path, csv.lines[i], cells[name], cells[raw], err)
                  : add(f, cells[image], strlen(cells[image]), cells[caption], strlen(cells[caption]), err);
    }
    tt_csv_free(&csv);
    return s;
}

/* ---- both ---- */

static int by_name(const void *a, const void *b)
{
    const list_row *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

tt_status list_file_read(const char *path, list_file *f, tt_error *err)
{
    *f = (list_file){.arena = tt_arena_create(0)};
    char *text = NULL;
    size_t size = 0;
    tt_status s = f->arena ? tt_file_read(path, TT_CSV_MAX_BYTES, &text, &size, err) : no_memory(err);
    if (!s) {
        size_t line = strcspn(text, "\n");
        bool header = strncmp(text, "image_name|", 11) == 0;
        if (header || memchr(text, '|', line))
            s = read_lines(f, path, text, size, header ? 2 : 1, bar_line, err);
        else if (memchr(text, '#', line) && memchr(text, '\t', line))
            s = read_lines(f, path, text, size, 1, token_line, err);
        else
            s = read_csv(f, path, text, size, err);
    }
    tt_free(text);
    if (!s) qsort(f->rows, f->n, sizeof *f->rows, by_name);
    return s;
}

void list_file_free(list_file *f)
{
    tt_free(f->rows);
    tt_arena_destroy(f->arena);
    *f = (list_file){0};
}
