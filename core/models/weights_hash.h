/* The arithmetic of hash weights (specs/models.md, "Golden vectors without weights"). */
#ifndef TT_MODELS_WEIGHTS_HASH_H
#define TT_MODELS_WEIGHTS_HASH_H

#include "telltale/status.h"

#include <stddef.h>
#include <stdint.h>

/* FNV-1a of the name's bytes, 32 bits. */
uint32_t tt_hash_name(const char *name);
/* count values of the weight `name` of this shape. */
TT_API void tt_hash_fill(const char *name, int32_t rank, const int64_t *shape, float *out, size_t count);

#endif
