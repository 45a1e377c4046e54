/* The report as Markdown and LaTeX. */
#include "experiment/report.h"
#include "formats/json.h"

#include <stdio.h>
#include <string.h>

/* Every line of the spec behind `margin`. */
static void put_spec(const char *spec, const char *margin, tt_buf *out)
{
    tt_buf text = {0};
    out->failed |= !tt_json_indent(spec, &text);
    for (const char *line = text.data; line && *line;) {
        size_t n = strcspn(line, "\n");
        tt_buf_printf(out, "%s%.*s\n", margin, (int)n, line);
        line += n + (line[n] == '\n');
    }
    tt_buf_free(&text);
}

/* ---- Markdown ---- */

static void markdown_text(tt_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            tt_buf_printf(out, " ");
            continue;
        }
        if (strchr("|\\`*_<>[]", *text)) tt_buf_printf(out, "\\");
        tt_buf_append(out, text, 1);
    }
}

static void markdown_table(const tt_report_table *t, tt_buf *out)
{
    tt_buf_printf(out, "## ");
    markdown_text(out, t->title);
    tt_buf_printf(out, "\n\n|");
    for (size_t c = 0; c < t->n_columns; c++) {
        tt_buf_printf(out, " ");
        markdown_text(out, t->columns[c]);
        tt_buf_printf(out, " |");
    }
    tt_buf_printf(out, "\n|");
    for (size_t c = 0; c < t->n_columns; c++)
        tt_buf_printf(out, " --- |");
    for (size_t i = 0; i < t->n_rows; i++) {
        tt_buf_printf(out, "\n|");
        for (size_t c = 0; c < t->n_columns; c++) {
            const tt_report_cell *cell = &t->cells[i * t->n_columns + c];
            const char *mark = cell->place == 1 ? "**" : cell->place == 2 ? "_" : "";
            tt_buf_printf(out, " %s", mark);
            markdown_text(out, cell->text);
            tt_buf_printf(out, "%s |", mark);
        }
    }
    tt_buf_printf(out, "\n\n");
    if (t->note && t->note[0]) {
        markdown_text(out, t->note);
        tt_buf_printf(out, "\n\n");
    }
}

/* Paths that need no quoting stay as they are. */
static void markdown_path(tt_buf *out, const char *path)
{
    for (; *path; path++) {
        if ((unsigned char)*path <= 0x20 || strchr("<>()\\%\"", *path))
            tt_buf_printf(out, "%%%02x", (unsigned)(unsigned char)*path);
        else
            tt_buf_append(out, path, 1);
    }
}

static void markdown_figures(const tt_report *report, tt_buf *out)
{
    if (report->n_figures) tt_buf_printf(out, "## figures\n\n");
    for (size_t i = 0; i < report->n_figures; i++) {
        tt_buf_printf(out, "![");
        markdown_text(out, report->figures[i].title);
        tt_buf_printf(out, "](");
        markdown_path(out, report->figures_at);
        tt_buf_printf(out, "figures/%s.png)\n\n", report->figures[i].name);
    }
}

/* As a block that is set in by four spaces: nothing in it can end it. */
static void markdown_specs(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(out, "## spec\n\nWith every default filled in.\n\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        if (report->n_runs > 1) {
            markdown_text(out, report->runs[i].name);
            tt_buf_printf(out, "\n\n");
        }
        put_spec(report->runs[i].results.spec, "    ", out);
        tt_buf_printf(out, "\n");
    }
}

bool tt_report_markdown(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(out, "# ");
    for (size_t i = 0; i < report->n_runs; i++) {
        if (i) tt_buf_printf(out, ", ");
        markdown_text(out, report->runs[i].name);
    }
    tt_buf_printf(out, "\n\nBest **bold**, second _italic_; 95 %% intervals in brackets.\n\n");
    for (size_t i = 0; i < report->n_tables; i++)
        markdown_table(&report->tables[i], out);
    markdown_figures(report, out);
    markdown_specs(report, out);
    return !out->failed;
}

/* ---- LaTeX ---- */

static void latex_text(tt_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '\\':
            tt_buf_printf(out, "\\textbackslash{}");
            break;
        case '~':
            tt_buf_printf(out, "\\textasciitilde{}");
            break;
        case '^':
            tt_buf_printf(out, "\\textasciicircum{}");
            break;
        case '<':
            tt_buf_printf(out, "\\textless{}");
            break;
        case '>':
            tt_buf_printf(out, "\\textgreater{}");
            break;
        case '\n':
            tt_buf_printf(out, " ");
            break;
        case '&':
        case '%':
        case '$':
        case '#':
        case '_':
        case '{':
        case '}':
            tt_buf_printf(out, "\\%c", *text);
            break;
        default:
            tt_buf_append(out, text, 1);
        }
    }
}

