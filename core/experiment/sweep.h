/* A spec with `sweep:` or `replication:` stands for many runs, its cells, that differ in a few keys
 * (docs/spec.md). Cells share one store, so that a step that is equal in several of them is run once. */
#ifndef TT_EXPERIMENT_SWEEP_H
#define TT_EXPERIMENT_SWEEP_H

#include "experiment/prepare.h"
#include "experiment/spec.h"

#define TT_CELL_NAME_MAX 120u /* characters */

/* One value of an axis: a value for the axis's path, or a named set of keys. */
typedef struct tt_sweep_value {
    const char *label; /* "0.1", "large": letters, digits and . _ = , + - */
    const tt_node *node;
} tt_sweep_value;

/* What a value of the axis repeats; TT_LEVEL_NONE: an axis of `sweep:`, whose values are compared. */
typedef enum tt_sweep_level {
    TT_LEVEL_NONE,
    TT_LEVEL_ATTACK,
    TT_LEVEL_SPLIT,
    TT_LEVEL_TRAINING
} tt_sweep_level;
/* "seed", "split", "training" */
TT_API const char *tt_sweep_level_label(tt_sweep_level level);

typedef struct tt_sweep_axis {
    const char *key;   /* "attacks.clid.alpha", or a name of its own, "variant" */
    const char *label; /* the last part of the key where that tells it from the other axes, "alpha" */
    bool variants;     /* each value is a set of keys: {attacks.clid.alpha: 0.1, seed: 2} */
    bool zipped;       /* advances together with the other zipped ones */
    tt_sweep_level level;
    bool counted; /* values go on from what the spec itself says there */
    bool drawn;   /* values set split_seed of the data sets that the spec's members and nonmembers name */
    const tt_sweep_value *values;
    size_t n;
    const tt_node *node; /* for messages */
} tt_sweep_axis;

typedef struct tt_sweep {
    tt_arena *arena;
    const char *path; /* of the spec */
    tt_sweep_axis *axes;
    size_t n_axes;
    const char **names; /* [n] of the cells: folders are named after them */
    size_t n;
    struct tt_spec_document *document; /* files and overrides in their order, without the sweep */
} tt_sweep;

/* Reads the files and overrides, and checks the sweep, but not what its cells say. A spec without a sweep
 * gives *sweep = NULL. Mistakes are noted in `problems`; err has as many as fit. */
TT_API tt_status tt_sweep_open(const tt_spec_request *request, tt_problems *problems, tt_sweep **sweep,
                               tt_error *err);
TT_API void tt_sweep_free(tt_sweep *sweep); /* NULL is fine */
/* The index of a cell's value within its axis. */
TT_API size_t tt_sweep_choice(const tt_sweep *sweep, size_t cell, size_t axis);
/* The index of a cell; TT_ERR_NOT_FOUND names the nearest. */
TT_API tt_status tt_sweep_find(const tt_sweep *sweep, const char *name, size_t *cell, tt_error *err);
/* A cell as a spec of its own, which the sweep must outlive. */
TT_API tt_status tt_sweep_cell(const tt_sweep *sweep, size_t cell, const tt_plugin_source *source,
                               tt_problems *problems, tt_spec **spec, tt_error *err);
/* The same with n overrides behind the cell's own values. */
TT_API tt_status tt_sweep_cell_with(const tt_sweep *sweep, size_t cell, const char *const *overrides,
                                    size_t n, const tt_plugin_source *source, tt_problems *problems,
                                    tt_spec **spec, tt_error *err);
/* Reads every cell's spec and, with a planner, what its attacks declare. A mistake of several cells is noted
 * once, with the first of them. */
TT_API tt_status tt_sweep_check(const tt_sweep *sweep, const tt_plugin_source *source, tt_planner *planner,
                                tt_problems *problems, tt_error *err);

#endif
