/* Building the tables of a report. */
#include "experiment/report_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tt_table_begin(tt_table_builder *b, const char *id, const char *title, const char *note,
                    const char *const *columns, size_t n_columns, size_t most_rows)
{
    tt_report *r = b->report;
    if (r->n_tables == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 16;
        tt_report_table *grown = tt_realloc(r->tables, capacity * sizeof *grown);
        if (!grown) {
            b->failed = true;
            return;
        }
        r->tables = grown;
        r->capacity = capacity;
    }
    bool named = r->n_runs > 1;
    tt_report_table *t = b->table = &r->tables[r->n_tables];
    *t = (tt_report_table){.id = tt_arena_strdup(r->arena, id),
                           .title = tt_arena_strdup(r->arena, title),
                           .note = note ? tt_arena_strdup(r->arena, note) : NULL,
                           .n_columns = n_columns + named};
    t->columns = tt_arena_alloc_array(r->arena, t->n_columns, sizeof *t->columns);
    b->room = t->n_columns * most_rows;
    b->at = 0;
    t->cells = tt_arena_alloc_array(r->arena, b->room + 1, sizeof *t->cells);
    if (!t->id || !t->title || !t->columns || !t->cells) {
        b->failed = true;
        return;
    }
    if (named) t->columns[0] = "run";
    for (size_t i = 0; i < n_columns; i++)
        t->columns[i + named] = columns[i];
}

void tt_table_put(tt_table_builder *b, double value, const char *format, ...)
{
    if (b->failed || b->at >= b->room) return;
    tt_buf text = {0};
    va_list args;
    va_start(args, format);
    char stack[512];
    int n = vsnprintf(stack, sizeof stack, format, args);
    va_end(args);
    if (n >= (int)sizeof stack) { /* long texts: captions of failures, parameters */
        char *long_text = tt_alloc((size_t)n + 1);
        if (long_text) {
            va_start(args, format);
            vsnprintf(long_text, (size_t)n + 1, format, args);
            va_end(args);
            tt_buf_append(&text, long_text, (size_t)n + 1);
            tt_free(long_text);
        }
    }
    const char *kept = tt_arena_strdup(b->report->arena, n >= (int)sizeof stack ? text.data : stack);
    tt_buf_free(&text);
    if (!kept) b->failed = true;
    b->table->cells[b->at++] = (tt_report_cell){kept, value, 0};
}

void tt_table_row(tt_table_builder *b, const tt_report_run *run)
{
    if (b->report->n_runs > 1) tt_table_put(b, NAN, "%s", run->name);
}

void tt_table_number(tt_table_builder *b, double value, tt_interval i)
{
    if (isnan(value))
        tt_table_put(b, NAN, "not resolvable");
    else
        tt_table_put(b, value, "%.3f [%.3f, %.3f]", value, i.low, i.high);
}

/* Marks the best two of a column where more than one row has a number. */
static void rank_column(tt_report_table *t, size_t column)
{
    double best = NAN, second = NAN;
    size_t numbers = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        double v = t->cells[i * t->n_columns + column].value;
        if (isnan(v)) continue;
        numbers++;
        if (isnan(best) || v > best) {
            second = best;
            best = v;
        } else if (v < best && (isnan(second) || v > second)) {
            second = v;
        }
    }
    for (size_t i = 0; i < t->n_rows && numbers > 1; i++) {
        tt_report_cell *c = &t->cells[i * t->n_columns + column];
        c->place = c->value == best ? 1 : c->value == second ? 2 : 0;
    }
}

/* Only what is attacked is ranked: on a model that never saw the data, more is worse. */
void tt_table_end(tt_table_builder *b, bool ranked, size_t first, size_t last)
{
    if (b->failed) return;
    tt_report_table *t = b->table;
    t->n_rows = b->at / t->n_columns;
    size_t named = b->report->n_runs > 1;
    for (size_t c = first; ranked && c <= last; c++)
        rank_column(t, c + named);
    if (t->n_rows) b->report->n_tables++;
}