/* A long text is broken into lines of this share of the page; a page holds few rows of such. */
static const char LATEX_LONG[] = "p{0.5\\linewidth}";
enum { LATEX_LONG_TEXT = 40, LATEX_LONG_ROWS = 12 };

static bool is_long(const tt_report_table *t, size_t column)
{
    for (size_t i = 0; i < t->n_rows; i++)
        if (strlen(t->cells[i * t->n_columns + column].text) > LATEX_LONG_TEXT) return true;
    return false;
}

static void latex_rows(const tt_report_table *t, size_t first, size_t n, tt_buf *out)
{
    for (size_t i = first; i < first + n; i++) {
        tt_buf_printf(out, "    ");
        for (size_t c = 0; c < t->n_columns; c++) {
            const tt_report_cell *cell = &t->cells[i * t->n_columns + c];
            if (c) tt_buf_printf(out, " & ");
            tt_buf_printf(out, "%s", cell->place == 1 ? "\\textbf{" : cell->place == 2 ? "\\underline{" : "");
            latex_text(out, cell->text);
            tt_buf_printf(out, "%s", cell->place ? "}" : "");
        }
        tt_buf_printf(out, " \\\\\n");
    }
}

/* n rows as a float of their own, shrunk to the width of the text if it is wider. */
static void latex_float(const tt_report_table *t, size_t first, size_t n, tt_buf *out)
{
    tt_buf_printf(out, "\\begin{table}\n  \\centering\n  \\caption{");
    latex_text(out, t->title);
    if (first) tt_buf_printf(out, ", continued");
    if (t->note && t->note[0] && !first) {
        tt_buf_printf(out, ". ");
        latex_text(out, t->note);
    }
    tt_buf_printf(out, "}\n  \\label{tab:%s", t->id);
    if (first) tt_buf_printf(out, "-%zu", first / LATEX_LONG_ROWS + 1);
    tt_buf_printf(out, "}\n  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%%\n"
                       "  \\begin{tabular}{");
    for (size_t c = 0; c < t->n_columns; c++)
        tt_buf_printf(out, "%s", is_long(t, c) ? LATEX_LONG : "l");
    tt_buf_printf(out, "}\n    \\toprule\n    ");
    for (size_t c = 0; c < t->n_columns; c++) {
        if (c) tt_buf_printf(out, " & ");
        latex_text(out, t->columns[c]);
    }
    tt_buf_printf(out, " \\\\\n    \\midrule\n");
    latex_rows(t, first, n, out);
    tt_buf_printf(out, "    \\bottomrule\n  \\end{tabular}}\n\\end{table}\n\n");
}

static void latex_table(const tt_report_table *t, tt_buf *out)
{
    size_t most = t->n_rows;
    for (size_t c = 0; c < t->n_columns; c++)
        if (is_long(t, c) && most > LATEX_LONG_ROWS) most = LATEX_LONG_ROWS;
    for (size_t first = 0; first < t->n_rows; first += most)
        latex_float(t, first, t->n_rows - first < most ? t->n_rows - first : most, out);
}

static void latex_figures(const tt_report *report, tt_buf *out)
{
    for (size_t i = 0; i < report->n_figures; i++) {
        tt_buf_printf(out,
                      "\\begin{figure}\n  \\centering\n  "
                      "\\includegraphics[width=\\linewidth]{\\detokenize{%sfigures/%s.png}}\n"
                      "  \\caption{",
                      report->figures_at, report->figures[i].name);
        latex_text(out, report->figures[i].title);
        tt_buf_printf(out, "}\n  \\label{fig:%s}\n\\end{figure}\n\n", report->figures[i].name);
    }
}

bool tt_report_latex(const tt_report *report, tt_buf *out)
{
    tt_buf_printf(out,
                  "%% \\usepackage{booktabs,graphicx}\n%% best bold, second underlined; 95 %% intervals in "
                  "brackets\n\n");
    for (size_t i = 0; i < report->n_tables; i++)
        latex_table(&report->tables[i], out);
    latex_figures(report, out);
    for (size_t i = 0; i < report->n_runs; i++) {
        tt_buf_printf(out, "%% the spec of run %zu, with every default filled in\n", i + 1);
        put_spec(report->runs[i].results.spec, "% ", out);
    }
    return !out->failed;
}
