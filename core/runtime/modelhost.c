/* A model's host: opening, access, dispatch, and the loop of the host process. */
#include "runtime/modelhost_internal.h"

#include "base/file.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

tt_modelhost *tt_modelhost_create(const char *const *plugin_dirs, size_t n)
{
    tt_modelhost *h = tt_alloc_zero(sizeof *h);
    if (!h) return NULL;
    h->plugin_dirs = tt_alloc_array(n, sizeof(char *));
    for (size_t i = 0; h->plugin_dirs && i < n; i++) {
        h->plugin_dirs[i] = tt_strdup(plugin_dirs[i]);
        if (h->plugin_dirs[i]) h->n_plugin_dirs++;
    }
    if (!h->plugin_dirs || h->n_plugin_dirs != n) {
        tt_modelhost_destroy(h);
        return NULL;
    }
    return h;
}

void tt_modelhost_destroy(tt_modelhost *h)
{
    if (!h) return;
    if (h->target) tt_things_free(h);
    for (uint32_t i = 0; i < h->n_connections; i++) {
        if (h->connections[i]->fd >= 0) close(h->connections[i]->fd);
        tt_free(h->connections[i]->handles);
        tt_free(h->connections[i]);
    }
    tt_free(h->connections);
    if (h->target) h->target_plugin->close(h->target);
    tt_modelhost_close_service(h);
    tt_params_free(h->params);
    tt_registry_close(h->registry);
    tt_arena_destroy(h->sample_text);
    tt_free(h->samples);
    tt_free(h->backend_description);
    for (size_t i = 0; i < h->n_plugin_dirs; i++)
        tt_free(h->plugin_dirs[i]);
    tt_free(h->plugin_dirs);
    tt_free(h);
}

size_t tt_modelhost_latent_size(const tt_modelhost *h)
{
    return (size_t)h->info.latent_channels * h->info.latent_height * h->info.latent_width;
}

tt_modelhost_connection *tt_modelhost_connection_at(tt_modelhost *h, uint32_t index)
{
    return index < h->n_connections ? h->connections[index] : NULL;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const tt_host_sample *)a)->id, y = ((const tt_host_sample *)b)->id;
    return x < y ? -1 : x > y;
}

const tt_host_sample *tt_modelhost_sample(const tt_modelhost *h, uint64_t id)
{
    if (h->n_samples == 0) return NULL;
    tt_host_sample key = {.id = id};
    return bsearch(&key, h->samples, h->n_samples, sizeof key, by_id);
}

/* ---- the conductor's requests ---- */

static tt_status describe_backend(tt_modelhost *h, const tt_backend *backend,
                                  const tt_device_options *options, tt_error *err)
{
    void *self;
    tt_status s = backend->open(options, &self, err);
    if (s) return s;
    h->backend_description = tt_strdup(backend->describe(self));
    backend->close(self);
    return h->backend_description ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory");
}

static tt_status open_target(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err)
{
    const char *target = tt_get_text(in), *params = tt_get_text(in);
    tt_device_options options;
    const char *backend_name = tt_get_device(in, &options);
    h->seed = tt_get_u64(in);
    h->apply_orientation = tt_get_u8(in);
    if (!tt_reader_done(in) || !target || !params || !backend_name)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request to open a target");
    if (h->target || h->service) return tt_fail(err, TT_ERR_INTERNAL, "this host has a model already");
    tt_status s = tt_registry_open((const char *const *)h->plugin_dirs, h->n_plugin_dirs, &h->registry, err);
    if (s) return s;
    const tt_registered *plugin, *backend;
    s = tt_registry_find(h->registry, TT_KIND_TARGET, target, &plugin, err);
    if (!s) s = tt_registry_find(h->registry, TT_KIND_BACKEND, backend_name, &backend, err);
    if (!s) s = tt_params_parse_json(plugin->info, params, &h->params, err);
    if (s) return s;
    h->target_plugin = plugin->table;
    h->threads = options.threads;
    h->backend = backend->table;
    h->of_batch = h->backend->traits & TT_BACKEND_BATCH_IN_BITS;
    s = describe_backend(h, h->backend, &options, err);
    tt_target_context context = {sizeof context, h->backend, options};
    if (!s) s = h->target_plugin->open(h->params, &context, &h->target, err);
    if (s) return s;
    h->info.size = sizeof h->info;
    s = h->target_plugin->info(h->target, &h->info, err);
    if (s) return s;
    tt_put_text(out, h->backend_description);
    tt_put_u32(out, h->info.capabilities);
    tt_put_u32(out, h->info.batch);
    return TT_OK;
}

