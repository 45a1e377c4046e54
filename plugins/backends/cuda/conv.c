/* Convolutions: as products by cuBLASLt where a pixel is all that they see, else by cuDNN, and as products of
 * gathered patches where cuDNN has no engine that is exact enough. What a plan of cuDNN does not add, a
 * kernel of ours adds afterwards. */
#include "cuda.h"

static size_t rounded(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

static bool fits(const tt_op *op)
{
    const int64_t *w = op->packed->shape, *x = op->in[0]->shape, *y = op->out[0]->shape;
    int64_t height = x[1] + op->attr.conv.pad_top + op->attr.conv.pad_bottom - w[2];
    int64_t width = x[2] + op->attr.conv.pad_left + op->attr.conv.pad_right - w[3];
    return op->packed->rank == 4 && w[0] == y[3] && w[1] == x[3] && height >= 0 && width >= 0 &&
           y[1] == height / op->attr.conv.stride_y + 1 && y[2] == width / op->attr.conv.stride_x + 1;
}

static bool is_pointwise(const tt_op *op)
{
    const int64_t *w = op->packed->shape;
    return w[2] == 1 && w[3] == 1 && op->attr.conv.stride_y == 1 && op->attr.conv.stride_x == 1 &&
           (op->attr.conv.pad_top | op->attr.conv.pad_left | op->attr.conv.pad_bottom |
            op->attr.conv.pad_right) == 0;
}

/* y = x + channel (NULL: none) + residual (NULL: none); y may be x */
static tt_status add(cuda *c, const tt_tensor *y, const void *x, const void *channel, const void *residual,
                     tt_error *err)
{
    return KERNEL_TRY(c, err, cuda_add_channels, c->stream, y->type, y->shape[0], y->shape[1] * y->shape[2],
                      y->shape[3], x, channel, residual, y->data);
}

/* n pixels of the output from `first` on; x has a row [width] for each */
static tt_status multiply(cuda *c, const tt_op *op, int64_t first, int64_t n, int64_t width, const void *x,
                          tt_error *err)
{
    const tt_tensor *y = op->out[0];
    size_t at = (size_t)(first * y->shape[3]) * tt_type_size(y->type);
    cuda_product p = {
        .type = y->type,
        .rows = n,
        .in = width,
        .out = y->shape[3],
        .x_stride = width,
        .x = x,
        .weight = op->packed->weight,
        .bias = op->packed->bias,
        .residual = op->in[1] ? (const char *)op->in[1]->data + at : NULL,
        .y = (char *)y->data + at,
    };
    return cuda_multiply(c, &p, err);
}

static tt_status by_product(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    tt_status status = multiply(c, op, 0, tt_tensor_rows(y), x->shape[3], x->data, err);
    if (status || !op->in[2]) return status;
    return add(c, y, y->data, op->in[2]->data, NULL, err);
}

/* in parts that fit into scratch memory */
static tt_status by_patches(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    const int64_t *w = op->packed->shape;
    cuda_patches p = {
        .type = x->type,
        .height = x->shape[1],
        .width = x->shape[2],
        .channels = x->shape[3],
        .out_height = y->shape[1],
        .out_width = y->shape[2],
        .kernel_height = w[2],
        .kernel_width = w[3],
        .stride_y = op->attr.conv.stride_y,
        .stride_x = op->attr.conv.stride_x,
        .pad_top = op->attr.conv.pad_top,
        .pad_left = op->attr.conv.pad_left,
        .x = x->data,
    };
    int64_t width = w[1] * w[2] * w[3], rows = tt_tensor_rows(y);
    size_t row = (size_t)width * tt_type_size(x->type);
    int64_t most = (int64_t)(CUDA_CONV_WORK / row) / 16 * 16; /* parts begin where the whole is aligned */
    if (most < 16) most = 16;
    if (most > rows) most = rows;
    tt_status status = cuda_scratch(c, (size_t)most * row, &p.rows, err);
    for (; p.first < rows && !status; p.first += p.n) {
        p.n = rows - p.first < most ? rows - p.first : most;
        status = KERNEL_TRY(c, err, cuda_gather_patches, c->stream, &p);
        if (!status) status = multiply(c, op, p.first, p.n, width, p.rows, err);
    }
    if (status || !op->in[2]) return status;
    return add(c, y, y->data, op->in[2]->data, NULL, err);
}

/* cuDNN's engines want equal pads on both sides. Where they differ (the VAE's way down), it gets the image
 * with its pads. */
static bool has_equal_pads(const tt_op *op)
{
    return op->attr.conv.pad_top == op->attr.conv.pad_bottom &&
           op->attr.conv.pad_left == op->attr.conv.pad_right;
}

static tt_status copy_padded(cuda *c, const tt_op *op, const cuda_conv_problem *p, void *padded,
                             tt_error *err)
{
    const tt_tensor *x = op->in[0];
    size_t pixel = (size_t)p->in * tt_type_size(x->type);
    size_t pitch = (size_t)x->shape[2] * pixel, padded_pitch = (size_t)p->in_width * pixel;
    struct cudaMemcpy3DParms copy = {
        .srcPtr = {x->data, pitch, pitch, (size_t)x->shape[1]},
        .dstPtr = {padded, padded_pitch, padded_pitch, (size_t)p->in_height},
        .dstPos = {(size_t)op->attr.conv.pad_left * pixel, (size_t)op->attr.conv.pad_top, 0},
        .extent = {pitch, (size_t)x->shape[1], (size_t)p->batch},
        .kind = cudaMemcpyDeviceToDevice,
    };
    size_t bytes = (size_t)(p->batch * p->in_height) * padded_pitch;
    tt_status status = CUDA_TRY(c, err, cudaMemsetAsync, padded, 0, bytes, c->stream);
    return status ? status : CUDA_TRY(c, err, cudaMemcpy3DAsync, &copy, c->stream);
}

static cuda_conv_problem describe(const tt_op *op, bool padded)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    cuda_conv_problem p = {
        .batch = x->shape[0],
        .in = x->shape[3],
        .in_height = x->shape[1],
        .in_width = x->shape[2],
        .out = y->shape[3],
        .out_height = y->shape[1],
        .out_width = y->shape[2],
        .kernel_height = op->packed->shape[2],
        .kernel_width = op->packed->shape[3],
        .stride_y = op->attr.conv.stride_y,
        .stride_x = op->attr.conv.stride_x,
        .pad_y = op->attr.conv.pad_top,
        .pad_x = op->attr.conv.pad_left,
        .type = (int32_t)x->type,
        .bias = op->packed->bias != NULL,
        .residual = op->in[1] != NULL,
    };
    if (padded) {
        p.in_height += op->attr.conv.pad_top + op->attr.conv.pad_bottom;
        p.in_width += op->attr.conv.pad_left + op->attr.conv.pad_right;
        p.pad_y = p.pad_x = 0;
    }
    return p;
}

