/* Inside of tt_params, shared by parsing (params_parse.c), reading and printing (params.c) and the host's
 * table. */
#ifndef TT_PLUGIN_PARAMS_H
#define TT_PLUGIN_PARAMS_H

#include "plugin/registry.h"

/* One value. `node` is the value as a tree with its declared type (an integer written for a FLOAT is a FLOAT
 * node), so that two ways of writing one value have one canonical text; NULL: unset. The other fields are
 * what accessors give out. */
typedef struct tt_param_value {
    const char *key;
    tt_param_type type;
    uint32_t flags;
    tt_node *node;
    const double *numbers;
    const char *const *strings; /* STRINGS, or the names of COUNTS */
    const int64_t *counts;
    size_t n;
} tt_param_value;

struct tt_params {
    tt_arena *arena;
    tt_param_value *values;
    uint32_t n;
};

#define TT_PARAMS_MAX 256u

/* Is the table itself in order: keys, types, ranges, choices, flags, help; does each default fit its own row?
 */
TT_API tt_status tt_params_check_table(const tt_plugin_info *info, tt_error *err);
TT_API const char *tt_param_type_name(tt_param_type type); /* "integer", "list of numbers", … */
/* Does `choices` ("a|b|c") hold this name? */
TT_API bool tt_param_choice_known(const char *choices, const char *name);

/* A plugin's mistake in using the host's table that no status can carry (it asked for a key that its table
 * lacks, or for another type): the last one's text, or NULL. `telltale plugin check` reports it; it is logged
 * in any case. */
TT_API const char *tt_host_misuse(void);
/* What host->threads() gives; 0: all processors. */
TT_API void tt_host_set_threads(int threads);

#endif
