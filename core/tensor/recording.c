#include "tensor/recording.h"
#include "tensor/device.h"

struct tt_recording {
    tt_device *device;
    tt_blocks pool; /* what the operations use between inputs and result; free otherwise */
    void *recorded; /* the backend's */
};

bool tt_device_records(const tt_device *device)
{
    const tt_backend *b = device->backend;
    return b->record_begin && b->record_end && b->replay && b->recording_free && b->copy;
}

/* Blocks that scopes take and give back come from `pool` and go there, until this is called again. */
static void exchange_pools(tt_recording *r)
{
    tt_blocks general = r->device->kept;
    r->device->kept = r->pool;
    r->pool = general;
}

/* Runs body until it finds all its memory in the pool: best fit may choose otherwise among more blocks. */
static tt_status warm_up(tt_recording *r, tt_status (*body)(void *user, tt_error *err), void *user,
                         tt_error *err)
{
    tt_status s = TT_OK;
    for (int i = 0; i < 3 && !s; i++) {
        size_t before = r->device->n_allocations;
        s = body(user, err);
        if (r->device->n_allocations == before) break;
    }
    return s;
}

static tt_status record(tt_recording *r, tt_status (*body)(void *user, tt_error *err), void *user,
                        tt_error *err)
{
    const tt_backend *b = r->device->backend;
    void *self = r->device->self;
    tt_status s = b->record_begin(self, err);
    if (s) return s;
    s = body(user, err);
    tt_error ignored = {0};
    tt_status ended = b->record_end(self, &r->recorded, s ? &ignored : err);
    return s ? s : ended;
}

tt_status tt_recording_make(tt_device *device, tt_status (*body)(void *user, tt_error *err), void *user,
                            tt_recording **recording, tt_error *err)
{
    *recording = NULL;
    if (!tt_device_records(device))
        return tt_fail(err, TT_ERR_UNSUPPORTED, "backend %s has no recordings", device->backend->name);
    tt_recording *r = tt_alloc_zero(sizeof *r);
    if (!r) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a recording");
    r->device = device;
    tt_device_trim(device); /* the recording needs as much once more, of its own */
    exchange_pools(r);
    tt_status s = warm_up(r, body, user, err);
    if (!s) s = record(r, body, user, err);
    exchange_pools(r);
    if (!s) s = tt_recording_replay(r, err); /* what was noted was not run */
    if (s)
        tt_recording_free(r);
    else
        *recording = r;
    return s;
}

tt_status tt_recording_replay(tt_recording *r, tt_error *err)
{
    return r->device->backend->replay(r->device->self, r->recorded, err);
}

void tt_recording_free(tt_recording *r)
{
    if (!r) return;
    if (r->recorded) r->device->backend->recording_free(r->device->self, r->recorded);
    exchange_pools(r);
    tt_device_trim(r->device);
    exchange_pools(r);
    tt_free(r->pool.items);
    tt_free(r);
}
