/* JSON as trees of nodes, by our own reader (json_reader.h). The header promises a line and column for every
 * node, integers apart from reals, and that duplicate keys and bytes that are no UTF-8 are refused; the
 * JSON libraries of Debian give some of these, none gives all. */
#include "formats/json.h"
#include "base/file.h"
#include "formats/json_reader.h"
#include "formats/node.h"
#include "formats/text.h"

#include <string.h>

#define MAX_NODES 2000000u /* a tokenizer.json of CLIP's vocabulary has about 200,000 */

static tt_status take_text(tt_tree *tree, const tt_json_reader *r, const char **text, tt_error *err)
{
    *text = tt_arena_strndup(tree->arena, r->text, r->text_size);
    return *text ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", tree->file);
}

static tt_status fill_scalar(tt_tree *tree, const tt_json_reader *r, tt_json_token token, tt_node *node,
                             tt_error *err)
{
    if (token == TT_JSON_NULL) {
        node->text = "null";
        return TT_OK;
    }
    if (token == TT_JSON_TRUE || token == TT_JSON_FALSE) {
        node->value.boolean = token == TT_JSON_TRUE;
        node->text = node->value.boolean ? "true" : "false";
        return TT_OK;
    }
    tt_status s = take_text(tree, r, &node->text, err);
    if (s) return s;
    if (token == TT_JSON_STRING) {
        node->quoted = true;
        return TT_OK;
    }
    /* -0 has no integer form that keeps its sign */
    if (strcmp(node->text, "-0") != 0 && tt_int64_parse(node->text, &node->value.integer)) return TT_OK;
    node->kind = TT_NODE_FLOAT;
    if (!tt_double_parse(node->text, &node->value.real))
        return tt_json_fail(r, err, "%.60s is beyond the range of a number", node->text);
    return TT_OK;
}

static tt_status on_token(tt_tree *tree, const tt_json_reader *r, tt_json_token token, tt_error *err)
{
    static const tt_node_kind kinds[] = {
        [TT_JSON_OBJECT] = TT_NODE_MAP, [TT_JSON_ARRAY] = TT_NODE_LIST, [TT_JSON_STRING] = TT_NODE_STRING,
        [TT_JSON_NUMBER] = TT_NODE_INT, [TT_JSON_TRUE] = TT_NODE_BOOL,  [TT_JSON_FALSE] = TT_NODE_BOOL,
        [TT_JSON_NULL] = TT_NODE_NULL,
    };
    if (token == TT_JSON_OBJECT_END || token == TT_JSON_ARRAY_END) return tt_tree_leave(tree, err);
    if (token == TT_JSON_KEY) {
        const char *key;
        tt_status s = take_text(tree, r, &key, err);
        if (!s) tt_tree_key(tree, key, r->line, r->column);
        return s;
    }
    tt_node *node;
    tt_status s = tt_tree_new(tree, kinds[token], r->line, r->column, &node, err);
    if (s) return s;
    if (token == TT_JSON_OBJECT || token == TT_JSON_ARRAY) return tt_tree_enter(tree, node, NULL, err);
    s = fill_scalar(tree, r, token, node, err);
    if (!s) tt_tree_attach(tree, node);
    return s;
}

tt_status tt_json_parse(tt_arena *arena, const char *file, const char *text, size_t size, tt_node **root,
                        tt_error *err)
{
    tt_tree tree = {.arena = arena, .bad = TT_ERR_FORMAT, .max_nodes = MAX_NODES};
    tree.file = tt_arena_strdup(arena, file);
    if (!tree.file) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file);
    tt_json_reader r;
    tt_status s = tt_json_open(&r, tree.file, text, size, err);
    while (!s) {
        tt_json_token token;
        s = tt_json_next(&r, &token, err);
        if (s || token == TT_JSON_END) break;
        s = on_token(&tree, &r, token, err);
    }
    tt_json_close(&r);
    if (!s) *root = tree.root;
    return s;
}

tt_status tt_json_read(tt_arena *arena, const char *path, size_t max_bytes, tt_node **root, tt_error *err)
{
    char *text;
    size_t size;
    tt_status s = tt_file_read(path, max_bytes, &text, &size, err);
    if (s) return s;
    s = tt_json_parse(arena, path, text, size, root, err);
    tt_free(text);
    return s;
}

static bool quote_char(tt_buf *out, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *known = strchr(plain, c);
    if (!known) return tt_buf_printf(out, "\\u%04x", c);
    char pair[2] = {'\\', letter[known - plain]};
    return tt_buf_append(out, pair, 2);
}

bool tt_json_quote(tt_buf *out, const char *text)
{
    size_t size = strlen(text), run = 0, valid = tt_utf8_check(text, size);
    bool ok = tt_buf_append(out, "\"", 1);
    for (size_t i = 0; ok && i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool broken = i == valid;
        if (!broken && c >= 0x20 && c != '"' && c != '\\') continue;
        ok = tt_buf_append(out, text + run, i - run);
        run = i + 1;
        if (broken) { /* the literal must be JSON whatever came in: U+FFFD for each stray byte */
            ok = ok && tt_buf_append(out, "\xef\xbf\xbd", 3);
            valid = run + tt_utf8_check(text + run, size - run);
        } else {
            ok = ok && quote_char(out, c);
        }
    }
    return ok && tt_buf_append(out, text + run, size - run) && tt_buf_append(out, "\"", 1);
}
