#include "tensor/places.h"

#include <string.h>

static bool reserve(tt_places *p)
{
    if (p->n < p->capacity) return true;
    size_t capacity = p->capacity ? 2 * p->capacity : 64, bytes;
    if (!tt_size_mul(capacity, sizeof *p->taken, &bytes)) return false;
    tt_place *grown = tt_realloc(p->taken, bytes);
    if (!grown) return false;
    p->taken = grown;
    p->capacity = capacity;
    return true;
}

bool tt_places_take(tt_places *p, size_t size, size_t *at)
{
    size_t before = 0, smallest = SIZE_MAX, index = p->n;
    if (!tt_size_add(size, 255, &size) || !reserve(p)) return false;
    size &= ~(size_t)255;
    for (size_t i = 0; i < p->n; i++) {
        size_t gap = p->taken[i].at - before;
        if (gap >= size && gap < smallest) {
            smallest = gap;
            index = i;
            *at = before;
        }
        before = p->taken[i].at + p->taken[i].size;
    }
    if (index == p->n) *at = before;
    size_t end;
    if (!tt_size_add(*at, size, &end)) return false;
    memmove(p->taken + index + 1, p->taken + index, (p->n - index) * sizeof *p->taken);
    p->taken[index] = (tt_place){*at, size};
    p->n++;
    if (end > p->end) p->end = end;
    return true;
}

void tt_places_give(tt_places *p, size_t at)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->taken[i].at != at) continue;
        p->n--;
        memmove(p->taken + i, p->taken + i + 1, (p->n - i) * sizeof *p->taken);
        return;
    }
}

void tt_places_clear(tt_places *p)
{
    tt_free(p->taken);
    *p = (tt_places){0};
}
