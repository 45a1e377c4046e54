/* PyTorch checkpoints: the two containers (zip since 1.6, a stream of pickles before), and from the values to
 * views: nested dicts become dotted names, strided tensors dense copies. */
#include "formats/safetensors.h"
#include "formats/tensor_file.h"
#include "formats/torch_pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_PICKLE ((size_t)64 << 20)
#define MAX_VALUES ((size_t)1 << 30) /* bytes of the arena that pickled values live in */
#define MAX_DEPTH  32
#define MAX_VISITS 4000000u
#define MAX_NAMES                                                                                            \
    ((size_t)256 << 20) /* bytes: keys may be shared, so that a small file could name gigabytes */
#define COPY_HEADROOM ((size_t)64 << 20)

static tt_status bad(const char *path, tt_error *err, const char *what)
{
    return tt_fail(err, TT_ERR_FORMAT, "%s: %s; fetch the file again, or save it anew with torch.save", path,
                   what);
}

static bool storage_bytes(const tt_torch_storage *st, size_t *bytes)
{
    return tt_size_mul((size_t)st->numel, st->dtype ? st->dtype->bits / 8 : 1, bytes);
}

/* ---- zip ---- */

/* The one "<root>/data.pkl". */
static tt_status find_pickle(const char *path, const tt_zip_entry *entries, size_t n,
                             const tt_zip_entry **found, size_t *root, tt_error *err)
{
    *found = NULL;
    for (size_t i = 0; i < n; i++) {
        const char *slash = strchr(entries[i].name, '/');
        if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
        if (*found) return bad(path, err, "two data.pkl");
        *found = &entries[i];
        *root = (size_t)(slash - entries[i].name);
    }
    return *found ? TT_OK : bad(path, err, "no data.pkl, so not a file of torch.save");
}

static tt_status check_byte_order(const tt_tensor_file *file, const tt_zip_entry *entry, tt_error *err)
{
    if (!entry || (entry->size == 6 && memcmp(file->map.data + entry->offset, "little", 6) == 0))
        return TT_OK;
    return tt_fail(err, TT_ERR_UNSUPPORTED,
                   "%s: written on a big-endian machine: convert it to safetensors there", file->path);
}

static tt_status attach_zip(const tt_tensor_file *file, tt_pickle *p, const tt_zip_entry *entries, size_t n,
                            const char *root, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->n_storages && !s; i++) {
        tt_torch_storage *st = p->storages[i];
        char name[1024];
        int length = snprintf(name, sizeof name, "%sdata/%.*s", root,
                              st->key_size < 512 ? (int)st->key_size : 512, st->key);
        const tt_zip_entry *e = length < (int)sizeof name ? tt_zip_find(entries, n, name) : NULL;
        size_t bytes;
        if (!e)
            s = tt_fail(err, TT_ERR_FORMAT, "%s: storage %.200s is missing: fetch the file again", file->path,
                        name);
        else if (!storage_bytes(st, &bytes) || bytes != e->size)
            s = tt_fail(err, TT_ERR_FORMAT,
                        "%s: storage %s has %zu bytes, its tensors expect another size: fetch the file again",
                        file->path, name, e->size);
        else
            st->data = file->map.data + e->offset;
    }
    return s;
}

static tt_status read_zip(const tt_tensor_file *file, tt_pickle *p, tt_pickle_value **root, tt_error *err)
{
    tt_zip_entry *entries;
    const tt_zip_entry *pickle;
    size_t n = 0, root_size = 0, used;
    tt_status s = tt_zip_list(file->path, &file->map, p->arena, &entries, &n, err);
    if (!s) s = find_pickle(file->path, entries, n, &pickle, &root_size, err);
    if (s) return s;
    char *prefix = tt_arena_printf(p->arena, "%.*s/", (int)root_size, pickle->name);
    char *order = prefix ? tt_arena_printf(p->arena, "%sbyteorder", prefix) : NULL;
    if (!order) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
    s = check_byte_order(file, tt_zip_find(entries, n, order), err);
    if (s) return s;
    const unsigned char *data = file->map.data + pickle->offset;
    if (pickle->size > MAX_PICKLE) return bad(file->path, err, "a data.pkl of more than 64 MiB");
    /* torch.save without checksums (set_crc32_options) leaves 0 there */
    if (pickle->crc != 0 && crc32(0, data, (uInt)pickle->size) != pickle->crc)
        return bad(file->path, err, "data.pkl is damaged (its CRC differs)");
    s = tt_pickle_read(p, data, pickle->size, &used, root, err);
    return s ? s : attach_zip(file, p, entries, n, prefix, err);
}

/* ---- the format before 1.6 ---- */

