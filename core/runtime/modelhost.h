/* A model's host: loads one target and one backend, knows the samples, checks access, counts, batches, and
 * computes equal evaluations of one batch once. The conductor drives it over its own connection; each attack
 * has another with the capabilities that it was granted.
 *
 * Things (latents, conditions, predictions, images) live here; attacks hold handles. All handles end with the
 * batch. */
#ifndef TT_RUNTIME_MODELHOST_H
#define TT_RUNTIME_MODELHOST_H

#include "base/hash.h"
#include "runtime/port.h"
#include "runtime/wire.h"
#include "telltale/plugin.h"

typedef struct tt_host_sample {
    uint64_t id;
    const char *path, *caption; /* caption NULL: none */
    tt_digest digest;
} tt_host_sample;

/* What is counted, attributed (asked for) and executed (computed after sharing). */
typedef struct tt_meter {
    uint64_t predictions, encodes, decodes, texts, images;
    uint64_t service_texts,
        service_predictions; /* the attacker's own models: texts weighed, and what they took */
    uint64_t money;          /* billionths of the currency of the model's price */
} tt_meter;
#define TT_MONEY_UNIT 1e9
typedef struct tt_meters {
    tt_meter attributed, executed;
} tt_meters;
TT_API void tt_meters_add(tt_meters *sum, const tt_meters *m);
TT_API void tt_put_meters(tt_buf *out, const tt_meters *m);
TT_API tt_meters tt_get_meters(tt_reader *in);
/* The same in two parts, for journals: those of before there was money have the counts alone. */
TT_API void tt_put_counts(tt_buf *out, const tt_meters *m);
TT_API tt_meters tt_get_counts(tt_reader *in);
TT_API void tt_put_money(tt_buf *out, const tt_meters *m);
TT_API void tt_get_money(tt_reader *in, tt_meters *m);

typedef struct tt_modelhost tt_modelhost;
typedef struct tt_modelhost_connection tt_modelhost_connection;

TT_API tt_modelhost *tt_modelhost_create(const char *const *plugin_dirs,
                                         size_t n_plugin_dirs); /* NULL: no memory */
TT_API void tt_modelhost_destroy(tt_modelhost *host);

/* The handlers of the two kinds of connection (tt_handler of port.h); `connection` is NULL for the
 * conductor's. */
TT_API tt_status tt_modelhost_control(void *host, void *connection, uint16_t type, tt_reader *in, int *fds,
                                      uint32_t n_fds, tt_buf *out, tt_error *err);
TT_API tt_status tt_modelhost_request(void *host, void *connection, uint16_t type, tt_reader *in, int *fds,
                                      uint32_t n_fds, tt_buf *out, tt_error *err);
/* The connection that TT_MSG_HOST_CONNECT made: for direct ports. NULL: no such index. */
TT_API tt_modelhost_connection *tt_modelhost_connection_at(tt_modelhost *host, uint32_t index);

/* Serves until the conductor's end of `control_fd` closes. The main loop of the host process. */
TT_API tt_status tt_modelhost_serve(tt_modelhost *host, int control_fd, tt_error *err);

/* ---- the attack's end ---- */

/* A tt_model whose calls go through `port` (owned by the model from then on). Functions outside `granted` are
 * NULL. */
TT_API tt_status tt_model_client_create(tt_port *port, const char *role, tt_model **model, tt_error *err);
TT_API void tt_model_client_destroy(tt_model *model);
/* The same for a service. */
TT_API tt_status tt_service_client_create(tt_port *port, const char *name, tt_service **service,
                                          tt_error *err);
TT_API void tt_service_client_destroy(tt_service *service);

#endif
