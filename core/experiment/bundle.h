/* A run in one file, for others to check: a zip of manifest.json (format, versions, digests and sizes of the
 * others), spec.json and results.h5. No image, no weight, no path of the machine. */
#ifndef TT_EXPERIMENT_BUNDLE_H
#define TT_EXPERIMENT_BUNDLE_H

#include "experiment/results.h"
#include "plugin/registry.h"

/* From a run's folder; the same run gives the same bytes. captions false: they are left out (samples keep
 * their digests). */
TT_API tt_status tt_bundle_write(const char *dir, bool captions, const char *path, tt_error *err);

/* A bundle whose digests agree, unpacked. */
typedef struct tt_bundle {
    char *dir; /* a temporary folder with results.h5, removed by tt_bundle_close */
    char *spec;
    char *version; /* of the telltale that wrote it */
    tt_results results;
} tt_bundle;
/* TT_ERR_FORMAT: not a bundle, cut short, an entry more, less, twice or elsewhere than it must be, a digest
 * that differs. Nothing is unpacked but what the manifest names, and never more bytes than the file has. */
TT_API tt_status tt_bundle_open(const char *path, tt_bundle *bundle, tt_error *err);
TT_API void tt_bundle_close(tt_bundle *bundle);

typedef enum tt_agreement { TT_AGREES_TO_THE_BIT, TT_AGREES_NEARLY, TT_DIFFERS, TT_NOT_CHECKED } tt_agreement;
typedef struct tt_verified {
    const char *attack, *role;
    tt_agreement metrics;  /* computed again from scores and labels */
    double largest_metric; /* difference */
    tt_agreement scores;   /* fitted and scored again from features by the attack's plugin here */
    double largest_score;  /* difference */
    const char *why;       /* NULL, or why scores were not checked */
} tt_verified;
typedef struct tt_verification {
    tt_arena *arena;
    tt_verified *scores;
    size_t n, differ; /* differ: those of which something differs */
} tt_verification;
/* Nearly: within 1e-9 of the value, as another library or processor may give. `registry` has the attacks. */
TT_API tt_status tt_bundle_verify(const tt_bundle *bundle, tt_registry *registry, tt_verification *out,
                                  tt_error *err);
TT_API void tt_verification_free(tt_verification *v);
TT_API bool tt_verification_text(const tt_verification *v, tt_buf *out);

#endif
