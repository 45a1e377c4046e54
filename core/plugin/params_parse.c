/* A plugin's parameter table against a map of the spec. Every message names file:line:column (for a default:
 * the table) and the key's whole path, says what is there and what must be there. */
#include "plugin/params.h"

#include "base/file.h"
#include "formats/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_INTEGER_MAX 9007199254740992.0 /* 2^53: INTS are given out as doubles */

typedef struct parser {
    const tt_plugin_info *info;
    const char *what; /* "attacks.clid" */
    const char *base_dir;
    tt_params *params;
    tt_problems *problems; /* NULL: the first mistake ends the reading */
    tt_error *err;
} parser;

static tt_status no_memory(const parser *p)
{
    return tt_fail(p->err, TT_ERR_MEMORY, "%s: out of memory while reading parameters", p->what);
}

static const char *shown(const tt_node *node, char *text, size_t size)
{
    if (node->kind == TT_NODE_LIST || node->kind == TT_NODE_MAP || node->kind == TT_NODE_NULL || !node->text)
        snprintf(text, size, "%s%s", node->kind == TT_NODE_NULL ? "" : "a ", tt_node_kind_name(node->kind));
    else
        snprintf(text, size, node->quoted ? "\"%.80s\"" : "%.80s", node->text);
    return text;
}

static tt_status wrong(const parser *p, const tt_param *row, const tt_node *node, const char *must)
{
    char text[96];
    return tt_node_fail(node, p->err, "%s.%s is %s: must be %s", p->what, row->key,
                        shown(node, text, sizeof text), must);
}

static bool has_range(const tt_param *row)
{
    return row->min != 0 || row->max != 0;
}

static tt_status check_range(const parser *p, const tt_param *row, const tt_node *node, double value)
{
    if (!has_range(row) || (value >= row->min && value <= row->max)) return TT_OK;
    char must[96];
    if (isinf(row->max))
        snprintf(must, sizeof must, "at least %.17g", row->min);
    else if (isinf(row->min))
        snprintf(must, sizeof must, "at most %.17g", row->max);
    else
        snprintf(must, sizeof must, "between %.17g and %.17g", row->min, row->max);
    return wrong(p, row, node, must);
}

static tt_status read_integer(const parser *p, const tt_param *row, const tt_node *node, tt_node *out)
{
    if (node->kind != TT_NODE_INT) return wrong(p, row, node, "an integer");
    out->kind = TT_NODE_INT;
    out->value.integer = node->value.integer;
    return check_range(p, row, node, (double)node->value.integer);
}

static tt_status read_number(const parser *p, const tt_param *row, const tt_node *node, tt_node *out)
{
    if (node->kind != TT_NODE_INT && node->kind != TT_NODE_FLOAT) return wrong(p, row, node, "a number");
    double value = node->kind == TT_NODE_INT ? (double)node->value.integer : node->value.real;
    if (!isfinite(value)) return wrong(p, row, node, "a finite number");
    out->kind = TT_NODE_FLOAT;
    out->value.real = value == 0 ? 0 : value; /* -0 and 0 are one value */
    return check_range(p, row, node, value);
}

static tt_status read_string(const parser *p, const tt_param *row, const tt_node *node, tt_node *out)
{
    if (node->kind != TT_NODE_STRING)
        return wrong(p, row, node,
                     node->kind == TT_NODE_LIST || node->kind == TT_NODE_MAP ? "a string"
                                                                             : "a string (put it in quotes)");
    out->kind = TT_NODE_STRING;
    out->quoted = true;
    out->text = tt_arena_strdup(p->params->arena, node->text);
    return out->text ? TT_OK : no_memory(p);
}

static tt_status read_choice(const parser *p, const tt_param *row, const tt_node *node, tt_node *out)
{
    /* by its text, so that the choices `off` and `450` need no quotes */
    if (node->kind == TT_NODE_LIST || node->kind == TT_NODE_MAP || !node->text ||
        !tt_param_choice_known(row->choices, node->text)) {
        char must[512];
        snprintf(must, sizeof must, "one of %.480s", row->choices);
        return wrong(p, row, node, must);
    }
    out->kind = TT_NODE_STRING;
    out->quoted = true;
    out->text = tt_arena_strdup(p->params->arena, node->text);
    return out->text ? TT_OK : no_memory(p);
}

