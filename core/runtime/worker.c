#include "runtime/worker.h"
#include "base/file.h"
#include "plugin/params.h"
#include "runtime/describe.h"
#include "runtime/manifest.h"
#include "runtime/modelhost.h"
#include "runtime/protocol.h"
#include "runtime/tally.h"

#include <math.h>
#include <string.h>

struct tt_worker {
    char **plugin_dirs;
    size_t n_plugin_dirs;
    tt_registry *registry;
    const tt_attack_plugin *plugin;
    tt_params *params;
    void *attack;
    tt_attack_plan plan;
    tt_model *models[TT_ATTACK_MAX_ROLES];
    uint32_t n_models;
    tt_service *services[TT_ATTACK_MAX_SERVICES];
    uint32_t n_services;
    tt_port *next_model;
    uint64_t seed;
};

tt_worker *tt_worker_create(const char *const *plugin_dirs, size_t n)
{
    tt_worker *w = tt_alloc_zero(sizeof *w);
    if (!w) return NULL;
    w->plugin_dirs = tt_alloc_array(n, sizeof(char *));
    for (size_t i = 0; w->plugin_dirs && i < n; i++) {
        w->plugin_dirs[i] = tt_strdup(plugin_dirs[i]);
        if (w->plugin_dirs[i]) w->n_plugin_dirs++;
    }
    if (!w->plugin_dirs || w->n_plugin_dirs != n) {
        tt_worker_destroy(w);
        return NULL;
    }
    return w;
}

static void close_attack(tt_worker *w)
{
    if (w->attack) w->plugin->destroy(w->attack);
    tt_params_free(w->params);
    w->attack = NULL;
    w->params = NULL;
    w->plan = (tt_attack_plan){0};
}

void tt_worker_destroy(tt_worker *w)
{
    if (!w) return;
    for (uint32_t i = 0; i < w->n_models; i++)
        tt_model_client_destroy(w->models[i]);
    for (uint32_t i = 0; i < w->n_services; i++)
        tt_service_client_destroy(w->services[i]);
    tt_port_close(w->next_model);
    close_attack(w);
    tt_registry_close(w->registry);
    for (size_t i = 0; i < w->n_plugin_dirs; i++)
        tt_free(w->plugin_dirs[i]);
    tt_free(w->plugin_dirs);
    tt_free(w);
}

void tt_worker_next_model(tt_worker *w, tt_port *port)
{
    tt_port_close(w->next_model);
    w->next_model = port;
}

static tt_status open_registry(tt_worker *w, tt_error *err)
{
    if (w->registry) return TT_OK;
    return tt_registry_open((const char *const *)w->plugin_dirs, w->n_plugin_dirs, &w->registry, err);
}

static tt_status open_attack(tt_worker *w, tt_reader *in, tt_error *err)
{
    const char *name = tt_get_text(in), *params = tt_get_text(in);
    w->seed = tt_get_u64(in);
    int threads = tt_get_i32(in);
    if (!tt_reader_done(in) || !name || !params || w->n_models)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request to open an attack");
    close_attack(w);
    tt_status s = open_registry(w, err);
    const tt_registered *found;
    if (!s) s = tt_registry_find(w->registry, TT_KIND_ATTACK, name, &found, err);
    if (!s) s = tt_params_parse_json(found->info, params, &w->params, err);
    if (s) return s;
    tt_host_set_threads(threads);
    w->plugin = found->table;
    s = w->plugin->create(w->params, &w->attack, err);
    if (s) return tt_fail_in(err, "attack %s", name);
    w->plan.size = sizeof w->plan;
    s = w->plugin->plan(w->attack, &w->plan, err);
    if (s) return tt_fail_in(err, "attack %s", name);
    if (w->plan.n_roles > TT_ATTACK_MAX_ROLES || w->plan.n_columns == 0 || w->plan.n_columns > 65536 ||
        !w->plan.columns || w->plan.n_services > TT_ATTACK_MAX_SERVICES)
        return tt_fail(
            err, TT_ERR_INVALID,
            "attack %s: its plan needs at most %d roles, at least one column and at most %d services", name,
            TT_ATTACK_MAX_ROLES, TT_ATTACK_MAX_SERVICES);
    return TT_OK;
}

