/* What a sweep will do: each cell's steps against the store and against the cells above it. */
#include "base/file.h"
#include "experiment/sweep_internal.h"
#include "experiment/sweep_run.h"
#include "formats/json.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What measuring took before, per prediction (or sample, of attacks without any). */
typedef struct rate {
    double seconds, units;
} rate;

typedef struct counts {
    size_t steps, stored, shared, to_do;
    uint64_t predictions;
    double money;
    double seconds; /* NaN: of some step no rate is known */
} counts;

typedef struct planner {
    tt_sweep_job *job;
    tt_arena *arena;
    tt_prepare_cache *cache;
    tt_fitting *fitting;
    char *store;
    tt_string_map rates; /* by environment and model */
    tt_string_map seen;  /* steps of cells above */
    counts sum;
    size_t failures, width;
    tt_buf *out;
} planner;

/* ---- rates ---- */

static const char *text_of(const tt_node *map, const char *key)
{
    const tt_node *node = map ? tt_node_get(map, key) : NULL;
    return node && node->text ? node->text : "";
}

static tt_status add_rate(planner *x, const char *environment, const char *model,
                          const tt_step_stored *stored, tt_error *err)
{
    char *key = tt_arena_printf(x->arena, "%s\n%s", environment, model);
    rate *r = key ? tt_string_map_get(&x->rates, key) : NULL;
    if (key && !r) {
        r = tt_arena_alloc(x->arena, sizeof *r);
        if (r && !tt_string_map_put(&x->rates, key, r)) r = NULL;
    }
    if (!r) return tt_sweep_no_memory(err);
    uint64_t predictions = stored->meters.attributed.predictions;
    r->seconds += stored->seconds;
    r->units += predictions ? (double)predictions : (double)stored->n_done;
    return TT_OK;
}

/* Of the model itself, and of its kind. */
static tt_status learn_rate(planner *x, const char *name, tt_error *err)
{
    char *dir = tt_path_join(x->store, name);
    if (!dir) return tt_sweep_no_memory(err);
    tt_step_stored stored;
    tt_error ignored = {0};
    tt_arena *arena = tt_arena_create(0);
    tt_node *root = NULL;
    tt_status s = arena ? TT_OK : tt_sweep_no_memory(err);
    bool known =
        tt_step_peek(dir, &stored, &ignored) == TT_OK && stored.n_done && !s &&
        tt_json_parse(arena, name, stored.description, strlen(stored.description), &root, &ignored) == TT_OK;
    if (known) {
        const tt_node *models = tt_node_get(root, "models");
        const tt_node *first = models ? models->children : NULL;
        s = add_rate(x, text_of(root, "environment"), text_of(first, "digest"), &stored, err);
        if (!s) s = add_rate(x, text_of(root, "environment"), text_of(first, "target"), &stored, err);
    }
    tt_arena_destroy(arena);
    tt_free(stored.description);
    tt_free(dir);
    return s;
}

static tt_status learn_rates(planner *x, tt_error *err)
{
    DIR *dir = opendir(x->store);
    if (!dir) return TT_OK; /* nothing was ever run here */
    tt_status s = TT_OK;
    for (struct dirent *e = readdir(dir); e && !s; e = readdir(dir))
        if (strncmp(e->d_name, "measure-", 8) == 0) s = learn_rate(x, e->d_name, err);
    closedir(dir);
    return s;
}

static double seconds_each(const planner *x, const tt_prepared *p, size_t model)
{
    const char *const by[2] = {p->model_digests[model], p->spec->models[model].plugin.info->name};
    for (int i = 0; i < 2; i++) {
        tt_buf key = {0};
        const rate *r = NULL;
        if (by[i] && tt_buf_printf(&key, "%s\n%s", p->environment, by[i]))
            r = tt_string_map_get(&x->rates, key.data);
        tt_buf_free(&key);
        if (r && r->units > 0) return r->seconds / r->units;
    }
    return (double)NAN;
}

