/* Attention without tensor cores: f32, and any type with maps. */
#ifndef TT_CUDA_ATTENTION_H
#define TT_CUDA_ATTENTION_H

#include "kernels.h"

int cuda_attend_plain(cuda_stream stream, const cuda_attention *a);

#endif