static tt_status read_path(const parser *p, const tt_param *row, const tt_node *node, tt_node *out)
{
    tt_status s = read_string(p, row, node, out);
    if (s) return s;
    if (out->text[0] == '\0') return wrong(p, row, node, "a path");
    if (out->text[0] == '/' || !p->base_dir || !p->base_dir[0]) return TT_OK;
    char *joined = tt_path_join(p->base_dir, out->text);
    out->text = joined ? tt_arena_strdup(p->params->arena, joined) : NULL;
    tt_free(joined);
    return out->text ? TT_OK : no_memory(p);
}

/* A new child of `list` behind *tail. */
static tt_node *append(const parser *p, tt_node *list, tt_node ***tail)
{
    tt_node *entry = tt_arena_alloc(p->params->arena, sizeof *entry);
    if (!entry) return NULL;
    **tail = entry;
    *tail = &entry->next;
    list->n_children++;
    return entry;
}

static tt_status read_list(const parser *p, const tt_param *row, const tt_node *node, tt_node *out,
                           tt_param_value *value)
{
    if (node->kind != TT_NODE_LIST) {
        char must[64];
        snprintf(must, sizeof must, "a %s, such as [...]", tt_param_type_name(row->type));
        return wrong(p, row, node, must);
    }
    tt_arena *arena = p->params->arena;
    double *numbers = tt_arena_alloc_array(arena, node->n_children + 1, sizeof *numbers);
    const char **strings = tt_arena_alloc_array(arena, node->n_children + 1, sizeof *strings);
    if (!numbers || !strings) return no_memory(p);
    out->kind = TT_NODE_LIST;
    tt_node **tail = &out->children;
    for (const tt_node *child = node->children; child; child = child->next) {
        tt_node *entry = append(p, out, &tail);
        if (!entry) return no_memory(p);
        tt_status s = row->type == TT_PARAM_INTS     ? read_integer(p, row, child, entry)
                      : row->type == TT_PARAM_FLOATS ? read_number(p, row, child, entry)
                                                     : read_string(p, row, child, entry);
        if (s) return s;
        if (row->type == TT_PARAM_INTS) {
            numbers[value->n] = (double)entry->value.integer;
            if (fabs(numbers[value->n]) > EXACT_INTEGER_MAX)
                return wrong(p, row, child, "at most 2^53 in size");
        } else if (row->type == TT_PARAM_FLOATS) {
            numbers[value->n] = entry->value.real;
        }
        strings[value->n++] = entry->text;
    }
    value->numbers = row->type == TT_PARAM_STRINGS ? NULL : numbers;
    value->strings = row->type == TT_PARAM_STRINGS ? strings : NULL;
    return TT_OK;
}

static tt_status read_counts(const parser *p, const tt_param *row, const tt_node *node, tt_node *out,
                             tt_param_value *value)
{
    if (node->kind != TT_NODE_MAP)
        return wrong(p, row, node, "a mapping of names to counts, such as {seen: 200}");
    tt_arena *arena = p->params->arena;
    int64_t *counts = tt_arena_alloc_array(arena, node->n_children + 1, sizeof *counts);
    const char **names = tt_arena_alloc_array(arena, node->n_children + 1, sizeof *names);
    if (!counts || !names) return no_memory(p);
    out->kind = TT_NODE_MAP;
    tt_node **tail = &out->children;
    for (const tt_node *child = node->children; child; child = child->next) {
        tt_node *entry = append(p, out, &tail);
        if (!entry || !(entry->key = tt_arena_strdup(arena, child->key))) return no_memory(p);
        if (child->kind != TT_NODE_INT || child->value.integer < 0) {
            char text[96];
            return tt_node_fail(child, p->err, "%s.%s.%s is %s: must be a count, 0 or more", p->what,
                                row->key, child->key, shown(child, text, sizeof text));
        }
        tt_status s = read_integer(p, row, child, entry);
        if (s) return s;
        counts[value->n] = child->value.integer;
        names[value->n++] = entry->key;
    }
    value->counts = counts;
    value->strings = names;
    return TT_OK;
}

