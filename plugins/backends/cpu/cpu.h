/* The cpu backend's own: an open device and packed weights. Operations are f32 or bf16; sums are f32 or
 * wider, rounded once. Where the processor cannot multiply bf16, bf16 tensors are widened, multiplied in f32
 * and rounded (`native_bf16` false).
 *
 * Scratch memory is one block, shared by all operations and grown to what the largest needs; an operation
 * with a large need works in parts. */
#ifndef TT_CPU_CPU_H
#define TT_CPU_CPU_H

#include "blas.h"
#include "isa.h"
#include "kernels.h"
#include "onednn.h"
#include "parallel.h"
#include "telltale/backend.h"

typedef struct cpu {
    int threads;
    cpu_isa isa;
    bool native_bf16, blas, warned;
    const cpu_kernels *k;
    dnn *dnn;
    char *scratch;
    size_t scratch_bytes;
    char description[512];
} cpu;

struct tt_packed {
    tt_op_code code;
    tt_type type; /* of the activations */
    int32_t rank;
    int64_t shape[4];
    dnn_weights *product; /* linear, conv2d */
    float *weight;        /* norms: gamma. embedding: the table, of `type` */
    float *bias;          /* NULL: none */
};

tt_status cpu_pack(cpu *c, const tt_op *like, const tt_weights *w, tt_type type, tt_packed **packed,
                   tt_error *err);
void cpu_unpack(tt_packed *p);

/* 64-byte aligned memory, undefined contents, until the next call; NULL when out of memory. */
void *cpu_scratch(cpu *c, size_t bytes);

tt_status cpu_linear(cpu *c, const tt_op *op, tt_error *err);
tt_status cpu_conv(cpu *c, const tt_op *op, tt_error *err);
/* Whether Winograd's algorithm takes a convolution, by its image and channels alone; `view` of its weights.
 */
bool cpu_winograd_takes(const cpu *c, const dnn_problem *q, const dnn_weights *w, dnn_view *view);
tt_status cpu_winograd(cpu *c, const tt_op *op, const dnn_problem *q, const dnn_view *view, tt_error *err);
/* bias (NULL: none) + channel bias (NULL: none) of one image, n numbers into `sum` */
void cpu_image_bias(const float *bias, const tt_tensor *channel_bias, int64_t image, int64_t n, float *sum);
tt_status cpu_norm(cpu *c, const tt_op *op, tt_error *err);
tt_status cpu_attend(cpu *c, const tt_op *op, tt_error *err);
tt_status cpu_elementwise(cpu *c, const tt_op *op, tt_error *err);

/* TT_ERR_INVALID: packed weights of another shape, operation or type. */
tt_status cpu_misfit(const tt_op *op, tt_error *err);
tt_status cpu_no_memory(const tt_op *op, tt_error *err);

/* n floats from or to bf16 by all threads */
void cpu_widen(cpu *c, int64_t n, const void *bf16, float *f32);
void cpu_narrow(cpu *c, int64_t n, const float *f32, void *bf16);

static inline int64_t cpu_width(const tt_tensor *t)
{
    return t->rank > 0 ? t->shape[t->rank - 1] : 1;
}

#endif
