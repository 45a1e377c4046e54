/* What plugins say of themselves, asked of a worker: the conductor opens no plugin, so that one that crashes
 * or hangs while it is described costs a message, not the run. */
#ifndef TT_RUNTIME_DESCRIBE_H
#define TT_RUNTIME_DESCRIBE_H

#include "plugin/registry.h"
#include "runtime/spawn.h"

typedef struct tt_describer tt_describer;

/* The worker starts with the first question. `launch` must outlive it. NULL: out of memory. */
TT_API tt_describer *tt_describer_create(const tt_launch *launch);
TT_API void tt_describer_destroy(tt_describer *d); /* NULL is fine; frees all descriptions */

/* A plugin's description; lives as long as the describer. TT_ERR_NOT_FOUND names the nearest known name.
 * `describer` is a tt_describer (the signature of tt_plugin_source.find). */
TT_API tt_status tt_describe_plugin(void *describer, tt_plugin_kind kind, const char *name,
                                    const tt_plugin_info **info, tt_error *err);
/* What a program that is an attack says of itself, checked as a plugin's description is. Known by its
 * content: a file that changes is asked anew. (The signature of tt_plugin_source.find_program.) */
TT_API tt_status tt_describe_program(void *describer, const tt_program *program, const tt_plugin_info **info,
                                     tt_error *err);
/* What the results of a backend on this machine depend on: libraries with versions, instruction set, threads;
 * where rows' bits depend on the size of the batch (TT_BACKEND_BATCH_IN_BITS) it ends in
 * TT_ENVIRONMENT_OF_BATCH. *text lives as long as the describer. */
TT_API tt_status tt_describe_backend(tt_describer *d, const char *backend, const tt_device_options *options,
                                     const char **text, tt_error *err);
#define TT_ENVIRONMENT_OF_BATCH "; bits depend on the batch"
/* The backend that `device: auto` means here: the first usable one, accelerators before processors. (The
 * signature of tt_plugin_source.best_backend.) */
TT_API tt_status tt_describe_best_backend(void *describer, const char **name, tt_error *err);
/* The digest of a target's weights and configs, or of a service's (kind), lower-case hex; params: canonical
 * JSON. */
TT_API tt_status tt_describe_target(tt_describer *d, tt_plugin_kind kind, const char *target,
                                    const char *params, char hex[65], tt_error *err);

/* What a target's host will need on this device; *known false: the target does not say. params: canonical
 * JSON. */
TT_API tt_status tt_describe_memory(tt_describer *d, const char *target, const char *params,
                                    const char *backend, const tt_device_options *options, bool *known,
                                    tt_memory_need *need, tt_error *err);

typedef struct tt_device_facts {
    bool own_memory; /* is a device's memory another than the process's? Else free and total are 0 */
    bool records;    /* batches of one shape are recorded and replayed */
    uint64_t free_bytes,
        total_bytes; /* free beside the asking process, which has the device open like any other */
    uint64_t device_bytes, host_bytes; /* an open device's own, as of backend.h */
} tt_device_facts;
TT_API tt_status tt_describe_device(tt_describer *d, const char *backend, const tt_device_options *options,
                                    tt_device_facts *facts, tt_error *err);

/* Ends the worker until the next question: one that has asked a device keeps a part of its memory. NULL is
 * fine.
 */
TT_API void tt_describer_rest(tt_describer *d);

/* The worker's end (worker_describe.c): answers TT_MSG_WORKER_DESCRIBE, _ENVIRONMENT, _DIGEST, _MEMORY and
 * _DEVICE. */
tt_status tt_worker_describe(tt_registry *registry, uint16_t type, tt_reader *in, tt_buf *out, tt_error *err);
void tt_put_plugin_info(tt_buf *out, const tt_plugin_info *info);
/* Of TT_MSG_WORKER_MEMORY. */
void tt_put_memory(tt_buf *out, const tt_memory_need *need);
void tt_get_memory(tt_reader *in, tt_memory_need *need);

#endif
