/* All cells' specs checked before anything runs: a mistake that many cells share is told once. */
#include "base/file.h"
#include "experiment/sweep_internal.h"
#include "plugin/params.h"

#include <stdio.h>
#include <string.h>

typedef struct mistake {
    struct mistake *next;
    tt_error error;
    const char *cell; /* the first that has it */
    size_t n;         /* cells that have it */
} mistake;

typedef struct gatherer {
    tt_arena *arena;
    tt_string_map known; /* mistakes by message */
    mistake *first, **tail;
    size_t n;
} gatherer;

static tt_status gather_one(gatherer *g, const char *cell, const tt_error *error)
{
    mistake *m = tt_string_map_get(&g->known, error->message);
    if (m) {
        m->n++;
        return TT_OK;
    }
    if (g->n > 2 * TT_PROBLEMS_MAX) return TT_OK; /* beyond what is ever told */
    m = tt_arena_alloc(g->arena, sizeof *m);
    if (!m || !tt_string_map_put(&g->known, error->message, m)) return TT_ERR_MEMORY;
    *m = (mistake){.error = *error, .cell = cell, .n = 1};
    *g->tail = m;
    g->tail = &m->next;
    g->n++;
    return TT_OK;
}

/* What one cell's spec, or a plan of it, is refused for. Gives back what is no mistake of the user's. */
static tt_status gather(gatherer *g, const char *cell, tt_status s, const tt_problems *problems,
                        const tt_error *err)
{
    tt_problems none = {0};
    tt_status fatal = tt_problems_note(&none, s, err);
    tt_problems_free(&none);
    if (fatal) return fatal;
    for (size_t i = 0; i < problems->n; i++)
        if (gather_one(g, cell, &problems->list[i])) return TT_ERR_MEMORY;
    if (problems->n) return TT_OK;
    tt_error one = *err;
    one.code = s;
    return gather_one(g, cell, &one);
}

/* "… (cell a0.1-s1 and 3 more)"; nothing where all cells have it, for then it is not the sweep's. */
static tt_status tell(const gatherer *g, const tt_sweep *sweep, tt_problems *problems)
{
    tt_status s = TT_OK;
    for (const mistake *m = g->first; m && !s; m = m->next) {
        tt_error told = m->error;
        char more[48] = "";
        if (m->n > 1) snprintf(more, sizeof more, " and %zu more", m->n - 1);
        if (m->n < sweep->n)
            tt_fail(&told, m->error.code, "%.700s (cell %.130s%s)", m->error.message, m->cell, more);
        s = tt_problems_note(problems, m->error.code, &told);
    }
    return s;
}

static bool repeats_trainings(const tt_sweep *sweep)
{
    for (size_t a = 0; a < sweep->n_axes; a++)
        if (sweep->axes[a].level == TT_LEVEL_TRAINING) return true;
    return false;
}

/* Of many trainings one that is not there would be noticed when the others have been measured. */
static tt_status check_training(const tt_spec *spec, tt_error *err)
{
    const tt_spec_model *target = tt_spec_model_of(spec, "target");
    const tt_params *params = target ? target->plugin.params : NULL;
    for (uint32_t i = 0; params && i < params->n; i++) {
        const tt_param_value *v = &params->values[i];
        if (v->type != TT_PARAM_PATH || !v->node || !v->node->text || !v->node->text[0]) continue;
        if (tt_file_exists(v->node->text) || tt_dir_exists(v->node->text)) continue;
        const tt_node *written = target->plugin.node ? tt_node_get(target->plugin.node, v->key) : NULL;
        return tt_node_fail(
            written ? written : v->node, err,
            "replication.trainings: models.target.%s is %.300s: there is no such file or folder", v->key,
            v->node->text);
    }
    return TT_OK;
}

static tt_status check_cell(gatherer *g, const tt_sweep *sweep, size_t cell, const tt_plugin_source *source,
                            tt_planner *planner, tt_error *err)
{
    tt_problems problems = {0};
    tt_spec *spec = NULL;
    tt_status s = tt_sweep_cell(sweep, cell, source, &problems, &spec, err);
    if (s) s = gather(g, sweep->names[cell], s, &problems, err);
    tt_problems_free(&problems);
    if (!s && spec && repeats_trainings(sweep)) {
        s = check_training(spec, err);
        if (s) s = gather(g, sweep->names[cell], s, &(tt_problems){0}, err);
    }
    if (s || !spec || !planner) {
        tt_spec_free(spec);
        return s;
    }
    tt_plan plan = {0};
    s = tt_plan_make_with(spec, planner, &plan, err);
    if (s)
        s = gather(g, sweep->names[cell], s, &(tt_problems){0}, err);
    else
        tt_plan_free(&plan);
    tt_spec_free(spec);
    return s;
}

tt_status tt_sweep_check(const tt_sweep *sweep, const tt_plugin_source *source, tt_planner *planner,
                         tt_problems *problems, tt_error *err)
{
    gatherer g = {.arena = tt_arena_create(0)};
    g.tail = &g.first;
    tt_status s = g.arena ? TT_OK : tt_sweep_no_memory(err);
    for (size_t i = 0; i < sweep->n && !s; i++) {
        s = check_cell(&g, sweep, i, source, planner, err);
        if (s) tt_fail_in(err, "cell %s", sweep->names[i]);
    }
    if (!s && tell(&g, sweep, problems)) s = tt_sweep_no_memory(err);
    if (!s) s = tt_problems_status(problems, err);
    tt_string_map_free(&g.known);
    tt_arena_destroy(g.arena);
    return s;
}
