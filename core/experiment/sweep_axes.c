/* The axes of a sweep, read and checked. */
#include "experiment/sweep_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX 40u /* longer values are counted instead: v1, v2, … */

tt_status tt_sweep_no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a sweep");
}

tt_node tt_sweep_place(const tt_node *child)
{
    tt_node at = {.file = child->file, .line = child->line, .column = child->column};
    if (child->key_line) {
        at.line = child->key_line;
        at.column = child->key_column;
    }
    return at;
}

/* Notes what r->err says. */
static tt_status note(const tt_spec_reader *r, tt_status s)
{
    return tt_spec_note(r, s);
}

/* ---- labels ---- */

bool tt_sweep_label_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("._=,+-", c));
}

/* What is no character of a label becomes one '-' between those that are. */
static char *cleaned(tt_arena *arena, const char *text)
{
    char *out = tt_arena_strdup(arena, text);
    if (!out) return NULL;
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (tt_sweep_label_char(*p))
            out[n++] = *p;
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = '\0';
    return out;
}

/* "0.1" of 0.1, "target" of models/target, "440-450" of [440, 450]. NULL: out of memory. */
static const char *label_of(tt_arena *arena, const tt_node *value, size_t index)
{
    tt_buf text = {0};
    if (value->kind == TT_NODE_NULL) {
        tt_buf_printf(&text, "null");
    } else if (value->text) {
        const char *slash = value->kind == TT_NODE_STRING ? strrchr(value->text, '/') : NULL;
        tt_buf_printf(&text, "%s", slash && slash[1] ? slash + 1 : value->text);
    } else if (!tt_node_canonical(value, &text)) {
        text.failed = true;
    }
    char *label = text.failed ? NULL : cleaned(arena, text.data ? text.data : "");
    tt_buf_free(&text);
    if (label && (label[0] == '\0' || strlen(label) > LABEL_MAX))
        label = tt_arena_printf(arena, "v%zu", index + 1);
    return label;
}

static bool label_well_formed(const char *label)
{
    size_t n = strlen(label);
    for (size_t i = 0; i < n; i++)
        if (!tt_sweep_label_char(label[i])) return false;
    return n > 0 && n <= LABEL_MAX;
}

/* ---- paths ---- */

/* Is the first key of a path one of the spec's? */
static bool begins_in_spec(const char *path, char first[64])
{
    size_t n = strcspn(path, ".");
    snprintf(first, 64, "%.*s", (int)(n < 63 ? n : 63), path);
    return n < 64 && tt_spec_key_of(&tt_spec_table_top, first);
}

/* Where an axis stands. */
static const char *section_of(tt_sweep_level level)
{
    return level ? "replication" : "sweep";
}

static tt_status refuse_unknown(const tt_spec_reader *r, const tt_node *child, tt_sweep_level level,
                                const char *first)
{
    const char *known[TT_SPEC_TABLE_MAX];
    size_t n = tt_spec_table_names(&tt_spec_table_top, known);
    const char *near = tt_nearest(first, known, n);
    tt_node at = tt_sweep_place(child);
    return tt_node_fail(&at, r->err,
                        "%s: %.120s: '%s' is no key of a spec%s%s%s; an axis with a name of its own has "
                        "named sets of keys, %.40s: {a: {seed: 1}, b: {seed: 2}}",
                        section_of(level), child->key, first, near ? ": did you mean '" : "",
                        near ? near : "", near ? "'?" : "", near ? "variant" : first);
}

/* Keys that are read before there are cells, and paths with empty parts. */
static tt_status check_path(const tt_spec_reader *r, const tt_node *child, tt_sweep_level level, bool *known)
{
    char first[64];
    tt_node at = tt_sweep_place(child);
    const char *path = child->key, *section = section_of(level);
    size_t n = strlen(path);
    *known = begins_in_spec(path, first);
    if (n == 0 || path[0] == '.' || path[n - 1] == '.' || strstr(path, ".."))
        return tt_node_fail(&at, r->err, "%s: '%.120s': a key between dots is empty", section, path);
    static const char *const whole[] = {"base", "sweep", "replication", "version"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(first, whole[i]) == 0)
            return tt_node_fail(&at, r->err, "%s: %s is the same in all cells: it cannot be an axis", section,
                                first);
    return TT_OK;
}

/* ---- one axis ---- */

