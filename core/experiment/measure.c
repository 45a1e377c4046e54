#include "base/file.h"
#include "experiment/measure_internal.h"
#include "runtime/protocol.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint64_t tt_measure_weight(const tt_measure_step *step)
{
    return step->plan->predictions ? step->plan->predictions : 1;
}

/* ---- steps ---- */

/* Interruption and a journal that cannot be written end the measuring; anything else costs the step. */
static bool ends_all(tt_status s)
{
    return s == TT_ERR_INTERRUPTED || s == TT_ERR_MEMORY;
}

static void fail_step(tt_measure_session *x, tt_measure_active *a, const tt_error *why)
{
    a->step->failure = *why;
    pthread_mutex_lock(&x->team->lock);
    tt_progress_fail(x->team->run->progress,
                     (a->step->universe->n - a->step->n_done) * tt_measure_weight(a->step));
    pthread_mutex_unlock(&x->team->lock);
    tt_log(TT_LOG_ERROR, "%s on %s failed: %s", a->step->spec->attacks[a->step->attack].name,
           a->step->spec->models[a->step->model].role, why->message);
    if (a->running) tt_child_stop(&a->worker);
    a->running = false;
}

static tt_status start_step(tt_measure_session *x, tt_measure_active *a, tt_error *err)
{
    tt_measure_step *step = a->step;
    tt_status s = TT_OK;
    if (!step->journal) {
        const tt_step_context context = {.spec = step->spec, .store = x->team->run->store};
        s = tt_step_open(&context, step, err);
        a->opened = true;
        if (!s) tt_measure_count_spent(x->team, step, &step->meters);
        x->money_spent += step->meters.executed.money;
    }
    if (s || tt_step_complete(step)) return s;
    s = tt_measure_check_fitting(x->team, step, err);
    if (!s) s = tt_plan_open_attack(step->spec, &x->launch, step->attack, "measuring", &a->worker, err);
    if (s) return s;
    a->running = true;
    for (uint32_t i = 0; i < step->plan->n_roles && !s; i++) {
        const tt_role_need *need = &step->plan->roles[i];
        s = tt_measure_hosts_take(&x->hosts, step, need->role, &a->hosts[i], err);
        if (!s)
            s = tt_child_connect(&x->hosts.list[a->hosts[i]]->child, &a->worker, need->role,
                                 need->capabilities, &a->connections[i], err);
    }
    for (uint32_t i = 0; i < step->plan->n_services && !s; i++) {
        const char *name = step->plan->services[i];
        char *maps_dir = tt_path_join(x->team->run->store, step->words[i]);
        s = maps_dir
                ? tt_services_host(x->services, step->spec, &x->launch, name, maps_dir, &a->services[i], err)
                : tt_fail(err, TT_ERR_MEMORY, "out of memory for services");
        tt_free(maps_dir);
        if (!s)
            s = tt_child_connect_service(a->services[i], &a->worker, name, &a->service_connections[i], err);
    }
    return s;
}

static tt_status ask_rows(tt_measure_session *x, tt_measure_active *a, size_t first, uint32_t n, double *rows,
                          tt_error *err)
{
    const tt_measure_step *step = a->step;
    tt_buf b = {0};
    tt_put_u32(&b, n);
    for (size_t i = first; i < first + n; i++) {
        const tt_sample_ref *r = &x->universe->refs[i];
        tt_put_u64(&b, r->id);
        const char *fixed = step->spec->attacks[step->attack].fixed_caption;
        bool known = step->spec->captions_known && !x->universe->captions_withheld;
        tt_put_text(&b, fixed ? fixed : known ? r->item->caption : NULL);
    }
    tt_reply reply;
    tt_status s = tt_child_call(&a->worker, TT_MSG_WORKER_MEASURE, &b, -1, &reply, err);
    tt_buf_free(&b);
    if (s) return s;
    size_t bytes, expected = (size_t)n * step->plan->n_columns * sizeof *rows;
    const void *values = tt_get_bytes(&reply.in, &bytes);
    if (bytes == expected && bytes) memcpy(rows, values, bytes);
    s = tt_reply_end(&reply, err);
    if (!s && bytes != expected)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%zu bytes of features came for %u samples of %u features, not %zu", bytes, n,
                       step->plan->n_columns, expected);
    return s;
}

