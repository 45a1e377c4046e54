#include "experiment/measure.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* A step under way: its worker, and its connections to the hosts of its roles. */
typedef struct active {
    tt_measure_step *step;
    tt_child worker;
    bool running;
    size_t hosts[TT_ATTACK_MAX_ROLES]; /* index of the spec's model behind each role */
    uint32_t connections[TT_ATTACK_MAX_ROLES];
    tt_child *services[TT_ATTACK_MAX_SERVICES];
    uint32_t service_connections[TT_ATTACK_MAX_SERVICES];
} active;

typedef struct session {
    tt_measure_run *run;
    tt_child *hosts; /* [spec->n_models + 1]: the last serves images alone */
    bool *started;
    tt_error *unusable; /* why a started host could not open its model; code TT_OK: it could */
    const tt_universe *universe;
    active *actives;
    size_t n;
} session;

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

/* Sends a request and drops an empty answer. */
static tt_status tell(tt_child *child, uint16_t type, tt_buf *request, tt_error *err)
{
    tt_reply reply;
    tt_status s = tt_child_call(child, type, request, -1, &reply, err);
    if (!s) tt_reply_free(&reply);
    tt_buf_free(request);
    return s;
}

/* ---- hosts ---- */

static tt_status send_samples(session *x, size_t host, tt_error *err)
{
    tt_buf b = {0};
    tt_put_u32(&b, (uint32_t)x->universe->n);
    for (size_t i = 0; i < x->universe->n; i++) {
        const tt_sample_ref *r = &x->universe->refs[i];
        tt_put_u64(&b, r->id);
        tt_put_text(&b, r->item->path);
        tt_put_digest(&b, &r->item->digest);
    }
    return tell(&x->hosts[host], TT_MSG_HOST_SAMPLES, &b, err);
}

static tt_status open_images(session *x, tt_error *err)
{
    size_t host = x->run->spec->n_models;
    tt_buf b = {0};
    x->started[host] = true;
    tt_status s = tt_child_start(x->run->launch, TT_CHILD_HOST, "images", &x->hosts[host], err);
    if (s) return s;
    tt_put_u8(&b, x->universe->apply_orientation);
    s = tell(&x->hosts[host], TT_MSG_HOST_IMAGES, &b, err);
    return s ? s : send_samples(x, host, err);
}

static tt_status open_host(session *x, size_t model, tt_error *err)
{
    const tt_spec *spec = x->run->spec;
    const tt_spec_plugin *p = &spec->models[model].plugin;
    char name[64];
    snprintf(name, sizeof name, "model %.48s", spec->models[model].role);
    tt_buf params = {0}, b = {0};
    if (!tt_params_canonical(p->params, 0, false, &params)) {
        tt_buf_free(&params);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    }
    tt_put_text(&b, p->info->name);
    tt_put_text(&b, params.data);
    tt_put_text(&b, spec->backend.info->name);
    tt_put_i32(&b, spec->threads);
    tt_put_i32(&b, spec->device_index);
    tt_put_u64(&b, spec->seed);
    tt_put_u8(&b, x->universe->apply_orientation);
    tt_buf_free(&params);
    x->started[model] = true;
    tt_status s = tt_child_start(x->run->launch, TT_CHILD_HOST, name, &x->hosts[model], err);
    if (s) {
        tt_buf_free(&b);
        return s;
    }
    s = tell(&x->hosts[model], TT_MSG_HOST_OPEN, &b, err);
    if (s && s != TT_ERR_CRASHED) tt_fail_in(err, "models.%s", spec->models[model].role);
    return s ? s : send_samples(x, model, err);
}

static void stop_hosts(session *x)
{
    for (size_t m = 0; m <= x->run->spec->n_models; m++)
        if (x->started[m]) tt_child_stop(&x->hosts[m]);
}

/* ---- steps ---- */

/* Interruption and a journal that cannot be written end the measuring; anything else costs the step. */
static bool ends_all(tt_status s)
{
    return s == TT_ERR_INTERRUPTED || s == TT_ERR_MEMORY;
}

static void fail_step(session *x, active *a, const tt_error *why)
{
    a->step->failure = *why;
    tt_log(TT_LOG_ERROR, "%s on %s failed: %s", x->run->spec->attacks[a->step->attack].name,
           x->run->spec->models[a->step->model].role, why->message);
    if (a->running) tt_child_stop(&a->worker);
    a->running = false;
}

static tt_status start_step(session *x, active *a, tt_error *err)
{
    const tt_spec *spec = x->run->spec;
    tt_measure_step *step = a->step;
    tt_status s = tt_plan_open_attack(spec, x->run->launch, step->attack, "measuring", &a->worker, err);
    if (s) return s;
    a->running = true;
    for (uint32_t i = 0; i < step->plan->n_roles && !s; i++) {
        const tt_role_need *need = &step->plan->roles[i];
        const tt_spec_model *model = tt_plan_role(spec, step->model, need->role);
        size_t m = model ? (size_t)(model - spec->models) : spec->n_models;
        a->hosts[i] = m;
        if (!x->started[m]) {
            tt_error *why = &x->unusable[m];
            *why = (tt_error){0};
            if (model)
                open_host(x, m, why);
            else
                open_images(x, why);
        }
        if (x->unusable[m].code) s = tt_fail(err, x->unusable[m].code, "%s", x->unusable[m].message);
        if (!s)
            s = tt_child_connect(&x->hosts[m], &a->worker, need->role, need->capabilities, &a->connections[i],
                                 err);
    }
    for (uint32_t i = 0; i < step->plan->n_services && !s; i++) {
        const char *name = step->plan->services[i];
        s = tt_services_host(&x->run->services, spec, x->run->launch, name, &a->services[i], err);
        if (!s)
            s = tt_child_connect_service(a->services[i], &a->worker, name, &a->service_connections[i], err);
    }
    return s;
}

