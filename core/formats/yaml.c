/* YAML 1.2, core schema, on libyaml's events: the part of YAML in which a document means what it seems to. */
#include "formats/yaml.h"
#include "base/file.h"
#include "formats/node.h"
#include "formats/text.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

#define MAX_BYTES    ((size_t)1 << 20)
#define MAX_NODES    100000u
#define MAX_EXPANDED 1000u /* nodes copied by aliases, in all */

typedef struct anchor {
    struct anchor *next;
    const char *name;
    const tt_node *node;
} anchor;

typedef struct reader {
    tt_tree tree;
    anchor *anchors; /* latest first: a name may be given again */
    size_t expanded;
    bool seen_document;
} reader;

static int to_int(size_t n)
{
    return n < INT_MAX ? (int)n + 1 : INT_MAX;
}

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *p)
{
    static const char digits[] = "0123456789";
    p += *p == '-' || *p == '+';
    size_t whole = strspn(p, digits), fraction = 0;
    p += whole;
    if (*p == '.') {
        fraction = strspn(++p, digits);
        p += fraction;
    }
    if (whole + fraction == 0) return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t exponent = strspn(p, digits);
        if (exponent == 0) return false;
        p += exponent;
    }
    return *p == '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* 0x… and 0o… that fit */
static bool based_int(const char *text, int64_t *value)
{
    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'o') || text[2] == '\0') return false;
    int64_t base = text[1] == 'x' ? 16 : 8, v = 0;
    for (const char *p = text + 2; *p; p++) {
        int digit = digit_value(*p);
        if (digit >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *value = v;
    return true;
}

/* The core schema of YAML 1.2 (10.3.2): yes, no, on and off are strings. */
static tt_status resolve(const reader *r, tt_node *node, tt_error *err)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    const char *text = node->text;
    const char *magnitude = text + (*text == '-' || *text == '+');
    node->kind = TT_NODE_STRING;
    if (node->quoted) return TT_OK;
    if (one_of(text, nulls)) {
        node->kind = TT_NODE_NULL;
    } else if (one_of(text, trues) || one_of(text, falses)) {
        node->kind = TT_NODE_BOOL;
        node->value.boolean = one_of(text, trues);
    } else if (tt_int64_parse(text, &node->value.integer) || based_int(text, &node->value.integer)) {
        node->kind = TT_NODE_INT;
    } else if (one_of(magnitude, infinities)) {
        node->kind = TT_NODE_FLOAT;
        node->value.real = *text == '-' ? -INFINITY : INFINITY;
    } else if (one_of(text, nans)) {
        node->kind = TT_NODE_FLOAT;
        node->value.real = NAN;
    } else if (is_float(text)) {
        node->kind = TT_NODE_FLOAT;
        if (!tt_double_parse(text, &node->value.real))
            return tt_tree_fail(&r->tree, node->line, node->column, err, "%s is beyond the range of a number",
                                text);
    }
    return TT_OK;
}

static tt_status refuse(const reader *r, const yaml_event_t *event, tt_error *err, const char *why)
{
    return tt_tree_fail(&r->tree, to_int(event->start_mark.line), to_int(event->start_mark.column), err, "%s",
                        why);
}

static tt_status keep_anchor(reader *r, const char *name, const tt_node *node, tt_error *err)
{
    anchor *a = tt_arena_alloc(r->tree.arena, sizeof *a);
    if (!a) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
    *a = (anchor){r->anchors, name, node};
    r->anchors = a;
    return TT_OK;
}

static tt_status on_key(reader *r, const yaml_event_t *event, tt_error *err)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (strcmp(text, "<<") == 0)
            return refuse(r, event, err, "merge keys (<<) are not part of YAML 1.2: write the keys out");
        if (*text == '\0') return refuse(r, event, err, "a key is missing before ':'");
    }
    if (event->data.scalar.anchor) return refuse(r, event, err, "a key cannot carry an anchor");
    const char *key = tt_arena_strdup(r->tree.arena, text);
    if (!key) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
    tt_tree_key(&r->tree, key, to_int(event->start_mark.line), to_int(event->start_mark.column));
    return TT_OK;
}

static tt_status on_scalar(reader *r, const yaml_event_t *event, tt_error *err)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *name = (const char *)event->data.scalar.anchor;
    if (event->data.scalar.tag)
        return refuse(r, event, err, "tags (!…) are not accepted: the value's form says its type");
    if (strlen(text) != event->data.scalar.length)
        return refuse(r, event, err, "a string with a NUL character");
    if (tt_tree_wants_key(&r->tree)) return on_key(r, event, err);
    tt_node *node;
    tt_status s = tt_tree_new(&r->tree, TT_NODE_STRING, to_int(event->start_mark.line),
                              to_int(event->start_mark.column), &node, err);
    if (s) return s;
    node->text = tt_arena_strdup(r->tree.arena, text);
    if (!node->text) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    s = resolve(r, node, err);
    if (s) return s;
    tt_tree_attach(&r->tree, node);
    if (!name) return TT_OK;
    name = tt_arena_strdup(r->tree.arena, name);
    return name ? keep_anchor(r, name, node, err)
                : tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
}

static tt_status on_open(reader *r, const yaml_event_t *event, tt_error *err)
{
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    const void *tag = list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    const void *name = list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    if (tag) return refuse(r, event, err, "tags (!…) are not accepted: the value's form says its type");
    if (tt_tree_wants_key(&r->tree)) return refuse(r, event, err, "a key must be a plain word or a string");
    tt_node *node;
    tt_status s = tt_tree_new(&r->tree, list ? TT_NODE_LIST : TT_NODE_MAP, to_int(event->start_mark.line),
                              to_int(event->start_mark.column), &node, err);
    if (s) return s;
    char *kept = name ? tt_arena_strdup(r->tree.arena, name) : NULL;
    if (name && !kept) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
    return tt_tree_enter(&r->tree, node, kept, err);
}

