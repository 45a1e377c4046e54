/* `key=value` from the command line, and values put at dotted paths. */
#include "experiment/spec_internal.h"

#include <string.h>

static tt_status no_memory(const tt_spec_document *d)
{
    return tt_fail(d->err, TT_ERR_MEMORY, "out of memory for the spec");
}

static bool named_freely(const char *section)
{
    return strcmp(section, "data") == 0 || strcmp(section, "models") == 0 ||
           strcmp(section, "attacks") == 0 || strcmp(section, "services") == 0;
}

/* A new data set, model or attack is one that says its plugin; `attacks.clyd.alpha=1` is a slip. */
static tt_status refuse_new(const tt_spec_document *d, const tt_node *section, const char *name,
                            const char *what, const tt_node *place)
{
    const char **names = tt_arena_alloc_array(d->arena, section->n_children + 1, sizeof *names);
    if (!names) return no_memory(d);
    size_t n = 0;
    for (const tt_node *child = section->children; child; child = child->next)
        names[n++] = child->key;
    const char *near = tt_nearest(name, names, n);
    tt_node nowhere = {.file = what};
    return tt_node_fail(place ? place : &nowhere, d->err,
                        "the spec has no %s.%s%s%s%s; to add one, set its plugin first: %s.%s.plugin",
                        section->key, name, near ? ": did you mean '" : "", near ? near : "",
                        near ? "'?" : "", section->key, name);
}

/* How many keys lead to an axis, whose name may have dots. */
static int depth_of_axes(const char *path)
{
    return strncmp(path, "sweep.grid.", 11) == 0 || strncmp(path, "sweep.zip.", 10) == 0 ? 2 : -1;
}

tt_status tt_spec_set_path(tt_spec_document *d, const char *path, const tt_node *value, const char *what,
                           const tt_node *place)
{
    char *key = tt_arena_strdup(d->arena, path);
    if (!key) return no_memory(d);
    tt_node nowhere = {.file = what};
    if (!place) place = &nowhere;
    tt_node *map = d->root;
    for (int depth = 0;; depth++) {
        char *dot = depth == depth_of_axes(path) ? NULL : strchr(key, '.');
        if (dot) *dot = '\0';
        if (key[0] == '\0')
            return tt_node_fail(place, d->err, "%.200s: a key between its dots is empty", path);
        if (!dot) return tt_spec_put(d->arena, map, key, value) ? TT_OK : no_memory(d);
        tt_node *child = tt_spec_child(map, key);
        if (!child && depth == 1 && map->key && named_freely(map->key) && strcmp(dot + 1, "plugin") != 0)
            return refuse_new(d, map, key, what, place->file == what ? NULL : place);
        if (!child || child->kind == TT_NODE_NULL) {
            tt_node *made = tt_made_map(d->arena);
            if (made) {
                made->file = value->file;
                made->line = value->line;
                made->column = value->column;
            }
            if (!made || !tt_spec_put(d->arena, map, key, made)) return no_memory(d);
            child = tt_spec_child(map, key);
        }
        if (child->kind != TT_NODE_MAP)
            return tt_node_fail(place, d->err, "'%s' is a %s in the spec, not a map", key,
                                tt_node_kind_name(child->kind));
        map = child;
        key = dot + 1;
    }
}

tt_status tt_spec_override(tt_spec_document *d, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return tt_fail(d->err, TT_ERR_INVALID,
                       "override %.200s: write key=value, e.g. attacks.clid.alpha=0.5", text);
    char *path = tt_arena_strndup(d->arena, text, (size_t)(equals - text));
    char *file = tt_arena_printf(d->arena, "override %s", text);
    if (!path || !file) return no_memory(d);
    tt_node *value = NULL;
    tt_status s = TT_OK;
    if (equals[1] != '\0') s = tt_yaml_parse(d->arena, file, equals + 1, strlen(equals + 1), &value, d->err);
    if (s) return s;
    if (!value) value = tt_arena_alloc(d->arena, sizeof *value); /* null: the default */
    if (!value) return no_memory(d);
    value->file = file;
    return tt_spec_set_path(d, path, value, file, NULL);
}