static tt_status read_meter(tt_child *host, uint32_t connection, tt_meters *sum, tt_error *err)
{
    tt_buf b = {0};
    tt_put_u32(&b, connection);
    tt_reply reply;
    tt_status s = tt_child_call(host, TT_MSG_HOST_METER, &b, -1, &reply, err);
    tt_buf_free(&b);
    if (s) return s;
    tt_meters m = tt_get_meters(&reply.in);
    s = tt_reply_end(&reply, err);
    if (!s) tt_meters_add(sum, &m);
    return s;
}

static tt_status read_meters(tt_measure_session *x, tt_measure_active *a, tt_meters *sum, tt_error *err)
{
    *sum = (tt_meters){0};
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < a->step->plan->n_roles && !s; i++)
        s = read_meter(&x->hosts.list[a->hosts[i]]->child, a->connections[i], sum, err);
    for (uint32_t i = 0; i < a->step->plan->n_services && !s; i++)
        s = read_meter(a->services[i], a->service_connections[i], sum, err);
    return s;
}

/* Money that a batch has cost which gave no rows: a record without rows, for the ledger. */
static tt_status keep_money(tt_measure_step *step, const tt_meters *meters, double seconds, tt_status failed,
                            bool *journal_failed, tt_error *err)
{
    if (!meters->executed.money) return failed;
    const tt_meters money = {{.money = meters->attributed.money}, {.money = meters->executed.money}};
    tt_error why = {0};
    tt_status s = tt_step_append(step, 0, NULL, &money, seconds, &why);
    if (!s) return failed;
    *journal_failed = true;
    return tt_fail(err, s, "%s", why.message);
}

/* One batch of one step. A status of the journal ends all; others are the step's failure. */
static tt_status advance(tt_measure_session *x, tt_measure_active *a, uint32_t n, double *rows,
                         bool *journal_failed, tt_error *err)
{
    double start = now_s();
    tt_meters meters;
    tt_error host_error = {0};
    tt_status s = ask_rows(x, a, a->step->n_done, n, rows, err);
    /* a dead host's own message says more than the worker's complaint that nobody answers */
    if (s != TT_ERR_INTERRUPTED && read_meters(x, a, &meters, &host_error)) {
        *err = host_error;
        return host_error.code;
    }
    if (s == TT_ERR_UNSUPPORTED) tt_measure_ask_fitting(x, a, err);
    x->money_spent += meters.executed.money;
    if (!s) s = tt_step_check_bad(a->step, a->step->spec->bad_samples, n, rows, err);
    if (s) return keep_money(a->step, &meters, now_s() - start, s, journal_failed, err);
    s = tt_step_append(a->step, n, rows, &meters, now_s() - start, err);
    *journal_failed = s != TT_OK;
    tt_measure_count_spent(x->team, a->step, &meters);
    return s;
}

static void show(tt_measure_session *x, const tt_measure_active *a, uint32_t n)
{
    tt_measure_run *run = x->team->run;
    char note[64];
    snprintf(note, sizeof note, "%.30s on %.20s", a->step->spec->attacks[a->step->attack].name,
             a->step->spec->models[a->step->model].role);
    pthread_mutex_lock(&x->team->lock);
    run->done += n * tt_measure_weight(a->step);
    tt_progress_note(run->progress, note);
    tt_progress_set(run->progress, run->done);
    pthread_mutex_unlock(&x->team->lock);
}

/* All hosts forget the last batch; a host that is dead fails the steps that need it. */
static tt_status begin_batch(tt_measure_session *x, tt_error *err)
{
    if (atomic_load(&x->team->ended)) return tt_fail(err, TT_ERR_INTERRUPTED, "interrupted");
    for (size_t m = 0; m < x->hosts.n; m++) {
        tt_child *host = &x->hosts.list[m]->child;
        tt_buf none = {0};
        tt_error why = {0};
        tt_status s = host->control ? tt_measure_tell(host, TT_MSG_HOST_BATCH, &none, &why) : TT_OK;
        if (s == TT_ERR_INTERRUPTED) return tt_fail(err, s, "%s", why.message);
        for (size_t i = 0; s && i < x->n; i++)
            for (uint32_t k = 0; k < x->actives[i].step->plan->n_roles; k++)
                if (x->actives[i].running && x->actives[i].hosts[k] == m) fail_step(x, &x->actives[i], &why);
    }
    return TT_OK;
}

