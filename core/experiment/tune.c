#include "experiment/tune.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/thread.h"
#include "experiment/measure_hosts.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLE = 1, FEWEST_CALLS = 3, MOST_CALLS = 25 };
/* Calls are repeated until they have taken so long, or one alone does. */
static const double ENOUGH_S = 1, LONG_S = 4;

typedef struct tuner {
    const tt_tune_job *job;
    tt_arena *arena;
    tt_launch launch;
    tt_device_facts facts;
    tt_progress *progress;
    uint64_t done;
} tuner;

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for tuning");
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the model, with a batch ---- */

static const tt_param *batch_param(const tt_spec_model *model)
{
    const tt_plugin_info *info = model->plugin.info;
    for (uint32_t i = 0; i < info->n_params; i++)
        if (strcmp(info->params[i].key, "batch") == 0 && info->params[i].type == TT_PARAM_INT)
            return &info->params[i];
    return NULL;
}

/* The model as it is, but for its batch; 0: the default. */
static tt_status with_batch(tuner *x, const tt_spec_model *model, uint32_t batch, tt_spec_model *changed,
                            tt_error *err)
{
    const tt_params *old = model->plugin.params;
    tt_params *params = tt_arena_alloc(x->arena, sizeof *params);
    tt_node *node = tt_arena_alloc(x->arena, sizeof *node);
    tt_param_value *values = tt_arena_alloc_array(x->arena, old->n, sizeof *values);
    if (!params || !node || !values) return no_memory(err);
    memcpy(values, old->values, old->n * sizeof *values);
    *node = (tt_node){.kind = TT_NODE_INT, .value.integer = batch};
    for (uint32_t i = 0; i < old->n; i++)
        if (strcmp(values[i].key, "batch") == 0) values[i].node = node;
    *params = (tt_params){.values = values, .n = old->n};
    *changed = *model;
    changed->plugin.params = params;
    return TT_OK;
}

/* ---- a host ---- */

typedef struct host {
    tt_child child;
    tt_model *model; /* of this process; NULL: not connected */
    uint32_t capabilities, batch;
} host;

/* One sample without an image, for its noise. */
static tt_status send_sample(tt_child *child, tt_error *err)
{
    const tt_digest digest = {{0}};
    tt_buf b = {0};
    tt_put_u32(&b, 1);
    tt_put_u64(&b, SAMPLE);
    tt_put_text(&b, "");
    tt_put_digest(&b, &digest);
    return tt_measure_tell(child, TT_MSG_HOST_SAMPLES, &b, err);
}

static tt_status open_host(tuner *x, const tt_spec_model *model, uint32_t batch, host *h, tt_error *err)
{
    const tt_spec *spec = x->job->spec;
    const tt_universe none = {0};
    tt_spec_model changed;
    tt_buf request = {0};
    tt_reply reply;
    char name[64];
    snprintf(name, sizeof name, "model %.48s", model->role);
    *h = (host){0};
    tt_status s = with_batch(x, model, batch, &changed, err);
    if (!s && !tt_measure_host_request(spec, &changed, &none, &request)) s = no_memory(err);
    if (!s) s = tt_child_start(&x->launch, TT_CHILD_HOST, name, &h->child, err);
    if (!s) s = tt_child_call(&h->child, TT_MSG_HOST_OPEN, &request, -1, &reply, err);
    tt_buf_free(&request);
    if (s) return s;
    tt_get_text(&reply.in);
    h->capabilities = tt_get_u32(&reply.in);
    h->batch = tt_get_u32(&reply.in);
    s = tt_reply_end(&reply, err);
    return s ? s : send_sample(&h->child, err);
}

static void close_host(host *h)
{
    tt_model_client_destroy(h->model);
    tt_child_stop(&h->child);
}

/* ---- calls ---- */

/* All that a call needs, of as many predictions as the batch has: latents of their own, timesteps over the
 * whole schedule, noise and loss as attacks ask for them. */
