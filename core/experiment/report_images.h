/* Thumbnails of a run's images, found through the manifests of its store. Private to the room. */
#ifndef TT_EXPERIMENT_REPORT_IMAGES_H
#define TT_EXPERIMENT_REPORT_IMAGES_H

#include "experiment/report.h"
#include "runtime/manifest.h"

typedef struct tt_report_images {
    tt_manifest *manifests;
    size_t n;
} tt_report_images;

/* The manifests that the run used (artifacts.txt); none where the store is gone. */
tt_status tt_report_images_open(const char *run_dir, tt_report_images *images, tt_error *err);
void tt_report_images_close(tt_report_images *images);
/* Appends a JPEG whose longer side is at most `side`; `square`: of the centre alone, as models see an image.
 * TT_ERR_NOT_FOUND: the image is not there any more, or
 * is another one than was measured. */
tt_status tt_report_thumbnail(const tt_report_images *images, const tt_result_sample *sample, uint32_t side,
                              bool square, tt_buf *jpeg, tt_error *err);

/* report_heat_maps.c: the page's part of words' heat maps, on the most and least member-like images that have
 * any; nothing where no service drew any. */
tt_status tt_html_heat_maps(tt_buf *out, const tt_report_images *images, const tt_report *report,
                            tt_error *err);

#endif