static tt_status read_value(const parser *p, const tt_param *row, const tt_node *node, tt_param_value *value)
{
    value->n = 0;
    if (node->kind == TT_NODE_NULL) {
        if (row->default_value || (row->flags & TT_PARAM_REQUIRED))
            return wrong(p, row, node, "given a value (or leave the key out for its default)");
        return TT_OK;
    }
    tt_node *out = tt_arena_alloc(p->params->arena, sizeof *out);
    if (!out) return no_memory(p);
    tt_status s = TT_OK;
    switch (row->type) {
    case TT_PARAM_BOOL:
        if (node->kind != TT_NODE_BOOL) return wrong(p, row, node, "true or false");
        out->kind = TT_NODE_BOOL;
        out->value.boolean = node->value.boolean;
        break;
    case TT_PARAM_INT:
        s = read_integer(p, row, node, out);
        break;
    case TT_PARAM_FLOAT:
        s = read_number(p, row, node, out);
        break;
    case TT_PARAM_STRING:
        s = read_string(p, row, node, out);
        break;
    case TT_PARAM_CHOICE:
        s = read_choice(p, row, node, out);
        break;
    case TT_PARAM_PATH:
        s = read_path(p, row, node, out);
        break;
    case TT_PARAM_INTS:
    case TT_PARAM_FLOATS:
    case TT_PARAM_STRINGS:
        s = read_list(p, row, node, out, value);
        break;
    case TT_PARAM_COUNTS:
        s = read_counts(p, row, node, out, value);
        break;
    }
    if (s == TT_OK) value->node = out;
    return s;
}

/* The default as YAML text, through the same checks as a value of the spec. */
static tt_status read_default(const parser *p, const tt_param *row, tt_param_value *value)
{
    if (!row->default_value) return TT_OK;
    char place[160];
    snprintf(place, sizeof place, "(default of %s in plugin %s)", row->key, p->info->name);
    tt_node *node;
    tt_status s =
        tt_yaml_parse(p->params->arena, place, row->default_value, strlen(row->default_value), &node, p->err);
    return s ? s : read_value(p, row, node, value);
}

/* ---- the table ---- */

static tt_status bad_row(const tt_plugin_info *info, uint32_t i, tt_error *err, const char *why)
{
    const char *key = info->params[i].key;
    return tt_fail(err, TT_ERR_INVALID, "parameter %u (%s) of %s '%s': %s", i, key ? key : "no key",
                   tt_plugin_kind_name(info->kind), info->name, why);
}

