/* The spec as a tree: its file, with overrides from the command line put in. */
#include "experiment/spec_internal.h"

#include <string.h>

static tt_node *child_of(tt_node *map, const char *key)
{
    for (tt_node *child = map->children; child; child = child->next)
        if (strcmp(child->key, key) == 0) return child;
    return NULL;
}

/* Puts `value` where `key` of `map` is, or at its end. */
static bool put(tt_arena *arena, tt_node *map, const char *key, tt_node *value)
{
    tt_node *old = child_of(map, key);
    if (!old) return tt_made_add(arena, map, key, value);
    tt_node *next = old->next;
    const char *name = old->key;
    *old = *value;
    old->next = next;
    old->key = name;
    old->key_line = value->line;
    old->key_column = value->column;
    return true;
}

static tt_status bad(const char *text, tt_error *err, const char *why)
{
    return tt_fail(err, TT_ERR_INVALID, "override %.200s: %s", text, why);
}

/* "attacks.clid.alpha=0.5" */
static tt_status apply(tt_arena *arena, tt_node *root, const char *text, tt_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) return bad(text, err, "write key=value, e.g. attacks.clid.alpha=0.5");
    char *path = tt_arena_strndup(arena, text, (size_t)(equals - text));
    char *file = tt_arena_printf(arena, "override %s", text);
    if (!path || !file) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_node *value = NULL;
    tt_status s = TT_OK;
    if (equals[1] != '\0') s = tt_yaml_parse(arena, file, equals + 1, strlen(equals + 1), &value, err);
    if (s) return s;
    if (!value) value = tt_arena_alloc(arena, sizeof *value); /* null: the default */
    if (!value) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    value->file = file;
    tt_node *map = root;
    for (char *key = path;;) {
        char *dot = strchr(key, '.');
        if (dot) *dot = '\0';
        if (key[0] == '\0') return bad(text, err, "a key between its dots is empty");
        if (!dot) return put(arena, map, key, value) ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory");
        tt_node *child = child_of(map, key);
        if (!child || child->kind == TT_NODE_NULL) {
            tt_node *made = tt_made_map(arena);
            if (made) made->file = file;
            if (!made || !put(arena, map, key, made)) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
            child = child_of(map, key);
        }
        if (child->kind != TT_NODE_MAP)
            return tt_fail(err, TT_ERR_INVALID, "override %.200s: '%s' is a %s in the spec, not a map", text,
                           key, tt_node_kind_name(child->kind));
        map = child;
        key = dot + 1;
    }
}

tt_status tt_spec_document(tt_arena *arena, const char *path, const char *const *overrides,
                           size_t n_overrides, tt_node **root, tt_error *err)
{
    tt_status s = tt_yaml_read(arena, path, root, err);
    if (s) return s;
    if (!*root || (*root)->kind == TT_NODE_NULL)
        return tt_fail(err, TT_ERR_INVALID, "%s: is empty; configs/quickstart.yaml is an example", path);
    if ((*root)->kind != TT_NODE_MAP)
        return tt_node_fail(*root, err, "a spec is a map of keys (version: 1, …), not a %s",
                            tt_node_kind_name((*root)->kind));
    for (size_t i = 0; i < n_overrides && !s; i++)
        s = apply(arena, *root, overrides[i], err);
    return s;
}
