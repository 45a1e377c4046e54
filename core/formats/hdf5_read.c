#include "base/file.h"
#include "formats/hdf5.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tt_hdf5_reader {
    char *path;
    tt_arena *arena;
    hid_t file;
    size_t size; /* bytes of the file: nothing in it can be larger */
};

static tt_status bad(const tt_hdf5_reader *r, const char *path, const char *why, tt_error *err)
{
    return tt_fail(err, TT_ERR_FORMAT, "%s: %s %s", r->path, path, why);
}

static tt_status no_memory(const tt_hdf5_reader *r, tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->path);
}

tt_status tt_hdf5_open(const char *path, tt_arena *arena, tt_hdf5_reader **out, tt_error *err)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return tt_fail(err, TT_ERR_NOT_FOUND, "%s: no such file", path);
    tt_hdf5_reader *r = tt_alloc_zero(sizeof *r);
    if (!r) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    r->file = -1;
    r->arena = arena;
    r->size = (size_t)st.st_size;
    r->path = tt_strdup(path);
    tt_status s = r->path ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    if (!s) {
        r->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        if (r->file < 0)
            s = tt_fail(err, TT_ERR_FORMAT, "%s: is no HDF5 file, or is damaged or cut off", path);
    }
    if (s) {
        tt_hdf5_close(r);
        return s;
    }
    *out = r;
    return TT_OK;
}

void tt_hdf5_close(tt_hdf5_reader *r)
{
    if (!r) return;
    if (r->file >= 0) H5Fclose(r->file);
    tt_free(r->path);
    tt_free(r);
}

/* Every group on the way must exist: HDF5 asks so. */
bool tt_hdf5_has(tt_hdf5_reader *r, const char *path)
{
    char part[1024];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) return false;
    if (n == 1) return true;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lexists(r->file, part, H5P_DEFAULT) <= 0) return false;
    }
    return true;
}

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    (void)group, (void)info;
    struct {
        tt_arena *arena;
        const char **names;
        size_t n, capacity;
    } *list = user;
    if (list->n == list->capacity) return -1;
    list->names[list->n] = tt_arena_strdup(list->arena, name);
    return list->names[list->n++] ? 0 : -1;
}

tt_status tt_hdf5_list(tt_hdf5_reader *r, const char *path, const char *const **names, size_t *n,
                       tt_error *err)
{
    *n = 0;
    *names = NULL;
    if (!tt_hdf5_has(r, path)) return TT_OK;
    hid_t group = H5Gopen2(r->file, path, H5P_DEFAULT);
    H5G_info_t info;
    if (group < 0 || H5Gget_info(group, &info) < 0) {
        if (group >= 0) H5Gclose(group);
        return bad(r, path, "is no group", err);
    }
    struct {
        tt_arena *arena;
        const char **names;
        size_t n, capacity;
    } list = {.arena = r->arena, .capacity = (size_t)info.nlinks};
    tt_status s = TT_OK;
    if (info.nlinks > r->size) s = bad(r, path, "claims more entries than the file could hold", err);
    if (!s) list.names = tt_arena_alloc_array(r->arena, list.capacity, sizeof *list.names);
    if (!s && !list.names) s = no_memory(r, err);
    if (!s && H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, &list) < 0)
        s = bad(r, path, "cannot be listed", err);
    H5Gclose(group);
    *names = list.names;
    *n = list.n;
    return s;
}

/* Opens a dataset of `rank` whose values take `bytes` each at least. */
static tt_status open_set(tt_hdf5_reader *r, const char *path, size_t rank, size_t bytes, size_t *dims,
                          hid_t *set, tt_error *err)
{
    *set = tt_hdf5_has(r, path) ? H5Dopen2(r->file, path, H5P_DEFAULT) : -1;
    if (*set < 0) return bad(r, path, "is missing", err);
    hid_t space = H5Dget_space(*set);
    hsize_t size[2] = {0, 0};
    bool good = H5Sget_simple_extent_ndims(space) == (int)rank &&
                H5Sget_simple_extent_dims(space, size, NULL) == (int)rank;
    H5Sclose(space);
    size_t total = bytes;
    for (size_t i = 0; i < rank && good; i++) {
        dims[i] = (size_t)size[i];
        good = tt_size_mul(total, dims[i], &total);
    }
    if (good && total <= r->size) return TT_OK;
    H5Dclose(*set);
    return bad(r, path, "has another shape than it must have, or claims more than the file holds", err);
}

