#include "formats/text.h"
#include "formats/torch_pickle_machine.h"

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
    {"torch", "float8_e4m3fnuz", DTYPE, "F8_E4M3FNUZ"},
    {"torch", "float8_e5m2fnuz", DTYPE, "F8_E5M2FNUZ"},
    {"torch", "float8_e8m0fnu", DTYPE, "F8_E8M0"},
};

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

tt_status tt_pickle_global(machine *m)
{
    const char *module, *name;
    size_t module_size, name_size;
    if (!take_line(m, &module, &module_size) || !take_line(m, &name, &name_size))
        return tt_machine_cut_short(m);
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (!same(module, module_size, globals[i].module) || !same(name, name_size, globals[i].name))
            continue;
        value *v;
        tt_status s = tt_machine_push_new(m, TT_PICKLE_GLOBAL, &v);
        if (!s) v->as.global = (int)i;
        return s;
    }
    int shown = name_size < 100 ? (int)name_size : 100;
    if (same(module, module_size, "torch") && name_size > 7 &&
        memcmp(name + name_size - 7, "Storage", 7) == 0)
        return tt_fail(
            m->err, TT_ERR_UNSUPPORTED,
            "%s: tensors of torch.%.*s are not read: convert them to another type before torch.save",
            m->p->path, shown, name);
    return tt_fail(
        m->err, TT_ERR_REFUSED,
        "%s: the file wants %.*s.%.*s, which could run code and is not loaded: only tensors in plain "
        "containers are read; save the state dict alone, or convert it to safetensors",
        m->p->path, module_size < 100 ? (int)module_size : 100, module, shown, name);
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
tt_status tt_pickle_persistent(machine *m)
{
    const value *id = tt_machine_pop(m);
    if (!id || id->kind != TT_PICKLE_TUPLE || id->as.list.n < 5 || id->as.list.n > 6)
        return tt_machine_bad(m, "a persistent id that is no storage");
    value *const *a = id->as.list.items;
    if (a[0]->kind != TT_PICKLE_STRING || !same(a[0]->as.string.text, a[0]->as.string.size, "storage") ||
        meaning(a[1]) != STORAGE || a[2]->kind != TT_PICKLE_STRING || a[4]->kind != TT_PICKLE_INT ||
        a[4]->as.integer < 0)
        return tt_machine_bad(m, "a persistent id that is no storage");
    if (id->as.list.n == 6 && a[5]->kind != TT_PICKLE_NONE)
        return tt_machine_bad(m, "a storage that views another one, as very old files have: save it anew");
    tt_torch_storage *st = tt_arena_alloc(m->p->arena, sizeof *st);
    if (!st) return tt_machine_no_memory(m);
    *st = (tt_torch_storage){.key = a[2]->as.string.text,
                             .key_size = a[2]->as.string.size,
                             .dtype = global_dtype(a[1]),
                             .numel = (uint64_t)a[4]->as.integer};
    tt_pickle *p = m->p;
    if (p->n_storages == p->storages_capacity) {
        size_t capacity = p->storages_capacity ? 2 * p->storages_capacity : 64;
        tt_torch_storage **grown = tt_arena_alloc_array(p->arena, capacity, sizeof *grown);
        if (!grown) return tt_machine_no_memory(m);
        if (p->n_storages) memcpy(grown, p->storages, p->n_storages * sizeof *grown);
        p->storages = grown;
        p->storages_capacity = capacity;
    }
    p->storages[p->n_storages++] = st;
    value *v;
    tt_status s = tt_machine_push_new(m, TT_PICKLE_STORAGE, &v);
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
        return tt_machine_bad(m, "a tensor without storage and offset");
    tt_status s = tt_machine_new_value(m, TT_PICKLE_TENSOR, out);
    if (s) return s;
    tt_pickle_tensor *t = tt_arena_alloc(m->p->arena, sizeof *t);
    if (!t) return tt_machine_no_memory(m);
    (*out)->as.tensor = t;
    int stride_rank;
    t->storage = a[0]->as.storage;
    t->offset = (uint64_t)a[1]->as.integer;
    t->dtype = a[0]->as.storage->dtype;
    if (how == REBUILD_TENSOR_V3) {
        if (meaning(a[6]) != DTYPE || t->dtype) return tt_machine_bad(m, "a tensor without a type");
        t->dtype = global_dtype(a[6]);
    }
    if (!t->dtype) return tt_machine_bad(m, "a tensor without a type");
    if (!read_dims(a[2], &t->rank, t->shape) || !read_dims(a[3], &stride_rank, t->stride) ||
        stride_rank != t->rank)
        return tt_machine_bad(
            m, "a tensor's size or stride is malformed, negative, or has more than 8 dimensions");
    size_t bytes;
    if (!tt_tensor_bytes(t->dtype, t->rank, t->shape, &bytes))
        return tt_machine_bad(m, "a tensor's size is too large");
    return in_bounds(t) ? TT_OK : tt_machine_bad(m, "a tensor reaches behind its storage");
}

/* OrderedDict(), or Python 2's OrderedDict([[key, value], …]) */
static tt_status ordered_dict(machine *m, const value *args, value **out)
{
    tt_status s = tt_machine_new_value(m, TT_PICKLE_DICT, out);
    if (s || args->as.list.n == 0) return s;
    const value *pairs = args->as.list.items[0];
    if (args->as.list.n != 1 || pairs->kind != TT_PICKLE_LIST)
        return tt_machine_bad(m, "an OrderedDict of what are no pairs");
    for (size_t i = 0; i < pairs->as.list.n && !s; i++) {
        const value *pair = pairs->as.list.items[i];
        if ((pair->kind != TT_PICKLE_LIST && pair->kind != TT_PICKLE_TUPLE) || pair->as.list.n != 2)
            return tt_machine_bad(m, "an OrderedDict of what are no pairs");
        s = tt_machine_list_add(m, *out, pair->as.list.items[0]);
        if (!s) s = tt_machine_list_add(m, *out, pair->as.list.items[1]);
    }
    return s;
}

tt_status tt_pickle_reduce(machine *m)
{
    const value *args = tt_machine_pop(m), *callable = tt_machine_pop(m);
    if (!args || args->kind != TT_PICKLE_TUPLE || !callable)
        return tt_machine_bad(m, "a call without arguments");
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
            return tt_machine_bad(m, "a parameter without a tensor, or a size without numbers");
        result = args->as.list.items[0];
        break;
    case HARMLESS:
        s = tt_machine_new_value(m, TT_PICKLE_OPAQUE, &result);
        break;
    default:
        return tt_machine_bad(m, "a call of what cannot be called");
    }
    return s ? s : tt_machine_push(m, result);
}

tt_status tt_pickle_new_object(machine *m)
{
    const value *args = m->n ? m->stack[m->n - 1] : NULL, *class = m->n > 1 ? m->stack[m->n - 2] : NULL;
    if (meaning(class) != ORDERED_DICT || args->kind != TT_PICKLE_TUPLE || args->as.list.n)
        return tt_machine_bad(m, "an object of a class that is not made");
    return tt_pickle_reduce(m);
}

/* The state of an OrderedDict (_metadata) or of a tensor is of no use here. */
tt_status tt_pickle_build(machine *m)
{
    const value *state = tt_machine_pop(m);
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    const value *object = m->n > floor ? m->stack[m->n - 1] : NULL;
    if (!state || !object ||
        (object->kind != TT_PICKLE_DICT && object->kind != TT_PICKLE_TENSOR &&
         object->kind != TT_PICKLE_OPAQUE))
        return tt_machine_bad(m, "a state for what has none");
    return TT_OK;
}