/* ---- steps ---- */

/* Is the step new to the sweep? Then *done is what the store has of it: samples, or records. */
static tt_status meet(planner *x, const char *name, bool measured, bool *fresh, size_t *done, tt_error *err)
{
    *fresh = !tt_string_map_has(&x->seen, name);
    *done = 0;
    if (!*fresh) return TT_OK;
    char *dir = tt_path_join(x->store, name);
    if (!dir || !tt_string_map_put(&x->seen, name, NULL)) {
        tt_free(dir);
        return tt_sweep_no_memory(err);
    }
    tt_error ignored = {0};
    tt_step_stored stored = {0};
    tt_status s = TT_OK;
    if (tt_dir_exists(dir)) {
        s = measured ? tt_step_peek(dir, &stored, &ignored)
                     : tt_step_peek_header(dir, &stored.description, &stored.n_done, &ignored);
        if (!s) *done = stored.n_done;
        tt_free(stored.description);
    }
    tt_free(dir);
    return s == TT_ERR_MEMORY ? tt_sweep_no_memory(err) : TT_OK; /* what cannot be read is not there */
}

static tt_status count_measure(planner *x, const tt_prepared *p, const tt_measure_step *step, counts *c,
                               tt_error *err)
{
    char name[TT_STEP_NAME_MAX];
    tt_step_name(step, name);
    bool fresh;
    size_t done, n = step->universe->n;
    tt_status s = meet(x, name, true, &fresh, &done, err);
    if (s) return s;
    c->steps++;
    if (!fresh) {
        c->shared++;
    } else if (done >= n) {
        c->stored++;
    } else {
        uint64_t units = (uint64_t)(n - done) * (step->plan->predictions ? step->plan->predictions : 1);
        c->to_do++;
        c->predictions += (uint64_t)(n - done) * step->plan->predictions;
        c->money += (double)(n - done) * step->plan->predictions *
                    tt_plan_query_price(step->plan, &p->spec->models[step->model]);
        c->seconds += seconds_each(x, p, step->model) * (double)units;
    }
    return TT_OK;
}

static tt_status count_steps(planner *x, const tt_prepared *p, counts *c, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->n_steps && !s; i++)
        if (p->steps[i].same_as == i) s = count_measure(x, p, &p->steps[i], c, err);
    for (size_t i = 0; i < p->plan.n_scores && !s; i++) {
        bool fresh;
        size_t done;
        s = meet(x, p->scores[i].name, false, &fresh, &done, err);
        c->steps++;
        c->shared += !fresh;
        c->stored += fresh && done;
        c->to_do += fresh && !done;
    }
    return s;
}

/* ---- for people ---- */

static void put_time(tt_buf *out, double seconds)
{
    if (isnan(seconds))
        tt_buf_printf(out, "time unknown");
    else if (seconds < 120)
        tt_buf_printf(out, "about %.0f s", ceil(seconds));
    else if (seconds < 7200)
        tt_buf_printf(out, "about %.0f min", ceil(seconds / 60));
    else
        tt_buf_printf(out, "about %.1f h", seconds / 3600);
}

static void put_counts(planner *x, const char *name, const counts *c)
{
    tt_buf_printf(x->out, "%-*s  %5zu  %6zu  %6zu  %5zu  %11llu  ", (int)x->width, name, c->steps, c->stored,
                  c->shared, c->to_do, (unsigned long long)c->predictions);
    if (c->predictions) put_time(x->out, c->seconds);
    tt_buf_printf(x->out, "\n");
}

