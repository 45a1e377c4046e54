/* Random streams. Two families:
 *  - keyed (docs/randomness.md): counter-based, depends on its key alone; for measurement, splits, shuffles;
 *  - torch: PyTorch's CPU (mt19937) and CUDA (Philox) streams, bit-exact (specs/models-rng.md); for image
 * generation. */
#ifndef TT_BASE_RNG_H
#define TT_BASE_RNG_H

#include "base/hash.h"

#include <stdint.h>

/* A keyed stream: Philox4x32-10 whose key and upper counter come from SHA-256 over the labelled key parts. */
typedef struct tt_stream_key {
    uint32_t key[2];
    uint32_t counter_high[2];
} tt_stream_key;

/* Measurement noise of grey-box spec 1.6. timestep -1 = "none". */
TT_API tt_stream_key tt_noise_key(uint64_t run_seed, const tt_digest *content, const char *role,
                                  int32_t timestep, uint32_t draw);
/* Everything else: a purpose ("split", "shuffle", …) and a text that names the thing. */
TT_API tt_stream_key tt_purpose_key(uint64_t run_seed, const char *purpose, const char *what);

/* Element i of the stream depends on (key, i) alone: normals by explicit double arithmetic, no libm, rounded
 * to f32. */
TT_API void tt_keyed_normals(const tt_stream_key *key, uint64_t first, float *out, size_t n);
TT_API uint32_t tt_keyed_u32(const tt_stream_key *key, uint64_t i);
TT_API uint64_t tt_keyed_below(const tt_stream_key *key, uint64_t i,
                               uint64_t bound);                       /* unbiased in [0, bound) */
TT_API double tt_keyed_uniform(const tt_stream_key *key, uint64_t i); /* [0, 1), 53 bits */
/* Fisher–Yates over 0..n-1 */
TT_API void tt_keyed_permutation(const tt_stream_key *key, uint64_t *out, uint64_t n);

/* PyTorch's CPU generator (models-rng 8.1–8.6) */
typedef struct tt_torch_cpu {
    uint32_t state[624];
    uint32_t at;
    double cached_normal;
    int has_cached_normal;
} tt_torch_cpu;
TT_API void tt_torch_cpu_seed(tt_torch_cpu *g, uint64_t seed);
TT_API uint32_t tt_torch_cpu_u32(tt_torch_cpu *g);
TT_API uint64_t tt_torch_cpu_u64(tt_torch_cpu *g);
TT_API float tt_torch_cpu_uniform_f32(tt_torch_cpu *g);
TT_API double tt_torch_cpu_uniform_f64(tt_torch_cpu *g);
TT_API void tt_torch_cpu_randn(tt_torch_cpu *g, float *out, size_t n); /* one call of randn(n), f32 */
TT_API void tt_torch_cpu_randperm(tt_torch_cpu *g, uint64_t *out, uint64_t n);
TT_API uint64_t tt_torch_cpu_randint(tt_torch_cpu *g, uint64_t range);

/* PyTorch's CUDA generator (8.7): one call of randn(n); S = processors · max threads of the card. */
typedef struct tt_torch_cuda {
    uint64_t seed, offset;
} tt_torch_cuda;
TT_API void tt_torch_cuda_randn(tt_torch_cuda *g, uint64_t stride_max, float *out, size_t n);

TT_API void tt_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

#endif
