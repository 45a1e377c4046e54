/* Where a service's model sees the words of captions: its maps laid over the images. */
#include "experiment/report_images.h"
#include "experiment/report_internal.h"
#include "formats/image.h"

#include <string.h>

enum { SIDE = 224, OPACITY = 150 };

/* ---- one map ---- */

/* From blue over grey to yellow, after cividis (Nunez, Anderton and Renslow, PLOS ONE 2018): lightness rises
 * evenly, and who sees no red or no green sees the same. */
static void colour_of(double part, uint8_t rgba[4])
{
    static const uint8_t anchors[5][3] = {
        {0x00, 0x22, 0x4e}, {0x3f, 0x4d, 0x6c}, {0x7c, 0x7b, 0x78}, {0xbb, 0xad, 0x6d}, {0xfe, 0xe8, 0x38}};
    double at = 4 * part;
    int low = at < 4 ? (int)at : 3;
    for (int k = 0; k < 3; k++)
        rgba[k] = (uint8_t)(anchors[low][k] + (at - low) * (anchors[low + 1][k] - anchors[low][k]) + 0.5);
    rgba[3] = OPACITY;
}

/* Between its own least and greatest value: a word is seen nearly everywhere a little. */
static tt_status put_map(tt_buf *out, const uint8_t *map, uint32_t side, const char *word, tt_error *err)
{
    size_t n = (size_t)side * side;
    uint8_t least = 255, most = 0, *rgba = tt_alloc_array(n, 4);
    tt_buf png = {0};
    if (!rgba) return tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
    for (size_t i = 0; i < n; i++) {
        least = map[i] < least ? map[i] : least;
        most = map[i] > most ? map[i] : most;
    }
    for (size_t i = 0; i < n; i++)
        colour_of(most > least ? (double)(map[i] - least) / (most - least) : 0, rgba + 4 * i);
    tt_status s = tt_image_encode_png_rgba(rgba, side, side, &png, err);
    if (!s) {
        tt_buf_printf(out, "<div class=\"map\"><img alt=\"where '");
        tt_html_text(out, word);
        tt_buf_printf(out, "' is seen\" src=\"data:image/png;base64,");
        tt_html_base64(out, png.data, png.size);
        tt_buf_printf(out, "\"></div>");
    }
    tt_buf_free(&png);
    tt_free(rgba);
    return s;
}

/* ---- one image ---- */

/* The picture itself, which the maps then lie on: it is in the file once. */
static void put_photo(tt_buf *out, const tt_report_images *images, const tt_result_sample *sample)
{
    tt_buf jpeg = {0};
    tt_error gone = {0};
    if (tt_report_thumbnail(images, sample, SIDE, true, &jpeg, &gone) == TT_OK) {
        tt_buf_printf(out, "<div class=\"words\" style=\"--photo:url(data:image/jpeg;base64,");
        tt_html_base64(out, jpeg.data, jpeg.size);
        tt_buf_printf(out, ")\">\n<figure><div class=\"photo\" role=\"img\" aria-label=\"");
        tt_html_text(out, sample->id);
        tt_buf_printf(out, "\"></div>");
    } else {
        tt_buf_printf(out, "<div class=\"words\">\n<figure><em>");
        tt_html_text(out, gone.message);
        tt_buf_printf(out, "</em>");
    }
    tt_buf_free(&jpeg);
}

