/* Trees that are made, not read: what overrides add, and the resolved spec. */
#include "experiment/spec_internal.h"

#include <stdio.h>

static tt_node *made(tt_arena *arena, tt_node_kind kind)
{
    tt_node *node = tt_arena_alloc(arena, sizeof *node);
    if (node) node->kind = kind;
    return node;
}

tt_node *tt_made_map(tt_arena *arena)
{
    return made(arena, TT_NODE_MAP);
}

tt_node *tt_made_list(tt_arena *arena)
{
    return made(arena, TT_NODE_LIST);
}

tt_node *tt_made_text(tt_arena *arena, const char *text)
{
    tt_node *node = made(arena, TT_NODE_STRING);
    if (!node) return NULL;
    node->quoted = true;
    node->text = tt_arena_strdup(arena, text);
    return node->text ? node : NULL;
}

tt_node *tt_made_integer(tt_arena *arena, int64_t value)
{
    tt_node *node = made(arena, TT_NODE_INT);
    if (node) node->value.integer = value;
    return node;
}

tt_node *tt_made_real(tt_arena *arena, double value)
{
    tt_node *node = made(arena, TT_NODE_FLOAT);
    if (node) node->value.real = value;
    return node;
}

tt_node *tt_made_bool(tt_arena *arena, bool value)
{
    tt_node *node = made(arena, TT_NODE_BOOL);
    if (node) node->value.boolean = value;
    return node;
}

bool tt_made_add(tt_arena *arena, tt_node *parent, const char *key, const tt_node *value)
{
    tt_node *copy = parent && value ? tt_arena_alloc(arena, sizeof *copy) : NULL;
    if (!copy) return false;
    *copy = *value;
    copy->next = NULL;
    copy->key = key ? tt_arena_strdup(arena, key) : NULL;
    if (key && !copy->key) return false;
    tt_node **tail = &parent->children;
    while (*tail)
        tail = &(*tail)->next;
    *tail = copy;
    parent->n_children++;
    return true;
}
