/* Images of different sets that look alike without being equal: a copy that was compressed again, resized or
 * brightened. Told, never refused: docs/controls.md. */
#ifndef TT_EXPERIMENT_NEAR_DUPLICATES_H
#define TT_EXPERIMENT_NEAR_DUPLICATES_H

#include "experiment/results.h"
#include "experiment/samples.h"
#include "formats/hdf5.h"

/* Pairs of the samples' images, of two different splits (or data sets), whose looks differ in at most
 * `within` of 256 bits; the closest TT_NEAR_PAIRS_MAX are listed, all are counted. within 0: not searched. */
TT_API tt_status tt_near_duplicates_find(const tt_samples *samples, uint32_t within, tt_arena *arena,
                                         tt_near_duplicates *out, tt_error *err);

/* /near_duplicates */
void tt_near_duplicates_write(tt_hdf5_writer *w, const tt_near_duplicates *n);
/* Absent in files of before: not searched. Errors: lists of different lengths, an index of no sample. */
tt_status tt_near_duplicates_read(tt_hdf5_reader *h, tt_results *r, tt_error *err);

/* Lines of the table for people; nothing where nothing was searched. */
void tt_near_duplicates_text(const tt_results *r, tt_buf *out);

#endif
