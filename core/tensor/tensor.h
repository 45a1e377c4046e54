/* What the files of this room share about tensors; the public part is telltale/tensor.h. */
#ifndef TT_TENSOR_TENSOR_H
#define TT_TENSOR_TENSOR_H

#include "base/mem.h"
#include "telltale/tensor.h"

static inline bool tt_type_is_float(tt_type type)
{
    return type == TT_F64 || type == TT_F32 || type == TT_BF16 || type == TT_F16;
}

/* Elements of a shape; false: rank out of range, a dimension below 1, or more elements than int64_t holds. */
bool tt_shape_count(int32_t rank, const int64_t *shape, int64_t *count);

/* Known type, sane shape and stride, data set. A view out of bounds is all zeros and so is not valid. */
bool tt_tensor_is_valid(const tt_tensor *t);
bool tt_tensor_is_dense(const tt_tensor *t);

#endif
