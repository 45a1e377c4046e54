/* What attacks declare for their parameters, asked of workers; every question is asked once. */
#ifndef TT_EXPERIMENT_PLANNER_H
#define TT_EXPERIMENT_PLANNER_H

#include "experiment/spec.h"
#include "experiment/workers.h"

typedef struct tt_planner tt_planner;

/* `launch` must outlive it. NULL: out of memory. */
TT_API tt_planner *tt_planner_create(const tt_launch *launch);
TT_API void tt_planner_destroy(tt_planner *p); /* NULL is fine */
/* Stops the workers and keeps the answers; the next question starts one again. */
TT_API void tt_planner_rest(tt_planner *p);
/* The plan's texts live as long as the planner. It is a function of plugin and parameters alone: no seed. */
TT_API tt_status tt_planner_ask(tt_planner *p, const tt_spec *spec, size_t attack, tt_attack_plan *plan,
                                tt_error *err);
/* Its workers, which may do other work meanwhile. */
TT_API tt_workers *tt_planner_workers(const tt_planner *p);
/* How many plans were asked for. */
TT_API size_t tt_planner_questions(const tt_planner *p);

#endif
