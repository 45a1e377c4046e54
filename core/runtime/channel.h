/* A channel between two processes of a run: whole messages over a socket pair. Small payloads travel in line;
 * larger ones (tensors) lie in a sealed piece of shared memory whose descriptor travels, so they are never
 * copied through the socket. A message may carry descriptors, too (the end of another channel).
 *
 * docs/channel.md gives the bytes. The peer is not trusted: sizes are bounded, shared memory must be sealed
 * against shrinking. Not thread-safe. */
#ifndef TT_RUNTIME_CHANNEL_H
#define TT_RUNTIME_CHANNEL_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TT_CHANNEL_VERSION     1u
#define TT_CHANNEL_INLINE_MAX  ((size_t)64 << 10)
#define TT_CHANNEL_PAYLOAD_MAX ((uint64_t)4 << 30)
#define TT_CHANNEL_MAX_FDS     4

typedef struct tt_message {
    uint16_t type;
    const uint8_t *data;
    size_t size;
    int fds[TT_CHANNEL_MAX_FDS]; /* owned: take one by setting it to -1 */
    uint32_t n_fds;
    void *memory; /* what tt_message_free gives back */
    size_t mapped;
    bool late; /* nothing came within the time limit */
} tt_message;

/* A connected pair of close-on-exec sockets. */
TT_API tt_status tt_channel_pair(int fds[2], tt_error *err);
TT_API tt_status tt_channel_send(int fd, uint16_t type, const void *data, size_t size, const int *fds,
                                 uint32_t n_fds, tt_error *err);
/* Waits at most timeout_ms (-1: for ever) for the next message. TT_ERR_CRASHED when the peer is gone or
 * silent, TT_ERR_FORMAT when it sends nonsense. With watch_stop a user's wish to stop gives
 * TT_ERR_INTERRUPTED. */
TT_API tt_status tt_channel_receive(int fd, int timeout_ms, int watch_stop, tt_message *message,
                                    tt_error *err);
TT_API void tt_message_free(tt_message *message);

#endif
