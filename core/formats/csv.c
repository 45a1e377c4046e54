#include "formats/csv.h"
#include "base/file.h"
#include "formats/text.h"

#include <stdint.h>
#include <string.h>

typedef struct parser {
    const char *file;
    const char *at, *end;
    size_t line, row_line;
    tt_arena *arena;
    const char **cells; /* of all rows, grown by doubling */
    size_t n_cells, capacity;
    size_t *lines;
    size_t n_lines, lines_capacity;
    tt_buf cell;
} parser;

static tt_status no_memory(const parser *p, tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory at line %zu", p->file, p->line);
}

static tt_status add_cell(parser *p, tt_error *err)
{
    if (p->cell.failed) return no_memory(p, err);
    if (p->n_cells == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 256;
        const char **grown = tt_realloc((void *)p->cells, capacity * sizeof *grown);
        if (!grown) return no_memory(p, err);
        p->cells = grown;
        p->capacity = capacity;
    }
    const char *text = tt_arena_strndup(p->arena, p->cell.data ? p->cell.data : "", p->cell.size);
    if (!text) return no_memory(p, err);
    p->cells[p->n_cells++] = text;
    p->cell.size = 0;
    return TT_OK;
}

static tt_status quoted(parser *p, tt_error *err)
{
    for (p->at++;; p->at++) {
        if (p->at == p->end)
            return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: a quote that is never closed", p->file, p->row_line);
        if (*p->at == '"') {
            if (p->at + 1 == p->end || p->at[1] != '"') break;
            p->at++;
        }
        if (*p->at == '\n') p->line++;
        tt_buf_append(&p->cell, p->at, 1);
    }
    p->at++;
    if (p->at < p->end && *p->at != ',' && *p->at != '\n' && *p->at != '\r')
        return tt_fail(err, TT_ERR_FORMAT, "%s:%zu: text behind a closing quote", p->file, p->line);
    return TT_OK;
}

/* One row; at is then on the next one. */
static tt_status row(parser *p, tt_error *err)
{
    p->row_line = p->line;
    for (;;) {
        if (p->at < p->end && *p->at == '"') {
            tt_status s = quoted(p, err);
            if (s) return s;
        } else {
            const char *begin = p->at;
            while (p->at < p->end && *p->at != ',' && *p->at != '\n' && *p->at != '\r')
                p->at++;
            tt_buf_append(&p->cell, begin, (size_t)(p->at - begin));
        }
        tt_status s = add_cell(p, err);
        if (s) return s;
        if (p->at == p->end) return TT_OK;
        char c = *p->at++;
        if (c == ',') continue;
        if (c == '\r' && p->at < p->end && *p->at == '\n') p->at++;
        p->line++;
        return TT_OK;
    }
}

static tt_status add_line(parser *p, tt_error *err)
{
    if (p->n_lines == p->lines_capacity) {
        size_t capacity = p->lines_capacity ? 2 * p->lines_capacity : 256;
        size_t *grown = tt_realloc(p->lines, capacity * sizeof *grown);
        if (!grown) return no_memory(p, err);
        p->lines = grown;
        p->lines_capacity = capacity;
    }
    p->lines[p->n_lines++] = p->row_line;
    return TT_OK;
}

static tt_status table(parser *p, tt_csv *csv, tt_error *err)
{
    if (p->at == p->end)
        return tt_fail(err, TT_ERR_FORMAT, "%s: empty: a line of column names is needed", p->file);
    tt_status s = row(p, err);
    csv->n_columns = p->n_cells;
    while (!s && p->at < p->end) {
        size_t before = p->n_cells;
        s = row(p, err);
        if (s) break;
        size_t width = p->n_cells - before;
        if (width == 1 && csv->n_columns > 1 && p->cells[before][0] == '\0') { /* a blank line */
            p->n_cells = before;
            continue;
        }
        if (width != csv->n_columns)
            s = tt_fail(err, TT_ERR_FORMAT, "%s:%zu: %zu cells, but the first line names %zu columns",
                        p->file, p->row_line, width, csv->n_columns);
        if (!s) s = add_line(p, err);
    }
    return s;
}

tt_status tt_csv_parse(const char *file, const char *text, size_t size, tt_csv *csv, tt_error *err)
{
    *csv = (tt_csv){0};
    if (tt_utf8_check(text, size) < size)
        return tt_fail(err, TT_ERR_FORMAT, "%s: not UTF-8: convert it, e.g. with iconv", file);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, as spreadsheets write it */
        text += 3;
        size -= 3;
    }
    parser p = {.file = file, .at = text, .end = text + size, .line = 1, .arena = tt_arena_create(0)};
    tt_status s = p.arena ? table(&p, csv, err) : no_memory(&p, err);
    tt_buf_free(&p.cell);
    csv->arena = p.arena;
    csv->header = p.cells;
    csv->cells = p.cells ? p.cells + csv->n_columns : NULL;
    csv->lines = p.lines;
    csv->n_rows = p.n_lines;
    if (s) tt_csv_free(csv);
    return s;
}

tt_status tt_csv_read(const char *path, tt_csv *csv, tt_error *err)
{
    *csv = (tt_csv){0};
    char *text;
    size_t size;
    tt_status s = tt_file_read(path, TT_CSV_MAX_BYTES, &text, &size, err);
    if (s) return s;
    s = tt_csv_parse(path, text, size, csv, err);
    tt_free(text);
    return s;
}

void tt_csv_free(tt_csv *csv)
{
    tt_free((void *)csv->header); /* cells lie behind it */
    tt_free(csv->lines);
    tt_arena_destroy(csv->arena);
    *csv = (tt_csv){0};
}

size_t tt_csv_column(const tt_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_columns; i++)
        if (strcmp(csv->header[i], name) == 0) return i;
    return SIZE_MAX;
}
