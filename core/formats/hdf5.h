/* HDF5 files, small and whole: made in memory and written at once (so that a full disk or a kill leaves no
 * half file), object times off, fixed version bounds. Same calls, same bytes. Strings are UTF-8 of variable
 * length. Paths are "/group/name"; groups are made on the way. */
#ifndef TT_FORMATS_HDF5_H
#define TT_FORMATS_HDF5_H

#include "base/mem.h"

/* ---- writing ---- */

/* Calls after a failure do nothing; tt_hdf5_write says what failed. */
typedef struct tt_hdf5_writer tt_hdf5_writer;
TT_API tt_hdf5_writer *tt_hdf5_create(void); /* NULL: out of memory */
TT_API void tt_hdf5_group(tt_hdf5_writer *w, const char *path);
/* rank 1 or 2; dims [rank] */
TT_API void tt_hdf5_put_f64(tt_hdf5_writer *w, const char *path, size_t rank, const size_t *dims,
                            const double *values);
TT_API void tt_hdf5_put_u32(tt_hdf5_writer *w, const char *path, size_t n, const uint32_t *values);
TT_API void tt_hdf5_put_u8(tt_hdf5_writer *w, const char *path, size_t n, const uint8_t *values);
TT_API void tt_hdf5_put_texts(tt_hdf5_writer *w, const char *path, size_t n, const char *const *texts);
/* Attributes of an object that exists. */
TT_API void tt_hdf5_set_f64(tt_hdf5_writer *w, const char *path, const char *name, double value);
TT_API void tt_hdf5_set_u64(tt_hdf5_writer *w, const char *path, const char *name, uint64_t value);
TT_API void tt_hdf5_set_text(tt_hdf5_writer *w, const char *path, const char *name, const char *value);
/* Replaces `path` atomically and frees the writer, also on failure. */
TT_API tt_status tt_hdf5_write(tt_hdf5_writer *w, const char *path, tt_error *err);

/* ---- reading ---- */

/* Sizes are checked against the file's before anything is allocated; what is read lives in `arena`. Errors
 * name file and path. */
typedef struct tt_hdf5_reader tt_hdf5_reader;
TT_API tt_status tt_hdf5_open(const char *path, tt_arena *arena, tt_hdf5_reader **reader, tt_error *err);
TT_API void tt_hdf5_close(tt_hdf5_reader *r); /* NULL is fine */
TT_API bool tt_hdf5_has(tt_hdf5_reader *r, const char *path);
/* Names in a group, sorted; a group that is absent has none. */
TT_API tt_status tt_hdf5_list(tt_hdf5_reader *r, const char *path, const char *const **names, size_t *n,
                              tt_error *err);
/* dims [rank]; the rank must be that of the file */
TT_API tt_status tt_hdf5_get_f64(tt_hdf5_reader *r, const char *path, size_t rank, size_t *dims,
                                 double **values, tt_error *err);
TT_API tt_status tt_hdf5_get_u32(tt_hdf5_reader *r, const char *path, size_t *n, uint32_t **values,
                                 tt_error *err);
TT_API tt_status tt_hdf5_get_u8(tt_hdf5_reader *r, const char *path, size_t *n, uint8_t **values,
                                tt_error *err);
TT_API tt_status tt_hdf5_get_texts(tt_hdf5_reader *r, const char *path, size_t *n, const char *const **texts,
                                   tt_error *err);
TT_API tt_status tt_hdf5_attribute_f64(tt_hdf5_reader *r, const char *path, const char *name, double *value,
                                       tt_error *err);
TT_API tt_status tt_hdf5_attribute_u64(tt_hdf5_reader *r, const char *path, const char *name, uint64_t *value,
                                       tt_error *err);
/* NULL where there is none. */
TT_API tt_status tt_hdf5_attribute_text(tt_hdf5_reader *r, const char *path, const char *name,
                                        const char **value, tt_error *err);

#endif
