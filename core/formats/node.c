#include "formats/node.h"
#include "formats/json.h"
#include "formats/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tt_node *tt_node_get(const tt_node *map, const char *key)
{
    if (!map || map->kind != TT_NODE_MAP) return NULL;
    for (tt_node *child = map->children; child; child = child->next)
        if (strcmp(child->key, key) == 0) return child;
    return NULL;
}

const char *tt_node_kind_name(tt_node_kind kind)
{
    static const char *const names[] = {"null",   "true or false", "whole number", "number",
                                        "string", "list",          "map"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

static void place(char *out, size_t size, const char *file, int line, int column)
{
    if (line > 0)
        snprintf(out, size, "%s:%d:%d: ", file ? file : "", line, column);
    else
        snprintf(out, size, "%s%s", file ? file : "", file ? ": " : "");
}

static void fail_at(tt_error *err, tt_status code, const char *where, const char *format, va_list args)
{
    char what[TT_ERROR_MESSAGE_MAX];
    vsnprintf(what, sizeof what, format, args);
    tt_fail(err, code, "%s%s", where, what);
}

tt_status tt_node_fail(const tt_node *node, tt_error *err, const char *format, ...)
{
    char where[512];
    place(where, sizeof where, node->file, node->line, node->column);
    va_list args;
    va_start(args, format);
    fail_at(err, TT_ERR_INVALID, where, format, args);
    va_end(args);
    return TT_ERR_INVALID;
}

/* ---- the nearest name ---- */

#define NAME_MAX_LENGTH 64u /* longer ones are no typing errors */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NAME_MAX_LENGTH + 1];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = min3(now[j - 1] + 1, before[j] + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < now[j])
                now[j] = earlier[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

const char *tt_nearest(const char *name, const char *const *names, size_t n)
{
    size_t length = strlen(name), best = SIZE_MAX;
    const char *nearest = NULL;
    if (length > NAME_MAX_LENGTH) return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > NAME_MAX_LENGTH) continue;
        /* one error in three characters: beyond that a suggestion confuses more than it helps */
        size_t longest = length > other ? length : other, limit = longest < 3 ? 1 : longest / 3;
        size_t distance = edit_distance(name, length, names[i], other);
        if (distance <= limit && distance < longest && distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* ---- canonical text ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const tt_node *const *)a)->key, (*(const tt_node *const *)b)->key);
}

static bool canonical_map(const tt_node *map, tt_buf *out)
{
    const tt_node **sorted = tt_alloc_array(map->n_children, sizeof *sorted);
    if (!sorted) {
        out->failed = true;
        return false;
    }
    size_t n = 0;
    for (const tt_node *child = map->children; child && n < map->n_children; child = child->next)
        sorted[n++] = child;
    if (n > 1) qsort(sorted, n, sizeof *sorted, by_key);
    bool ok = tt_buf_append(out, "{", 1);
    for (size_t i = 0; ok && i < n; i++)
        ok = (i == 0 || tt_buf_append(out, ",", 1)) && tt_json_quote(out, sorted[i]->key) &&
             tt_buf_append(out, ":", 1) && tt_node_canonical(sorted[i], out);
    tt_free(sorted);
    return ok && tt_buf_append(out, "}", 1);
}

