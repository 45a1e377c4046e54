/* From a spec with `sweep:` to named cells, each a spec of its own. */
#include "experiment/sweep.h"
#include "experiment/sweep_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

/* "a${attacks.clid.alpha}-s${seed}": the axis within "${…}" at `p`; NULL: there is none. */
static const tt_sweep_axis *axis_named(const tt_sweep *sweep, const char *p, size_t n)
{
    for (int by_label = 0; by_label < 2; by_label++)
        for (size_t a = 0; a < sweep->n_axes; a++) {
            const char *name = by_label ? sweep->axes[a].label : sweep->axes[a].key;
            if (strlen(name) == n && memcmp(name, p, n) == 0) return &sweep->axes[a];
        }
    return NULL;
}

static tt_status refuse_axis(const tt_spec_reader *r, const tt_sweep *sweep, const tt_node *node,
                             const char *p, size_t n)
{
    const char **names = tt_arena_alloc_array(sweep->arena, 2 * sweep->n_axes, sizeof *names);
    char *name = tt_arena_strndup(sweep->arena, p, n);
    if (!names || !name) return tt_sweep_no_memory(r->err);
    for (size_t a = 0; a < sweep->n_axes; a++) {
        names[2 * a] = sweep->axes[a].key;
        names[2 * a + 1] = sweep->axes[a].label;
    }
    const char *near = tt_nearest(name, names, 2 * sweep->n_axes);
    return tt_node_fail(node, r->err, "sweep.name: ${%.120s} is no axis of the sweep%s%s%s", name,
                        near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Is the template one? Names are made from it later, without looking. */
static tt_status check_template(const tt_spec_reader *r, const tt_sweep *sweep, const tt_node *node)
{
    if (node->kind == TT_NODE_LIST || node->kind == TT_NODE_MAP || !node->text || !node->text[0])
        return tt_node_fail(node, r->err,
                            "sweep.name must be a text such as a${attacks.clid.alpha}-s${seed}");
    for (const char *p = node->text; *p; p++) {
        if (p[0] == '$' && p[1] == '{') {
            const char *end = strchr(p, '}');
            if (!end) return tt_node_fail(node, r->err, "sweep.name: a ${ is not closed");
            size_t n = (size_t)(end - p) - 2;
            if (!axis_named(sweep, p + 2, n)) return refuse_axis(r, sweep, node, p + 2, n);
            p = end;
        } else if (!tt_sweep_label_char(*p)) {
            return tt_node_fail(node, r->err,
                                "sweep.name is %.120s: must be letters, digits, . _ = , + - and ${axis}",
                                node->text);
        }
    }
    return TT_OK;
}

static const char *label_in(const tt_sweep *sweep, size_t cell, size_t axis)
{
    return sweep->axes[axis].values[tt_sweep_choice(sweep, cell, axis)].label;
}

static void put_name(const tt_sweep *sweep, const char *template, size_t cell, tt_buf *out)
{
    for (size_t a = 0; !template && a < sweep->n_axes; a++) {
        const tt_sweep_axis *axis = &sweep->axes[a];
        bool named = !axis->variants || axis->level;
        tt_buf_printf(out, "%s%s%s%s", a ? "," : "", named ? axis->label : "", named ? "=" : "",
                      label_in(sweep, cell, a));
    }
    for (const char *p = template; p && *p; p++) {
        if (p[0] != '$' || p[1] != '{') {
            tt_buf_append(out, p, 1);
            continue;
        }
        const char *end = strchr(p, '}');
        const tt_sweep_axis *axis = axis_named(sweep, p + 2, (size_t)(end - p) - 2);
        tt_buf_printf(out, "%s", label_in(sweep, cell, (size_t)(axis - sweep->axes)));
        p = end;
    }
    for (size_t a = 0; template && a < sweep->n_axes; a++) /* a name speaks of the sweep alone */
        if (sweep->axes[a].level)
            tt_buf_printf(out, ",%s=%s", sweep->axes[a].label, label_in(sweep, cell, a));
}

static tt_status check_name(const tt_spec_reader *r, const tt_sweep *sweep, const tt_node *at,
                            const tt_string_map *taken, const char *name)
{
    if (tt_string_map_has(taken, name)) {
        size_t other = (size_t)(uintptr_t)tt_string_map_get(taken, name);
        return tt_node_fail(
            at, r->err,
            "sweep: cells %zu and %zu have one name, %.120s: let sweep.name tell them apart, or "
            "give the values names, {a: …, b: …}",
            other + 1, sweep->n + 1, name);
    }
    if (strlen(name) > TT_CELL_NAME_MAX || name[0] == '.' || name[0] == '-')
        return tt_node_fail(
            at, r->err,
            "sweep: a cell's name is %.130s: must be 1 to %u characters and begin with neither "
            "'.' nor '-'; sweep.name makes shorter ones",
            name, TT_CELL_NAME_MAX);
    return TT_OK;
}

static tt_status name_cells(const tt_spec_reader *r, const tt_node *node, size_t n, tt_sweep *sweep)
{
    const tt_node *name = tt_node_get(node, "name"); /* `node` may be `replication:`, which has none */
    if (name && name->kind == TT_NODE_NULL) name = NULL;
    tt_status s = name ? check_template(r, sweep, name) : TT_OK;
    if (s) return s;
    tt_node at = name ? *name : tt_sweep_place(node);
    sweep->names = tt_arena_alloc_array(sweep->arena, n, sizeof *sweep->names);
    tt_string_map taken = {0};
    tt_buf text = {0};
    if (!sweep->names) s = tt_sweep_no_memory(r->err);
    for (; sweep->n < n && !s; sweep->n++) {
        text.size = 0;
        put_name(sweep, name ? name->text : NULL, sweep->n, &text);
        s = text.failed ? tt_sweep_no_memory(r->err) : check_name(r, sweep, &at, &taken, text.data);
        if (s) break;
        sweep->names[sweep->n] = tt_arena_strdup(sweep->arena, text.data);
        if (!sweep->names[sweep->n] || !tt_string_map_put(&taken, text.data, (void *)(uintptr_t)sweep->n))
            s = tt_sweep_no_memory(r->err);
    }
    tt_buf_free(&text);
    tt_string_map_free(&taken);
    return s;
}

/* ---- cells ---- */

static size_t zipped_length(const tt_sweep *sweep)
{
    for (size_t a = 0; a < sweep->n_axes; a++)
        if (sweep->axes[a].zipped) return sweep->axes[a].n;
    return 1;
}

/* The first axis of the grid varies slowest, what is zipped fastest. */
size_t tt_sweep_choice(const tt_sweep *sweep, size_t cell, size_t axis)
{
    size_t zipped = zipped_length(sweep);
    if (sweep->axes[axis].zipped) return cell % zipped;
    cell /= zipped;
    for (size_t a = sweep->n_axes; a-- > axis + 1;)
        if (!sweep->axes[a].zipped) cell /= sweep->axes[a].n;
    return cell % sweep->axes[axis].n;
}

static tt_status count_cells(const tt_spec_reader *r, const tt_sweep *sweep, const tt_node *node,
                             int64_t most, size_t *n)
{
    *n = zipped_length(sweep);
    bool fits = true;
    for (size_t a = 0; a < sweep->n_axes && fits; a++)
        if (!sweep->axes[a].zipped) fits = tt_size_mul(*n, sweep->axes[a].n, n);
    if (fits && *n <= (size_t)most) return TT_OK;
    return tt_node_fail(
        node, r->err,
        fits ? "sweep makes %zu cells, and sweep.max_cells allows %lld: raise it if that is meant"
             : "sweep makes more than %zu cells, and sweep.max_cells allows %lld",
        *n, (long long)most);
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

/* NULL: absent, or null. */
static const tt_node *said(const tt_node *root, const char *key)
{
    const tt_node *node = tt_node_get(root, key);
    return node && node->kind != TT_NODE_NULL ? node : NULL;
}

static tt_status read_sweep(tt_sweep *sweep, const tt_node *node, const tt_node *replication,
                            const tt_spec_request *request)
{
    const tt_node *place = node ? node : replication;
    tt_spec_document *d = sweep->document;
    tt_spec holder = {.arena = sweep->arena};
    tt_spec_reader r = {.spec = &holder, .root = d->root, .problems = d->problems, .err = d->err};
    tt_spec_map map;
    int64_t most = 0;
    size_t n = 0;
    tt_status s =
        tt_spec_note(&r, tt_spec_map_open(&r, d->root, "sweep", "sweep", &tt_spec_table_sweep, &map));
    if (!s && (!node || node->kind == TT_NODE_MAP)) {
        s = tt_spec_integer(&map, "max_cells", &most);
        if (!s) s = tt_spec_note(&r, tt_sweep_read_axes(&r, node, replication, request, sweep));
    }
    if (s || d->problems->n) return s;
    s = count_cells(&r, sweep, place, most, &n);
    if (!s) s = name_cells(&r, place, n, sweep);
    return s;
}

tt_status tt_sweep_open(const tt_spec_request *request, tt_problems *problems, tt_sweep **out, tt_error *err)
{
    tt_error own = {0};
    *out = NULL;
    tt_arena *arena = tt_arena_create(0);
    tt_sweep *sweep = arena ? tt_arena_alloc(arena, sizeof *sweep) : NULL;
    tt_spec_document *d = sweep ? tt_arena_alloc(arena, sizeof *d) : NULL;
    const char *path = d ? tt_arena_strdup(arena, request->path) : NULL;
    if (!path) {
        tt_arena_destroy(arena);
        return tt_sweep_no_memory(err);
    }
    *d = (tt_spec_document){.arena = arena, .problems = problems, .err = &own};
    *sweep = (tt_sweep){.arena = arena, .path = path, .document = d};
    tt_status s = tt_spec_document_open(d, request);
    const tt_node *node = s ? NULL : said(d->root, "sweep");
    const tt_node *replication = s ? NULL : said(d->root, "replication");
    bool swept = node || replication;
    if (swept) {
        s = tt_problems_note(problems, read_sweep(sweep, node, replication, request), &own);
        if (!s) s = tt_problems_status(problems, &own);
        remove_child(d->root, node);
        remove_child(d->root, replication);
    }
    if (s || !swept) tt_arena_destroy(arena);
    if (s && err) *err = own;
    if (s || !swept) return s;
    d->problems = NULL; /* the caller's, which need not live as long */
    d->err = NULL;
    *out = sweep;
    return TT_OK;
}

void tt_sweep_free(tt_sweep *sweep)
{
    if (sweep) tt_arena_destroy(sweep->arena);
}

tt_status tt_sweep_find(const tt_sweep *sweep, const char *name, size_t *cell, tt_error *err)
{
    for (*cell = 0; *cell < sweep->n; ++*cell)
        if (strcmp(sweep->names[*cell], name) == 0) return TT_OK;
    const char *near = tt_nearest(name, sweep->names, sweep->n);
    return tt_fail(err, TT_ERR_NOT_FOUND,
                   "%s: the sweep has no cell '%.130s'%s%s%s; `telltale plan` lists them", sweep->path, name,
                   near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- a cell's spec ---- */

/* Following references changes nodes: each cell has its own. */
static tt_node *copy_tree(tt_arena *arena, const tt_node *node)
{
    tt_node *copy = tt_arena_alloc(arena, sizeof *copy);
    if (!copy) return NULL;
    *copy = *node;
    copy->next = NULL;
    copy->children = NULL;
    tt_node **tail = &copy->children;
    for (const tt_node *child = node->children; child; child = child->next) {
        *tail = copy_tree(arena, child);
        if (!*tail) return NULL;
        tail = &(*tail)->next;
    }
    return copy;
}

static tt_status set(tt_spec_document *d, const char *path, const tt_node *value, const tt_node *key)
{
    tt_node at = tt_sweep_place(key);
    tt_node *copy = copy_tree(d->arena, value);
    if (!copy) return tt_sweep_no_memory(d->err);
    copy->key_line = at.line; /* where the path stands is where an unknown key is */
    copy->key_column = at.column;
    return tt_spec_document_note(d, tt_spec_set_path(d, path, copy, "sweep", &at));
}

static tt_status set_axis(tt_spec_document *d, const tt_sweep_axis *axis, size_t choice)
{
    const tt_node *value = axis->values[choice].node;
    if (!axis->variants) return set(d, axis->key, value, axis->node);
    tt_status s = TT_OK;
    for (const tt_node *child = value->children; child && !s; child = child->next)
        s = set(d, child->key, child, child);
    return s;
}

tt_status tt_sweep_cell(const tt_sweep *sweep, size_t cell, const tt_plugin_source *source,
                        tt_problems *problems, tt_spec **spec, tt_error *err)
{
    return tt_sweep_cell_with(sweep, cell, NULL, 0, source, problems, spec, err);
}

tt_status tt_sweep_cell_with(const tt_sweep *sweep, size_t cell, const char *const *overrides, size_t n,
                             const tt_plugin_source *source, tt_problems *problems, tt_spec **spec,
                             tt_error *err)
{
    tt_error own = {0};
    tt_arena *arena = tt_arena_create(0);
    if (!arena) return tt_sweep_no_memory(err);
    tt_spec_document d = {.arena = arena,
                          .root = copy_tree(arena, sweep->document->root),
                          .files = sweep->document->files,
                          .n_files = sweep->document->n_files,
                          .problems = problems,
                          .err = &own};
    tt_status s = d.root ? TT_OK : tt_sweep_no_memory(&own);
    for (size_t a = 0; a < sweep->n_axes && !s; a++)
        s = set_axis(&d, &sweep->axes[a], tt_sweep_choice(sweep, cell, a));
    for (size_t i = 0; i < n && !s; i++)
        s = tt_spec_document_note(&d, tt_spec_override(&d, overrides[i]));
    if (s)
        tt_arena_destroy(arena);
    else
        s = tt_spec_of_document(&d, sweep->path, source, spec);
    if (s && err) *err = own;
    return s;
}
