/* The device's memory of activations, shared by device.c and scope.c. */
#ifndef TT_TENSOR_DEVICE_H
#define TT_TENSOR_DEVICE_H

#include "tensor/tensor.h"
#include "telltale/backend.h"

/* One block of backend memory. */
typedef struct tt_block {
    size_t size; /* capacity, bytes */
    size_t used; /* what the tensor in it asked for; counts as live */
    void *data;
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
    tt_blocks kept;       /* free blocks, ascending by size */
    size_t n_allocations; /* of the backend's memory, ever */
    size_t n_scopes;
};

#endif
