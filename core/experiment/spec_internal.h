/* Shared by spec*.c only. */
#ifndef TT_EXPERIMENT_SPEC_INTERNAL_H
#define TT_EXPERIMENT_SPEC_INTERNAL_H

#include "experiment/spec.h"
#include "experiment/spec_tables.h"

/* A file that the spec was read from. */
typedef struct tt_spec_file {
    struct tt_spec_file *next;
    const char *name;   /* as in messages */
    const char *folder; /* seen from the spec's folder; "" for the spec itself */
} tt_spec_file;

/* The spec as a tree, before any key has a meaning. */
typedef struct tt_spec_document {
    tt_arena *arena;
    tt_node *root;
    tt_spec_file *files;
    size_t n_files;
    size_t n_references;
    size_t n_copied; /* values that references copied */
    tt_problems *problems;
    tt_error *err;
} tt_spec_document;

/* What reads a spec notes the user's mistakes with tt_spec_note and goes on; a status other than TT_OK says
 * that going on makes no sense, or, in functions that a caller wraps in tt_spec_note, what is to be noted. */
typedef struct tt_spec_reader {
    tt_spec *spec;
    const tt_plugin_source *source;
    tt_node *root;
    tt_node *resolved; /* the whole spec again, every default filled in */
    const tt_spec_file *files;
    tt_problems *problems;
    tt_error *err;
} tt_spec_reader;

/* spec_document.c: the files and overrides in their order, of one run or of a sweep; references are not
 * followed yet. Mistakes are noted. */
tt_status tt_spec_document_open(tt_spec_document *d, const tt_spec_request *request);
/* The same of one run: a sweep is refused. */
tt_status tt_spec_document_read(tt_spec_document *d, const tt_spec_request *request);
tt_status tt_spec_document_note(const tt_spec_document *d, tt_status s);
tt_node *tt_spec_child(const tt_node *map, const char *key); /* NULL: none, or not a map */
/* Puts `value` where `key` of `map` is, or at its end. */
bool tt_spec_put(tt_arena *arena, tt_node *map, const char *key, const tt_node *value);

/* spec.c: what a document says, references followed; its arena becomes the spec's, also after a failure. */
tt_status tt_spec_of_document(tt_spec_document *d, const char *path, const tt_plugin_source *source,
                              tt_spec **spec);

/* spec_include.c: a file with those that its `base` names, merged */
tt_status tt_spec_include(tt_spec_document *d, const char *path);

/* spec_override.c; the keys below sweep.grid and sweep.zip are paths themselves */
tt_status tt_spec_override(tt_spec_document *d, const char *text); /* "attacks.clid.alpha=0.5" */
/* Puts `value` at "attacks.clid.alpha". `what` names the one who asks, for messages of no place; `place` has
 * the place, or is NULL. */
tt_status tt_spec_set_path(tt_spec_document *d, const char *path, const tt_node *value, const char *what,
                           const tt_node *place);

/* spec_refer.c: ${NAME}, ${NAME:-default} and ${spec.a.b} in all values */
tt_status tt_spec_refer(tt_spec_document *d);

/* spec_tree.c: values that are made. NULL: out of memory; all of them let NULL pass through, so that a chain
 * is checked once. */
tt_node *tt_made_map(tt_arena *arena);
tt_node *tt_made_list(tt_arena *arena);
tt_node *tt_made_text(tt_arena *arena, const char *text);
tt_node *tt_made_integer(tt_arena *arena, int64_t value);
tt_node *tt_made_real(tt_arena *arena, double value);
tt_node *tt_made_bool(tt_arena *arena, bool value);
/* Adds a shallow copy of `value` under `key` (NULL in lists). false: out of memory, or value is NULL. */
bool tt_made_add(tt_arena *arena, tt_node *parent, const char *key, const tt_node *value);

/* spec_keys.c: the keys of one map of the spec. A value that is wrong is noted and its default taken. */
typedef struct tt_spec_map {
    const tt_spec_reader *reader;
    const tt_node *node; /* NULL: absent, all defaults */
    const char *what;    /* "threat_model"; "" at the top */
    const tt_spec_table *table;
} tt_spec_map;
/* Is it a map (or absent, where it may be) with the table's keys only? NULL: any keys. */
tt_status tt_spec_map_open(const tt_spec_reader *r, const tt_node *parent, const char *key, const char *what,
                           const tt_spec_table *table, tt_spec_map *map);
