/* The report as one HTML file: no script, nothing fetched. */
#include "base/file.h"
#include "experiment/report_images.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIGURE_MAX_BYTES ((size_t)1 << 25)

static const char style[] =
    ":root{color-scheme:light dark}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.7rem;margin-bottom:0}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}\n"
    ".note{color:#777;font-size:.85rem;max-width:60rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "\n"
    "th{text-align:left;border-bottom:2px solid #888;padding:.3rem .8rem .3rem 0;vertical-align:bottom}\n"
    "td{border-bottom:1px solid #8884;padding:.3rem .8rem .3rem 0;vertical-align:top}\n"
    ".second{text-decoration:underline}figure{margin:1rem 0;display:inline-block}\n"
    "figure img{max-width:100%;background:#fff;border-radius:4px}\n"
    ".faces{display:flex;flex-wrap:wrap;gap:.8rem}.faces figure{width:9rem;margin:0;font-size:.75rem}\n"
    ".faces img{width:9rem;height:9rem;object-fit:contain;background:#8882}\n"
    ".member{color:#b3261e}.warn{border-left:4px solid #c77700;padding-left:.8rem}\n"
    "pre{overflow-x:auto;font-size:.8rem;background:#8881;padding:.8rem}\n";

/* ---- text ---- */

static void put_text(tt_buf *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;
        if (entity)
            tt_buf_printf(out, "%s", entity);
        else if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t')
            tt_buf_append(out, text, 1);
    }
}

static void put_base64(tt_buf *out, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    while (size > 0) { /* in pieces of three bytes' multiples, so that only the last is padded */
        unsigned char text[4 * 1024 + 1];
        size_t part = size < 3 * 1024 ? size : 3 * 1024;
        int n = EVP_EncodeBlock(text, bytes, (int)part);
        tt_buf_append(out, text, (size_t)n);
        bytes += part;
        size -= part;
    }
}

/* ---- tables ---- */

static void put_table(tt_buf *out, const tt_report_table *t)
{
    tt_buf_printf(out, "<section id=\"%s\">\n<h2>", t->id);
    put_text(out, t->title);
    tt_buf_printf(out, "</h2>\n<div class=\"wide\"><table>\n<thead><tr>");
    for (size_t c = 0; c < t->n_columns; c++) {
        tt_buf_printf(out, "<th>");
        put_text(out, t->columns[c]);
        tt_buf_printf(out, "</th>");
    }
    tt_buf_printf(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < t->n_rows; i++) {
        tt_buf_printf(out, "<tr>");
        for (size_t c = 0; c < t->n_columns; c++) {
            const tt_report_cell *cell = &t->cells[i * t->n_columns + c];
            tt_buf_printf(out, "<td>%s",
                          cell->place == 1   ? "<strong>"
                          : cell->place == 2 ? "<span class=\"second\">"
                                             : "");
            put_text(out, cell->text);
            tt_buf_printf(out, "%s</td>", cell->place == 1 ? "</strong>" : cell->place == 2 ? "</span>" : "");
        }
        tt_buf_printf(out, "</tr>\n");
    }
    tt_buf_printf(out, "</tbody></table></div>\n");
    if (t->note && t->note[0]) {
        tt_buf_printf(out, "<p class=\"note\">");
        put_text(out, t->note);
        tt_buf_printf(out, "</p>\n");
    }
    tt_buf_printf(out, "</section>\n");
}

/* ---- figures ---- */

/* As an image of its own: gnuplot gives the same ids in every file. */
static tt_status put_figure(tt_buf *out, const char *dir, const tt_report_figure *f, tt_error *err)
{
    char name[200];
    snprintf(name, sizeof name, "figures/%s.svg", f->name);
    char *path = tt_path_join(dir, name), *svg = NULL;
    size_t size = 0;
    tt_status s = path ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for a figure");
    if (!s && tt_file_exists(path)) s = tt_file_read(path, FIGURE_MAX_BYTES, &svg, &size, err);
    if (!s && svg) {
        tt_buf_printf(out, "<figure><img alt=\"");
        put_text(out, f->title);
        tt_buf_printf(out, "\" src=\"data:image/svg+xml;base64,");
        put_base64(out, svg, size);
        tt_buf_printf(out, "\"><figcaption class=\"note\">");
        put_text(out, f->title);
        tt_buf_printf(out, "</figcaption></figure>\n");
    }
    tt_free(svg);
    tt_free(path);
    return s;
}

static tt_status put_figures(tt_buf *out, const tt_report *report, tt_error *err)
{
    tt_report_figure *figures;
    size_t n;
    bool drawn;
    tt_status s = tt_report_figures(report, &drawn, err);
    if (!s) s = tt_report_figure_list(report, report->arena, &figures, &n, err);
    if (s) return s;
    tt_buf_printf(out, "<section id=\"figures\">\n<h2>figures</h2>\n");
    if (!drawn)
        tt_buf_printf(
            out, "<p class=\"warn\">There was no gnuplot where this report was made: data and scripts of the "
                 "figures lie in the run's folder <code>figures</code>.</p>\n");
    for (size_t i = 0; i < n && !s && drawn; i++)
        s = put_figure(out, report->dir, &figures[i], err);
    tt_buf_printf(out, "</section>\n");
    return s;
}

/* ---- images ---- */

