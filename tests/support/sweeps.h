/* Sweeps and replications opened from text, over the plugins that only tests load. */
#ifndef TT_TEST_SWEEPS_H
#define TT_TEST_SWEEPS_H

#include "experiment/sweep.h"
#include "support/test.h"

extern tt_sweep *sweep; /* the one that was opened last, or NULL */
extern tt_problems problems;
extern tt_plugin_source source;
extern tt_error sweep_error;

/* For checked fixtures: `head`, which outlives the test, stands in front of every text that is opened; no
 * cell's own spec has the key `gone`. */
void sweeps_setup(const char *head, const char *gone);
void sweeps_teardown(void);

/* Opens s.yaml, the head and `text`, with one override or NULL. */
tt_status open_with(const char *text, const char *override);
/* Opens and checks all cells. What is wrong is in `problems`. */
tt_status check(const char *text);
/* Expects that it is not opened, with such a problem. */
void refused(const char *text, const char *part);
void has_problem(const char *part);
/* That the resolved spec of a cell has this part. */
void cell_says(const char *name, const char *part);

#endif
