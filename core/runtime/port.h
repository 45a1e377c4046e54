/* A port: the asking end of a request and its answer. Two kinds with one behaviour: over a channel to another
 * process, and a direct call of the server in this process (--in-process), through the same bytes. So the two
 * modes cannot drift apart. */
#ifndef TT_RUNTIME_PORT_H
#define TT_RUNTIME_PORT_H

#include "runtime/channel.h"
#include "runtime/wire.h"

/* A server's answer to one request: reads `in`, appends its results to `out`. On failure `out` is dropped and
 * the error travels. fds: descriptors that came along; take one by setting it to -1. `connection` tells who
 * asks. */
typedef tt_status (*tt_handler)(void *server, void *connection, uint16_t type, tt_reader *in, int *fds,
                                uint32_t n_fds, tt_buf *out, tt_error *err);

typedef struct tt_port tt_port;

/* Over a channel; the port owns fd. */
TT_API tt_port *tt_port_over_channel(int fd, const char *peer_name);
/* Straight to a server in this process. */
TT_API tt_port *tt_port_direct(tt_handler handler, void *server, void *connection, const char *peer_name);
TT_API void tt_port_close(tt_port *port); /* NULL is fine */
/* Seconds to wait for an answer; 0: for ever (the default). A peer that misses it counts as crashed. */
TT_API void tt_port_set_time_limit(tt_port *port, double seconds);
/* The conductor's ports stop waiting when the user wants to stop. */
TT_API void tt_port_watch_stop(tt_port *port, bool watch);

typedef struct tt_reply {
    tt_reader in; /* what the server appended */
    tt_message message;
    tt_buf buffer;
} tt_reply;
/* Sends a request and waits. On TT_OK read reply->in and then free it. fd: a descriptor to send along, or -1.
 */
TT_API tt_status tt_port_call(tt_port *port, uint16_t type, const tt_buf *request, int fd, tt_reply *reply,
                              tt_error *err);
TT_API void tt_reply_free(tt_reply *reply);
/* After the last read: TT_ERR_FORMAT when the answer was too short. Frees the reply. */
TT_API tt_status tt_reply_end(tt_reply *reply, tt_error *err);

/* The serving end: receives one request from fd and answers it. TT_ERR_CRASHED: the peer is gone. */
TT_API tt_status tt_serve_one(int fd, tt_handler handler, void *server, void *connection, tt_error *err);

#endif
