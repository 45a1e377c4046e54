/* A sequence of operations noted once and replayed with the same tensors: on a device with a queue, thousands
 * of small calls become one. */
#ifndef TT_TENSOR_RECORDING_H
#define TT_TENSOR_RECORDING_H

#include "telltale/backend.h"

typedef struct tt_recording tt_recording;

/* Has the device's backend recordings and copies? */
TT_API bool tt_device_records(const tt_device *device);

/* Records what `body` runs. It is called two to four times, first to compute and to find out what memory it
 * takes, at last to be noted; it must run the same operations on the same shapes each time, with inputs
 * created beforehand, and neither upload nor download. Memory that it takes from scopes comes from the
 * recording's own; what the last call leaves open (its result) stays valid and is written by each replay, the
 * first of which is part of this call.
 *
 * Errors: body's, TT_ERR_MEMORY, the backend's. On failure *recording is NULL. */
TT_API tt_status tt_recording_make(tt_device *device, tt_status (*body)(void *user, tt_error *err),
                                   void *user, tt_recording **recording, tt_error *err);

/* Queues all of it on the tensors' present contents. */
TT_API tt_status tt_recording_replay(tt_recording *recording, tt_error *err);

/* NULL is fine. Values that body left open are the caller's to free, before or afterwards. */
TT_API void tt_recording_free(tt_recording *recording);

#endif
