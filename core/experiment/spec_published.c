/* published: the paper's table that stands beside the run's own numbers. */
#include "experiment/spec_internal.h"

#include "base/file.h"
#include "experiment/published.h"

#include <string.h>

static tt_status read_text(const tt_spec_map *map, const char *key, const char **text, tt_node *made)
{
    const tt_spec_reader *r = map->reader;
    const tt_node *node = map->node ? tt_node_get(map->node, key) : NULL;
    *text = NULL;
    if (!node || node->kind == TT_NODE_NULL) {
        if (!tt_spec_key_of(map->table, key)->required) return TT_OK;
        return tt_spec_note(
            r, tt_node_fail(map->node, r->err,
                            "published.%s is missing: results/published/README.md says what it is", key));
    }
    /* a table's number needs no quotes */
    if (node->kind == TT_NODE_LIST || node->kind == TT_NODE_MAP || !node->text)
        return tt_spec_note(r, tt_node_fail(node, r->err, "published.%s must be a text", key));
    *text = node->text;
    return tt_spec_resolve(r, made, key, tt_made_text(r->spec->arena, node->text));
}

/* Read now, so that a slip costs no run; kept by the run itself. */
static tt_status check_table(const tt_spec_reader *r, const tt_node *section)
{
    const tt_spec_published *p = &r->spec->published;
    if (!tt_file_exists(p->file))
        return tt_node_fail(tt_node_get(section, "file"), r->err,
                            "published.file: there is no %s; results/published holds Telltale's", p->file);
    tt_error why = {0};
    tt_published table;
    tt_arena *arena = tt_arena_create(0);
    tt_status s = arena ? tt_published_read(p->file, p->table, p->dataset, p->setting, arena, &table, &why)
                        : tt_spec_no_memory(r);
    tt_arena_destroy(arena);
    if (!s || why.code == TT_OK) return s;
    return tt_node_fail(tt_node_get(section, "table"), r->err, "published: %s", why.message);
}

tt_status tt_spec_read_published(const tt_spec_reader *r)
{
    tt_spec_published *p = &r->spec->published;
    const tt_node *node = tt_node_get(r->root, "published");
    if (!node || node->kind == TT_NODE_NULL) return TT_OK;
    tt_node *made = tt_made_map(r->spec->arena);
    tt_spec_map map;
    tt_status s = tt_spec_map_open(r, r->root, "published", "published", &tt_spec_table_published, &map);
    if (!s && !made) s = tt_spec_no_memory(r);
    if (!s) s = read_text(&map, "file", &p->file, made);
    if (!s) s = read_text(&map, "table", &p->table, made);
    if (!s) s = read_text(&map, "dataset", &p->dataset, made);
    if (!s) s = read_text(&map, "setting", &p->setting, made);
    if (s) return s;
    if (!p->table) p->file = NULL; /* noted */
    if (p->file) {
        p->file = tt_spec_path_of(r, tt_node_get(map.node, "file"));
        if (!p->file) return tt_spec_no_memory(r);
        s = tt_spec_note(r, check_table(r, map.node));
    }
    return s ? s : tt_spec_resolve(r, r->resolved, "published", made);
}
