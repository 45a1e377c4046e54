#include "experiment/sweep_run.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "experiment/conductor.h"
#include "experiment/sweep_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct runner {
    const tt_sweep_job *job;
    const tt_sweep *sweep;
    tt_launch launch;
    tt_prepare_cache *cache;
    tt_fitting *fitting;
    tt_arena *arena;
    char *store, *log;
    int lock_fd;
    tt_cell_state *states; /* [n] */
    const char **failures; /* [n] */
    char (*keys)[65];      /* [n] of cells that could be prepared */
    tt_sweep_measured known;
    const char *program_id; /* evaluation may differ with the program: another one evaluates again */
} runner;

/* What ends a sweep; anything else costs the cell. */
static bool ends_all(tt_status s)
{
    return s == TT_ERR_INTERRUPTED || s == TT_ERR_MEMORY;
}

/* ---- the folder ---- */

static tt_status lock_folder(runner *r, tt_error *err)
{
    char *path = tt_path_join(r->job->dir, ".lock");
    if (!path) return tt_sweep_no_memory(err);
    tt_status s = TT_OK;
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (r->lock_fd < 0)
        s = tt_fail(err, TT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    else if (!tt_file_lock(r->lock_fd))
        s = tt_fail(err, TT_ERR_IO,
                    "%s: another run is at work in this folder; wait for it, or use another --out",
                    r->job->dir);
    tt_free(path);
    return s;
}

static tt_status open_folder(runner *r, tt_error *err)
{
    tt_status s = tt_dir_create(r->store, err);
    if (!s) s = tt_dir_create(r->log, err);
    return s ? s : lock_folder(r, err);
}

static char *done_path(const runner *r, size_t cell)
{
    char *dir = tt_sweep_cell_dir(r->job->dir, r->sweep->names[cell]);
    char *path = dir ? tt_path_join(dir, "done") : NULL;
    tt_free(dir);
    return path;
}

/* Is what lies there what this cell's spec, store and program would give? */
static bool is_done(const runner *r, size_t cell)
{
    char *path = done_path(r, cell), *text = NULL;
    char *dir = tt_sweep_cell_dir(r->job->dir, r->sweep->names[cell]);
    char *results = dir ? tt_path_join(dir, "results.h5") : NULL;
    size_t size;
    bool done = path && results && tt_file_exists(path) && tt_file_exists(results) &&
                tt_file_read(path, 128, &text, &size, NULL) == TT_OK && size == 65 &&
                memcmp(text, r->keys[cell], 64) == 0;
    tt_free(text);
    tt_free(results);
    tt_free(dir);
    tt_free(path);
    return done;
}

static tt_status note_done(const runner *r, size_t cell, tt_error *err)
{
    char line[66], *path = done_path(r, cell);
    memcpy(line, r->keys[cell], 64);
    line[64] = '\n';
    tt_status s = path ? tt_file_write(path, line, 65, err) : tt_sweep_no_memory(err);
    tt_free(path);
    return s;
}

/* ---- keys ---- */

static void put_file_id(tt_buf *out, const char *path)
{
    struct stat st;
    if (path && stat(path, &st) == 0)
        tt_buf_printf(out, " %lld %lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                      st.st_mtim.tv_nsec);
}

/* The version and, since one version has many builds while it is developed, the files of this one. */
static const char *identify_program(tt_arena *arena)
{
    Dl_info library;
    tt_buf text = {0};
    tt_buf_printf(&text, "%s", TT_VERSION);
    put_file_id(&text, "/proc/self/exe");
    /* the address of an object: C has no conversion from functions to pointers */
    if (dladdr(&tt_spec_table_top, &library)) put_file_id(&text, library.dli_fname);
    const char *id = text.failed ? NULL : tt_arena_strdup(arena, text.data);
    tt_buf_free(&text);
    return id;
}

/* All that a cell's results.h5 is a function of. */
static tt_status make_key(const runner *r, const tt_prepared *p, char key[65], tt_error *err)
{
    tt_buf text = {0};
    tt_buf_printf(&text, "%s\n%s\n%s\n", r->program_id, p->spec->resolved, p->environment);
    for (size_t i = 0; i < p->spec->n_data; i++)
        if (p->samples.manifests[i].n) {
            char hex[65];
            tt_digest_hex(&p->samples.manifests[i].digest, hex);
            tt_buf_printf(&text, "%s\n", hex);
        }
    for (size_t i = 0; i < p->n_steps; i++)
        tt_buf_printf(&text, "%s\n", p->steps[i].key);
    for (size_t i = 0; i < p->plan.n_scores; i++)
        tt_buf_printf(&text, "%s\n", p->scores[i].name);
    if (!text.failed) {
        tt_digest digest = tt_sha256_of(text.data, text.size);
        tt_digest_hex(&digest, key);
    }
    tt_status s = text.failed ? tt_sweep_no_memory(err) : TT_OK;
    tt_buf_free(&text);
    return s;
}

/* ---- cells ---- */

/* What was wrong with a cell, kept; gives back what ends all. */
static tt_status fail_cell(runner *r, size_t cell, const tt_error *why, tt_error *err)
{
    if (ends_all(why->code)) return tt_fail(err, why->code, "%s", why->message);
    tt_log(TT_LOG_ERROR, "cell %s failed: %s", r->sweep->names[cell], why->message);
    r->states[cell] = TT_CELL_FAILED;
    r->failures[cell] = tt_arena_strdup(r->arena, why->message);
    return r->failures[cell] ? TT_OK : tt_sweep_no_memory(err);
}

typedef struct cell_loader {
    const tt_sweep_job *job;
    size_t cell;
} cell_loader;

static tt_status load(void *user, const char *const *overrides, size_t n, tt_spec **spec, tt_error *err)
{
    const cell_loader *l = user;
    tt_problems problems = {0};
    tt_status s =
        tt_sweep_cell_with(l->job->sweep, l->cell, overrides, n, &l->job->source, &problems, spec, err);
    tt_problems_free(&problems);
    return s;
}

tt_status tt_sweep_load(const tt_sweep_job *job, const tt_fitting *fitting, tt_prepare_cache *cache,
                        size_t cell, tt_fitted *fitted, tt_spec **spec, tt_error *err)
{
    cell_loader l = {job, cell};
    *fitted = (tt_fitted){0};
    return tt_fitting_load(fitting, cache, load, &l, fitted, spec, err);
}

/* Of what is started for this cell from now on, also of what it shares with others. */
static void set_limits(runner *r, const tt_spec *spec)
{
    r->launch.time_limit_s = spec->time_limit_s;
    r->launch.memory_limit_mib = (uint64_t)spec->memory_limit_mib;
    r->launch.heartbeat_s = spec->heartbeat_s;
}

/* Which cells are done as they stand, and which cannot even begin? */
static tt_status survey_cell(runner *r, size_t cell, tt_error *err)
{
    tt_spec *spec = NULL;
    tt_prepared p = {0};
    tt_error why = {0};
    tt_fitted fitted;
    why.code = tt_sweep_load(r->job, r->fitting, r->cache, cell, &fitted, &spec, &why);
    if (!why.code) {
        set_limits(r, spec);
        why.code = tt_prepare_with(spec, r->cache, r->store, &p, &why);
    }
    tt_status s = why.code ? TT_OK : make_key(r, &p, r->keys[cell], err);
    if (!why.code && !s) s = tt_sweep_count(r->store, &p, &r->known, err);
    if (!why.code && !s && is_done(r, cell)) r->states[cell] = TT_CELL_DONE;
    if (why.code) s = fail_cell(r, cell, &why, err);
    tt_prepared_free(&p);
    tt_spec_free(spec);
    return s;
}

static const char *first_failure(const tt_results *results)
{
    for (size_t i = 0; i < results->n_scores; i++)
        if (results->scores[i].failure) return results->scores[i].failure;
    return "";
}

static void describe_failures(const tt_results *results, size_t n, tt_error *why)
{
    tt_fail(why, TT_ERR_CRASHED, "%zu of %zu scores are missing, first: %s", n, results->n_scores,
            first_failure(results));
}

/* *again: with batches that fit. */
static tt_status attempt_cell(runner *r, size_t cell, const char *dir, bool *again, tt_error *err)
{
    tt_spec *spec = NULL;
    tt_conductor *conductor = NULL;
    tt_error why = {0};
    size_t failures = 0;
    tt_fitted fitted;
    tt_status s = TT_OK;
    *again = false;
    why.code = tt_sweep_load(r->job, r->fitting, r->cache, cell, &fitted, &spec, &why);
    if (!why.code) {
        set_limits(r, spec);
        why.code = tt_conductor_create_shared(spec, &r->launch, dir, r->store, r->cache, &r->known.failed,
                                              &conductor, &why);
        if (!why.code) why.code = tt_conductor_run(conductor, &failures, &why);
    }
    if (!why.code && failures)
        s = tt_fitting_learn(r->fitting, tt_conductor_prepared(conductor), &fitted, again, err);
    if (!why.code && failures && !*again) describe_failures(tt_conductor_results(conductor), failures, &why);
    if (!s && why.code) {
        s = fail_cell(r, cell, &why, err);
    } else if (!s && !*again) {
        s = make_key(r, tt_conductor_prepared(conductor), r->keys[cell], err);
        if (!s) s = note_done(r, cell, err);
        if (!s) r->states[cell] = TT_CELL_DONE;
    }
    tt_conductor_destroy(conductor);
    tt_spec_free(spec);
    return s;
}

static tt_status run_cell(runner *r, size_t cell, tt_error *err)
{
    char *dir = tt_sweep_cell_dir(r->job->dir, r->sweep->names[cell]);
    tt_status s = dir ? TT_OK : tt_sweep_no_memory(err);
    for (bool again = true; again && !s;)
        s = attempt_cell(r, cell, dir, &again, err);
    tt_free(dir);
    return s;
}

static tt_status write_index(const runner *r, tt_error *err)
{
    return tt_sweep_index_write(r->sweep, r->states, r->failures, r->job->dir, err);
}

/* Cells that are measured together: what is known of each is held meanwhile, about 50 kB. */
enum { TOGETHER = 64 };

typedef struct together {
    tt_spec *specs[TOGETHER];
    tt_fitted fitted[TOGETHER];
    tt_prepared prepared[TOGETHER];
    size_t n;
} together;

static tt_status add_cell(runner *r, size_t cell, together *cells, tt_error *err)
{
    tt_error why = {0};
    size_t i = cells->n++;
    why.code = tt_sweep_load(r->job, r->fitting, r->cache, cell, &cells->fitted[i], &cells->specs[i], &why);
    if (!why.code) why.code = tt_prepare_with(cells->specs[i], r->cache, r->store, &cells->prepared[i], &why);
    if (!why.code) return TT_OK;
    cells->n--;
    tt_prepared_free(&cells->prepared[i]);
    tt_spec_free(cells->specs[i]);
    cells->specs[i] = NULL;
    return fail_cell(r, cell, &why, err);
}

/* From the first pending cell on, as many as are held at once; *end: behind the last. *again: batches of some
 * were too large, and what fits is known now. */
static tt_status measure_once(runner *r, size_t first, size_t *end, bool *again, tt_error *err)
{
    together *cells = tt_alloc_zero(sizeof *cells);
    if (!cells) return tt_sweep_no_memory(err);
    tt_status s = TT_OK;
    size_t i = first;
    for (; i < r->sweep->n && cells->n < TOGETHER && !s; i++)
        if (r->states[i] == TT_CELL_PENDING) s = add_cell(r, i, cells, err);
    *end = i;
    tt_prepare_cache_rest(r->cache);
    if (!s) s = tt_sweep_measure(&r->launch, r->store, cells->prepared, cells->n, r->arena, &r->known, err);
    *again = false;
    for (size_t k = 0; k < cells->n && !s; k++) {
        bool learnt;
        s = tt_fitting_learn(r->fitting, &cells->prepared[k], &cells->fitted[k], &learnt, err);
        *again |= learnt;
    }
    for (size_t k = 0; k < cells->n; k++) {
        tt_prepared_free(&cells->prepared[k]);
        tt_spec_free(cells->specs[k]);
    }
    tt_free(cells);
    return s;
}

static tt_status measure_together(runner *r, size_t first, size_t *end, tt_error *err)
{
    tt_status s = TT_OK;
    for (bool again = true; again && !s;)
        s = measure_once(r, first, end, &again, err);
    return s;
}

static tt_status survey_cells(runner *r, tt_error *err)
{
    size_t done = 0;
    tt_status s = TT_OK;
    for (size_t i = 0; i < r->sweep->n && !s; i++) {
        s = tt_stop_requested() ? tt_fail(err, TT_ERR_INTERRUPTED, "interrupted") : survey_cell(r, i, err);
        done += r->states[i] == TT_CELL_DONE;
    }
    tt_prepare_cache_rest(r->cache);
    if (!s) s = write_index(r, err);
    if (!s && done) tt_log(TT_LOG_INFO, "%zu of %zu cells are done", done, r->sweep->n);
    return s;
}

static tt_status run_cells(runner *r, tt_error *err)
{
    tt_status s = survey_cells(r, err);
    for (size_t i = 0, measured = 0; i < r->sweep->n && !s; i++) {
        if (r->states[i] != TT_CELL_PENDING) continue;
        if (i >= measured) s = measure_together(r, i, &measured, err);
        if (s || r->states[i] != TT_CELL_PENDING) continue;
        tt_log(TT_LOG_INFO, "cell %zu of %zu: %s", i + 1, r->sweep->n, r->sweep->names[i]);
        s = tt_stop_requested() ? tt_fail(err, TT_ERR_INTERRUPTED, "interrupted") : run_cell(r, i, err);
        if (!s) s = write_index(r, err);
    }
    return s;
}

tt_status tt_sweep_run(tt_sweep_job *job, tt_problems *problems, size_t *failures, tt_error *err)
{
    runner r = {.job = job, .sweep = job->sweep, .launch = job->launch, .lock_fd = -1};
    size_t n = job->sweep->n;
    *failures = 0;
    r.arena = tt_arena_create(0);
    r.cache = tt_prepare_cache_create(&r.launch, job->describer);
    r.store = tt_path_join(job->dir, "store");
    r.log = tt_path_join(job->dir, "log");
    r.states = tt_alloc_zero(n * sizeof *r.states);
    r.failures = tt_alloc_zero(n * sizeof *r.failures);
    r.keys = tt_alloc_zero(n * sizeof *r.keys);
    r.program_id = r.arena ? identify_program(r.arena) : NULL;
    bool good = r.program_id && r.cache && r.store && r.log && r.states && r.failures && r.keys;
    tt_status s =
        good ? tt_sweep_check(job->sweep, &job->source, tt_prepare_cache_planner(r.cache), problems, err)
             : tt_sweep_no_memory(err);
    if (!s) s = open_folder(&r, err);
    if (!s) s = tt_fitting_open(job->dir, &r.fitting, err);
    if (!s) {
        r.launch.hidden[1] = r.store;
        r.launch.hidden[2] = job->dir;
        r.launch.log_dir = r.log; /* of what the cells share; each has a log of its own beside it */
        s = run_cells(&r, err);
    }
    for (size_t i = 0; i < n && !s; i++)
        *failures += r.states[i] == TT_CELL_FAILED;
    tt_string_map_free(&r.known.failed);
    tt_string_map_free(&r.known.counted);
    tt_fitting_close(r.fitting);
    tt_prepare_cache_destroy(r.cache);
    tt_arena_destroy(r.arena);
    if (r.lock_fd >= 0) close(r.lock_fd);
    tt_free(r.store);
    tt_free(r.log);
    tt_free(r.states);
    tt_free((void *)r.failures);
    tt_free(r.keys);
    return s;
}
