/* Heat maps of words among the results: found in the store, written to and read from results.h5. */
#ifndef TT_EXPERIMENT_HEAT_MAPS_H
#define TT_EXPERIMENT_HEAT_MAPS_H

#include "experiment/results.h"
#include "experiment/samples.h"
#include "experiment/step.h"
#include "formats/hdf5.h"

/* What the services of these steps drew for the captions of their samples; r->heat_maps lives in `arena`. */
TT_API tt_status tt_heat_maps_find(const tt_spec *spec, const tt_measure_step *steps, size_t n_steps,
                                   const char *store, const tt_samples *samples, tt_arena *arena,
                                   tt_results *r, tt_error *err);
void tt_heat_maps_write(tt_hdf5_writer *w, const tt_results *r);
/* Files without them have none. */
tt_status tt_heat_maps_read(tt_hdf5_reader *h, tt_results *r, tt_error *err);

#endif