static tt_status put_sample(tt_buf *out, const tt_report_images *images, const tt_results *results,
                            const tt_result_scores *r, uint32_t row, const tt_result_heat_maps *maps,
                            size_t at, tt_error *err)
{
    const tt_result_sample *sample = &results->samples[r->sample[row]];
    size_t plane = (size_t)maps->side * maps->side;
    double heaviest = 0;
    tt_status s = TT_OK;
    for (size_t k = maps->first[at]; k < maps->first[at + 1]; k++)
        heaviest = maps->weight[k] > heaviest ? maps->weight[k] : heaviest;
    put_photo(out, images, sample);
    tt_buf_printf(out, "<figcaption>%s %.4g<br>",
                  r->member[row] ? "<b class=\"member\">member</b>" : "non-member", r->scores[row]);
    tt_html_text(out, sample->id);
    tt_buf_printf(out, "</figcaption></figure>\n");
    for (size_t k = maps->first[at]; k < maps->first[at + 1] && !s; k++) {
        tt_buf_printf(out, "<figure>");
        s = put_map(out, maps->map + k * plane, maps->side, maps->word[k], err);
        tt_buf_printf(out, "<div class=\"weight\" style=\"--part:%.0f%%\"></div><figcaption><b>",
                      heaviest > 0 && maps->weight[k] > 0 ? 100 * maps->weight[k] / heaviest : 0.0);
        tt_html_text(out, maps->word[k]);
        tt_buf_printf(out, "</b> %.4g</figcaption></figure>\n", maps->weight[k]);
    }
    tt_buf_printf(out, "</div>\n");
    return s;
}

/* ---- which images ---- */

static bool asks_services(const tt_results *results, const char *attack)
{
    for (size_t i = 0; i < results->n_features; i++)
        if (results->features[i].attributed.service_texts && strcmp(results->features[i].attack, attack) == 0)
            return true;
    return false;
}

/* The first that asked for words' weights, else the first. */
static const tt_result_scores *attack_of(const tt_results *results)
{
    const tt_result_scores *first = NULL;
    for (size_t i = 0; i < results->n_scores; i++) {
        const tt_result_scores *r = &results->scores[i];
        if (!tt_result_has_extremes(r)) continue;
        if (asks_services(results, r->attack)) return r;
        if (!first) first = r;
    }
    return first;
}

/* The place of a sample among the maps; n: it has none. */
static size_t find(const tt_result_heat_maps *maps, uint32_t sample)
{
    size_t i = 0;
    while (i < maps->n && maps->sample[i] != sample)
        i++;
    return i;
}

static tt_status put_service(tt_buf *out, const tt_report_images *images, const tt_report *report,
                             const tt_result_scores *r, const tt_result_heat_maps *maps, tt_error *err)
{
    const tt_results *results = &report->runs[0].results;
    size_t half = r->n / 2, most = (report->images + 1) / 2, n;
    uint32_t *rows = tt_arena_alloc_array(report->arena, 2 * half + 1, sizeof *rows);
    tt_status s = rows ? tt_result_extremes(r, half, rows, rows + half, &n, err)
                       : tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
    for (int least = 0; least < 2 && !s; least++) {
        size_t shown = 0;
        tt_buf_printf(out, "<h3>");
        tt_html_text(out, maps->service);
        tt_buf_printf(out, ", the %s member-like of ", least ? "least" : "most");
        tt_html_text(out, r->attack);
        tt_buf_printf(out, "</h3>\n");
        for (size_t i = 0; i < n && shown < most && !s; i++) {
            uint32_t row = rows[least ? half + i : i];
            size_t at = find(maps, r->sample[row]);
            if (at == maps->n) continue;
            s = put_sample(out, images, results, r, row, maps, at, err);
            shown++;
        }
    }
    return s;
}

tt_status tt_html_heat_maps(tt_buf *out, const tt_report_images *images, const tt_report *report,
                            tt_error *err)
{
    const tt_results *results = &report->runs[0].results;
    const tt_result_scores *r = attack_of(results);
    if (!r || results->n_heat_maps == 0) return TT_OK;
    tt_buf_printf(
        out,
        "<section id=\"words\">\n<h2>words</h2>\n<p class=\"note\">What each word of a caption weighs for "
        "the "
        "attacker's own model, and where that model's cross-attention sees it while it draws an image of its "
        "own "
        "from the caption; here over the candidate, whose parts may lie elsewhere. Each map from its least "
        "<span class=\"scale\"></span> to its greatest value; the bar and the number compare words.</p>\n");
    tt_status s = TT_OK;
    for (size_t i = 0; i < results->n_heat_maps && !s; i++)
        s = put_service(out, images, report, r, &results->heat_maps[i], err);
    tt_buf_printf(out, "</section>\n");
    return s;
}