static tt_status on_close(reader *r, tt_error *err)
{
    const tt_tree_frame *top = tt_tree_top(&r->tree);
    const tt_node *node = top->node;
    const char *name = top->anchor;
    tt_status s = tt_tree_leave(&r->tree, err);
    /* named only now: an alias inside its own anchor would be an endless tree */
    return s || !name ? s : keep_anchor(r, name, node, err);
}

/* Copies the children of `from` into the open node `to`. Depth is bounded by the tree's frames. */
static tt_status copy_children(reader *r, const tt_node *from, const yaml_event_t *event, tt_error *err);

static tt_status copy_node(reader *r, const tt_node *from, int line, int column, const yaml_event_t *event,
                           tt_error *err)
{
    if (++r->expanded > MAX_EXPANDED)
        return refuse(r, event, err, "aliases (*…) expand to more than 1000 values: write them out");
    tt_node *node;
    tt_status s = tt_tree_new(&r->tree, from->kind, line, column, &node, err);
    if (s) return s;
    node->text = from->text;
    node->quoted = from->quoted;
    node->value = from->value;
    if (from->kind != TT_NODE_LIST && from->kind != TT_NODE_MAP) {
        tt_tree_attach(&r->tree, node);
        return TT_OK;
    }
    s = tt_tree_enter(&r->tree, node, NULL, err);
    if (!s) s = copy_children(r, from, event, err);
    return s ? s : tt_tree_leave(&r->tree, err);
}

static tt_status copy_children(reader *r, const tt_node *from, const yaml_event_t *event, tt_error *err)
{
    for (const tt_node *child = from->children; child; child = child->next) {
        if (child->key) tt_tree_key(&r->tree, child->key, child->key_line, child->key_column);
        tt_status s = copy_node(r, child, child->line, child->column, event, err);
        if (s) return s;
    }
    return TT_OK;
}

static tt_status on_alias(reader *r, const yaml_event_t *event, tt_error *err)
{
    const char *name = (const char *)event->data.alias.anchor;
    if (tt_tree_wants_key(&r->tree)) return refuse(r, event, err, "a key must be a plain word or a string");
    const anchor *a = r->anchors;
    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    int line = to_int(event->start_mark.line), column = to_int(event->start_mark.column);
    if (!a)
        return tt_tree_fail(&r->tree, line, column, err, "alias *%s has no anchor &%s before it", name, name);
    return copy_node(r, a->node, line, column, event, err);
}

static tt_status on_event(reader *r, const yaml_event_t *event, tt_error *err)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->seen_document)
            return refuse(r, event, err, "a second document (---): one file is one document");
        r->seen_document = true;
        return TT_OK;
    case YAML_SCALAR_EVENT:
        return on_scalar(r, event, err);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return on_open(r, event, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(r, err);
    case YAML_ALIAS_EVENT:
        return on_alias(r, event, err);
    default:
        return TT_OK;
    }
}

static tt_status syntax_error(const reader *r, const yaml_parser_t *parser, tt_error *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
    const yaml_mark_t *at = parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark;
    return tt_tree_fail(&r->tree, to_int(at->line), to_int(at->column), err, "%s%s%s",
                        parser->context ? parser->context : "", parser->context ? ": " : "",
                        parser->problem ? parser->problem : "not YAML");
}

static void find_offset(const char *text, size_t offset, int *line, int *column)
{
    size_t lines = 0, start = 0;
    for (size_t i = 0; i < offset; i++)
        if (text[i] == '\n') {
            lines++;
            start = i + 1;
        }
    *line = to_int(lines);
    *column = to_int(offset - start);
}

static tt_status run(reader *r, const char *text, size_t size, tt_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", r->tree.file);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    tt_status s = TT_OK;
    for (bool end = false; !end && !s;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            s = syntax_error(r, &parser, err);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        s = on_event(r, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return s;
}

tt_status tt_yaml_parse(tt_arena *arena, const char *file, const char *text, size_t size, tt_node **root,
                        tt_error *err)
{
    reader r = {.tree = {.arena = arena, .bad = TT_ERR_INVALID, .max_nodes = MAX_NODES}};
    r.tree.file = tt_arena_strdup(arena, file);
    if (!r.tree.file) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", file);
    if (size > MAX_BYTES)
        return tt_fail(err, TT_ERR_INVALID, "%s: %zu bytes: larger than the limit of %zu", file, size,
                       MAX_BYTES);
    size_t valid = tt_utf8_check(text, size);
    if (valid < size) {
        int line, column;
        find_offset(text, valid, &line, &column);
        return tt_tree_fail(&r.tree, line, column, err, "not UTF-8: save the file in that encoding");
    }
    tt_status s = run(&r, text, size, err);
    if (s) return s;
    if (!r.tree.root) { /* an empty document is null */
        s = tt_tree_new(&r.tree, TT_NODE_NULL, 1, 1, &r.tree.root, err);
        if (s) return s;
        r.tree.root->text = "";
    }
    *root = r.tree.root;
    return TT_OK;
}

tt_status tt_yaml_read(tt_arena *arena, const char *path, tt_node **root, tt_error *err)
{
    char *text;
    size_t size;
    tt_status s = tt_file_read(path, MAX_BYTES, &text, &size, err);
    if (s) return s;
    s = tt_yaml_parse(arena, path, text, size, root, err);
    tt_free(text);
    return s;
}
