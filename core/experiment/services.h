/* The hosts of a run's services: the attacker's own models. Each starts when an attack first asks it and
 * lives until the measuring ends, so that what it was asked on one model it still knows on the next. */
#ifndef TT_EXPERIMENT_SERVICES_H
#define TT_EXPERIMENT_SERVICES_H

#include "experiment/spec.h"
#include "runtime/spawn.h"

typedef struct tt_services {
    struct tt_service_host *first;
} tt_services;

/* Zero-initialise; stop frees. Specs that say the same of a service share its host. Not for several threads.
 * maps_dir: folder in which heat maps of words are kept (word_maps.h), made where there are any; NULL:
 * nowhere. */
TT_API tt_status tt_services_host(tt_services *services, const tt_spec *spec, const tt_launch *launch,
                                  const char *name, const char *maps_dir, tt_child **host, tt_error *err);
TT_API void tt_services_stop(tt_services *services);

#endif