/* A host without a model: candidate images alone. */
static tt_status open_images(tt_modelhost *h, tt_reader *in, tt_error *err)
{
    bool apply_orientation = tt_get_u8(in);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to serve images");
    if (h->target || h->service) return tt_fail(err, TT_ERR_INTERNAL, "this host has a model already");
    h->apply_orientation = apply_orientation;
    h->images_only = true;
    h->info.size = sizeof h->info;
    return TT_OK;
}

static tt_status take_samples(tt_modelhost *h, tt_reader *in, tt_error *err)
{
    if (h->service) return tt_fail(err, TT_ERR_INVALID, "a service sees no samples");
    tt_things_end_batch(h);
    tt_arena_destroy(h->sample_text);
    tt_free(h->samples);
    h->samples = NULL;
    h->n_samples = 0;
    h->sample_text = tt_arena_create(0);
    uint32_t n = tt_get_count(in, 44);
    if (in->failed) return tt_fail(err, TT_ERR_FORMAT, "a malformed table of samples");
    h->samples = tt_alloc_array(n, sizeof *h->samples);
    if (!h->samples || !h->sample_text) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
    for (uint32_t i = 0; i < n; i++) {
        tt_host_sample *s = &h->samples[i];
        s->id = tt_get_u64(in);
        const char *path = tt_get_text(in);
        s->digest = tt_get_digest(in);
        if (in->failed || !path) return tt_fail(err, TT_ERR_FORMAT, "a malformed table of samples");
        s->path = tt_arena_strdup(h->sample_text, path);
        if (!s->path) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
        h->n_samples++;
    }
    qsort(h->samples, h->n_samples, sizeof *h->samples, by_id);
    return TT_OK;
}

static tt_status connect_attack(tt_modelhost *h, tt_reader *in, int *fds, uint32_t n_fds, tt_buf *out,
                                tt_error *err)
{
    uint32_t granted = tt_get_u32(in);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to connect");
    tt_modelhost_connection **grown =
        tt_realloc(h->connections, (h->n_connections + 1) * sizeof(tt_modelhost_connection *));
    if (grown) h->connections = grown;
    tt_modelhost_connection *c = grown ? tt_alloc_zero(sizeof *c) : NULL;
    if (!c) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a connection");
    c->granted = granted;
    c->fd = -1;
    c->index = h->n_connections;
    if (n_fds > 0) {
        c->fd = fds[0];
        fds[0] = -1;
    }
    h->connections[h->n_connections++] = c;
    tt_put_u32(out, c->index);
    return TT_OK;
}

/* Does it hold memory of a device's own? Then now, and at most so far. */
static tt_status tell_memory(const tt_modelhost *h, tt_buf *out)
{
    size_t now = 0, most = 0;
    bool counted = h->backend && h->backend->held;
    if (counted) h->backend->held(&now, &most);
    tt_put_u8(out, counted);
    tt_put_u64(out, now);
    tt_put_u64(out, most);
    return TT_OK;
}

static tt_status read_meter(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err)
{
    tt_modelhost_connection *c = tt_modelhost_connection_at(h, tt_get_u32(in));
    if (!tt_reader_done(in) || !c) return tt_fail(err, TT_ERR_FORMAT, "no such connection");
    tt_put_meters(out, &c->meters);
    c->meters = (tt_meters){0};
    return TT_OK;
}

tt_status tt_modelhost_control(void *host, void *connection, uint16_t type, tt_reader *in, int *fds,
                               uint32_t n_fds, tt_buf *out, tt_error *err)
{
    (void)connection;
    tt_modelhost *h = host;
    bool opens = type == TT_MSG_HOST_OPEN || type == TT_MSG_HOST_OPEN_SERVICE || type == TT_MSG_HOST_IMAGES;
    if (!opens && !h->target && !h->service && !h->images_only)
        return tt_fail(err, TT_ERR_INVALID, "no model is open yet");
    switch (type) {
    case TT_MSG_HOST_OPEN:
        return open_target(h, in, out, err);
    case TT_MSG_HOST_OPEN_SERVICE:
        return tt_modelhost_open_service(h, in, out, err);
    case TT_MSG_HOST_IMAGES:
        return open_images(h, in, err);
    case TT_MSG_HOST_SAMPLES:
        return take_samples(h, in, err);
    case TT_MSG_HOST_CONNECT:
        return connect_attack(h, in, fds, n_fds, out, err);
    case TT_MSG_HOST_BATCH:
        tt_things_end_batch(h);
        return TT_OK;
    case TT_MSG_HOST_BUDGET:
        return tt_modelhost_budget(h, in, err);
    case TT_MSG_HOST_PRICE:
        return tt_modelhost_price(h, in, err);
    case TT_MSG_HOST_METER:
        return read_meter(h, in, out, err);
    case TT_MSG_HOST_FITTING:
        tt_put_u32(out, h->fitting_batch);
        tt_put_u32(out, h->info.batch);
        return TT_OK;
    case TT_MSG_HOST_MEMORY:
        return tell_memory(h, out);
    default:
        return tt_fail(err, TT_ERR_INVALID, "message type %u means nothing to a model's host", type);
    }
}

