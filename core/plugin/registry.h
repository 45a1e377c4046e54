/* Finds, checks and loads plugins. Search order: --plugin-dir folders, TELLTALE_PLUGIN_PATH
 * (colon-separated), the folder that came with this library. In each folder: NAME.so and KIND/NAME.so. A file
 * is opened when something is looked for that it may offer: a process that runs one attack does not load all.
 * Of several plugins of one kind and name the first folder's is used and the others are reported; in one
 * folder, a file that bears the plugin's name comes before others. */
#ifndef TT_PLUGIN_REGISTRY_H
#define TT_PLUGIN_REGISTRY_H

#include "base/problems.h"
#include "formats/yaml.h"
#include "telltale/plugin.h"

typedef struct tt_registry tt_registry;
typedef struct tt_registered {
    const tt_plugin_info *info;
    const char *path;  /* "(built in)" for reference */
    const void *table; /* tt_attack_plugin, …; NULL when only described */
} tt_registered;

/* extra_dirs: n folders searched first. Broken files do not fail the scan: see tt_registry_problem. */
TT_API tt_status tt_registry_open(const char *const *extra_dirs, size_t n, tt_registry **registry,
                                  tt_error *err);
/* The folders that it searches, in order, whether they are there or not; in `arena`. */
TT_API tt_status tt_registry_folders(const char *const *extra_dirs, size_t n, tt_arena *arena,
                                     const char ***folders, size_t *n_folders, tt_error *err);
TT_API void tt_registry_close(tt_registry *r);
/* TT_ERR_NOT_FOUND names the nearest known name and where was searched. */
TT_API tt_status tt_registry_find(tt_registry *r, tt_plugin_kind kind, const char *name,
                                  const tt_registered **out, tt_error *err);
/* All that can be used, in search order; loads what is not loaded yet. */
TT_API size_t tt_registry_count(const tt_registry *r);
TT_API const tt_registered *tt_registry_at(const tt_registry *r, size_t i);
TT_API size_t tt_registry_problem_count(const tt_registry *r);
TT_API const char *tt_registry_problem(const tt_registry *r, size_t i); /* "FILE: why; what to do" */
/* Plugins that a build left out and no other folder has: a file NAME.absent in the folder of their kind says
 * why. "backend 'cuda' was not built: why" */
TT_API size_t tt_registry_absent_count(const tt_registry *r);
TT_API const char *tt_registry_absent(const tt_registry *r, size_t i);
TT_API const char *tt_plugin_kind_name(tt_plugin_kind kind); /* "attack", … */
TT_API int tt_plugin_kind_from_name(const char *name);       /* -1: none */

/* The files that were seen, loaded or not; exclude: never load this one, "PATH: why" becomes a problem. For a
 * list that tries each file in a child first. */
TT_API size_t tt_registry_file_count(const tt_registry *r);
TT_API const char *tt_registry_file(const tt_registry *r, size_t i);
TT_API tt_status tt_registry_exclude(tt_registry *r, size_t i, const char *why, tt_error *err);

/* Opens one file, with every check; for `telltale plugin check` and tests. */
typedef struct tt_plugin_file tt_plugin_file;
TT_API tt_status tt_plugin_file_open(const char *path, tt_plugin_file **file, tt_error *err);
TT_API const tt_plugin_entry *tt_plugin_file_entry(const tt_plugin_file *file);
TT_API void tt_plugin_file_close(tt_plugin_file *file);

/* The function table that plugins get. */
TT_API const tt_host *tt_host_table(void);

/* ---- parameters ---- */

/* Parses `map` (may be NULL: all defaults) against a plugin's table. Keys in `ignore` (e.g. "plugin",
 * "members") are skipped. Paths become absolute, relative to base_dir. All errors name file:line:column and
 * the key's path `what`
 * ("attacks.clid"); unknown keys name the nearest known one. */
TT_API tt_status tt_params_parse(const tt_plugin_info *info, const tt_node *map, const char *what,
                                 const char *base_dir, const char *const *ignore, size_t n_ignore,
                                 tt_params **params, tt_error *err);
/* The same from canonical JSON, as it travels between processes: paths are absolute. */
TT_API tt_status tt_params_parse_json(const tt_plugin_info *info, const char *json, tt_params **params,
                                      tt_error *err);
/* As tt_params_parse, every mistake noted in `problems` instead of the first one ending it; params with
 * mistakes are for nothing but tt_params_free. */
TT_API tt_status tt_params_parse_all(const tt_plugin_info *info, const tt_node *map, const char *what,
                                     const char *base_dir, const char *const *ignore, size_t n_ignore,
                                     tt_problems *problems, tt_params **params, tt_error *err);
TT_API void tt_params_free(tt_params *p);
/* Canonical JSON of all values, sorted by key, without the keys whose flags intersect skip_flags; paths left
 * out when without_paths. For step keys and for sending to children (then with everything). */
TT_API bool tt_params_canonical(const tt_params *p, uint32_t skip_flags, bool without_paths, tt_buf *out);

#endif
