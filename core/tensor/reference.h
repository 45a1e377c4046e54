/* The reference backend's own: packed weights as doubles, element access through double. */
#ifndef TT_TENSOR_REFERENCE_H
#define TT_TENSOR_REFERENCE_H

#include "tensor/tensor.h"
#include "telltale/backend.h"

struct tt_packed {
    int32_t rank;
    int64_t shape[4];
    double *weight, *bias; /* bias NULL: none */
};

double tt_ref_load(tt_type type, const void *data, int64_t i);
void tt_ref_store(tt_type type, void *data, int64_t i, double x);
/* Element of row r (all dimensions but the last, flattened), column c; honours row_stride. */
double tt_ref_at(const tt_tensor *t, int64_t r, int64_t c);
double tt_ref_activate(tt_activation a, double x);

tt_status tt_ref_linear(const tt_op *op, tt_error *err);
tt_status tt_ref_conv(const tt_op *op, tt_error *err);
tt_status tt_ref_norm(const tt_op *op, tt_error *err);
tt_status tt_ref_attention(const tt_op *op, tt_error *err);
tt_status tt_ref_elementwise(const tt_op *op, tt_error *err);

#endif
