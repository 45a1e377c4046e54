/* CLIP's tokenizer: opening it from the ecosystem's files, and texts to ids. */
#include "base/file.h"
#include "formats/json.h"
#include "formats/text.h"
#include "models/tokenizer_internal.h"

#include <stdio.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)64 << 20)
#define CLIP_MERGES    48894 /* 49152 − 256 − 2: a longer file's other lines are unused */
#define START          "<|startoftext|>"
#define END            "<|endoftext|>"
#define TEXT_MAX_BYTES ((size_t)1 << 24)

/* ---- building ---- */

static tt_status no_memory(const char *name, tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", name);
}

/* One merge "left right"; its result must be in the vocabulary. */
static tt_status add_merge(tt_tokenizer *t, const char *name, const char *left, size_t left_size,
                           const char *right, size_t right_size, int32_t rank, tt_error *err)
{
    char joined[512];
    if (left_size + right_size >= sizeof joined)
        return tt_fail(err, TT_ERR_FORMAT, "%s: merge %d is too long", name, rank + 1);
    memcpy(joined, left, left_size);
    memcpy(joined + left_size, right, right_size);
    int32_t a = tt_vocab_find(&t->vocab, left, left_size), b = tt_vocab_find(&t->vocab, right, right_size);
    int32_t c = tt_vocab_find(&t->vocab, joined, left_size + right_size);
    if (a < 0 || b < 0 || c < 0)
        return tt_fail(err, TT_ERR_FORMAT, "%s: merge %d ('%.*s %.*s') is not of this vocabulary", name,
                       rank + 1, (int)left_size, left, (int)right_size, right);
    return tt_merges_add(&t->merges, a, b, rank, c) ? TT_OK : no_memory(name, err);
}

static void find_bytes(tt_tokenizer *t)
{
    for (int byte = 0; byte < 256; byte++) {
        char symbol[8];
        size_t n = tt_byte_symbol(byte, symbol);
        t->byte_ids[0][byte] = tt_vocab_find(&t->vocab, symbol, n);
        memcpy(symbol + n, "</w>", 4);
        t->byte_ids[1][byte] = tt_vocab_find(&t->vocab, symbol, n + 4);
    }
}

static tt_status find_specials(tt_tokenizer *t, const char *name, tt_error *err)
{
    t->bos = tt_vocab_find(&t->vocab, START, strlen(START));
    t->eos = tt_vocab_find(&t->vocab, END, strlen(END));
    t->pad = t->eos;
    t->length = 77;
    if (t->bos < 0 || t->eos < 0)
        return tt_fail(err, TT_ERR_FORMAT, "%s: lacks " START " or " END ": not CLIP's tokenizer", name);
    return TT_OK;
}

static tt_status create(const char *name, tt_tokenizer **out, tt_error *err)
{
    *out = tt_alloc_zero(sizeof **out);
    if (*out) (*out)->arena = tt_arena_create(0);
    if (!*out || !(*out)->arena) {
        tt_tokenizer_close(*out);
        return no_memory(name, err);
    }
    return TT_OK;
}

void tt_tokenizer_close(tt_tokenizer *t)
{
    if (!t) return;
    tt_free(t->vocab.slots);
    tt_free(t->merges.slots);
    tt_arena_destroy(t->arena);
    tt_free(t);
}

typedef struct line {
    const char *left, *right;
    size_t left_size, right_size;
} line;

/* The next merge of a merges file; false at its end. The header line (…#version…) and blank lines are passed
 * over. */
static bool next_line(const char **at, const char *end, line *l)
{
    while (*at < end) {
        const char *begin = *at, *stop = memchr(begin, '\n', (size_t)(end - begin));
        if (!stop) stop = end;
        *at = stop < end ? stop + 1 : end;
        if (stop > begin && stop[-1] == '\r') stop--;
        const char *space = memchr(begin, ' ', (size_t)(stop - begin));
        if (stop == begin || memmem(begin, (size_t)(stop - begin), "#version", 8) || !space) continue;
        *l = (line){begin, space + 1, (size_t)(space - begin), (size_t)(stop - space - 1)};
        return true;
    }
    return false;
}