static tt_status read_list(const tt_spec_reader *r, tt_sweep_axis *axis, tt_sweep_value *values)
{
    for (const tt_node *child = axis->node->children; child; child = child->next) {
        values[axis->n] = (tt_sweep_value){label_of(r->spec->arena, child, axis->n), child};
        if (!values[axis->n++].label) return tt_sweep_no_memory(r->err);
    }
    return TT_OK;
}

/* {small: {attacks.clid.alpha: 0.1}, …}: are these keys of the spec? */
static tt_status check_variant(const tt_spec_reader *r, const tt_sweep_axis *axis, const tt_node *variant)
{
    if (variant->kind == TT_NODE_NULL) return TT_OK; /* the spec as it is */
    char first[64];
    begins_in_spec(axis->key, first);
    if (variant->kind != TT_NODE_MAP || strchr(axis->key, '.'))
        return refuse_unknown(r, axis->node, axis->level, first);
    tt_status s = TT_OK;
    for (const tt_node *child = variant->children; child && !s; child = child->next) {
        bool known;
        s = check_path(r, child, axis->level, &known);
        if (!s && !known) {
            begins_in_spec(child->key, first);
            s = refuse_unknown(r, child, axis->level, first);
        }
        s = note(r, s);
    }
    return s;
}

static tt_status read_names(const tt_spec_reader *r, tt_sweep_axis *axis, tt_sweep_value *values)
{
    tt_status s = TT_OK;
    for (const tt_node *child = axis->node->children; child && !s; child = child->next) {
        values[axis->n++] = (tt_sweep_value){child->key, child};
        tt_node at = tt_sweep_place(child);
        if (!label_well_formed(child->key))
            s = note(r, tt_node_fail(&at, r->err,
                                     "%s: '%.60s' names a value of %.120s: must be 1 to %u letters, digits "
                                     "and . _ = , + -",
                                     section_of(axis->level), child->key, axis->key, LABEL_MAX));
        bool value = axis->level && child->kind != TT_NODE_MAP && child->kind != TT_NODE_NULL;
        if (!s && axis->variants && !value) s = check_variant(r, axis, child);
    }
    return s;
}

tt_status tt_sweep_read_axis(const tt_spec_reader *r, const tt_node *node, tt_sweep_level level,
                             tt_sweep_axis *axis)
{
    bool known;
    char first[64];
    *axis = (tt_sweep_axis){.key = node->key, .level = level, .node = node};
    tt_status s = check_path(r, node, level, &known);
    if (s) return s;
    begins_in_spec(node->key, first);
    if (!known && !level && node->kind != TT_NODE_MAP) return refuse_unknown(r, node, level, first);
    if (node->kind != TT_NODE_LIST && node->kind != TT_NODE_MAP)
        return tt_node_fail(node, r->err,
                            "sweep: %.120s is %.60s: must be a list of values, or a map of names to values",
                            node->key, node->text ? node->text : tt_node_kind_name(node->kind));
    if (node->n_children == 0)
        return tt_node_fail(node, r->err, "sweep: %.120s has no value: write at least one", node->key);
    axis->variants = !known;
    tt_sweep_value *values = tt_arena_alloc_array(r->spec->arena, node->n_children, sizeof *values);
    if (!values) return tt_sweep_no_memory(r->err);
    axis->values = values;
    return node->kind == TT_NODE_LIST ? read_list(r, axis, values) : read_names(r, axis, values);
}

/* ---- all axes ---- */

/* The paths that axes set: in `map` the axis of each, counted from 1. */
typedef struct claims {
    const tt_sweep *sweep;
    tt_string_map map;
} claims;

/* "sweep", "replication.splits": who sets a path. */
static const char *setter(const claims *paths, size_t axis)
{
    tt_sweep_level level = paths->sweep->axes[axis - 1].level;
    return level == TT_LEVEL_NONE     ? "an axis of the sweep"
           : level == TT_LEVEL_ATTACK ? "replication.attack_seeds"
           : level == TT_LEVEL_SPLIT  ? "replication.splits"
                                      : "replication.trainings";
}

