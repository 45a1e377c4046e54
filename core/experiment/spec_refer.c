/* ${NAME}, ${NAME:-default} (the environment) and ${spec.a.b} (the spec itself) in values. A value that is
 * one reference and nothing else takes what it refers to, with its type; in a longer text its words are put
 * in.
 * `$${` is a plain `${`. */
#include "experiment/spec_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH      64 /* as in files */
#define MAX_REFERENCES 1000u
#define MAX_COPIED     100000u /* values, as in a file */
#define MAX_TEXT       ((size_t)1 << 20)
/* Stands for a `$` that is no reference until all are followed; YAML has no such character. */
#define PLAIN_DOLLAR '\001'

/* The values whose references are being followed, innermost first. */
typedef struct chain {
    const struct chain *outer;
    const tt_node *node;
    const char *path; /* what was asked for */
} chain;

typedef struct reference {
    const char *begin, *end; /* of the whole, "${…}" */
    char *name;              /* "HOME", "spec.models.target.path" */
    char *otherwise;         /* behind ":-", or NULL */
} reference;

static tt_status no_memory(const tt_spec_document *d)
{
    return tt_fail(d->err, TT_ERR_MEMORY, "out of memory for the spec");
}

static bool begins(const char *p)
{
    return p[0] == '$' && p[1] == '{';
}

/* The next "${" that is not escaped, from `from` on; NULL: none. */
static const char *next_reference(const char *from)
{
    for (const char *p = from; *p; p++) {
        if (p[0] == '$' && begins(p + 1))
            p += 2;
        else if (begins(p))
            return p;
    }
    return NULL;
}

static bool name_well_formed(const char *name)
{
    bool of_spec = strncmp(name, "spec.", 5) == 0;
    if (!isalpha((unsigned char)name[0]) && name[0] != '_') return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && !(of_spec && (*p == '.' || *p == '-'))) return false;
    return true;
}

static tt_status parse(tt_spec_document *d, const tt_node *node, const char *begin, reference *ref)
{
    const char *end = strchr(begin, '}');
    if (++d->n_references > MAX_REFERENCES)
        return tt_node_fail(node, d->err, "more than %u references in a spec", MAX_REFERENCES);
    if (!end)
        return tt_node_fail(node, d->err, "a reference is not closed: write ${NAME}, or $${ for a plain ${");
    const char *colon = begin + 2;
    while (colon < end && strncmp(colon, ":-", 2) != 0)
        colon++;
    *ref = (reference){.begin = begin, .end = end + 1};
    ref->name = tt_arena_strndup(d->arena, begin + 2, (size_t)(colon - begin) - 2);
    if (!ref->name) return no_memory(d);
    if (!name_well_formed(ref->name))
        return tt_node_fail(node, d->err,
                            "${%.60s} is no reference: write ${NAME}, ${NAME:-default} or ${spec.key.key}, "
                            "or $${ for a plain ${",
                            ref->name);
    if (colon == end) return TT_OK;
    ref->otherwise = tt_arena_strndup(d->arena, colon + 2, (size_t)(end - colon) - 2);
    if (!ref->otherwise) return no_memory(d);
    if (strchr(ref->otherwise, '{'))
        return tt_node_fail(node, d->err, "${%.60s:-…}: a default cannot hold another reference", ref->name);
    return TT_OK;
}

/* ---- what a reference stands for ---- */

static tt_status follow(tt_spec_document *d, tt_node *node, int depth, const chain *outer);

static void move_to(tt_node *node, const tt_node *place)
{
    node->file = place->file;
    node->line = place->line;
    node->column = place->column;
    for (tt_node *child = node->children; child; child = child->next) {
        move_to(child, place);
        child->key_line = 0;
    }
}

static tt_status from_environment(const tt_spec_document *d, const tt_node *at, const reference *ref,
                                  const char **text)
{
    const char *value = getenv(ref->name);
    if (value && !value[0] && ref->otherwise) value = NULL; /* as in a shell */
    if (!value) value = ref->otherwise;
    if (!value)
        return tt_node_fail(at, d->err,
                            "%s is not set in the environment: set it, or give a default, ${%s:-default}",
                            ref->name, ref->name);
    if (strlen(value) > MAX_TEXT)
        return tt_node_fail(at, d->err, "%s is longer than a spec may be", ref->name);
    char *copy = tt_arena_strdup(d->arena, value);
    if (!copy) return no_memory(d);
    for (char *p = copy; *p; p++)
        if (begins(p)) *p = PLAIN_DOLLAR; /* what the environment says is taken as it is */
    *text = copy;
    return TT_OK;
}

