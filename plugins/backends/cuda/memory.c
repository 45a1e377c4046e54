/* Scratch blocks on the device and pinned staging on the host. */
#include "cuda.h"

#include "base/mem.h"

#include <string.h>

/* ---- scratch ---- */

tt_status cuda_scratch(cuda *c, size_t bytes, void **data, tt_error *err)
{
    if (!c->scratch || c->scratch->bytes < bytes) {
        tt_status status = cuda_may_prepare(c, "scratch", err);
        if (status) return status;
        cuda_block *block = tt_alloc_zero(sizeof *block);
        if (!block) return tt_fail(err, TT_ERR_MEMORY, "backend cuda: out of memory for scratch");
        cuda_scratch_trim(c, true); /* room for its successor */
        status = cuda_memory_take(c, bytes, &block->data, err);
        if (status) {
            tt_free(block);
            return status;
        }
        block->bytes = bytes;
        block->older = c->scratch;
        c->scratch = block;
    }
    if (c->recording) c->scratch_noted = true;
    *data = c->scratch->data;
    return TT_OK;
}

bool cuda_scratch_trim(cuda *c, bool all)
{
    bool any = false;
    cuda_block **at = &c->scratch;
    if (!all && *at) at = &(*at)->older;
    while (*at) {
        cuda_block *b = *at;
        if (b->holders > 0) {
            at = &b->older;
            continue;
        }
        *at = b->older;
        cuda_memory_give(c, b->data);
        tt_free(b);
        any = true;
    }
    return any;
}

void cuda_scratch_close(cuda *c)
{
    for (cuda_block *b = c->scratch; b; b = b->older)
        b->holders = 0;
    cuda_scratch_trim(c, true);
}

/* ---- staging ---- */

tt_status cuda_staging_open(cuda *c, tt_error *err)
{
    cuda_staging *s = &c->staging;
    tt_status status = TT_OK;
    for (int i = 0; i < 2 && !status; i++) {
        status = CUDA_TRY(c, err, cudaMallocHost, &s->buffer[i], CUDA_CHUNK);
        if (!status) status = CUDA_TRY(c, err, cudaEventCreateWithFlags, &s->done[i], cudaEventDisableTiming);
    }
    return status;
}

void cuda_staging_close(cuda *c)
{
    cuda_staging *s = &c->staging;
    for (int i = 0; i < 2; i++) {
        if (s->done[i]) cuda_call.cudaEventDestroy(s->done[i]);
        if (s->buffer[i]) cuda_call.cudaFreeHost(s->buffer[i]);
    }
}

tt_status cuda_staging_take(cuda *c, void **buffer, tt_error *err)
{
    cuda_staging *s = &c->staging;
    s->next = !s->next;
    *buffer = s->buffer[s->next];
    return CUDA_TRY(c, err, cudaEventSynchronize, s->done[s->next]);
}

tt_status cuda_staging_send(cuda *c, void *device, size_t bytes, tt_error *err)
{
    cuda_staging *s = &c->staging;
    tt_status status = CUDA_TRY(c, err, cudaMemcpyAsync, device, s->buffer[s->next], bytes,
                                cudaMemcpyHostToDevice, c->stream);
    return status ? status : CUDA_TRY(c, err, cudaEventRecord, s->done[s->next], c->stream);
}

tt_status cuda_upload(cuda *c, void *device, const void *host, size_t bytes, tt_error *err)
{
    for (size_t at = 0; at < bytes;) {
        size_t n = bytes - at < CUDA_CHUNK ? bytes - at : CUDA_CHUNK;
        void *buffer;
        tt_status status = cuda_staging_take(c, &buffer, err);
        if (status) return status;
        memcpy(buffer, (const char *)host + at, n);
        status = cuda_staging_send(c, (char *)device + at, n, err);
        if (status) return status;
        at += n;
    }
    return TT_OK;
}

/* While one buffer is emptied on the host, the next chunk is on its way into the other. */
tt_status cuda_download(cuda *c, void *host, const void *device, size_t bytes, tt_error *err)
{
    cuda_staging *s = &c->staging;
    size_t chunks = (bytes + CUDA_CHUNK - 1) / CUDA_CHUNK;
    for (size_t i = 0; i <= chunks; i++) {
        tt_status status = TT_OK;
        if (i < chunks) {
            size_t at = i * CUDA_CHUNK, n = bytes - at < CUDA_CHUNK ? bytes - at : CUDA_CHUNK;
            status = CUDA_TRY(c, err, cudaMemcpyAsync, s->buffer[i % 2], (const char *)device + at, n,
                              cudaMemcpyDeviceToHost, c->stream);
            if (!status) status = CUDA_TRY(c, err, cudaEventRecord, s->done[i % 2], c->stream);
        }
        if (!status && i > 0) {
            size_t at = (i - 1) * CUDA_CHUNK, n = bytes - at < CUDA_CHUNK ? bytes - at : CUDA_CHUNK;
            status = CUDA_TRY(c, err, cudaEventSynchronize, s->done[(i - 1) % 2]);
            if (!status) memcpy((char *)host + at, s->buffer[(i - 1) % 2], n);
        }
        if (status) return status;
    }
    return TT_OK;
}
