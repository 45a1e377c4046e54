/* What attacks declare for their parameters, asked of workers: one for each plugin, kept until the end, and
 * every question asked once. */
#ifndef TT_EXPERIMENT_PLANNER_H
#define TT_EXPERIMENT_PLANNER_H

#include "experiment/spec.h"
#include "runtime/spawn.h"

typedef struct tt_planner tt_planner;

/* `launch` must outlive it. NULL: out of memory. */
TT_API tt_planner *tt_planner_create(const tt_launch *launch);
TT_API void tt_planner_destroy(tt_planner *p); /* NULL is fine */
/* Stops the workers and keeps the answers; the next question starts one again. */
TT_API void tt_planner_rest(tt_planner *p);
/* The plan's texts live as long as the planner. It is a function of plugin and parameters alone: no seed. */
TT_API tt_status tt_planner_ask(tt_planner *p, const tt_spec *spec, size_t attack, tt_attack_plan *plan,
                                tt_error *err);
/* How many workers were started, and how many plans they were asked for. */
TT_API size_t tt_planner_workers(const tt_planner *p);
TT_API size_t tt_planner_questions(const tt_planner *p);

#endif
