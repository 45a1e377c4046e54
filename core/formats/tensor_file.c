#include "formats/tensor_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const tt_dtype dtypes[] = {
    {"BOOL", 8, -1},     {"F4", 4, -1},          {"F6_E2M3", 6, -1},     {"F6_E3M2", 6, -1},
    {"U8", 8, TT_U8},    {"I8", 8, -1},          {"F8_E5M2", 8, -1},     {"F8_E4M3", 8, -1},
    {"F8_E8M0", 8, -1},  {"F8_E4M3FNUZ", 8, -1}, {"F8_E5M2FNUZ", 8, -1}, {"I16", 16, -1},
    {"U16", 16, -1},     {"F16", 16, TT_F16},    {"BF16", 16, TT_BF16},  {"I32", 32, TT_I32},
    {"U32", 32, -1},     {"F32", 32, TT_F32},    {"C64", 64, -1},        {"F64", 64, TT_F64},
    {"I64", 64, TT_I64}, {"U64", 64, -1},
};

const tt_dtype *tt_dtype_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strlen(dtypes[i].name) == length && memcmp(dtypes[i].name, name, length) == 0) return &dtypes[i];
    return NULL;
}

int tt_dtype_order(const tt_dtype *dtype)
{
    return (int)(dtype - dtypes);
}

bool tt_tensor_bytes(const tt_dtype *dtype, int rank, const int64_t *shape, size_t *bytes)
{
    size_t bits = dtype->bits;
    for (int i = 0; i < rank; i++)
        if (shape[i] < 0 || !tt_size_mul(bits, (size_t)shape[i], &bits)) return false;
    *bytes = bits / 8;
    return bits % 8 == 0;
}

tt_status tt_tensor_file_create(const char *path, bool map, tt_tensor_file **out, tt_error *err)
{
    tt_tensor_file *file = tt_alloc_zero(sizeof *file);
    if (file) {
        file->path = tt_strdup(path);
        file->arena = tt_arena_create(0);
    }
    tt_status s = TT_OK;
    if (!file || !file->path || !file->arena)
        s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    else if (map)
        s = tt_map_open(path, &file->map, err);
    if (s) {
        tt_tensor_file_close(file);
        return s;
    }
    *out = file;
    return TT_OK;
}

void tt_tensor_file_close(tt_tensor_file *file)
{
    if (!file) return;
    for (size_t i = 0; i < file->n_parts; i++)
        tt_tensor_file_close(file->parts[i]);
    for (size_t i = 0; i < file->n_copies; i++)
        tt_free(file->copies[i]);
    tt_free(file->copies);
    tt_free(file->parts);
    tt_free(file->by_name);
    tt_free(file->views);
    tt_arena_destroy(file->arena);
    tt_map_close(&file->map);
    tt_free(file->path);
    tt_free(file);
}

tt_status tt_tensor_file_add(tt_tensor_file *file, const tt_tensor_view *view, tt_error *err)
{
    if (file->n == TT_TENSOR_MAX_COUNT)
        return tt_fail(err, TT_ERR_FORMAT, "%s: more than %u tensors", file->path, TT_TENSOR_MAX_COUNT);
    if (file->n == file->capacity) {
        size_t capacity = file->capacity ? file->capacity * 2 : 64;
        tt_tensor_view *grown = tt_realloc(file->views, capacity * sizeof *grown);
        if (!grown) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
        file->views = grown;
        file->capacity = capacity;
    }
    file->views[file->n++] = *view;
    return TT_OK;
}

static int by_name(const void *a, const void *b, void *arg)
{
    const tt_tensor_view *views = arg;
    return strcmp(views[*(const uint32_t *)a].name, views[*(const uint32_t *)b].name);
}

tt_status tt_tensor_file_index(tt_tensor_file *file, tt_error *err)
{
    file->by_name = tt_alloc_array(file->n, sizeof *file->by_name);
    if (!file->by_name) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file->path);
    for (size_t i = 0; i < file->n; i++)
        file->by_name[i] = (uint32_t)i;
    if (file->n > 1) qsort_r(file->by_name, file->n, sizeof *file->by_name, by_name, file->views);
    for (size_t i = 1; i < file->n; i++) {
        const char *name = file->views[file->by_name[i]].name;
        if (strcmp(file->views[file->by_name[i - 1]].name, name) == 0)
            return tt_fail(err, TT_ERR_FORMAT, "%s: tensor %.200s is there twice", file->path, name);
    }
    return TT_OK;
}

size_t tt_tensor_file_count(const tt_tensor_file *file)
{
    return file->n;
}

const tt_tensor_view *tt_tensor_file_at(const tt_tensor_file *file, size_t i)
{
    return i < file->n ? &file->views[i] : NULL;
}

const tt_tensor_view *tt_tensor_file_find(const tt_tensor_file *file, const char *name)
{
    size_t low = 0, high = file->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const tt_tensor_view *view = &file->views[file->by_name[middle]];
        int order = strcmp(name, view->name);
        if (order == 0) return view;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *tt_tensor_file_metadata(const tt_tensor_file *file, const char *key)
{
    for (const tt_metadata *m = file->metadata; m; m = m->next)
        if (strcmp(m->key, key) == 0) return m->value;
    return NULL;
}

static bool give_back(const tt_map *map, const tt_tensor_view *view)
{
    uintptr_t begin = (uintptr_t)map->data, at = (uintptr_t)view->data;
    if (!map->data || at < begin || at - begin >= map->size) return false;
    tt_map_give_back(map, at - begin, view->size_bytes);
    return true;
}

void tt_tensor_file_give_back(tt_tensor_file *file, const tt_tensor_view *view)
{
    bool found = give_back(&file->map, view);
    for (size_t i = 0; i < file->n_parts && !found; i++)
        found = give_back(&file->parts[i]->map, view);
}

const char *tt_tensor_file_path(const tt_tensor_file *file)
{
    return file->path;
}
