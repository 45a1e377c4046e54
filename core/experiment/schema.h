/* JSON Schema (draft 7) of specs, for editors: from the same tables as reading. */
#ifndef TT_EXPERIMENT_SCHEMA_H
#define TT_EXPERIMENT_SCHEMA_H

#include "plugin/registry.h"

/* Appends the schema with all plugins of the registry. What it accepts may still be refused when the spec is
 * read (names of splits, access, parameters that only together make sense); what it refuses always is. */
TT_API tt_status tt_spec_schema(const tt_registry *registry, tt_buf *out, tt_error *err);

#endif
