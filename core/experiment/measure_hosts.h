/* The model hosts of one group of measure steps, which see the same samples. Shared by measure*.c only. */
#ifndef TT_EXPERIMENT_MEASURE_HOSTS_H
#define TT_EXPERIMENT_MEASURE_HOSTS_H

#include "experiment/step.h"
#include "runtime/spawn.h"

typedef struct tt_measure_host {
    tt_buf request; /* to open it: what it is known by. Two specs that say the same share the host */
    tt_child child;
    tt_spec_price price;
    tt_error unusable; /* why it could not open its model; code TT_OK: it could */
} tt_measure_host;

typedef struct tt_measure_hosts {
    const tt_launch *launch;
    const tt_universe *universe;
    tt_measure_host **list;
    size_t n;
} tt_measure_hosts;

/* What the host is asked to open: model (NULL: the images alone), backend, threads, seed. Two hosts are the
 * same where these bytes are. */
bool tt_measure_host_request(const tt_spec *spec, const tt_spec_model *model, const tt_universe *universe,
                             tt_buf *request);
/* Its first part: a model with its batch, on a device, whoever measures what on it. */
bool tt_measure_model_text(const tt_spec *spec, const tt_spec_model *model, tt_buf *text);
/* The host of a role of this step, started when it is first asked for; an index into list. */
tt_status tt_measure_hosts_take(tt_measure_hosts *x, const tt_measure_step *step, const char *role,
                                size_t *index, tt_error *err);
/* Sends a request and drops an empty answer; frees the request. */
tt_status tt_measure_tell(tt_child *child, uint16_t type, tt_buf *request, tt_error *err);
void tt_measure_hosts_stop(tt_measure_hosts *x);

#endif