/* The value of a key of the map's table, checked by its row; else the row's default. */
tt_status tt_spec_integer(const tt_spec_map *map, const char *key, int64_t *out);
tt_status tt_spec_real(const tt_spec_map *map, const char *key, double *out);
tt_status tt_spec_bool(const tt_spec_map *map, const char *key, bool *out);
/* Its place in the row's choices; where the row has no default, *out stays as it is. */
tt_status tt_spec_choice(const tt_spec_map *map, const char *key, int *out);
int tt_spec_choice_index(const char *choices, const char *name); /* -1: none */
/* Notes a mistake in r->err and gives TT_OK; gives other errors back. */
tt_status tt_spec_note(const tt_spec_reader *r, tt_status s);
/* "models.target" in the spec's arena */
const char *tt_spec_path(const tt_spec_reader *r, const char *what, const char *key);
tt_status tt_spec_no_memory(const tt_spec_reader *r);
/* Adds a value to a resolved map. */
tt_status tt_spec_resolve(const tt_spec_reader *r, tt_node *map, const char *key, const tt_node *value);
/* The map of a section whose children, at least one, are named freely. */
tt_status tt_spec_section_open(const tt_spec_reader *r, const char *section, tt_spec_map *map, size_t *n);
/* The child itself, or NULL for null ("clid:" alone is all defaults). */
tt_status tt_spec_child_map(const tt_spec_reader *r, const tt_node *child, const char *what,
                            const tt_node **node);

/* spec_data.c: data sets, and the splits that a spec or a model names */
tt_status tt_spec_read_data(const tt_spec_reader *r);
tt_status tt_spec_read_sets(const tt_spec_reader *r, const tt_node *parent, const char *prefix,
                            tt_spec_set *members, tt_spec_set *nonmembers, tt_node *resolved);

/* "faces.seen" at `node`; `what` names the key. */
tt_status tt_spec_read_set(const tt_spec_reader *r, const tt_node *node, const char *what, tt_spec_set *set);

/* spec_auxiliary.c */
tt_status tt_spec_read_auxiliary(const tt_spec_reader *r, const tt_node *threat_model, tt_node *made);

/* spec_plugins.c: a path as this process finds it: relative ones start from the folder of their file. NULL:
 * out of memory */
const char *tt_spec_path_of(const tt_spec_reader *r, const tt_node *node);

/* spec_price.c */
tt_status tt_spec_read_price(const tt_spec_reader *r, const tt_node *model, const char *what,
                             tt_spec_price *price, tt_node *made);

/* spec_report.c */
tt_status tt_spec_read_report(const tt_spec_reader *r);

/* spec_device.c */
tt_status tt_spec_read_device(const tt_spec_reader *r);

/* spec_published.c */
tt_status tt_spec_read_published(const tt_spec_reader *r);

/* spec_controls.c: behind the attacks and all that they depend on */
tt_status tt_spec_add_controls(const tt_spec_reader *r);

/* spec_services.c */
tt_status tt_spec_read_services(const tt_spec_reader *r);

/* spec_plugins.c */
tt_status tt_spec_read_plugin(const tt_spec_reader *r, tt_plugin_kind kind, const char *name,
                              const tt_node *node, const char *what, const tt_spec_table *own,
                              tt_spec_plugin *plugin);
/* The parameters beside a plugin whose description is known; keys of `table` are the spec's own. */
tt_status tt_spec_read_params(const tt_spec_reader *r, const char *what, const tt_spec_table *table,
                              tt_spec_plugin *plugin);
/* A path written at `node`, seen from the spec's folder. NULL: out of memory. */
const char *tt_spec_path_at(const tt_spec_reader *r, const tt_node *node);

/* spec_program.c: an attack with `exec` */
tt_status tt_spec_read_program(const tt_spec_reader *r, const tt_node *node, const char *what,
                               tt_spec_plugin *plugin);
bool tt_spec_resolve_program(const tt_spec_reader *r, const tt_spec_plugin *plugin, tt_node *map);

/* Adds the plugin's name and its parameters, defaults filled in and paths as written, to a resolved map. */
bool tt_spec_resolve_plugin(const tt_spec_reader *r, const tt_spec_plugin *plugin, tt_node *map);

#endif
