#include "experiment/sweep_index.h"
#include "base/file.h"
#include "experiment/sweep_internal.h"
#include "formats/json.h"

#include <string.h>

#define INDEX_MAX ((size_t)1 << 28)

static const char *const state_names[] = {"pending", "done", "failed"};

char *tt_sweep_cell_dir(const char *dir, const char *name)
{
    char *cells = tt_path_join(dir, "cells");
    char *path = cells ? tt_path_join(cells, name) : NULL;
    tt_free(cells);
    return path;
}

bool tt_sweep_index_there(const char *dir)
{
    char *path = tt_path_join(dir, "sweep.json");
    bool there = path && tt_file_exists(path);
    tt_free(path);
    return there;
}

/* ---- writing ---- */

static void put_axis(const tt_sweep_axis *axis, tt_buf *out)
{
    tt_buf_printf(out, "  {\"key\": ");
    tt_json_quote(out, axis->key);
    tt_buf_printf(out, ", \"label\": ");
    tt_json_quote(out, axis->label);
    tt_buf_printf(out, ", \"variants\": %s, \"zipped\": %s, ", axis->variants ? "true" : "false",
                  axis->zipped ? "true" : "false");
    if (axis->level) tt_buf_printf(out, "\"level\": \"%s\", ", tt_sweep_level_label(axis->level));
    tt_buf_printf(out, "\"values\": [");
    for (size_t i = 0; i < axis->n; i++) {
        tt_buf_printf(out, "%s{\"label\": ", i ? ", " : "");
        tt_json_quote(out, axis->values[i].label);
        tt_buf_printf(out, ", \"value\": ");
        if (!tt_node_canonical(axis->values[i].node, out)) out->failed = true;
        tt_buf_printf(out, "}");
    }
    tt_buf_printf(out, "]}");
}

static void put_cell(const tt_sweep *sweep, size_t cell, tt_cell_state state, const char *failure,
                     tt_buf *out)
{
    tt_buf_printf(out, "  {\"name\": ");
    tt_json_quote(out, sweep->names[cell]);
    tt_buf_printf(out, ", \"choice\": [");
    for (size_t a = 0; a < sweep->n_axes; a++)
        tt_buf_printf(out, "%s%zu", a ? ", " : "", tt_sweep_choice(sweep, cell, a));
    tt_buf_printf(out, "], \"state\": \"%s\"", state_names[state]);
    if (failure) {
        tt_buf_printf(out, ", \"failure\": ");
        tt_json_quote(out, failure);
    }
    tt_buf_printf(out, "}");
}

tt_status tt_sweep_index_write(const tt_sweep *sweep, const tt_cell_state *states,
                               const char *const *failures, const char *dir, tt_error *err)
{
    tt_buf out = {0};
    tt_buf_printf(&out, "{\"version\": 1,\n \"axes\": [\n");
    for (size_t a = 0; a < sweep->n_axes; a++) {
        put_axis(&sweep->axes[a], &out);
        tt_buf_printf(&out, "%s\n", a + 1 < sweep->n_axes ? "," : "");
    }
    tt_buf_printf(&out, " ],\n \"cells\": [\n");
    for (size_t i = 0; i < sweep->n; i++) {
        put_cell(sweep, i, states[i], failures ? failures[i] : NULL, &out);
        tt_buf_printf(&out, "%s\n", i + 1 < sweep->n ? "," : "");
    }
    tt_buf_printf(&out, " ]}\n");
    char *path = tt_path_join(dir, "sweep.json");
    tt_status s =
        path && !out.failed ? tt_file_write(path, out.data, out.size, err) : tt_sweep_no_memory(err);
    tt_free(path);
    tt_buf_free(&out);
    return s;
}

/* ---- reading ---- */

typedef struct reader {
    tt_sweep_index *index;
    const tt_node *at; /* what is being read, for messages */
    bool bad, no_memory;
} reader;

static const char *text_in(reader *r, const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    if (node && node->kind == TT_NODE_STRING) return node->text;
    r->bad = true;
    r->at = map;
    return "";
}

static bool flag_in(const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    return node && node->kind == TT_NODE_BOOL && node->value.boolean;
}

static const tt_node *list_in(reader *r, const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    if (node && node->kind == TT_NODE_LIST) return node;
    static const tt_node empty = {.kind = TT_NODE_LIST};
    r->bad = true;
    r->at = map;
    return &empty;
}

