#include "base/file.h"
#include "experiment/measure.h"
#include "experiment/sweep_internal.h"

/* Rows of this step that lie in the store. A journal that cannot be read has none: opening it says why. */
static size_t stored_rows(const char *store, const tt_measure_step *step, tt_meters *meters)
{
    char name[TT_STEP_NAME_MAX];
    tt_step_name(step, name);
    char *dir = tt_path_join(store, name);
    tt_step_stored found = {0};
    if (!dir || tt_step_peek(dir, &found, NULL)) found.n_done = 0;
    if (meters) *meters = found.meters;
    tt_free(found.description);
    tt_free(dir);
    return found.n_done;
}

tt_status tt_sweep_count(const char *store, const tt_prepared *cell, tt_sweep_measured *known, tt_error *err)
{
    const tt_budgets *b = &cell->spec->budgets;
    for (size_t i = 0; i < cell->n_steps && (b->predictions || b->images || b->money > 0); i++) {
        const tt_measure_step *step = &cell->steps[i];
        tt_meters meters = {0};
        if (tt_string_map_has(&known->counted, step->key)) continue;
        /* what is unfinished is counted when it is opened */
        if (stored_rows(store, step, &meters) < step->universe->n) continue;
        if (!tt_string_map_put(&known->counted, step->key, NULL)) return tt_sweep_no_memory(err);
        known->spent_money += meters.executed.money;
        if (!tt_measure_counts(step)) continue;
        known->spent_predictions += meters.executed.predictions;
        known->spent_images += meters.executed.images;
    }
    return TT_OK;
}

static tt_status gather(const char *store, tt_prepared *cells, size_t n, const tt_string_map *failed,
                        tt_measure_run *run, uint64_t *total, tt_error *err)
{
    tt_string_map seen = {0};
    tt_status s = TT_OK;
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < cells[c].n_steps && !s; i++) {
            tt_measure_step *step = &cells[c].steps[i];
            if (step->failure.code || tt_string_map_has(&seen, step->key) || tt_measure_failure(failed, step))
                continue;
            if (!tt_string_map_put(&seen, step->key, NULL)) s = tt_sweep_no_memory(err);
            size_t done = stored_rows(store, step, NULL);
            if (done >= step->universe->n) continue;
            run->done += done * tt_measure_weight(step);
            *total += step->universe->n * tt_measure_weight(step);
            run->steps[run->n_steps++] = step;
        }
    tt_string_map_free(&seen);
    return s;
}

tt_status tt_sweep_measure(const tt_launch *launch, const char *store, tt_prepared *cells, size_t n,
                           tt_arena *arena, tt_sweep_measured *known, tt_error *err)
{
    size_t most = 0;
    uint64_t total = 0;
    for (size_t c = 0; c < n; c++)
        most += cells[c].n_steps;
    tt_measure_run run = {.launch = launch,
                          .store = store,
                          .spent_predictions = known->spent_predictions,
                          .spent_images = known->spent_images,
                          .spent_money = known->spent_money};
    run.steps = tt_alloc_array(most + 1, sizeof *run.steps);
    tt_status s =
        run.steps ? gather(store, cells, n, &known->failed, &run, &total, err) : tt_sweep_no_memory(err);
    if (!s && run.n_steps) {
        run.progress = tt_progress_start("measuring", "predictions", total);
        tt_progress_resume(run.progress, run.done);
        s = tt_measure_all(&run, err);
        tt_progress_finish(run.progress);
    }
    for (size_t c = 0; c < n && !s; c++)
        s = tt_sweep_count(store, &cells[c], known, err);
    for (size_t i = 0; i < run.n_steps && !s; i++) {
        const tt_measure_step *step = run.steps[i];
        if (!step->failure.code) continue;
        tt_buf attempt = {0};
        char *why = tt_arena_strdup(arena, step->failure.message);
        if (!why || !tt_measure_attempt(step, &attempt) ||
            !tt_string_map_put(&known->failed, attempt.data, why))
            s = tt_sweep_no_memory(err);
        tt_buf_free(&attempt);
    }
    tt_free(run.steps);
    return s;
}
