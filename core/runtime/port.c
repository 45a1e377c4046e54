#include "runtime/port.h"

#include <string.h>
#include <unistd.h>

struct tt_port {
    char peer[64];
    int fd; /* -1: direct */
    tt_handler handler;
    void *server, *connection;
    int timeout_ms;
    bool watch_stop;
};

static tt_port *port_create(const char *peer)
{
    tt_port *port = tt_alloc_zero(sizeof *port);
    if (!port) return NULL;
    strncpy(port->peer, peer, sizeof port->peer - 1);
    port->fd = -1;
    port->timeout_ms = -1;
    return port;
}

tt_port *tt_port_over_channel(int fd, const char *peer)
{
    tt_port *port = port_create(peer);
    if (port) port->fd = fd;
    return port;
}

tt_port *tt_port_direct(tt_handler handler, void *server, void *connection, const char *peer)
{
    tt_port *port = port_create(peer);
    if (port) {
        port->handler = handler;
        port->server = server;
        port->connection = connection;
    }
    return port;
}

void tt_port_close(tt_port *port)
{
    if (!port) return;
    if (port->fd >= 0) close(port->fd);
    tt_free(port);
}

void tt_port_set_time_limit(tt_port *port, double seconds)
{
    port->timeout_ms = seconds <= 0 ? -1 : seconds > 2e6 ? 2000000000 : (int)(seconds * 1000 + 0.5);
}

void tt_port_watch_stop(tt_port *port, bool watch)
{
    port->watch_stop = watch;
}

/* An answer begins with its status; a failure carries its message and nothing else. */
static void put_failure(tt_buf *out, tt_status status, const tt_error *err)
{
    out->size = 0;
    out->failed = false;
    tt_put_u32(out, (uint32_t)status);
    tt_put_text(out, err->message);
}

static void answer(tt_handler handler, void *server, void *connection, uint16_t type, const void *data,
                   size_t size, int *fds, uint32_t n_fds, tt_buf *out)
{
    tt_error failure = {0};
    tt_reader in = tt_reader_over(data, size);
    tt_put_u32(out, TT_OK);
    tt_status s = handler(server, connection, type, &in, fds, n_fds, out, &failure);
    if (!s && out->failed) s = tt_fail(&failure, TT_ERR_MEMORY, "out of memory for an answer");
    if (s) put_failure(out, s, &failure);
}

static tt_status open_reply(tt_reply *reply, const char *peer, tt_error *err)
{
    uint32_t status = tt_get_u32(&reply->in);
    if (!reply->in.failed && status == TT_OK) return TT_OK;
    const char *message = tt_get_text(&reply->in);
    tt_status s = reply->in.failed || !message || status > TT_ERR_INTERNAL
                      ? tt_fail(err, TT_ERR_FORMAT, "%s: an answer that is no answer", peer)
                      : tt_fail(err, (tt_status)status, "%s", message);
    tt_reply_free(reply);
    return s;
}

tt_status tt_port_call(tt_port *port, uint16_t type, const tt_buf *request, int fd, tt_reply *reply,
                       tt_error *err)
{
    *reply = (tt_reply){0};
    if (request && request->failed)
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for a request", port->peer);
    const void *data = request ? request->data : NULL;
    size_t size = request ? request->size : 0;
    if (port->fd < 0) {
        int fds[1] = {fd};
        answer(port->handler, port->server, port->connection, type, data, size, fds, fd >= 0 ? 1 : 0,
               &reply->buffer);
        reply->in = tt_reader_over(reply->buffer.data, reply->buffer.size);
        return open_reply(reply, port->peer, err);
    }
    tt_status s = tt_channel_send(port->fd, type, data, size, &fd, fd >= 0 ? 1 : 0, err);
    if (!s) s = tt_channel_receive(port->fd, port->timeout_ms, port->watch_stop, &reply->message, err);
    if (s) return s == TT_ERR_INTERRUPTED ? s : tt_fail_in(err, "%s", port->peer);
    reply->in = tt_reader_over(reply->message.data, reply->message.size);
    return open_reply(reply, port->peer, err);
}

void tt_reply_free(tt_reply *reply)
{
    tt_message_free(&reply->message);
    tt_buf_free(&reply->buffer);
    reply->in = (tt_reader){0};
}

tt_status tt_reply_end(tt_reply *reply, tt_error *err)
{
    bool complete = tt_reader_done(&reply->in);
    tt_reply_free(reply);
    return complete ? TT_OK : tt_fail(err, TT_ERR_FORMAT, "an answer of the wrong length");
}

tt_status tt_serve_one(int fd, tt_handler handler, void *server, void *connection, tt_error *err)
{
    tt_message m;
    tt_status s = tt_channel_receive(fd, -1, 0, &m, err);
    if (s) return s;
    tt_buf out = {0};
    answer(handler, server, connection, m.type, m.data, m.size, m.fds, m.n_fds, &out);
    s = tt_channel_send(fd, m.type, out.data, out.size, NULL, 0, err);
    tt_buf_free(&out);
    tt_message_free(&m);
    return s;
}
