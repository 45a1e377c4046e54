#include "experiment/schema.h"
#include "experiment/spec_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Schemas are trees that are made and printed; a tree that lacks memory becomes NULL, which tt_made_add
 * refuses, so that `failed` tells of it at the end. */
typedef struct maker {
    tt_arena *arena;
    const tt_registry *registry;
    bool failed;
} maker;

static void set(maker *m, tt_node *map, const char *key, const tt_node *value)
{
    if (!tt_made_add(m->arena, map, key, value)) m->failed = true;
}

static void set_text(maker *m, tt_node *map, const char *key, const char *text)
{
    set(m, map, key, tt_made_text(m->arena, text));
}

static void set_number(maker *m, tt_node *map, const char *key, double value)
{
    if (!isfinite(value)) return; /* an open end */
    bool whole = value == floor(value) && fabs(value) < 0x1p53;
    set(m, map, key, whole ? tt_made_integer(m->arena, (int64_t)value) : tt_made_real(m->arena, value));
}

static void set_default(maker *m, tt_node *map, const char *text)
{
    tt_node *value = NULL;
    tt_error why = {0};
    if (!text) return;
    if (tt_yaml_parse(m->arena, "default", text, strlen(text), &value, &why))
        m->failed = true;
    else if (value)
        set(m, map, "default", value);
}

static tt_node *typed(maker *m, const char *type)
{
    tt_node *map = tt_made_map(m->arena);
    set_text(m, map, "type", type);
    return map;
}

static tt_node *reference_to(maker *m, const char *format, const char *name)
{
    char text[160];
    snprintf(text, sizeof text, "#/definitions/%s%s", format, name);
    tt_node *map = tt_made_map(m->arena);
    set_text(m, map, "$ref", text);
    return map;
}

static tt_node *any_of(maker *m, const tt_node *a, const tt_node *b, const tt_node *c)
{
    tt_node *list = tt_made_list(m->arena), *map = tt_made_map(m->arena);
    set(m, list, NULL, a);
    set(m, list, NULL, b);
    if (c) set(m, list, NULL, c);
    set(m, map, "anyOf", list);
    return map;
}

static tt_node *list_of(maker *m, const tt_node *items)
{
    tt_node *map = typed(m, "array");
    set(m, map, "items", items);
    return map;
}

/* One of "a|b"; a choice that reads as a number may be written as one. */
static tt_node *choice(maker *m, const char *choices)
{
    tt_node *names = tt_made_list(m->arena), *map = tt_made_map(m->arena);
    char name[64];
    while (tt_spec_choice_next(&choices, name)) {
        tt_node *plain = NULL;
        tt_error why = {0};
        set(m, names, NULL, tt_made_text(m->arena, name));
        if (tt_yaml_parse(m->arena, "choice", name, strlen(name), &plain, &why)) m->failed = true;
        if (plain && plain->kind != TT_NODE_STRING) set(m, names, NULL, plain);
    }
    set(m, map, "enum", names);
    return map;
}

static tt_node *plugin_name(maker *m, tt_plugin_kind kind)
{
    tt_node *names = tt_made_list(m->arena), *map = tt_made_map(m->arena);
    for (size_t i = 0; i < tt_registry_count(m->registry); i++) {
        const tt_plugin_info *info = tt_registry_at(m->registry, i)->info;
        if (info->kind == kind) set(m, names, NULL, tt_made_text(m->arena, info->name));
    }
    set(m, map, "enum", names);
    return map;
}

/* Other machines have other backends, and one name may have several devices. */
static tt_node *backend_name(maker *m)
{
    tt_node *numbered = typed(m, "string");
    set_text(m, numbered, "pattern", "^(auto|[a-z0-9_]+:[0-9]+)$");
    return any_of(m, plugin_name(m, TT_KIND_BACKEND), numbered, NULL);
}

static tt_node *number(maker *m, bool integer, double min, double max)
{
    tt_node *map = typed(m, integer ? "integer" : "number");
    if (min != 0 || max != 0) {
        set_number(m, map, "minimum", min);
        if (max < 0x1p53) set_number(m, map, "maximum", max);
    }
    return map;
}

/* Any value may be a reference instead, ${…}; a key that has a default may be null. */
static tt_node *value(maker *m, tt_node *of, bool nullable, const char *help, const char *default_value)
{
    tt_node *map = any_of(m, of, reference_to(m, "reference", ""), nullable ? typed(m, "null") : NULL);
    if (help) set_text(m, map, "description", help);
    set_default(m, map, default_value);
    return map;
}

