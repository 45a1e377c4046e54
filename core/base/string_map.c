#include "base/string_map.h"

#include <string.h>

struct tt_string_slot {
    const char *key; /* NULL: free */
    void *value;
    uint64_t hash;
};

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *key)
{
    uint64_t hash = 14695981039346656037u;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 1099511628211u;
    return hash;
}

/* Where the key is, or would be; the table is never full. */
static struct tt_string_slot *slot_of(const tt_string_map *map, const char *key, uint64_t hash)
{
    for (size_t i = (size_t)hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        struct tt_string_slot *slot = &map->slots[i];
        if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0)) return slot;
    }
}

bool tt_string_map_has(const tt_string_map *map, const char *key)
{
    return map->capacity && slot_of(map, key, hash_of(key))->key;
}

void *tt_string_map_get(const tt_string_map *map, const char *key)
{
    return map->capacity ? slot_of(map, key, hash_of(key))->value : NULL;
}

static bool grow(tt_string_map *map)
{
    size_t capacity = map->capacity ? 2 * map->capacity : 64, bytes;
    if (!tt_size_mul(capacity, sizeof *map->slots, &bytes)) return false;
    tt_string_map larger = {.slots = tt_alloc_zero(bytes), .capacity = capacity};
    if (!larger.slots) return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key) *slot_of(&larger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    tt_free(map->slots);
    map->slots = larger.slots;
    map->capacity = capacity;
    return true;
}

bool tt_string_map_put(tt_string_map *map, const char *key, void *value)
{
    if (!map->arena) map->arena = tt_arena_create(0);
    if (!map->arena) return false;
    if (2 * (map->n + 1) > map->capacity && !grow(map)) return false;
    uint64_t hash = hash_of(key);
    struct tt_string_slot *slot = slot_of(map, key, hash);
    if (!slot->key) {
        slot->key = tt_arena_strdup(map->arena, key);
        if (!slot->key) return false;
        slot->hash = hash;
        map->n++;
    }
    slot->value = value;
    return true;
}

void tt_string_map_visit(const tt_string_map *map, void (*visit)(void *user, void *value), void *user)
{
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key) visit(user, map->slots[i].value);
}

void tt_string_map_free(tt_string_map *map)
{
    tt_free(map->slots);
    tt_arena_destroy(map->arena);
    *map = (tt_string_map){0};
}
