/* The images of the page: the most and least member-like. */
#include "experiment/report_images.h"
#include "experiment/report_internal.h"

#include <string.h>

enum { SIDE = 288 }; /* of a thumbnail: sharp at 144 on a screen of double density */

/* An <img>, or why there is none. */
static void put_thumbnail(tt_buf *out, const tt_report_images *images, const tt_result_sample *sample)
{
    tt_buf jpeg = {0};
    tt_error gone = {0};
    if (tt_report_thumbnail(images, sample, SIDE, &jpeg, &gone) == TT_OK) {
        tt_buf_printf(out, "<img alt=\"");
        tt_html_text(out, sample->id);
        tt_buf_printf(out, "\" src=\"data:image/jpeg;base64,");
        tt_html_base64(out, jpeg.data, jpeg.size);
        tt_buf_printf(out, "\">");
    } else {
        tt_buf_printf(out, "<em>");
        tt_html_text(out, gone.message);
        tt_buf_printf(out, "</em>");
    }
    tt_buf_free(&jpeg);
}

/* ---- the most and least member-like ---- */

static void put_row(tt_buf *out, const tt_report_images *images, const tt_results *results,
                    const tt_result_scores *r, uint32_t row)
{
    const tt_result_sample *sample = &results->samples[r->sample[row]];
    tt_buf_printf(out, "<figure>");
    put_thumbnail(out, images, sample);
    tt_buf_printf(out, "<figcaption>%s %.4g<br>",
                  r->member[row] ? "<b class=\"member\">member</b>" : "non-member", r->scores[row]);
    tt_html_text(out, sample->caption ? sample->caption : sample->id);
    tt_buf_printf(out, "</figcaption></figure>\n");
}

static tt_status put_extremes(tt_buf *out, const tt_report_images *images, const tt_report *report,
                              const tt_result_scores *r, tt_error *err)
{
    size_t count = report->images, n;
    uint32_t *rows = tt_arena_alloc_array(report->arena, 2 * count, sizeof *rows);
    tt_status s = rows ? tt_result_extremes(r, count, rows, rows + count, &n, err)
                       : tt_fail(err, TT_ERR_MEMORY, "out of memory for images");
    for (int least = 0; least < 2 && !s; least++) {
        tt_buf_printf(out, "<h3>");
        tt_html_text(out, r->attack);
        tt_buf_printf(out, ": the %s member-like</h3>\n<div class=\"faces\">\n", least ? "least" : "most");
        for (size_t i = 0; i < n; i++)
            put_row(out, images, &report->runs[0].results, r, rows[least ? count + i : i]);
        tt_buf_printf(out, "</div>\n");
    }
    return s;
}

/* Of the attacked model alone, in the first run. */
tt_status tt_html_images(tt_buf *out, const tt_report *report, tt_error *err)
{
    const tt_report_run *run = &report->runs[0];
    tt_report_images images;
    tt_status s = tt_report_images_open(run->dir, &images, err);
    if (s) return s;
    tt_buf_printf(
        out,
        "<section id=\"images\">\n<h2>images</h2>\n<p class=\"warn\">This file holds images of the data: "
        "mind who gets it. <code>--images 0</code> leaves them out.</p>\n");
    for (size_t k = 0; k < run->results.n_scores && !s; k++)
        if (tt_result_has_extremes(&run->results.scores[k]))
            s = put_extremes(out, &images, report, &run->results.scores[k], err);
    tt_buf_printf(out, "</section>\n");
    tt_report_images_close(&images);
    return s;
}