static bool canonical_double(double value, tt_buf *out)
{
    if (!isfinite(value)) /* JSON has no such number; a map cannot be mistaken for one either */
        return tt_buf_printf(out, "{\"$float\":\"%s\"}", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    char text[40];
    tt_double_print(value, text);
    return tt_buf_append(out, text, strlen(text));
}

bool tt_node_canonical(const tt_node *node, tt_buf *out)
{
    switch (node->kind) {
    case TT_NODE_NULL:
        return tt_buf_append(out, "null", 4);
    case TT_NODE_BOOL:
        return tt_buf_printf(out, "%s", node->value.boolean ? "true" : "false");
    case TT_NODE_INT:
        return tt_buf_printf(out, "%" PRId64, node->value.integer);
    case TT_NODE_FLOAT:
        return canonical_double(node->value.real, out);
    case TT_NODE_STRING:
        return tt_json_quote(out, node->text);
    case TT_NODE_MAP:
        return canonical_map(node, out);
    case TT_NODE_LIST:
        break;
    }
    bool ok = tt_buf_append(out, "[", 1);
    for (const tt_node *child = node->children; ok && child; child = child->next)
        ok = (child == node->children || tt_buf_append(out, ",", 1)) && tt_node_canonical(child, out);
    return ok && tt_buf_append(out, "]", 1);
}

/* ---- building ---- */

tt_status tt_tree_fail(const tt_tree *tree, int line, int column, tt_error *err, const char *format, ...)
{
    char where[512];
    place(where, sizeof where, tree->file, line, column);
    va_list args;
    va_start(args, format);
    fail_at(err, tree->bad, where, format, args);
    va_end(args);
    return tree->bad;
}

tt_status tt_tree_new(tt_tree *tree, tt_node_kind kind, int line, int column, tt_node **node, tt_error *err)
{
    if (tree->n_nodes >= tree->max_nodes)
        return tt_tree_fail(tree, line, column, err, "more than %zu values", tree->max_nodes);
    tree->n_nodes++;
    tt_node *made = tt_arena_alloc(tree->arena, sizeof *made);
    if (!made) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", tree->file);
    made->kind = kind;
    made->file = tree->file;
    made->line = line;
    made->column = column;
    *node = made;
    return TT_OK;
}

tt_tree_frame *tt_tree_top(tt_tree *tree)
{
    return tree->depth ? &tree->frames[tree->depth - 1] : NULL;
}

bool tt_tree_wants_key(tt_tree *tree)
{
    tt_tree_frame *top = tt_tree_top(tree);
    return top && top->node->kind == TT_NODE_MAP && !top->key;
}

void tt_tree_key(tt_tree *tree, const char *key, int line, int column)
{
    tt_tree_frame *top = tt_tree_top(tree);
    top->key = key;
    top->key_line = line;
    top->key_column = column;
}

void tt_tree_attach(tt_tree *tree, tt_node *node)
{
    tt_tree_frame *top = tt_tree_top(tree);
    if (!top) {
        tree->root = node;
        return;
    }
    node->key = top->key;
    node->key_line = top->key_line;
    node->key_column = top->key_column;
    top->key = NULL;
    if (top->last)
        top->last->next = node;
    else
        top->node->children = node;
    top->last = node;
    top->node->n_children++;
}

tt_status tt_tree_enter(tt_tree *tree, tt_node *node, const char *anchor, tt_error *err)
{
    if (tree->depth >= TT_TREE_MAX_DEPTH)
        return tt_tree_fail(tree, node->line, node->column, err, "nested deeper than %d", TT_TREE_MAX_DEPTH);
    tt_tree_attach(tree, node);
    tree->frames[tree->depth++] = (tt_tree_frame){.node = node, .anchor = anchor};
    return TT_OK;
}

/* equal keys in the order of the file, so that the later one is blamed */
static int by_key_then_place(const void *a, const void *b)
{
    const tt_node *x = *(const tt_node *const *)a, *y = *(const tt_node *const *)b;
    int order = strcmp(x->key, y->key);
    if (order == 0) order = (x->key_line > y->key_line) - (x->key_line < y->key_line);
    return order ? order : (x->key_column > y->key_column) - (x->key_column < y->key_column);
}

tt_status tt_tree_leave(tt_tree *tree, tt_error *err)
{
    const tt_node *map = tree->frames[--tree->depth].node;
    if (map->kind != TT_NODE_MAP || map->n_children < 2) return TT_OK;
    const tt_node **sorted = tt_alloc_array(map->n_children, sizeof *sorted);
    if (!sorted) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", tree->file);
    size_t n = 0;
    for (const tt_node *child = map->children; child; child = child->next)
        sorted[n++] = child;
    qsort(sorted, n, sizeof *sorted, by_key_then_place);
    tt_status s = TT_OK;
    for (size_t i = 1; i < n && !s; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            s = tt_tree_fail(tree, sorted[i]->key_line, sorted[i]->key_column, err,
                             "key '%s' is there twice, first in line %d: remove one", sorted[i]->key,
                             sorted[i - 1]->key_line);
    tt_free(sorted);
    return s;
}
