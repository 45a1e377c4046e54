#include "plugin/params.h"

#include <string.h>

void tt_params_free(tt_params *p)
{
    if (p) tt_arena_destroy(p->arena); /* p itself lives in it */
}

bool tt_params_canonical(const tt_params *p, uint32_t skip_flags, bool without_paths, tt_buf *out)
{
    tt_node map = {.kind = TT_NODE_MAP};
    tt_node
        copies[TT_PARAMS_MAX]; /* the nodes of values are linked by nothing yet: a chain for this call only */
    tt_node **tail = &map.children;
    for (uint32_t i = 0; i < p->n; i++) {
        const tt_param_value *v = &p->values[i];
        if (!v->node || (v->flags & skip_flags) || (without_paths && v->type == TT_PARAM_PATH)) continue;
        copies[i] = *v->node;
        copies[i].key = v->key;
        copies[i].next = NULL;
        *tail = &copies[i];
        tail = &copies[i].next;
        map.n_children++;
    }
    return tt_node_canonical(&map, out);
}

const char *tt_param_type_name(tt_param_type type)
{
    switch (type) {
    case TT_PARAM_BOOL:
        return "true or false";
    case TT_PARAM_INT:
        return "integer";
    case TT_PARAM_FLOAT:
        return "number";
    case TT_PARAM_STRING:
        return "string";
    case TT_PARAM_CHOICE:
        return "choice";
    case TT_PARAM_PATH:
        return "path";
    case TT_PARAM_INTS:
        return "list of integers";
    case TT_PARAM_FLOATS:
        return "list of numbers";
    case TT_PARAM_STRINGS:
        return "list of strings";
    case TT_PARAM_COUNTS:
        return "mapping of names to counts";
    }
    return "unknown type";
}

bool tt_param_choice_known(const char *choices, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = choices; at && n;) {
        const char *end = strchr(at, '|');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        if (length == n && memcmp(at, name, n) == 0) return true;
        at = end ? end + 1 : NULL;
    }
    return false;
}
