/* The axes of `replication:`: attack seeds, splits and target trainings. */
#include "experiment/sweep_internal.h"

#include <stdlib.h>
#include <string.h>

enum { REPLICATES_MAX = 1000 };

typedef struct rule {
    const char *key, *path;
    tt_sweep_level level;
    tt_node_kind kind; /* of a value */
    const char *must;
} rule;

/* As they vary from slow to fast: the seeds of one model and split are measured together. */
static const rule rules[] = {
    {"trainings", "models.target.path", TT_LEVEL_TRAINING, TT_NODE_STRING,
     "a list of paths, or names each with a path or each with a set of keys"},
    {"splits", NULL, TT_LEVEL_SPLIT, TT_NODE_INT,
     "how many (1 to 1000), a list of split_seeds, or names each with a split_seed or each with a set of "
     "keys"},
    {"attack_seeds", "seed", TT_LEVEL_ATTACK, TT_NODE_INT,
     "how many (1 to 1000), a list of seeds, or names each with a seed or each with a set of keys"},
};
enum { N_RULES = sizeof rules / sizeof *rules };

const char *tt_sweep_level_label(tt_sweep_level level)
{
    static const char *const labels[] = {"", "seed", "split", "training"};
    return labels[level];
}

/* ---- values ---- */

static tt_status wrong(const tt_spec_reader *r, const rule *of, const tt_node *node)
{
    bool scalar = node->kind != TT_NODE_LIST && node->kind != TT_NODE_MAP;
    const char *what = scalar && node->text && node->text[0] ? node->text : tt_node_kind_name(node->kind);
    return tt_node_fail(node, r->err, "replication.%s: %.80s stands where there must be %s", of->key, what,
                        of->must);
}

/* References are followed in the cells. */
static bool is_value(const rule *of, const tt_node *node)
{
    if (node->kind == TT_NODE_STRING && node->text && strstr(node->text, "${")) return true;
    return node->kind == of->kind && (node->kind != TT_NODE_INT || node->value.integer >= 0);
}

static bool is_set(const tt_node *node)
{
    return node->kind == TT_NODE_MAP || node->kind == TT_NODE_NULL; /* null: the spec as it is */
}

static tt_status check_twice(const tt_spec_reader *r, const rule *of, const tt_node *node)
{
    tt_string_map known = {0};
    tt_status s = TT_OK;
    for (const tt_node *child = node->children; child && !s; child = child->next) {
        tt_buf text = {0};
        if (!tt_node_canonical(child, &text) || text.failed)
            s = tt_sweep_no_memory(r->err);
        else if (tt_string_map_has(&known, text.data))
            s = tt_spec_note(r, tt_node_fail(child, r->err,
                                             "replication.%s: %.120s stands there twice: that is no other "
                                             "replicate",
                                             of->key, child->text ? child->text : text.data));
        else if (!tt_string_map_put(&known, text.data, NULL))
            s = tt_sweep_no_memory(r->err);
        tt_buf_free(&text);
    }
    tt_string_map_free(&known);
    return s;
}

/* Are all of them values, or all of them sets of keys? */
static tt_status check_values(const tt_spec_reader *r, const rule *of, const tt_node *node, bool *sets)
{
    if (node->kind != TT_NODE_LIST && node->kind != TT_NODE_MAP) return wrong(r, of, node);
    if (node->n_children == 0)
        return tt_node_fail(node, r->err, "replication.%s has no value: write at least one", of->key);
    *sets = node->kind == TT_NODE_MAP && is_set(node->children);
    for (const tt_node *child = node->children; child; child = child->next)
        if (*sets ? !is_set(child) : !is_value(of, child)) return wrong(r, of, child);
    return check_twice(r, of, node);
}

/* ---- counted values ---- */

/* What the spec says there itself, from which replicates are counted on. */
static tt_status start_of(const tt_spec_reader *r, const rule *of, const tt_node *count,
                          const tt_node *parent, const char *key, int64_t *start)
{
    const tt_spec_key *row = tt_spec_key_of(&tt_spec_table_top, key);
    const tt_node *said = parent ? tt_node_get(parent, key) : NULL;
    *start = row && row->default_value ? strtoll(row->default_value, NULL, 10) : 0;
    if (!said || said->kind == TT_NODE_NULL) return TT_OK;
    if (said->kind != TT_NODE_INT || said->value.integer > INT64_MAX - REPLICATES_MAX)
        return tt_node_fail(count, r->err,
                            "replication.%s counts on from %s, which is no plain number here: write a list",
                            of->key, key);
    *start = said->value.integer;
    return TT_OK;
}

static tt_node *number_at(tt_arena *arena, const tt_node *place, int64_t value)
{
    tt_node *node = tt_made_integer(arena, value);
    if (!node) return NULL;
    node->file = place->file;
    node->line = place->line;
    node->column = place->column;
    return node;
}

/* [start, start + 1, …] in place of a count. */
static tt_status count_on(const tt_spec_reader *r, const rule *of, const tt_node *count,
                          const tt_node *parent, const char *key, tt_node *list)
{
    int64_t start;
    tt_status s = start_of(r, of, count, parent, key, &start);
    if (s) return s;
    *list = *count;
    list->kind = TT_NODE_LIST;
    list->text = NULL;
    list->children = NULL;
    list->n_children = 0;
    for (int64_t i = 0; i < count->value.integer; i++)
        if (!tt_made_add(r->spec->arena, list, NULL, number_at(r->spec->arena, count, start + i)))
            return tt_sweep_no_memory(r->err);
    return TT_OK;
}