/* ---- a plugin's parameters ---- */

static tt_node *param_type(maker *m, const tt_param *row)
{
    tt_node *map;
    switch (row->type) {
    case TT_PARAM_BOOL:
        return typed(m, "boolean");
    case TT_PARAM_INT:
        return number(m, true, row->min, row->max);
    case TT_PARAM_FLOAT:
        return number(m, false, row->min, row->max);
    case TT_PARAM_CHOICE:
        return choice(m, row->choices);
    case TT_PARAM_INTS:
    case TT_PARAM_FLOATS:
        return list_of(m, any_of(m, number(m, row->type == TT_PARAM_INTS, row->min, row->max),
                                 reference_to(m, "reference", ""), NULL));
    case TT_PARAM_STRINGS:
        return list_of(m, typed(m, "string"));
    case TT_PARAM_COUNTS:
        map = typed(m, "object");
        set(m, map, "additionalProperties",
            any_of(m,
                   number(m, true, row->min != 0 || row->max != 0 ? row->min : 0,
                          row->min != 0 || row->max != 0 ? row->max : INFINITY),
                   reference_to(m, "reference", ""), NULL));
        return map;
    case TT_PARAM_PATH:
        map = typed(m, "string");
        set_number(m, map, "minLength", 1);
        return map;
    case TT_PARAM_STRING:
        break;
    }
    return typed(m, "string");
}

/* A list of values, or names and values. */
static tt_node *values(maker *m)
{
    tt_node *list = typed(m, "array"), *named = typed(m, "object");
    set_number(m, list, "minItems", 1);
    set_number(m, named, "minProperties", 1);
    return any_of(m, list, named, NULL);
}

/* Axes of a sweep: paths or names of their own. */
static tt_node *axes(maker *m)
{
    tt_node *map = typed(m, "object");
    set(m, map, "additionalProperties", values(m));
    return map;
}

static tt_node *split_name(maker *m)
{
    tt_node *map = typed(m, "string");
    set_text(m, map, "pattern", "^[^.]+\\..+$");
    return map;
}

static tt_node *own_type(maker *m, const tt_spec_key *row, tt_plugin_kind kind)
{
    switch (row->type) {
    case TT_KEY_BOOL:
        return typed(m, "boolean");
    case TT_KEY_INT:
    case TT_KEY_FLOAT:
        return number(m, row->type == TT_KEY_INT, row->min, row->max);
    case TT_KEY_RATES:
        return list_of(
            m, any_of(m, number(m, false, row->min, row->max), reference_to(m, "reference", ""), NULL));
    case TT_KEY_CHOICE:
        return choice(m, row->choices);
    case TT_KEY_ACCESS:
        return any_of(m, choice(m, row->choices), list_of(m, choice(m, row->choices)), NULL);
    case TT_KEY_PLUGIN:
        return kind == TT_KIND_BACKEND ? backend_name(m) : plugin_name(m, kind);
    case TT_KEY_PATH: {
        tt_node *map = typed(m, "string");
        set_number(m, map, "minLength", 1);
        return map;
    }
    case TT_KEY_BASE:
        return any_of(m, typed(m, "string"), list_of(m, typed(m, "string")), NULL);
    case TT_KEY_TEXT:
        return typed(m, "string");
    case TT_KEY_CONTROLS:
        return any_of(m, choice(m, "on|off"), typed(m, "boolean"), reference_to(m, row->key, ""));
    case TT_KEY_DEVICE:
        return any_of(m, typed(m, "string"), reference_to(m, row->key, ""), NULL);
    case TT_KEY_AXES:
        return axes(m);
    case TT_KEY_VALUES:
        return values(m);
    case TT_KEY_COUNT_OR_VALUES: {
        tt_node *count = typed(m, "integer");
        set_number(m, count, "minimum", row->min);
        set_number(m, count, "maximum", row->max);
        return any_of(m, count, values(m), NULL);
    }
    case TT_KEY_TRANSFORMS:
        return list_of(m, reference_to(m, "transform", ""));
    case TT_KEY_SET:
        return split_name(m);
    case TT_KEY_SETS:
        return any_of(m, choice(m, row->choices), list_of(m, split_name(m)), NULL);
    default:
        return reference_to(m, row->key, "");
    }
}

