/* predict: noise predictions in fixed-size padded batches, equal ones of a batch computed once, losses in
 * double. */
#include "base/log.h"
#include "base/thread.h"
#include "runtime/modelhost_internal.h"

#include <math.h>
#include <string.h>

typedef struct request {
    thing *latent, *condition;
    int32_t timestep;
    uint32_t want;
    const tt_host_sample *sample; /* NULL without noise */
    tt_noise noise;
    bool alpha_bar_f32;
    evaluation *evaluation;
} request;

static tt_status read_request(tt_modelhost *h, const tt_modelhost_connection *c, tt_reader *in, request *r,
                              tt_error *err)
{
    tt_handle latent = tt_get_u64(in), condition = tt_get_u64(in);
    r->timestep = tt_get_i32(in);
    r->want = tt_get_u32(in);
    uint64_t sample = tt_get_u64(in);
    r->noise = tt_get_noise(in);
    r->alpha_bar_f32 = tt_get_u8(in);
    if (in->failed) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to predict");
    tt_status s = tt_handle_take(c, latent, 1u << THING_LATENT | 1u << THING_PREDICTION, &r->latent, err);
    if (!s) s = tt_handle_take(c, condition, 1u << THING_CONDITION, &r->condition, err);
    if (s) return s;
    if (r->latent->n_values != tt_modelhost_latent_size(h))
        return tt_fail(err, TT_ERR_INVALID, "a latent of another size than the model's");
    if (r->timestep < 0 || (uint32_t)r->timestep >= h->info.train_timesteps)
        return tt_fail(err, TT_ERR_INVALID, "timestep %d: must be between 0 and %u", r->timestep,
                       h->info.train_timesteps - 1);
    if ((r->want & TT_WANT_LOSS) && !r->noise.role)
        return tt_fail(err, TT_ERR_INVALID,
                       "a loss needs noise: without it there is nothing to compare with");
    if (r->noise.role) {
        r->sample = tt_modelhost_sample(h, sample);
        if (!r->sample)
            return tt_fail(err, TT_ERR_REFUSED, "sample %llu is not one of this step's",
                           (unsigned long long)sample);
    }
    return TT_OK;
}

/* What an evaluation computes; who asks and what is wanted of it are no part. */
static tt_digest identity_of(const request *r)
{
    tt_buf text = {0};
    tt_put_digest(&text, &r->latent->identity);
    tt_put_digest(&text, &r->condition->identity);
    tt_put_i32(&text, r->timestep);
    tt_put_noise(&text, &r->noise);
    if (r->sample) tt_put_digest(&text, &r->sample->digest);
    tt_put_u8(&text, r->alpha_bar_f32);
    tt_digest d = tt_sha256_of(text.data, text.size);
    tt_buf_free(&text);
    return d;
}

/* x_t = √ᾱ·z + √(1−ᾱ)·n in double, rounded once (grey-box spec 1.1) */
static void form_input(const tt_modelhost *h, const request *r, float *x, float *noise, size_t size)
{
    if (!r->noise.role) {
        memcpy(x, r->latent->values, size * sizeof *x);
        return;
    }
    tt_stream_key key =
        tt_noise_key(h->seed, &r->sample->digest, r->noise.role, r->noise.timestep, r->noise.draw);
    tt_keyed_normals(&key, 0, noise, size);
    const double *table = r->alpha_bar_f32 ? h->info.alpha_bar_f32 : h->info.alpha_bar;
    double a = table[r->timestep], scale = sqrt(a), sigma = sqrt(1 - a);
    for (size_t i = 0; i < size; i++)
        x[i] = (float)(scale * (double)r->latent->values[i] + sigma * (double)noise[i]);
}

/* mean over elements of (n − ε)², summed in order in double */
static double mean_squared_error(const float *noise, const float *eps, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++) {
        double d = (double)noise[i] - (double)eps[i];
        sum += d * d;
    }
    return sum / (double)size;
}

