/* Operations that one kernel of ours does whole. */
#include "cuda.h"

static tt_status norm(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0];
    const tt_packed *p = op->packed;
    tt_tensor *y = op->out[0];
    int64_t n = cuda_width(x);
    float eps = (float)op->attr.norm.eps;
    if (p->shape[0] != n) return cuda_misfit(op, err);
    if (op->code == TT_OP_LAYER_NORM)
        return KERNEL_TRY(c, err, cuda_layer_norm, c->stream, x->type, tt_tensor_rows(x), n, x->data,
                          p->weight, p->bias, eps, y->data);
    int64_t batch = x->shape[0], pixels = tt_tensor_rows(x) / batch;
    void *work = NULL;
    size_t bytes = cuda_group_norm_work(batch, pixels, n, op->attr.norm.groups);
    tt_status status = bytes ? cuda_scratch(c, bytes, &work, err) : TT_OK;
    if (status) return status;
    return KERNEL_TRY(c, err, cuda_group_norm, c->stream, x->type, batch, pixels, n, op->attr.norm.groups,
                      op->attr.norm.silu, eps, x->data, p->weight, p->bias, y->data, work);
}

static tt_status attention(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *q = op->in[0], *k = op->in[1], *v = op->in[2];
    cuda_attention a = {
        .type = q->type,
        .batch = q->shape[0],
        .heads = op->attr.attention.heads,
        .head_size = q->shape[2] / op->attr.attention.heads,
        .queries = q->shape[1],
        .keys = k->shape[1],
        .q = q->data,
        .k = k->data,
        .v = v->data,
        .q_stride = q->row_stride,
        .k_stride = k->row_stride,
        .v_stride = v->row_stride,
        .y = op->out[0]->data,
        .scale = (float)op->attr.attention.scale,
        .causal = op->attr.attention.causal,
        .maps = op->out[1] ? op->out[1]->data : NULL,
    };
    return KERNEL_TRY(c, err, cuda_attend, c->stream, &a);
}

static tt_status embedding(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_packed *p = op->packed;
    tt_tensor *y = op->out[0];
    if (p->shape[1] != cuda_width(y)) return cuda_misfit(op, err);
    return KERNEL_TRY(c, err, cuda_embedding, c->stream, y->type, tt_tensor_count(op->in[0]), p->shape[0],
                      p->shape[1], op->in[0]->data, p->weight, y->data);
}

tt_status cuda_by_kernel(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *b = op->in[1];
    tt_tensor *y = op->out[0];
    int64_t n = tt_tensor_count(x), rows = tt_tensor_rows(x);
    switch (op->code) {
    case TT_OP_GROUP_NORM:
    case TT_OP_LAYER_NORM:
        return norm(c, op, err);
    case TT_OP_ATTENTION:
        return attention(c, op, err);
    case TT_OP_EMBEDDING:
        return embedding(c, op, err);
    case TT_OP_ACTIVATION:
        return KERNEL_TRY(c, err, cuda_activate, c->stream, x->type, op->attr.activation, n, x->data, NULL,
                          y->data);
    case TT_OP_ADD:
        return KERNEL_TRY(c, err, cuda_activate, c->stream, x->type, TT_ACT_NONE, n, x->data, b->data,
                          y->data);
    case TT_OP_GEGLU:
        return KERNEL_TRY(c, err, cuda_geglu, c->stream, x->type, rows, cuda_width(y), x->data, y->data);
    case TT_OP_SCALE:
        return KERNEL_TRY(c, err, cuda_scale, c->stream, x->type, n, (float)op->attr.scale.factor,
                          (float)op->attr.scale.offset, x->data, y->data);
    case TT_OP_CONCAT:
        return KERNEL_TRY(c, err, cuda_concat, c->stream, x->type, rows, cuda_width(x), cuda_width(b),
                          x->data, b->data, y->data);
    case TT_OP_UPSAMPLE_NEAREST:
        return KERNEL_TRY(c, err, cuda_upsample, c->stream, x->type, x->shape[0], x->shape[1], x->shape[2],
                          x->shape[3], y->shape[1], y->shape[2], x->data, y->data);
    case TT_OP_SOFTMAX:
        return KERNEL_TRY(c, err, cuda_softmax, c->stream, x->type, rows, cuda_width(x), x->data, y->data);
    case TT_OP_CAST:
        return KERNEL_TRY(c, err, cuda_cast, c->stream, x->type, x->data, y->type, y->data, n);
    default:
        return tt_fail(err, TT_ERR_UNSUPPORTED, "backend cuda has no %s", tt_op_name(op->code));
    }
}