/* ---- splits ---- */

/* The data set that `members` or `nonmembers` names. */
static tt_status data_set_of(const tt_spec_reader *r, const tt_node *splits, const char *key,
                             const char **name)
{
    const tt_node *of = tt_node_get(r->root, key);
    if (!of || of->kind != TT_NODE_STRING || strchr(of->text, '$'))
        return tt_node_fail(splits, r->err,
                            "replication.splits: %s is not plain DATASET.SPLIT, so write sets of keys: "
                            "{a: {data.faces.split_seed: 1}, b: {data.faces.split_seed: 2}}",
                            key);
    *name = tt_arena_strndup(r->spec->arena, of->text, strcspn(of->text, "."));
    return *name ? TT_OK : tt_sweep_no_memory(r->err);
}

/* {data.faces.split_seed: 2, …} for each value. A count goes on from each data set's own split_seed. */
static tt_status spread(const tt_spec_reader *r, const rule *of, const tt_node *splits, const char *name,
                        tt_sweep_value *values, size_t n)
{
    tt_arena *arena = r->spec->arena;
    const char *path = tt_arena_printf(arena, "data.%s.split_seed", name);
    const tt_node *data = tt_node_get(r->root, "data");
    int64_t start = 0;
    tt_status s = path ? TT_OK : tt_sweep_no_memory(r->err);
    if (!s && splits->kind == TT_NODE_INT)
        s = start_of(r, of, splits, data ? tt_node_get(data, name) : NULL, "split_seed", &start);
    const tt_node *child = splits->children;
    for (size_t i = 0; i < n && !s; i++, child = child ? child->next : NULL) {
        const tt_node *value = child ? child : number_at(arena, splits, start + (int64_t)i);
        tt_node *set = (tt_node *)(uintptr_t)values[i].node; /* made by spread_splits */
        if (!value || !tt_made_add(arena, set, path, value)) s = tt_sweep_no_memory(r->err);
    }
    return s;
}

static tt_status spread_splits(const tt_spec_reader *r, const rule *of, const tt_node *splits,
                               tt_sweep_axis *axis)
{
    const char *names[2] = {0};
    tt_status s = data_set_of(r, splits, "members", &names[0]);
    if (!s) s = data_set_of(r, splits, "nonmembers", &names[1]);
    tt_sweep_value *values = s ? NULL : tt_arena_alloc_array(r->spec->arena, axis->n, sizeof *values);
    if (!s && !values) s = tt_sweep_no_memory(r->err);
    for (size_t i = 0; i < axis->n && !s; i++) {
        values[i] = (tt_sweep_value){axis->values[i].label, tt_made_map(r->spec->arena)};
        if (!values[i].node) s = tt_sweep_no_memory(r->err);
    }
    if (!s) s = spread(r, of, splits, names[0], values, axis->n);
    if (!s && strcmp(names[0], names[1]) != 0) s = spread(r, of, splits, names[1], values, axis->n);
    if (s) return s;
    axis->key = of->key;
    axis->values = values;
    axis->variants = true;
    axis->drawn = true;
    return TT_OK;
}

/* ---- a level ---- */

/* Splits that are counted are numbered by the data set of the members. */
static tt_status count_level(const tt_spec_reader *r, const rule *of, const tt_node *node, tt_node *list)
{
    if (node->value.integer < 1 || node->value.integer > REPLICATES_MAX) return wrong(r, of, node);
    if (of->level == TT_LEVEL_ATTACK) return count_on(r, of, node, r->root, "seed", list);
    const char *name;
    const tt_node *data = tt_node_get(r->root, "data");
    tt_status s = data_set_of(r, node, "members", &name);
    return s ? s : count_on(r, of, node, data ? tt_node_get(data, name) : NULL, "split_seed", list);
}

static tt_status read_level(const tt_spec_reader *r, const rule *of, const tt_node *node, tt_sweep_axis *axis)
{
    tt_node *as = tt_arena_alloc(r->spec->arena, sizeof *as);
    if (!as) return tt_sweep_no_memory(r->err);
    bool counted = of->kind == TT_NODE_INT && node->kind == TT_NODE_INT, sets = false;
    *as = *node;
    tt_status s = counted ? count_level(r, of, node, as) : check_values(r, of, node, &sets);
    if (s) return s;
    as->key = sets || !of->path ? of->key : of->path;
    s = tt_sweep_read_axis(r, as, of->level, axis);
    if (!s && axis->values && of->level == TT_LEVEL_SPLIT && !sets) s = spread_splits(r, of, node, axis);
    axis->counted = counted;
    return s;
}

tt_status tt_sweep_read_levels(const tt_spec_reader *r, const tt_node *replication, tt_sweep *sweep)
{
    tt_spec_map map;
    tt_status s =
        tt_spec_map_open(r, r->root, "replication", "replication", &tt_spec_table_replication, &map);
    bool any = false;
    for (size_t i = 0; i < N_RULES && !s; i++) {
        const tt_node *node = tt_node_get(replication, rules[i].key);
        if (!node || node->kind == TT_NODE_NULL) continue;
        tt_sweep_axis *axis = &sweep->axes[sweep->n_axes];
        *axis = (tt_sweep_axis){0};
        any = true;
        s = tt_spec_note(r, read_level(r, &rules[i], node, axis));
        sweep->n_axes += axis->values != NULL;
    }
    if (!s && !any && r->problems->n == 0)
        return tt_node_fail(replication, r->err,
                            "replication repeats nothing: write replication: {attack_seeds: 3}");
    return s;
}