static tt_node *own_properties(maker *m, const tt_spec_table *table, tt_plugin_kind kind)
{
    tt_node *properties = tt_made_map(m->arena);
    for (size_t i = 0; i < table->n; i++) {
        const tt_spec_key *row = &table->rows[i];
        tt_node *type = own_type(m, row, kind);
        /* a sweep is read before references are */
        bool plain = row->type == TT_KEY_SWEEP || row->type == TT_KEY_AXES ||
                     row->type == TT_KEY_REPLICATION || row->type == TT_KEY_VALUES ||
                     row->type == TT_KEY_COUNT_OR_VALUES;
        tt_node *one = plain ? any_of(m, type, typed(m, "null"), NULL)
                             : value(m, type, !row->required, row->help, row->default_value);
        if (plain) set_text(m, one, "description", row->help);
        set(m, properties, row->key, one);
    }
    return properties;
}

/* A map with these properties and no others. Nothing is required, for a base may have said it. */
static tt_node *closed(maker *m, tt_node *properties)
{
    tt_node *map = tt_made_map(m->arena);
    set(m, map, "properties", properties);
    set(m, map, "additionalProperties", tt_made_bool(m->arena, false));
    return map;
}

static tt_node *plugin_definition(maker *m, const tt_plugin_info *info, const tt_spec_table *own)
{
    tt_node *properties = own_properties(m, own, info->kind);
    for (uint32_t i = 0; i < info->n_params; i++) {
        const tt_param *row = &info->params[i];
        bool nullable = !row->default_value && !(row->flags & TT_PARAM_REQUIRED);
        set(m, properties, row->key, value(m, param_type(m, row), nullable, row->help, row->default_value));
    }
    tt_node *map = closed(m, properties);
    set_text(m, map, "description", info->summary ? info->summary : info->name);
    return map;
}

/* ---- a map that names a plugin ---- */

static tt_node *names_plugin(maker *m, const char *name)
{
    tt_node *constant = tt_made_map(m->arena), *properties = tt_made_map(m->arena),
            *required = tt_made_list(m->arena), *map = typed(m, "object");
    if (name) set_text(m, constant, "const", name);
    set(m, properties, "plugin", constant);
    set(m, map, "properties", properties);
    set(m, required, NULL, tt_made_text(m->arena, "plugin"));
    set(m, map, "required", required);
    return map;
}

/* {plugin: NAME, …}: NAME known, the rest by NAME's table. Without `plugin` a base, or the map's own name,
 * must say which. */
static tt_node *chooser(maker *m, tt_plugin_kind kind, const char *prefix)
{
    tt_node *map = tt_made_map(m->arena), *properties = tt_made_map(m->arena), *all = tt_made_list(m->arena),
            *types = tt_made_list(m->arena);
    set(m, types, NULL, tt_made_text(m->arena, "object"));
    set(m, types, NULL, tt_made_text(m->arena, "null"));
    set(m, map, "type", types);
    set(m, properties, "plugin", any_of(m, plugin_name(m, kind), reference_to(m, "reference", ""), NULL));
    set(m, map, "properties", properties);
    for (size_t i = 0; i < tt_registry_count(m->registry); i++) {
        const tt_plugin_info *info = tt_registry_at(m->registry, i)->info;
        if (info->kind != kind) continue;
        tt_node *one = tt_made_map(m->arena);
        set(m, one, "if", names_plugin(m, info->name));
        set(m, one, "then", reference_to(m, prefix, info->name));
        set(m, all, NULL, one);
    }
    if (all && all->n_children) set(m, map, "allOf", all);
    return any_of(m, map, reference_to(m, "reference", ""), NULL);
}

static tt_node *section(maker *m, tt_node *properties, const char *entry)
{
    tt_node *map = typed(m, "object"), *names = tt_made_map(m->arena);
    set_text(m, names, "pattern", "^[A-Za-z0-9_-]{1,48}$");
    set(m, map, "propertyNames", names);
    if (properties) set(m, map, "properties", properties);
    set(m, map, "additionalProperties", reference_to(m, entry, ""));
    return map;
}

/* An attack's own name is its plugin, unless it says another. */
static tt_node *attacks_section(maker *m)
{
    tt_node *properties = tt_made_map(m->arena);
    for (size_t i = 0; i < tt_registry_count(m->registry); i++) {
        const tt_plugin_info *info = tt_registry_at(m->registry, i)->info;
        if (info->kind != TT_KIND_ATTACK) continue;
        tt_node *map = tt_made_map(m->arena);
        set(m, map, "if", names_plugin(m, NULL));
        set(m, map, "then", reference_to(m, "attack", ""));
        tt_node *otherwise = any_of(m, typed(m, "null"), reference_to(m, "reference", ""),
                                    reference_to(m, "attack.", info->name));
        set(m, map, "else", otherwise);
        set(m, properties, info->name, map);
    }
    return section(m, properties, "attack");
}

