/* A model of four latent elements for trying attacks out without weights: ε(x, t, c) = w[c]·x + 0.1·t/1000,
 * the worked example of the grey-box specification's section 9. w depends on the condition's text alone
 * (given, or from its hash, 0.25 for the null caption); latents and noise are keyed by the sample; everything
 * else (√ᾱ, the loss as a mean in double, keyed noise) is as in a real host; a crop adds 1/4 to each element
 * for each pixel cut. It knows encode, encode_crop, text, predict,
 * decode, generate, vary, put, get and release; no attention maps and no gradients. Counts what is asked, and
 * notices calls that were not granted. */
#ifndef TT_RUNTIME_PRACTICE_MODEL_H
#define TT_RUNTIME_PRACTICE_MODEL_H

#include "telltale/plugin.h"

#define TT_PRACTICE_LATENT       4u /* elements: 1 × 2 × 2 */
#define TT_PRACTICE_SIDE         8u /* pixels of an image's side */
#define TT_PRACTICE_CAPABILITIES (TT_CAP_GREY_BOX | TT_CAP_ATTENTION)

typedef struct tt_practice_meter {
    uint64_t encodes, texts, predict_calls, predictions, images;
    uint64_t live_handles;
    const char *not_granted; /* the function that was called without its capability; NULL: none */
} tt_practice_meter;

/* granted: TT_CAP_… for which functions answer. The others are there too, but only to note the call and
 * refuse it: a real handle has NULL in their place. role must outlive the model. NULL: out of memory. */
TT_API tt_model *tt_practice_model_create(const char *role, uint32_t granted, uint64_t seed);
TT_API void tt_practice_model_destroy(tt_model *model); /* NULL is fine; frees all handles */
TT_API const tt_practice_meter *tt_practice_model_meter(const tt_model *model);

#endif
