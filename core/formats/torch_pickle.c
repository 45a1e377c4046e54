#include "formats/torch_pickle.h"
#include "formats/text.h"

#include <inttypes.h>
#include <string.h>

/* ---- names that may occur ---- */

enum {
    ORDERED_DICT,
    REBUILD_TENSOR,
    REBUILD_TENSOR_V2,
    REBUILD_TENSOR_V3,
    REBUILD_PARAMETER,
    SIZE,
    HARMLESS, /* its call gives an opaque value */
    STORAGE,  /* and a dtype */
    DTYPE
};

static const struct {
    const char *module, *name;
    int meaning;
    const char *dtype;
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, NULL},
    {"torch._utils", "_rebuild_tensor", REBUILD_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR_V2, NULL},
    {"torch._utils", "_rebuild_tensor_v3", REBUILD_TENSOR_V3, NULL},
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, NULL},
    {"torch.nn.parameter", "Parameter", REBUILD_PARAMETER, NULL},
    {"torch", "Size", SIZE, NULL},
    {"torch", "device", HARMLESS, NULL},
    {"numpy", "dtype", HARMLESS, NULL},
    {"numpy.core.multiarray", "scalar", HARMLESS, NULL},
    {"numpy._core.multiarray", "scalar", HARMLESS, NULL},
    {"_codecs", "encode", HARMLESS, NULL}, /* the bytes of a numpy scalar */
    {"torch", "FloatStorage", STORAGE, "F32"},
    {"torch", "HalfStorage", STORAGE, "F16"},
    {"torch", "BFloat16Storage", STORAGE, "BF16"},
    {"torch", "DoubleStorage", STORAGE, "F64"},
    {"torch", "LongStorage", STORAGE, "I64"},
    {"torch", "IntStorage", STORAGE, "I32"},
    {"torch", "ShortStorage", STORAGE, "I16"},
    {"torch", "CharStorage", STORAGE, "I8"},
    {"torch", "ByteStorage", STORAGE, "U8"},
    {"torch", "BoolStorage", STORAGE, "BOOL"},
    {"torch", "ComplexFloatStorage", STORAGE, "C64"},
    {"torch.storage", "UntypedStorage", STORAGE, NULL},
    {"torch", "float32", DTYPE, "F32"},
    {"torch", "float16", DTYPE, "F16"},
    {"torch", "bfloat16", DTYPE, "BF16"},
    {"torch", "float64", DTYPE, "F64"},
    {"torch", "int64", DTYPE, "I64"},
    {"torch", "int32", DTYPE, "I32"},
    {"torch", "int16", DTYPE, "I16"},
    {"torch", "int8", DTYPE, "I8"},
    {"torch", "uint8", DTYPE, "U8"},
    {"torch", "uint16", DTYPE, "U16"},
    {"torch", "uint32", DTYPE, "U32"},
    {"torch", "uint64", DTYPE, "U64"},
    {"torch", "bool", DTYPE, "BOOL"},
    {"torch", "complex64", DTYPE, "C64"},
    {"torch", "float8_e4m3fn", DTYPE, "F8_E4M3"},
    {"torch", "float8_e5m2", DTYPE, "F8_E5M2"},
};

/* ---- the machine ---- */

typedef tt_pickle_value value;

typedef struct machine {
    tt_pickle *p;
    const unsigned char *begin, *at, *end;
    value **stack;
    size_t n, capacity;
    size_t *marks;
    size_t n_marks, marks_capacity;
    value **memo;
    size_t memo_size;
    tt_error *err;
} machine;

static tt_status bad(const machine *m, const char *what)
{
    return tt_fail(m->err, TT_ERR_FORMAT, "%s: pickle, byte %zu: %s", m->p->path, (size_t)(m->at - m->begin),
                   what);
}

static tt_status no_memory(const machine *m)
{
    return tt_fail(m->err, TT_ERR_MEMORY, "%s: out of memory, or a pickle too large", m->p->path);
}

static tt_status new_value(machine *m, tt_pickle_kind kind, value **out)
{
    *out = tt_arena_alloc(m->p->arena, sizeof **out);
    if (!*out) return no_memory(m);
    (*out)->kind = kind;
    return TT_OK;
}