typedef struct stream {
    const tt_tensor_file *file;
    tt_pickle *p;
    size_t at;
} stream;

static tt_status next_pickle(stream *st, tt_pickle_value **value, tt_error *err)
{
    size_t left = st->file->map.size - st->at, used;
    tt_status s = tt_pickle_read(st->p, st->file->map.data + st->at, left < MAX_PICKLE ? left : MAX_PICKLE,
                                 &used, value, err);
    st->at += used;
    return s;
}

static int compare_key(const char *a, size_t n, const char *b, size_t m)
{
    int order = memcmp(a, b, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static int by_key(const void *a, const void *b)
{
    const tt_torch_storage *x = *(tt_torch_storage *const *)a, *y = *(tt_torch_storage *const *)b;
    return compare_key(x->key, x->key_size, y->key, y->key_size);
}

/* Index of the first reference with this key, or n. */
static size_t first_with_key(const tt_pickle *p, const char *key, size_t size)
{
    size_t low = 0, high = p->n_storages;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const tt_torch_storage *st = p->storages[middle];
        if (compare_key(st->key, st->key_size, key, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* i64 count, raw elements; every reference to the key gets them. */
static tt_status read_storage(stream *s, const tt_pickle_value *key, tt_error *err)
{
    const tt_map *map = &s->file->map;
    const char *path = s->file->path;
    if (key->kind != TT_PICKLE_STRING) return bad(path, err, "a storage's key is no string");
    if (map->size - s->at < 8) return bad(path, err, "cut short");
    uint64_t count = 0;
    for (int i = 7; i >= 0; i--)
        count = count << 8 | map->data[s->at + (size_t)i];
    s->at += 8;
    const char *text = key->as.string.text;
    size_t size = key->as.string.size, i = first_with_key(s->p, text, size), bytes = 0;
    const tt_torch_storage *first = i < s->p->n_storages ? s->p->storages[i] : NULL;
    if (!first || compare_key(first->key, first->key_size, text, size) != 0)
        return bad(path, err, "a storage that no tensor uses");
    if (first->data) return bad(path, err, "a storage that is there twice");
    if (!storage_bytes(first, &bytes) || bytes > map->size - s->at) return bad(path, err, "cut short");
    for (; i < s->p->n_storages; i++) {
        tt_torch_storage *st = s->p->storages[i];
        if (compare_key(st->key, st->key_size, text, size) != 0) break;
        if (st->numel != count || st->dtype != first->dtype)
            return bad(path, err, "a storage of two sizes or types");
        st->data = map->data + s->at;
    }
    s->at += bytes;
    return TT_OK;
}

static bool is_int(const tt_pickle_value *v, int64_t i)
{
    return v->kind == TT_PICKLE_INT && v->as.integer == i;
}

static bool says_big_endian(const tt_pickle_value *info)
{
    for (size_t i = 0; info->kind == TT_PICKLE_DICT && i + 1 < info->as.list.n; i += 2) {
        const tt_pickle_value *k = info->as.list.items[i], *v = info->as.list.items[i + 1];
        if (k->kind == TT_PICKLE_STRING &&
            compare_key(k->as.string.text, k->as.string.size, "little_endian", 13) == 0)
            return v->kind != TT_PICKLE_BOOL || !v->as.boolean;
    }
    return true;
}

static tt_status read_legacy(const tt_tensor_file *file, tt_pickle *p, tt_pickle_value **root, tt_error *err)
{
    /* 0x1950a86a20f9469cfc6c, little-endian */
    static const char magic[10] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    stream st = {file, p, 0};
    tt_pickle_value *v = NULL;
    tt_status s = next_pickle(&st, &v, err);
    if (s) return s;
    if (v->kind != TT_PICKLE_LONG || v->as.string.size != sizeof magic ||
        memcmp(v->as.string.text, magic, sizeof magic) != 0)
        return bad(file->path, err, "a pickle, but not a file of torch.save");
    if ((s = next_pickle(&st, &v, err))) return s;
    if (!is_int(v, 1001)) return bad(file->path, err, "an unknown version of the format before PyTorch 1.6");
    if ((s = next_pickle(&st, &v, err))) return s;
    if (says_big_endian(v))
        return tt_fail(err, TT_ERR_UNSUPPORTED,
                       "%s: written on a big-endian machine: convert it to safetensors there", file->path);
    if ((s = next_pickle(&st, root, err)) || (s = next_pickle(&st, &v, err))) return s;
    if (v->kind != TT_PICKLE_LIST) return bad(file->path, err, "no list of storages");
    if (p->n_storages > 1) qsort(p->storages, p->n_storages, sizeof *p->storages, by_key);
    for (size_t i = 0; i < v->as.list.n && !s; i++)
        s = read_storage(&st, v->as.list.items[i], err);
    return s;
}

/* ---- from values to views ---- */

typedef struct flattener {
    tt_tensor_file *file;
    size_t visits, copied, copies_capacity, names;
    char name[TT_TENSOR_MAX_NAME + 1];
    tt_error *err;
} flattener;

static bool is_contiguous(const tt_pickle_tensor *t)
{
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        int64_t n = t->shape[i];
        if (n == 0) return true;
        if (n > 1 && t->stride[i] != step) return false;
        step *= n; /* the product was checked when the tensor was made */
    }
    return true;
}

/* Positions are added to `from` only where an element is: a dimension of one may have any stride. */
static void copy_dense(const tt_pickle_tensor *t, const unsigned char *from, size_t item, int dim,
                       unsigned char **to)
{
    for (int64_t i = 0; i < t->shape[dim]; i++) {
        const unsigned char *at = from + (size_t)i * (size_t)t->stride[dim] * item;
        if (dim + 1 < t->rank) {
            copy_dense(t, at, item, dim + 1, to);
            continue;
        }
        memcpy(*to, at, item);
        *to += item;
    }
}

static tt_status make_dense(flattener *f, const tt_pickle_tensor *t, const unsigned char *from,
                            tt_tensor_view *view)
{
    tt_tensor_file *file = f->file;
    /* an expanded tensor (stride 0) can be far larger than its file: no honest checkpoint does that */
    if (!tt_size_add(f->copied, view->size_bytes, &f->copied) || f->copied > COPY_HEADROOM + file->map.size)
        return tt_fail(
            f->err, TT_ERR_FORMAT,
            "%s: tensor %.200s is far larger than what the file holds of it: save it with .contiguous()",
            file->path, view->name);
    if (file->n_copies == f->copies_capacity) {
        size_t capacity = f->copies_capacity ? 2 * f->copies_capacity : 16;
        void **grown = tt_realloc(file->copies, capacity * sizeof *grown);
        if (!grown) return tt_fail(f->err, TT_ERR_MEMORY, "%s: out of memory", file->path);
        file->copies = grown;
        f->copies_capacity = capacity;
    }
    unsigned char *dense = tt_alloc(view->size_bytes), *end = dense;
    if (!dense) return tt_fail(f->err, TT_ERR_MEMORY, "%s: out of memory", file->path);
    file->copies[file->n_copies++] = dense;
    copy_dense(t, from, t->dtype->bits / 8, 0, &end);
    view->data = dense;
    return TT_OK;
}

static tt_status add_tensor(flattener *f, const tt_pickle_tensor *t)
{
    const tt_dtype *dtype = t->dtype;
    tt_tensor_view view = {.name = tt_arena_strdup(f->file->arena, f->name),
                           .dtype = dtype->name,
                           .type = dtype->type,
                           .rank = t->rank};
    if (!view.name) return tt_fail(f->err, TT_ERR_MEMORY, "%s: out of memory", f->file->path);
    f->names += strlen(view.name) + 1;
    if (f->names > MAX_NAMES) return bad(f->file->path, f->err, "names of more than 256 MiB");
    memcpy(view.shape, t->shape, sizeof view.shape);
    tt_tensor_bytes(dtype, view.rank, view.shape, &view.size_bytes);
    const unsigned char *data = t->storage->data;
    if (!data)
        return tt_fail(f->err, TT_ERR_FORMAT, "%s: tensor %.200s has no storage: fetch the file again",
                       f->file->path, view.name);
    tt_status s = TT_OK;
    if (view.size_bytes == 0) {
        view.data = data; /* the offset of a tensor without elements means nothing */
    } else {
        const unsigned char *from = data + t->offset * (dtype->bits / 8);
        view.data = from;
        if (!is_contiguous(t)) s = make_dense(f, t, from, &view);
    }
    return s ? s : tt_tensor_file_add(f->file, &view, f->err);
}

/* Appends ".component" at `length`; 0: too long, or with a NUL. */
static size_t put_component(flattener *f, size_t length, const char *text, size_t size)
{
    size_t dot = length > 0;
    if (size > TT_TENSOR_MAX_NAME - length - dot || memchr(text, '\0', size)) return 0;
    if (length + dot + size > TT_TENSOR_MAX_NAME) return 0;
    if (dot) f->name[length] = '.';
    memcpy(f->name + length + dot, text, size);
    f->name[length + dot + size] = '\0';
    return length + dot + size;
}

static tt_status flatten(flattener *f, const tt_pickle_value *v, size_t length, int depth);

static tt_status flatten_under(flattener *f, const tt_pickle_value *v, const char *key, size_t size,
                               size_t length, int depth)
{
    bool wanted = v->kind == TT_PICKLE_TENSOR || v->kind == TT_PICKLE_DICT || v->kind == TT_PICKLE_LIST ||
                  v->kind == TT_PICKLE_TUPLE;
    if (!wanted) return TT_OK;
    if (length >= TT_TENSOR_MAX_NAME - 1) return bad(f->file->path, f->err, "a name that is too long");
    size_t longer = put_component(f, length, key, size);
    if (!longer && size) return bad(f->file->path, f->err, "a name that is too long, or has a NUL in it");
    tt_status s = flatten(f, v, longer ? longer : length, depth + 1);
    f->name[length] = '\0';
    return s;
}

/* Values may be shared, so that a small file can be a huge tree, or hold themselves: both limits are needed.
 */
static tt_status flatten(flattener *f, const tt_pickle_value *v, size_t length, int depth)
{
    if (depth > MAX_DEPTH) return bad(f->file->path, f->err, "containers nested deeper than 32");
    if (++f->visits > MAX_VISITS) return bad(f->file->path, f->err, "too many values");
    if (v->kind == TT_PICKLE_TENSOR) return add_tensor(f, v->as.tensor);
    size_t step = v->kind == TT_PICKLE_DICT ? 2 : 1;
    for (size_t i = 0; i + step <= v->as.list.n; i += step) {
        const tt_pickle_value *key = v->as.list.items[i], *item = v->as.list.items[i + step - 1];
        char number[24];
        const char *text = number;
        size_t size;
        if (++f->visits > MAX_VISITS) return bad(f->file->path, f->err, "too many values");
        if (step == 1) {
            size = (size_t)snprintf(number, sizeof number, "%zu", i);
        } else if (key->kind == TT_PICKLE_INT) {
            size = (size_t)snprintf(number, sizeof number, "%" PRId64, key->as.integer);
        } else if (key->kind == TT_PICKLE_STRING) {
            text = key->as.string.text;
            size = key->as.string.size;
        } else {
            continue; /* no name could be made of it */
        }
        tt_status s = flatten_under(f, item, text, size, length, depth);
        if (s) return s;
    }
    return TT_OK;
}

/* Training scripts wrap the weights: {"state_dict": {…}, "epoch": …}. */
static const tt_pickle_value *enter_state_dict(const tt_pickle_value *root)
{
    for (size_t i = 0; root->kind == TT_PICKLE_DICT && i + 1 < root->as.list.n; i += 2) {
        const tt_pickle_value *k = root->as.list.items[i], *v = root->as.list.items[i + 1];
        if (k->kind == TT_PICKLE_STRING && v->kind == TT_PICKLE_DICT &&
            compare_key(k->as.string.text, k->as.string.size, "state_dict", 10) == 0)
            return v;
    }
    return root;
}

static tt_status read_values(tt_tensor_file *file, tt_pickle *p, tt_pickle_value **root, tt_error *err)
{
    const tt_map *map = &file->map;
    if (map->size >= 4 && memcmp(map->data, "PK\3\4", 4) == 0) return read_zip(file, p, root, err);
    if (map->size >= 2 && map->data[0] == 0x80) return read_legacy(file, p, root, err);
    if (map->size >= 262 && memcmp(map->data + 257, "ustar", 5) == 0)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: the tar format of PyTorch before 0.2: save it anew",
                       file->path);
    return bad(file->path, err, "neither a zip archive nor a pickle, so not a file of torch.save");
}

static tt_status parse(tt_tensor_file *file, tt_arena *arena, tt_error *err)
{
    tt_pickle p = {.path = file->path, .arena = arena};
    tt_pickle_value *root = NULL;
    tt_status s = read_values(file, &p, &root, err);
    if (s) return s;
    if (root->kind != TT_PICKLE_DICT && root->kind != TT_PICKLE_LIST && root->kind != TT_PICKLE_TUPLE)
        return bad(file->path, err, "holds no dict of tensors");
    flattener *f = tt_alloc_zero(sizeof *f); /* it has a long name in it */
    if (!f) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
    f->file = file;
    f->err = err;
    s = flatten(f, enter_state_dict(root), 0, 0);
    tt_free(f);
    return s ? s : tt_tensor_file_index(file, err);
}

tt_status tt_torch_open(const char *path, tt_tensor_file **out, tt_error *err)
{
    tt_tensor_file *file;
    tt_status s = tt_tensor_file_create(path, true, &file, err);
    if (s) return s;
    tt_arena *arena = tt_arena_create(MAX_VALUES);
    s = arena ? parse(file, arena, err) : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_arena_destroy(arena);
    if (s) {
        tt_tensor_file_close(file);
        return s;
    }
    *out = file;
    return TT_OK;
}
