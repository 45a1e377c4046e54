/* The statistics behind the table, to and from HDF5. Private to the room. */
#ifndef TT_EXPERIMENT_RESULTS_INFERENCE_H
#define TT_EXPERIMENT_RESULTS_INFERENCE_H

#include "experiment/results.h"
#include "formats/hdf5.h"

/* Into the group of one attack's scores on one model. */
void tt_inference_write(tt_hdf5_writer *w, const tt_inference *f, const char *group);
/* What the numbers of each `variants` mean, once a file. */
void tt_variants_write(tt_hdf5_writer *w);
/* *has: is it there? Files of before have none. Errors: parts of another shape, or not all there. */
tt_status tt_inference_read(tt_hdf5_reader *h, const char *group, tt_inference *f, bool *has, tt_error *err);

/* The paper's table that the spec names: /published; absent where it names none. */
tt_status tt_published_write(tt_hdf5_writer *w, const tt_published *p, tt_error *err);
tt_status tt_published_get(tt_hdf5_reader *h, tt_arena *arena, tt_published *p, tt_error *err);

#endif
