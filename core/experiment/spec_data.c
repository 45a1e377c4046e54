#include "experiment/spec_internal.h"
#include "plugin/params.h"

#include <string.h>

/* ---- data ---- */

static tt_status read_transforms(const tt_spec_reader *r, const tt_node *node, const char *what,
                                 tt_spec_data *data, tt_node *resolved)
{
    const tt_node *list = node ? tt_node_get(node, "transforms") : NULL;
    if (!list || list->kind == TT_NODE_NULL) return TT_OK;
    const char *path = tt_spec_path(r, what, "transforms");
    if (list->kind != TT_NODE_LIST)
        return tt_node_fail(list, r->err, "%s is a %s: must be a list of maps, [{plugin: …}]", path,
                            tt_node_kind_name(list->kind));
    data->transforms = tt_arena_alloc_array(r->spec->arena, list->n_children, sizeof *data->transforms);
    tt_node *made = tt_made_list(r->spec->arena);
    if (!data->transforms || !made) return tt_spec_no_memory(r);
    for (const tt_node *child = list->children; child; child = child->next) {
        tt_spec_plugin *t = &data->transforms[data->n_transforms++];
        tt_status s =
            child->kind == TT_NODE_MAP
                ? tt_spec_read_plugin(r, TT_KIND_TRANSFORM, NULL, child, path, &tt_spec_table_transform, t)
                : tt_node_fail(child, r->err, "%s: each entry must be a map, {plugin: …}", path);
        s = tt_spec_note(r, s);
        if (s) return s;
        tt_node *map = tt_made_map(r->spec->arena);
        if (!map || !tt_spec_resolve_plugin(r, t, map)) return tt_spec_no_memory(r);
        s = tt_spec_resolve(r, made, NULL, map);
        if (s) return s;
    }
    return tt_spec_resolve(r, resolved, "transforms", made);
}

static tt_status read_data_set(const tt_spec_reader *r, const tt_node *child, tt_spec_data *data,
                               tt_node *section)
{
    tt_arena *arena = r->spec->arena;
    const char *what = tt_spec_path(r, "data", child->key);
    const tt_node *node;
    tt_status s = tt_spec_child_map(r, child, what, &node);
    data->name = child->key;
    if (s) return s;
    s = tt_spec_note(
        r, tt_spec_read_plugin(r, TT_KIND_DATA, NULL, node, what, &tt_spec_table_data, &data->plugin));
    if (s) return s;
    tt_spec_map map = {r, node, what, &tt_spec_table_data};
    int by = 0, allow = 0;
    s = tt_spec_bool(&map, "exif_orientation", &data->apply_orientation);
    if (!s) s = tt_spec_choice(&map, "disjoint", &by);
    if (!s) s = tt_spec_choice(&map, "duplicates", &allow);
    if (s) return s;
    data->disjoint_identities = by == 1;
    data->allow_duplicates = allow == 1;
    tt_node *made = tt_made_map(arena);
    if (!made || !tt_spec_resolve_plugin(r, &data->plugin, made)) return tt_spec_no_memory(r);
    s = tt_spec_note(r, read_transforms(r, node, what, data, made));
    if (!s) s = tt_spec_resolve(r, made, "exif_orientation", tt_made_bool(arena, data->apply_orientation));
    if (!s) s = tt_spec_resolve(r, made, "disjoint", tt_made_text(arena, by ? "identity" : "pixels"));
    if (!s) s = tt_spec_resolve(r, made, "duplicates", tt_made_text(arena, allow ? "allow" : "refuse"));
    return s ? s : tt_spec_resolve(r, section, data->name, made);
}

tt_status tt_spec_read_data(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    tt_spec_map map;
    size_t n;
    tt_status s = tt_spec_section_open(r, "data", &map, &n);
    if (s) return s;
    tt_node *section = tt_made_map(spec->arena);
    spec->data = tt_arena_alloc_array(spec->arena, n, sizeof *spec->data);
    if (!spec->data || !section) return tt_spec_no_memory(r);
    for (const tt_node *child = map.node->children; child && !s; child = child->next)
        s = tt_spec_note(r, read_data_set(r, child, &spec->data[spec->n_data++], section));
    return s ? s : tt_spec_resolve(r, r->resolved, "data", section);
}

