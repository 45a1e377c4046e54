/* What an image shows without any model: colour, layout, gradients, frequencies, traces of compression. */
#ifndef TT_ATTACKS_BLIND_FEATURES_H
#define TT_ATTACKS_BLIND_FEATURES_H

#include "telltale/plugin.h"

#define BLIND_SIDE     64u /* pixels of the small image */
#define BLIND_FEATURES 96u

/* Their names, e.g. "mean_r"; [BLIND_FEATURES] */
const char *const *blind_names(void);
/* `stored` as it is in the data set, `small` BLIND_SIDE × BLIND_SIDE. All features are finite. */
void blind_features(const tt_pixels *stored, const tt_pixels *small, double out[BLIND_FEATURES]);

#endif