static tt_status send_plan(const tt_worker *w, tt_buf *out)
{
    const tt_attack_plan *p = &w->plan;
    tt_put_u32(out, p->n_roles);
    for (uint32_t i = 0; i < p->n_roles; i++) {
        tt_put_text(out, p->roles[i].role);
        tt_put_u32(out, p->roles[i].capabilities);
    }
    tt_put_u8(out, p->needs_captions);
    tt_put_u8(out, p->can_fit);
    tt_put_u32(out, p->n_columns);
    for (uint32_t i = 0; i < p->n_columns; i++)
        tt_put_text(out, p->columns[i]);
    tt_put_text(out, p->paper_reduction);
    tt_put_u32(out, p->predictions);
    tt_put_text(out, p->measure_identity);
    tt_put_u32(out, p->n_services);
    for (uint32_t i = 0; i < p->n_services; i++)
        tt_put_text(out, p->services[i]);
    tt_put_u32(out, p->min_words);
    return TT_OK;
}

/* The channel that came along, or the port that was left for it (in process). */
static tt_port *take_port(tt_worker *w, int *fds, uint32_t n_fds, const char *peer)
{
    tt_port *port = w->next_model;
    w->next_model = NULL;
    if (!port && n_fds > 0) {
        port = tt_port_over_channel(fds[0], peer);
        if (port) fds[0] = -1;
    }
    return port;
}

static tt_status take_model(tt_worker *w, tt_reader *in, int *fds, uint32_t n_fds, tt_error *err)
{
    const char *role = tt_get_text(in);
    if (!tt_reader_done(in) || !role || w->n_models == TT_ATTACK_MAX_ROLES)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed model handle");
    tt_port *port = take_port(w, fds, n_fds, "model host");
    if (!port) return tt_fail(err, TT_ERR_MEMORY, "no channel to the model");
    tt_status s = tt_model_client_create(port, role, &w->models[w->n_models], err);
    if (!s) w->n_models++;
    return s;
}

static tt_status take_service(tt_worker *w, tt_reader *in, int *fds, uint32_t n_fds, tt_error *err)
{
    const char *name = tt_get_text(in);
    if (!tt_reader_done(in) || !name || w->n_services == TT_ATTACK_MAX_SERVICES)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed service handle");
    tt_port *port = take_port(w, fds, n_fds, "service host");
    if (!port) return tt_fail(err, TT_ERR_MEMORY, "no channel to the service");
    tt_status s = tt_service_client_create(port, name, &w->services[w->n_services], err);
    if (!s) w->n_services++;
    return s;
}

static tt_status measure(tt_worker *w, tt_reader *in, tt_buf *out, tt_error *err)
{
    uint32_t n = tt_get_count(in, 16);
    if (!w->attack || w->n_models != w->plan.n_roles || w->n_services != w->plan.n_services)
        return tt_fail(err, TT_ERR_INVALID, "measure before the attack has its models and services");
    tt_sample *samples = tt_alloc_array(n, sizeof *samples);
    size_t values;
    double *rows = NULL;
    tt_status s = TT_OK;
    if (tt_size_mul(n, w->plan.n_columns, &values)) rows = tt_alloc_array(values, sizeof *rows);
    if (!samples || !rows) {
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %u samples", n);
        goto done;
    }
    for (uint32_t i = 0; i < n; i++) {
        samples[i].id = tt_get_u64(in);
        samples[i].caption = tt_get_text(in);
    }
    for (size_t i = 0; i < values; i++)
        rows[i] = (double)NAN; /* what an attack forgets to fill is found, by the conductor */
    if (!tt_reader_done(in)) {
        s = tt_fail(err, TT_ERR_FORMAT, "a malformed request to measure");
        goto done;
    }
    tt_measure context = {sizeof context, w->models, w->seed, w->services};
    s = w->plugin->measure(w->attack, &context, n, samples, rows, err);
    if (!s) tt_put_bytes(out, rows, values * sizeof *rows);
done:
    tt_free(samples);
    tt_free(rows);
    return s;
}

