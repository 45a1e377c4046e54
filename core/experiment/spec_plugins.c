/* Plugins named in a spec, with their parameters. */
#include "experiment/spec_internal.h"
#include "plugin/params.h"

#include <string.h>

/* Keys of the core beside a plugin's own must not be the plugin's too. */
static tt_status check_own(const tt_spec_reader *r, const tt_plugin_info *info, const char *what,
                           const char *const *own, size_t n_own)
{
    for (uint32_t i = 0; i < info->n_params; i++)
        for (size_t k = 0; k < n_own; k++)
            if (strcmp(info->params[i].key, own[k]) == 0)
                return tt_fail(
                    r->err, TT_ERR_INTERNAL,
                    "%s: plugin %s has a parameter '%s', which is a key of the spec itself; the plugin "
                    "must name it otherwise",
                    what, info->name, own[k]);
    return TT_OK;
}

/* The folder of an included file, seen from the spec's; NULL: the spec itself, or an override. */
static const char *folder_of(const tt_spec_reader *r, const tt_node *node)
{
    for (const tt_spec_file *f = r->files; f && node->file; f = f->next)
        if (f->folder[0] && strcmp(f->name, node->file) == 0) return f->folder;
    return NULL;
}

const char *tt_spec_path_of(const tt_spec_reader *r, const tt_node *node)
{
    const char *path = tt_spec_path_at(r, node); /* absolute where the included file was named so */
    return !path || path[0] == '/' ? path : tt_arena_printf(r->spec->arena, "%s/%s", r->spec->base_dir, path);
}

const char *tt_spec_path_at(const tt_spec_reader *r, const tt_node *node)
{
    const char *folder = folder_of(r, node);
    if (!folder || !node->text[0] || node->text[0] == '/') return node->text;
    return tt_arena_printf(r->spec->arena, "%s/%s", folder, node->text);
}

static bool is_path(const tt_plugin_info *info, const char *key)
{
    for (uint32_t i = 0; i < info->n_params; i++)
        if (strcmp(info->params[i].key, key) == 0) return info->params[i].type == TT_PARAM_PATH;
    return false;
}

/* A relative path in an included file starts there: a copy of the map in which it starts from the spec's
 * folder, as everywhere. */
static bool rebase_paths(const tt_spec_reader *r, tt_spec_plugin *plugin)
{
    tt_arena *arena = r->spec->arena;
    if (!plugin->node || plugin->node->kind != TT_NODE_MAP) return true;
    tt_node *copy = tt_arena_alloc(arena, sizeof *copy);
    if (!copy) return false;
    *copy = *plugin->node;
    copy->children = NULL;
    copy->n_children = 0;
    for (const tt_node *child = plugin->node->children; child; child = child->next) {
        tt_node moved = *child;
        if (child->kind == TT_NODE_STRING && is_path(plugin->info, child->key))
            moved.text = tt_spec_path_at(r, child);
        if (moved.kind == TT_NODE_STRING && !moved.text) return false;
        if (!tt_made_add(arena, copy, child->key, &moved)) return false;
    }
    plugin->node = copy;
    return true;
}

tt_status tt_spec_read_params(const tt_spec_reader *r, const char *what, const tt_spec_table *table,
                              tt_spec_plugin *plugin)
{
    const char *own[TT_SPEC_TABLE_MAX];
    size_t n_own = tt_spec_table_names(table, own);
    tt_status s = check_own(r, plugin->info, what, own, n_own);
    if (!s && !rebase_paths(r, plugin)) s = tt_spec_no_memory(r);
    if (!s)
        s = tt_params_parse_all(plugin->info, plugin->node, what, r->spec->base_dir, own, n_own, r->problems,
                                &plugin->params, r->err);
    return s;
}

tt_status tt_spec_read_plugin(const tt_spec_reader *r, tt_plugin_kind kind, const char *name,
                              const tt_node *node, const char *what, const tt_spec_table *table,
                              tt_spec_plugin *plugin)
{
    const tt_node *named = node ? tt_node_get(node, "plugin") : NULL;
    if (named && named->kind != TT_NODE_STRING)
        return tt_node_fail(named, r->err, "%s.plugin must be the name of a plugin", what);
    if (named) name = named->text;
    if (!name)
        return tt_node_fail(node ? node : r->root, r->err,
                            "%s.plugin is missing: `telltale ls %s` lists what there is", what,
                            tt_plugin_kind_name(kind));
    *plugin = (tt_spec_plugin){.node = node};
    tt_error why = {0};
    tt_status s = r->source->find(r->source->user, kind, name, &plugin->info, &why);
    if (s) {
        const tt_node *at = named ? named : node ? node : r->root;
        tt_node_fail(at, r->err, "%s: %s", what, why.message);
        if (r->err) r->err->code = s;
        return s;
    }
    return tt_spec_read_params(r, what, table, plugin);
}

/* A path as the spec or the plugin's table writes it: the resolved spec holds no folder of this machine that
 * the spec does not. */
static tt_node *path_as_written(const tt_spec_reader *r, const tt_spec_plugin *p, uint32_t i)
{
    const tt_node *written = p->node ? tt_node_get(p->node, p->params->values[i].key) : NULL;
    if (written && written->kind == TT_NODE_STRING) return tt_made_text(r->spec->arena, written->text);
    for (uint32_t k = 0; k < p->info->n_params; k++)
        if (strcmp(p->info->params[k].key, p->params->values[i].key) == 0 && p->info->params[k].default_value)
            return tt_made_text(r->spec->arena, p->info->params[k].default_value);
    return NULL;
}

bool tt_spec_resolve_plugin(const tt_spec_reader *r, const tt_spec_plugin *plugin, tt_node *map)
{
    tt_arena *arena = r->spec->arena;
    if (!plugin->params) return true; /* told to be wrong: nothing will be resolved */
    if (plugin->program ? !tt_spec_resolve_program(r, plugin, map)
                        : !tt_made_add(arena, map, "plugin", tt_made_text(arena, plugin->info->name)))
        return false;
    for (uint32_t i = 0; i < plugin->params->n; i++) {
        const tt_param_value *v = &plugin->params->values[i];
        if (!v->node) continue;
        const tt_node *value = v->type == TT_PARAM_PATH ? path_as_written(r, plugin, i) : v->node;
        if (!tt_made_add(arena, map, v->key, value)) return false;
    }
    return true;
}
