/* What each kind's table must have. A table may be shorter than ours (an older plugin: the rest is NULL) but
 * not shorter than what its kind cannot do without, and not longer (a newer plugin asks for what we do not
 * know). */
#include "plugin/loader.h"

#include <string.h>

typedef struct table_rule {
    tt_plugin_kind kind;
    const char *name;
    size_t size, least, size_at;
    const char *const *required; /* names, NULL-terminated; offsets beside them */
    const size_t *offsets;
} table_rule;

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

static const char *const attack_names[] = {"create", "destroy", "plan", "measure", "score", NULL};
static const size_t attack_offsets[] = {
    offsetof(tt_attack_plugin, create), offsetof(tt_attack_plugin, destroy), offsetof(tt_attack_plugin, plan),
    offsetof(tt_attack_plugin, measure), offsetof(tt_attack_plugin, score)};
static const char *const target_names[] = {"open", "close", "info", "digest", NULL};
static const size_t target_offsets[] = {offsetof(tt_target_plugin, open), offsetof(tt_target_plugin, close),
                                        offsetof(tt_target_plugin, info), offsetof(tt_target_plugin, digest)};
static const char *const data_names[] = {"open",       "close", "n_splits", "split_name",
                                         "split_size", "item",  NULL};
static const size_t data_offsets[] = {
    offsetof(tt_data_plugin, open),       offsetof(tt_data_plugin, close),
    offsetof(tt_data_plugin, n_splits),   offsetof(tt_data_plugin, split_name),
    offsetof(tt_data_plugin, split_size), offsetof(tt_data_plugin, item)};
static const char *const service_names[] = {"open", "close", NULL};
static const size_t service_offsets[] = {offsetof(tt_service_plugin, open),
                                         offsetof(tt_service_plugin, close)};
static const char *const transform_names[] = {"create", "destroy", NULL};
static const size_t transform_offsets[] = {offsetof(tt_transform_plugin, create),
                                           offsetof(tt_transform_plugin, destroy)};
static const char *const backend_names[] = {"describe", "open",     "close", "alloc",  "free", "upload",
                                            "download", "supports", "pack",  "unpack", "run",  NULL};
static const size_t backend_offsets[] = {
    offsetof(tt_backend, describe), offsetof(tt_backend, open),     offsetof(tt_backend, close),
    offsetof(tt_backend, alloc),    offsetof(tt_backend, free),     offsetof(tt_backend, upload),
    offsetof(tt_backend, download), offsetof(tt_backend, supports), offsetof(tt_backend, pack),
    offsetof(tt_backend, unpack),   offsetof(tt_backend, run)};

static const table_rule rules[] = {
    {TT_KIND_ATTACK, "tt_attack_plugin", sizeof(tt_attack_plugin), END_OF(tt_attack_plugin, score),
     offsetof(tt_attack_plugin, size), attack_names, attack_offsets},
    {TT_KIND_TARGET, "tt_target_plugin", sizeof(tt_target_plugin), END_OF(tt_target_plugin, digest),
     offsetof(tt_target_plugin, size), target_names, target_offsets},
    {TT_KIND_DATA, "tt_data_plugin", sizeof(tt_data_plugin), END_OF(tt_data_plugin, item),
     offsetof(tt_data_plugin, size), data_names, data_offsets},
    {TT_KIND_SERVICE, "tt_service_plugin", sizeof(tt_service_plugin), END_OF(tt_service_plugin, close),
     offsetof(tt_service_plugin, size), service_names, service_offsets},
    {TT_KIND_TRANSFORM, "tt_transform_plugin", sizeof(tt_transform_plugin),
     END_OF(tt_transform_plugin, destroy), offsetof(tt_transform_plugin, size), transform_names,
     transform_offsets},
    {TT_KIND_BACKEND, "tt_backend", sizeof(tt_backend), END_OF(tt_backend, run), offsetof(tt_backend, size),
     backend_names, backend_offsets},
};

static const table_rule *rule_of(tt_plugin_kind kind)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == kind) return &rules[i];
    return NULL;
}

size_t tt_plugin_table_size(tt_plugin_kind kind)
{
    const table_rule *rule = rule_of(kind);
    return rule ? rule->size : 0;
}

tt_status tt_plugin_table_copy(tt_plugin_kind kind, const void *given, void *copy, tt_error *err)
{
    const table_rule *rule = rule_of(kind);
    if (!rule) return tt_fail(err, TT_ERR_INVALID, "there is no plugin kind %d", (int)kind);
    if (!given) return tt_fail(err, TT_ERR_INVALID, "get() gave no %s for what info() offers", rule->name);
    if (kind == TT_KIND_BACKEND && ((const tt_backend *)given)->abi != TT_ABI_VERSION)
        return tt_fail(err, TT_ERR_INVALID,
                       "its tt_backend has ABI version %u, this telltale has %u: rebuild the plugin",
                       ((const tt_backend *)given)->abi, TT_ABI_VERSION);
    uint32_t size;
    memcpy(&size, (const char *)given + rule->size_at, sizeof size);
    if (size > rule->size)
        return tt_fail(err, TT_ERR_INVALID,
                       "its %s has %u bytes, this telltale knows %zu: the plugin was built for a newer "
                       "telltale; install "
                       "that one, or rebuild the plugin against this one's headers",
                       rule->name, size, rule->size);
    if (size < rule->least)
        return tt_fail(err, TT_ERR_INVALID,
                       "its %s has %u bytes, at least %zu are needed: set .size = sizeof(%s)", rule->name,
                       size, rule->least, rule->name);
    memset(copy, 0, rule->size);
    memcpy(copy, given, size);
    for (size_t i = 0; rule->required[i]; i++) {
        void (*function)(void);
        memcpy(&function, (const char *)copy + rule->offsets[i], sizeof function);
        if (!function)
            return tt_fail(err, TT_ERR_INVALID, "its %s lacks the function `%s`: it must be there",
                           rule->name, rule->required[i]);
    }
    return TT_OK;
}