/* The plan that adds most of what there is to add, or NULL; *p then says what it adds. */
static tt_status find_plan(cuda *c, cuda_conv_problem *p, cuda_conv_plan **plan, tt_error *err)
{
    tt_status status = cuda_conv_plan_get(c, p, plan, err);
    if (!status && !*plan && p->residual) {
        p->residual = 0;
        status = cuda_conv_plan_get(c, p, plan, err);
    }
    if (!status && !*plan && p->bias) {
        p->bias = 0;
        status = cuda_conv_plan_get(c, p, plan, err);
    }
    return status;
}

/* what the plan left out */
static tt_status add_rest(cuda *c, const tt_op *op, const cuda_conv_problem *p, void *sum, tt_error *err)
{
    const tt_tensor *y = op->out[0];
    const void *channel = op->in[2] ? op->in[2]->data : NULL;
    const void *residual = op->in[1] && !p->residual ? op->in[1]->data : NULL;
    tt_status status = TT_OK;
    if (op->packed->bias && !p->bias)
        status = KERNEL_TRY(c, err, cuda_add_channels, c->stream, y->type, 1, tt_tensor_rows(y), p->out, sum,
                            op->packed->bias, NULL, sum);
    if (status || (!channel && !residual)) return status;
    return add(c, y, sum, channel, residual, err);
}

tt_status cuda_conv(cuda *c, const tt_op *op, tt_error *err)
{
    const tt_tensor *x = op->in[0], *y = op->out[0];
    if (!fits(op)) return cuda_misfit(op, err);
    if (is_pointwise(op)) return by_product(c, op, err);
    bool padded = !has_equal_pads(op), in_place = op->in[1] && op->in[1]->data == y->data;
    cuda_conv_problem p = describe(op, padded);
    cuda_conv_plan *plan;
    cuda_conv_data d = {x->data, op->packed->weight, op->packed->bias, NULL, y->data};
    d.residual = op->in[1] ? op->in[1]->data : NULL;
    const void *const addresses[] = {padded ? NULL : d.x, d.weight, d.bias, d.residual, d.y};
    /* cuDNN 9 proposes engines that copy 16 bytes at a time whatever alignment a tensor is said to have */
    if (cuda_alignment(5, addresses) < 16) return by_patches(c, op, err);
    /* it must not be overwritten before it is read; and no ready kernel adds it without a bias */
    if (in_place || !p.bias) p.residual = 0;
    tt_status status = find_plan(c, &p, &plan, err);
    if (status) return status;
    if (!plan) return by_patches(c, op, err);

    size_t size = tt_type_size(x->type);
    size_t image = padded ? rounded((size_t)(p.batch * p.in_height * p.in_width * p.in) * size) : 0;
    size_t sum = in_place ? rounded((size_t)tt_tensor_count(y) * size) : 0;
    size_t bytes = image + sum + cuda_conv_plan_work(plan);
    char *work = NULL;
    if (bytes) status = cuda_scratch(c, bytes, (void **)&work, err);
    if (!status && padded) {
        status = copy_padded(c, op, &p, work, err);
        d.x = work;
    }
    if (in_place) d.y = work + image;
    if (!status) status = cuda_conv_plan_run(c, plan, &d, bytes ? work + image + sum : NULL, err);
    return status ? status : add_rest(c, op, &p, d.y, err);
}
