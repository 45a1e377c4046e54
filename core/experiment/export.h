/* Features and scores for other programs. */
#ifndef TT_EXPERIMENT_EXPORT_H
#define TT_EXPERIMENT_EXPORT_H

#include "experiment/results.h"

/* One .npz with arrays named as the paths of results.h5, '/' as '.': "scores.clid.target.score",
 * "samples.id", …  */
TT_API tt_status tt_export_npz(const tt_results *r, const char *path, tt_error *err);
/* A folder: samples.csv, scores.csv (a line a sample, attack and model), features-ATTACK-MODEL.csv. */
TT_API tt_status tt_export_csv(const tt_results *r, const char *dir, tt_error *err);

#endif
