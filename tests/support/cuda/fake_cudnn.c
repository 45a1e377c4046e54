/* cuDNN's graph interface for convolutions with additions: descriptors by the documentation's tables, engines
 * with traps among them, and plain loops. What engines take is what cuDNN 9.19 answers for sm_90 (asked
 * without a device, through CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR). */
#include "fake_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENTER(name)                                                                                          \
    do {                                                                                                     \
        int code_ = fake_enter(FAKE_##name);                                                                 \
        if (fake_lost()) return CUDNN_STATUS_EXECUTION_FAILED;                                               \
        if (code_) return (cudnnStatus_t)code_;                                                              \
    } while (0)

#define MOST_VALUES 8
#define WORK        4096

typedef struct attribute {
    int64_t n; /* 0: not set */
    union {
        int64_t integer[MOST_VALUES];
        struct descriptor *part[MOST_VALUES];
        const void *address[MOST_VALUES];
        float real;
        int code; /* enumerations */
        bool flag;
    } value;
} attribute;

typedef struct descriptor {
    cudnnBackendDescriptorType_t type;
    bool finished;
    int engine; /* of engines, their configurations and plans */
    attribute attributes[MOST_VALUES];
} descriptor;

/* ---- what descriptors have ---- */

/* a descriptor's attribute number `slot`: its name, type, and how many values it must have (0: any number,
 * -1: it may be missing) */
typedef struct rule {
    cudnnBackendDescriptorType_t of;
    int slot;
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int n;
} rule;

enum { T_ID, T_TYPE, T_ALIGNMENT, T_DIMS, T_STRIDES, T_VIRTUAL };
enum { C_AXES, C_TYPE, C_MODE, C_DILATIONS, C_STRIDES, C_PRE, C_POST };
enum { F_HOW, F_X, F_W, F_Y, F_ALPHA, F_BETA };
enum { P_MODE, P_TYPE };
enum { A_HOW, A_X, A_B, A_Y };
enum { G_HANDLE, G_OPERATIONS };
enum { H_GRAPH, H_MODE };
enum { E_HANDLE, E_CONFIG };
enum { V_IDS, V_DATA, V_WORK };

#define TENSOR      CUDNN_BACKEND_TENSOR_DESCRIPTOR
#define CONVOLUTION CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR
#define CONVOLVE    CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
#define POINTWISE   CUDNN_BACKEND_POINTWISE_DESCRIPTOR
#define ADD         CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR
#define GRAPH       CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR
#define HEURISTICS  CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR
#define CONFIG      CUDNN_BACKEND_ENGINECFG_DESCRIPTOR
#define ENGINE      CUDNN_BACKEND_ENGINE_DESCRIPTOR
#define PLAN        CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR
#define PACK        CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR

static const rule rules[] = {
    {TENSOR, T_ID, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1},
    {TENSOR, T_TYPE, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
    {TENSOR, T_ALIGNMENT, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1},
    {TENSOR, T_DIMS, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4},
    {TENSOR, T_STRIDES, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4},
    {TENSOR, T_VIRTUAL, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, -1},
    {CONVOLUTION, C_AXES, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1},
    {CONVOLUTION, C_TYPE, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
    {CONVOLUTION, C_MODE, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1},
    {CONVOLUTION, C_DILATIONS, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2},
    {CONVOLUTION, C_STRIDES, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2},
    {CONVOLUTION, C_PRE, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2},
    {CONVOLUTION, C_POST, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2},
    {CONVOLVE, F_HOW, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {CONVOLVE, F_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {CONVOLVE, F_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {CONVOLVE, F_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {CONVOLVE, F_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1},
    {CONVOLVE, F_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1},
    {POINTWISE, P_MODE, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1},
    {POINTWISE, P_TYPE, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1},
    {ADD, A_HOW, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {ADD, A_X, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {ADD, A_B, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {ADD, A_Y, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {GRAPH, G_HANDLE, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1},
    {GRAPH, G_OPERATIONS, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0},
    {HEURISTICS, H_GRAPH, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {HEURISTICS, H_MODE, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1},
    {PLAN, E_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1},
    {PLAN, E_CONFIG, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1},
    {PACK, V_IDS, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 0},
    {PACK, V_DATA, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 0},
    {PACK, V_WORK, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1},
};
#define N_RULES (sizeof rules / sizeof *rules)

static size_t size_of(cudnnBackendAttributeType_t type)
{
    switch (type) {
    case CUDNN_TYPE_INT64:
        return sizeof(int64_t);
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
        return sizeof(void *);
    case CUDNN_TYPE_FLOAT:
        return sizeof(float);
    case CUDNN_TYPE_BOOLEAN:
        return sizeof(bool);
    default:
        return sizeof(int);
    }
}

/* ---- descriptors ---- */

typedef struct context { /* what is behind a handle */
    cudaStream_t stream;
} context;

cudnnStatus_t fake_cudnnCreate(cudnnHandle_t *made)
{
    ENTER(cudnnCreate);
    *made = fake_new(sizeof(context));
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnDestroy(cudnnHandle_t old)
{
    fake_enter(FAKE_cudnnDestroy);
    fake_free(old);
    return fake_lost() ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnSetStream(cudnnHandle_t h, cudaStream_t stream)
{
    ENTER(cudnnSetStream);
    ((context *)h)->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

size_t fake_cudnnGetVersion(void)
{
    return CUDNN_VERSION;
}

const char *fake_cudnnGetErrorString(cudnnStatus_t status)
{
    switch (CUDNN_STATUS_CATEGORY(status)) {
    case CUDNN_STATUS_BAD_PARAM:
        return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED:
        return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED:
        return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
        return "CUDNN_STATUS_INTERNAL_ERROR";
    }
}

cudnnStatus_t fake_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                cudnnBackendDescriptor_t *made)
{
    ENTER(cudnnBackendCreateDescriptor);
    descriptor *d = fake_new(sizeof *d);
    d->type = type;
    *made = d;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
    fake_enter(FAKE_cudnnBackendDestroyDescriptor);
    fake_free(d);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t fake_cudnnBackendSetAttribute(cudnnBackendDescriptor_t self, cudnnBackendAttributeName_t name,
                                            cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    ENTER(cudnnBackendSetAttribute);
    descriptor *d = self;
    if (d->finished) return CUDNN_STATUS_BAD_PARAM;
    for (size_t i = 0; i < N_RULES; i++) {
        const rule *r = &rules[i];
        if (r->of != d->type || r->name != name) continue;
        if (r->type != type) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
        if (n < 1 || n > MOST_VALUES || (r->n > 0 && n != r->n)) return CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND;
        attribute *a = &d->attributes[r->slot];
        a->n = n;
        memcpy(&a->value, values, (size_t)n * size_of(type));
        for (int64_t j = 0; j < n && type == CUDNN_TYPE_BACKEND_DESCRIPTOR; j++)
            if (!a->value.part[j]->finished) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
        return CUDNN_STATUS_SUCCESS;
    }
    return CUDNN_STATUS_BAD_PARAM;
}

/* ---- graphs ---- */

#define PART(d, slot)     ((d)->attributes[slot].value.part[0])
#define INTEGERS(d, slot) ((d)->attributes[slot].value.integer)

static const descriptor *graph_of(const descriptor *plan_or_heuristics)
{
    return plan_or_heuristics->type == HEURISTICS ? PART(plan_or_heuristics, H_GRAPH)
                                                  : PART(PART(plan_or_heuristics, E_CONFIG), H_GRAPH);
}

static bool is_virtual(const descriptor *t)
{
    return t->attributes[T_VIRTUAL].n && t->attributes[T_VIRTUAL].value.flag;
}

static bool is_channels_last(const descriptor *t)
{
    const int64_t *n = INTEGERS(t, T_DIMS), *s = INTEGERS(t, T_STRIDES);
    return s[1] == 1 && s[3] == n[1] && s[2] == n[1] * n[3] && s[0] == n[1] * n[2] * n[3];
}

static bool is_sound_convolution(const descriptor *d)
{
    const descriptor *how = PART(d, F_HOW), *x = PART(d, F_X), *w = PART(d, F_W), *y = PART(d, F_Y);
    const int64_t *nx = INTEGERS(x, T_DIMS), *nw = INTEGERS(w, T_DIMS), *ny = INTEGERS(y, T_DIMS);
    bool sound = how->attributes[C_TYPE].value.code == CUDNN_DATA_FLOAT &&
                 how->attributes[C_MODE].value.code == CUDNN_CROSS_CORRELATION && nx[0] == ny[0] &&
                 nx[1] == nw[1] && nw[0] == ny[1] && INTEGERS(how, C_AXES)[0] == 2 &&
                 x->attributes[T_TYPE].value.code == w->attributes[T_TYPE].value.code && !is_virtual(x) &&
                 !is_virtual(w) && d->attributes[F_ALPHA].value.real == 1.0f &&
                 d->attributes[F_BETA].value.real == 0.0f;
    for (int i = 0; i < 2; i++) {
        int64_t padded = nx[2 + i] + INTEGERS(how, C_PRE)[i] + INTEGERS(how, C_POST)[i];
        sound = sound && INTEGERS(how, C_DILATIONS)[i] == 1 &&
                INTEGERS(how, C_PRE)[i] == INTEGERS(how, C_POST)[i] &&
                ny[2 + i] == (padded - nw[2 + i]) / INTEGERS(how, C_STRIDES)[i] + 1;
    }
    return sound;
}

/* the second operand may have dimensions of 1 */
static bool is_sound_addition(const descriptor *d)
{
    const int64_t *x = INTEGERS(PART(d, A_X), T_DIMS), *b = INTEGERS(PART(d, A_B), T_DIMS),
                  *y = INTEGERS(PART(d, A_Y), T_DIMS);
    bool sound = PART(d, A_HOW)->attributes[P_MODE].value.code == CUDNN_POINTWISE_ADD &&
                 PART(d, A_HOW)->attributes[P_TYPE].value.code == CUDNN_DATA_FLOAT;
    for (int i = 0; i < 4; i++)
        sound = sound && x[i] == y[i] && (b[i] == y[i] || b[i] == 1);
    return sound;
}

/* Ready-made kernels add at most a residual of the output's shape and then a bias for each channel, in this
 * order.
 */
static bool is_ready_made(const descriptor *g)
{
    const attribute *ops = &g->attributes[G_OPERATIONS];
    if (ops->n == 1) return true;
    const descriptor *last = ops->value.part[ops->n - 1];
    const int64_t *bias = INTEGERS(PART(last, A_B), T_DIMS);
    if (ops->n > 3 || bias[0] != 1 || bias[2] != 1 || bias[3] != 1) return false;
    const descriptor *first = ops->value.part[1];
    return ops->n == 2 || memcmp(INTEGERS(PART(first, A_B), T_DIMS), INTEGERS(PART(first, A_Y), T_DIMS),
                                 4 * sizeof(int64_t)) == 0;
}

/* a convolution, then additions in a chain, virtual between them and rounded at its end */
static bool is_sound_graph(const descriptor *g)
{
    const attribute *ops = &g->attributes[G_OPERATIONS];
    for (int64_t i = 0; i < ops->n; i++) {
        const descriptor *op = ops->value.part[i], *y = PART(op, i ? A_Y : F_Y);
        if (op->type != (i ? ADD : CONVOLVE) || is_virtual(y) != (i + 1 < ops->n)) return false;
        if (i && PART(op, A_X) != PART(ops->value.part[i - 1], i == 1 ? F_Y : A_Y)) return false;
    }
    return true;
}

/* ---- engines ---- */

typedef struct engine {
    cudnnBackendNumericalNote_t notes[2];
    int n_notes;
    cudnnBackendHeurMode_t mode; /* who proposes it */
    bool generated;              /* its kernels are, as it runs: takes any graph */
    bool sums;                   /* takes graphs with additions */
    cudnnStatus_t made;          /* what making a plan gives */
    int64_t work;
    bool wrong; /* nobody may take it: gives NaNs */
} engine;

static const engine engines[] = {
    {.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE},
     .n_notes = 1,
     .mode = CUDNN_HEUR_MODE_A,
     .generated = true,
     .sums = true,
     .wrong = true},
    {.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC},
     .n_notes = 2,
     .mode = CUDNN_HEUR_MODE_A,
     .sums = true,
     .wrong = true},
    {.notes = {CUDNN_NUMERICAL_NOTE_WINOGRAD},
     .n_notes = 1,
     .mode = CUDNN_HEUR_MODE_A,
     .sums = true,
     .wrong = true},
    {.notes = {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS},
     .n_notes = 1,
     .mode = CUDNN_HEUR_MODE_A,
     .sums = true,
     .wrong = true},
    {.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE},
     .n_notes = 1,
     .mode = CUDNN_HEUR_MODE_A,
     .sums = true,
     .work = (int64_t)1 << 40,
     .wrong = true},
    {.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE},
     .n_notes = 1,
     .mode = CUDNN_HEUR_MODE_A,
     .sums = true,
     .made = CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING,
     .wrong = true},
    {.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP},
     .n_notes = 2,
     .mode = CUDNN_HEUR_MODE_A,
     .sums = true,
     .work = WORK},
    {.mode = CUDNN_HEUR_MODE_A, .sums = true, .work = WORK},
    {.notes = {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, .n_notes = 1, .mode = CUDNN_HEUR_MODE_FALLBACK},
};
enum { ENGINES = sizeof engines / sizeof *engines };

static bool is_tensor_core(const engine *e)
{
    return e->n_notes && e->notes[0] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
}

/* None takes 16-bit pixels of an odd size, and only the fallback those of two odd halves. Without tensor
 * cores there is f32 alone, and in a large batch nothing but the fallback. */
static bool proposes(const descriptor *heuristics, int i)
{
    const engine *e = &engines[i];
    const attribute *operations = &graph_of(heuristics)->attributes[G_OPERATIONS];
    const descriptor *x = PART(operations->value.part[0], F_X);
    const int64_t *dims = INTEGERS(x, T_DIMS);
    bool f32 = x->attributes[T_TYPE].value.code == CUDNN_DATA_FLOAT, proposed = e->mode == CUDNN_HEUR_MODE_A;
    if (e->mode != (cudnnBackendHeurMode_t)heuristics->attributes[H_MODE].value.code) return false;
    if (e->generated) return true;
    if (!is_ready_made(graph_of(heuristics)) || (!e->sums && operations->n > 1)) return false;
    if (proposed && !e->wrong && !is_tensor_core(e)) return f32 && dims[0] < 4;
    return f32 || dims[1] % (proposed ? 4 : 2) == 0;
}

cudnnStatus_t fake_cudnnBackendFinalize(cudnnBackendDescriptor_t self)
{
    ENTER(cudnnBackendFinalize);
    descriptor *d = self;
    if (d->finished) return CUDNN_STATUS_BAD_PARAM;
    if ((d->type == HEURISTICS || d->type == PLAN) && fake_capture_refuses())
        return CUDNN_STATUS_INTERNAL_ERROR; /* may compile and load */
    for (size_t i = 0; i < N_RULES; i++)
        if (rules[i].of == d->type && rules[i].n >= 0 && !d->attributes[rules[i].slot].n)
            return CUDNN_STATUS_BAD_PARAM;
    bool sound = true, supported = true;
    switch (d->type) {
    case TENSOR:
        sound = INTEGERS(d, T_ALIGNMENT)[0] > 0;
        supported = is_channels_last(d);
        break;
    case CONVOLVE:
        sound = is_sound_convolution(d);
        break;
    case ADD:
        sound = is_sound_addition(d);
        break;
    case GRAPH:
        sound = d->attributes[G_HANDLE].value.address[0] != NULL;
        supported = is_sound_graph(d);
        break;
    case HEURISTICS:
        supported = false;
        for (int i = 0; i < ENGINES; i++)
            supported = supported || proposes(d, i);
        break;
    case PLAN:
        d->engine = PART(d, E_CONFIG)->engine;
        if (engines[d->engine].made) return engines[d->engine].made;
        break;
    case PACK:
        sound = d->attributes[V_IDS].n == d->attributes[V_DATA].n;
        break;
    default:
        break;
    }
    if (!sound) return CUDNN_STATUS_BAD_PARAM;
    if (!supported) return CUDNN_STATUS_NOT_SUPPORTED;
    d->finished = true;
    return CUDNN_STATUS_SUCCESS;
}

/* configurations come finished, as the library gives them */
static int64_t propose(const descriptor *heuristics, int64_t most, descriptor **configs)
{
    int64_t n = 0;
    for (int i = 0; i < ENGINES && n < most; i++) {
        if (!proposes(heuristics, i)) continue;
        configs[n]->engine = i;
        configs[n]->finished = true;
        configs[n]->attributes[H_GRAPH] = heuristics->attributes[H_GRAPH];
        n++;
    }
    return n;
}

cudnnStatus_t fake_cudnnBackendGetAttribute(cudnnBackendDescriptor_t self, cudnnBackendAttributeName_t name,
                                            cudnnBackendAttributeType_t type, int64_t most, int64_t *n,
                                            void *values)
{
    ENTER(cudnnBackendGetAttribute);
    const descriptor *d = self;
    if (!d->finished) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    const engine *e = &engines[d->engine];
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
        d->type == HEURISTICS) {
        *n = propose(d, most, values);
    } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR &&
               d->type == CONFIG) {
        descriptor *to = *(descriptor **)values;
        if (to->type != ENGINE || most != 1) return CUDNN_STATUS_BAD_PARAM;
        to->engine = d->engine;
        to->finished = true;
        *n = 1;
    } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE &&
               d->type == ENGINE) {
        *n = e->n_notes; /* also where there is room for fewer */
        memcpy(values, e->notes, (size_t)(*n < most ? *n : most) * sizeof *e->notes);
    } else if (name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE && type == CUDNN_TYPE_BEHAVIOR_NOTE &&
               d->type == ENGINE) {
        const cudnnBackendBehaviorNote_t notes[2] = {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION,
                                                     CUDNN_BEHAVIOR_NOTE_SUPPORTS_CUDA_GRAPH_NATIVE_API};
        *n = e->generated ? 2 : 0;
        memcpy(values, notes, (size_t)(*n < most ? *n : most) * sizeof *notes);
    } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 &&
               d->type == PLAN) {
        *n = 1;
        memcpy(values, &e->work, sizeof e->work);
    } else
        return CUDNN_STATUS_BAD_PARAM;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- running ---- */

typedef struct operand {
    tt_type type;
    int64_t dims[4], strides[4];
    void *data;
} operand;

typedef struct convolution {
    operand x, w, y, added[3];
    int n_added;
    int64_t strides[2], pads[2];
    bool tf32, wrong;
    void *work;
    size_t work_bytes;
} convolution;

static cudnnStatus_t bind(const descriptor *pack, const descriptor *t, operand *o)
{
    const int code = t->attributes[T_TYPE].value.code;
    o->type = code == CUDNN_DATA_FLOAT ? TT_F32 : code == CUDNN_DATA_BFLOAT16 ? TT_BF16 : TT_F16;
    memcpy(o->dims, INTEGERS(t, T_DIMS), sizeof o->dims);
    memcpy(o->strides, INTEGERS(t, T_STRIDES), sizeof o->strides);
    const attribute *ids = &pack->attributes[V_IDS];
    for (int64_t i = 0; i < ids->n; i++) {
        if (ids->value.integer[i] != INTEGERS(t, T_ID)[0]) continue;
        const void *data = pack->attributes[V_DATA].value.address[i];
        int64_t count = o->dims[0] * o->dims[1] * o->dims[2] * o->dims[3];
        /* engines copy 16 bytes at a time, also where less was said */
        if ((uintptr_t)data % (uintptr_t)INTEGERS(t, T_ALIGNMENT)[0] || (uintptr_t)data % 16)
            return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
        if (!fake_is_device(data, (size_t)count * tt_type_size(o->type))) return CUDNN_STATUS_BAD_PARAM;
        o->data = (void *)(uintptr_t)data;
        return CUDNN_STATUS_SUCCESS;
    }
    return CUDNN_STATUS_BAD_PARAM; /* a tensor that is not virtual without data */
}

static double at(const operand *o, int64_t n, int64_t c, int64_t y, int64_t x, bool tf32)
{
    const int64_t index[4] = {n, c, y, x};
    int64_t i = 0;
    for (int axis = 0; axis < 4; axis++)
        if (o->dims[axis] > 1) i += index[axis] * o->strides[axis];
    float v = fake_load(o->type, o->data, i);
    return (double)(tf32 ? fake_tf32(v) : v);
}

/* weights as [pixels of the kernel][in][out] */
static double *weights_across(const convolution *c)
{
    const int64_t *n = c->w.dims;
    double *w = malloc((size_t)(n[0] * n[1] * n[2] * n[3]) * sizeof *w);
    for (int64_t o = 0; o < n[0]; o++)
        for (int64_t k = 0; k < n[2] * n[3]; k++)
            for (int64_t i = 0; i < n[1]; i++)
                w[(k * n[1] + i) * n[0] + o] = at(&c->w, o, i, k / n[3], k % n[3], c->tf32);
    return w;
}

static void convolve_pixel(const convolution *c, const double *w, int64_t n, int64_t y, int64_t x,
                           double *sums)
{
    const int64_t out = c->w.dims[0], in = c->w.dims[1];
    for (int64_t o = 0; o < out; o++)
        sums[o] = 0;
    for (int64_t ky = 0; ky < c->w.dims[2]; ky++)
        for (int64_t kx = 0; kx < c->w.dims[3]; kx++) {
            int64_t iy = y * c->strides[0] + ky - c->pads[0], ix = x * c->strides[1] + kx - c->pads[1];
            if (iy < 0 || iy >= c->x.dims[2] || ix < 0 || ix >= c->x.dims[3]) continue;
            const double *row = w + (ky * c->w.dims[3] + kx) * in * out;
            for (int64_t i = 0; i < in; i++) {
                double v = at(&c->x, n, i, iy, ix, c->tf32);
                for (int64_t o = 0; o < out; o++)
                    sums[o] += v * row[i * out + o];
            }
        }
}

static void convolve(void *self)
{
    const convolution *c = self;
    const int64_t *d = c->y.dims;
    double *w = weights_across(c), *sums = malloc((size_t)d[1] * sizeof *sums);
    if (c->work_bytes) memset(c->work, 0xff, c->work_bytes);
    for (int64_t n = 0; n < d[0]; n++)
        for (int64_t y = 0; y < d[2]; y++)
            for (int64_t x = 0; x < d[3]; x++) {
                convolve_pixel(c, w, n, y, x, sums);
                for (int64_t o = 0; o < d[1]; o++) {
                    for (int i = 0; i < c->n_added; i++)
                        sums[o] += at(&c->added[i], n, o, y, x, false);
                    fake_store(c->y.type, c->y.data,
                               n * c->y.strides[0] + y * c->y.strides[2] + x * c->y.strides[3] + o,
                               c->wrong ? (double)NAN : sums[o]);
                }
            }
    free(w);
    free(sums);
}

cudnnStatus_t fake_cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t plan,
                                       cudnnBackendDescriptor_t pack)
{
    ENTER(cudnnBackendExecute);
    const descriptor *p = plan, *v = pack;
    if (p->type != PLAN || !p->finished || v->type != PACK || !v->finished ||
        p->attributes[E_HANDLE].value.address[0] != (void *)h ||
        graph_of(p)->attributes[G_HANDLE].value.address[0] != (void *)h)
        return CUDNN_STATUS_BAD_PARAM;
    const engine *e = &engines[p->engine];
    const attribute *ops = &graph_of(p)->attributes[G_OPERATIONS];
    const descriptor *first = ops->value.part[0], *last = ops->value.part[ops->n - 1];
    convolution c = {.n_added = (int)ops->n - 1, .wrong = e->wrong, .work_bytes = (size_t)e->work};
    memcpy(c.strides, INTEGERS(PART(first, F_HOW), C_STRIDES), sizeof c.strides);
    memcpy(c.pads, INTEGERS(PART(first, F_HOW), C_PRE), sizeof c.pads);
    c.work = (void *)(uintptr_t)v->attributes[V_WORK].value.address[0];
    if (e->work && !fake_is_device(c.work, (size_t)e->work)) return CUDNN_STATUS_BAD_PARAM;
    cudnnStatus_t status = bind(v, PART(first, F_X), &c.x);
    if (!status) status = bind(v, PART(first, F_W), &c.w);
    if (!status) status = bind(v, PART(last, ops->n > 1 ? A_Y : F_Y), &c.y);
    for (int i = 0; i < c.n_added && !status; i++)
        status = bind(v, PART(ops->value.part[i + 1], A_B), &c.added[i]);
    if (status) return status;
    c.tf32 = c.x.type == TT_F32 && is_tensor_core(e);
    cudaStream_t stream = ((context *)h)->stream;
    const int64_t key[] = {p->engine, (int64_t)(uintptr_t)p};
    if (!fake_is_loaded(stream, key, sizeof key)) return CUDNN_STATUS_EXECUTION_FAILED;
    convolution *kept = fake_new(sizeof *kept);
    *kept = c;
    return fake_submit(stream, convolve, fake_free, kept) ? CUDNN_STATUS_EXECUTION_FAILED
                                                          : CUDNN_STATUS_SUCCESS;
}