static tt_status plan_cell(planner *x, size_t cell, tt_error *err)
{
    tt_spec *spec = NULL;
    tt_prepared p = {0};
    tt_fitted fitted;
    const char *name = x->job->sweep->names[cell];
    tt_error why = {0};
    counts c = {0};
    why.code = tt_sweep_load(x->job, x->fitting, x->cache, cell, &fitted, &spec, &why);
    if (!why.code) {
        x->job->launch.time_limit_s = spec->time_limit_s;
        x->job->launch.memory_limit_mib = (uint64_t)spec->memory_limit_mib;
        why.code = tt_prepare_with(spec, x->cache, x->store, &p, &why);
    }
    if (!why.code) why.code = count_steps(x, &p, &c, &why);
    tt_status s = why.code == TT_ERR_MEMORY || why.code == TT_ERR_INTERRUPTED ? why.code : TT_OK;
    if (s) {
        tt_fail(err, s, "%s", why.message);
    } else if (why.code) {
        tt_buf_printf(x->out, "%-*s  cannot run: %s\n", (int)x->width, name, why.message);
        x->failures++;
    } else {
        put_counts(x, name, &c);
        x->sum.steps += c.steps;
        x->sum.stored += c.stored;
        x->sum.shared += c.shared;
        x->sum.to_do += c.to_do;
        x->sum.predictions += c.predictions;
        x->sum.seconds += c.seconds;
        x->sum.money += c.money;
    }
    tt_prepared_free(&p);
    tt_spec_free(spec);
    return s;
}

static tt_status plan_cells(planner *x, tt_error *err)
{
    const tt_sweep *sweep = x->job->sweep;
    x->width = 4;
    for (size_t i = 0; i < sweep->n; i++)
        if (strlen(sweep->names[i]) > x->width) x->width = strlen(sweep->names[i]);
    tt_buf_printf(x->out, "%-*s  %5s  %6s  %6s  %5s  %11s  time\n", (int)x->width, "cell", "steps", "stored",
                  "shared", "to do", "predictions");
    tt_status s = TT_OK;
    for (size_t i = 0; i < sweep->n && !s; i++)
        s = plan_cell(x, i, err);
    if (s) return s;
    const counts *c = &x->sum;
    tt_prepare_counts asked = tt_prepare_cache_counts(x->cache);
    tt_buf_printf(x->out, "%zu cell%s, %zu steps, %zu of them different: %zu stored, %zu to do", sweep->n,
                  sweep->n == 1 ? "" : "s", c->steps, c->steps - c->shared, c->stored, c->to_do);
    if (c->predictions) {
        tt_buf_printf(x->out, ": at most %llu predictions, ", (unsigned long long)c->predictions);
        put_time(x->out, c->seconds);
    }
    if (c->money > 0) tt_buf_printf(x->out, ", money at most %.2f", c->money);
    tt_buf_printf(x->out,
                  "\nasked once each: %zu attack plans (of %zu workers), %zu models, %zu sets of samples\n",
                  asked.plans, asked.plan_workers, asked.digests, asked.samples);
    return x->out->failed ? tt_sweep_no_memory(err) : TT_OK;
}

tt_status tt_sweep_plan(tt_sweep_job *job, tt_problems *problems, size_t *failures, tt_buf *out,
                        tt_error *err)
{
    planner x = {.job = job, .out = out};
    x.arena = tt_arena_create(0);
    x.cache = tt_prepare_cache_create(&job->launch, job->describer);
    x.store = tt_path_join(job->dir, "store");
    tt_status s =
        x.arena && x.cache && x.store
            ? tt_sweep_check(job->sweep, &job->source, tt_prepare_cache_planner(x.cache), problems, err)
            : tt_sweep_no_memory(err);
    if (!s) s = tt_dir_create(x.store, err);
    if (!s) s = tt_fitting_open(job->dir, &x.fitting, err);
    if (!s) s = learn_rates(&x, err);
    if (!s) s = plan_cells(&x, err);
    *failures = x.failures;
    tt_string_map_free(&x.rates);
    tt_string_map_free(&x.seen);
    tt_fitting_close(x.fitting);
    tt_prepare_cache_destroy(x.cache);
    tt_arena_destroy(x.arena);
    tt_free(x.store);
    return s;
}
