/* YAML and JSON documents as one tree of nodes that know their line and column. Limits: depth 64, 1 MiB,
 * 100,000 nodes, aliases expanded at most 1,000 nodes in all; duplicate keys, tags and non-UTF-8 are refused.
 */
#ifndef TT_FORMATS_YAML_H
#define TT_FORMATS_YAML_H

#include "base/mem.h"
#include "telltale/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum tt_node_kind {
    TT_NODE_NULL,
    TT_NODE_BOOL,
    TT_NODE_INT,
    TT_NODE_FLOAT,
    TT_NODE_STRING,
    TT_NODE_LIST,
    TT_NODE_MAP
} tt_node_kind;

typedef struct tt_node tt_node;
struct tt_node {
    tt_node_kind kind;
    int line, column; /* 1-based; 0 in values that were made, not read */
    const char *file;
    const char *text; /* a scalar as written */
    bool quoted;      /* a quoted scalar is always a string */
    union {
        bool boolean;
        int64_t integer;
        double real;
    } value;
    const char *key; /* this node's key in its map */
    int key_line, key_column;
    tt_node *children; /* list or map: first child */
    tt_node *next;     /* sibling */
    size_t n_children;
};

/* Nodes live in `arena`. `file` is used in messages only ("file:line:column: …"). */
TT_API tt_status tt_yaml_parse(tt_arena *arena, const char *file, const char *text, size_t size,
                               tt_node **root, tt_error *err);
TT_API tt_status tt_yaml_read(tt_arena *arena, const char *path, tt_node **root, tt_error *err);
TT_API tt_node *tt_node_get(const tt_node *map, const char *key); /* NULL: none, or not a map */
TT_API const char *tt_node_kind_name(tt_node_kind kind);
/* Fills err with "file:line:column: message"; returns TT_ERR_INVALID. */
TT_API tt_status tt_node_fail(const tt_node *node, tt_error *err, const char *format, ...) TT_PRINTF(3, 4);
/* The nearest of n names to `name` by edit distance, or NULL if none is near: for "did you mean". */
TT_API const char *tt_nearest(const char *name, const char *const *names, size_t n);
/* Canonical text of a tree: sorted keys, shortest round-trip numbers, JSON syntax; for digests and HDF5. */
TT_API bool tt_node_canonical(const tt_node *node, tt_buf *out);

#endif