/* ---- sets ---- */

/* Where a data set declares its splits as counts: is this one of them? */
static tt_status check_split(const tt_spec_reader *r, const tt_spec_set *set, const char *what)
{
    const tt_params *params = set->data->plugin.params; /* NULL: the data set is wrong itself */
    for (uint32_t i = 0; params && i < params->n; i++) {
        const tt_param_value *v = &params->values[i];
        if (v->type != TT_PARAM_COUNTS || strcmp(v->key, "splits") != 0 || !v->node) continue;
        for (size_t k = 0; k < v->n; k++)
            if (strcmp(v->strings[k], set->split) == 0) return TT_OK;
        const char *near = tt_nearest(set->split, v->strings, v->n);
        return tt_node_fail(set->node, r->err, "%s: data.%s has no split '%s'%s%s%s", what, set->data->name,
                            set->split, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return TT_OK;
}

tt_status tt_spec_read_set(const tt_spec_reader *r, const tt_node *node, const char *what, tt_spec_set *set)
{
    tt_spec *spec = r->spec;
    const char *dot = node->kind == TT_NODE_STRING ? strchr(node->text, '.') : NULL;
    if (!dot || dot == node->text || dot[1] == '\0')
        return tt_node_fail(node, r->err, "%s is %.80s: must be DATASET.SPLIT, e.g. faces.seen", what,
                            node->text ? node->text : tt_node_kind_name(node->kind));
    char *name = tt_arena_strndup(spec->arena, node->text, (size_t)(dot - node->text));
    const char **names = tt_arena_alloc_array(spec->arena, spec->n_data, sizeof *names);
    if (!name || !names) return tt_spec_no_memory(r);
    *set = (tt_spec_set){.split = dot + 1, .node = node};
    for (size_t i = 0; i < spec->n_data; i++) {
        names[i] = spec->data[i].name;
        if (strcmp(names[i], name) == 0) set->data = &spec->data[i];
    }
    if (set->data) return check_split(r, set, what);
    const char *near = tt_nearest(name, names, spec->n_data);
    return tt_node_fail(node, r->err, "%s: there is no data set '%s'%s%s%s", what, name,
                        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static tt_status read_set(const tt_spec_reader *r, const tt_node *parent, const char *prefix, const char *key,
                          tt_spec_set *set)
{
    const char *what = tt_spec_path(r, prefix, key);
    const tt_node *node = tt_node_get(parent, key);
    if (!node || node->kind == TT_NODE_NULL)
        return tt_node_fail(parent, r->err, "%s is missing: name a split of a data set, e.g. faces.seen",
                            what);
    return tt_spec_read_set(r, node, what, set);
}

tt_status tt_spec_read_sets(const tt_spec_reader *r, const tt_node *parent, const char *prefix,
                            tt_spec_set *members, tt_spec_set *nonmembers, tt_node *resolved)
{
    tt_status s = tt_spec_note(r, read_set(r, parent, prefix, "members", members));
    if (!s) s = tt_spec_note(r, read_set(r, parent, prefix, "nonmembers", nonmembers));
    if (s || !members->data || !nonmembers->data) return s;
    if (members->data == nonmembers->data && strcmp(members->split, nonmembers->split) == 0)
        return tt_node_fail(nonmembers->node, r->err,
                            "%s is the same split as %s: nothing could be told apart",
                            tt_spec_path(r, prefix, "nonmembers"), tt_spec_path(r, prefix, "members"));
    s = tt_spec_resolve(r, resolved, "members", tt_made_text(r->spec->arena, members->node->text));
    return s ? s
             : tt_spec_resolve(r, resolved, "nonmembers",
                               tt_made_text(r->spec->arena, nonmembers->node->text));
}