/* Grows an array of `size`-byte elements to hold one more. */
static bool grow(void **array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = tt_realloc(*array, wanted * size);
    if (!grown) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

static tt_status push(machine *m, value *v)
{
    if (!grow((void **)&m->stack, m->n, &m->capacity, sizeof *m->stack)) return no_memory(m);
    m->stack[m->n++] = v;
    return TT_OK;
}

static tt_status push_new(machine *m, tt_pickle_kind kind, value **out)
{
    tt_status s = new_value(m, kind, out);
    return s ? s : push(m, *out);
}

static tt_status push_bool(machine *m, bool b)
{
    value *v;
    tt_status s = push_new(m, TT_PICKLE_BOOL, &v);
    if (!s) v->as.boolean = b;
    return s;
}

static tt_status push_int(machine *m, int64_t i)
{
    value *v;
    tt_status s = push_new(m, TT_PICKLE_INT, &v);
    if (!s) v->as.integer = i;
    return s;
}

/* Nothing below the last mark may be taken. */
static value *pop(machine *m)
{
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    return m->n > floor ? m->stack[--m->n] : NULL;
}

static bool take(machine *m, size_t n, const unsigned char **bytes)
{
    if ((size_t)(m->end - m->at) < n) return false;
    *bytes = m->at;
    m->at += n;
    return true;
}

static uint32_t load_u32(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool take_u32(machine *m, uint32_t *out)
{
    const unsigned char *b;
    if (!take(m, 4, &b)) return false;
    *out = load_u32(b);
    return true;
}

static bool take_u8(machine *m, size_t *out)
{
    const unsigned char *b;
    if (!take(m, 1, &b)) return false;
    *out = *b;
    return true;
}

static tt_status cut_short(const machine *m)
{
    return bad(m, "ends too early");
}

/* ---- containers ---- */

static tt_status list_add(machine *m, value *list, value *item)
{
    if (list->as.list.n == list->as.list.capacity) {
        size_t capacity = list->as.list.capacity ? 2 * list->as.list.capacity : 8;
        value **grown = tt_arena_alloc_array(m->p->arena, capacity, sizeof(value *));
        if (!grown) return no_memory(m);
        if (list->as.list.n) memcpy(grown, list->as.list.items, list->as.list.n * sizeof(value *));
        list->as.list.items = grown;
        list->as.list.capacity = capacity;
    }
    list->as.list.items[list->as.list.n++] = item;
    return TT_OK;
}

static tt_status add_all(machine *m, value *list, size_t from)
{
    tt_status s = TT_OK;
    for (size_t i = from; i < m->n && !s; i++)
        s = list_add(m, list, m->stack[i]);
    m->n = from;
    return s;
}

static tt_status make_tuple(machine *m, size_t from)
{
    value *tuple;
    tt_status s = new_value(m, TT_PICKLE_TUPLE, &tuple);
    if (!s) s = add_all(m, tuple, from);
    return s ? s : push(m, tuple);
}

static tt_status make_short_tuple(machine *m, size_t n)
{
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (m->n - floor < n) return bad(m, "the stack is empty");
    return make_tuple(m, m->n - n);
}

static bool pop_mark(machine *m, size_t *from)
{
    if (!m->n_marks) return false;
    *from = m->marks[--m->n_marks];
    return true;
}

/* APPEND(S), SETITEM(S): `from` is where the new items begin, the container lies below. */
static tt_status extend(machine *m, size_t from, tt_pickle_kind kind)
{
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (from <= floor || m->stack[from - 1]->kind != kind || (kind == TT_PICKLE_DICT && (m->n - from) % 2))
        return bad(m, kind == TT_PICKLE_DICT ? "items for what is no dict" : "items for what is no list");
    return add_all(m, m->stack[from - 1], from);
}

/* ---- numbers and strings ---- */

static tt_status read_long(machine *m)
{
    size_t n;
    const unsigned char *b;
    if (!take_u8(m, &n) || !take(m, n, &b)) return cut_short(m);
    value *v;
    tt_status s = push_new(m, n <= 8 ? TT_PICKLE_INT : TT_PICKLE_LONG, &v);
    if (s) return s;
    if (n > 8) {
        v->as.string.text = (const char *)b;
        v->as.string.size = n;
        return TT_OK;
    }
    uint64_t u = n && b[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = n; i-- > 0;)
        u = u << 8 | b[i];
    memcpy(&v->as.integer, &u, sizeof u);
    return TT_OK;
}

static tt_status read_double(machine *m)
{
    const unsigned char *b;
    if (!take(m, 8, &b)) return cut_short(m);
    uint64_t u = 0;
    for (int i = 0; i < 8; i++)
        u = u << 8 | b[i];
    value *v;
    tt_status s = push_new(m, TT_PICKLE_FLOAT, &v);
    if (!s) memcpy(&v->as.real, &u, sizeof u);
    return s;
}

static tt_status read_string(machine *m, size_t n, bool utf8)
{
    const unsigned char *b;
    if (!take(m, n, &b)) return cut_short(m);
    if (utf8 && tt_utf8_check((const char *)b, n) < n) return bad(m, "a string that is not UTF-8");
    value *v;
    tt_status s = push_new(m, TT_PICKLE_STRING, &v);
    if (s) return s;
    v->as.string.text = (const char *)b;
    v->as.string.size = n;
    return TT_OK;
}

/* ---- memo ---- */

static tt_status memo_put(machine *m, size_t i)
{
    if (m->n == 0) return bad(m, "the stack is empty");
    /* picklers number from 0, a put takes two bytes: a higher index would only cost memory */
    if (i > (size_t)(m->end - m->begin)) return bad(m, "a memo index that is too large");
    if (i >= m->memo_size) {
        size_t size = i < 64 ? 128 : 2 * i;
        value **grown = tt_realloc(m->memo, size * sizeof *grown);
        if (!grown) return no_memory(m);
        memset(grown + m->memo_size, 0, (size - m->memo_size) * sizeof *grown);
        m->memo = grown;
        m->memo_size = size;
    }
    m->memo[i] = m->stack[m->n - 1];
    return TT_OK;
}

static tt_status memo_get(machine *m, size_t i)
{
    if (i >= m->memo_size || !m->memo[i]) return bad(m, "an unknown memo index");
    return push(m, m->memo[i]);
}

/* ---- globals and what is made of them ---- */

static bool take_line(machine *m, const char **text, size_t *size)
{
    const unsigned char *end = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!end) return false;
    *text = (const char *)m->at;
    *size = (size_t)(end - m->at);
    m->at = end + 1;
    return true;
}

static bool same(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

static tt_status read_global(machine *m)
{
    const char *module, *name;
    size_t module_size, name_size;
    if (!take_line(m, &module, &module_size) || !take_line(m, &name, &name_size)) return cut_short(m);
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (!same(module, module_size, globals[i].module) || !same(name, name_size, globals[i].name))
            continue;
        value *v;
        tt_status s = push_new(m, TT_PICKLE_GLOBAL, &v);
        if (!s) v->as.global = (int)i;
        return s;
    }
    return tt_fail(
        m->err, TT_ERR_REFUSED,
        "%s: the file wants %.*s.%.*s, which could run code and is not loaded: only tensors in plain "
        "containers are read; save the state dict alone, or convert it to safetensors",
        m->p->path, module_size < 100 ? (int)module_size : 100, module,
        name_size < 100 ? (int)name_size : 100, name);
}

static int meaning(const value *v)
{
    return v && v->kind == TT_PICKLE_GLOBAL ? globals[v->as.global].meaning : -1;
}

static const tt_dtype *global_dtype(const value *v)
{
    const char *name = globals[v->as.global].dtype;
    return name ? tt_dtype_find(name, strlen(name)) : NULL;
}

/* ('storage', type, key, location, numel[, view]) */
static tt_status read_persistent(machine *m)
{
    const value *id = pop(m);
    if (!id || id->kind != TT_PICKLE_TUPLE || id->as.list.n < 5 || id->as.list.n > 6)
        return bad(m, "a persistent id that is no storage");
    value *const *a = id->as.list.items;
    if (a[0]->kind != TT_PICKLE_STRING || !same(a[0]->as.string.text, a[0]->as.string.size, "storage") ||
        meaning(a[1]) != STORAGE || a[2]->kind != TT_PICKLE_STRING || a[4]->kind != TT_PICKLE_INT ||
        a[4]->as.integer < 0)
        return bad(m, "a persistent id that is no storage");
    if (id->as.list.n == 6 && a[5]->kind != TT_PICKLE_NONE)
        return bad(m, "a storage that views another one, as very old files have: save it anew");
    tt_torch_storage *st = tt_arena_alloc(m->p->arena, sizeof *st);
    if (!st) return no_memory(m);
    *st = (tt_torch_storage){.key = a[2]->as.string.text,
                             .key_size = a[2]->as.string.size,
                             .dtype = global_dtype(a[1]),
                             .numel = (uint64_t)a[4]->as.integer};
    tt_pickle *p = m->p;
    if (p->n_storages == p->storages_capacity) {
        size_t capacity = p->storages_capacity ? 2 * p->storages_capacity : 64;
        tt_torch_storage **grown = tt_arena_alloc_array(p->arena, capacity, sizeof *grown);
        if (!grown) return no_memory(m);
        if (p->n_storages) memcpy(grown, p->storages, p->n_storages * sizeof *grown);
        p->storages = grown;
        p->storages_capacity = capacity;
    }
    p->storages[p->n_storages++] = st;
    value *v;
    tt_status s = push_new(m, TT_PICKLE_STORAGE, &v);
    if (!s) v->as.storage = st;
    return s;
}

/* The highest element that the view reaches must lie in the storage. */
static bool in_bounds(const tt_pickle_tensor *t)
{
    uint64_t last = t->offset, numel = t->storage->numel;
    if (!t->storage->dtype) numel /= t->dtype->bits / 8;
    for (int i = 0; i < t->rank; i++) {
        uint64_t reach;
        if (t->shape[i] == 0) return true;
        if (__builtin_mul_overflow((uint64_t)t->shape[i] - 1, (uint64_t)t->stride[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
    }
    return last < numel;
}

static bool read_dims(const value *v, int *rank, int64_t *dims)
{
    if (v->kind != TT_PICKLE_TUPLE || v->as.list.n > TT_TENSOR_MAX_RANK) return false;
    *rank = (int)v->as.list.n;
    for (int i = 0; i < *rank; i++) {
        if (v->as.list.items[i]->kind != TT_PICKLE_INT || v->as.list.items[i]->as.integer < 0) return false;
        dims[i] = v->as.list.items[i]->as.integer;
    }
    return true;
}

static tt_status rebuild_tensor(machine *m, int how, const value *args, value **out)
{
    value *const *a = args->as.list.items;
    size_t n = args->as.list.n, least = how == REBUILD_TENSOR ? 4 : how == REBUILD_TENSOR_V2 ? 6 : 7;
    if (n < least || a[0]->kind != TT_PICKLE_STORAGE || a[1]->kind != TT_PICKLE_INT || a[1]->as.integer < 0)
        return bad(m, "a tensor without storage and offset");
    tt_status s = new_value(m, TT_PICKLE_TENSOR, out);
    if (s) return s;
    tt_pickle_tensor *t = tt_arena_alloc(m->p->arena, sizeof *t);
    if (!t) return no_memory(m);
    (*out)->as.tensor = t;
    int stride_rank;
    t->storage = a[0]->as.storage;
    t->offset = (uint64_t)a[1]->as.integer;
    t->dtype = a[0]->as.storage->dtype;
    if (how == REBUILD_TENSOR_V3) {
        if (meaning(a[6]) != DTYPE || t->dtype) return bad(m, "a tensor without a type");
        t->dtype = global_dtype(a[6]);
    }
    if (!t->dtype) return bad(m, "a tensor without a type");
    if (!read_dims(a[2], &t->rank, t->shape) || !read_dims(a[3], &stride_rank, t->stride) ||
        stride_rank != t->rank)
        return bad(m, "a tensor's size or stride is malformed, negative, or has more than 8 dimensions");
    size_t bytes;
    if (!tt_tensor_bytes(t->dtype, t->rank, t->shape, &bytes)) return bad(m, "a tensor's size is too large");
    return in_bounds(t) ? TT_OK : bad(m, "a tensor reaches behind its storage");
}

/* OrderedDict(), or Python 2's OrderedDict([[key, value], …]) */
static tt_status ordered_dict(machine *m, const value *args, value **out)
{
    tt_status s = new_value(m, TT_PICKLE_DICT, out);
    if (s || args->as.list.n == 0) return s;
    const value *pairs = args->as.list.items[0];
    if (args->as.list.n != 1 || pairs->kind != TT_PICKLE_LIST)
        return bad(m, "an OrderedDict of what are no pairs");
    for (size_t i = 0; i < pairs->as.list.n && !s; i++) {
        const value *pair = pairs->as.list.items[i];
        if ((pair->kind != TT_PICKLE_LIST && pair->kind != TT_PICKLE_TUPLE) || pair->as.list.n != 2)
            return bad(m, "an OrderedDict of what are no pairs");
        s = list_add(m, *out, pair->as.list.items[0]);
        if (!s) s = list_add(m, *out, pair->as.list.items[1]);
    }
    return s;
}

static tt_status reduce(machine *m)
{
    const value *args = pop(m), *callable = pop(m);
    if (!args || args->kind != TT_PICKLE_TUPLE || !callable) return bad(m, "a call without arguments");
    int how = meaning(callable);
    value *result = NULL;
    tt_status s = TT_OK;
    switch (how) {
    case ORDERED_DICT:
        s = ordered_dict(m, args, &result);
        break;
    case REBUILD_TENSOR:
    case REBUILD_TENSOR_V2:
    case REBUILD_TENSOR_V3:
        s = rebuild_tensor(m, how, args, &result);
        break;
    case REBUILD_PARAMETER:
    case SIZE:
        if (args->as.list.n == 0 ||
            args->as.list.items[0]->kind != (how == SIZE ? TT_PICKLE_TUPLE : TT_PICKLE_TENSOR))
            return bad(m, "a parameter without a tensor, or a size without numbers");
        result = args->as.list.items[0];
        break;
    case HARMLESS:
        s = new_value(m, TT_PICKLE_OPAQUE, &result);
        break;
    default:
        return bad(m, "a call of what cannot be called");
    }
    return s ? s : push(m, result);
}

static tt_status new_object(machine *m)
{
    const value *args = m->n ? m->stack[m->n - 1] : NULL, *class = m->n > 1 ? m->stack[m->n - 2] : NULL;
    if (meaning(class) != ORDERED_DICT || args->kind != TT_PICKLE_TUPLE || args->as.list.n)
        return bad(m, "an object of a class that is not made");
    return reduce(m);
}

/* The state of an OrderedDict (_metadata) or of a tensor is of no use here. */
static tt_status build(machine *m)
{
    const value *state = pop(m);
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    const value *object = m->n > floor ? m->stack[m->n - 1] : NULL;
    if (!state || !object ||
        (object->kind != TT_PICKLE_DICT && object->kind != TT_PICKLE_TENSOR &&
         object->kind != TT_PICKLE_OPAQUE))
        return bad(m, "a state for what has none");
    return TT_OK;
}

/* ---- opcodes ---- */

static tt_status push_mark(machine *m)
{
    if (!grow((void **)&m->marks, m->n_marks, &m->marks_capacity, sizeof *m->marks)) return no_memory(m);
    m->marks[m->n_marks++] = m->n;
    return TT_OK;
}

static tt_status step_number(machine *m, unsigned char op)
{
    const unsigned char *b;
    switch (op) {
    case 'J': /* BININT */
        if (!take(m, 4, &b)) return cut_short(m);
        return push_int(m, (int32_t)load_u32(b));
    case 'K': /* BININT1 */
        if (!take(m, 1, &b)) return cut_short(m);
        return push_int(m, *b);
    case 'M': /* BININT2 */
        if (!take(m, 2, &b)) return cut_short(m);
        return push_int(m, b[0] | b[1] << 8);
    case 0x8a: /* LONG1 */
        return read_long(m);
    default: /* BINFLOAT */
        return read_double(m);
    }
}

static tt_status step_memo_or_string(machine *m, unsigned char op)
{
    uint32_t wide = 0;
    size_t n = 0;
    bool is_wide = op == 'r' || op == 'j' || op == 'X';
    if (is_wide ? !take_u32(m, &wide) : !take_u8(m, &n)) return cut_short(m);
    if (is_wide) n = wide;
    switch (op) {
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */
        return memo_put(m, n);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */
        return memo_get(m, n);
    default: /* BINUNICODE, SHORT_BINSTRING */
        return read_string(m, n, op == 'X');
    }
}

static tt_status step_items(machine *m, unsigned char op)
{
    size_t from = 0;
    bool to_mark = op == 't' || op == 'e' || op == 'u';
    if (to_mark && !pop_mark(m, &from)) return bad(m, "no mark");
    if (op == 't') return make_tuple(m, from);
    size_t n = op == 's' ? 2 : 1;
    if (!to_mark) {
        if (m->n < n) return bad(m, "the stack is empty");
        from = m->n - n;
    }
    return extend(m, from, op == 's' || op == 'u' ? TT_PICKLE_DICT : TT_PICKLE_LIST);
}

static tt_status step(machine *m, unsigned char op)
{
    value *v;
    switch (op) {
    case '(':
        return push_mark(m);
    case '}':
        return push_new(m, TT_PICKLE_DICT, &v);
    case ']':
    case 0x8f: /* EMPTY_SET */
        return push_new(m, TT_PICKLE_LIST, &v);
    case ')':
        return push_new(m, TT_PICKLE_TUPLE, &v);
    case 'N':
        return push_new(m, TT_PICKLE_NONE, &v);
    case 0x88:
    case 0x89:
        return push_bool(m, op == 0x88);
    case 'J':
    case 'K':
    case 'M':
    case 'G':
    case 0x8a:
        return step_number(m, op);
    case 'q':
    case 'r':
    case 'h':
    case 'j':
    case 'X':
    case 'U':
        return step_memo_or_string(m, op);
    case 0x85:
    case 0x86:
    case 0x87:
        return make_short_tuple(m, (size_t)op - 0x84);
    case 't':
    case 'a':
    case 'e':
    case 's':
    case 'u':
        return step_items(m, op);
    case 'c':
        return read_global(m);
    case 'R':
        return reduce(m);
    case 0x81:
        return new_object(m);
    case 'b':
        return build(m);
    case 'Q':
        return read_persistent(m);
    default:
        return tt_fail(m->err, TT_ERR_FORMAT, "%s: pickle, byte %zu: opcode 0x%02x is not read", m->p->path,
                       (size_t)(m->at - m->begin) - 1, op);
    }
}

static tt_status run(machine *m, value **result)
{
    if (m->end - m->at < 2 || m->at[0] != 0x80) return bad(m, "not a pickle");
    if (m->at[1] != 2)
        return tt_fail(m->err, TT_ERR_UNSUPPORTED, "%s: pickle protocol %d: torch.save's default, 2, is read",
                       m->p->path, m->at[1]);
    m->at += 2;
    for (;;) {
        if (m->at == m->end) return cut_short(m);
        unsigned char op = *m->at++;
        if (op == '.') break;
        tt_status s = step(m, op);
        if (s) return s;
    }
    *result = pop(m);
    return *result && m->n == 0 && m->n_marks == 0 ? TT_OK : bad(m, "does not end with one value");
}

tt_status tt_pickle_read(tt_pickle *pickle, const unsigned char *data, size_t size, size_t *used,
                         tt_pickle_value **result, tt_error *err)
{
    machine m = {.p = pickle, .begin = data, .at = data, .end = data + size, .err = err};
    tt_status s = run(&m, result);
    *used = (size_t)(m.at - data);
    tt_free(m.stack);
    tt_free(m.marks);
    tt_free(m.memo);
    return s;
}
