/* What the samples of a plan can carry: TPRs at low FPRs need non-members, a threshold needs a calibration.
 */
#ifndef TT_EXPERIMENT_QUANTITIES_H
#define TT_EXPERIMENT_QUANTITIES_H

#include "experiment/prepare.h"

/* TT_ERR_REFUSED, with the place: a quantity that `report` asks for, or a `calibration` that an attack names,
 * has too few samples. */
tt_status tt_quantities_check(const tt_prepared *p, tt_error *err);
/* A line for each quantity that will be reported as not resolvable: too few samples, and nobody asked. */
void tt_quantities_tell(const tt_prepared *p, tt_buf *out);

#endif
