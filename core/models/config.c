#include "models/config.h"

#include <stdlib.h>
#include <string.h>

/* One value against one accepted word of `length` bytes. */
static bool fits_word(const tt_node *node, const char *word, size_t length)
{
    char text[64];
    if (length >= sizeof text) return false;
    memcpy(text, word, length);
    text[length] = '\0';
    char *end;
    double number = strtod(text, &end);
    bool is_number = *text && !*end;
    switch (node->kind) {
    case TT_NODE_NULL:
        return strcmp(text, "null") == 0;
    case TT_NODE_BOOL:
        return strcmp(text, node->value.boolean ? "true" : "false") == 0;
    case TT_NODE_INT:
        return is_number && (double)node->value.integer == number;
    case TT_NODE_FLOAT:
        return is_number && node->value.real == number;
    case TT_NODE_STRING:
        return node->text && strcmp(text, node->text) == 0;
    default:
        return false;
    }
}

static bool fits(const tt_node *node, const char *accept)
{
    if (node->kind == TT_NODE_LIST) {
        for (const tt_node *c = node->children; c; c = c->next)
            if (c->kind == TT_NODE_LIST || !fits(c, accept)) return false;
        return true;
    }
    for (const char *word = accept;;) {
        size_t length = strcspn(word, "|");
        if (fits_word(node, word, length)) return true;
        if (!word[length]) return false;
        word += length + 1;
    }
}

tt_status tt_config_check(const tt_node *map, const char *what, const tt_config_rule *rules, size_t n,
                          tt_error *err)
{
    if (!map || map->kind != TT_NODE_MAP)
        return tt_fail(err, TT_ERR_FORMAT, "config of %s: not an object", what);
    const tt_node *name = tt_node_get(map, "_class_name");
    if (name && (name->kind != TT_NODE_STRING || strcmp(name->text, what) != 0))
        return tt_node_fail(name, err, "this is the config of another class (%s): %s is expected",
                            name->text ? name->text : "?", what);
    for (const tt_node *c = map->children; c; c = c->next) {
        if (c->key[0] == '_') continue;
        const tt_config_rule *rule = NULL;
        for (size_t i = 0; i < n && !rule; i++)
            if (strcmp(rules[i].key, c->key) == 0) rule = &rules[i];
        if (rule && !rule->accept) continue;
        const char *accept = rule ? rule->accept : "null|false";
        if (fits(c, accept)) continue;
        tt_node_fail(
            c, err,
            rule ? "%s is %s: only %s is supported; this %s cannot be run"
                 : "%s is %s: the key is not known, so its effect is not either (%s would pass); this %s "
                   "cannot be run",
            c->key, c->text ? c->text : tt_node_kind_name(c->kind), accept, what);
        if (err) err->code = TT_ERR_UNSUPPORTED;
        return TT_ERR_UNSUPPORTED;
    }
    return TT_OK;
}

static tt_status read_int(const tt_node *node, const char *key, int min, int max, int *out, tt_error *err)
{
    if (node->kind != TT_NODE_INT || node->value.integer < min || node->value.integer > max)
        return tt_node_fail(node, err, "%s is %s: must be a whole number of %d..%d", key,
                            node->text ? node->text : tt_node_kind_name(node->kind), min, max);
    *out = (int)node->value.integer;
    return TT_OK;
}

tt_status tt_config_int(const tt_node *map, const char *key, int fallback, int min, int max, int *out,
                        tt_error *err)
{
    const tt_node *node = tt_node_get(map, key);
    *out = fallback;
    return node ? read_int(node, key, min, max, out, err) : TT_OK;
}

tt_status tt_config_double(const tt_node *map, const char *key, double fallback, double min, double max,
                           double *out, tt_error *err)
{
    const tt_node *node = tt_node_get(map, key);
    *out = fallback;
    if (!node) return TT_OK;
    double x = node->kind == TT_NODE_INT     ? (double)node->value.integer
               : node->kind == TT_NODE_FLOAT ? node->value.real
                                             : min - 1;
    if (!(x >= min && x <= max))
        return tt_node_fail(node, err, "%s is %s: must be a number of %g..%g", key,
                            node->text ? node->text : tt_node_kind_name(node->kind), min, max);
    *out = x;
    return TT_OK;
}

tt_status tt_config_bool(const tt_node *map, const char *key, bool fallback, bool *out, tt_error *err)
{
    const tt_node *node = tt_node_get(map, key);
    *out = fallback;
    if (!node) return TT_OK;
    if (node->kind != TT_NODE_BOOL) return tt_node_fail(node, err, "%s must be true or false", key);
    *out = node->value.boolean;
    return TT_OK;
}

tt_status tt_config_ints(const tt_node *map, const char *key, int fallback, int min, int max, int n, int *out,
                         tt_error *err)
{
    const tt_node *node = tt_node_get(map, key);
    if (!node || node->kind != TT_NODE_LIST) {
        int one = fallback;
        tt_status status = node ? read_int(node, key, min, max, &one, err) : TT_OK;
        for (int i = 0; i < n; i++)
            out[i] = one;
        return status;
    }
    if (node->n_children != (size_t)n)
        return tt_node_fail(node, err, "%s has %zu entries: the network has %d levels", key, node->n_children,
                            n);
    int i = 0;
    for (const tt_node *c = node->children; c; c = c->next, i++) {
        tt_status status = read_int(c, key, min, max, &out[i], err);
        if (status) return status;
    }
    return TT_OK;
}

tt_status tt_config_string(const tt_node *map, const char *key, const char *fallback, const char **out,
                           tt_error *err)
{
    const tt_node *node = tt_node_get(map, key);
    *out = fallback;
    if (!node) return TT_OK;
    if (node->kind != TT_NODE_STRING) return tt_node_fail(node, err, "%s must be a string", key);
    *out = node->text;
    return TT_OK;
}

tt_status tt_config_strings(const tt_node *map, const char *key, int max, const char **out, int *n,
                            tt_error *err)
{
    const tt_node *node = tt_node_get(map, key);
    if (!node) return TT_OK;
    if (node->kind != TT_NODE_LIST || node->n_children == 0 || node->n_children > (size_t)max)
        return tt_node_fail(node, err, "%s must be a list of 1..%d strings", key, max);
    *n = 0;
    for (const tt_node *c = node->children; c; c = c->next) {
        if (c->kind != TT_NODE_STRING) return tt_node_fail(c, err, "%s must be a list of strings", key);
        out[(*n)++] = c->text;
    }
    return TT_OK;
}