static bool key_well_formed(const char *key)
{
    if (!key || key[0] < 'a' || key[0] > 'z' || strlen(key) > 63) return false;
    for (const char *c = key; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_')) return false;
    return true;
}

static bool choices_well_formed(const char *choices)
{
    if (!choices || !*choices || strlen(choices) > 480) return false;
    size_t length = 0;
    for (const char *c = choices;; c++) {
        if (*c == '|' || *c == '\0') {
            if (length == 0) return false;
            length = 0;
            if (*c == '\0') return true;
        } else if (isspace((unsigned char)*c)) {
            return false;
        } else {
            length++;
        }
    }
}

static tt_status check_row(const tt_plugin_info *info, uint32_t i, tt_error *err)
{
    const tt_param *row = &info->params[i];
    if (!key_well_formed(row->key))
        return bad_row(info, i, err, "a key must match [a-z][a-z0-9_]* (63 characters at most)");
    for (uint32_t j = 0; j < i; j++)
        if (strcmp(row->key, info->params[j].key) == 0)
            return bad_row(info, i, err, "the key is there twice: rename one");
    if (row->type < TT_PARAM_BOOL || row->type > TT_PARAM_COUNTS)
        return bad_row(info, i, err, "the type is none of TT_PARAM_BOOL … TT_PARAM_COUNTS");
    if (row->flags & ~(uint32_t)(TT_PARAM_REQUIRED | TT_PARAM_SCORE | TT_PARAM_SPEED))
        return bad_row(info, i, err, "a flag is unknown here: the plugin was built for a newer telltale");
    if (!row->help || !*row->help || strchr(row->help, '\n'))
        return bad_row(info, i, err, "help must be one line of text");
    if ((row->flags & TT_PARAM_REQUIRED) && row->default_value)
        return bad_row(info, i, err, "a required parameter has no default: drop one of the two");
    bool numeric = row->type == TT_PARAM_INT || row->type == TT_PARAM_FLOAT || row->type == TT_PARAM_INTS ||
                   row->type == TT_PARAM_FLOATS || row->type == TT_PARAM_COUNTS;
    if (has_range(row) && !numeric) return bad_row(info, i, err, "min and max are for numbers: leave both 0");
    if (!(row->min <= row->max)) return bad_row(info, i, err, "min exceeds max");
    if ((row->type == TT_PARAM_CHOICE) != (row->choices != NULL))
        return bad_row(info, i, err, "choices belong to the type TT_PARAM_CHOICE, and only to it");
    if (row->choices && !choices_well_formed(row->choices))
        return bad_row(info, i, err, "choices must read \"a|b|c\", without spaces or empty names");
    return TT_OK;
}

static tt_status params_create(const tt_plugin_info *info, tt_params **out, tt_error *err)
{
    tt_arena *arena = tt_arena_create(64u << 20);
    tt_params *params = arena ? tt_arena_alloc(arena, sizeof *params) : NULL;
    if (params) {
        params->arena = arena;
        params->n = info->n_params;
        params->values = tt_arena_alloc_array(arena, (size_t)info->n_params + 1, sizeof *params->values);
    }
    if (!params || !params->values) {
        tt_arena_destroy(arena);
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for its parameters", info->name);
    }
    for (uint32_t i = 0; i < info->n_params; i++) {
        tt_param_value *v = &params->values[i];
        v->type = info->params[i].type;
        v->flags = info->params[i].flags;
        v->key = tt_arena_strdup(arena, info->params[i].key); /* the plugin may go before the values do */
        if (!v->key) {
            tt_arena_destroy(arena);
            return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for its parameters", info->name);
        }
    }
    *out = params;
    return TT_OK;
}

tt_status tt_params_check_table(const tt_plugin_info *info, tt_error *err)
{
    if (info->n_params > TT_PARAMS_MAX)
        return tt_fail(err, TT_ERR_INVALID, "%s: %u parameters: at most %u", info->name, info->n_params,
                       TT_PARAMS_MAX);
    if (info->n_params && !info->params)
        return tt_fail(err, TT_ERR_INVALID, "%s: %u parameters but no table", info->name, info->n_params);
    for (uint32_t i = 0; i < info->n_params; i++) {
        tt_status s = check_row(info, i, err);
        if (s) return s;
    }
    tt_params *params;
    tt_status s = params_create(info, &params, err);
    if (s) return s;
    parser p = {info, info->name, NULL, params, NULL, err};
    for (uint32_t i = 0; i < info->n_params && s == TT_OK; i++)
        s = read_default(&p, &info->params[i], &params->values[i]);
    tt_params_free(params);
    return s;
}

/* ---- the spec's map ---- */

static bool ignored(const char *key, const char *const *ignore, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, ignore[i]) == 0) return true;
    return false;
}

static int row_of(const tt_plugin_info *info, const char *key)
{
    for (uint32_t i = 0; i < info->n_params; i++)
        if (strcmp(info->params[i].key, key) == 0) return (int)i;
    return -1;
}

