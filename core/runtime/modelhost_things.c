/* Handles and things: who holds what of a batch. */
#include "runtime/modelhost_internal.h"

#include <string.h>

/* Conditions that outlive a batch: the null caption above all, which every batch asks for. More would only
 * hold memory (8 MB each in f32 for SD1.5's cached keys and values). */
#define CONDITIONS_KEPT 4u

static uint32_t bucket_of(const tt_digest *d)
{
    uint32_t v;
    memcpy(&v, d->bytes, sizeof v);
    return v % THING_BUCKETS;
}

static bool same(const tt_digest *a, const tt_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

thing *tt_thing_find(tt_modelhost *h, thing_kind kind, const tt_digest *identity)
{
    for (thing *t = h->things[bucket_of(identity)]; t; t = t->next)
        if (t->kind == kind && same(&t->identity, identity)) {
            t->uses++;
            return t;
        }
    return NULL;
}

thing *tt_thing_add(tt_modelhost *h, thing_kind kind, const tt_digest *identity)
{
    thing *t = tt_alloc_zero(sizeof *t);
    if (!t) return NULL;
    t->kind = kind;
    t->identity = *identity;
    t->uses = 1;
    uint32_t b = bucket_of(identity);
    t->next = h->things[b];
    h->things[b] = t;
    if (kind == THING_CONDITION) h->n_conditions++;
    return t;
}

static void thing_free(tt_modelhost *h, thing *t)
{
    if (t->condition) h->target_plugin->condition_free(h->target, t->condition);
    if (t->kind == THING_CONDITION) h->n_conditions--;
    tt_free(t->values);
    tt_free(t);
}

tt_status tt_handle_give(tt_modelhost_connection *c, thing *t, tt_handle *handle, tt_error *err)
{
    if (c->n_handles == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 64;
        thing **grown = tt_realloc(c->handles, capacity * sizeof *grown);
        if (!grown) return tt_fail(err, TT_ERR_MEMORY, "out of memory for handles");
        c->handles = grown;
        c->capacity = capacity;
    }
    c->handles[c->n_handles++] = t;
    *handle = c->n_handles;
    return TT_OK;
}

tt_status tt_handle_take(const tt_modelhost_connection *c, tt_handle handle, uint32_t kinds, thing **out,
                         tt_error *err)
{
    thing *t = handle >= 1 && handle <= c->n_handles ? c->handles[handle - 1] : NULL;
    if (!t)
        return tt_fail(err, TT_ERR_INVALID,
                       "handle %llu names nothing: it was never given, was released, or its batch is over",
                       (unsigned long long)handle);
    if (!(kinds & (1u << t->kind)))
        return tt_fail(err, TT_ERR_INVALID, "handle %llu names another kind of thing",
                       (unsigned long long)handle);
    *out = t;
    return TT_OK;
}

static void free_evaluations(tt_modelhost *h)
{
    for (uint32_t b = 0; b < THING_BUCKETS; b++) {
        for (evaluation *e = h->evaluations[b], *next; e; e = next) {
            next = e->next;
            tt_free(e);
        }
        h->evaluations[b] = NULL;
    }
}

/* The number of uses below which a condition is dropped, so that at most CONDITIONS_KEPT stay. */
static uint64_t keep_threshold(const tt_modelhost *h)
{
    uint64_t top[CONDITIONS_KEPT] = {0};
    for (uint32_t b = 0; b < THING_BUCKETS; b++)
        for (const thing *t = h->things[b]; t; t = t->next) {
            uint64_t uses = t->kind == THING_CONDITION ? t->uses : 0;
            for (uint32_t i = 0; i < CONDITIONS_KEPT; i++)
                if (uses > top[i]) {
                    uint64_t lower = top[i];
                    top[i] = uses;
                    uses = lower;
                }
        }
    return top[CONDITIONS_KEPT - 1] + 1;
}

void tt_things_end_batch(tt_modelhost *h)
{
    free_evaluations(h);
    for (uint32_t i = 0; i < h->n_connections; i++)
        h->connections[i]->n_handles = 0;
    uint64_t threshold = h->n_conditions > 0 ? keep_threshold(h) : 0;
    if (threshold < 3)
        threshold = 3; /* a caption is asked for once or twice; what comes back is the null caption */
    for (uint32_t b = 0; b < THING_BUCKETS; b++) {
        thing **link = &h->things[b];
        while (*link) {
            thing *t = *link;
            if (t->kind == THING_CONDITION && t->uses >= threshold) {
                link = &t->next;
                continue;
            }
            *link = t->next;
            thing_free(h, t);
        }
    }
}

void tt_things_free(tt_modelhost *h)
{
    free_evaluations(h);
    for (uint32_t b = 0; b < THING_BUCKETS; b++) {
        for (thing *t = h->things[b], *next; t; t = next) {
            next = t->next;
            thing_free(h, t);
        }
        h->things[b] = NULL;
    }
}

evaluation *tt_evaluation_get(tt_modelhost *h, const tt_digest *identity, bool *is_new)
{
    uint32_t b = bucket_of(identity);
    for (evaluation *e = h->evaluations[b]; e; e = e->next)
        if (same(&e->identity, identity)) {
            *is_new = false;
            return e;
        }
    evaluation *e = tt_alloc_zero(sizeof *e);
    if (!e) return NULL;
    e->identity = *identity;
    e->next = h->evaluations[b];
    h->evaluations[b] = e;
    *is_new = true;
    return e;
}