static void read_axis(reader *r, const tt_node *node, tt_sweep_index_axis *axis)
{
    tt_arena *arena = r->index->arena;
    const tt_node *values = list_in(r, node, "values");
    const char **labels = tt_arena_alloc_array(arena, values->n_children, sizeof *labels);
    const char **texts = tt_arena_alloc_array(arena, values->n_children, sizeof *texts);
    *axis = (tt_sweep_index_axis){.key = text_in(r, node, "key"),
                                  .label = text_in(r, node, "label"),
                                  .variants = flag_in(node, "variants"),
                                  .zipped = flag_in(node, "zipped"),
                                  .labels = labels,
                                  .values = texts};
    const tt_node *level = tt_node_get(node, "level");
    for (int i = TT_LEVEL_ATTACK; level && level->text && i <= TT_LEVEL_TRAINING; i++)
        if (strcmp(level->text, tt_sweep_level_label((tt_sweep_level)i)) == 0)
            axis->level = (tt_sweep_level)i;
    if (!labels || !texts) r->no_memory = true;
    for (const tt_node *child = values->children; child && labels && texts; child = child->next) {
        const tt_node *value = tt_node_get(child, "value");
        tt_buf text = {0};
        if (value && !tt_node_canonical(value, &text)) r->no_memory = true;
        labels[axis->n] = text_in(r, child, "label");
        texts[axis->n] = tt_arena_strdup(arena, text.data ? text.data : "null");
        if (!texts[axis->n]) r->no_memory = true;
        axis->n++;
        tt_buf_free(&text);
    }
}

/* Names become paths: one that leads elsewhere is refused. */
static bool name_well_formed(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!tt_sweep_label_char(name[i])) return false;
    return n > 0 && n <= TT_CELL_NAME_MAX && name[0] != '.';
}

static void read_cell(reader *r, const tt_node *node, tt_sweep_index_cell *cell)
{
    tt_sweep_index *index = r->index;
    const tt_node *choice = list_in(r, node, "choice"), *failure = tt_node_get(node, "failure");
    const char *state = text_in(r, node, "state");
    size_t *chosen = tt_arena_alloc_array(index->arena, index->n_axes, sizeof *chosen);
    *cell = (tt_sweep_index_cell){.name = text_in(r, node, "name"), .choice = chosen};
    cell->failure = failure && failure->kind == TT_NODE_STRING ? failure->text : NULL;
    bool good = name_well_formed(cell->name) && choice->n_children == index->n_axes;
    int known = -1;
    for (int i = 0; i < 3; i++)
        if (strcmp(state, state_names[i]) == 0) known = i;
    if (known >= 0) cell->state = (tt_cell_state)known;
    if (!chosen) r->no_memory = true;
    size_t a = 0;
    for (const tt_node *child = choice->children; child && good && chosen; child = child->next, a++) {
        good = child->kind == TT_NODE_INT && child->value.integer >= 0 &&
               (size_t)child->value.integer < index->axes[a].n;
        if (good) chosen[a] = (size_t)child->value.integer;
    }
    if (good && known >= 0) return;
    r->bad = true;
    r->at = node;
}

static void read_all(reader *r, const tt_node *root)
{
    tt_sweep_index *index = r->index;
    const tt_node *axes = list_in(r, root, "axes"), *cells = list_in(r, root, "cells");
    index->axes = tt_arena_alloc_array(index->arena, axes->n_children, sizeof *index->axes);
    index->cells = tt_arena_alloc_array(index->arena, cells->n_children, sizeof *index->cells);
    if (!index->axes || !index->cells) {
        r->no_memory = true;
        return;
    }
    for (const tt_node *child = axes->children; child && !r->bad && !r->no_memory; child = child->next)
        read_axis(r, child, &index->axes[index->n_axes++]);
    for (const tt_node *child = cells->children; child && !r->bad && !r->no_memory; child = child->next)
        read_cell(r, child, &index->cells[index->n++]);
}

tt_status tt_sweep_index_read(const char *dir, tt_sweep_index *index, tt_error *err)
{
    *index = (tt_sweep_index){.arena = tt_arena_create(0)};
    char *path = tt_path_join(dir, "sweep.json");
    index->dir = index->arena ? tt_arena_strdup(index->arena, dir) : NULL;
    tt_node *root = NULL;
    tt_status s = path && index->dir ? TT_OK : tt_sweep_no_memory(err);
    if (!s && !tt_file_exists(path)) s = tt_fail(err, TT_ERR_NOT_FOUND, "%s: holds no sweep", dir);
    if (!s) s = tt_json_read(index->arena, path, INDEX_MAX, &root, err);
    reader r = {.index = index, .at = root};
    if (!s) read_all(&r, root);
    if (!s && r.no_memory) s = tt_sweep_no_memory(err);
    if (!s && r.bad) {
        tt_node_fail(r.at, err, "is not what `telltale run` writes of a sweep; run it again");
        s = TT_ERR_FORMAT;
        if (err) err->code = s;
    }
    tt_free(path);
    if (s) tt_sweep_index_free(index);
    return s;
}

void tt_sweep_index_free(tt_sweep_index *index)
{
    tt_arena_destroy(index->arena);
    *index = (tt_sweep_index){0};
}

tt_status tt_sweep_index_results(const tt_sweep_index *index, size_t cell, tt_results *results, tt_error *err)
{
    char *dir = tt_sweep_cell_dir(index->dir, index->cells[cell].name);
    char *path = dir ? tt_path_join(dir, "results.h5") : NULL;
    tt_status s = path ? TT_OK : tt_sweep_no_memory(err);
    if (!s && !tt_file_exists(path))
        s = tt_fail(err, TT_ERR_NOT_FOUND, "cell %s holds no results yet", index->cells[cell].name);
    if (!s) s = tt_results_read(path, results, err);
    tt_free(path);
    tt_free(dir);
    return s;
}