static tt_status unknown_key(const parser *p, const tt_node *child)
{
    const char *known[TT_PARAMS_MAX];
    for (uint32_t i = 0; i < p->info->n_params; i++)
        known[i] = p->info->params[i].key;
    const char *near = tt_nearest(child->key, known, p->info->n_params);
    tt_node at_key = *child;
    at_key.line = child->key_line ? child->key_line : child->line;
    at_key.column = child->key_line ? child->key_column : child->column;
    const char *kind = tt_plugin_kind_name(p->info->kind);
    if (near)
        return tt_node_fail(&at_key, p->err, "%s.%s: %s '%s' has no such parameter: did you mean '%s'?",
                            p->what, child->key, kind, p->info->name, near);
    return tt_node_fail(&at_key, p->err,
                        "%s.%s: %s '%s' has no such parameter: `telltale describe %s` lists them", p->what,
                        child->key, kind, p->info->name, p->info->name);
}

static tt_status read_map(const parser *p, const tt_node *map, const char *const *ignore, size_t n_ignore)
{
    if (!map || map->kind == TT_NODE_NULL) return TT_OK;
    if (map->kind != TT_NODE_MAP) {
        char text[96];
        return tt_node_fail(map, p->err, "%s is %s: must be a mapping of parameters", p->what,
                            shown(map, text, sizeof text));
    }
    for (const tt_node *child = map->children; child; child = child->next) {
        int i = row_of(p->info, child->key);
        if (i < 0 && ignored(child->key, ignore, n_ignore)) continue;
        tt_status s =
            i < 0 ? unknown_key(p, child) : read_value(p, &p->info->params[i], child, &p->params->values[i]);
        s = tt_problems_note(p->problems, s, p->err);
        if (s) return s;
    }
    return TT_OK;
}

static tt_status check_required(const parser *p, const tt_node *map)
{
    for (uint32_t i = 0; i < p->info->n_params; i++) {
        const tt_param *row = &p->info->params[i];
        if (!(row->flags & TT_PARAM_REQUIRED) || p->params->values[i].node) continue;
        if (p->problems && map && tt_node_get(map, row->key)) continue; /* there, and told to be wrong */
        tt_node none = {.kind = TT_NODE_MAP};
        tt_status s = tt_node_fail(map ? map : &none, p->err, "%s.%s is missing: give a %s (%s)", p->what,
                                   row->key, tt_param_type_name(row->type), row->help);
        s = tt_problems_note(p->problems, s, p->err);
        if (s) return s;
    }
    return TT_OK;
}

static tt_status parse(const tt_plugin_info *info, const tt_node *map, const char *what, const char *base_dir,
                       const char *const *ignore, size_t n_ignore, tt_problems *problems, tt_params **params,
                       tt_error *err)
{
    *params = NULL;
    tt_params *out;
    tt_status s = params_create(info, &out, err);
    if (s) return s;
    parser p = {info, what, base_dir, out, NULL, err};
    for (uint32_t i = 0; i < info->n_params && s == TT_OK; i++)
        s = read_default(&p, &info->params[i], &out->values[i]);
    p.problems = problems;
    if (s == TT_OK) s = read_map(&p, map, ignore, n_ignore);
    if (s == TT_OK) s = check_required(&p, map);
    if (s)
        tt_params_free(out);
    else
        *params = out;
    return s;
}

tt_status tt_params_parse(const tt_plugin_info *info, const tt_node *map, const char *what,
                          const char *base_dir, const char *const *ignore, size_t n_ignore,
                          tt_params **params, tt_error *err)
{
    return parse(info, map, what, base_dir, ignore, n_ignore, NULL, params, err);
}

tt_status tt_params_parse_all(const tt_plugin_info *info, const tt_node *map, const char *what,
                              const char *base_dir, const char *const *ignore, size_t n_ignore,
                              tt_problems *problems, tt_params **params, tt_error *err)
{
    return parse(info, map, what, base_dir, ignore, n_ignore, problems, params, err);
}

tt_status tt_params_parse_json(const tt_plugin_info *info, const char *json, tt_params **params,
                               tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    if (!arena) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_node *node;
    tt_status s = tt_json_parse(arena, "(parameters)", json, strlen(json), &node, err);
    if (!s) s = tt_params_parse(info, node, info->name, "/", NULL, 0, params, err);
    tt_arena_destroy(arena);
    return s;
}
