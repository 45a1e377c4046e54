/* `base: other.yaml`: a spec that says only what differs from another one. */
#include "experiment/spec_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILES 64u /* bases of bases may be many by mistake; each may be 1 MiB */

/* The files that are being read, innermost first. */
typedef struct chain {
    const struct chain *outer;
    const char *name;   /* as in messages */
    const char *folder; /* seen from the spec's folder: "" or "../common" */
    char *real;
} chain;

static tt_status no_memory(const tt_spec_document *d)
{
    return tt_fail(d->err, TT_ERR_MEMORY, "out of memory for the spec");
}

/* "a/b" of "a/b/c.yaml", "" of "c.yaml", "/" of "/c.yaml" */
static char *folder_of(tt_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return tt_arena_strdup(arena, "");
    return tt_arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

static char *joined(tt_arena *arena, const char *folder, const char *name)
{
    if (name[0] == '/' || folder[0] == '\0') return tt_arena_strdup(arena, name);
    return tt_arena_printf(arena, strcmp(folder, "/") == 0 ? "%s%s" : "%s/%s", folder, name);
}

/* Another plugin has other parameters: what was said for the first one must not reach it. */
static bool another_plugin(const tt_node *under, const tt_node *over)
{
    const tt_node *a = tt_spec_child(under, "plugin"), *b = tt_spec_child(over, "plugin");
    return b && (!a || !a->text || !b->text || strcmp(a->text, b->text) != 0);
}

/* Puts the keys of `over` into `under`: maps key by key, all else replaced. */
static bool merge(tt_arena *arena, tt_node *under, const tt_node *over)
{
    for (const tt_node *child = over->children; child; child = child->next) {
        tt_node *old = tt_spec_child(under, child->key);
        bool maps = old && old->kind == TT_NODE_MAP && child->kind == TT_NODE_MAP;
        if (maps && !another_plugin(old, child)) {
            if (!merge(arena, old, child)) return false;
            old->file = child->file; /* the place is the nearer file's */
            old->line = child->line;
            old->column = child->column;
        } else if (!tt_spec_put(arena, under, child->key, child)) {
            return false;
        }
        tt_node *now = tt_spec_child(under, child->key);
        now->key_line = child->key_line;
        now->key_column = child->key_column;
    }
    return true;
}

static tt_status refuse_cycle(const tt_spec_document *d, const tt_node *at, const chain *inner,
                              const chain *again)
{
    tt_buf text = {0};
    tt_buf_printf(&text, "%s", again->name);
    for (const chain *c = inner; c && c != again; c = c->outer)
        tt_buf_printf(&text, ", which is the base of %s", c->name);
    tt_node_fail(at, d->err, "base: %s is its own base: %s, which is the base of %s", again->name,
                 text.data ? text.data : "", again->name);
    tt_buf_free(&text);
    return TT_ERR_INVALID;
}

static tt_status read_file(tt_spec_document *d, chain *here, tt_node **root);

/* One entry of `base`; *root stays NULL where it is wrong, which is then noted. */
static tt_status read_base(tt_spec_document *d, const chain *here, const tt_node *at, tt_node **root)
{
    if (at->kind != TT_NODE_STRING || at->text[0] == '\0')
        return tt_spec_document_note(
            d, tt_node_fail(at, d->err, "base must be the path of a spec, or a list of paths"));
    char *own = folder_of(d->arena, here->name);
    char *name = own ? joined(d->arena, own, at->text) : NULL;
    char *seen = joined(d->arena, here->folder, at->text);
    char *folder = seen ? folder_of(d->arena, seen) : NULL;
    if (!name || !folder) return no_memory(d);
    chain inner = {here, name, folder[0] ? folder : ".", realpath(name, NULL)};
    tt_status s = TT_OK;
    if (!inner.real)
        s = tt_node_fail(at, d->err,
                         "base: %.300s cannot be opened; paths start from the file that names them", name);
    for (const chain *c = here; c && !s; c = c->outer)
        if (c->real && strcmp(c->real, inner.real) == 0) s = refuse_cycle(d, at, here, c);
    if (!s && d->n_files >= MAX_FILES)
        s = tt_node_fail(at, d->err, "base: more than %u files in all", MAX_FILES);
    s = s ? tt_spec_document_note(d, s) : read_file(d, &inner, root);
    free(inner.real);
    return s;
}

/* All that `base` names, merged, the later over the earlier. */
static tt_status read_bases(tt_spec_document *d, const chain *here, const tt_node *base, tt_node **under)
{
    bool list = base->kind == TT_NODE_LIST;
    tt_status s = TT_OK;
    for (const tt_node *at = list ? base->children : base; at && !s; at = list ? at->next : NULL) {
        tt_node *root = NULL;
        s = read_base(d, here, at, &root);
        if (s || !root) continue;
        if (!*under)
            *under = root;
        else if (!merge(d->arena, *under, root))
            s = no_memory(d);
    }
    return s;
}

static void remove_child(tt_node *map, const tt_node *child)
{
    for (tt_node **p = &map->children; *p; p = &(*p)->next)
        if (*p == child) {
            *p = child->next;
            map->n_children--;
            return;
        }
}

static tt_status read_file(tt_spec_document *d, chain *here, tt_node **root)
{
    tt_spec_file *file = tt_arena_alloc(d->arena, sizeof *file);
    if (!file) return no_memory(d);
    *file = (tt_spec_file){d->files, here->name, here->folder};
    d->files = file;
    d->n_files++;
    tt_node *own = NULL;
    tt_status s = tt_yaml_read(d->arena, here->name, &own, d->err);
    if (!s && (!own || own->kind == TT_NODE_NULL))
        s = tt_fail(d->err, TT_ERR_INVALID, "%s: is empty; configs/quickstart.yaml is an example",
                    here->name);
    if (!s && own->kind != TT_NODE_MAP)
        s = tt_node_fail(own, d->err, "a spec is a map of keys (version: 1, …), not a %s",
                         tt_node_kind_name(own->kind));
    if (s) return here->outer ? tt_spec_document_note(d, s) : s;
    *root = own;
    tt_node *base = tt_spec_child(own, "base"), *under = NULL;
    if (!base) return TT_OK;
    remove_child(own, base);
    if (base->kind == TT_NODE_NULL) return TT_OK;
    s = read_bases(d, here, base, &under);
    if (s || !under) return s;
    if (!merge(d->arena, under, own)) return no_memory(d);
    under->file = own->file;
    under->line = own->line;
    under->column = own->column;
    *root = under;
    return TT_OK;
}

tt_status tt_spec_include(tt_spec_document *d, const char *path)
{
    chain whole = {NULL, path, "", realpath(path, NULL)};
    tt_status s = read_file(d, &whole, &d->root);
    free(whole.real);
    return s;
}
