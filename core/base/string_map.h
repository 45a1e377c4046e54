/* A map from strings to pointers, which remembers and never forgets: open addressing, keys copied. */
#ifndef TT_BASE_STRING_MAP_H
#define TT_BASE_STRING_MAP_H

#include "base/mem.h"

/* Zero-initialise. */
typedef struct tt_string_map {
    struct tt_string_slot *slots;
    size_t n, capacity; /* capacity: a power of two, or 0 */
    tt_arena *arena;    /* of the keys */
} tt_string_map;

/* NULL: not there (or there with the value NULL; tt_string_map_has tells). */
TT_API void *tt_string_map_get(const tt_string_map *map, const char *key);
TT_API bool tt_string_map_has(const tt_string_map *map, const char *key);
/* Adds or replaces; false: out of memory, and nothing has changed. */
TT_API bool tt_string_map_put(tt_string_map *map, const char *key, void *value);
/* Calls `visit` for each entry, in no order. */
TT_API void tt_string_map_visit(const tt_string_map *map, void (*visit)(void *user, void *value), void *user);
TT_API void tt_string_map_free(tt_string_map *map); /* the values are the caller's */

#endif
