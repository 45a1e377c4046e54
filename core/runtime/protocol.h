/* Message types of the channels of a run (docs/channel.md). A model's host has two kinds of connection: the
 * conductor's own, and one for each attack that was granted something. A worker has the conductor's only. */
#ifndef TT_RUNTIME_PROTOCOL_H
#define TT_RUNTIME_PROTOCOL_H

enum tt_message_type {
    /* conductor → model host */
    TT_MSG_HOST_OPEN = 1,     /* load the target */
    TT_MSG_HOST_SAMPLES,      /* the table of samples: opaque id → file, caption, digest */
    TT_MSG_HOST_CONNECT,      /* grant capabilities to a new connection; its channel comes along */
    TT_MSG_HOST_BATCH,        /* a new batch begins: what the last one left is dropped */
    TT_MSG_HOST_METER,        /* counters of one connection since the last asking */
    TT_MSG_HOST_GENERATE,     /* generate for a step of the plan */
    TT_MSG_HOST_OPEN_SERVICE, /* be the host of a service, not of a model */
    TT_MSG_HOST_IMAGES,       /* in place of open: serve the candidate images, no model */
    TT_MSG_HOST_BUDGET,       /* what may be asked in the batch that has begun, and what is left in all */
    TT_MSG_HOST_PRICE,        /* what a prediction and an image cost, of a model that is paid for */
    TT_MSG_HOST_FITTING,      /* how large a batch fits, after one that did not (0: all did); the batch now */
    TT_MSG_HOST_MEMORY,       /* what it holds of its device's memory */
    /* attack → model host */
    TT_MSG_MODEL_INFO = 32,
    TT_MSG_MODEL_ENCODE,
    TT_MSG_MODEL_TEXT,
    TT_MSG_MODEL_PREDICT,
    TT_MSG_MODEL_DECODE,
    TT_MSG_MODEL_GENERATE,
    TT_MSG_MODEL_VARY,
    TT_MSG_MODEL_PUT,
    TT_MSG_MODEL_GET,
    TT_MSG_MODEL_RELEASE,
    TT_MSG_MODEL_ENCODE_CROP,
    TT_MSG_MODEL_PUT_CONDITION,
    TT_MSG_MODEL_SPANS,
    TT_MSG_MODEL_NOISE,
    TT_MSG_MODEL_ATTEND,
    TT_MSG_SERVICE_WEIGH, /* attack → a service's host */
    TT_MSG_MODEL_IMAGE,
    /* conductor → worker */
    TT_MSG_WORKER_OPEN = 64, /* create the attack; again, in place of the first, while it has no model */
    TT_MSG_WORKER_PLAN,
    TT_MSG_WORKER_MODEL, /* a model handle; its channel comes along */
    TT_MSG_WORKER_MEASURE,
    TT_MSG_WORKER_FIT,
    TT_MSG_WORKER_SCORE,
    TT_MSG_WORKER_DATA,        /* build the manifest of a data set */
    TT_MSG_WORKER_DESCRIBE,    /* a plugin's description */
    TT_MSG_WORKER_ENVIRONMENT, /* a backend's description */
    TT_MSG_WORKER_DIGEST,      /* the digest of a target's model, or of a service's */
    TT_MSG_WORKER_SERVICE,     /* a service's handle; its channel comes along */
    TT_MSG_WORKER_MEMORY,      /* how much a target's host will need */
    TT_MSG_WORKER_DEVICE       /* a device's memory, and what a backend takes of it */
};

#endif
