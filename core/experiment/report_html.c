/* The report as one HTML file: no script, nothing fetched. */
#include "base/file.h"
#include "experiment/report_internal.h"
#include "formats/json.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define FIGURE_MAX_BYTES ((size_t)1 << 25)
enum { LONG_TEXT = 30 }; /* of a cell: wraps */

static const char style[] =
    ":root{color-scheme:light dark;--note:#5b5b5b;--member:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--note:#b0b0b0;--member:#ff9288}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 "
    "1rem;background:Canvas}\n"
    "h1{font-size:1.7rem;margin-bottom:0}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}h3{font-size:1rem}\n"
    "nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.9rem}\n"
    ".note{color:var(--note);font-size:.85rem;max-width:60rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "\n"
    "th{text-align:left;border-bottom:2px solid #888;padding:.3rem .8rem .3rem 0;vertical-align:bottom}\n"
    "td{border-bottom:1px solid #8884;padding:.3rem .8rem .3rem 0;vertical-align:top;white-space:nowrap}\n"
    "td.long{white-space:normal;overflow-wrap:anywhere;min-width:12rem}\n"
    "th:first-child,td:first-child{position:sticky;left:0;background:Canvas}\n"
    ".second{text-decoration:underline}figure{margin:1rem 0;display:inline-block;max-width:100%}\n"
    "figure img{max-width:100%;background:#fff;border-radius:4px}\n"
    ".faces{display:flex;flex-wrap:wrap;gap:.8rem}.faces figure{width:9rem;margin:0;font-size:.8rem}\n"
    ".faces figure.pair{width:18.4rem}.faces "
    "img{width:9rem;height:9rem;object-fit:contain;background:#8882}\n"
    ".pair img+img{margin-left:.4rem}.faces figcaption{overflow-wrap:anywhere}\n"
    ".member{color:var(--member)}.warn{border-left:4px solid #c77700;padding-left:.8rem}\n"
    ".words{display:flex;flex-wrap:wrap;gap:.6rem;margin:.6rem 0 1.6rem}\n"
    ".words figure{width:7rem;margin:0;font-size:.8rem}.words "
    "figcaption{overflow-wrap:anywhere;line-height:1.3}\n"
    ".photo,.map{width:7rem;height:7rem;border-radius:4px;overflow:hidden;position:relative}\n"
    ".photo,.map::before{background:#888 var(--photo,none) center/cover}\n"
    ".map::before{content:\"\";position:absolute;inset:0;filter:grayscale(1)}\n"
    ".map img{width:100%;height:100%;display:block;background:none;border-radius:0;position:relative}\n"
    ".weight{height:.3rem;margin:.2rem 0;background:linear-gradient(#00224e,#00224e) left/var(--part) 100% "
    "no-repeat "
    "#8884}\n"
    "@media(prefers-color-scheme:dark){.weight{background-image:linear-gradient(#fee838,#fee838)}}\n"
    ".scale{display:inline-block;width:8rem;height:.8rem;vertical-align:middle;border-radius:2px;\n"
    "background:linear-gradient(90deg,#00224e,#3f4d6c,#7c7b78,#bbad6d,#fee838)}\n"
    "pre{overflow-x:auto;font-size:.8rem;background:#8881;padding:.8rem}summary{cursor:pointer}\n";

/* ---- text ---- */

void tt_html_text(tt_buf *out, const char *text)
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

