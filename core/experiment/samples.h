/* The images of a run: data sets as manifests, built by workers and kept in the store, and the samples that
 * are known of each model, in the order in which they are measured. */
#ifndef TT_EXPERIMENT_SAMPLES_H
#define TT_EXPERIMENT_SAMPLES_H

#include "base/string_map.h"
#include "experiment/spec.h"
#include "runtime/manifest.h"
#include "runtime/spawn.h"

typedef struct tt_sample_ref {
    uint64_t id; /* opaque: keyed by content; the order of ids is the order of measuring */
    const tt_manifest_item *item;
    const char *data; /* name of the data set */
    bool member;
    uint32_t index; /* in tt_samples.all */
} tt_sample_ref;

/* What is known of one model: its members and non-members, shuffled. */
typedef struct tt_universe {
    tt_sample_ref *refs;
    size_t n, members;
    tt_digest digest; /* of ids' contents and captions in this order */
    bool apply_orientation;
    bool captions_withheld; /* some have none: which ones, might tell the classes apart */
} tt_universe;

typedef struct tt_samples {
    tt_manifest *manifests;    /* one for each of spec->data; unused ones are empty */
    tt_universe *universes;    /* one for each of spec->models; unused ones are empty */
    const tt_sample_ref **all; /* every sample once: data sets in the spec's order, then the manifest's */
    size_t n_data, n_models, n_all;
} tt_samples;

/* used[m]: is anything measured on spec->models[m]? Only data sets that these need are built. Refuses images
 * that are member and non-member of one model, or in two data sets of its members and non-members at once;
 * and a caption that is missing where captions are known and `needs_captions`. `fresh` has the manifests that
 * were built or found sound in this process, which are not built again; NULL: each is asked for. */
TT_API tt_status tt_samples_load(const tt_spec *spec, const tt_launch *launch, const char *store,
                                 const bool *used, bool needs_captions, tt_string_map *fresh,
                                 tt_samples *samples, tt_error *err);
/* Has every caption the words that an attack needs? */
TT_API tt_status tt_samples_check_words(const tt_universe *u, const tt_spec_attack *attack, uint32_t least,
                                        tt_error *err);
/* The opaque id of a sample, from its content alone; again: of the n-th of equal images. */
TT_API uint64_t tt_samples_id(uint64_t seed, const tt_manifest_item *item, uint32_t again);
/* Label blindness: is each id what the content gives, and is the order that of ids? Then what a measuring
 * worker receives (ids, order, batches) is the same whoever is a member. samples_blind.c */
TT_API tt_status tt_samples_check_blind(uint64_t seed, const tt_universe *u, tt_error *err);
/* The folder of a data set's manifest, whether it is there or not; tt_free. NULL: out of memory. */
TT_API char *tt_samples_manifest_dir(const tt_spec *spec, const tt_spec_data *data, const char *store);
TT_API void tt_samples_free(tt_samples *samples);

#endif
