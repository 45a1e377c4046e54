/* services: the attacker's own models, by the names that attacks ask for. */
#include "experiment/spec_internal.h"

#include <string.h>

const tt_spec_service *tt_spec_service_of(const tt_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_services; i++)
        if (strcmp(spec->services[i].name, name) == 0) return &spec->services[i];
    return NULL;
}

static tt_status read_service(const tt_spec_reader *r, const tt_node *child, tt_spec_service *service,
                              tt_node *section)
{
    const char *what = tt_spec_path(r, "services", child->key);
    const tt_node *node;
    tt_status s = tt_spec_child_map(r, child, what, &node);
    service->name = child->key;
    if (s) return s;
    s = tt_spec_note(r, tt_spec_read_plugin(r, TT_KIND_SERVICE, NULL, node, what, &tt_spec_table_service,
                                            &service->plugin));
    if (s) return s;
    tt_node *made = tt_made_map(r->spec->arena);
    if (!made || !tt_spec_resolve_plugin(r, &service->plugin, made)) return tt_spec_no_memory(r);
    return tt_spec_resolve(r, section, service->name, made);
}

tt_status tt_spec_read_services(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    const tt_node *node = tt_node_get(r->root, "services");
    if (!node || node->kind == TT_NODE_NULL) return TT_OK;
    tt_spec_map map;
    size_t n;
    tt_status s = tt_spec_section_open(r, "services", &map, &n);
    if (s) return s;
    tt_node *section = tt_made_map(spec->arena);
    spec->services = tt_arena_alloc_array(spec->arena, n, sizeof *spec->services);
    if (!spec->services || !section) return tt_spec_no_memory(r);
    for (const tt_node *child = map.node->children; child && !s; child = child->next)
        s = tt_spec_note(r, read_service(r, child, &spec->services[spec->n_services++], section));
    return s ? s : tt_spec_resolve(r, r->resolved, "services", section);
}