static tt_status ask_rows(session *x, active *a, size_t first, uint32_t n, double *rows, tt_error *err)
{
    const tt_measure_step *step = a->step;
    tt_buf b = {0};
    tt_put_u32(&b, n);
    for (size_t i = first; i < first + n; i++) {
        const tt_sample_ref *r = &x->universe->refs[i];
        tt_put_u64(&b, r->id);
        tt_put_text(&b, x->run->spec->captions_known ? r->item->caption : NULL);
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

static tt_status read_meters(session *x, active *a, tt_meters *sum, tt_error *err)
{
    *sum = (tt_meters){0};
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < a->step->plan->n_roles && !s; i++)
        s = read_meter(&x->hosts[a->hosts[i]], a->connections[i], sum, err);
    for (uint32_t i = 0; i < a->step->plan->n_services && !s; i++)
        s = read_meter(a->services[i], a->service_connections[i], sum, err);
    return s;
}

/* One batch of one step. A status of the journal ends all; others are the step's failure. */
static tt_status advance(session *x, active *a, uint32_t n, double *rows, bool *journal_failed, tt_error *err)
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
    if (!s) s = tt_step_check_bad(a->step, x->run->spec->bad_samples, n, rows, err);
    if (s) return s;
    s = tt_step_append(a->step, n, rows, &meters, now_s() - start, err);
    *journal_failed = s != TT_OK;
    return s;
}

static void show(session *x, const active *a, uint32_t n)
{
    tt_measure_run *run = x->run;
    char note[64];
    snprintf(note, sizeof note, "%.30s on %.20s", run->spec->attacks[a->step->attack].name,
             run->spec->models[a->step->model].role);
    run->done += n * tt_measure_weight(a->step);
    tt_progress_note(run->progress, note);
    tt_progress_set(run->progress, run->done);
}

/* All hosts forget the last batch; a host that is dead fails the steps that need it. */
static tt_status begin_batch(session *x, tt_error *err)
{
    for (size_t m = 0; m <= x->run->spec->n_models; m++) {
        if (!x->started[m]) continue;
        tt_buf none = {0};
        tt_error why = {0};
        tt_status s = x->hosts[m].control ? tell(&x->hosts[m], TT_MSG_HOST_BATCH, &none, &why) : TT_OK;
        if (s == TT_ERR_INTERRUPTED) return tt_fail(err, s, "%s", why.message);
        for (size_t i = 0; s && i < x->n; i++)
            for (uint32_t k = 0; k < x->actives[i].step->plan->n_roles; k++)
                if (x->actives[i].running && x->actives[i].hosts[k] == m) fail_step(x, &x->actives[i], &why);
    }
    return TT_OK;
}

static tt_status run_batches(session *x, tt_error *err)
{
    uint32_t batch = x->run->spec->batch;
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
        for (size_t i = 0; i < x->n && !s; i++) {
            active *a = &x->actives[i];
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
    }
    tt_free(rows);
    return s;
}

static tt_status start_steps(session *x, size_t model, tt_error *err)
{
    for (size_t i = 0; i < x->run->n_steps; i++) {
        tt_measure_step *step = &x->run->steps[i];
        if (step->model != model || step->same_as != i || tt_step_complete(step)) continue;
        active *a = &x->actives[x->n++];
        *a = (active){.step = step};
        x->universe = step->universe;
        tt_error why = {0};
        tt_status s = start_step(x, a, &why);
        if (s && ends_all(s)) return tt_fail(err, s, "%s", why.message);
        if (s) fail_step(x, a, &why);
    }
    return TT_OK;
}

tt_status tt_measure_model(tt_measure_run *run, size_t model, tt_error *err)
{
    session x = {.run = run};
    size_t models = run->spec->n_models + 1;
    x.hosts = tt_alloc_zero(models * sizeof *x.hosts);
    x.started = tt_alloc_zero(models * sizeof *x.started);
    x.actives = tt_alloc_zero((run->n_steps + 1) * sizeof *x.actives);
    x.unusable = tt_alloc_zero(models * sizeof *x.unusable);
    tt_status s = x.hosts && x.started && x.actives && x.unusable
                      ? TT_OK
                      : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s) s = start_steps(&x, model, err);
    if (!s && x.n) s = run_batches(&x, err);
    for (size_t i = 0; i < x.n; i++)
        if (x.actives[i].running) tt_child_stop(&x.actives[i].worker);
    if (x.started) stop_hosts(&x);
    tt_free(x.hosts);
    tt_free(x.started);
    tt_free(x.unusable);
    tt_free(x.actives);
    return s;
}
