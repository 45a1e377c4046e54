/* Controls among the results: what attacks' success is worth (docs/controls.md). */
#ifndef TT_EXPERIMENT_RESULTS_CONTROLS_H
#define TT_EXPERIMENT_RESULTS_CONTROLS_H

#include "experiment/results.h"
#include "formats/hdf5.h"

/* Only area and, where there is a calibration, accuracy at its threshold. */
tt_status tt_control_evaluate(tt_result_scores *r, tt_error *err);
/* Each attack's gain over the blind classifier of the target, on the samples that both judged. */
tt_status tt_controls_gains(tt_results *r, tt_error *err);
void tt_controls_write(tt_hdf5_writer *w, const tt_results *r);
void tt_gain_write(tt_hdf5_writer *w, const char *group, const tt_result_scores *r);
/* Into r->arena; a file of before has none. */
tt_status tt_controls_read(tt_hdf5_reader *h, tt_results *r, tt_error *err);
tt_status tt_gain_read(tt_hdf5_reader *h, const char *group, tt_result_scores *r);
/* "the images alone", "clid, fitted on permuted labels" */
bool tt_control_title(const tt_result_scores *control, tt_buf *out);
/* The block below a role's attacks. */
void tt_controls_table(const tt_results *r, const char *role, tt_buf *out);

#endif
