/* What a spec may say, from the same tables as reading: as JSON Schema (draft 7) for editors, and as Markdown
 * for people. */
#ifndef TT_EXPERIMENT_SCHEMA_H
#define TT_EXPERIMENT_SCHEMA_H

#include "plugin/registry.h"

/* Appends the schema with all plugins of the registry. What it accepts may still be refused when the spec is
 * read (names of splits, access, parameters that only together make sense); what it refuses always is. */
TT_API tt_status tt_spec_schema(const tt_registry *registry, tt_buf *out, tt_error *err);
/* Appends the reference in Markdown: every key with type, range, default and meaning, then the parameters of
 * the registry's plugins by kind and name. Backends have none in specs and are left out. */
TT_API tt_status tt_spec_reference(const tt_registry *registry, tt_buf *out, tt_error *err);

#endif
