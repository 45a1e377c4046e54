/* The device's memory of activations, shared by device.c, scope.c and recording.c. */
#ifndef TT_TENSOR_DEVICE_H
#define TT_TENSOR_DEVICE_H

#include "tensor/places.h"
#include "telltale/backend.h"

/* One block of backend memory. */
typedef struct tt_block {
    size_t size; /* capacity, bytes */
    size_t used; /* what the tensor in it asked for; counts as live */
    void *data;
    /* of a pass that is measured or recorded (0: none): the block's place in the region */
    unsigned pass;
    size_t at;
    bool in_region; /* data is the region's */
} tt_block;

/* A growing array of blocks. */
typedef struct tt_blocks {
    tt_block *items;
    size_t n, capacity;
} tt_blocks;

struct tt_device {
    const tt_backend *backend;
    void *self;
    size_t live_bytes, peak_bytes;
    tt_blocks kept; /* free blocks, ascending by size */
    size_t n_scopes;
    /* recording.c: one region is the memory of all recordings */
    struct tt_recording *recordings; /* all, a list */
    char *region;
    size_t region_bytes;
    unsigned pass, passes; /* number of the one that runs (0: none), so far */
    tt_places places;      /* of its blocks */
    bool is_recording;     /* blocks are in the region, for the pass is noted, not run */
    unsigned patience;     /* runs that a recording waits for before it is made */
};

/* For a call that lacked memory: gives up what is kept for reuse, or, where nothing is kept, the memory of
 * recordings. false: there is nothing to give up, or nothing may be now. */
bool tt_device_make_room(tt_device *device);

#endif
