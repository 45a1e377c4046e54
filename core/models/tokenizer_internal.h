/* Shared by the files of the tokenizer. */
#ifndef TT_MODELS_TOKENIZER_INTERNAL_H
#define TT_MODELS_TOKENIZER_INTERNAL_H

#include "base/mem.h"
#include "models/tokenizer.h"

/* token text → id: open addressing, a power of two of slots */
typedef struct tt_vocab {
    struct {
        const char *text;
        int32_t id;
    } * slots;
    size_t n_slots, n;
} tt_vocab;

/* (left id, right id) → rank and the id of the two joined */
typedef struct tt_merges {
    struct {
        uint64_t pair; /* left << 32 | right, plus one so that 0 is empty */
        int32_t rank, joined;
    } * slots;
    size_t n_slots, n;
} tt_merges;

struct tt_tokenizer {
    tt_arena *arena;
    tt_vocab vocab;
    tt_merges merges;
    int32_t byte_ids[2]
                    [256]; /* of a byte inside a piece, and at its end ("</w>"); -1: not in the vocabulary */
    int32_t bos, eos, pad;
    int length;
};

typedef struct tt_ids {
    int32_t *ids;
    size_t n, capacity;
} tt_ids;
bool tt_ids_add(tt_ids *list, int32_t id); /* false: out of memory */

/* tokenizer_vocab.c */
bool tt_vocab_reserve(tt_vocab *v, size_t n);
bool tt_vocab_add(tt_vocab *v, const char *text,
                  int32_t id); /* text is borrowed; false: full or there already */
int32_t tt_vocab_find(const tt_vocab *v, const char *text, size_t size);
bool tt_merges_reserve(tt_merges *m, size_t n);
bool tt_merges_add(tt_merges *m, int32_t left, int32_t right, int32_t rank, int32_t joined);
/* -1: not a merge */
int32_t tt_merges_find(const tt_merges *m, int32_t left, int32_t right, int32_t *joined);
/* The character that stands for a byte in vocabularies, as UTF-8; its size. */
size_t tt_byte_symbol(int byte, char out[4]);

/* tokenizer_text.c: one piece after another of normalised text. */
tt_status tt_text_pieces(const char *text, size_t size,
                         tt_status (*piece)(void *user, const char *bytes, size_t size, tt_error *err),
                         void *user, tt_error *err);
/* tokenizer_bpe.c: the ids of one piece */
tt_status tt_bpe(const tt_tokenizer *t, const char *bytes, size_t size, tt_ids *out, tt_error *err);

#endif
