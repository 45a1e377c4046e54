/* Shared by report*.c only. */
#ifndef TT_EXPERIMENT_REPORT_INTERNAL_H
#define TT_EXPERIMENT_REPORT_INTERNAL_H

#include "experiment/report.h"

typedef struct tt_table_builder {
    tt_report *report;
    tt_report_table *table;
    size_t room, at; /* cells there is room for; the next one */
    bool failed;     /* out of memory */
} tt_table_builder;

/* report_table.c */
void tt_table_begin(tt_table_builder *b, const char *id, const char *title, const char *note,
                    const char *const *columns, size_t n_columns, size_t most_rows);
/* A row begins with the run's name, where there are several. */
void tt_table_row(tt_table_builder *b, const tt_report_run *run);
/* One cell; value NaN: it has no number. */
void tt_table_put(tt_table_builder *b, double value, const char *format, ...) TT_PRINTF(3, 4);
void tt_table_number(tt_table_builder *b, double value, tt_interval i);
/* Without rows there is no table. Only what is attacked is ranked: on a model that never saw the data, more
 * is worse. */
void tt_table_end(tt_table_builder *b, bool ranked, size_t first, size_t last);

/* report_controls.c */
void tt_report_controls(tt_table_builder *b, const char *role);

#endif
