/* A compute backend: a table of functions over raw device memory. `reference` is built in; the others are
 * plugins of kind TT_KIND_BACKEND. A backend that lacks an operation says so in `supports`; nothing ever
 * falls back silently.
 *
 * Every row's result must not depend on its place in the batch or on its neighbours (batch invariance;
 * tested). */
#ifndef TELLTALE_BACKEND_H
#define TELLTALE_BACKEND_H

#include "telltale/tensor.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For each operation: inputs in[], outputs out[], attributes, and the shapes that must hold. "float" = f32,
 * bf16 (f64 and f16 too in `reference`); all activations of one call have one type unless said otherwise;
 * statistics, softmax and accumulation are at least f32, rounded once at the output. B batch, T tokens, C
 * channels. */
typedef enum tt_op_code {
    /* y = act(x·Wᵀ + b) + residual.  in: x [..., K] (row_stride allowed), residual [..., N] or NULL. out: y
     * [..., N]. packed: weight [N, K], bias [N] or none.  attr.linear.activation. */
    TT_OP_LINEAR = 0,
    /* Cross-correlation, zero padding.  in: x [B,H,W,Cin], residual [B,H',W',Cout] or NULL, channel bias
     * [B,Cout] or NULL (added before the residual; a ResNet block's time term). out: y [B,H',W',Cout].
     * packed: weight [Cout,Cin,kh,kw], bias.  attr.conv: strides and the four pads, H' =
     * (H+top+bottom-kh)/stride+1. */
    TT_OP_CONV2D,
    /* in: x [B, ..., C]; packed: gamma [C], beta [C]; attr.norm.groups, eps, silu (y = silu(norm(x)) when
     * set). Groups of consecutive channels, biased variance over (C/groups)·pixels. */
    TT_OP_GROUP_NORM,
    /* in: x [..., C]; packed: gamma, beta; attr.norm.eps */
    TT_OP_LAYER_NORM,
    /* y = softmax(scale·q·kᵀ [+ causal mask])·v for each head.  in: q [B,Tq,heads·d], k [B,Tk,heads·d],
     * v [B,Tk,heads·d] (row_stride allowed). out[0]: y [B,Tq,heads·d] dense. out[1]: NULL, or the maps
     * [B,heads,Tq,Tk] f32 (the unfused path). attr.attention: heads, scale, causal. */
    TT_OP_ATTENTION,
    /* y = act(x); any shape.  attr.activation */
    TT_OP_ACTIVATION,
    /* y = a·gelu(g), x = [a | g] along the last dimension (a first).  in: x [..., 2N]; out: y [..., N]. */
    TT_OP_GEGLU,
    /* y = a + b, equal shapes; y may be a or b */
    TT_OP_ADD,
    /* y = attr.scale.factor·x + attr.scale.offset */
    TT_OP_SCALE,
    /* Along the last dimension: in: a [..., M], b [..., N] → out [..., M+N] */
    TT_OP_CONCAT,
    /* Nearest to the size of out: source index = floor(dst·in/out).  in: [B,H,W,C]; out: [B,H',W',C] */
    TT_OP_UPSAMPLE_NEAREST,
    /* Rows of a table.  in: ids i32 [...]; packed: weight [V,C]; out: [..., C] */
    TT_OP_EMBEDDING,
    /* Softmax over the last dimension.  in, out: [..., N] */
    TT_OP_SOFTMAX,
    /* Type conversion; in and out of one shape, any types */
    TT_OP_CAST,
    TT_OP_COUNT
} tt_op_code;

TT_API const char *tt_op_name(tt_op_code code); /* "linear", … */

typedef enum tt_activation {
    TT_ACT_NONE = 0,
    TT_ACT_SILU,
    TT_ACT_GELU,      /* exact: x/2·(1+erf(x/√2)) */
    TT_ACT_QUICK_GELU /* x·σ(1.702x) */
} tt_activation;

/* Weights in a backend's own layout; made by pack, freed by unpack. Opaque to everybody else. */
typedef struct tt_packed tt_packed;

#define TT_OP_MAX_IN  3
#define TT_OP_MAX_OUT 2

/* One call of an operation. Zero-initialise: missing inputs are NULL. */
typedef struct tt_op {
    tt_op_code code;
    const tt_tensor *in[TT_OP_MAX_IN];
    tt_tensor *out[TT_OP_MAX_OUT];
    const tt_packed *packed;
    union {
        struct {
            tt_activation activation;
        } linear;
        struct {
            int32_t stride_y, stride_x, pad_top, pad_left, pad_bottom, pad_right;
        } conv;
        struct {
            int32_t groups;
            bool silu;
            double eps;
        } norm;
        struct {
            int32_t heads;
            bool causal;
            double scale;
        } attention;
        tt_activation activation;
        struct {
            double factor, offset;
        } scale;
    } attr;
} tt_op;

/* Weights as files have them: weight [N,K] / [Cout,Cin,kh,kw] / [C] / [V,C]; bias [N] or data NULL. Host
 * memory of any floating type, any alignment. */
