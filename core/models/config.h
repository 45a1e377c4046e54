/* Reading a network's config.json: values with defaults and limits, and the keys that must have the one value
 * that we compute. All errors name file, line and key. */
#ifndef TT_MODELS_CONFIG_H
#define TT_MODELS_CONFIG_H

#include "formats/json.h"

/* A key and the values that are fine, "null|1|default" (a list: each entry). accept NULL: read elsewhere, or
 * without influence on the forward pass. */
typedef struct tt_config_rule {
    const char *key, *accept;
} tt_config_rule;

/* Every key of `map` must have a rule that its value fits; keys that begin with '_' and unknown keys that are
 * null or false pass. `what` is the class ("UNet2DConditionModel"). */
tt_status tt_config_check(const tt_node *map, const char *what, const tt_config_rule *rules, size_t n,
                          tt_error *err);

/* Absent keys give the default. */
tt_status tt_config_int(const tt_node *map, const char *key, int fallback, int min, int max, int *out,
                        tt_error *err);
tt_status tt_config_double(const tt_node *map, const char *key, double fallback, double min, double max,
                           double *out, tt_error *err);
tt_status tt_config_bool(const tt_node *map, const char *key, bool fallback, bool *out, tt_error *err);
/* A list of exactly n integers, or one integer for all n. */
tt_status tt_config_ints(const tt_node *map, const char *key, int fallback, int min, int max, int n, int *out,
                         tt_error *err);
/* The string, or `fallback`. */
tt_status tt_config_string(const tt_node *map, const char *key, const char *fallback, const char **out,
                           tt_error *err);
/* A list of 1..max strings; *n is left alone when the key is absent. */
tt_status tt_config_strings(const tt_node *map, const char *key, int max, const char **out, int *n,
                            tt_error *err);

#endif