/* Rows as they travel: n, then n·n_columns doubles. *values is freed by the caller. */
static tt_status get_rows(const tt_worker *w, tt_reader *in, double **values, tt_rows *rows, tt_error *err)
{
    uint32_t n = tt_get_u32(in);
    size_t bytes;
    const void *data = tt_get_bytes(in, &bytes);
    size_t expected;
    *values = NULL;
    if (in->failed || !w->attack || !tt_size_mul(n, w->plan.n_columns * sizeof(double), &expected) ||
        bytes != expected)
        return tt_fail(err, TT_ERR_FORMAT, "malformed rows");
    *values = tt_alloc(bytes);
    if (!*values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for rows");
    if (bytes) memcpy(*values, data, bytes);
    *rows = (tt_rows){n, w->plan.n_columns, *values};
    return TT_OK;
}

static tt_status fit(tt_worker *w, tt_reader *in, tt_buf *out, tt_error *err)
{
    double *values;
    tt_rows rows;
    tt_status s = get_rows(w, in, &values, &rows, err);
    if (s) return s;
    size_t n_labels;
    const uint8_t *labels = tt_get_bytes(in, &n_labels);
    uint8_t *state = NULL;
    size_t state_size = 0;
    if (!tt_reader_done(in) || n_labels != rows.n)
        s = tt_fail(err, TT_ERR_FORMAT, "malformed labels");
    else if (w->plugin->fit && w->plan.can_fit)
        s = w->plugin->fit(w->attack, &rows, labels, &state, &state_size, err);
    if (!s) {
        tt_put_u8(out, state != NULL);
        tt_put_bytes(out, state, state_size);
        char text[512] = "";
        if (state && w->plugin->explain)
            s = w->plugin->explain(w->attack, state, state_size, text, sizeof text, err);
        tt_put_text(out, text);
    }
    tt_free(state);
    tt_free(values);
    return s;
}

static tt_status score(tt_worker *w, tt_reader *in, tt_buf *out, tt_error *err)
{
    double *values, *scores = NULL;
    tt_rows rows;
    tt_status s = get_rows(w, in, &values, &rows, err);
    if (s) return s;
    uint8_t has_state = tt_get_u8(in);
    size_t state_size;
    const uint8_t *state = tt_get_bytes(in, &state_size);
    if (!tt_reader_done(in)) s = tt_fail(err, TT_ERR_FORMAT, "a malformed request to score");
    if (!s) scores = tt_alloc_array(rows.n, sizeof *scores);
    if (!s && !scores) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for scores");
    for (size_t i = 0; !s && i < rows.n; i++)
        scores[i] = (double)NAN;
    if (!s) s = w->plugin->score(w->attack, &rows, has_state ? state : NULL, state_size, scores, err);
    for (size_t i = 0; !s && i < rows.n; i++)
        if (!isfinite(scores[i]))
            s = tt_fail(err, TT_ERR_INVALID, "score of row %zu is not a finite number", i);
    if (!s) tt_put_bytes(out, scores, rows.n * sizeof *scores);
    tt_free(scores);
    tt_free(values);
    return s;
}

/* ---- data sets ---- */

#define MAX_TRANSFORMS 16

typedef struct opened_transforms {
    const tt_transform_plugin *tables[MAX_TRANSFORMS];
    void *selves[MAX_TRANSFORMS];
    tt_params *params[MAX_TRANSFORMS];
    uint32_t n;
} opened_transforms;

static void close_transforms(opened_transforms *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->selves[i]) t->tables[i]->destroy(t->selves[i]);
        tt_params_free(t->params[i]);
    }
}

static tt_status open_transforms(tt_worker *w, tt_reader *in, opened_transforms *t, tt_error *err)
{
    uint32_t n = tt_get_count(in, 16);
    if (n > MAX_TRANSFORMS) return tt_fail(err, TT_ERR_INVALID, "more than %d transforms", MAX_TRANSFORMS);
    for (uint32_t i = 0; i < n; i++) {
        const char *name = tt_get_text(in), *params = tt_get_text(in);
        if (in->failed || !name || !params)
            return tt_fail(err, TT_ERR_FORMAT, "a malformed list of transforms");
        const tt_registered *found;
        tt_status s = tt_registry_find(w->registry, TT_KIND_TRANSFORM, name, &found, err);
        if (s) return s;
        t->tables[i] = found->table;
        t->selves[i] = NULL;
        t->params[i] = NULL;
        t->n = i + 1;
        s = tt_params_parse_json(found->info, params, &t->params[i], err);
        if (!s) s = t->tables[i]->create(t->params[i], &t->selves[i], err);
        if (s) return tt_fail_in(err, "transform %s", name);
    }
    return TT_OK;
}