/* ---- batches ---- */

static tt_status run_batches(tt_measure_session *x, tt_error *err)
{
    uint32_t batch = x->batch;
    size_t widest = 1;
    for (size_t i = 0; i < x->n; i++)
        if (x->actives[i].step->plan->n_columns > widest) widest = x->actives[i].step->plan->n_columns;
    double *rows = tt_alloc_array(batch * widest, sizeof *rows);
    if (!rows) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a batch of rows");
    tt_status s = TT_OK;
    for (size_t first = 0; first < x->universe->n && !s; first += batch) {
        size_t left = x->universe->n - first;
        uint32_t n = left < batch ? (uint32_t)left : batch;
        bool any = false;
        for (size_t i = 0; i < x->n; i++)
            any |= x->actives[i].running && x->actives[i].step->n_done == first;
        if (!any) continue;
        s = begin_batch(x, err);
        if (!s) s = tt_measure_send_budgets(x, n, err);
        for (size_t i = 0; i < x->n && !s; i++) {
            tt_measure_active *a = &x->actives[i];
            if (!a->running || a->step->n_done != first) continue;
            tt_error why = {0};
            bool journal_failed = false;
            tt_status failed = advance(x, a, n, rows, &journal_failed, &why);
            if (failed && (journal_failed || ends_all(failed)))
                s = tt_fail(err, failed, "%s", why.message);
            else if (failed)
                fail_step(x, a, &why);
            else
                show(x, a, n);
        }
        tt_measure_settle(x);
    }
    tt_free(rows);
    return s;
}

static tt_status start_steps(tt_measure_session *x, const char *group, tt_error *err)
{
    const tt_measure_team *t = x->team;
    for (size_t i = 0; i < t->run->n_steps; i++) {
        if (strcmp(t->groups[i], group) != 0) continue;
        tt_measure_active *a = &x->actives[x->n++];
        *a = (tt_measure_active){.step = t->run->steps[i]};
        tt_error why = {0};
        tt_status s = start_step(x, a, &why);
        if (s && ends_all(s)) return tt_fail(err, s, "%s", why.message);
        if (s) fail_step(x, a, &why);
    }
    return TT_OK;
}

static tt_status measure_group(tt_measure_team *t, size_t first, tt_services *services, tt_error *err)
{
    const tt_measure_step *step = t->run->steps[first];
    tt_measure_session x = {
        .team = t, .launch = *t->run->launch, .services = services, .universe = step->universe};
    x.launch.time_limit_s = step->spec->time_limit_s;
    x.launch.memory_limit_mib = (uint64_t)step->spec->memory_limit_mib;
    x.launch.heartbeat_s = step->spec->heartbeat_s;
    x.batch = step->batch;
    x.hosts = (tt_measure_hosts){.launch = &x.launch, .universe = x.universe};
    x.actives = tt_alloc_zero(t->run->n_steps * sizeof *x.actives);
    tt_status s = x.actives ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for measuring");
    if (!s) s = tt_samples_check_blind(step->spec->seed, x.universe, err);
    if (!s) s = start_steps(&x, t->groups[first], err);
    tt_measure_settle(&x); /* of what was measured before */
    if (!s) s = run_batches(&x, err);
    for (size_t i = 0; i < x.n; i++) {
        if (x.actives[i].running) tt_child_stop(&x.actives[i].worker);
        if (x.actives[i].opened) tt_step_drop(x.actives[i].step);
    }
    tt_measure_hosts_stop(&x.hosts);
    tt_free(x.actives);
    return s;
}

/* ---- groups ---- */

static bool put_attempt(const tt_measure_step *step, tt_buf *text)
{
    const tt_spec *spec = step->spec;
    const tt_spec_model *model =
        tt_plan_uses_model(step->plan) ? tt_plan_role(spec, step->model, "target") : NULL;
    tt_buf request = {0};
    bool good = tt_measure_host_request(spec, model, step->universe, &request);
    tt_digest digest = tt_sha256_of(request.data, request.size);
    char hex[65];
    tt_digest_hex(&digest, hex);
    tt_buf_printf(text, "%u %g %g %g %s", step->batch, spec->time_limit_s, spec->heartbeat_s,
                  (double)spec->memory_limit_mib, model ? hex : "");
    tt_buf_free(&request);
    return good && !text->failed;
}

