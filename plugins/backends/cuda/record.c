/* Recordings are CUDA graphs, taken by capturing the stream. What is captured has run before with the same
 * shapes (backend.h), so that nothing is loaded, planned or allocated meanwhile: older drivers refuse to load
 * a kernel during a capture, and memory that grew in one would be held by no recording. */
#include "cuda.h"

#include "base/mem.h"

typedef struct cuda_recording {
    cudaGraphExec_t exec;
    cuda_block *scratch; /* that its operations use; NULL: none */
} cuda_recording;

tt_status cuda_may_prepare(const cuda *c, const char *what, tt_error *err)
{
    if (!c->recording) return TT_OK;
    return tt_fail(err, TT_ERR_INVALID,
                   "backend cuda: an operation is recorded that has not run before: it needs %s", what);
}

tt_status cuda_record_begin(void *self, tt_error *err)
{
    cuda *c = self;
    if (c->recording) return tt_fail(err, TT_ERR_INVALID, "backend cuda: a recording has begun already");
    tt_status status = cuda_enter(c, err);
    /* relaxed: a library that allocates or loads something all the same does not end the capture */
    if (!status) status = CUDA_TRY(c, err, cudaStreamBeginCapture, c->stream, cudaStreamCaptureModeRelaxed);
    c->recording = !status;
    c->scratch_noted = false;
    return status;
}

static void recording_destroy(cuda *c, cuda_recording *r)
{
    if (!r) return;
    /* one that still runs is freed when it has ended */
    if (r->exec) (void)CUDA_TRY(c, NULL, cudaGraphExecDestroy, r->exec);
    if (r->scratch) r->scratch->holders--;
    cuda_scratch_trim(c, false);
    tt_free(r);
}

tt_status cuda_record_end(void *self, void **recording, tt_error *err)
{
    cuda *c = self;
    cudaGraph_t graph = NULL;
    *recording = NULL;
    if (!c->recording) return tt_fail(err, TT_ERR_INVALID, "backend cuda: no recording has begun");
    c->recording = false;
    /* ends the capture even when it fails; on a lost device it fails at once */
    cuda_call.cudaSetDevice(c->index);
    tt_status status = CUDA_TRY(c, err, cudaStreamEndCapture, c->stream, &graph);
    cuda_recording *r = status ? NULL : tt_alloc_zero(sizeof *r);
    if (!status && !r) status = tt_fail(err, TT_ERR_MEMORY, "backend cuda: out of memory for a recording");
    if (!status) status = CUDA_TRY(c, err, cudaGraphInstantiate, &r->exec, graph, 0);
    if (graph) cuda_call.cudaGraphDestroy(graph);
    if (status) {
        recording_destroy(c, r);
        return status;
    }
    if (c->scratch_noted) {
        r->scratch = c->scratch;
        r->scratch->holders++;
    }
    *recording = r;
    return TT_OK;
}

tt_status cuda_replay(void *self, void *recording, tt_error *err)
{
    cuda *c = self;
    const cuda_recording *r = recording;
    if (c->recording) return tt_fail(err, TT_ERR_INVALID, "backend cuda: replay while recording");
    tt_status status = cuda_enter(c, err);
    return status ? status : CUDA_TRY(c, err, cudaGraphLaunch, r->exec, c->stream);
}

void cuda_recording_free(void *self, void *recording)
{
    cuda *c = self;
    if (!recording) return;
    cuda_call.cudaSetDevice(c->index);
    recording_destroy(c, recording);
}
