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

/* report_provenance.c */
void tt_report_extremes(tt_table_builder *b);
void tt_report_counts(tt_table_builder *b);
void tt_report_provenance(tt_table_builder *b);

/* report_html.c */
void tt_html_text(tt_buf *out, const char *text); /* escaped */
void tt_html_base64(tt_buf *out, const void *data, size_t size);

/* report_html_images.c: the first run's images, where report->images asks for any */
tt_status tt_html_images(tt_buf *out, const tt_report *report, tt_error *err);

#endif
