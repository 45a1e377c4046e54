#include "base/file.h"
#include "formats/hdf5.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>

#define MAX_RANK 2

struct tt_hdf5_writer {
    hid_t file, link_list, group_list, dataset_list;
    char failed[256]; /* "" : nothing has */
};

static void fail(tt_hdf5_writer *w, const char *what, const char *path)
{
    if (!w->failed[0]) snprintf(w->failed, sizeof w->failed, "HDF5 cannot %s %.150s", what, path);
}

tt_hdf5_writer *tt_hdf5_create(void)
{
    tt_hdf5_writer *w = tt_alloc_zero(sizeof *w);
    if (!w) return NULL;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* errors are values here */
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fapl_core(access, (size_t)1 << 20, false);
    /* the oldest forms that will do: the same in every version of the library. (With V18 as the lower bound,
     * 1.10.8 gives out images whose superblock has a wrong checksum.) */
    H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18);
    H5Pset_obj_track_times(create, false);
    w->file = H5Fcreate("memory.h5", H5F_ACC_TRUNC, create, access);
    H5Pclose(access);
    H5Pclose(create);
    w->link_list = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(w->link_list, 1);
    w->group_list = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(w->group_list, false);
    w->dataset_list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(w->dataset_list, false);
    if (w->file < 0) fail(w, "begin", "a file");
    return w;
}

void tt_hdf5_group(tt_hdf5_writer *w, const char *path)
{
    if (w->failed[0]) return;
    hid_t group = H5Gcreate2(w->file, path, w->link_list, w->group_list, H5P_DEFAULT);
    if (group < 0)
        fail(w, "make group", path);
    else
        H5Gclose(group);
}

static void put(tt_hdf5_writer *w, const char *path, hid_t type, hid_t file_type, size_t rank,
                const size_t *dims, const void *values)
{
    if (w->failed[0]) return;
    hsize_t size[MAX_RANK] = {0, 0};
    bool empty = false;
    for (size_t i = 0; i < rank && i < MAX_RANK; i++) {
        size[i] = dims[i];
        empty |= dims[i] == 0;
    }
    hid_t space = H5Screate_simple((int)rank, size, NULL);
    hid_t set = H5Dcreate2(w->file, path, file_type, space, w->link_list, w->dataset_list, H5P_DEFAULT);
    if (set < 0 || (!empty && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0))
        fail(w, "write", path);
    if (set >= 0) H5Dclose(set);
    H5Sclose(space);
}

void tt_hdf5_put_f64(tt_hdf5_writer *w, const char *path, size_t rank, const size_t *dims,
                     const double *values)
{
    put(w, path, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, rank, dims, values);
}

void tt_hdf5_put_u32(tt_hdf5_writer *w, const char *path, size_t n, const uint32_t *values)
{
    put(w, path, H5T_NATIVE_UINT32, H5T_STD_U32LE, 1, &n, values);
}

void tt_hdf5_put_u8(tt_hdf5_writer *w, const char *path, size_t n, const uint8_t *values)
{
    put(w, path, H5T_NATIVE_UINT8, H5T_STD_U8LE, 1, &n, values);
}

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

void tt_hdf5_put_texts(tt_hdf5_writer *w, const char *path, size_t n, const char *const *texts)
{
    hid_t type = text_type();
    put(w, path, type, type, 1, &n, (const void *)texts);
    H5Tclose(type);
}

static void set(tt_hdf5_writer *w, const char *path, const char *name, hid_t type, hid_t file_type,
                const void *value)
{
    if (w->failed[0]) return;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute =
        H5Acreate_by_name(w->file, path, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, type, value) < 0) {
        char what[320];
        snprintf(what, sizeof what, "%s: %s", path, name);
        fail(w, "set attribute", what);
    }
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
}

void tt_hdf5_set_f64(tt_hdf5_writer *w, const char *path, const char *name, double value)
{
    set(w, path, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &value);
}

void tt_hdf5_set_u64(tt_hdf5_writer *w, const char *path, const char *name, uint64_t value)
{
    set(w, path, name, H5T_NATIVE_UINT64, H5T_STD_U64LE, &value);
}

void tt_hdf5_set_text(tt_hdf5_writer *w, const char *path, const char *name, const char *value)
{
    hid_t type = text_type();
    set(w, path, name, type, type, (const void *)&value);
    H5Tclose(type);
}

static tt_status write_image(tt_hdf5_writer *w, const char *path, tt_error *err)
{
    if (!w->failed[0] && H5Fflush(w->file, H5F_SCOPE_LOCAL) < 0) fail(w, "finish", path);
    if (w->failed[0]) return tt_fail(err, TT_ERR_INTERNAL, "%s: %s", path, w->failed);
    ssize_t size = H5Fget_file_image(w->file, NULL, 0);
    void *image = size > 0 ? tt_alloc((size_t)size) : NULL;
    if (!image) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory for the file", path);
    tt_status s = H5Fget_file_image(w->file, image, (size_t)size) == size
                      ? tt_file_write(path, image, (size_t)size, err)
                      : tt_fail(err, TT_ERR_INTERNAL, "%s: HDF5 cannot give out the file", path);
    tt_free(image);
    return s;
}

tt_status tt_hdf5_write(tt_hdf5_writer *w, const char *path, tt_error *err)
{
    if (!w) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_status s = write_image(w, path, err);
    if (w->file >= 0) H5Fclose(w->file);
    H5Pclose(w->link_list);
    H5Pclose(w->group_list);
    H5Pclose(w->dataset_list);
    tt_free(w);
    return s;
}
