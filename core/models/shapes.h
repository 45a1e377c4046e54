/* A network's batches by shape. On a device that records, the last few shapes are kept, each with tensors at
 * fixed places for all that differs between two batches, and a recording of what the device does with them
 * (tensor/recording.h). Elsewhere nothing is kept. */
#ifndef TT_MODELS_SHAPES_H
#define TT_MODELS_SHAPES_H

#include "models/blocks.h"
#include "tensor/recording.h"

#define TT_SHAPES     4 /* kept: full and last batches of two kinds, say; the longest unused makes room */
#define TT_SHAPE_KEYS 4

typedef struct tt_shapes tt_shapes;

/* What is computed for batches of one shape. */
typedef struct tt_shape {
    tt_shapes *of;
    int key[TT_SHAPE_KEYS]; /* sizes, and whatever else is the same in all its batches; 0 behind the last */
    tt_scope *scope;
    tt_tensor *inputs;
    tt_value out; /* replays write where it is; read it before anything else runs on the device */
    tt_recording *recording;
} tt_shape;

/* Zero-initialise `kept`; the network forgets its shapes before it unpacks its weights. */
struct tt_shapes {
    tt_device *device;
    void *network;
    int n_inputs;
    /* creates n_inputs tensors in s->scope; what is the same in all batches is uploaded here */
    tt_status (*create)(void *network, tt_shape *s, tt_error *err);
    /* from s->inputs, which stay as they are, to a fresh s->out: a recording's body */
    tt_status (*compute)(void *network, tt_shape *s, tt_error *err);
    tt_shape *kept[TT_SHAPES]; /* latest use first, NULL behind the last */
};

/* The shape with this key, to be given back. Error: *shape is NULL. */
tt_status tt_shape_take(tt_shapes *shapes, const int key[TT_SHAPE_KEYS], tt_shape **shape, tt_error *err);
void tt_shape_give(tt_shape *shape); /* NULL is fine */
tt_status tt_shape_run(tt_shape *shape, tt_error *err);
void tt_shapes_forget(tt_shapes *shapes);

#endif