static tt_status claim(const tt_spec_reader *r, claims *paths, const char *path, size_t axis,
                       const tt_node *child)
{
    size_t before = (size_t)(uintptr_t)tt_string_map_get(&paths->map, path);
    if (before && before != axis) {
        tt_node at = tt_sweep_place(child);
        if (!paths->sweep->axes[axis - 1].level)
            return note(r, tt_node_fail(&at, r->err, "sweep: two axes set %.120s", path));
        return note(r, tt_node_fail(&at, r->err, "%s sets %.120s, and so does %s", setter(paths, axis), path,
                                    setter(paths, before)));
    }
    return tt_string_map_put(&paths->map, path, (void *)(uintptr_t)axis) ? TT_OK : tt_sweep_no_memory(r->err);
}

/* The axis that sets a key above `path`; 0: none. */
static size_t claimed_above(const claims *paths, const char *path)
{
    char above[256];
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        if ((size_t)(dot - path) >= sizeof above) return 0;
        memcpy(above, path, (size_t)(dot - path));
        above[dot - path] = '\0';
        size_t axis = (size_t)(uintptr_t)tt_string_map_get(&paths->map, above);
        if (axis) return axis;
    }
    return 0;
}

/* Calls for each path that an axis sets. */
static tt_status each_path(const tt_spec_reader *r, claims *paths, size_t number,
                           tt_status (*call)(const tt_spec_reader *r, claims *paths, const char *path,
                                             size_t axis, const tt_node *child))
{
    const tt_sweep_axis *axis = &paths->sweep->axes[number - 1];
    if (!axis->variants) return call(r, paths, axis->key, number, axis->node);
    tt_status s = TT_OK;
    for (size_t i = 0; i < axis->n; i++)
        for (const tt_node *child = axis->values[i].node->children; child && !s; child = child->next)
            s = call(r, paths, child->key, number, axis->drawn ? axis->node : child);
    return s;
}

static tt_status check_above(const tt_spec_reader *r, claims *paths, const char *path, size_t axis,
                             const tt_node *child)
{
    size_t above = claimed_above(paths, path);
    if (!above || above == axis) return TT_OK;
    tt_node at = tt_sweep_place(child);
    if (paths->sweep->axes[axis - 1].level || paths->sweep->axes[above - 1].level)
        return note(r, tt_node_fail(&at, r->err, "%s sets %.120s, which lies in a map that %s sets",
                                    setter(paths, axis), path, setter(paths, above)));
    return note(r, tt_node_fail(&at, r->err, "sweep: another axis sets a map in which %.120s lies", path));
}

/* Draws of the data sets that the spec names would be draws of others in some cells. */
static tt_status check_drawn(const tt_spec_reader *r, const claims *paths)
{
    static const char *const keys[] = {"members", "nonmembers"};
    tt_status s = TT_OK;
    for (size_t a = 0; a < paths->sweep->n_axes && !s; a++)
        for (size_t k = 0; k < 2 && paths->sweep->axes[a].drawn && !s; k++) {
            size_t other = (size_t)(uintptr_t)tt_string_map_get(&paths->map, keys[k]);
            if (!other) continue;
            tt_node at = tt_sweep_place(paths->sweep->axes[a].node);
            s = note(r, tt_node_fail(&at, r->err,
                                     "replication.splits draws from the data set of %s, which %s sets: write "
                                     "sets of keys, {a: {data.faces.split_seed: 1}, …}",
                                     keys[k], setter(paths, other)));
        }
    return s;
}

/* An override that every cell sets again would do nothing. */
static tt_status check_overrides(const tt_spec_reader *r, const claims *paths, const tt_spec_request *request)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < request->n_overrides && !s; i++) {
        char path[256];
        snprintf(path, sizeof path, "%.*s", (int)strcspn(request->overrides[i], "="), request->overrides[i]);
        size_t number = (size_t)(uintptr_t)tt_string_map_get(&paths->map, path);
        if (!number) number = claimed_above(paths, path);
        const tt_sweep_axis *axis = number ? &paths->sweep->axes[number - 1] : NULL;
        if (!axis || axis->counted) continue; /* a count goes on from there */
        if (axis->level)
            s = note(r, tt_fail(r->err, TT_ERR_INVALID,
                                "override %.200s: %s sets that in every cell: override it, or leave it out "
                                "(%s=null)",
                                request->overrides[i], setter(paths, number), setter(paths, number)));
        else
            s = note(r, tt_fail(r->err, TT_ERR_INVALID,
                                "override %.200s: an axis of the sweep sets that in every cell: override the "
                                "axis (sweep.grid.%s=[…]) or leave the sweep out (sweep=null)",
                                request->overrides[i], path));
    }
    return s;
}

