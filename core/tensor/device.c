#include "tensor/device.h"
#include "telltale/plugin.h"

#include <assert.h>

static tt_status check_table(const tt_backend *b, tt_error *err)
{
    if (!b) return tt_fail(err, TT_ERR_INVALID, "no backend given");
    if (b->abi != TT_ABI_VERSION)
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "backend has ABI %u, this program has %u: rebuild the backend against this version",
                       b->abi, TT_ABI_VERSION);
    if (b->size != sizeof *b)
        return tt_fail(
            err, TT_ERR_UNSUPPORTED,
            "backend's table has %u bytes, this program's %zu: rebuild the backend against this version",
            b->size, sizeof *b);
    const struct {
        const char *name;
        bool there;
    } required[] = {
        {"name", b->name != NULL},         {"describe", b->describe != NULL}, {"open", b->open != NULL},
        {"close", b->close != NULL},       {"alloc", b->alloc != NULL},       {"free", b->free != NULL},
        {"upload", b->upload != NULL},     {"download", b->download != NULL}, {"pack", b->pack != NULL},
        {"supports", b->supports != NULL}, {"unpack", b->unpack != NULL},     {"run", b->run != NULL},
    };
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!required[i].there)
            return tt_fail(err, TT_ERR_INVALID, "backend %s lacks '%s'", b->name ? b->name : "?",
                           required[i].name);
    return TT_OK;
}

static tt_status check_options(const tt_device_options *o, const char *name, tt_error *err)
{
    if (o->size != sizeof *o)
        return tt_fail(err, TT_ERR_INVALID, "backend %s: options of %u bytes: must be %zu", name, o->size,
                       sizeof *o);
    if (o->threads < 0)
        return tt_fail(err, TT_ERR_INVALID, "backend %s: threads is %d: must be >= 0 (0: all)", name,
                       o->threads);
    if (o->index < 0)
        return tt_fail(err, TT_ERR_INVALID, "backend %s: index is %d: must be >= 0", name, o->index);
    return TT_OK;
}

tt_status tt_device_open(const tt_backend *backend, const tt_device_options *options, tt_device **device,
                         tt_error *err)
{
    *device = NULL;
    tt_device_options defaults = {.size = sizeof defaults};
    if (!options) options = &defaults;
    tt_status status = check_table(backend, err);
    if (!status) status = check_options(options, backend->name, err);
    if (status) return status;
    const char *why = backend->unavailable ? backend->unavailable() : NULL;
    if (why) return tt_fail(err, TT_ERR_UNSUPPORTED, "backend %s: %s", backend->name, why);

    tt_device *d = tt_alloc_zero(sizeof *d);
    if (!d) return tt_fail(err, TT_ERR_MEMORY, "backend %s: out of memory", backend->name);
    d->backend = backend;
    d->patience = 1;
    status = backend->open(options, &d->self, err);
    if (status) {
        tt_free(d);
        return status;
    }
    *device = d;
    return TT_OK;
}

void tt_device_close(tt_device *device)
{
    if (!device) return;
    assert(device->n_scopes == 0 && !device->recordings);
    tt_device_trim(device);
    tt_free(device->kept.items);
    device->backend->close(device->self);
    tt_free(device);
}

const tt_backend *tt_device_backend(const tt_device *device)
{
    return device->backend;
}

void *tt_device_self(const tt_device *device)
{
    return device->self;
}

size_t tt_device_live_bytes(const tt_device *device)
{
    return device->live_bytes;
}

size_t tt_device_peak_bytes(const tt_device *device)
{
    return device->peak_bytes;
}
