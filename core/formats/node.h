/* Building the trees of formats/yaml.h from a stream of events; shared by the YAML and the JSON reader. */
#ifndef TT_FORMATS_NODE_H
#define TT_FORMATS_NODE_H

#include "formats/yaml.h"

#define TT_TREE_MAX_DEPTH 64

typedef struct tt_tree_frame { /* a list or map that is not closed yet */
    tt_node *node, *last;
    const char *key; /* of the value to come; NULL: a key is expected (maps) */
    int key_line, key_column;
    const char *anchor; /* YAML's */
} tt_tree_frame;

typedef struct tt_tree {
    tt_arena *arena;
    const char *file;
    tt_status bad; /* the code of errors in the document */
    size_t n_nodes, max_nodes;
    tt_tree_frame frames[TT_TREE_MAX_DEPTH];
    int depth;
    tt_node *root;
} tt_tree;

/* "file:line:column: message"; returns tree->bad. */
tt_status tt_tree_fail(const tt_tree *tree, int line, int column, tt_error *err, const char *format, ...)
    TT_PRINTF(5, 6);
/* A new node, not yet attached; counted against max_nodes. */
tt_status tt_tree_new(tt_tree *tree, tt_node_kind kind, int line, int column, tt_node **node, tt_error *err);
/* The frame that the next event belongs to, or NULL at the top. */
tt_tree_frame *tt_tree_top(tt_tree *tree);
/* Is the next scalar a key? */
bool tt_tree_wants_key(tt_tree *tree);
void tt_tree_key(tt_tree *tree, const char *key, int line, int column);
/* Puts a value in its place. */
void tt_tree_attach(tt_tree *tree, tt_node *node);
/* Attaches a list or map and enters it; the anchor may be NULL. */
tt_status tt_tree_enter(tt_tree *tree, tt_node *node, const char *anchor, tt_error *err);
/* Leaves the innermost list or map; refuses duplicate keys. */
tt_status tt_tree_leave(tt_tree *tree, tt_error *err);

#endif