/* Of the data set that is being listed: a worker does one thing at a time, and the callback carries no
 * pointer. */
static tt_tally *listing;

static void count_listed(uint64_t done, uint64_t total)
{
    tt_tally_set(listing, done, total);
}

static tt_status build_data(tt_worker *w, tt_reader *in, int *fds, uint32_t n_fds, tt_error *err)
{
    const char *name = tt_get_text(in), *json = tt_get_text(in), *dir = tt_get_text(in);
    tt_manifest_options options = {.seed = tt_get_u64(in)};
    options.apply_orientation = tt_get_u8(in);
    options.disjoint_identities = tt_get_u8(in);
    options.allow_duplicates = tt_get_u8(in);
    if (in->failed || !name || !json || !dir)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request for data");
    tt_status s = open_registry(w, err);
    if (s) return s;
    const tt_registered *found;
    tt_params *params = NULL;
    const tt_data_plugin *plugin = NULL;
    void *data = NULL;
    opened_transforms transforms = {.n = 0};
    s = tt_registry_find(w->registry, TT_KIND_DATA, name, &found, err);
    if (!s) s = tt_params_parse_json(found->info, json, &params, err);
    if (!s) s = open_transforms(w, in, &transforms, err);
    if (!s && !tt_reader_done(in)) s = tt_fail(err, TT_ERR_FORMAT, "a malformed request for data");
    if (!s) {
        plugin = found->table;
        s = plugin->open(params, options.seed, &data, err);
    }
    if (!s) {
        options.transforms = transforms.tables;
        options.transform_selves = transforms.selves;
        options.n_transforms = transforms.n;
        if (n_fds == 1) {
            listing = tt_tally_take(fds[0]);
            fds[0] = -1;
        }
        s = tt_manifest_build(plugin, data, &options, dir, count_listed, err);
        tt_tally_close(listing);
        listing = NULL;
    }
    if (data) plugin->close(data);
    close_transforms(&transforms);
    tt_params_free(params);
    return s;
}

static tt_status describe(tt_worker *w, uint16_t type, tt_reader *in, tt_buf *out, tt_error *err)
{
    tt_status s = open_registry(w, err);
    return s ? s : tt_worker_describe(w->registry, type, in, out, err);
}

tt_status tt_worker_request(void *worker, void *connection, uint16_t type, tt_reader *in, int *fds,
                            uint32_t n_fds, tt_buf *out, tt_error *err)
{
    (void)connection;
    tt_worker *w = worker;
    switch (type) {
    case TT_MSG_WORKER_OPEN:
        return open_attack(w, in, err);
    case TT_MSG_WORKER_PLAN:
        return w->attack ? send_plan(w, out) : tt_fail(err, TT_ERR_INVALID, "no attack is open");
    case TT_MSG_WORKER_MODEL:
        return take_model(w, in, fds, n_fds, err);
    case TT_MSG_WORKER_SERVICE:
        return take_service(w, in, fds, n_fds, err);
    case TT_MSG_WORKER_MEASURE:
        return measure(w, in, out, err);
    case TT_MSG_WORKER_FIT:
        return fit(w, in, out, err);
    case TT_MSG_WORKER_SCORE:
        return score(w, in, out, err);
    case TT_MSG_WORKER_DATA:
        return build_data(w, in, fds, n_fds, err);
    case TT_MSG_WORKER_DESCRIBE:
    case TT_MSG_WORKER_ENVIRONMENT:
    case TT_MSG_WORKER_MEMORY:
    case TT_MSG_WORKER_DEVICE:
    case TT_MSG_WORKER_DIGEST:
        return describe(w, type, in, out, err);
    default:
        return tt_fail(err, TT_ERR_INVALID, "message type %u means nothing to a worker", type);
    }
}

tt_status tt_worker_serve(tt_worker *w, int control_fd, tt_error *err)
{
    for (;;) {
        tt_status s = tt_serve_one(control_fd, tt_worker_request, w, NULL, err);
        if (s == TT_ERR_CRASHED) return TT_OK; /* the conductor closed its end: done */
        if (s) return s;
    }
}