void tt_html_base64(tt_buf *out, const void *data, size_t size)
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
    tt_html_text(out, t->title);
    tt_buf_printf(out, "</h2>\n<div class=\"wide\"><table>\n<thead><tr>");
    for (size_t c = 0; c < t->n_columns; c++) {
        tt_buf_printf(out, "<th>");
        tt_html_text(out, t->columns[c]);
        tt_buf_printf(out, "</th>");
    }
    tt_buf_printf(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < t->n_rows; i++) {
        tt_buf_printf(out, "<tr>");
        for (size_t c = 0; c < t->n_columns; c++) {
            const tt_report_cell *cell = &t->cells[i * t->n_columns + c];
            tt_buf_printf(out, "<td%s>%s", strlen(cell->text) > LONG_TEXT ? " class=\"long\"" : "",
                          cell->place == 1   ? "<strong>"
                          : cell->place == 2 ? "<span class=\"second\">"
                                             : "");
            tt_html_text(out, cell->text);
            tt_buf_printf(out, "%s</td>", cell->place == 1 ? "</strong>" : cell->place == 2 ? "</span>" : "");
        }
        tt_buf_printf(out, "</tr>\n");
    }
    tt_buf_printf(out, "</tbody></table></div>\n");
    if (t->note && t->note[0]) {
        tt_buf_printf(out, "<p class=\"note\">");
        tt_html_text(out, t->note);
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
        tt_html_text(out, f->title);
        tt_buf_printf(out, "\" src=\"data:image/svg+xml;base64,");
        tt_html_base64(out, svg, size);
        tt_buf_printf(out, "\"><figcaption class=\"note\">");
        tt_html_text(out, f->title);
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

/* ---- the page ---- */

static void put_names(tt_buf *out, const tt_report *report)
{
    for (size_t i = 0; i < report->n_runs; i++) {
        if (i) tt_buf_printf(out, ", ");
        tt_html_text(out, report->runs[i].name);
    }
}

static void put_specs(tt_buf *out, const tt_report *report)
{
    tt_buf_printf(out, "<section id=\"spec\">\n<h2>spec</h2>\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        tt_buf_printf(out, "<details><summary>");
        tt_html_text(out, report->runs[i].name);
        tt_buf_printf(out, ", with every default filled in</summary>\n<pre>");
        tt_buf spec = {0};
        out->failed |= !tt_json_indent(report->runs[i].results.spec, &spec);
        tt_html_text(out, spec.data ? spec.data : "");
        tt_buf_free(&spec);
        tt_buf_printf(out, "</pre></details>\n");
    }
    tt_buf_printf(out, "</section>\n");
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* What belongs to everyday reading comes before figures and images, the rest behind them. */
static bool is_appendix(const tt_report_table *t)
{
    return strcmp(t->id, "provenance") == 0 || strcmp(t->id, "counts") == 0 ||
           strcmp(t->id, "extremes") == 0 || ends_with(t->id, "-details") || ends_with(t->id, "-variants");
}

/* Of one run the images themselves say it. */
static bool is_shown(const tt_report *report, const tt_report_table *t)
{
    return strcmp(t->id, "extremes") != 0 || report->n_runs > 1;
}

static void put_tables(tt_buf *out, const tt_report *report, bool appendix)
{
    for (size_t i = 0; i < report->n_tables; i++) {
        const tt_report_table *t = &report->tables[i];
        if (is_appendix(t) == appendix && is_shown(report, t)) put_table(out, t);
    }
}

static void put_head(tt_buf *out, const tt_report *report)
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
}

/* Where the long page's parts are; those of single models stand at its top. */
static void put_contents(tt_buf *out, const tt_report *report)
{
    static const char *const ids[] = {"near-duplicates", "published", "warnings", "failures"};
    tt_buf_printf(out, "<nav>");
    for (size_t i = 0; i < report->n_tables; i++)
        for (size_t k = 0; k < sizeof ids / sizeof *ids; k++)
            if (strcmp(report->tables[i].id, ids[k]) == 0)
                tt_buf_printf(out, "<a href=\"#%s\">%s</a>\n", ids[k], k == 0 ? "near duplicates" : ids[k]);
    tt_buf_printf(out, "<a href=\"#figures\">figures</a>\n");
    if (report->images) {
        tt_buf_printf(out, "<a href=\"#images\">images</a>\n");
        if (report->runs[0].results.n_heat_maps) tt_buf_printf(out, "<a href=\"#words\">words</a>\n");
    }
    tt_buf_printf(out, "<a href=\"#counts\">counts</a>\n<a href=\"#provenance\">provenance</a>\n"
                       "<a href=\"#spec\">spec</a></nav>\n");
}

tt_status tt_report_html(const tt_report *report, tt_buf *out, tt_error *err)
{
    put_head(out, report);
    put_contents(out, report);
    put_tables(out, report, false);
    tt_status s = put_figures(out, report, err);
    if (!s && report->images) s = tt_html_images(out, report, err);
    if (s) return s;
    put_tables(out, report, true);
    put_specs(out, report);
    tt_buf_printf(out, "</body>\n</html>\n");
    return out->failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory for a report") : TT_OK;
}