static tt_status refuse_missing(const tt_spec_document *d, const tt_node *at, const reference *ref,
                                const tt_node *map, const char *key)
{
    const char **names = tt_arena_alloc_array(d->arena, map->n_children + 1, sizeof *names);
    if (!names) return no_memory(d);
    size_t n = 0;
    for (const tt_node *child = map->kind == TT_NODE_MAP ? map->children : NULL; child; child = child->next)
        names[n++] = child->key;
    const char *near = tt_nearest(key, names, n);
    return tt_node_fail(at, d->err, "${%s}: the spec has no '%s' there%s%s%s", ref->name, key,
                        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static tt_status refuse_cycle(const tt_spec_document *d, const tt_node *at, const reference *ref,
                              const chain *inner, const tt_node *again)
{
    tt_buf text = {0};
    for (const chain *c = inner; c; c = c->outer) {
        if (c->node == again) break;
        tt_buf_printf(&text, ", asked for by ${%s}", c->path ? c->path : "");
    }
    tt_node_fail(at, d->err, "${%s} refers to itself%s", ref->name, text.data ? text.data : "");
    tt_buf_free(&text);
    return TT_ERR_INVALID;
}

static bool is_within(const tt_node *node, const tt_node *within)
{
    if (node == within) return true;
    for (const tt_node *child = within->children; child; child = child->next)
        if (is_within(node, child)) return true;
    return false;
}

/* The value that ${spec.a.b} names, all references on the way and in it followed. */
static tt_status from_spec(tt_spec_document *d, const tt_node *at, const reference *ref, const chain *outer,
                           tt_node **found)
{
    char *key = tt_arena_strdup(d->arena, ref->name + strlen("spec."));
    if (!key) return no_memory(d);
    tt_node *node = d->root;
    for (int depth = 1; key; depth++) {
        char *dot = strchr(key, '.');
        if (dot) *dot = '\0';
        tt_node *child = tt_spec_child(node, key);
        if (!child) return refuse_missing(d, at, ref, node, key);
        for (const chain *c = outer; c; c = c->outer)
            if (c->node == child || (!dot && is_within(c->node, child)))
                return refuse_cycle(d, at, ref, outer, child);
        if (child->kind == TT_NODE_STRING || !dot) {
            chain inner = {outer, child, ref->name};
            tt_status s = follow(d, child, depth, &inner);
            if (s) return s;
        }
        node = child;
        key = dot ? dot + 1 : NULL;
    }
    *found = node;
    return TT_OK;
}

/* A deep copy; false: out of memory, or too much. */
static bool copy_children(tt_spec_document *d, tt_node *node, int depth)
{
    if (depth > MAX_DEPTH) return false;
    tt_node **tail = &node->children;
    for (const tt_node *child = node->children; child; child = child->next) {
        tt_node *copy = tt_arena_alloc(d->arena, sizeof *copy);
        if (!copy || ++d->n_copied > MAX_COPIED) return false;
        *copy = *child;
        *tail = copy;
        tail = &copy->next;
        if (!copy_children(d, copy, depth + 1)) return false;
    }
    return true;
}

/* ---- one value ---- */

static void replace(tt_node *node, const tt_node *with)
{
    tt_node kept = *node;
    *node = *with;
    node->next = kept.next;
    node->key = kept.key;
    node->key_line = kept.file == node->file || !kept.file ? kept.key_line : 0;
    node->key_column = kept.key_column;
}

/* The value is one reference. */
static tt_status take_whole(tt_spec_document *d, tt_node *node, const reference *ref, int depth,
                            const chain *outer)
{
    tt_node at = *node, *value = NULL;
    if (strncmp(ref->name, "spec.", 5) == 0) {
        tt_status s = from_spec(d, &at, ref, outer, &value);
        if (s) return s;
        tt_node copy = *value;
        if (!copy_children(d, &copy, depth))
            return tt_node_fail(&at, d->err, "${%s}: the spec grows too large or too deep", ref->name);
        replace(node, &copy);
        return TT_OK;
    }
    const char *text;
    tt_status s = from_environment(d, &at, ref, &text);
    if (s) return s;
    if (text[0]) {
        tt_error why = {0};
        if (tt_yaml_parse(d->arena, ref->name, text, strlen(text), &value, &why))
            return tt_node_fail(&at, d->err, "${%s} is no YAML value: %.300s", ref->name, why.message);
    }
    if (!value) value = tt_arena_alloc(d->arena, sizeof *value); /* empty: null */
    if (!value) return no_memory(d);
    move_to(value, &at);
    replace(node, value);
    return TT_OK;
}

static tt_status append_reference(tt_spec_document *d, const tt_node *node, const reference *ref,
                                  const chain *outer, tt_buf *out)
{
    const tt_node *at = node;
    tt_node *value;
    if (strncmp(ref->name, "spec.", 5) != 0) {
        const char *text;
        tt_status s = from_environment(d, at, ref, &text);
        if (!s) tt_buf_append(out, text, strlen(text));
        return s;
    }
    tt_status s = from_spec(d, at, ref, outer, &value);
    if (s) return s;
    if (!value->text || value->kind == TT_NODE_LIST || value->kind == TT_NODE_MAP)
        return tt_node_fail(at, d->err, "${%s} is a %s: it cannot stand within a text", ref->name,
                            tt_node_kind_name(value->kind));
    tt_buf_append(out, value->text, strlen(value->text));
    return TT_OK;
}

/* A text with references in it becomes a longer text. */
static tt_status take_parts(tt_spec_document *d, tt_node *node, const chain *outer)
{
    tt_buf out;
    tt_buf_init(&out, MAX_TEXT);
    const char *from = node->text;
    tt_status s = TT_OK;
    for (const char *p = from; *p && !s;) {
        if (p[0] == '$' && begins(p + 1)) {
            static const char plain[] = {PLAIN_DOLLAR, '{'};
            tt_buf_append(&out, plain, 2);
            p += 3;
        } else if (begins(p)) {
            reference ref;
            s = parse(d, node, p, &ref);
            if (!s) s = append_reference(d, node, &ref, outer, &out);
            if (!s) p = ref.end;
        } else {
            tt_buf_append(&out, p++, 1);
        }
    }
    if (!s && out.failed) s = tt_node_fail(node, d->err, "a text grows beyond 1 MiB by its references");
    if (!s) {
        node->text = tt_arena_strdup(d->arena, out.data ? out.data : "");
        if (!node->text) s = no_memory(d);
    }
    tt_buf_free(&out);
    return s;
}

static tt_status follow_text(tt_spec_document *d, tt_node *node, int depth, const chain *outer)
{
    if (!strstr(node->text, "${")) return TT_OK;
    const char *first = next_reference(node->text);
    if (first == node->text) {
        reference ref;
        tt_status s = parse(d, node, first, &ref);
        if (s) return s;
        if (*ref.end == '\0') return take_whole(d, node, &ref, depth, outer);
    }
    return take_parts(d, node, outer);
}

static tt_status follow(tt_spec_document *d, tt_node *node, int depth, const chain *outer)
{
    if (node->kind == TT_NODE_STRING) return follow_text(d, node, depth, outer);
    for (tt_node *child = node->children; child; child = child->next) {
        chain inner = {outer, child, NULL};
        tt_status s = follow(d, child, depth + 1, &inner);
        if (s) return s;
    }
    return TT_OK;
}

/* ---- the whole ---- */

/* Every mistake is noted, and nothing else is said of a value whose reference leads nowhere. */
static tt_status follow_all(tt_spec_document *d, tt_node *node, int depth)
{
    tt_status s = TT_OK;
    if (node->kind == TT_NODE_STRING) {
        chain own = {NULL, node, NULL};
        s = follow(d, node, depth, &own);
        if (!s) return TT_OK;
        s = tt_spec_document_note(d, s);
        return s ? s : tt_problems_mute(d->problems, node->file, node->line, node->column);
    }
    for (tt_node *child = node->children; child && !s; child = child->next)
        s = follow_all(d, child, depth + 1);
    return s;
}

static void restore_dollars(tt_node *node)
{
    if (node->kind == TT_NODE_STRING && node->text)
        for (char *p = strchr(node->text, PLAIN_DOLLAR); p; p = strchr(p, PLAIN_DOLLAR))
            *p = '$';
    for (tt_node *child = node->children; child; child = child->next)
        restore_dollars(child);
}

tt_status tt_spec_refer(tt_spec_document *d)
{
    tt_status s = follow_all(d, d->root, 0);
    if (!s) restore_dollars(d->root);
    return s;
}