/* Two axes must not set one key, nor one a key within what another sets: which of them wins? */
static tt_status check_paths(const tt_spec_reader *r, const tt_sweep *sweep, const tt_spec_request *request)
{
    claims paths = {.sweep = sweep};
    tt_status s = TT_OK;
    for (size_t a = 0; a < sweep->n_axes && !s; a++)
        s = each_path(r, &paths, a + 1, claim);
    for (size_t a = 0; a < sweep->n_axes && !s; a++)
        s = each_path(r, &paths, a + 1, check_above);
    if (!s) s = check_drawn(r, &paths);
    if (!s) s = check_overrides(r, &paths, request);
    tt_string_map_free(&paths.map);
    return s;
}

static tt_status read_axes(const tt_spec_reader *r, const tt_node *sweep_node, const char *key,
                           tt_sweep *sweep)
{
    const tt_node *node = tt_node_get(sweep_node, key);
    if (!node || node->kind == TT_NODE_NULL) return TT_OK;
    if (node->kind != TT_NODE_MAP)
        return tt_node_fail(node, r->err,
                            "sweep.%s is a %s: must be a map of keys, each with a list of values", key,
                            tt_node_kind_name(node->kind));
    tt_status s = TT_OK;
    for (const tt_node *child = node->children; child && !s; child = child->next) {
        tt_sweep_axis *axis = &sweep->axes[sweep->n_axes];
        s = note(r, tt_sweep_read_axis(r, child, TT_LEVEL_NONE, axis));
        axis->zipped = key[0] == 'z';
        sweep->n_axes += axis->values != NULL;
    }
    return s;
}

static tt_status check_lengths(const tt_spec_reader *r, const tt_sweep *sweep)
{
    const tt_sweep_axis *first = NULL;
    tt_status s = TT_OK;
    for (size_t a = 0; a < sweep->n_axes && !s; a++) {
        const tt_sweep_axis *axis = &sweep->axes[a];
        if (!axis->zipped) continue;
        if (!first) first = axis;
        tt_node at = tt_sweep_place(axis->node);
        if (axis->n != first->n)
            s = note(r, tt_node_fail(&at, r->err,
                                     "sweep.zip: %.120s has %zu values and %.120s has %zu: they advance "
                                     "together",
                                     axis->key, axis->n, first->key, first->n));
    }
    return s;
}

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

static const char *short_label(const tt_sweep_axis *axis)
{
    return axis->level ? tt_sweep_level_label(axis->level) : last_part(axis->key);
}

static void label_axes(tt_sweep *sweep)
{
    for (size_t a = 0; a < sweep->n_axes; a++) {
        tt_sweep_axis *axis = &sweep->axes[a];
        size_t same = 0;
        for (size_t b = 0; b < sweep->n_axes; b++)
            same += strcmp(short_label(axis), short_label(&sweep->axes[b])) == 0;
        axis->label = same > 1 && !axis->level ? axis->key : short_label(axis);
    }
}

tt_status tt_sweep_read_axes(const tt_spec_reader *r, const tt_node *node, const tt_node *replication,
                             const tt_spec_request *request, tt_sweep *sweep)
{
    const tt_node *grid = node ? tt_node_get(node, "grid") : NULL,
                  *zip = node ? tt_node_get(node, "zip") : NULL;
    size_t most = (grid ? grid->n_children : 0) + (zip ? zip->n_children : 0);
    sweep->axes = tt_arena_alloc_array(sweep->arena, most + 4, sizeof *sweep->axes);
    if (!sweep->axes) return tt_sweep_no_memory(r->err);
    if (node && most == 0)
        return tt_node_fail(node, r->err,
                            "sweep has no axis: write sweep: {grid: {attacks.clid.alpha: [0.1, 0.5]}}");
    tt_status s = node ? note(r, read_axes(r, node, "grid", sweep)) : TT_OK;
    if (!s && node) s = note(r, read_axes(r, node, "zip", sweep));
    if (!s && replication) s = note(r, tt_sweep_read_levels(r, replication, sweep));
    if (!s) s = check_lengths(r, sweep);
    if (!s) s = check_paths(r, sweep, request);
    label_axes(sweep);
    return s;
}
