/* Device memory, counted: what a host is seen to hold (run.json) and what a batch takes (`telltale tune`).
 * The driver tells of a device only what all processes hold together, and cudaFree no size. */
#include "cuda.h"

#include "base/mem.h"

#include <pthread.h>

typedef struct held_block {
    const void *data;
    size_t bytes;
} held_block;

/* Some thousands, mostly weights, that are given back when a model is closed: searched from the latest on. */
static struct {
    pthread_mutex_t lock;
    held_block *blocks;
    size_t n, capacity, now, most;
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Room for one more. */
static bool reserve(void)
{
    if (held.n < held.capacity) return true;
    size_t capacity = held.capacity ? 2 * held.capacity : 256;
    held_block *grown = tt_realloc(held.blocks, capacity * sizeof *grown);
    if (!grown) return false;
    held.blocks = grown;
    held.capacity = capacity;
    return true;
}

static void forget(const void *data)
{
    for (size_t i = held.n; i-- > 0;) {
        if (held.blocks[i].data != data) continue;
        held.now -= held.blocks[i].bytes;
        held.blocks[i] = held.blocks[--held.n];
        break;
    }
    if (held.n > 0) return;
    tt_free(held.blocks);
    held.blocks = NULL;
    held.capacity = 0;
}

tt_status cuda_memory_take(cuda *c, size_t bytes, void **data, tt_error *err)
{
    pthread_mutex_lock(&held.lock);
    tt_status status =
        reserve() ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "backend cuda: out of memory on the host");
    if (!status) status = CUDA_TRY(c, err, cudaMalloc, data, bytes);
    if (!status) {
        held.blocks[held.n++] = (held_block){*data, bytes};
        held.now += bytes;
        if (held.now > held.most) held.most = held.now;
    }
    pthread_mutex_unlock(&held.lock);
    return status;
}

tt_status cuda_memory_give(cuda *c, void *data)
{
    if (!data) return TT_OK;
    pthread_mutex_lock(&held.lock);
    forget(data);
    pthread_mutex_unlock(&held.lock);
    /* cudaFree may wait for the device's work (cuda_runtime_api.h), or not */
    if (!c->lost.code) {
        if (c->stream) (void)CUDA_TRY(c, NULL, cudaStreamSynchronize, c->stream);
        return CUDA_TRY(c, NULL, cudaFree, data);
    }
    /* both fail at once, and what the device was lost by is told for good */
    if (c->stream) cuda_call.cudaStreamSynchronize(c->stream);
    cuda_call.cudaFree(data);
    return c->lost.code;
}

void cuda_held(size_t *now, size_t *most)
{
    pthread_mutex_lock(&held.lock);
    *now = held.now;
    *most = held.most;
    pthread_mutex_unlock(&held.lock);
}
