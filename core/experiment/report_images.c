#include "experiment/report_images.h"

#include "base/file.h"
#include "formats/image.h"

#include <string.h>

#define ARTIFACTS_MAX_BYTES ((size_t)1 << 24)

/* The store of a run lies in its folder; that of a sweep's cell two folders up. */
static char *find_store(const char *run_dir)
{
    static const char *const places[] = {"store", "../../store"};
    for (size_t i = 0; i < 2; i++) {
        char *store = tt_path_join(run_dir, places[i]);
        if (store && tt_dir_exists(store)) return store;
        tt_free(store);
    }
    return NULL;
}

static tt_status open_manifest(const char *store, const char *artifact, tt_report_images *images,
                               tt_error *err)
{
    char *dir = tt_path_join(store, artifact);
    char *file = dir ? tt_path_join(dir, "manifest.jsonl") : NULL;
    tt_status s = file ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for images");
    if (!s && tt_file_exists(file)) {
        tt_manifest *grown = tt_realloc(images->manifests, (images->n + 1) * sizeof *grown);
        if (!grown)
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for images");
        else
            images->manifests = grown;
        if (!s) s = tt_manifest_load(dir, &images->manifests[images->n], err);
        if (!s) images->n++;
    }
    tt_free(file);
    tt_free(dir);
    return s;
}

tt_status tt_report_images_open(const char *run_dir, tt_report_images *images, tt_error *err)
{
    *images = (tt_report_images){0};
    char *store = find_store(run_dir), *list = tt_path_join(run_dir, "artifacts.txt"), *text = NULL;
    size_t size;
    tt_status s = TT_OK;
    if (store && list && tt_file_exists(list)) s = tt_file_read(list, ARTIFACTS_MAX_BYTES, &text, &size, err);
    char *rest = NULL;
    for (char *name = text ? strtok_r(text, "\n", &rest) : NULL; name && !s;
         name = strtok_r(NULL, "\n", &rest))
        if (!strchr(name, '/')) s = open_manifest(store, name, images, err);
    tt_free(text);
    tt_free(list);
    tt_free(store);
    if (s) tt_report_images_close(images);
    return s;
}

void tt_report_images_close(tt_report_images *images)
{
    for (size_t i = 0; i < images->n; i++)
        tt_manifest_free(&images->manifests[i]);
    tt_free(images->manifests);
    *images = (tt_report_images){0};
}

static const tt_manifest_item *find(const tt_report_images *images, const tt_result_sample *sample)
{
    for (size_t i = 0; i < images->n; i++)
        for (size_t k = 0; k < images->manifests[i].n; k++) {
            const tt_manifest_item *item = &images->manifests[i].items[k];
            if (memcmp(&item->digest, &sample->digest, sizeof item->digest) == 0) return item;
        }
    return NULL;
}

static tt_status shrink(const tt_pixels *in, uint32_t side, bool square, tt_pixels *out, tt_error *err)
{
    uint32_t shorter = in->width < in->height ? in->width : in->height;
    if (square)
        return tt_pixels_resize_crop(in, shorter < side ? shorter : side, TT_FILTER_BICUBIC, out, err);
    uint32_t longer = in->width > in->height ? in->width : in->height;
    if (longer < side) side = longer;
    uint32_t width = (uint32_t)((uint64_t)in->width * side / longer),
             height = (uint32_t)((uint64_t)in->height * side / longer);
    return tt_pixels_resize(in, width ? width : 1, height ? height : 1, TT_FILTER_BICUBIC, out, err);
}

tt_status tt_report_thumbnail(const tt_report_images *images, const tt_result_sample *sample, uint32_t side,
                              bool square, tt_buf *jpeg, tt_error *err)
{
    const tt_manifest_item *item = find(images, sample);
    if (!item || !tt_file_exists(item->path))
        return tt_fail(err, TT_ERR_NOT_FOUND, "%s is not there any more", sample->id);
    tt_image_options options = {.apply_orientation = item->exif_orientation > 1};
    tt_pixels whole = {0}, small = {0};
    tt_status s = tt_image_read(item->path, &options, &whole, NULL, err);
    if (s) return s;
    tt_digest now = tt_image_digest(&whole);
    if (memcmp(&now, &sample->digest, sizeof now) != 0) {
        /* the manifest's pixels may be those before turning */
        tt_free(whole.rgb);
        options.apply_orientation = !options.apply_orientation;
        s = tt_image_read(item->path, &options, &whole, NULL, err);
        if (s) return s;
        now = tt_image_digest(&whole);
    }
    if (memcmp(&now, &sample->digest, sizeof now) != 0)
        s = tt_fail(err, TT_ERR_NOT_FOUND, "%s is another image than was measured", sample->id);
    if (!s) s = shrink(&whole, side, square, &small, err);
    if (!s) s = tt_image_encode_jpeg(&small, 85, true, jpeg, err);
    tt_free(whole.rgb);
    tt_free(small.rgb);
    return s;
}