/* ---- the attacks' requests ---- */

static tt_status put_info(const tt_modelhost *h, const tt_modelhost_connection *c, tt_buf *out)
{
    const tt_model_info *i = &h->info;
    tt_put_u32(out, i->capabilities & c->granted);
    const uint32_t numbers[] = {i->resolution,      i->latent_channels,     i->latent_height,
                                i->latent_width,    i->text_tokens,         i->text_width,
                                i->train_timesteps, (uint32_t)i->end_token, i->batch};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        tt_put_u32(out, numbers[k]);
    tt_put_bytes(out, i->alpha_bar, i->train_timesteps * sizeof(double));
    tt_put_bytes(out, i->alpha_bar_f32, i->train_timesteps * sizeof(double));
    return TT_OK;
}

static tt_status release(tt_modelhost_connection *c, tt_reader *in, tt_error *err)
{
    uint32_t n = tt_get_count(in, 8);
    for (uint32_t i = 0; i < n; i++) {
        tt_handle handle = tt_get_u64(in);
        if (handle == 0 || handle > c->n_handles)
            return tt_fail(err, TT_ERR_INVALID, "no such handle to release");
        c->handles[handle - 1] = NULL;
    }
    return tt_reader_done(in) ? TT_OK : tt_fail(err, TT_ERR_FORMAT, "a malformed request to release");
}

static const struct {
    uint16_t type;
    uint32_t capability; /* 0: everybody who has the handle */
    const char *name;
} access_rules[] = {
    {TT_MSG_MODEL_INFO, 0, "info"},
    {TT_MSG_MODEL_ENCODE, TT_CAP_ENCODE, "encode"},
    {TT_MSG_MODEL_ENCODE_CROP, TT_CAP_ENCODE, "encode"},
    {TT_MSG_MODEL_TEXT, TT_CAP_TEXT, "text"},
    {TT_MSG_MODEL_PREDICT, TT_CAP_PREDICT, "predict"},
    {TT_MSG_MODEL_DECODE, TT_CAP_DECODE, "decode"},
    {TT_MSG_MODEL_GENERATE, TT_CAP_GENERATE, "generate"},
    {TT_MSG_MODEL_VARY, TT_CAP_VARY, "vary"},
    {TT_MSG_MODEL_PUT, TT_CAP_PREDICT, "put"},
    {TT_MSG_MODEL_GET, 0, "get"},
    {TT_MSG_MODEL_RELEASE, 0, "release"},
    {TT_MSG_MODEL_IMAGE, 0, "image"},
    {TT_MSG_MODEL_PUT_CONDITION, TT_CAP_TEXT, "text"},
    {TT_MSG_MODEL_SPANS, TT_CAP_TEXT, "text"},
    {TT_MSG_MODEL_NOISE, TT_CAP_PREDICT, "predict"},
    {TT_MSG_MODEL_ATTEND, TT_CAP_PREDICT | TT_CAP_ATTENTION, "attention"},
};

static tt_status check_access(const tt_modelhost *h, const tt_modelhost_connection *c, uint16_t type,
                              tt_error *err)
{
    for (size_t i = 0; i < sizeof access_rules / sizeof *access_rules; i++) {
        if (access_rules[i].type != type) continue;
        uint32_t needed = access_rules[i].capability;
        if ((needed & c->granted) != needed)
            return tt_fail(
                err, TT_ERR_REFUSED,
                "%s was not granted; an attack must declare it in its plan and threat_model.access must "
                "allow it",
                access_rules[i].name);
        if ((needed & h->info.capabilities) != needed)
            return tt_fail(err, TT_ERR_UNSUPPORTED, "this model cannot %s", access_rules[i].name);
        return TT_OK;
    }
    return tt_fail(err, TT_ERR_REFUSED, "message type %u is not an attack's to send", type);
}