typedef struct tt_weights {
    tt_type weight_type, bias_type;
    int32_t rank;
    int64_t shape[4];
    const void *weight;
    const void *bias;
} tt_weights;

/* One copy within device memory; bytes is a multiple of 2. */
typedef struct tt_copy_region {
    void *to;
    const void *from;
    size_t bytes;
} tt_copy_region;

struct tt_backend {
    uint32_t abi;  /* TT_ABI_VERSION of telltale/plugin.h */
    uint32_t size; /* sizeof(tt_backend) */
    const char *name;
    /* Version of the code and its libraries, instruction set, threads: what results depend on; goes into step
     * keys. Owned by the backend, valid while open. */
    const char *(*describe)(void *self);

    /* NULL when usable here, else why not and what to do (a constant string). Needs no open device. */
    const char *(*unavailable)(void);

    tt_status (*open)(const tt_device_options *options, void **self, tt_error *err);
    void (*close)(void *self);

    /* Device memory, 64-byte aligned; alloc gives NULL when out of memory. */
    void *(*alloc)(void *self, size_t bytes);
    void (*free)(void *self, void *p);
    tt_status (*upload)(void *self, void *device, const void *host, size_t bytes, tt_error *err);
    tt_status (*download)(void *self, void *host, const void *device, size_t bytes, tt_error *err);

    /* Is `code` there for activations of `type`? */
    bool (*supports)(void *self, tt_op_code code, tt_type type);

    /* Repacks weights for operation `like->code` with `like`'s attributes, to be used with activations of
     * `type`. The file's bytes are not needed afterwards. */
    tt_status (*pack)(void *self, const tt_op *like, const tt_weights *weights, tt_type type,
                      tt_packed **packed, tt_error *err);
    void (*unpack)(void *self, tt_packed *packed);

    /* Runs one operation; arguments were validated by tt_run. Scratch memory is the backend's own affair. */
    tt_status (*run)(void *self, const tt_op *op, tt_error *err);

    /* Gradients: grad_in[i] (NULL: not wanted) from grad_out and the forward call's tensors. NULL: no
     * backward yet. */
    tt_status (*run_backward)(void *self, const tt_op *op, const tt_tensor *const grad_out[TT_OP_MAX_OUT],
                              tt_tensor *const grad_in[TT_OP_MAX_IN], tt_weights *grad_weights,
                              tt_error *err);

    /* Waits for queued work (a no-op on a CPU); may be NULL. */
    tt_status (*synchronize)(void *self, tt_error *err);

    /* ---- optional: NULL or 0 where a backend has none. Devices with a queue gain by them. ---- */

    /* TT_BACKEND_* bits */
    uint32_t traits;

    /* n copies within device memory, regions apart, queued like `run`. */
    tt_status (*copy)(void *self, size_t n, const tt_copy_region *regions, tt_error *err);

    /* Recording: between begin and end, `run` and `copy` are noted instead of run, with their pointers;
     * upload, download, alloc, free and pack are not allowed there, and each call must have run before with
     * the same shapes and types, for a device may have to plan and load what it runs for the first time.
     * `end` gives the recording, or an error, after which nothing is recorded; `replay` queues all of it;
     * every address used must stay allocated until `recording_free`. */
    tt_status (*record_begin)(void *self, tt_error *err);
    tt_status (*record_end)(void *self, void **recording, tt_error *err);
    tt_status (*replay)(void *self, void *recording, tt_error *err);
    void (*recording_free)(void *self, void *recording);

    /* Device memory in bytes: free now, and in all. A backend that has this has memory of its own: `alloc`
     * and packed weights take none of the process's. */
    tt_status (*memory)(void *self, size_t *free_bytes, size_t *total_bytes, tt_error *err);

    /* Elements of the widest activation of a batch that fill the device: what default batch sizes aim at. 0:
     * as on a CPU, 8 million. */
    int64_t (*fill)(void *self);

    /* Bytes that an open device takes for itself at most, beside `alloc` and packed weights: in memory of its
     * own (the driver's context, workspaces, scratch) and in the process (libraries' data, staging). */
    size_t device_bytes, host_bytes;

    /* Bytes of device memory that this process holds through the backend, all its devices together: now, and
     * the most so far. NULL: nobody counts. */
    void (*held)(size_t *now, size_t *most);
};

/* Results depend on how many rows are computed together (not on a row's place among them): the batch that a
 * model's host computes in is then part of step keys. */
#define TT_BACKEND_BATCH_IN_BITS 1u

/* Checks shapes, types and attributes against the table above, then lets the device's backend run the
 * operation. Errors: TT_ERR_INVALID names the operation and the shapes; TT_ERR_UNSUPPORTED where the backend
 * lacks it. */
TT_API tt_status tt_run(tt_device *device, const tt_op *op, tt_error *err);
TT_API tt_status tt_pack(tt_device *device, const tt_op *like, const tt_weights *weights, tt_type type,
                         tt_packed **packed, tt_error *err);
TT_API void tt_unpack(tt_device *device, tt_packed *packed); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
