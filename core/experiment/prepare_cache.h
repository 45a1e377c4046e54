/* Inside of tt_prepare_cache: for prepare*.c. Failures are kept too, so that a question is not asked twice to
 * hear the same. */
#ifndef TT_EXPERIMENT_PREPARE_CACHE_H
#define TT_EXPERIMENT_PREPARE_CACHE_H

#include "experiment/prepare.h"

/* Answers live as long as the cache. */
tt_status tt_cached_digest(tt_prepare_cache *c, const tt_spec_plugin *target, const char **hex,
                           tt_error *err);
tt_status tt_cached_environment(tt_prepare_cache *c, const tt_spec *spec, const char **text, tt_error *err);

/* Samples are shared by specs that agree in data and seed; those that nobody holds may be dropped. */
typedef struct tt_cached_samples tt_cached_samples;
tt_status tt_cached_samples_take(tt_prepare_cache *c, const tt_spec *spec, const char *store,
                                 const bool *measured, bool needs_captions, tt_cached_samples **held,
                                 tt_error *err);
const tt_samples *tt_cached_samples_of(const tt_cached_samples *held);
void tt_cached_samples_give(tt_cached_samples *held); /* NULL is fine */

/* What a target's host will need on the spec's device, and that device itself; not kept, for it is asked once
 * a plan. */
tt_status tt_cached_memory(tt_prepare_cache *c, const tt_spec *spec, const tt_spec_plugin *target,
                           bool *known, tt_memory_need *need, tt_error *err);
tt_status tt_cached_device(tt_prepare_cache *c, const tt_spec *spec, tt_device_facts *facts, tt_error *err);

#endif
