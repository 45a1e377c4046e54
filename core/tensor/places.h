/* Places for blocks in one stretch of memory, chosen without touching it: what is asked for in the same order
 * gets the same places again. */
#ifndef TT_TENSOR_PLACES_H
#define TT_TENSOR_PLACES_H

#include "tensor/tensor.h"

typedef struct tt_place {
    size_t at, size;
} tt_place;

/* Zero-initialise. */
typedef struct tt_places {
    tt_place *taken; /* by address */
    size_t n, capacity;
    size_t end; /* of the highest place ever taken: bytes that the stretch must have */
} tt_places;

/* The smallest gap that is large enough, the lowest of equal ones; sizes are rounded up to 256, which is how
 * devices align their memory. false: out of memory. */
TT_API bool tt_places_take(tt_places *p, size_t size, size_t *at);
TT_API void tt_places_give(tt_places *p, size_t at);
/* As new; frees what it holds. */
TT_API void tt_places_clear(tt_places *p);

#endif