static tt_status make_requests(host *h, uint32_t n, tt_predict *requests, tt_error *err)
{
    tt_model *m = h->model;
    const tt_model_info *i = &m->info;
    size_t size = (size_t)i->latent_channels * i->latent_height * i->latent_width;
    float *values = tt_alloc_array(size, sizeof *values);
    tt_text_piece piece = {.text = "a photograph of a person"};
    tt_text text = {&piece, 1};
    tt_handle condition, latent;
    const tt_digest digest = {{0}};
    tt_buf none = {0};
    tt_status s = values ? tt_measure_tell(&h->child, TT_MSG_HOST_BATCH, &none, err) : no_memory(err);
    if (!s) s = m->text(m, 1, &text, &condition, err);
    for (uint32_t k = 0; k < n && !s; k++) {
        tt_stream_key key = tt_noise_key(0, &digest, "tune", -1, k);
        tt_keyed_normals(&key, 0, values, size);
        s = m->put(m, i->latent_channels, i->latent_height, i->latent_width, values, &latent, err);
        int32_t timestep = (int32_t)((uint64_t)k * i->train_timesteps / n);
        requests[k] = (tt_predict){.latent = latent,
                                   .condition = condition,
                                   .timestep = timestep,
                                   .want = TT_WANT_LOSS,
                                   .sample = SAMPLE,
                                   .noise = {"eps", timestep, k}};
    }
    tt_free(values);
    return s;
}

