/* Comma-separated tables (RFC 4180): quoted cells, LF or CRLF, UTF-8. Bounded; cells are text. */
#ifndef TT_FORMATS_CSV_H
#define TT_FORMATS_CSV_H

#include "base/mem.h"

typedef struct tt_csv {
    size_t n_columns, n_rows;
    const char **header; /* [n_columns] */
    const char **cells;  /* [n_rows · n_columns] */
    size_t *lines;       /* [n_rows]: the line a row begins on, 1-based */
    tt_arena *arena;
} tt_csv;

#define TT_CSV_MAX_BYTES ((size_t)1 << 30)

/* Errors name file and line: a row of another width, an open quote, text that is not UTF-8, no header. */
TT_API tt_status tt_csv_read(const char *path, tt_csv *csv, tt_error *err);
/* The same from memory; `text` is not kept. */
TT_API tt_status tt_csv_parse(const char *file, const char *text, size_t size, tt_csv *csv, tt_error *err);
TT_API void tt_csv_free(tt_csv *csv);
/* Index of a column by its exact name; SIZE_MAX: none. */
TT_API size_t tt_csv_column(const tt_csv *csv, const char *name);

#endif
