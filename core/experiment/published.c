#include "experiment/published.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "formats/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TABLE, DATASET, SETTING, METHOD, ATTACK, UNIT, ASR, AUC, TPR, TPR_AS, COLUMNS };

static const char *const names[COLUMNS] = {"table", "dataset", "setting", "method",   "attack",
                                           "unit",  "asr",     "auc",     "tpr_at_1", "tpr_as"};

typedef struct reading {
    const char *path;
    tt_csv csv;
    size_t columns[COLUMNS];
    tt_arena *arena;
    tt_error *err;
} reading;

static tt_status no_memory(const reading *r)
{
    return tt_fail(r->err, TT_ERR_MEMORY, "out of memory for %s", r->path);
}

static const char *cell(const reading *r, size_t row, int column)
{
    return r->csv.cells[row * r->csv.n_columns + r->columns[column]];
}

/* In percent; NaN where the cell is empty. */
static tt_status number(const reading *r, size_t row, int column, double scale, double *value)
{
    const char *text = cell(r, row, column);
    char padded[40];
    *value = NAN;
    if (text[0] == '\0') return TT_OK;
    snprintf(padded, sizeof padded, "%s%s", text[0] == '.' ? "0" : "", text); /* ".85" as papers print it */
    if (!tt_double_parse(padded, value) || !(*value >= 0) || *value * scale > 100)
        return tt_fail(r->err, TT_ERR_FORMAT, "%s:%zu: %s is '%.40s': must be a number of its unit, or empty",
                       r->path, r->csv.lines[row], names[column], text);
    *value *= scale;
    return TT_OK;
}

static tt_status read_row(const reading *r, size_t row, tt_published_row *out)
{
    const char *unit = cell(r, row, UNIT);
    double scale = strcmp(unit, "fraction") == 0 ? 100 : 1;
    if (scale == 1 && strcmp(unit, "percent") != 0)
        return tt_fail(r->err, TT_ERR_FORMAT, "%s:%zu: unit is '%.40s': must be percent or fraction", r->path,
                       r->csv.lines[row], unit);
    *out = (tt_published_row){.method = tt_arena_strdup(r->arena, cell(r, row, METHOD)),
                              .attack = tt_arena_strdup(r->arena, cell(r, row, ATTACK)),
                              .dataset = tt_arena_strdup(r->arena, cell(r, row, DATASET)),
                              .setting = tt_arena_strdup(r->arena, cell(r, row, SETTING)),
                              .tpr_as = tt_arena_strdup(r->arena, cell(r, row, TPR_AS))};
    if (!out->method || !out->attack || !out->dataset || !out->setting || !out->tpr_as) return no_memory(r);
    tt_status s = number(r, row, ASR, scale, &out->asr);
    if (!s) s = number(r, row, AUC, scale, &out->auc);
    return s ? s : number(r, row, TPR, scale, &out->tpr);
}

static tt_status no_table(const reading *r, const char *table)
{
    tt_buf known = {0};
    for (size_t i = 0; i < r->csv.n_rows; i++) {
        const char *name = cell(r, i, TABLE);
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(cell(r, k, TABLE), name) == 0;
        if (!seen) tt_buf_printf(&known, "%s%s", known.size ? ", " : "", name);
    }
    tt_status s = tt_fail(r->err, TT_ERR_NOT_FOUND,
                          "%s has no row of table '%.60s' for this data set and setting; tables: %.300s",
                          r->path, table, known.data ? known.data : "none");
    tt_buf_free(&known);
    return s;
}

static bool wanted(const reading *r, size_t row, const char *table, const char *dataset, const char *setting)
{
    return strcmp(cell(r, row, TABLE), table) == 0 &&
           (!dataset || strcmp(cell(r, row, DATASET), dataset) == 0) &&
           (!setting || strcmp(cell(r, row, SETTING), setting) == 0);
}

tt_status tt_published_read(const char *path, const char *table, const char *dataset, const char *setting,
                            tt_arena *arena, tt_published *out, tt_error *err)
{
    reading r = {.path = path, .arena = arena, .err = err};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t stem = strcspn(name, ".");
    *out = (tt_published){0};
    tt_status s = tt_csv_read(path, &r.csv, err);
    if (s) return s;
    for (int i = 0; i < COLUMNS && !s; i++) {
        r.columns[i] = tt_csv_column(&r.csv, names[i]);
        if (r.columns[i] == SIZE_MAX)
            s = tt_fail(err, TT_ERR_FORMAT, "%s:1: no column '%s': is this a file of results/published?",
                        path, names[i]);
    }
    out->rows = s ? NULL : tt_arena_alloc_array(arena, r.csv.n_rows + 1, sizeof *out->rows);
    if (!s && !out->rows) s = no_memory(&r);
    for (size_t i = 0; i < r.csv.n_rows && !s; i++)
        if (wanted(&r, i, table, dataset, setting)) s = read_row(&r, i, &out->rows[out->n++]);
    if (!s && out->n == 0) s = no_table(&r, table);
    if (!s) {
        out->title = tt_arena_printf(arena, "%.*s, table %s%s%s", (int)stem, name, table, dataset ? ", " : "",
                                     dataset ? dataset : "");
        if (!out->title) s = no_memory(&r);
    }
    tt_csv_free(&r.csv);
    return s;
}

/* ---- matching ---- */

bool tt_published_is(const tt_published_row *row, const tt_result_scores *scores)
{
    size_t n = strcspn(row->attack, " ");
    if (n == 0 || n != strlen(scores->plugin) || strncmp(row->attack, scores->plugin, n) != 0) return false;
    tt_arena *arena = tt_arena_create(0);
    tt_node *params = NULL;
    tt_error err = {0};
    bool good = arena && tt_json_parse(arena, "params", scores->params, strlen(scores->params), &params,
                                       &err) == TT_OK;
    char *text = good ? tt_arena_strdup(arena, row->attack + n) : NULL, *rest = NULL;
    good = good && text;
    for (char *pair = good ? strtok_r(text, " ", &rest) : NULL; pair && good;
         pair = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(pair, '=');
        if (value) *value++ = '\0';
        const tt_node *node = tt_node_get(params, pair);
        good = value && node && node->text && strcmp(node->text, value) == 0;
    }
    tt_arena_destroy(arena);
    return good;
}
