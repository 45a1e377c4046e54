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
/* What the results of a backend on this machine depend on: libraries with versions, instruction set, threads.
 * *text lives as long as the describer. */
TT_API tt_status tt_describe_backend(tt_describer *d, const char *backend, int threads, int device_index,
                                     const char **text, tt_error *err);
/* The digest of a target's weights and configs, or of a service's (kind), lower-case hex; params: canonical
 * JSON. */
TT_API tt_status tt_describe_target(tt_describer *d, tt_plugin_kind kind, const char *target,
                                    const char *params, char hex[65], tt_error *err);

/* The worker's end (worker.c): answers of TT_MSG_WORKER_DESCRIBE, _ENVIRONMENT and _DIGEST. */
void tt_put_plugin_info(tt_buf *out, const tt_plugin_info *info);

#endif
