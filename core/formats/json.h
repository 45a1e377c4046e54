/* JSON, bounded and strict; the same nodes as YAML. Duplicate keys are refused. Line and column are filled.
 */
#ifndef TT_FORMATS_JSON_H
#define TT_FORMATS_JSON_H

#include "formats/yaml.h"

/* max_depth 64; numbers that fit become INT, others FLOAT. */
TT_API tt_status tt_json_parse(tt_arena *arena, const char *file, const char *text, size_t size,
                               tt_node **root, tt_error *err);
TT_API tt_status tt_json_read(tt_arena *arena, const char *path, size_t max_bytes, tt_node **root,
                              tt_error *err);
/* Appends a JSON string literal. */
TT_API bool tt_json_quote(tt_buf *out, const char *text);
/* Appends a JSON text with line breaks and indents; what is short stays on one line. What is no JSON comes
 * out as something that is none. */
TT_API bool tt_json_indent(const char *json, tt_buf *out);

#endif
