/* Convolutions by cuDNN's graph interface: one plan for each problem, kept. A plan is an engine's
 * configuration: the first of those that the library's heuristics propose whose engine is exact enough and
 * whose plan can be made. Every descriptor of the graph lives as long as its plan.
 *
 * The graph is the one that the library has ready-made kernels for (finalizeMode CONV_ADD_BIAS_ACT in its
 * log): the convolution, then the residual of the output's shape, then the bias [1, out, 1, 1], in this
 * order. For every other it generates a kernel as it runs: seconds for each shape, so such engines are passed
 * over. */
#include "cuda.h"

#include "base/mem.h"

#include <string.h>

enum { X = 1, WEIGHT, Y, BIAS, RESIDUAL, SUM }; /* ids of tensors; sums in between from SUM on */
#define MOST_PARTS 24

struct cuda_conv_plan {
    cuda_conv_problem problem;
    cudnnBackendDescriptor_t parts[MOST_PARTS];
    int n_parts;
    cudnnBackendDescriptor_t engine; /* the execution plan; NULL: no engine takes the problem */
    int64_t work;
    cuda_conv_plan *next;
};

/* ---- descriptors; after a failure the rest does nothing ---- */

typedef struct maker {
    cuda *c;
    cuda_conv_plan *plan;
    tt_status status;
    tt_error *err;
} maker;

static cudnnBackendDescriptor_t make(maker *m, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    if (!m->status) m->status = DNN_TRY(m->c, m->err, cudnnBackendCreateDescriptor, type, &d);
    return d;
}

static void destroy(cudnnBackendDescriptor_t d)
{
    if (d) cuda_call.cudnnBackendDestroyDescriptor(d);
}

/* a descriptor of the graph, which the plan keeps */
static cudnnBackendDescriptor_t part(maker *m, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = make(m, type);
    if (d) m->plan->parts[m->plan->n_parts++] = d;
    return d;
}

static void set(maker *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    if (!m->status) m->status = DNN_TRY(m->c, m->err, cudnnBackendSetAttribute, d, name, type, n, values);
}

