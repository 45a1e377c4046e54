/* Memory of recordings. A recording holds the addresses of its time for as long as it lives, so its memory is
 * nobody else's. But recordings run one after another, and nothing of one run is needed in the next but the
 * result, which is read before: so all recordings of a device share one region, as large as the largest of
 * them needs. A VAE and a UNet together hold no more than the larger of the two, and a VAE that is never
 * asked again holds nothing of its own.
 *
 * The first run, a plain one, measures: blocks come from the device as usual, and get places in a region that
 * is not there yet. It also makes the backend plan and load all that is needed. The second run is recorded,
 * at the same places. A region that is too small is replaced by a larger one, and the recordings in it are
 * made again at their next run.
 *
 * When memory ends, all recordings and the region are given up before any call fails. A shape whose recording
 * failed or was given up is computed plainly for twice as many runs (64 at most) as the last time, so that a
 * device that is always short of memory spends little on recordings that it cannot keep. */
#include "tensor/recording.h"
#include "base/log.h"
#include "tensor/device.h"

#include <assert.h>

#define MOST_PATIENCE 64u

struct tt_recording {
    tt_device *device;
    tt_status (*body)(void *user, tt_error *err);
    void *user;
    size_t bytes;   /* of the region, that a run needs; 0: not measured yet */
    unsigned plain; /* runs without a recording since the last one failed or was given up */
    void *recorded; /* the backend's; NULL: none */
    tt_recording *next;
};

bool tt_device_records(const tt_device *device)
{
    const tt_backend *b = device->backend;
    return b->record_begin && b->record_end && b->replay && b->recording_free && b->copy;
}

/* ---- the region ---- */

static void drop(tt_recording *r)
{
    if (r->recorded) r->device->backend->recording_free(r->device->self, r->recorded);
    r->recorded = NULL;
}

static void free_region(tt_device *d)
{
    for (tt_recording *r = d->recordings; r; r = r->next)
        drop(r);
    if (d->region) d->backend->free(d->self, d->region);
    d->region = NULL;
    d->region_bytes = 0;
}

static void lose_patience(tt_device *d)
{
    if (d->patience < MOST_PATIENCE) d->patience *= 2;
}

bool tt_device_make_room(tt_device *d)
{
    if (d->is_recording) return false;
    if (d->kept.n > 0) {
        tt_device_trim(d);
        return true;
    }
    if (!d->region) return false;
    free_region(d);
    lose_patience(d);
    for (tt_recording *r = d->recordings; r; r = r->next)
        r->plain = 0;
    return true;
}

static tt_status make_region(tt_device *d, size_t bytes, tt_error *err)
{
    tt_device_trim(d); /* what the plain runs took is not needed any more */
    if (d->region_bytes >= bytes) return TT_OK;
    free_region(d);
    d->region = d->backend->alloc(d->self, bytes);
    if (!d->region)
        return tt_fail(err, TT_ERR_MEMORY, "out of memory on backend %s: %zu bytes asked for a recording",
                       d->backend->name, bytes);
    d->region_bytes = bytes;
    return TT_OK;
}

/* ---- runs ---- */

static void begin_pass(tt_device *d)
{
    assert(!d->pass);
    d->passes += d->passes == UINT32_MAX ? 2 : 1; /* 0 is none */
    d->pass = d->passes;
}

/* The result's block, still open, is none of the next pass. */
static void end_pass(tt_device *d)
{
    tt_places_clear(&d->places);
    d->pass = 0;
}

static tt_status run_plainly(tt_recording *r, tt_error *err)
{
    tt_device *d = r->device;
    bool measure = !r->bytes && tt_device_records(d);
    if (measure) begin_pass(d);
    tt_status status = r->body(r->user, err);
    if (measure) {
        if (!status) r->bytes = d->places.end ? d->places.end : 1;
        end_pass(d);
    }
    if (!status) r->plain++;
    return status;
}

static tt_status note(tt_recording *r, tt_error *err)
{
    tt_device *d = r->device;
    const tt_backend *b = d->backend;
    tt_status status = b->record_begin(d->self, err);
    if (status) return status;
    begin_pass(d);
    d->is_recording = true;
    status = r->body(r->user, err);
    d->is_recording = false;
    end_pass(d);
    tt_error ignored = {0};
    tt_status ended = b->record_end(d->self, &r->recorded, status ? &ignored : err);
    return status ? status : ended;
}

static tt_status record(tt_recording *r, tt_error *err)
{
    tt_status status = make_region(r->device, r->bytes, err);
    if (!status) status = note(r, err);
    return status ? status : r->device->backend->replay(r->device->self, r->recorded, err);
}

static void give_up(tt_recording *r)
{
    tt_device *d = r->device;
    bool holds = false;
    drop(r);
    for (const tt_recording *other = d->recordings; other; other = other->next)
        holds = holds || other->recorded;
    if (!holds) free_region(d);
    r->plain = 0;
    lose_patience(d);
}

tt_status tt_recording_run(tt_recording *r, tt_error *err)
{
    tt_device *d = r->device;
    tt_error why = {0};
    tt_status status;
    if (r->recorded)
        status = d->backend->replay(d->self, r->recorded, &why);
    else if (r->bytes && r->plain >= d->patience)
        status = record(r, &why);
    else
        return run_plainly(r, err);
    if (!status) return TT_OK;
    give_up(r);
    status = run_plainly(r, err); /* shows whether the device is well */
    if (!status && why.code != TT_ERR_MEMORY)
        tt_log(TT_LOG_WARNING, "operations run one by one, for they cannot be recorded: %s", why.message);
    return status;
}

/* ---- */

tt_status tt_recording_create(tt_device *device, tt_status (*body)(void *user, tt_error *err), void *user,
                              tt_recording **recording, tt_error *err)
{
    tt_recording *r = *recording = tt_alloc_zero(sizeof *r);
    if (!r) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a recording");
    *r = (tt_recording){.device = device, .body = body, .user = user, .next = device->recordings};
    device->recordings = r;
    return TT_OK;
}

void tt_recording_free(tt_recording *r)
{
    if (!r) return;
    tt_device *d = r->device;
    tt_recording **at = &d->recordings;
    drop(r);
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    tt_free(r);
    if (!d->recordings) free_region(d);
}
