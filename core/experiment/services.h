/* The hosts of a run's services: the attacker's own models. Each starts when an attack first asks it and
 * lives until the run's measuring ends, so that what it was asked on one model it still knows on the next. */
#ifndef TT_EXPERIMENT_SERVICES_H
#define TT_EXPERIMENT_SERVICES_H

#include "experiment/spec.h"
#include "runtime/spawn.h"

typedef struct tt_services {
    tt_child *hosts; /* [spec->n_services] */
    bool *started;
    tt_error *unusable; /* why a host that was started could not open its service */
    size_t n;
} tt_services;

/* Zero-initialise; stop frees. */
TT_API tt_status tt_services_host(tt_services *services, const tt_spec *spec, const tt_launch *launch,
                                  const char *name, tt_child **host, tt_error *err);
TT_API void tt_services_stop(tt_services *services);

#endif