static tt_status add_merge_lines(tt_tokenizer *t, const char *name, const char *text, size_t size,
                                 int32_t most, tt_error *err)
{
    const char *at = text;
    line l;
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    if (!tt_merges_reserve(&t->merges, lines)) return no_memory(name, err);
    tt_status s = TT_OK;
    for (int32_t rank = 0; rank < most && !s && next_line(&at, text + size, &l); rank++)
        s = add_merge(t, name, l.left, l.left_size, l.right, l.right_size, rank, err);
    return s;
}

/* The vocabulary that OpenAI's order of merges implies: 256 byte symbols, the same at a word's end, one entry
 * a merge, the two specials. Byte symbols come printable ones first (models-clip 3.3). */
static tt_status vocabulary_of_merges(tt_tokenizer *t, const char *name, const char *text, size_t size,
                                      tt_error *err)
{
    if (!tt_vocab_reserve(&t->vocab, 512 + CLIP_MERGES + 2)) return no_memory(name, err);
    int32_t id = 0;
    bool ok = true;
    for (int end = 0; end < 2; end++)
        for (int special = 0; special < 2; special++)
            for (int byte = 0; byte < 256; byte++) {
                char symbol[8];
                size_t n = tt_byte_symbol(byte, symbol);
                bool moved = n == 2 && (unsigned char)symbol[0] >= 0xc4; /* U+0100 and on */
                if (moved != (special == 1)) continue;
                memcpy(symbol + n, end ? "</w>" : "", end ? 4 : 0);
                const char *kept = tt_arena_strndup(t->arena, symbol, n + (end ? 4u : 0u));
                ok = ok && kept && tt_vocab_add(&t->vocab, kept, id++);
            }
    const char *at = text;
    line l;
    for (int32_t rank = 0; ok && rank < CLIP_MERGES && next_line(&at, text + size, &l); rank++) {
        char *joined =
            tt_arena_printf(t->arena, "%.*s%.*s", (int)l.left_size, l.left, (int)l.right_size, l.right);
        ok = joined && tt_vocab_add(&t->vocab, joined, id++);
    }
    ok = ok && tt_vocab_add(&t->vocab, START, id) && tt_vocab_add(&t->vocab, END, id + 1);
    return ok ? TT_OK : tt_fail(err, TT_ERR_FORMAT, "%s: not a list of merges with distinct results", name);
}

tt_status tt_tokenizer_from_merges(const char *name, const char *text, size_t size, tt_tokenizer **out,
                                   tt_error *err)
{
    tt_tokenizer *t;
    tt_status s = create(name, &t, err);
    if (s) return s;
    s = vocabulary_of_merges(t, name, text, size, err);
    if (!s) s = add_merge_lines(t, name, text, size, CLIP_MERGES, err);
    if (!s) s = find_specials(t, name, err);
    if (s) {
        tt_tokenizer_close(t);
        return s;
    }
    find_bytes(t);
    *out = t;
    return TT_OK;
}

/* ---- a folder of files ---- */

static tt_status add_vocabulary(tt_tokenizer *t, const char *name, const tt_node *map, tt_error *err)
{
    if (!map || map->kind != TT_NODE_MAP)
        return tt_fail(err, TT_ERR_FORMAT, "%s: the vocabulary is no object", name);
    if (!tt_vocab_reserve(&t->vocab, map->n_children + 16)) return no_memory(name, err);
    for (const tt_node *n = map->children; n; n = n->next) {
        if (n->kind != TT_NODE_INT || n->value.integer < 0 || n->value.integer > INT32_MAX)
            return tt_node_fail(n, err, "the id of '%.40s' must be a whole number", n->key);
        if (!tt_vocab_add(&t->vocab, n->key, (int32_t)n->value.integer))
            return tt_node_fail(n, err, "'%.40s' stands twice in the vocabulary", n->key);
    }
    return TT_OK;
}

