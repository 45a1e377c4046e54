/* What the registry and the validator see of an opened file beyond registry.h. */
#ifndef TT_PLUGIN_LOADER_H
#define TT_PLUGIN_LOADER_H

#include "plugin/registry.h"

/* The i-th thing that the file offers: its description, and its table as our own zero-filled copy (so that
 * functions newer than the plugin are NULL). Both live until the file is closed. */
TT_API size_t tt_plugin_file_count(const tt_plugin_file *file);
TT_API const tt_plugin_info *tt_plugin_file_info(const tt_plugin_file *file, size_t i);
TT_API const void *tt_plugin_file_table(const tt_plugin_file *file, size_t i);
TT_API const char *tt_plugin_file_path(const tt_plugin_file *file);

/* [a-z0-9_]+, at most 63 characters */
TT_API bool tt_plugin_name_well_formed(const char *name);
/* Checks a table of `kind` as a plugin gave it and copies it into `copy` (tt_plugin_table_size(kind) bytes).
 */
TT_API tt_status tt_plugin_table_copy(tt_plugin_kind kind, const void *given, void *copy, tt_error *err);
TT_API size_t tt_plugin_table_size(tt_plugin_kind kind);

#endif