static tt_status keep_prediction(tt_modelhost *h, request *r, const float *eps, size_t size, tt_error *err)
{
    thing *t = tt_thing_add(h, THING_PREDICTION, &r->evaluation->identity);
    if (t) t->values = tt_alloc_array(size, sizeof *t->values);
    if (!t || !t->values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a prediction");
    memcpy(t->values, eps, size * sizeof *eps);
    t->n_values = size;
    t->channels = h->info.latent_channels;
    t->height = h->info.latent_height;
    t->width = h->info.latent_width;
    r->evaluation->prediction = t;
    return TT_OK;
}

static size_t maps_size(const tt_modelhost *h)
{
    return (size_t)h->info.text_tokens * h->info.latent_height * h->info.latent_width;
}

static tt_status keep_maps(tt_modelhost *h, request *r, const float *maps, tt_error *err)
{
    size_t size = maps_size(h);
    thing *t = tt_thing_add(h, THING_MAPS, &r->evaluation->identity);
    if (t) t->values = tt_alloc_array(size, sizeof *t->values);
    if (!t || !t->values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for attention maps");
    memcpy(t->values, maps, size * sizeof *maps);
    t->n_values = size;
    t->channels = h->info.text_tokens;
    t->height = h->info.latent_height;
    t->width = h->info.latent_width;
    r->evaluation->maps = t;
    return TT_OK;
}

typedef struct scratch {
    float *inputs, *noise, *eps, *maps; /* maps: NULL where none are wanted */
    int32_t *timesteps;
    void **conditions;
} scratch;

/* What surrounds a batch's evaluation on the processor. A device may need less than a millisecond for one of
 * them: large batches are prepared by all threads. */
typedef struct chunk {
    const tt_modelhost *h;
    request *const *jobs;
    scratch *w;
} chunk;

#define VALUES_WORTH_THREADS ((size_t)1 << 18)

static void for_each(chunk *c, uint32_t n, void (*body)(void *chunk, size_t i))
{
    bool worth = n * tt_modelhost_latent_size(c->h) >= VALUES_WORTH_THREADS;
    tt_parallel_for(n, worth ? c->h->threads : 1, body, c);
}

static void form_one(void *data, size_t i)
{
    const chunk *c = data;
    size_t size = tt_modelhost_latent_size(c->h);
    form_input(c->h, c->jobs[i], c->w->inputs + i * size, c->w->noise + i * size, size);
}

static void judge_one(void *data, size_t i)
{
    const chunk *c = data;
    size_t size = tt_modelhost_latent_size(c->h);
    const request *r = c->jobs[i];
    r->evaluation->loss =
        r->noise.role ? mean_squared_error(c->w->noise + i * size, c->w->eps + i * size, size) : (double)NAN;
}

static tt_status compute_chunk(tt_modelhost *h, request *const *jobs, uint32_t n, uint32_t batch, scratch *w,
                               tt_error *err)
{
    size_t size = tt_modelhost_latent_size(h);
    chunk c = {h, jobs, w};
    for_each(&c, n, form_one);
    for (uint32_t i = 0; i < batch; i++) {
        uint32_t k = i < n ? i : n - 1; /* padding: the last one again */
        if (i >= n) memcpy(w->inputs + i * size, w->inputs + k * size, size * sizeof *w->inputs);
        w->timesteps[i] = jobs[k]->timestep;
        w->conditions[i] = jobs[k]->condition->condition;
    }
    tt_status s = w->maps ? h->target_plugin->attend(h->target, batch, w->inputs, w->timesteps, w->conditions,
                                                     w->eps, w->maps, err)
                          : h->target_plugin->predict(h->target, batch, w->inputs, w->timesteps,
                                                      w->conditions, w->eps, err);
    if (!s) for_each(&c, n, judge_one);
    for (uint32_t i = 0; i < n && !s; i++) {
        request *r = jobs[i];
        if (!r->evaluation->prediction) s = keep_prediction(h, r, w->eps + i * size, size, err);
        if (!s && w->maps && !r->evaluation->maps) s = keep_maps(h, r, w->maps + i * maps_size(h), err);
        r->evaluation->computed = !s;
    }
    return s;
}

/* Does so large a batch fit? Its results are thrown away. */
static bool fits(tt_modelhost *h, const request *r, uint32_t batch, scratch *w)
{
    tt_error ignored = {0};
    size_t size = tt_modelhost_latent_size(h);
    for (uint32_t i = 0; i < batch; i++) {
        form_input(h, r, w->inputs + i * size, w->noise + i * size, size);
        w->timesteps[i] = r->timestep;
        w->conditions[i] = r->condition->condition;
    }
    return !(w->maps ? h->target_plugin->attend(h->target, batch, w->inputs, w->timesteps, w->conditions,
                                                w->eps, w->maps, &ignored)
                     : h->target_plugin->predict(h->target, batch, w->inputs, w->timesteps, w->conditions,
                                                 w->eps, &ignored));
}

static tt_status refuse_batch(const tt_modelhost *h, tt_error *err)
{
    return tt_fail(err, TT_ERR_UNSUPPORTED,
                   "the device has too little memory for %u predictions at once; %u fit: set the model's "
                   "batch to %u",
                   h->info.batch, h->fitting_batch, h->fitting_batch);
}

/* The device has no memory for `batch` predictions at once. Where bits do not depend on it, the host goes on
 * with fewer; elsewhere the step fails, for its key says the batch. */
static tt_status take_fewer(tt_modelhost *h, const request *r, uint32_t *batch, scratch *w, tt_error *err)
{
    uint32_t fewer = *batch / 2;
    while (fewer && !fits(h, r, fewer, w))
        fewer /= 2;
    if (!fewer) {
        tt_fail_in(err, "not even one prediction at a time fits into the device's memory");
        return TT_ERR_UNSUPPORTED;
    }
    if (h->of_batch) {
        h->fitting_batch = fewer;
        return refuse_batch(h, err);
    }
    tt_log(TT_LOG_WARNING, "the device has too little memory for %u predictions at once: going on with %u",
           *batch, fewer);
    h->info.batch = *batch = fewer;
    return TT_OK;
}

static tt_status compute(tt_modelhost *h, request *const *jobs, uint32_t n, bool attend, tt_error *err)
{
    if (n == 0) return TT_OK;
    if (h->fitting_batch) return refuse_batch(h, err); /* another attack has found out */
    if (attend && !h->target_plugin->attend)
        return tt_fail(err, TT_ERR_UNSUPPORTED, "this target does not give out its attention maps");
    uint32_t batch = h->info.batch > 0 ? h->info.batch : 1;
    size_t size = tt_modelhost_latent_size(h) * batch;
    scratch w = {
        tt_alloc_array(size, sizeof(float)),
        tt_alloc_array(size, sizeof(float)),
        tt_alloc_array(size, sizeof(float)),
        attend ? tt_alloc_array(maps_size(h) * batch, sizeof(float)) : NULL,
        tt_alloc_array(batch, sizeof(int32_t)),
        tt_alloc_array(batch, sizeof(void *)),
    };
    tt_status s = w.inputs && w.noise && w.eps && w.timesteps && w.conditions && (w.maps || !attend)
                      ? TT_OK
                      : tt_fail(err, TT_ERR_MEMORY, "out of memory for %u predictions", batch);
    for (uint32_t at = 0; at < n && !s;) {
        uint32_t m = n - at < batch ? n - at : batch;
        s = compute_chunk(h, jobs + at, m, batch, &w, err);
        if (!s)
            at += m;
        else if (s == TT_ERR_MEMORY)
            s = take_fewer(h, jobs[at], &batch, &w, err);
    }
    tt_free(w.inputs);
    tt_free(w.noise);
    tt_free(w.eps);
    tt_free(w.maps);
    tt_free(w.timesteps);
    tt_free(w.conditions);
    return s;
}

static tt_status put_results(tt_modelhost_connection *c, const request *requests, uint32_t n, bool attend,
                             tt_buf *out, tt_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        tt_handle handle = 0;
        if (requests[i].want & TT_WANT_PREDICTION) {
            tt_status s = tt_handle_give(c, requests[i].evaluation->prediction, &handle, err);
            if (s) return s;
        }
        tt_put_f64(out, requests[i].want & TT_WANT_LOSS ? requests[i].evaluation->loss : (double)NAN);
        tt_put_u64(out, handle);
        if (!attend) continue;
        tt_status s = tt_handle_give(c, requests[i].evaluation->maps, &handle, err);
        if (s) return s;
        tt_put_u64(out, handle);
    }
    return TT_OK;
}

tt_status tt_modelhost_predict(tt_modelhost *h, tt_modelhost_connection *c, bool attend, tt_reader *in,
                               tt_buf *out, tt_error *err)
{
    uint32_t n = tt_get_count(in, 48), n_jobs = 0;
    request *requests = tt_alloc_array(n, sizeof *requests);
    request **jobs = tt_alloc_array(n, sizeof(request *));
    tt_status s = requests && jobs ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %u requests", n);
    for (uint32_t i = 0; i < n && !s; i++) {
        s = read_request(h, c, in, &requests[i], err);
        if (s) break;
        tt_digest identity = identity_of(&requests[i]);
        bool is_new = false;
        requests[i].evaluation = tt_evaluation_get(h, &identity, &is_new);
        if (!requests[i].evaluation)
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for an evaluation");
        else if (!requests[i].evaluation->queued &&
                 (is_new ||
                  !requests[i].evaluation->computed || /* a failed call leaves uncomputed ones behind */
                  (attend && !requests[i].evaluation->maps))) {
            requests[i].evaluation->queued = true;
            jobs[n_jobs++] = &requests[i];
        }
    }
    if (!s) s = tt_modelhost_spend(h, c, n, n_jobs, 0, err);
    if (!s) s = compute(h, jobs, n_jobs, attend, err);
    for (uint32_t i = 0; i < n_jobs; i++)
        jobs[i]->evaluation->queued = false;
    if (!s) s = put_results(c, requests, n, attend, out, err);
    if (!s) {
        c->meters.attributed.predictions += n;
        c->meters.executed.predictions += n_jobs;
        tt_modelhost_charge(h, c, &(tt_meter){.predictions = n}, &(tt_meter){.predictions = n_jobs});
    }
    tt_free(jobs);
    tt_free(requests);
    return s;
}