/* merges of tokenizer.json: "left right", or in newer files ["left", "right"] */
static tt_status add_merge_list(tt_tokenizer *t, const char *name, const tt_node *list, tt_error *err)
{
    if (!list || list->kind != TT_NODE_LIST)
        return tt_fail(err, TT_ERR_FORMAT, "%s: model.merges is no list", name);
    if (!tt_merges_reserve(&t->merges, list->n_children)) return no_memory(name, err);
    int32_t rank = 0;
    for (const tt_node *n = list->children; n; n = n->next, rank++) {
        const char *left = NULL, *right = NULL;
        size_t left_size = 0;
        if (n->kind == TT_NODE_STRING && strchr(n->text, ' ')) {
            left = n->text;
            right = strchr(n->text, ' ') + 1;
            left_size = (size_t)(right - left) - 1;
        } else if (n->kind == TT_NODE_LIST && n->n_children == 2 && n->children->text &&
                   n->children->next->text) {
            left = n->children->text;
            right = n->children->next->text;
            left_size = strlen(left);
        } else {
            return tt_node_fail(n, err, "merge %d is no pair", rank + 1);
        }
        tt_status s = add_merge(t, name, left, left_size, right, strlen(right), rank, err);
        if (s) return s;
    }
    return TT_OK;
}

static tt_status open_single(tt_tokenizer *t, const char *path, tt_error *err)
{
    tt_node *root;
    tt_status s = tt_json_read(t->arena, path, FILE_MAX_BYTES, &root, err);
    if (s) return s;
    const tt_node *model = tt_node_get(root, "model");
    s = add_vocabulary(t, path, tt_node_get(model, "vocab"), err);
    return s ? s : add_merge_list(t, path, tt_node_get(model, "merges"), err);
}

static tt_status open_pair(tt_tokenizer *t, const char *vocab_path, const char *merges_path, tt_error *err)
{
    tt_node *root;
    char *text = NULL;
    size_t size = 0;
    tt_status s = tt_json_read(t->arena, vocab_path, FILE_MAX_BYTES, &root, err);
    if (!s) s = add_vocabulary(t, vocab_path, root, err);
    if (!s) s = tt_file_read(merges_path, FILE_MAX_BYTES, &text, &size, err);
    if (!s) s = add_merge_lines(t, merges_path, text, size, INT32_MAX, err);
    tt_free(text);
    return s;
}

/* a token in a config: a string, or an object with `content` */
static const char *token_text(const tt_node *config, const char *key)
{
    const tt_node *n = tt_node_get(config, key);
    if (n && n->kind == TT_NODE_MAP) n = tt_node_get(n, "content");
    return n && n->kind == TT_NODE_STRING ? n->text : NULL;
}

static tt_status read_config(tt_tokenizer *t, const char *path, tt_error *err)
{
    if (!tt_file_exists(path)) return TT_OK;
    tt_node *config;
    tt_status s = tt_json_read(t->arena, path, 1 << 20, &config, err);
    if (s) return s;
    const struct {
        const char *key;
        int32_t *id;
    } tokens[] = {{"bos_token", &t->bos}, {"eos_token", &t->eos}, {"pad_token", &t->pad}};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        const char *text = token_text(config, tokens[i].key);
        if (!text) continue;
        int32_t id = tt_vocab_find(&t->vocab, text, strlen(text));
        if (id < 0)
            return tt_fail(err, TT_ERR_FORMAT, "%s: %s '%s' is not in the vocabulary", path, tokens[i].key,
                           text);
        *tokens[i].id = id;
    }
    const tt_node *length = tt_node_get(config, "model_max_length");
    if (length && length->kind == TT_NODE_INT &&
        length->value.integer < 100000) { /* else "no limit": 77 stays */
        if (length->value.integer < 3)
            return tt_node_fail(length, err, "model_max_length must be at least 3");
        t->length = (int)length->value.integer;
    }
    return TT_OK;
}

static tt_status open_files(tt_tokenizer *t, const char *dir, tt_error *err)
{
    const char *vocab = tt_arena_printf(t->arena, "%s/vocab.json", dir);
    const char *merges = tt_arena_printf(t->arena, "%s/merges.txt", dir);
    const char *single = tt_arena_printf(t->arena, "%s/tokenizer.json", dir);
    const char *config = tt_arena_printf(t->arena, "%s/tokenizer_config.json", dir);
    if (!vocab || !merges || !single || !config) return no_memory(dir, err);
    tt_status s;
    if (tt_file_exists(vocab) && tt_file_exists(merges))
        s = open_pair(t, vocab, merges, err);
    else if (tt_file_exists(single))
        s = open_single(t, single, err);
    else
        s = tt_fail(err, TT_ERR_NOT_FOUND,
                    "%s: neither vocab.json with merges.txt nor tokenizer.json is there", dir);
    if (!s) s = find_specials(t, dir, err);
    return s ? s : read_config(t, config, err);
}

