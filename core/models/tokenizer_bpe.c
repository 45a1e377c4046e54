/* Byte-pair merging of one piece: always the adjacent pair of lowest rank, the leftmost of equals, until none
 * is left. Pairs wait in a heap, so a piece of n bytes costs n·log n, whatever it holds. */
#include "models/tokenizer_internal.h"

typedef struct symbol {
    int32_t id, previous, next; /* neighbours by index; -1: none. id -1: merged away */
} symbol;

typedef struct candidate {
    int32_t rank, at, left, right,
        joined; /* at: index of the left symbol; left, right: the ids when it was queued */
} candidate;

typedef struct heap {
    candidate *items;
    size_t n, capacity;
} heap;

static bool before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void swap(candidate *a, candidate *b)
{
    candidate held = *a;
    *a = *b;
    *b = held;
}

static bool push(heap *h, candidate c)
{
    if (h->n == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : 32;
        candidate *grown = tt_realloc(h->items, capacity * sizeof *grown);
        if (!grown) return false;
        h->items = grown;
        h->capacity = capacity;
    }
    size_t i = h->n++;
    h->items[i] = c;
    for (; i > 0 && before(&h->items[i], &h->items[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&h->items[i], &h->items[(i - 1) / 2]);
    return true;
}

static candidate pop(heap *h)
{
    candidate top = h->items[0];
    h->items[0] = h->items[--h->n];
    for (size_t i = 0;;) {
        size_t smallest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
            if (before(&h->items[child], &h->items[smallest])) smallest = child;
        if (smallest == i) return top;
        swap(&h->items[i], &h->items[smallest]);
        i = smallest;
    }
}

static bool queue_pair(const tt_tokenizer *t, const symbol *s, int32_t at, heap *h)
{
    if (at < 0 || s[at].next < 0) return true;
    candidate c = {.at = at, .left = s[at].id, .right = s[s[at].next].id};
    c.rank = tt_merges_find(&t->merges, c.left, c.right, &c.joined);
    return c.rank < 0 || push(h, c);
}

static bool merge_all(const tt_tokenizer *t, symbol *s, int32_t n, heap *h)
{
    for (int32_t i = 0; i < n; i++)
        if (!queue_pair(t, s, i, h)) return false;
    while (h->n > 0) {
        candidate c = pop(h);
        int32_t right = s[c.at].next;
        if (s[c.at].id != c.left || right < 0 || s[right].id != c.right)
            continue; /* a neighbour changed meanwhile */
        s[c.at].id = c.joined;
        s[c.at].next = s[right].next;
        s[right].id = -1;
        if (s[c.at].next >= 0) s[s[c.at].next].previous = c.at;
        if (!queue_pair(t, s, s[c.at].previous, h) || !queue_pair(t, s, c.at, h)) return false;
    }
    return true;
}

tt_status tt_bpe(const tt_tokenizer *t, const char *bytes, size_t size, tt_ids *out, tt_error *err)
{
    if (size > INT32_MAX) return tt_fail(err, TT_ERR_INVALID, "a word of %zu bytes", size);
    int32_t n = (int32_t)size;
    symbol *s = tt_alloc_array(size, sizeof *s);
    heap h = {0};
    tt_status status = s ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for a word of %zu bytes", size);
    for (int32_t i = 0; i < n && !status; i++) {
        int32_t id = t->byte_ids[i == n - 1][(unsigned char)bytes[i]];
        s[i] = (symbol){id, i - 1, i + 1 < n ? i + 1 : -1};
        if (id < 0)
            status =
                tt_fail(err, TT_ERR_FORMAT, "the vocabulary lacks byte 0x%02x: not a byte-level tokenizer",
                        (unsigned char)bytes[i]);
    }
    if (!status && !merge_all(t, s, n, &h)) status = tt_fail(err, TT_ERR_MEMORY, "out of memory for a word");
    for (int32_t i = 0; i >= 0 && i < n && !status; i = s[i].next)
        if (!tt_ids_add(out, s[i].id)) status = tt_fail(err, TT_ERR_MEMORY, "out of memory for a text");
    tt_free(h.items);
    tt_free(s);
    return status;
}
