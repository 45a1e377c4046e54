#include "models/tokenizer_internal.h"

#include <string.h>

static size_t hash_text(const char *text, size_t size)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static size_t slots_for(size_t n)
{
    size_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    return slots;
}

bool tt_vocab_reserve(tt_vocab *v, size_t n)
{
    v->n_slots = slots_for(n + 1);
    v->slots = tt_alloc_array(v->n_slots, sizeof *v->slots);
    return v->slots != NULL;
}

bool tt_vocab_add(tt_vocab *v, const char *text, int32_t id)
{
    if (v->n + 1 >= v->n_slots) return false;
    size_t at = hash_text(text, strlen(text)) & (v->n_slots - 1);
    for (; v->slots[at].text; at = (at + 1) & (v->n_slots - 1))
        if (strcmp(v->slots[at].text, text) == 0) return false;
    v->slots[at].text = text;
    v->slots[at].id = id;
    v->n++;
    return true;
}

int32_t tt_vocab_find(const tt_vocab *v, const char *text, size_t size)
{
    size_t at = hash_text(text, size) & (v->n_slots - 1);
    for (; v->slots[at].text; at = (at + 1) & (v->n_slots - 1))
        if (strncmp(v->slots[at].text, text, size) == 0 && v->slots[at].text[size] == '\0')
            return v->slots[at].id;
    return -1;
}

bool tt_merges_reserve(tt_merges *m, size_t n)
{
    m->n_slots = slots_for(n + 1);
    m->slots = tt_alloc_array(m->n_slots, sizeof *m->slots);
    return m->slots != NULL;
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
}

static size_t hash_pair(uint64_t pair, size_t n_slots)
{
    pair *= 0x9e3779b97f4a7c15u;
    return (size_t)(pair >> 29) & (n_slots - 1);
}

bool tt_merges_add(tt_merges *m, int32_t left, int32_t right, int32_t rank, int32_t joined)
{
    uint64_t pair = pair_of(left, right);
    if (m->n + 1 >= m->n_slots) return false;
    size_t at = hash_pair(pair, m->n_slots);
    for (; m->slots[at].pair; at = (at + 1) & (m->n_slots - 1))
        if (m->slots[at].pair == pair) return true; /* the first of two equal lines counts */
    m->slots[at].pair = pair;
    m->slots[at].rank = rank;
    m->slots[at].joined = joined;
    m->n++;
    return true;
}

int32_t tt_merges_find(const tt_merges *m, int32_t left, int32_t right, int32_t *joined)
{
    uint64_t pair = pair_of(left, right);
    size_t at = hash_pair(pair, m->n_slots);
    for (; m->slots[at].pair; at = (at + 1) & (m->n_slots - 1))
        if (m->slots[at].pair == pair) {
            *joined = m->slots[at].joined;
            return m->slots[at].rank;
        }
    return -1;
}

static bool printable(int byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* Printable bytes stand for themselves as code points; the other 68 in order for U+0100 and on
 * (models-clip 3.3). */
size_t tt_byte_symbol(int byte, char out[4])
{
    int code = byte;
    if (!printable(byte)) {
        code = 0x100;
        for (int b = 0; b < byte; b++)
            code += !printable(b);
    }
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
}

bool tt_ids_add(tt_ids *list, int32_t id)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        int32_t *grown = tt_realloc(list->ids, capacity * sizeof *grown);
        if (!grown) return false;
        list->ids = grown;
        list->capacity = capacity;
    }
    list->ids[list->n++] = id;
    return true;
}