static tt_status read_set(tt_hdf5_reader *r, const char *path, size_t rank, size_t *dims, hid_t type,
                          size_t bytes, void **values, tt_error *err)
{
    hid_t set;
    tt_status s = open_set(r, path, rank, bytes, dims, &set, err);
    if (s) return s;
    size_t n = rank == 2 ? dims[0] * dims[1] : dims[0];
    *values = tt_arena_alloc_array(r->arena, n, bytes);
    if (!*values)
        s = no_memory(r, err);
    else if (n && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *values) < 0)
        s = bad(r, path, "cannot be read", err);
    H5Dclose(set);
    return s;
}

tt_status tt_hdf5_get_f64(tt_hdf5_reader *r, const char *path, size_t rank, size_t *dims, double **values,
                          tt_error *err)
{
    void *data = NULL;
    tt_status s = read_set(r, path, rank, dims, H5T_NATIVE_DOUBLE, sizeof(double), &data, err);
    *values = data;
    return s;
}

tt_status tt_hdf5_get_u32(tt_hdf5_reader *r, const char *path, size_t *n, uint32_t **values, tt_error *err)
{
    void *data = NULL;
    tt_status s = read_set(r, path, 1, n, H5T_NATIVE_UINT32, sizeof(uint32_t), &data, err);
    *values = data;
    return s;
}

tt_status tt_hdf5_get_u8(tt_hdf5_reader *r, const char *path, size_t *n, uint8_t **values, tt_error *err)
{
    void *data = NULL;
    tt_status s = read_set(r, path, 1, n, H5T_NATIVE_UINT8, sizeof(uint8_t), &data, err);
    *values = data;
    return s;
}

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

tt_status tt_hdf5_get_texts(tt_hdf5_reader *r, const char *path, size_t *n, const char *const **texts,
                            tt_error *err)
{
    hid_t set;
    tt_status s = open_set(r, path, 1, 1, n, &set, err);
    if (s) return s;
    char **raw = tt_alloc_zero((*n + 1) * sizeof *raw);
    const char **kept = tt_arena_alloc_array(r->arena, *n, sizeof *kept);
    hid_t type = text_type(), space = H5Dget_space(set);
    if (!raw || !kept)
        s = no_memory(r, err);
    else if (*n && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, (void *)raw) < 0)
        s = bad(r, path, "cannot be read as texts", err);
    for (size_t i = 0; i < *n && !s; i++) {
        kept[i] = tt_arena_strdup(r->arena, raw[i] ? raw[i] : "");
        if (!kept[i]) s = no_memory(r, err);
    }
    if (raw && *n) H5Dvlen_reclaim(type, space, H5P_DEFAULT, (void *)raw);
    tt_free(raw);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(set);
    *texts = kept;
    return s;
}

static tt_status read_attribute(tt_hdf5_reader *r, const char *path, const char *name, hid_t type,
                                void *value, tt_error *err)
{
    hid_t attribute =
        tt_hdf5_has(r, path) ? H5Aopen_by_name(r->file, path, name, H5P_DEFAULT, H5P_DEFAULT) : -1;
    bool good = false;
    if (attribute >= 0) {
        hid_t space = H5Aget_space(attribute);
        good = H5Sget_simple_extent_npoints(space) == 1 && H5Aread(attribute, type, value) >= 0;
        H5Sclose(space);
        H5Aclose(attribute);
    }
    return good ? TT_OK
                : tt_fail(err, TT_ERR_FORMAT, "%s: %s has no readable attribute %s", r->path, path, name);
}

tt_status tt_hdf5_attribute_f64(tt_hdf5_reader *r, const char *path, const char *name, double *value,
                                tt_error *err)
{
    return read_attribute(r, path, name, H5T_NATIVE_DOUBLE, value, err);
}

tt_status tt_hdf5_attribute_u64(tt_hdf5_reader *r, const char *path, const char *name, uint64_t *value,
                                tt_error *err)
{
    return read_attribute(r, path, name, H5T_NATIVE_UINT64, value, err);
}

tt_status tt_hdf5_attribute_text(tt_hdf5_reader *r, const char *path, const char *name, const char **value,
                                 tt_error *err)
{
    *value = NULL;
    if (!tt_hdf5_has(r, path) || H5Aexists_by_name(r->file, path, name, H5P_DEFAULT) <= 0) return TT_OK;
    char *raw = NULL;
    hid_t type = text_type();
    tt_status s = read_attribute(r, path, name, type, &raw, err);
    H5Tclose(type);
    if (s) return s;
    *value = tt_arena_strdup(r->arena, raw ? raw : "");
    H5free_memory(raw);
    return *value ? TT_OK : no_memory(r, err);
}