tt_status tt_tokenizer_open(const char *dir, tt_tokenizer **out, tt_error *err)
{
    tt_tokenizer *t;
    tt_status s = create(dir, &t, err);
    if (s) return s;
    s = open_files(t, dir, err);
    if (s) {
        tt_tokenizer_close(t);
        return s;
    }
    find_bytes(t);
    *out = t;
    return TT_OK;
}

int32_t tt_tokenizer_bos(const tt_tokenizer *t)
{
    return t->bos;
}

int32_t tt_tokenizer_eos(const tt_tokenizer *t)
{
    return t->eos;
}

int32_t tt_tokenizer_pad(const tt_tokenizer *t)
{
    return t->pad;
}

int tt_tokenizer_length(const tt_tokenizer *t)
{
    return t->length;
}

/* ---- texts ---- */

typedef struct job {
    const tt_tokenizer *t;
    tt_ids ids;
} job;

static tt_status on_piece(void *user, const char *bytes, size_t size, tt_error *err)
{
    job *j = user;
    return tt_bpe(j->t, bytes, size, &j->ids, err);
}

/* The first special written in text: its offset, id and size; size 0: none. */
static size_t find_literal(const tt_tokenizer *t, const char *text, size_t size, int32_t *id,
                           size_t *literal_size)
{
    static const char *const literals[] = {START, END};
    *literal_size = 0;
    for (size_t at = 0; at + strlen(END) <= size; at++) {
        if (text[at] != '<') continue;
        for (int k = 0; k < 2; k++) {
            size_t n = strlen(literals[k]);
            if (size - at < n || memcmp(text + at, literals[k], n) != 0) continue;
            *id = k ? t->eos : t->bos;
            *literal_size = n;
            return at;
        }
    }
    return size;
}

static tt_status add_text(job *j, const char *text, size_t size, bool literal_specials, tt_error *err)
{
    if (size > TEXT_MAX_BYTES)
        return tt_fail(err, TT_ERR_INVALID, "a text of %zu bytes: at most %zu", size, TEXT_MAX_BYTES);
    size_t valid = tt_utf8_check(text, size);
    if (valid < size)
        return tt_fail(err, TT_ERR_INVALID,
                       "a text that is not UTF-8 (byte %zu): convert it, e.g. with iconv", valid);
    while (size > 0) {
        int32_t id = 0;
        size_t literal = 0, before = size;
        if (literal_specials) before = find_literal(j->t, text, size, &id, &literal);
        tt_status s = tt_text_pieces(text, before, on_piece, j, err);
        if (!s && literal && !tt_ids_add(&j->ids, id))
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a text");
        if (s) return s;
        text += before + literal;
        size -= before + literal;
    }
    return TT_OK;
}

tt_status tt_tokenizer_body(const tt_tokenizer *t, const char *text, size_t size, bool literal_specials,
                            int32_t **ids, size_t *n, tt_error *err)
{
    job j = {.t = t};
    tt_status s = add_text(&j, text, size, literal_specials, err);
    if (s) {
        tt_free(j.ids.ids);
        return s;
    }
    *ids = j.ids.ids;
    *n = j.ids.n;
    return TT_OK;
}

tt_status tt_tokenizer_encode(const tt_tokenizer *t, const tt_text *text, bool literal_specials, int32_t *ids,
                              tt_error *err)
{
    job j = {.t = t};
    tt_status s = TT_OK;
    for (uint32_t k = 0; k < text->n_pieces && !s; k++) {
        const tt_text_piece *p = &text->pieces[k];
        if (p->text)
            s = add_text(&j, p->text, strlen(p->text), literal_specials, err);
        else if (!tt_ids_add(&j.ids, p->special_id))
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a text");
    }
    size_t room = (size_t)t->length - 2, n = j.ids.n < room ? j.ids.n : room;
    if (!s) {
        ids[0] = t->bos;
        if (n) memcpy(ids + 1, j.ids.ids, n * sizeof *ids);
        ids[1 + n] = t->eos;
        for (size_t i = n + 2; i < (size_t)t->length; i++)
            ids[i] = t->pad;
    }
    tt_free(j.ids.ids);
    return s;
}
