/* A paper's table beside a run's own numbers: results/published/README.md describes the files. */
#ifndef TT_EXPERIMENT_PUBLISHED_H
#define TT_EXPERIMENT_PUBLISHED_H

#include "experiment/results.h"

/* Reads the rows of one table; dataset and setting NULL: all of them. Errors: no such table (lists those that
 * are there), a number or unit that is none, with line. In `arena`. */
TT_API tt_status tt_published_read(const char *path, const char *table, const char *dataset,
                                   const char *setting, tt_arena *arena, tt_published *out, tt_error *err);
/* Is this row's method the attack that gave these scores: its plugin, with the parameters that the row names?
 */
TT_API bool tt_published_is(const tt_published_row *row, const tt_result_scores *scores);

#endif