bool tt_measure_attempt(const tt_measure_step *step, tt_buf *text)
{
    return tt_buf_printf(text, "%s ", step->key) && put_attempt(step, text);
}

const char *tt_measure_failure(const tt_string_map *failed, const tt_measure_step *step)
{
    if (!failed || failed->n == 0) return NULL;
    tt_buf attempt = {0};
    const char *why = tt_measure_attempt(step, &attempt) ? tt_string_map_get(failed, attempt.data) : NULL;
    tt_buf_free(&attempt);
    return why;
}

/* Steps of one text can advance together: same samples, batch, limits and model. */
static char *name_group(const tt_measure_step *step)
{
    tt_buf text = {0};
    /* samples that were loaded once are one object */
    tt_buf_printf(&text, "%p ", (const void *)step->universe);
    char *kept = put_attempt(step, &text) ? tt_strdup(text.data) : NULL;
    tt_buf_free(&text);
    return kept;
}

static tt_status name_groups(tt_measure_team *t, tt_error *err)
{
    t->groups = tt_alloc_zero((t->run->n_steps + 1) * sizeof(char *));
    for (size_t i = 0; t->groups && i < t->run->n_steps; i++) {
        t->groups[i] = name_group(t->run->steps[i]);
        if (!t->groups[i]) return tt_fail(err, TT_ERR_MEMORY, "out of memory for measuring");
    }
    return t->groups ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for measuring");
}

static bool is_first_of_group(const tt_measure_team *t, size_t step)
{
    for (size_t i = 0; i < step; i++)
        if (strcmp(t->groups[i], t->groups[step]) == 0) return false;
    return true;
}

/* The first step of a group that nobody has taken; n_steps: there is none. */
static size_t take_group(tt_measure_team *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->next < t->run->n_steps && !is_first_of_group(t, t->next))
        t->next++;
    size_t taken = t->next;
    if (taken < t->run->n_steps) t->next++;
    pthread_mutex_unlock(&t->lock);
    return taken;
}

static void *measure_groups(void *user)
{
    tt_measure_team *t = user;
    tt_services services = {0};
    for (size_t i; !atomic_load(&t->ended) && (i = take_group(t)) < t->run->n_steps;) {
        tt_error why = {0};
        tt_status s = measure_group(t, i, &services, &why);
        if (!s) continue;
        pthread_mutex_lock(&t->lock);
        if (!t->fatal.code) tt_fail(&t->fatal, s, "%s", why.message);
        pthread_mutex_unlock(&t->lock);
        atomic_store(&t->ended, true);
    }
    tt_services_stop(&services);
    return NULL;
}

/* Signals are for the main thread. Children are killed with the thread that started them: each thread stops
 * its own before it ends. */
static void run_threads(tt_measure_team *t, unsigned n)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];
    unsigned started = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started + 1 < n && started < MOST &&
           pthread_create(&threads[started], NULL, measure_groups, t) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    measure_groups(t);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

tt_status tt_measure_all(tt_measure_run *run, tt_error *err)
{
    tt_measure_team t = {.run = run, .lock = PTHREAD_MUTEX_INITIALIZER};
    /* plugins in this process were not told of threads */
    unsigned jobs = run->launch->in_process ? 1 : run->launch->jobs;
    atomic_store(&t.predictions, run->spent_predictions);
    atomic_store(&t.images, run->spent_images);
    t.money = run->spent_money;
    for (size_t i = 0; i < run->n_steps; i++) {
        if (!run->steps[i]->journal) continue;
        tt_measure_count_spent(&t, run->steps[i], &run->steps[i]->meters);
        t.money += run->steps[i]->meters.executed.money;
    }
    tt_status s = name_groups(&t, err);
    if (!s) run_threads(&t, jobs);
    if (!s && t.fatal.code) s = tt_fail(err, t.fatal.code, "%s", t.fatal.message);
    for (size_t i = 0; t.groups && i < run->n_steps; i++)
        tt_free(t.groups[i]);
    tt_free((void *)t.groups);
    tt_measure_forget_fitting(&t);
    return s;
}
