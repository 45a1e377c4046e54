/* Reading the keys of one map, each with its place, range and default. */
#include "experiment/spec_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tt_status tt_spec_no_memory(const tt_spec_reader *r)
{
    return tt_fail(r->err, TT_ERR_MEMORY, "out of memory for the spec");
}

tt_status tt_spec_note(const tt_spec_reader *r, tt_status s)
{
    return tt_problems_note(r->problems, s, r->err);
}

const char *tt_spec_path(const tt_spec_reader *r, const char *what, const char *key)
{
    char *path = tt_arena_printf(r->spec->arena, "%s%s%s", what, what[0] ? "." : "", key);
    return path ? path : key;
}

tt_status tt_spec_map_open(const tt_spec_reader *r, const tt_node *parent, const char *key, const char *what,
                           const tt_spec_table *table, tt_spec_map *map)
{
    const char *known[TT_SPEC_TABLE_MAX];
    size_t n_known = table ? tt_spec_table_names(table, known) : 0;
    const tt_node *node = key ? tt_node_get(parent, key) : parent;
    if (node && node->kind == TT_NODE_NULL) node = NULL;
    *map = (tt_spec_map){r, node, what, table};
    if (!node) return TT_OK;
    if (node->kind != TT_NODE_MAP)
        return tt_node_fail(node, r->err, "%s is a %s: must be a map", what, tt_node_kind_name(node->kind));
    for (const tt_node *child = node->children; child && table; child = child->next) {
        size_t i = 0;
        while (i < n_known && strcmp(known[i], child->key) != 0)
            i++;
        if (i < n_known) continue;
        const char *near = tt_nearest(child->key, known, n_known);
        tt_node at = *child;
        at.line = child->key_line ? child->key_line : child->line;
        at.column = child->key_line ? child->key_column : child->column;
        tt_node_fail(&at, r->err, "%s is no key of a spec%s%s%s; docs/spec-reference.md lists them",
                     tt_spec_path(r, what, child->key), near ? ": did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
        if (tt_spec_note(r, TT_ERR_INVALID)) return tt_spec_no_memory(r);
    }
    return TT_OK;
}

/* The value of a key, or NULL when absent or null. */
static const tt_node *value_of(const tt_spec_map *map, const char *key)
{
    const tt_node *node = map->node ? tt_node_get(map->node, key) : NULL;
    return node && node->kind != TT_NODE_NULL ? node : NULL;
}

static tt_status wrong(const tt_spec_map *map, const char *key, const tt_node *node, const char *must)
{
    const tt_spec_reader *r = map->reader;
    const char *path = tt_spec_path(r, map->what, key);
    if (node->kind == TT_NODE_LIST || node->kind == TT_NODE_MAP)
        tt_node_fail(node, r->err, "%s is a %s: must be %s", path, tt_node_kind_name(node->kind), must);
    else
        tt_node_fail(node, r->err, "%s is %.80s: must be %s", path, node->text ? node->text : "", must);
    return tt_spec_note(r, TT_ERR_INVALID);
}

tt_status tt_spec_integer(const tt_spec_map *map, const char *key, int64_t *out)
{
    const tt_spec_key *row = tt_spec_key_of(map->table, key);
    int64_t min = (int64_t)row->min, max = row->max >= 0x1p63 ? INT64_MAX : (int64_t)row->max;
    *out = row->default_value ? strtoll(row->default_value, NULL, 10) : min;
    const tt_node *node = value_of(map, key);
    if (!node) return TT_OK;
    char must[96];
    snprintf(must, sizeof must, "an integer between %lld and %lld", (long long)min, (long long)max);
    if (node->kind != TT_NODE_INT || node->value.integer < min || node->value.integer > max)
        return wrong(map, key, node, must);
    *out = node->value.integer;
    return TT_OK;
}

tt_status tt_spec_real(const tt_spec_map *map, const char *key, double *out)
{
    const tt_spec_key *row = tt_spec_key_of(map->table, key);
    *out = row->default_value ? strtod(row->default_value, NULL) : row->min;
    const tt_node *node = value_of(map, key);
    if (!node) return TT_OK;
    char must[96];
    snprintf(must, sizeof must, "a number between %g and %g", row->min, row->max);
    bool integer = node->kind == TT_NODE_INT;
    double value = integer ? (double)node->value.integer : node->value.real;
    if ((!integer && node->kind != TT_NODE_FLOAT) || !(value >= row->min && value <= row->max))
        return wrong(map, key, node, must);
    *out = value;
    return TT_OK;
}

tt_status tt_spec_bool(const tt_spec_map *map, const char *key, bool *out)
{
    const tt_spec_key *row = tt_spec_key_of(map->table, key);
    *out = row->default_value && strcmp(row->default_value, "true") == 0;
    const tt_node *node = value_of(map, key);
    if (!node) return TT_OK;
    if (node->kind != TT_NODE_BOOL) return wrong(map, key, node, "true or false");
    *out = node->value.boolean;
    return TT_OK;
}

int tt_spec_choice_index(const char *choices, const char *name)
{
    char one[64];
    for (int i = 0; tt_spec_choice_next(&choices, one); i++)
        if (strcmp(one, name) == 0) return i;
    return -1;
}

tt_status tt_spec_choice(const tt_spec_map *map, const char *key, int *out)
{
    const tt_spec_key *row = tt_spec_key_of(map->table, key);
    if (row->default_value) *out = tt_spec_choice_index(row->choices, row->default_value);
    const tt_node *node = value_of(map, key);
    if (!node) return TT_OK;
    int index = node->text ? tt_spec_choice_index(row->choices, node->text) : -1;
    if (index >= 0) {
        *out = index;
        return TT_OK;
    }
    char must[256] = "one of ", one[64];
    const char *choices = row->choices;
    for (size_t i = 0; tt_spec_choice_next(&choices, one); i++) {
        size_t at = strlen(must);
        snprintf(must + at, sizeof must - at, "%s%s", i ? ", " : "", one);
    }
    return wrong(map, key, node, must);
}

/* ---- sections ---- */

tt_status tt_spec_resolve(const tt_spec_reader *r, tt_node *map, const char *key, const tt_node *value)
{
    return tt_made_add(r->spec->arena, map, key, value) ? TT_OK : tt_spec_no_memory(r);
}

/* Names of data sets, models and attacks become parts of paths, of HDF5 and of files. */
static tt_status check_name(const tt_spec_reader *r, const tt_node *child, const char *what)
{
    size_t n = strlen(child->key);
    bool good = n > 0 && n <= 48;
    for (size_t i = 0; i < n; i++)
        good &= isalnum((unsigned char)child->key[i]) || child->key[i] == '_' || child->key[i] == '-';
    if (good) return TT_OK;
    return tt_node_fail(child, r->err, "%s.%.60s: a name is 1 to 48 letters, digits, '_' and '-'", what,
                        child->key);
}

tt_status tt_spec_section_open(const tt_spec_reader *r, const char *section, tt_spec_map *map, size_t *n)
{
    tt_status s = tt_spec_map_open(r, r->root, section, section, NULL, map);
    if (s) return s;
    if (!map->node || map->node->n_children == 0)
        return tt_node_fail(map->node ? map->node : r->root, r->err, "%s is missing: name at least one",
                            section);
    *n = map->node->n_children;
    for (const tt_node *child = map->node->children; child && !s; child = child->next)
        s = tt_spec_note(r, check_name(r, child, section));
    return s;
}

tt_status tt_spec_child_map(const tt_spec_reader *r, const tt_node *child, const char *what,
                            const tt_node **node)
{
    *node = child->kind == TT_NODE_NULL ? NULL : child;
    if (*node && child->kind != TT_NODE_MAP)
        return tt_node_fail(child, r->err, "%s is a %s: must be a map", what, tt_node_kind_name(child->kind));
    return TT_OK;
}
