/* A pull reader for JSON (RFC 8259, strict): one token at a time over text in memory, without a tree. For
 * headers too large for one (safetensors allows 100 MB), and under tt_json_parse. */
#ifndef TT_FORMATS_JSON_READER_H
#define TT_FORMATS_JSON_READER_H

#include "base/mem.h"

#define TT_JSON_MAX_DEPTH 64

typedef enum tt_json_token {
    TT_JSON_END, /* behind the one value of the text */
    TT_JSON_OBJECT,
    TT_JSON_OBJECT_END,
    TT_JSON_ARRAY,
    TT_JSON_ARRAY_END,
    TT_JSON_KEY,
    TT_JSON_STRING,
    TT_JSON_NUMBER,
    TT_JSON_TRUE,
    TT_JSON_FALSE,
    TT_JSON_NULL
} tt_json_token;

typedef struct tt_json_reader {
    const char *file, *begin, *at, *end;
    /* the last token: keys and strings decoded, numbers as written; valid until the next one. Not
     * NUL-terminated; keys and strings hold no NUL. */
    const char *text;
    size_t text_size;
    int line, column;
    /* private */
    int depth;
    bool is_object[TT_JSON_MAX_DEPTH];
    int expect;
    int here_line, here_column; /* of `counted` */
    const char *counted;
    tt_buf decoded;
} tt_json_reader;

/* Checks that the text is UTF-8. Close the reader also after a failure. */
TT_API tt_status tt_json_open(tt_json_reader *r, const char *file, const char *text, size_t size,
                              tt_error *err);
TT_API tt_status tt_json_next(tt_json_reader *r, tt_json_token *token, tt_error *err);
/* Passes over one value, whatever it is; the next token must begin it. */
TT_API tt_status tt_json_skip(tt_json_reader *r, tt_error *err);
TT_API void tt_json_close(tt_json_reader *r);
/* "file:line:column: message" at the last token; TT_ERR_FORMAT. */
TT_API tt_status tt_json_fail(const tt_json_reader *r, tt_error *err, const char *format, ...)
    TT_PRINTF(3, 4);

#endif