static void set_part(maker *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                     cudnnBackendDescriptor_t value)
{
    set(m, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void finish(maker *m, cudnnBackendDescriptor_t d)
{
    if (!m->status) m->status = DNN_TRY(m->c, m->err, cudnnBackendFinalize, d);
}

/* ---- the graph ---- */

/* dims as cuDNN counts them: batch, channels, height, width; channels are innermost in memory */
static cudnnBackendDescriptor_t tensor(maker *m, int64_t id, int64_t d0, int64_t d1, int64_t d2, int64_t d3)
{
    const cuda_conv_problem *p = &m->plan->problem;
    const int64_t dims[4] = {d0, d1, d2, d3}, strides[4] = {d1 * d2 * d3, 1, d1 * d3, d1};
    bool is_between = id >= SUM;
    /* sums are rounded once, at the end */
    cudnnDataType_t type = p->type == TT_F32 || is_between ? CUDNN_DATA_FLOAT
                           : p->type == TT_BF16            ? CUDNN_DATA_BFLOAT16
                                                           : CUDNN_DATA_HALF;
    const int64_t alignment = 16;
    cudnnBackendDescriptor_t t = part(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set(m, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(m, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(m, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(m, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
    set(m, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    if (is_between) set(m, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_between);
    finish(m, t);
    return t;
}

static cudnnBackendDescriptor_t tensor_out(maker *m, int64_t id)
{
    const cuda_conv_problem *p = &m->plan->problem;
    return tensor(m, id, p->batch, p->out, p->out_height, p->out_width);
}

static cudnnBackendDescriptor_t convolution(maker *m)
{
    const cuda_conv_problem *p = &m->plan->problem;
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t axes = 2, dilations[2] = {1, 1}, strides[2] = {p->stride_y, p->stride_x},
                  pads[2] = {p->pad_y, p->pad_x};
    cudnnBackendDescriptor_t d = part(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes);
    set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations);
    set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    finish(m, d);
    return d;
}

static cudnnBackendDescriptor_t convolve(maker *m, cudnnBackendDescriptor_t y)
{
    const cuda_conv_problem *p = &m->plan->problem;
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t x = tensor(m, X, p->batch, p->in, p->in_height, p->in_width),
                             w = tensor(m, WEIGHT, p->out, p->in, p->kernel_height, p->kernel_width),
                             how = convolution(m),
                             d = part(m, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    set_part(m, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how);
    set_part(m, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_part(m, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_part(m, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    set(m, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
    set(m, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
    finish(m, d);
    return d;
}

static cudnnBackendDescriptor_t addition(maker *m)
{
    const cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t d = part(m, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(m, d, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(m, d, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    finish(m, d);
    return d;
}

static cudnnBackendDescriptor_t add(maker *m, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t b,
                                    cudnnBackendDescriptor_t y)
{
    cudnnBackendDescriptor_t how = addition(m), d = part(m, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_part(m, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    set_part(m, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    set_part(m, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_part(m, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finish(m, d);
    return d;
}

static cudnnBackendDescriptor_t graph(maker *m)
{
    const cuda_conv_problem *p = &m->plan->problem;
    cudnnBackendDescriptor_t added[2], operations[3];
    int n = 0;
    if (p->residual) added[n++] = tensor_out(m, RESIDUAL);
    if (p->bias) added[n++] = tensor(m, BIAS, 1, p->out, 1, 1);
    cudnnBackendDescriptor_t sum = tensor_out(m, n ? SUM : Y);
    operations[0] = convolve(m, sum);
    for (int i = 0; i < n; i++) {
        cudnnBackendDescriptor_t next = tensor_out(m, i + 1 < n ? SUM + 1 + i : Y);
        operations[i + 1] = add(m, sum, added[i], next);
        sum = next;
    }
    cudnnBackendDescriptor_t d = part(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(m, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &m->c->dnn);
    set(m, d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n + 1, operations);
    finish(m, d);
    return d;
}

/* ---- the engine ---- */

/* The library says no by a status: go on to the next proposal, unless memory or the device is gone. */
static void finish_or_decline(maker *m, cudnnBackendDescriptor_t d, bool *declined)
{
    *declined = true;
    if (m->status) return;
    tt_error why = {0};
    tt_status status = DNN_TRY(m->c, &why, cudnnBackendFinalize, d);
    *declined = status != TT_OK;
    if (!m->c->lost.code && status != TT_ERR_MEMORY) return;
    m->status = status;
    if (m->err) *m->err = why;
}

/* Sums in a fixed order, in f32, of products of the inputs as they are. */
static bool is_exact(maker *m, const cudnnBackendNumericalNote_t *notes, int64_t n)
{
    bool tensor_cores = m->plan->problem.type != TT_F32 || m->c->tf32;
    for (int64_t i = 0; i < n; i++)
        if (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ? !tensor_cores
                                                         : notes[i] != CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP)
            return false;
    return true;
}

/* Values of a list of an engine; the library may have more than there is room for, and says how many. */
static int64_t list_of(maker *m, cudnnBackendDescriptor_t engine, cudnnBackendAttributeName_t name,
                       cudnnBackendAttributeType_t type, int64_t most, void *values)
{
    int64_t n = 0;
    if (!m->status)
        m->status = DNN_TRY(m->c, m->err, cudnnBackendGetAttribute, engine, name, type, most, &n, values);
    return n < most ? n : most;
}

static bool is_allowed(maker *m, cudnnBackendDescriptor_t config)
{
    enum { MOST = 32 };
    cudnnBackendNumericalNote_t numerical[MOST];
    cudnnBackendBehaviorNote_t behaviour[MOST];
    cudnnBackendDescriptor_t engine = make(m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    list_of(m, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, (void *)&engine);
    int64_t n =
        list_of(m, engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, MOST, numerical);
    bool allowed = !m->status && is_exact(m, numerical, n);
    n = list_of(m, engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, MOST, behaviour);
    for (int64_t i = 0; i < n && !m->status; i++)
        if (behaviour[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) allowed = false;
    destroy(engine);
    return !m->status && allowed;
}

/* true: the plan is made, and `config` belongs to it */
static bool try_config(maker *m, cudnnBackendDescriptor_t config)
{
    bool declined = true;
    int64_t n, work = 0;
    if (!is_allowed(m, config)) return false;
    cudnnBackendDescriptor_t d = make(m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set(m, d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &m->c->dnn);
    set_part(m, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    finish_or_decline(m, d, &declined);
    if (!declined)
        m->status = DNN_TRY(m->c, m->err, cudnnBackendGetAttribute, d,
                            CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &work);
    if (declined || m->status || work < 0 || (uint64_t)work > CUDA_CONV_WORK) {
        destroy(d);
        return false;
    }
    m->plan->engine = d;
    m->plan->work = work;
    m->plan->parts[m->plan->n_parts++] = config;
    return true;
}

static void choose(maker *m, cudnnBackendDescriptor_t operations, cudnnBackendHeurMode_t mode)
{
    enum { MOST = 64 }; /* in f32 some 25 that round to TF32 come first */
    cudnnBackendDescriptor_t found[MOST] = {NULL};
    int64_t n = 0;
    bool declined = true;
    cudnnBackendDescriptor_t d = make(m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set_part(m, d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, operations);
    set(m, d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    finish_or_decline(m, d, &declined);
    for (int i = 0; i < MOST && !declined; i++)
        found[i] = make(m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (!declined && !m->status)
        m->status = DNN_TRY(m->c, m->err, cudnnBackendGetAttribute, d, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                            CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST, &n, (void *)found);
    for (int64_t i = 0; i < n && i < MOST && !m->status && !m->plan->engine; i++)
        if (try_config(m, found[i])) found[i] = NULL;
    for (int i = 0; i < MOST; i++)
        destroy(found[i]);
    destroy(d);
}

static void plan_free(cuda_conv_plan *plan)
{
    destroy(plan->engine);
    while (plan->n_parts > 0)
        destroy(plan->parts[--plan->n_parts]);
    tt_free(plan);
}

static tt_status plan_make(cuda *c, const cuda_conv_problem *p, cuda_conv_plan **made, tt_error *err)
{
    cuda_conv_plan *plan = tt_alloc_zero(sizeof *plan);
    if (!plan) return tt_fail(err, TT_ERR_MEMORY, "conv2d: out of memory");
    plan->problem = *p;
    maker m = {c, plan, TT_OK, err};
    cudnnBackendDescriptor_t operations = graph(&m);
    choose(&m, operations, CUDNN_HEUR_MODE_A);
    /* its fallback in f32 without TF32 is one general kernel: a product of patches takes its place */
    if (!plan->engine && (p->type != TT_F32 || c->tf32)) choose(&m, operations, CUDNN_HEUR_MODE_FALLBACK);
    if (m.status) {
        plan_free(plan);
        return m.status;
    }
    *made = plan;
    return TT_OK;
}

/* ---- the cache: a list, the latest used in front ---- */

tt_status cuda_conv_plan_get(cuda *c, const cuda_conv_problem *p, cuda_conv_plan **plan, tt_error *err)
{
    cuda_conv_plan **at = &c->convs, *found;
    while (*at && memcmp(&(*at)->problem, p, sizeof *p) != 0)
        at = &(*at)->next;
    found = *at;
    if (found)
        *at = found->next;
    else {
        tt_status status = cuda_may_prepare(c, "a plan of cuDNN", err);
        if (!status) status = plan_make(c, p, &found, err);
        if (status) return status;
    }
    found->next = c->convs;
    c->convs = found;
    *plan = found->engine ? found : NULL;
    return TT_OK;
}

void cuda_convs_close(cuda *c)
{
    while (c->convs) {
        cuda_conv_plan *next = c->convs->next;
        plan_free(c->convs);
        c->convs = next;
    }
}

size_t cuda_conv_plan_work(const cuda_conv_plan *plan)
{
    return (size_t)plan->work;
}

/* ---- running ---- */

tt_status cuda_conv_plan_run(cuda *c, cuda_conv_plan *plan, const cuda_conv_data *d, void *work,
                             tt_error *err)
{
    const cuda_conv_problem *p = &plan->problem;
    int64_t ids[5] = {X, WEIGHT, Y}, n = 3;
    const void *data[5] = {d->x, d->weight, d->y};
    if (p->bias) ids[n] = BIAS, data[n++] = d->bias;
    if (p->residual) ids[n] = RESIDUAL, data[n++] = d->residual;
    maker m = {c, plan, TT_OK, err};
    cudnnBackendDescriptor_t pack = make(&m, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(&m, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids);
    set(&m, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, data);
    set(&m, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, (void *)&work);
    finish(&m, pack);
    if (!m.status) m.status = DNN_TRY(c, err, cudnnBackendExecute, c->dnn, plan->engine, pack);
    destroy(pack);
    return m.status;
}
