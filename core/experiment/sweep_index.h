/* What a sweep leaves for readers: DIR/sweep.json lists its axes and cells; each cell's results.h5, run.json
 * and artifacts.txt lie in DIR/cells/NAME (docs/results-format.md). */
#ifndef TT_EXPERIMENT_SWEEP_INDEX_H
#define TT_EXPERIMENT_SWEEP_INDEX_H

#include "experiment/results.h"
#include "experiment/sweep.h"

typedef enum tt_cell_state {
    TT_CELL_PENDING, /* not run yet, or not to its end */
    TT_CELL_DONE,
    TT_CELL_FAILED /* has no results.h5, or one that lists failures */
} tt_cell_state;

typedef struct tt_sweep_index_axis {
    const char *key, *label; /* "attacks.clid.alpha", "alpha" */
    bool variants;           /* a name of its own, whose values are sets of keys */
    bool zipped;
    tt_sweep_level level;
    const char *const *labels; /* [n] of the values */
    const char *const *values; /* [n] canonical JSON */
    size_t n;
} tt_sweep_index_axis;

typedef struct tt_sweep_index_cell {
    const char *name;
    const size_t *choice; /* [n_axes] index of its value in each axis */
    tt_cell_state state;
    const char *failure; /* NULL: none */
} tt_sweep_index_cell;

typedef struct tt_sweep_index {
    tt_arena *arena;
    const char *dir;
    tt_sweep_index_axis *axes;
    size_t n_axes;
    tt_sweep_index_cell *cells;
    size_t n;
} tt_sweep_index;

/* Does DIR hold a sweep? */
TT_API bool tt_sweep_index_there(const char *dir);
TT_API tt_status tt_sweep_index_read(const char *dir, tt_sweep_index *index, tt_error *err);
TT_API void tt_sweep_index_free(tt_sweep_index *index);
/* A cell's results; tt_results_free. TT_ERR_NOT_FOUND: it has none yet. */
TT_API tt_status tt_sweep_index_results(const tt_sweep_index *index, size_t cell, tt_results *results,
                                        tt_error *err);
/* DIR/cells/NAME; tt_free. NULL: out of memory. */
TT_API char *tt_sweep_cell_dir(const char *dir, const char *name);

/* What became of each cell; failures may be NULL. */
TT_API tt_status tt_sweep_index_write(const tt_sweep *sweep, const tt_cell_state *states,
                                      const char *const *failures, const char *dir, tt_error *err);

/* For people: one line for each cell, judged model and attack, with the axes' values, AUC and TPR at 1 % FPR
 * with their intervals; then what failed or is not run yet. */
TT_API tt_status tt_sweep_table(const char *dir, tt_buf *out, tt_error *err);
/* The same as JSON, with all digits. */
TT_API tt_status tt_sweep_json(const char *dir, tt_buf *out, tt_error *err);

#endif
