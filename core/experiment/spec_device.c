/* device: a backend by name, one of several devices by NAME:INDEX, auto, or a map of all that. */
#include "experiment/spec_internal.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_MOST 255

/* "cuda:1" → cuda, index 1. NULL where that does not stand there. */
static const char *split_name(tt_arena *arena, const char *text, int32_t *index)
{
    const char *colon = strchr(text, ':');
    if (!colon) return text;
    char *end;
    long n = strtol(colon + 1, &end, 10);
    if (colon == text || colon[1] < '0' || colon[1] > '9' || *end || n > INDEX_MOST) return NULL;
    *index = (int32_t)n;
    return tt_arena_strndup(arena, text, (size_t)(colon - text));
}

/* What is wanted; *node: where it says which backend, NULL: nowhere. */
static tt_status read_wanted(const tt_spec_reader *r, const char **name, tt_device_options *device,
                             const tt_node **node, tt_error *err)
{
    const tt_node *whole = tt_node_get(r->root, "device");
    tt_spec_map map = {0};
    *name = tt_spec_key_of(&tt_spec_table_device, "backend")->default_value;
    *node = whole && whole->kind == TT_NODE_STRING ? whole : NULL;
    if (!*node) {
        int64_t threads = 0, index = 0;
        bool tf32 = false;
        tt_status s = tt_spec_map_open(r, r->root, "device", "device", &tt_spec_table_device, &map);
        if (!s) s = tt_spec_integer(&map, "threads", &threads);
        if (!s) s = tt_spec_integer(&map, "index", &index);
        if (!s) s = tt_spec_bool(&map, "tf32", &tf32);
        if (s) return s;
        device->threads = (int32_t)threads;
        device->index = (int32_t)index;
        device->flags = tf32 ? TT_DEVICE_TF32 : 0;
        *node = map.node ? tt_node_get(map.node, "backend") : NULL;
        if (*node && (*node)->kind == TT_NODE_NULL) *node = NULL;
    }
    if (*node && (*node)->kind == TT_NODE_STRING)
        *name = split_name(r->spec->arena, (*node)->text, &device->index);
    if (*node && ((*node)->kind != TT_NODE_STRING || !*name))
        return tt_node_fail(*node, err, "%s must be the name of a backend, e.g. cpu or cuda:1, or auto",
                            map.node ? "device.backend" : "device");
    return TT_OK;
}

tt_status tt_spec_read_device(const tt_spec_reader *r)
{
    tt_spec *spec = r->spec;
    tt_device_options device = {.size = sizeof device};
    const tt_plugin_source *source = r->source;
    const char *name;
    const tt_node *node;
    tt_error why = {0};
    tt_status s = read_wanted(r, &name, &device, &node, r->err);
    if (s) return s;
    if (strcmp(name, "auto") == 0) {
        name = "cpu";
        if (source->best_backend) s = source->best_backend(source->user, &name, &why);
    }
    if (!s) s = source->find(source->user, TT_KIND_BACKEND, name, &spec->backend.info, &why);
    if (s) {
        tt_node_fail(node ? node : r->root, r->err, "device.backend: %s", why.message);
        if (r->err) r->err->code = s;
        return s;
    }
    spec->backend.node = node;
    spec->device = device;
    tt_arena *arena = spec->arena;
    tt_node *made = tt_made_map(arena);
    s = tt_spec_resolve(r, made, "backend", tt_made_text(arena, name));
    if (!s) s = tt_spec_resolve(r, made, "threads", tt_made_integer(arena, device.threads));
    if (!s) s = tt_spec_resolve(r, made, "index", tt_made_integer(arena, device.index));
    if (!s) s = tt_spec_resolve(r, made, "tf32", tt_made_bool(arena, device.flags & TT_DEVICE_TF32));
    return s ? s : tt_spec_resolve(r, r->resolved, "device", made);
}
