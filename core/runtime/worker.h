/* A worker: a process that runs an attack's code (or builds a data set), and nothing of the program besides.
 * One that measures has model handles and no labels; one that fits and scores has labels of a calibration
 * source and no model. */
#ifndef TT_RUNTIME_WORKER_H
#define TT_RUNTIME_WORKER_H

#include "runtime/port.h"
#include "telltale/plugin.h"

typedef struct tt_worker tt_worker;
TT_API tt_worker *tt_worker_create(const char *const *plugin_dirs,
                                   size_t n_plugin_dirs); /* NULL: no memory */
TT_API void tt_worker_destroy(tt_worker *worker);
/* tt_handler of port.h. A direct model port (in-process) is handed over by tt_worker_next_model before
 * TT_MSG_WORKER_MODEL. */
TT_API tt_status tt_worker_request(void *worker, void *connection, uint16_t type, tt_reader *in, int *fds,
                                   uint32_t n_fds, tt_buf *out, tt_error *err);
TT_API void tt_worker_next_model(tt_worker *worker, tt_port *port);
TT_API tt_status tt_worker_serve(tt_worker *worker, int control_fd, tt_error *err);

#endif
