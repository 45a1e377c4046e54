/* NumPy's archive of arrays: a zip of .npy members, stored uncompressed, times off, so that the same arrays
 * are the same bytes. Writing only. */
#ifndef TT_FORMATS_NPZ_H
#define TT_FORMATS_NPZ_H

#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tt_npz tt_npz;

/* Written under a temporary name, renamed by tt_npz_close. */
TT_API tt_status tt_npz_open(const char *path, tt_npz **npz, tt_error *err);
/* C order; dims [rank], rank at most 4. `name` without ending. */
TT_API tt_status tt_npz_put_f64(tt_npz *npz, const char *name, size_t rank, const size_t *dims,
                                const double *values, tt_error *err);
TT_API tt_status tt_npz_put_u8(tt_npz *npz, const char *name, size_t n, const uint8_t *values, tt_error *err);
TT_API tt_status tt_npz_put_u32(tt_npz *npz, const char *name, size_t n, const uint32_t *values,
                                tt_error *err);
/* UTF-8 texts as an array of fixed width of NumPy's Unicode type. */
TT_API tt_status tt_npz_put_texts(tt_npz *npz, const char *name, size_t n, const char *const *texts,
                                  tt_error *err);
/* Frees npz in any case; `keep` false: nothing is left behind. */
TT_API tt_status tt_npz_close(tt_npz *npz, bool keep, tt_error *err);

#endif
