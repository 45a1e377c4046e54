#include "runtime/channel.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FLAG_SHARED = 1 };

static const char magic[4] = {'T', 'T', 'C', 'H'};

typedef struct header {
    char magic[4];
    uint16_t version, type;
    uint32_t flags, n_fds; /* n_fds without the shared memory's own */
    uint64_t size;
} header;

tt_status tt_channel_pair(int fds[2], tt_error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return tt_fail(err, TT_ERR_IO, "cannot create a socket pair: %s", strerror(errno));
    return TT_OK;
}

static tt_status peer_gone(tt_error *err)
{
    return tt_fail(err, TT_ERR_CRASHED, "the other process is gone");
}

/* ---- sending ---- */

static tt_status send_all(int fd, const void *data, size_t size, tt_error *err)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return peer_gone(err);
        if (n < 0) return tt_fail(err, TT_ERR_IO, "cannot send: %s", strerror(errno));
        p += n;
        size -= (size_t)n;
    }
    return TT_OK;
}

/* Header and data in one call: the other side wakes once, and finds all. */
static tt_status send_message(int fd, const header *h, const void *data, size_t size, const int *fds,
                              uint32_t n_fds, tt_error *err)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * (TT_CHANNEL_MAX_FDS + 1))];
        struct cmsghdr align;
    } control;
    struct iovec parts[2] = {{(void *)(uintptr_t)h, sizeof *h}, {(void *)(uintptr_t)data, size}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
    if (n_fds > 0) {
        memset(&control, 0, sizeof control);
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return peer_gone(err);
    if (n < 0) return tt_fail(err, TT_ERR_IO, "cannot send: %s", strerror(errno));
    /* descriptors went with the first byte; what did not fit follows on its own */
    size_t sent = (size_t)n, of_header = sent < sizeof *h ? sent : sizeof *h, of_data = sent - of_header;
    tt_status s = send_all(fd, (const char *)h + of_header, sizeof *h - of_header, err);
    return s || !size ? s : send_all(fd, (const char *)data + of_data, size - of_data, err);
}

static tt_status make_shared(const void *data, size_t size, int *out, tt_error *err)
{
    int fd = memfd_create("telltale", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *p = MAP_FAILED;
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 ||
        (p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        tt_status s =
            tt_fail(err, TT_ERR_MEMORY, "no shared memory for %zu bytes: %s", size, strerror(errno));
        if (fd >= 0) close(fd);
        return s;
    }
    memcpy(p, data, size);
    munmap(p, size);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        close(fd);
        return tt_fail(err, TT_ERR_IO, "cannot seal shared memory: %s", strerror(errno));
    }
    *out = fd;
    return TT_OK;
}

tt_status tt_channel_send(int fd, uint16_t type, const void *data, size_t size, const int *fds,
                          uint32_t n_fds, tt_error *err)
{
    if (n_fds > TT_CHANNEL_MAX_FDS || size > TT_CHANNEL_PAYLOAD_MAX)
        return tt_fail(err, TT_ERR_INTERNAL, "message of %zu bytes and %u descriptors is too large", size,
                       n_fds);
    header h = {.version = TT_CHANNEL_VERSION, .type = type, .n_fds = n_fds, .size = size};
    memcpy(h.magic, magic, sizeof magic);
    if (size <= TT_CHANNEL_INLINE_MAX) {
        return send_message(fd, &h, data, size, fds, n_fds, err);
    }
    int all[TT_CHANNEL_MAX_FDS + 1];
    tt_status s = make_shared(data, size, &all[0], err);
    if (s) return s;
    if (n_fds) memcpy(all + 1, fds, sizeof(int) * n_fds);
    h.flags = FLAG_SHARED;
    s = send_message(fd, &h, NULL, 0, all, n_fds + 1, err);
    close(all[0]);
    return s;
}

/* ---- receiving ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the socket has something; polls in slices so that the stop flag is seen. */
static tt_status wait_readable(int fd, int64_t deadline, int watch_stop, tt_error *err)
{
    for (;;) {
        if (watch_stop && tt_stop_requested()) return tt_fail(err, TT_ERR_INTERRUPTED, "interrupted");
        int slice = 200;
        if (deadline >= 0) {
            int64_t left = deadline - now_ms();
            if (left <= 0) return tt_fail(err, TT_ERR_CRASHED, "no answer within the time limit");
            if (left < slice) slice = (int)left;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, slice);
        if (n > 0) return TT_OK;
        if (n < 0 && errno != EINTR) return tt_fail(err, TT_ERR_IO, "cannot wait: %s", strerror(errno));
    }
}

static void close_all(const int *fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        close(fds[i]);
}

/* Reads exactly `size` bytes; descriptors that come along are collected. */
static tt_status receive_bytes(int fd, void *data, size_t size, int64_t deadline, int watch_stop, int *fds,
                               uint32_t *n_fds, tt_error *err)
{
    char *p = data;
    while (size > 0) {
        union {
            char bytes[CMSG_SPACE(sizeof(int) * (TT_CHANNEL_MAX_FDS + 1))];
            struct cmsghdr align;
        } control;
        struct iovec iov = {p, size};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
        /* what is there already is taken without asking whether it is */
        ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            tt_status s = wait_readable(fd, deadline, watch_stop, err);
            if (s) return s;
            continue;
        }
        if (n == 0 || (n < 0 && errno == ECONNRESET)) return peer_gone(err);
        if (n < 0) return tt_fail(err, TT_ERR_IO, "cannot receive: %s", strerror(errno));
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
            uint32_t got = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            for (uint32_t i = 0; i < got; i++) {
                int one;
                memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
                if (*n_fds <= TT_CHANNEL_MAX_FDS)
                    fds[(*n_fds)++] = one;
                else
                    close(one);
            }
        }
        p += n;
        size -= (size_t)n;
    }
    return TT_OK;
}

