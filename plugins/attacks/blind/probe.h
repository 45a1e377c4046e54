/* Logistic regression with an L2 penalty on standardised features. */
#ifndef TT_ATTACKS_BLIND_PROBE_H
#define TT_ATTACKS_BLIND_PROBE_H

#include "telltale/plugin.h"

/* w[n_columns] and b minimise Σ log(1 + exp(−y(w·z + b))) + ridge/2 ‖w‖², y = ±1, z the features minus mean
 * and over deviation (population; columns that do not vary count as 0). probe [3·n_columns + 1]: means,
 * deviations, w, b. */
tt_status probe_fit(const tt_host *host, const tt_rows *rows, const uint8_t *member, double ridge,
                    double *probe, tt_error *err);
double probe_score(const double *probe, size_t n_columns, const double *row);

#endif
