/* Reading safetensors: specs "safetensors", checks 1 to 6, in the order of the file. The header is read
 * token by token, so memory follows the number of tensors, not the form of the text. */
#include "formats/safetensors.h"
#include "formats/json_reader.h"
#include "formats/tensor_file.h"
#include "formats/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000u /* the reference reader's limit */

/* While the header is read a view's `data` is NULL and its offsets are kept here. */
typedef struct span {
    uint64_t begin, end;
    uint32_t view;
} span;

typedef struct header {
    tt_tensor_file *file;
    tt_json_reader json;
    span *spans;
    size_t capacity;
    bool has_metadata;
} header;

static uint64_t load_u64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static tt_status expect(header *h, tt_json_token wanted, const char *what, tt_error *err)
{
    tt_json_token token;
    tt_status s = tt_json_next(&h->json, &token, err);
    if (s || token == wanted) return s;
    return tt_json_fail(&h->json, err, "%s is missing", what);
}

static bool text_is(const header *h, const char *word)
{
    return h->json.text_size == strlen(word) && memcmp(h->json.text, word, h->json.text_size) == 0;
}

/* A number token as a count: digits alone. */
static tt_status to_count(header *h, uint64_t *value, tt_error *err)
{
    uint64_t v = 0;
    for (size_t i = 0; i < h->json.text_size; i++) {
        unsigned digit = (unsigned)(h->json.text[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return tt_json_fail(&h->json, err, "must be a whole number from 0 to 2^64-1");
    }
    *value = v;
    return TT_OK;
}

/* [n, n, …] of at most `max` counts */
static tt_status read_counts(header *h, const char *what, uint64_t *values, int max, int *n, tt_error *err)
{
    tt_status s = expect(h, TT_JSON_ARRAY, what, err);
    for (*n = 0; !s;) {
        tt_json_token token;
        s = tt_json_next(&h->json, &token, err);
        if (s || token == TT_JSON_ARRAY_END) break;
        if (token != TT_JSON_NUMBER) return tt_json_fail(&h->json, err, "%s: a number is missing", what);
        if (*n == max) return tt_json_fail(&h->json, err, "%s has more than %d numbers", what, max);
        s = to_count(h, &values[(*n)++], err);
    }
    return s;
}

static tt_status read_shape(header *h, tt_tensor_view *view, tt_error *err)
{
    uint64_t dims[TT_TENSOR_MAX_RANK];
    tt_status s = read_counts(h, "shape", dims, TT_TENSOR_MAX_RANK, &view->rank, err);
    for (int i = 0; i < view->rank && !s; i++) {
        if (dims[i] > INT64_MAX) return tt_json_fail(&h->json, err, "a dimension beyond 2^63-1");
        view->shape[i] = (int64_t)dims[i];
    }
    return s;
}

static tt_status read_dtype(header *h, const tt_dtype **dtype, tt_error *err)
{
    tt_status s = expect(h, TT_JSON_STRING, "dtype", err);
    if (s) return s;
    *dtype = tt_dtype_find(h->json.text, h->json.text_size);
    if (*dtype) return TT_OK;
    int shown = h->json.text_size < 40 ? (int)h->json.text_size : 40;
    return tt_json_fail(&h->json, err, "unknown dtype %.*s", shown, h->json.text);
}

static tt_status keep(header *h, const tt_tensor_view *view, const span *where, tt_error *err)
{
    if (h->file->n == h->capacity) {
        size_t capacity = h->capacity ? h->capacity * 2 : 64;
        span *grown = tt_realloc(h->spans, capacity * sizeof *grown);
        if (!grown) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", h->file->path);
        h->spans = grown;
        h->capacity = capacity;
    }
    h->spans[h->file->n] = *where;
    h->spans[h->file->n].view = (uint32_t)h->file->n;
    return tt_tensor_file_add(h->file, view, err);
}

/* {"dtype": …, "shape": …, "data_offsets": […]}: each once, nothing else. */
static tt_status read_entry(header *h, tt_tensor_view *view, tt_error *err)
{
    const tt_dtype *dtype = NULL;
    uint64_t offsets[2] = {0};
    int n_offsets = 0;
    bool has_shape = false;
    tt_status s = expect(h, TT_JSON_OBJECT, "the description of a tensor", err);
    while (!s) {
        tt_json_token token;
        s = tt_json_next(&h->json, &token, err);
        if (s || token == TT_JSON_OBJECT_END) break;
        if (text_is(h, "dtype") && !dtype) {
            s = read_dtype(h, &dtype, err);
        } else if (text_is(h, "shape") && !has_shape) {
            has_shape = true;
            s = read_shape(h, view, err);
        } else if (text_is(h, "data_offsets") && n_offsets == 0) {
            s = read_counts(h, "data_offsets", offsets, 2, &n_offsets, err);
            if (!s && n_offsets != 2) s = tt_json_fail(&h->json, err, "data_offsets must be two numbers");
        } else {
            s = tt_json_fail(&h->json, err, "tensor %.200s: a key that is unknown or there twice",
                             view->name);
        }
    }
    if (s) return s;
    if (!dtype || !has_shape || n_offsets != 2)
        return tt_json_fail(&h->json, err, "tensor %.200s: dtype, shape or data_offsets is missing",
                            view->name);
    if (offsets[1] < offsets[0])
        return tt_json_fail(&h->json, err, "tensor %.200s ends before it begins", view->name);
    view->dtype = dtype->name;
    view->type = dtype->type;
    if (!tt_tensor_bytes(dtype, view->rank, view->shape, &view->size_bytes))
        return tt_json_fail(&h->json, err, "tensor %.200s: its shape is too large or fills no whole bytes",
                            view->name);
    if (view->size_bytes != offsets[1] - offsets[0])
        return tt_json_fail(&h->json, err,
                            "tensor %.200s: shape and dtype take %zu bytes, data_offsets %" PRIu64,
                            view->name, view->size_bytes, offsets[1] - offsets[0]);
    return keep(h, view, &(span){offsets[0], offsets[1], 0}, err);
}

static tt_status read_metadata(header *h, tt_error *err)
{
    if (h->has_metadata) return tt_json_fail(&h->json, err, "__metadata__ is there twice");
    h->has_metadata = true;
    tt_status s = expect(h, TT_JSON_OBJECT, "__metadata__'s object", err);
    while (!s) {
        tt_json_token token;
        s = tt_json_next(&h->json, &token, err);
        if (s || token == TT_JSON_OBJECT_END) break;
        tt_arena *arena = h->file->arena;
        tt_metadata *m = tt_arena_alloc(arena, sizeof *m);
        if (m) m->key = tt_arena_strndup(arena, h->json.text, h->json.text_size);
        if (!m || !m->key) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", h->file->path);
        s = expect(h, TT_JSON_STRING, "a string in __metadata__", err);
        if (s) return s;
        m->value = tt_arena_strndup(arena, h->json.text, h->json.text_size);
        if (!m->value) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", h->file->path);
        m->next = h->file->metadata;
        h->file->metadata = m;
    }
    return s;
}

static tt_status read_header(header *h, tt_error *err)
{
    tt_status s = expect(h, TT_JSON_OBJECT, "the header's object", err);
    while (!s) {
        tt_json_token token;
        s = tt_json_next(&h->json, &token, err);
        if (s || token == TT_JSON_OBJECT_END) break;
        if (text_is(h, "__metadata__")) {
            s = read_metadata(h, err);
            continue;
        }
        if (h->json.text_size > TT_TENSOR_MAX_NAME)
            return tt_json_fail(&h->json, err, "a tensor's name of %zu bytes: at most %u", h->json.text_size,
                                TT_TENSOR_MAX_NAME);
        tt_tensor_view view = {.name = tt_arena_strndup(h->file->arena, h->json.text, h->json.text_size)};
        if (!view.name) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", h->file->path);
        s = read_entry(h, &view, err);
    }
    if (s) return s;
    for (; h->json.at < h->json.end; h->json.at++)
        if (*h->json.at != ' ')
            return tt_json_fail(&h->json, err, "only spaces may fill up the header behind its object");
    return TT_OK;
}

static int by_offset(const void *a, const void *b)
{
    const span *x = a, *y = b;
    int order = (x->begin > y->begin) - (x->begin < y->begin);
    return order ? order
                 : (x->end > y->end) - (x->end < y->end); /* empty tensors before the one they touch */
}

/* The tensors must tile the data exactly: no hole, no overlap, nothing behind. */
static tt_status place(header *h, const unsigned char *data, uint64_t size, tt_error *err)
{
    tt_tensor_file *file = h->file;
    if (file->n > 1) qsort(h->spans, file->n, sizeof *h->spans, by_offset);
    uint64_t at = 0;
    for (size_t i = 0; i < file->n; i++) {
        const span *sp = &h->spans[i];
        tt_tensor_view *view = &file->views[sp->view];
        if (sp->end > size)
            return tt_fail(err, TT_ERR_FORMAT,
                           "%s: tensor %.200s ends at byte %" PRIu64 " of %" PRIu64 ": cut short?",
                           file->path, view->name, sp->end, size);
        if (sp->begin != at)
            return tt_fail(err, TT_ERR_FORMAT,
                           "%s: tensor %.200s begins at byte %" PRIu64 ", %s byte %" PRIu64, file->path,
                           view->name, sp->begin,
                           sp->begin > at ? "which leaves a hole behind" : "which overlaps what ends at", at);
        view->data = data + sp->begin;
        at = sp->end;
    }
    if (at != size)
        return tt_fail(err, TT_ERR_FORMAT, "%s: %" PRIu64 " bytes behind the last tensor", file->path,
                       size - at);
    return TT_OK;
}

static tt_status parse(tt_tensor_file *file, tt_error *err)
{
    const tt_map *map = &file->map;
    if (map->size < 8) return tt_fail(err, TT_ERR_FORMAT, "%s: %zu bytes: too short", file->path, map->size);
    uint64_t length = load_u64(map->data);
    if (length > MAX_HEADER)
        return tt_fail(err, TT_ERR_FORMAT, "%s: a header of %" PRIu64 " bytes: not safetensors", file->path,
                       length);
    if (length > map->size - 8)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: the header's %" PRIu64 " bytes end behind the file's %zu: cut short?", file->path,
                       length, map->size);
    const char *text = (const char *)map->data + 8;
    if (length == 0 || text[0] != '{')
        return tt_fail(err, TT_ERR_FORMAT, "%s: the header does not begin with '{'", file->path);
    header h = {.file = file};
    char *place_name = tt_arena_printf(file->arena, "%s: header", file->path);
    if (!place_name) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
    tt_status s = tt_json_open(&h.json, place_name, text, (size_t)length, err);
    if (!s) s = read_header(&h, err);
    if (!s) s = place(&h, map->data + 8 + length, map->size - 8 - length, err);
    if (!s) s = tt_tensor_file_index(file, err);
    tt_json_close(&h.json);
    tt_free(h.spans);
    return s;
}

tt_status tt_safetensors_open(const char *path, tt_tensor_file **out, tt_error *err)
{
    tt_tensor_file *file;
    tt_status s = tt_tensor_file_create(path, true, &file, err);
    if (s) return s;
    s = parse(file, err);
    if (s) {
        tt_tensor_file_close(file);
        return s == TT_ERR_FORMAT ? tt_fail_hint(err, s, "fetch the file again, or save it anew") : s;
    }
    *out = file;
    return TT_OK;
}
