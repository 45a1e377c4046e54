/* The images of the page: the most and least member-like, near duplicates, words' heat maps. */
#include "experiment/report_images.h"
#include "experiment/report_internal.h"

#include <string.h>

enum { SIDE = 288 }; /* of a thumbnail: sharp at 144 on a screen of double density */

/* An <img>, or why there is none. */
static void put_thumbnail(tt_buf *out, const tt_report_images *images, const tt_result_sample *sample)
{
    tt_buf jpeg = {0};
    tt_error gone = {0};
    if (tt_report_thumbnail(images, sample, SIDE, false, &jpeg, &gone) == TT_OK) {
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

/* ---- near duplicates ---- */

static void put_pair(tt_buf *out, const tt_report_images *images, const tt_results *results,
                     const tt_near_pair *pair)
{
    const tt_result_sample *both[2] = {&results->samples[pair->a], &results->samples[pair->b]};
    tt_buf_printf(out, "<figure class=\"pair\">");
    for (int i = 0; i < 2; i++)
        put_thumbnail(out, images, both[i]);
    tt_buf_printf(out, "<figcaption>");
    for (int i = 0; i < 2; i++) {
        tt_html_text(out, both[i]->data);
        tt_buf_printf(out, " ");
        tt_html_text(out, both[i]->id);
        tt_buf_printf(out, i ? ": " : " and ");
    }
    tt_buf_printf(out, "%u of 256 bits</figcaption></figure>\n", pair->distance);
}

static void put_near_duplicates(tt_buf *out, const tt_report_images *images, const tt_report *report)
{
    const tt_results *results = &report->runs[0].results;
    const tt_near_duplicates *n = &results->near_duplicates;
    size_t shown = n->n_listed < 2 * report->images ? n->n_listed : 2 * report->images;
    if (shown == 0) return;
    tt_buf_printf(out,
                  "<section id=\"near-duplicate-images\">\n<h2>near duplicates, side by side</h2>\n"
                  "<p class=\"note\">The closest %zu of %llu.</p>\n<div class=\"faces\">\n",
                  shown, (unsigned long long)n->n);
    for (size_t i = 0; i < shown; i++)
        put_pair(out, images, results, &n->pairs[i]);
    tt_buf_printf(out, "</div>\n</section>\n");
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
    if (!s) put_near_duplicates(out, &images, report);
    if (!s) s = tt_html_heat_maps(out, &images, report, err);
    tt_report_images_close(&images);
    return s;
}
