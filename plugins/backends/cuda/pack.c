/* Weights into the layouts of their operations: converted chunk by chunk straight into pinned memory, while
 * the chunk before is copied to the device. */
#include "cuda.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

typedef struct source {
    tt_type from, to;
    const char *data;
    /* convolutions: [outer][in][pixels] becomes [outer][pixels][in]; pixels 1: as it is */
    int64_t outer, in, pixels;
} source;

/* n elements of the result, from element `at`. tt_convert wants aligned elements, files promise none. */
static void convert(const source *s, int64_t at, int64_t n, char *out)
{
    enum { STEP = 512 };
    char gathered[STEP * 8];
    size_t size = tt_type_size(s->from), to_size = tt_type_size(s->to);
    for (int64_t done = 0; done < n; done += STEP) {
        int64_t m = n - done < STEP ? n - done : STEP;
        if (s->pixels == 1) {
            memcpy(gathered, s->data + (size_t)(at + done) * size, (size_t)m * size);
        } else {
            int64_t whole = s->in * s->pixels;
            for (int64_t i = 0; i < m; i++) {
                int64_t e = at + done + i, o = e / whole, p = e % whole / s->in, k = e % s->in;
                memcpy(gathered + (size_t)i * size, s->data + (size_t)(o * whole + k * s->pixels + p) * size,
                       size);
            }
        }
        tt_convert(s->to, out + (size_t)done * to_size, s->from, gathered, (size_t)m);
    }
}

static tt_status send(cuda *c, const source *s, void **device, tt_error *err)
{
    int64_t n = s->outer * s->in * s->pixels;
    size_t size = tt_type_size(s->to);
    int64_t chunk = (int64_t)(CUDA_CHUNK / size);
    tt_status status = CUDA_TRY(c, err, cudaMalloc, device, (size_t)n * size);
    for (int64_t at = 0; at < n && !status; at += chunk) {
        int64_t m = n - at < chunk ? n - at : chunk;
        void *buffer;
        status = cuda_staging_take(c, &buffer, err);
        if (status) break;
        convert(s, at, m, buffer);
        status = cuda_staging_send(c, (char *)*device + (size_t)at * size, (size_t)m * size, err);
    }
    return status;
}

tt_status cuda_pack(cuda *c, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                    tt_error *err)
{
    tt_packed *p = tt_alloc_zero(sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for weights", tt_op_name(like->code));
    p->code = like->code;
    p->type = type;
    p->rank = w->rank;
    memcpy(p->shape, w->shape, (size_t)w->rank * sizeof *p->shape);
    bool norm = like->code == TT_OP_GROUP_NORM || like->code == TT_OP_LAYER_NORM;
    tt_type stored = norm ? TT_F32 : type;
    source weight = {w->weight_type, stored, w->weight, p->shape[0], p->rank > 1 ? p->shape[1] : 1, 1};
    if (p->rank == 4) weight.pixels = p->shape[2] * p->shape[3];
    tt_status status = send(c, &weight, &p->weight, err);
    if (!status && w->bias) {
        source bias = {w->bias_type, stored, w->bias, p->shape[0], 1, 1};
        status = send(c, &bias, &p->bias, err);
    }
    if (status) {
        cuda_unpack(c, p);
        return tt_fail_in(err, "%s: weights", tt_op_name(like->code));
    }
    *packed = p;
    return TT_OK;
}

void cuda_unpack(cuda *c, tt_packed *p)
{
    if (!p) return;
    cuda_free(c, p->weight);
    cuda_free(c, p->bias);
    tt_free(p);
}