tt_status tt_modelhost_request(void *host, void *connection, uint16_t type, tt_reader *in, int *fds,
                               uint32_t n_fds, tt_buf *out, tt_error *err)
{
    (void)fds, (void)n_fds;
    tt_modelhost *h = host;
    tt_modelhost_connection *c = connection;
    if (h->service) {
        if (type == TT_MSG_SERVICE_WEIGH) return tt_modelhost_weigh(h, c, in, out, err);
        return tt_fail(err, TT_ERR_REFUSED, "message type %u means nothing to a service's host", type);
    }
    tt_status s = check_access(h, c, type, err);
    if (s) return s;
    switch (type) {
    case TT_MSG_MODEL_INFO:
        return put_info(h, c, out);
    case TT_MSG_MODEL_ENCODE:
    case TT_MSG_MODEL_ENCODE_CROP:
        return tt_modelhost_encode(h, c, type == TT_MSG_MODEL_ENCODE_CROP, in, out, err);
    case TT_MSG_MODEL_TEXT:
        return tt_modelhost_text(h, c, in, out, err);
    case TT_MSG_MODEL_PREDICT:
    case TT_MSG_MODEL_ATTEND:
        return tt_modelhost_predict(h, c, type == TT_MSG_MODEL_ATTEND, in, out, err);
    case TT_MSG_MODEL_DECODE:
        return tt_modelhost_decode(h, c, in, out, err);
    case TT_MSG_MODEL_GENERATE:
    case TT_MSG_MODEL_VARY:
        return tt_modelhost_generate(h, c, type == TT_MSG_MODEL_VARY, in, out, err);
    case TT_MSG_MODEL_PUT:
        return tt_modelhost_put(h, c, in, out, err);
    case TT_MSG_MODEL_PUT_CONDITION:
        return tt_modelhost_put_condition(h, c, in, out, err);
    case TT_MSG_MODEL_IMAGE:
        return tt_modelhost_image(h, in, out, err);
    case TT_MSG_MODEL_GET:
        return tt_modelhost_get(h, c, in, out, err);
    case TT_MSG_MODEL_SPANS:
        return tt_modelhost_spans(h, in, out, err);
    case TT_MSG_MODEL_NOISE:
        return tt_modelhost_noise(h, in, out, err);
    default:
        return release(c, in, err);
    }
}

/* ---- the host process ---- */

/* poll slot 0 is the conductor; slot k is the k-th open connection of `who`. */
static size_t fill_poll(const tt_modelhost *h, int control_fd, struct pollfd *fds,
                        tt_modelhost_connection **who)
{
    size_t n = 0;
    fds[n++] = (struct pollfd){control_fd, POLLIN, 0};
    for (uint32_t i = 0; i < h->n_connections; i++)
        if (h->connections[i]->fd >= 0) {
            who[n] = h->connections[i];
            fds[n++] = (struct pollfd){h->connections[i]->fd, POLLIN, 0};
        }
    return n;
}

tt_status tt_modelhost_serve(tt_modelhost *h, int control_fd, tt_error *err)
{
    for (;;) {
        struct pollfd fds[256];
        tt_modelhost_connection *who[256];
        if (h->n_connections >= 255) return tt_fail(err, TT_ERR_INTERNAL, "too many connections");
        size_t n = fill_poll(h, control_fd, fds, who);
        if (poll(fds, (nfds_t)n, -1) < 0) {
            if (errno == EINTR) continue;
            return tt_fail(err, TT_ERR_IO, "cannot wait: %s", strerror(errno));
        }
        tt_error failure = {0};
        if (fds[0].revents) {
            tt_status s = tt_serve_one(control_fd, tt_modelhost_control, h, NULL, &failure);
            if (s == TT_ERR_CRASHED) return TT_OK; /* the conductor closed its end: done */
            if (s) return tt_fail(err, s, "%s", failure.message);
        }
        for (size_t i = 1; i < n; i++) {
            if (!fds[i].revents) continue;
            if (tt_serve_one(who[i]->fd, tt_modelhost_request, h, who[i], &failure) != TT_OK) {
                close(who[i]->fd); /* that attack is gone, or speaks nonsense: the others go on */
                who[i]->fd = -1;
            }
        }
    }
}
