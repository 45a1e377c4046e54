#include "experiment/run.h"
#include "experiment/fitting.h"
#include "experiment/sweep_index.h"

typedef struct attempt {
    const tt_run_job *job;
    tt_problems *problems;
    tt_prepare_cache *cache; /* for what batches are known by */
    tt_fitting *fitting;
} attempt;

static tt_status load(void *user, const char *const *overrides, size_t n, tt_spec **spec, tt_error *err)
{
    const attempt *a = user;
    tt_problems_free(a->problems);
    return tt_spec_load_with(&a->job->request, overrides, n, &a->job->source, a->problems, spec, err);
}

static tt_status run_once(attempt *a, tt_run_done *done, bool *again, tt_error *err)
{
    tt_fitted fitted = {0};
    tt_launch launch = a->job->launch;
    tt_status s = tt_fitting_load(a->fitting, a->cache, load, a, &fitted, &done->spec, err);
    if (s) return s;
    launch.time_limit_s = done->spec->time_limit_s;
    launch.memory_limit_mib = (uint64_t)done->spec->memory_limit_mib;
    launch.heartbeat_s = done->spec->heartbeat_s;
    s = tt_conductor_create(done->spec, &launch, a->job->describer, a->job->dir, &done->conductor, err);
    if (!s) s = tt_conductor_run(done->conductor, &done->failures, err);
    if (!s && done->failures)
        s = tt_fitting_learn(a->fitting, tt_conductor_prepared(done->conductor), &fitted, again, err);
    return s;
}

tt_status tt_run_execute(const tt_run_job *job, tt_problems *problems, tt_run_done *done, tt_error *err)
{
    attempt a = {.job = job, .problems = problems};
    *done = (tt_run_done){0};
    if (tt_sweep_index_there(job->dir))
        return tt_fail(err, TT_ERR_EXISTS, "%s holds a sweep: give this run another folder (--out)",
                       job->dir);
    a.cache = tt_prepare_cache_create(&job->launch, job->describer);
    tt_status s = a.cache ? tt_fitting_open(job->dir, &a.fitting, err)
                          : tt_fail(err, TT_ERR_MEMORY, "out of memory for a run");
    for (bool again = true; again && !s;) {
        again = false;
        tt_run_done_free(done);
        s = run_once(&a, done, &again, err);
    }
    tt_fitting_close(a.fitting);
    tt_prepare_cache_destroy(a.cache);
    return s;
}

void tt_run_done_free(tt_run_done *done)
{
    tt_conductor_destroy(done->conductor);
    tt_spec_free(done->spec);
    *done = (tt_run_done){0};
}