static tt_status map_shared(int fd, size_t size, tt_message *m, tt_error *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || !(seals & F_SEAL_WRITE) || fstat(fd, &st) != 0 ||
        (uint64_t)st.st_size < size)
        return tt_fail(err, TT_ERR_FORMAT, "shared memory of a message is not sealed or too small");
    /* private: before Linux 6.7 memory sealed against writing cannot be mapped shared, not even for reading
     */
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return tt_fail(err, TT_ERR_MEMORY, "cannot map %zu shared bytes", size);
    m->memory = p;
    m->mapped = size;
    return TT_OK;
}

static tt_status receive_payload(int fd, const header *h, int64_t deadline, int watch_stop, int *fds,
                                 uint32_t *n_fds, tt_message *m, tt_error *err)
{
    bool shared = h->flags & FLAG_SHARED;
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        return tt_fail(err, TT_ERR_FORMAT, "what came is no message of the channel (docs/channel.md)");
    if (h->version != TT_CHANNEL_VERSION)
        return tt_fail(
            err, TT_ERR_FORMAT,
            "a message of channel version %u, where version %u is spoken: use the telltale.py that "
            "came with this telltale",
            h->version, TT_CHANNEL_VERSION);
    if (h->size > TT_CHANNEL_PAYLOAD_MAX || (!shared && h->size > TT_CHANNEL_INLINE_MAX))
        return tt_fail(err, TT_ERR_FORMAT, "message announces %llu bytes", (unsigned long long)h->size);
    if (h->n_fds > TT_CHANNEL_MAX_FDS || *n_fds != h->n_fds + (shared ? 1u : 0u))
        return tt_fail(err, TT_ERR_FORMAT, "message with the wrong number of descriptors");
    tt_status s;
    if (shared) {
        s = map_shared(fds[0], (size_t)h->size, m, err);
        if (s) return s;
    } else if (h->size > 0) {
        m->memory = tt_alloc((size_t)h->size);
        if (!m->memory) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a message");
        s = receive_bytes(fd, m->memory, (size_t)h->size, deadline, watch_stop, fds, n_fds, err);
        if (s) return s;
    }
    m->type = h->type;
    m->data = m->memory;
    m->size = (size_t)h->size;
    for (uint32_t i = 0; i < h->n_fds; i++)
        m->fds[i] = fds[i + (shared ? 1 : 0)];
    m->n_fds = h->n_fds;
    if (shared) close(fds[0]);
    *n_fds = 0; /* all have an owner now */
    return TT_OK;
}

tt_status tt_channel_receive(int fd, int timeout_ms, int watch_stop, tt_message *m, tt_error *err)
{
    *m = (tt_message){0};
    int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    int fds[TT_CHANNEL_MAX_FDS + 1];
    uint32_t n_fds = 0;
    header h;
    tt_status s = receive_bytes(fd, &h, sizeof h, deadline, watch_stop, fds, &n_fds, err);
    if (!s) s = receive_payload(fd, &h, deadline, watch_stop, fds, &n_fds, m, err);
    if (s) {
        close_all(fds, n_fds);
        m->n_fds = 0;
        tt_message_free(m);
        m->late = s == TT_ERR_CRASHED && deadline >= 0 && now_ms() >= deadline;
    }
    return s;
}

void tt_message_free(tt_message *m)
{
    for (uint32_t i = 0; i < m->n_fds; i++)
        if (m->fds[i] >= 0) close(m->fds[i]);
    if (m->mapped)
        munmap(m->memory, m->mapped);
    else
        tt_free(m->memory);
    *m = (tt_message){0};
}