typedef struct ranked {
    double score;
    size_t row;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void put_image(tt_buf *out, const tt_report_images *images, const tt_results *results,
                      const tt_result_scores *r, size_t row)
{
    const tt_result_sample *sample = &results->samples[r->sample[row]];
    tt_buf jpeg = {0};
    tt_error gone = {0};
    tt_buf_printf(out, "<figure>");
    if (tt_report_thumbnail(images, sample, 160, &jpeg, &gone) == TT_OK) {
        tt_buf_printf(out, "<img alt=\"\" src=\"data:image/jpeg;base64,");
        put_base64(out, jpeg.data, jpeg.size);
        tt_buf_printf(out, "\">");
    } else {
        tt_buf_printf(out, "<em>");
        put_text(out, gone.message);
        tt_buf_printf(out, "</em>");
    }
    tt_buf_free(&jpeg);
    tt_buf_printf(out, "<figcaption>%s %.4g<br>",
                  r->member[row] ? "<b class=\"member\">member</b>" : "non-member", r->scores[row]);
    put_text(out, sample->caption ? sample->caption : sample->id);
    tt_buf_printf(out, "</figcaption></figure>\n");
}

static tt_status put_extremes(tt_buf *out, const tt_report_images *images, const tt_results *results,
                              const tt_result_scores *r, size_t count, tt_error *err)
{
    ranked *order = tt_alloc_array(r->n + 1, sizeof *order);
    if (!order) return tt_fail(err, TT_ERR_MEMORY, "out of memory for images");
    for (size_t i = 0; i < r->n; i++)
        order[i] = (ranked){r->scores[i], i};
    qsort(order, r->n, sizeof *order, by_score);
    if (count > r->n / 2) count = r->n / 2;
    for (int least = 0; least < 2; least++) {
        tt_buf_printf(out, "<h3>%s: the %s member-like</h3>\n<div class=\"faces\">\n", r->attack,
                      least ? "least" : "most");
        for (size_t i = 0; i < count; i++)
            put_image(out, images, results, r, order[least ? r->n - 1 - i : i].row);
        tt_buf_printf(out, "</div>\n");
    }
    tt_free(order);
    return TT_OK;
}

/* Of the attacked model alone, in the first run. */
static tt_status put_images(tt_buf *out, const tt_report *report, size_t count, tt_error *err)
{
    const tt_report_run *run = &report->runs[0];
    tt_report_images images;
    tt_status s = tt_report_images_open(run->dir, &images, err);
    if (s) return s;
    tt_buf_printf(
        out,
        "<section id=\"images\">\n<h2>images</h2>\n<p class=\"warn\">This file holds images of the data: "
        "mind who gets it. <code>--images 0</code> leaves them out.</p>\n");
    for (size_t k = 0; k < run->results.n_scores && !s; k++) {
        const tt_result_scores *r = &run->results.scores[k];
        if (!r->failure && strcmp(r->role, "target") == 0)
            s = put_extremes(out, &images, &run->results, r, count, err);
    }
    tt_buf_printf(out, "</section>\n");
    tt_report_images_close(&images);
    return s;
}

/* ---- the page ---- */

static void put_names(tt_buf *out, const tt_report *report)
{
    for (size_t i = 0; i < report->n_runs; i++) {
        if (i) tt_buf_printf(out, ", ");
        put_text(out, report->runs[i].name);
    }
}

static void put_specs(tt_buf *out, const tt_report *report)
{
    tt_buf_printf(out, "<section id=\"spec\">\n<h2>spec</h2>\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        tt_buf_printf(out, "<details><summary>");
        put_text(out, report->runs[i].name);
        tt_buf_printf(out, ", with every default filled in</summary>\n<pre>");
        put_text(out, report->runs[i].results.spec);
        tt_buf_printf(out, "</pre></details>\n");
    }
    tt_buf_printf(out, "</section>\n");
}

/* What belongs to everyday reading comes before figures and images, the rest behind them. */
static bool is_appendix(const tt_report_table *t)
{
    size_t n = strlen(t->id);
    return strcmp(t->id, "provenance") == 0 || (n > 8 && strcmp(t->id + n - 8, "-details") == 0) ||
           (n > 9 && strcmp(t->id + n - 9, "-variants") == 0);
}

tt_status tt_report_html(const tt_report *report, const tt_report_html_options *options, tt_buf *out,
                         tt_error *err)
{
    tt_buf_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    put_names(out, report);
    tt_buf_printf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    put_names(out, report);
    tt_buf_printf(
        out,
        "</h1>\n<p class=\"note\">Telltale %s: were these images in the training data? A higher score means "
        "member; 95 %% intervals in brackets; best bold, second underlined.</p>\n",
        report->runs[0].results.version);
    for (size_t i = 0; i < report->n_tables; i++)
        if (!is_appendix(&report->tables[i])) put_table(out, &report->tables[i]);
    tt_status s = put_figures(out, report, err);
    if (!s && options->images) s = put_images(out, report, options->images, err);
    for (size_t i = 0; i < report->n_tables && !s; i++)
        if (is_appendix(&report->tables[i])) put_table(out, &report->tables[i]);
    put_specs(out, report);
    tt_buf_printf(out, "</body>\n</html>\n");
    return s || !out->failed ? s : tt_fail(err, TT_ERR_MEMORY, "out of memory for a report");
}
