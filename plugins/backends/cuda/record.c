/* Recordings are CUDA graphs, taken by capturing the stream. */
#include "cuda.h"

tt_status cuda_record_begin(void *self, tt_error *err)
{
    cuda *c = self;
    if (c->recording) return tt_fail(err, TT_ERR_INVALID, "backend cuda: a recording has begun already");
    tt_status status = cuda_enter(c, err);
    /* relaxed: the libraries may load kernels, and scratch may grow, meanwhile */
    if (!status) status = CUDA_TRY(c, err, cudaStreamBeginCapture, c->stream, cudaStreamCaptureModeRelaxed);
    c->recording = !status;
    return status;
}

tt_status cuda_record_end(void *self, void **recording, tt_error *err)
{
    cuda *c = self;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    *recording = NULL;
    if (!c->recording) return tt_fail(err, TT_ERR_INVALID, "backend cuda: no recording has begun");
    c->recording = false;
    /* ends the capture even when it fails; on a lost device it fails at once */
    cuda_call.cudaSetDevice(c->index);
    tt_status status = CUDA_TRY(c, err, cudaStreamEndCapture, c->stream, &graph);
    if (!status) status = CUDA_TRY(c, err, cudaGraphInstantiate, &exec, graph, 0);
    if (graph) cuda_call.cudaGraphDestroy(graph);
    if (status) {
        cuda_scratch_trim(c);
        return status;
    }
    c->recordings++;
    *recording = exec;
    return TT_OK;
}

tt_status cuda_replay(void *self, void *recording, tt_error *err)
{
    cuda *c = self;
    if (c->recording) return tt_fail(err, TT_ERR_INVALID, "backend cuda: replay while recording");
    tt_status status = cuda_enter(c, err);
    return status ? status : CUDA_TRY(c, err, cudaGraphLaunch, recording, c->stream);
}

void cuda_recording_free(void *self, void *recording)
{
    cuda *c = self;
    if (!recording) return;
    cuda_call.cudaSetDevice(c->index);
    /* its scratch may be freed next: cudaFree waits for a replay that still runs */
    (void)CUDA_TRY(c, NULL, cudaGraphExecDestroy, recording);
    c->recordings--;
    cuda_scratch_trim(c);
}
