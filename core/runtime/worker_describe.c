/* What plugins, backends and models say of themselves: the worker's end of describe.c. */
#include "runtime/describe.h"
#include "runtime/protocol.h"

#include <string.h>

static tt_status describe(tt_registry *registry, tt_reader *in, tt_buf *out, tt_error *err)
{
    tt_plugin_kind kind = (tt_plugin_kind)tt_get_u32(in);
    const char *name = tt_get_text(in);
    if (!tt_reader_done(in) || !name || kind < TT_KIND_ATTACK || kind > TT_KIND_BACKEND)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request to describe");
    const tt_registered *found;
    tt_status s = tt_registry_find(registry, kind, name, &found, err);
    if (!s) tt_put_plugin_info(out, found->info);
    return s;
}

static const char *why_not(const tt_registered *backend)
{
    const tt_backend *table = backend->table;
    return table->unavailable ? table->unavailable() : NULL;
}

/* The backend of that name; of auto: the first that can be used here, accelerators before processors. */
static tt_status find_backend(tt_registry *registry, const char *name, const tt_registered **found,
                              tt_error *err)
{
    if (strcmp(name, "auto") != 0) return tt_registry_find(registry, TT_KIND_BACKEND, name, found, err);
    for (size_t i = 0; i < tt_registry_count(registry); i++) {
        *found = tt_registry_at(registry, i);
        const tt_plugin_info *info = (*found)->info;
        bool processor = strcmp(info->name, "cpu") == 0 || strcmp(info->name, "reference") == 0;
        if (info->kind == TT_KIND_BACKEND && !processor && !why_not(*found)) return TT_OK;
    }
    if (!tt_registry_find(registry, TT_KIND_BACKEND, "cpu", found, NULL) && !why_not(*found)) return TT_OK;
    return tt_registry_find(registry, TT_KIND_BACKEND, "reference", found, err);
}

/* The device that a request names, open. */
static tt_status open_device(tt_registry *registry, tt_reader *in, const tt_backend **backend,
                             const char **name, void **self, tt_error *err)
{
    tt_device_options options;
    const char *asked = tt_get_device(in, &options);
    if (!tt_reader_done(in) || !asked) return tt_fail(err, TT_ERR_FORMAT, "a malformed request for a device");
    const tt_registered *found;
    tt_status s = find_backend(registry, asked, &found, err);
    if (s) return s;
    const char *why = why_not(found);
    if (why)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "backend %s cannot be used here: %s", found->info->name, why);
    *backend = found->table;
    *name = found->info->name;
    return (*backend)->open(&options, self, err);
}

static tt_status environment(tt_registry *registry, tt_reader *in, tt_buf *out, tt_error *err)
{
    const tt_backend *backend;
    const char *name;
    void *self;
    tt_status s = open_device(registry, in, &backend, &name, &self, err);
    if (s) return s;
    tt_put_text(out, name);
    tt_put_text(out, backend->describe(self));
    tt_put_u32(out, backend->traits);
    backend->close(self);
    return TT_OK;
}

static tt_status device_facts(tt_registry *registry, tt_reader *in, tt_buf *out, tt_error *err)
{
    const tt_backend *backend;
    const char *name;
    void *self;
    size_t free_bytes = 0, total_bytes = 0;
    tt_status s = open_device(registry, in, &backend, &name, &self, err);
    if (s) return s;
    if (backend->memory) s = backend->memory(self, &free_bytes, &total_bytes, err);
    backend->close(self);
    tt_put_u8(out, backend->memory != NULL);
    tt_put_u8(out, backend->record_begin != NULL);
    tt_put_u64(out, free_bytes);
    tt_put_u64(out, total_bytes);
    tt_put_u64(out, backend->device_bytes);
    tt_put_u64(out, backend->host_bytes);
    return s;
}

static tt_status model_digest(tt_registry *registry, tt_reader *in, tt_buf *out, tt_error *err)
{
    tt_plugin_kind kind = (tt_plugin_kind)tt_get_u32(in);
    const char *name = tt_get_text(in), *json = tt_get_text(in);
    if (!tt_reader_done(in) || !name || !json || (kind != TT_KIND_TARGET && kind != TT_KIND_SERVICE))
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request for a digest");
    const tt_registered *found;
    tt_params *params = NULL;
    tt_status s = tt_registry_find(registry, kind, name, &found, err);
    if (!s) s = tt_params_parse_json(found->info, json, &params, err);
    char hex[65];
    tt_status (*digest)(const tt_params *p, char text[65], tt_error *e) = NULL;
    if (!s)
        digest = kind == TT_KIND_TARGET ? ((const tt_target_plugin *)found->table)->digest
                                        : ((const tt_service_plugin *)found->table)->digest;
    if (!s && !digest)
        s = tt_fail(err, TT_ERR_UNSUPPORTED, "%s %s has no digest of its model, which runs need",
                    tt_plugin_kind_name(kind), name);
    if (!s) s = digest(params, hex, err);
    if (!s) tt_put_text(out, hex);
    tt_params_free(params);
    return s;
}

/* Answers whether the target knows, and then the numbers. */
static tt_status model_memory(tt_registry *registry, tt_reader *in, tt_buf *out, tt_error *err)
{
    const char *name = tt_get_text(in), *json = tt_get_text(in);
    tt_target_context context = {.size = sizeof context};
    const char *device = tt_get_device(in, &context.device);
    if (!tt_reader_done(in) || !name || !json || !device)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request for a model's memory");
    const tt_registered *found, *backend;
    tt_params *params = NULL;
    tt_memory_need need = {.size = sizeof need};
    tt_status s = tt_registry_find(registry, TT_KIND_TARGET, name, &found, err);
    if (!s) s = find_backend(registry, device, &backend, err);
    if (!s) s = tt_params_parse_json(found->info, json, &params, err);
    const tt_target_plugin *target = s ? NULL : found->table;
    bool known = target && target->memory;
    if (known) {
        context.backend = backend->table;
        s = target->memory(params, &context, &need, err);
    }
    tt_put_u8(out, known);
    if (known) tt_put_memory(out, &need);
    tt_params_free(params);
    return s;
}

tt_status tt_worker_describe(tt_registry *registry, uint16_t type, tt_reader *in, tt_buf *out, tt_error *err)
{
    switch (type) {
    case TT_MSG_WORKER_DESCRIBE:
        return describe(registry, in, out, err);
    case TT_MSG_WORKER_ENVIRONMENT:
        return environment(registry, in, out, err);
    case TT_MSG_WORKER_MEMORY:
        return model_memory(registry, in, out, err);
    case TT_MSG_WORKER_DEVICE:
        return device_facts(registry, in, out, err);
    default:
        return model_digest(registry, in, out, err);
    }
}
