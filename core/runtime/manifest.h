/* The manifest of a data set: which images are in which split, by content. Built once by a worker from a data
 * plugin, as DIR/manifest.jsonl (one JSON object a line, deterministic bytes); images that have no file of
 * their own lie in DIR/images/ as PNG named by digest. Splits must not overlap: neither by pixels nor, when
 * asked, by identity. */
#ifndef TT_RUNTIME_MANIFEST_H
#define TT_RUNTIME_MANIFEST_H

#include "base/hash.h"
#include "base/mem.h"
#include "formats/image.h"
#include "telltale/plugin.h"

typedef struct tt_manifest_options {
    uint64_t seed;            /* for transforms */
    bool apply_orientation;   /* EXIF */
    bool disjoint_identities; /* refuse one identity in two splits */
    bool allow_duplicates;    /* equal pixels within one split */
    /* applied in order to every image and caption; the results are what the manifest lists */
    const tt_transform_plugin *const *transforms;
    void *const *transform_selves;
    size_t n_transforms;
} tt_manifest_options;

typedef struct tt_manifest_item {
    const char *split, *id, *path;          /* path absolute */
    const char *caption, *identity, *extra; /* or NULL */
    uint32_t width, height;
    int exif_orientation;
    tt_digest digest;
    tt_image_look look;
} tt_manifest_item;

typedef struct tt_manifest {
    tt_manifest_item *items;
    size_t n;
    tt_arena *arena;
    tt_digest digest; /* of the file */
} tt_manifest;

/* `progress` may be NULL. Errors name the item. */
TT_API tt_status tt_manifest_build(const tt_data_plugin *plugin, void *data,
                                   const tt_manifest_options *options, const char *dir,
                                   void (*progress)(uint64_t done, uint64_t total), tt_error *err);
TT_API tt_status tt_manifest_load(const char *dir, tt_manifest *manifest, tt_error *err);
TT_API void tt_manifest_free(tt_manifest *manifest);

#endif
