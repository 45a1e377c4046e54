/* The spec as a tree: its files, overrides from the command line, references. */
#include "experiment/spec_internal.h"

#include <string.h>

tt_status tt_spec_document_note(const tt_spec_document *d, tt_status s)
{
    return tt_problems_note(d->problems, s, d->err);
}

tt_node *tt_spec_child(const tt_node *map, const char *key)
{
    return tt_node_get(map, key);
}

bool tt_spec_put(tt_arena *arena, tt_node *map, const char *key, const tt_node *value)
{
    tt_node *old = tt_spec_child(map, key);
    if (!old) return tt_made_add(arena, map, key, value);
    tt_node *next = old->next;
    const char *name = old->key;
    *old = *value;
    old->next = next;
    old->key = name;
    old->key_line = value->key_line ? value->key_line : value->line; /* the old may be another file's */
    old->key_column = value->key_line ? value->key_column : value->column;
    return true;
}

tt_status tt_spec_document_open(tt_spec_document *d, const tt_spec_request *request)
{
    tt_status s = tt_spec_include(d, request->path);
    for (size_t i = 0; i < request->n_overrides && !s; i++)
        s = tt_spec_document_note(d, tt_spec_override(d, request->overrides[i]));
    return s;
}

tt_status tt_spec_document_read(tt_spec_document *d, const tt_spec_request *request)
{
    tt_status s = tt_spec_document_open(d, request);
    static const char *const keys[] = {"sweep", "replication"};
    for (size_t i = 0; i < 2 && !s; i++) {
        const tt_node *several = tt_spec_child(d->root, keys[i]);
        if (several && several->kind != TT_NODE_NULL)
            return tt_node_fail(
                several, d->err,
                "%s: this spec stands for several runs, and one is wanted here: name one with "
                "--cell, or leave the %s out (%s=null)",
                keys[i], keys[i], keys[i]);
    }
    return s;
}
