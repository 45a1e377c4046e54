/* Child processes of a run: model hosts and workers, started by exec of the program itself, killed with it.
 */
#ifndef TT_RUNTIME_SPAWN_H
#define TT_RUNTIME_SPAWN_H

#include "runtime/confine.h"
#include "runtime/modelhost.h"
#include "runtime/port.h"
#include "runtime/program.h"
#include "runtime/worker.h"

#include <sys/types.h>

/* How a run starts its parts. */
typedef struct tt_launch {
    bool in_process;                /* everything here, through the same bytes: for debuggers and tests */
    const char *program;            /* the telltale program; NULL: /proc/self/exe */
    const char *const *plugin_dirs; /* --plugin-dir folders */
    size_t n_plugin_dirs;
    const char *log_dir;       /* children's messages go to files here; NULL: to our stderr */
    double time_limit_s;       /* for one answer; 0: none */
    unsigned jobs;             /* models that are measured at once; 0: one */
    uint64_t memory_limit_mib; /* resident memory of each child; 0: none. Not kept in process */
    const char *hidden[3];     /* folders that attack code never sees: the run's own; NULL: none */
    double heartbeat_s;        /* a child that owes an answer has hung when nothing used the processor for so
                                  long; 0: never. Not kept in process */
} tt_launch;

/* A started host or worker: a process, or a server in this one. */
typedef struct tt_child {
    char name[64];
    char *log_path;
    pid_t pid; /* 0: in process */
    uint64_t memory_limit_mib;
    double heartbeat_s;
    tt_port *control;
    tt_modelhost *host; /* in process only */
    tt_worker *worker;
} tt_child;

typedef enum tt_child_kind { TT_CHILD_HOST, TT_CHILD_WORKER } tt_child_kind;

TT_API tt_status tt_child_start(const tt_launch *launch, tt_child_kind kind, const char *name,
                                tt_child *child, tt_error *err);
/* A worker that runs an attack's code, confined to what it needs (confine.h; launch->hidden is added). A
 * program (need->program) has a process of its own in any case: TT_ERR_UNSUPPORTED with launch->in_process.
 */
TT_API tt_status tt_child_start_attack(const tt_launch *launch, const tt_confine_need *need, const char *name,
                                       tt_child *child, tt_error *err);
/* The rules of such a worker, as tt_confine_rules; none with launch->in_process. */
TT_API tt_status tt_child_rules(const tt_launch *launch, const tt_confine_need *need, tt_buf *rules,
                                tt_error *err);
/* Closes the channel, waits a moment, then kills. Zeroes *child. */
TT_API void tt_child_stop(tt_child *child);
/* A call of the child's control port. When the child is found dead the message says how it died and where its
 * log is. */
TT_API tt_status tt_child_call(tt_child *child, uint16_t type, const tt_buf *request, int fd, tt_reply *reply,
                               tt_error *err);
/* Connects an attack's worker to a model's host with these capabilities, as `role`; *connection is the host's
 * index for TT_MSG_HOST_METER. */
TT_API tt_status tt_child_connect(tt_child *host, tt_child *worker, const char *role, uint32_t capabilities,
                                  uint32_t *connection, tt_error *err);

/* The same for this process itself, which is no attack: for measuring what a host can do. Destroy the model
 * before the host is stopped. */
TT_API tt_status tt_child_open_model(tt_child *host, const char *role, uint32_t capabilities,
                                     double time_limit_s, tt_model **model, tt_error *err);

/* Connects an attack's worker to a service's host, as `name`. */
TT_API tt_status tt_child_connect_service(tt_child *host, tt_child *worker, const char *name,
                                          uint32_t *connection, tt_error *err);

/* What a host holds: memory of its own (no mapped files), and of a device's. */
typedef struct tt_child_memory {
    uint64_t bytes;
    bool on_device;                           /* its backend counts what it holds of a device; else 0: */
    uint64_t device_bytes, device_most_bytes; /* now; at most so far */
} tt_child_memory;
/* Asks a host; the most that it held of a device goes into the peaks below. */
TT_API tt_status tt_child_ask_memory(tt_child *host, tt_child_memory *memory, tt_error *err);

/* The most memory of its own (no mapped files) that any process of a name was seen to hold, looked at ten
 * times a second: "conductor", "worker" (any), and hosts by their names; since this process began. Of hosts
 * on a device whose backend counts also the most of the device's. The number of them that were written to
 * list. */
typedef struct tt_child_peak {
    char name[64];
    uint64_t kib, device_kib;
} tt_child_peak;
TT_API size_t tt_child_peaks(tt_child_peak *list, size_t most);

/* The main function of a child: `telltale __host` and `telltale __worker`, with the channel on descriptor 3.
 */
TT_API int tt_child_main(tt_child_kind kind, int argc, char **argv);

#endif