/* ---- the whole ---- */

static const struct {
    tt_plugin_kind kind;
    const char *name;
    const tt_spec_table *own;
} entries[] = {{TT_KIND_DATA, "data_set", &tt_spec_table_data},
               {TT_KIND_TRANSFORM, "transform", &tt_spec_table_transform},
               {TT_KIND_TARGET, "model", &tt_spec_table_model},
               {TT_KIND_SERVICE, "service", &tt_spec_table_service},
               {TT_KIND_ATTACK, "attack", &tt_spec_table_attack}};

static void define_entries(maker *m, tt_node *definitions)
{
    for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
        char prefix[32], name[128];
        snprintf(prefix, sizeof prefix, "%s.", entries[e].name);
        set(m, definitions, entries[e].name, chooser(m, entries[e].kind, prefix));
        for (size_t i = 0; i < tt_registry_count(m->registry); i++) {
            const tt_plugin_info *info = tt_registry_at(m->registry, i)->info;
            if (info->kind != entries[e].kind) continue;
            snprintf(name, sizeof name, "%s%.80s", prefix, info->name);
            tt_node *definition = plugin_definition(m, info, entries[e].own);
            set_text(m, definition, "type", "object");
            set(m, definitions, name, definition);
        }
    }
}

static tt_node *plain_section(maker *m, const tt_spec_table *table)
{
    tt_node *map = closed(m, own_properties(m, table, TT_KIND_BACKEND));
    set_text(m, map, "type", "object");
    return map;
}

static tt_node *required_keys(maker *m, bool base)
{
    tt_node *list = tt_made_list(m->arena), *map = tt_made_map(m->arena);
    if (base) set(m, list, NULL, tt_made_text(m->arena, "base"));
    for (size_t i = 0; !base && i < tt_spec_table_top.n; i++)
        if (tt_spec_table_top.rows[i].required)
            set(m, list, NULL, tt_made_text(m->arena, tt_spec_table_top.rows[i].key));
    set(m, map, "required", list);
    return map;
}

static tt_node *whole(maker *m)
{
    tt_node *definitions = tt_made_map(m->arena), *reference = typed(m, "string");
    set_text(m, reference, "pattern", "\\$\\{");
    set_text(m, reference, "description", "${NAME}, ${NAME:-default} or ${spec.key}");
    set(m, definitions, "reference", reference);
    define_entries(m, definitions);
    set(m, definitions, "data", section(m, NULL, "data_set"));
    set(m, definitions, "models", section(m, NULL, "model"));
    set(m, definitions, "services", section(m, NULL, "service"));
    set(m, definitions, "attacks", attacks_section(m));
    set(m, definitions, "threat_model", plain_section(m, &tt_spec_table_threat_model));
    set(m, definitions, "device", plain_section(m, &tt_spec_table_device));
    set(m, definitions, "limits", plain_section(m, &tt_spec_table_limits));
    set(m, definitions, "controls", plain_section(m, &tt_spec_table_controls));
    set(m, definitions, "budgets", plain_section(m, &tt_spec_table_budgets));
    set(m, definitions, "report", plain_section(m, &tt_spec_table_report));
    set(m, definitions, "price", plain_section(m, &tt_spec_table_price));
    set(m, definitions, "published", plain_section(m, &tt_spec_table_published));
    set(m, definitions, "sweep", plain_section(m, &tt_spec_table_sweep));
    set(m, definitions, "replication", plain_section(m, &tt_spec_table_replication));
    tt_node *root = closed(m, own_properties(m, &tt_spec_table_top, 0));
    set_text(m, root, "$schema", "http://json-schema.org/draft-07/schema#");
    set_text(m, root, "title", "Telltale experiment spec");
    set_text(m, root, "type", "object");
    tt_node *complete = tt_made_list(m->arena);
    set(m, complete, NULL, required_keys(m, false));
    set(m, complete, NULL, required_keys(m, true));
    set(m, root, "anyOf", complete);
    set(m, root, "definitions", definitions);
    return root;
}

tt_status tt_spec_schema(const tt_registry *registry, tt_buf *out, tt_error *err)
{
    maker m = {.arena = tt_arena_create(0), .registry = registry};
    tt_node *root = m.arena ? whole(&m) : NULL;
    bool good = root && !m.failed && tt_node_canonical(root, out) && tt_buf_append(out, "\n", 1);
    tt_arena_destroy(m.arena);
    return good ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for the schema");
}