static tt_status call_once(host *h, uint32_t n, tt_predict *requests, tt_prediction *results, double *seconds,
                           tt_error *err)
{
    tt_status s = make_requests(h, n, requests, err);
    double start = now_s();
    if (!s) s = h->model->predict(h->model, n, requests, results, err);
    *seconds = now_s() - start;
    return s;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A first call is slow; on a device that records so is the second, which is the recording. */
static tt_status time_calls(const tuner *x, host *h, uint32_t n, double *median, tt_error *err)
{
    tt_predict *requests = tt_alloc_array(n, sizeof *requests);
    tt_prediction *results = tt_alloc_array(n, sizeof *results);
    double seconds[MOST_CALLS], unused, total = 0;
    tt_status s = requests && results ? TT_OK : no_memory(err);
    for (int i = 0; i < (x->facts.records ? 2 : 1) && !s; i++)
        s = call_once(h, n, requests, results, &unused, err);
    int calls = 0;
    while (!s && calls < MOST_CALLS && total < LONG_S && (calls < FEWEST_CALLS || total < ENOUGH_S)) {
        s = call_once(h, n, requests, results, &seconds[calls], err);
        total += seconds[calls++];
    }
    if (!s) qsort(seconds, (size_t)calls, sizeof *seconds, ascending);
    if (!s) *median = seconds[calls / 2];
    tt_free(requests);
    tt_free(results);
    return s;
}

/* ---- does it fit? ---- */

/* May the batch need more memory than this machine has? A device says so itself; a processor's system ends
 * processes instead. */
static tt_status check_machine(tuner *x, const tt_spec_model *model, uint32_t batch, bool *fits,
                               tt_error *err)
{
    const tt_spec *spec = x->job->spec;
    tt_spec_model changed;
    tt_memory_need need;
    tt_buf params = {0};
    bool known = false;
    uint64_t available = tt_memory_available();
    tt_status s = with_batch(x, model, batch, &changed, err);
    if (!s && !tt_params_canonical(changed.plugin.params, 0, false, &params)) s = no_memory(err);
    if (!s)
        s = tt_describe_memory(x->job->describer, model->plugin.info->name, params.data,
                               spec->backend.info->name, &spec->device, &known, &need, err);
    tt_describer_rest(x->job->describer); /* it must not hold a part of the device meanwhile */
    tt_buf_free(&params);
    *fits = !known || !available || need.host.weights + need.host.predict <= available;
    return s;
}

/* After a call: is the host's batch still what was asked? After a failure: was it for lack of memory? */
static bool ran_out(host *h, uint32_t batch)
{
    tt_buf none = {0};
    tt_reply reply;
    tt_error ignored = {0};
    if (tt_child_call(&h->child, TT_MSG_HOST_FITTING, &none, -1, &reply, &ignored)) return false;
    uint32_t fitting = tt_get_u32(&reply.in), now = tt_get_u32(&reply.in);
    return !tt_reply_end(&reply, &ignored) && (fitting || now < batch);
}

/* A host that is gone says why on the conductor's own connection. */
static tt_status explain(host *h, tt_status s, tt_error *err)
{
    tt_child_memory unused;
    tt_error why = {0};
    if (s != TT_ERR_CRASHED || !h->child.control || !tt_child_ask_memory(&h->child, &unused, &why)) return s;
    return tt_fail(err, why.code, "%s", why.message);
}

/* *fits false: there is no memory for so large a batch. */
static tt_status measure_batch(tuner *x, const tt_spec_model *model, uint32_t batch, tt_tuned_model *t,
                               bool *fits, tt_error *err)
{
    const uint32_t needed = TT_CAP_PREDICT | TT_CAP_TEXT;
    tt_tune_point point = {.batch = batch};
    tt_child_memory held = {0};
    tt_error why = {0};
    host h;
    *fits = true;
    tt_status s = batch > 1 ? check_machine(x, model, batch, fits, err) : TT_OK;
    if (s || !*fits) return s;
    s = open_host(x, model, batch, &h, &why);
    if (!s) s = tt_child_open_model(&h.child, model->role, needed, x->launch.time_limit_s, &h.model, &why);
    if (!s) s = time_calls(x, &h, batch, &point.seconds, &why);
    s = explain(&h, s, &why);
    bool memory = s == TT_ERR_MEMORY || (h.child.control && ran_out(&h, batch)) ||
                  (s == TT_ERR_CRASHED && x->launch.memory_limit_mib);
    if (!s && !memory) s = tt_child_ask_memory(&h.child, &held, &why);
    close_host(&h);
    if (s == TT_ERR_INTERRUPTED) return tt_fail(err, s, "%s", why.message);
    if (s && (!memory || batch == 1)) return tt_fail(err, s, "models.%s: %s", model->role, why.message);
    *fits = !memory;
    if (memory) return TT_OK;
    t->on_device = held.on_device;
    point.bytes = held.on_device ? held.device_most_bytes : held.bytes;
    t->points[t->n++] = point;
    return TT_OK;
}

/* ---- the search ---- */

double tt_tune_rate(const tt_tune_point *point)
{
    return point->seconds > 0 ? (double)point->batch / point->seconds : 0;
}

static double highest(const tt_tune_point *points, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (tt_tune_rate(&points[i]) > most) most = tt_tune_rate(&points[i]);
    return most;
}

bool tt_tune_settled(const tt_tune_point *points, size_t n, size_t *best)
{
    double most = highest(points, n);
    *best = 0;
    while (*best + 1 < n && tt_tune_rate(&points[*best]) * (1 + TT_TUNE_GAIN) < most)
        ++*best;
    return n > 2 && most < highest(points, n - 2) * (1 + TT_TUNE_GAIN);
}

static void show(tuner *x, const tt_tuned_model *t, uint32_t batch)
{
    char note[64];
    snprintf(note, sizeof note, "%.30s, %u at once", t->role, batch);
    tt_progress_note(x->progress, note);
    tt_progress_set(x->progress, x->done);
}

static tt_status search(tuner *x, const tt_spec_model *model, tt_tuned_model *t, tt_error *err)
{
    const tt_param *param = batch_param(model);
    bool ranged = param->min != 0 || param->max != 0, fits = true, settled = false;
    uint32_t batch = 1;
    tt_status s = TT_OK;
    for (; batch <= TT_TUNE_LARGEST && (!ranged || batch <= param->max) && fits && !settled && !s;
         batch *= 2) {
        show(x, t, batch);
        s = tt_stop_requested() ? tt_fail(err, TT_ERR_INTERRUPTED, "interrupted")
                                : measure_batch(x, model, batch, t, &fits, err);
        if (!s) settled = tt_tune_settled(t->points, t->n, &t->best);
        x->done++;
    }
    if (!s && !t->n)
        s = tt_fail(err, TT_ERR_MEMORY, "models.%s: not even one prediction fits into the device's memory",
                    t->role);
    t->end = !fits ? TT_TUNE_END_MEMORY : settled ? TT_TUNE_END_GAIN : TT_TUNE_END_LARGEST;
    return s;
}

/* ---- models ---- */

static tt_status leave_out(tuner *x, tt_tuned_model *t, const char *why, tt_error *err)
{
    t->left_out = tt_arena_strdup(x->arena, why);
    return t->left_out ? TT_OK : no_memory(err);
}

static tt_status tune_model(tuner *x, const tt_spec_model *model, tt_tuned_model *t, tt_error *err)
{
    char why[160] = "";
    t->role = model->role;
    if (model->price.currency)
        snprintf(why, sizeof why, "its predictions cost money");
    else if (!batch_param(model))
        snprintf(why, sizeof why, "target %.63s has no parameter `batch`", model->plugin.info->name);
    if (why[0]) return leave_out(x, t, why, err);
    host h;
    show(x, t, 0);
    tt_status s = open_host(x, model, 0, &h, err);
    t->default_batch = h.batch;
    const uint32_t needed = TT_CAP_PREDICT | TT_CAP_TEXT;
    bool predicts = (h.capabilities & needed) == needed;
    close_host(&h);
    if (s) return tt_fail_in(err, "models.%s", model->role);
    if (predicts) return search(x, model, t, err);
    snprintf(why, sizeof why, "target %.63s predicts no noise for texts (predict, text)",
             model->plugin.info->name);
    return leave_out(x, t, why, err);
}

static bool is_asked(const tt_tune_job *job, const char *role)
{
    for (size_t i = 0; i < job->n_roles; i++)
        if (strcmp(job->roles[i], role) == 0) return true;
    return job->n_roles == 0;
}

static tt_status check_roles(const tt_tune_job *job, tt_arena *arena, tt_error *err)
{
    size_t n = job->spec->n_models;
    const char **known = tt_arena_alloc_array(arena, n + 1, sizeof *known);
    if (!known) return no_memory(err);
    for (size_t m = 0; m < n; m++)
        known[m] = job->spec->models[m].role;
    for (size_t i = 0; i < job->n_roles; i++) {
        if (tt_spec_model_of(job->spec, job->roles[i])) continue;
        const char *near = tt_nearest(job->roles[i], known, n);
        return tt_fail(err, TT_ERR_INVALID, "the spec has no models.%.80s%s%s%s", job->roles[i],
                       near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return TT_OK;
}

static tt_status ask_device(tuner *x, tt_tuned *tuned, tt_error *err)
{
    const tt_spec *spec = x->job->spec;
    const char *backend = spec->backend.info->name, *text;
    tt_status s = tt_describe_backend(x->job->describer, backend, &spec->device, &text, err);
    if (!s) s = tt_describe_device(x->job->describer, backend, &spec->device, &x->facts, err);
    tt_describer_rest(x->job->describer);
    if (s) return s;
    tuned->device = tt_arena_printf(x->arena, "%s:%d", backend, spec->device.index);
    tuned->description = tt_arena_strdup(x->arena, text);
    return tuned->device && tuned->description ? TT_OK : no_memory(err);
}

static tt_status tune_models(tuner *x, tt_tuned *tuned, tt_error *err)
{
    const tt_spec *spec = x->job->spec;
    const char *why = NULL;
    size_t measured = 0;
    tt_status s = TT_OK;
    for (size_t m = 0; m < spec->n_models && !s; m++) {
        if (!is_asked(x->job, spec->models[m].role)) continue;
        tt_tuned_model *t = &tuned->models[tuned->n++];
        s = tune_model(x, &spec->models[m], t, err);
        if (!s && t->left_out && x->job->n_roles)
            s = tt_fail(err, TT_ERR_INVALID, "models.%s has no batch to choose: %s", t->role, t->left_out);
        measured += !t->left_out;
        if (t->left_out) why = t->left_out;
        x->done = tuned->n * (TT_TUNE_POINTS + 1);
        tt_progress_set(x->progress, x->done);
    }
    if (!s && !measured)
        s = tt_fail(err, TT_ERR_INVALID, "the spec has no model with a batch to choose: %s",
                    why ? why : "it has no models");
    return s;
}

tt_status tt_tune(const tt_tune_job *job, tt_tuned *tuned, tt_error *err)
{
    const tt_spec *spec = job->spec;
    tuner x = {.job = job, .launch = *job->launch};
    x.launch.time_limit_s = spec->time_limit_s;
    x.launch.memory_limit_mib = (uint64_t)spec->memory_limit_mib;
    x.launch.heartbeat_s = spec->heartbeat_s;
    *tuned = (tt_tuned){.arena = tt_arena_create(0)};
    x.arena = tuned->arena;
    if (x.arena) tuned->models = tt_arena_alloc_array(x.arena, spec->n_models, sizeof *tuned->models);
    tt_status s = tuned->models ? check_roles(job, x.arena, err) : no_memory(err);
    if (!s) s = ask_device(&x, tuned, err);
    if (s) return s;
    size_t n = job->n_roles ? job->n_roles : spec->n_models;
    x.progress = tt_progress_start("tuning", "batches", n * (TT_TUNE_POINTS + 1));
    s = tune_models(&x, tuned, err);
    tt_progress_finish(x.progress);
    return s;
}

void tt_tuned_free(tt_tuned *tuned)
{
    tt_arena_destroy(tuned->arena);
    *tuned = (tt_tuned){0};
}
