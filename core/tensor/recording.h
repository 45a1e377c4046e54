/* A computation that is run again and again on the same tensors. On a device with a queue its second run is
 * recorded, and later runs are replays: thousands of small calls become one. */
#ifndef TT_TENSOR_RECORDING_H
#define TT_TENSOR_RECORDING_H

#include "telltale/backend.h"

typedef struct tt_recording tt_recording;

/* Has the device's backend recordings and copies? Where it has none, a recording's runs are plain calls. */
TT_API bool tt_device_records(const tt_device *device);

/* `body` must run the same operations on the same shapes each time, with inputs created beforehand, and
 * neither upload nor download; it takes its memory from scopes. What it leaves open, its result, may be read
 * until the next run of any recording of the device; replays write there. It begins by closing what it left
 * open the last time.
 *
 * Error: TT_ERR_MEMORY. */
TT_API tt_status tt_recording_create(tt_device *device, tt_status (*body)(void *user, tt_error *err),
                                     void *user, tt_recording **recording, tt_error *err);

/* Computes on the tensors' present contents, with the same bits whichever way. What cannot be recorded or
 * replayed, for lack of memory or because a library refuses, is computed plainly, and recorded later.
 *
 * Errors: body's. */
TT_API tt_status tt_recording_run(tt_recording *recording, tt_error *err);

/* NULL is fine. Before or after what body left open is closed. */
TT_API void tt_recording_free(tt_recording *recording);

#endif
