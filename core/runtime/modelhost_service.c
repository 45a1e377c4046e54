/* A host whose model is a service: the attacker's own, counted apart. What was weighed once is kept while the
 * host lives; a text asked for again is attributed but not executed. */
#include "base/file.h"
#include "runtime/modelhost_internal.h"
#include "runtime/word_maps.h"

#include <math.h>
#include <string.h>

typedef struct weighed {
    tt_digest identity;
    size_t n;
    struct weighed *next;
    double weights[];
} weighed;

/* More networks' evaluations for one text than any method has are a mistake of the plugin. */
#define EVALUATIONS_MOST ((uint64_t)1 << 32)

/* Where the service draws maps, they are kept in `dir`. */
static tt_status keep_maps(tt_modelhost *h, const char *dir, tt_error *err)
{
    const tt_service_plugin *table = h->service_plugin;
    h->map_side = dir && table->map_side && table->weigh_maps ? table->map_side(h->service) : 0;
    if (h->map_side == 0) return TT_OK;
    if (h->map_side > TT_WORD_MAP_SIDE_GIVEN_MAX)
        return tt_fail(err, TT_ERR_INVALID, "the service claims maps of %u x %u", h->map_side, h->map_side);
    h->maps_dir = tt_strdup(dir);
    return h->maps_dir ? tt_dir_create(dir, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
}

tt_status tt_modelhost_open_service(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err)
{
    const char *name = tt_get_text(in), *params = tt_get_text(in);
    tt_device_options options;
    const char *backend_name = tt_get_device(in, &options);
    const char *maps_dir = tt_get_text(in);
    (void)out;
    if (!tt_reader_done(in) || !name || !params || !backend_name)
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request to open a service");
    if (h->target || h->service) return tt_fail(err, TT_ERR_INTERNAL, "this host has a model already");
    tt_status s = tt_registry_open((const char *const *)h->plugin_dirs, h->n_plugin_dirs, &h->registry, err);
    const tt_registered *plugin = NULL, *backend = NULL;
    if (!s) s = tt_registry_find(h->registry, TT_KIND_SERVICE, name, &plugin, err);
    if (!s) s = tt_registry_find(h->registry, TT_KIND_BACKEND, backend_name, &backend, err);
    if (!s) s = tt_params_parse_json(plugin->info, params, &h->params, err);
    if (s) return s;
    h->service_plugin = plugin->table;
    h->backend = backend->table;
    tt_target_context context = {sizeof context, h->backend, options};
    s = h->service_plugin->open(h->params, &context, &h->service, err);
    return s ? s : keep_maps(h, maps_dir, err);
}

void tt_modelhost_close_service(tt_modelhost *h)
{
    for (uint32_t b = 0; b < THING_BUCKETS; b++)
        for (weighed *w = h->weighed[b], *next; w; w = next) {
            next = w->next;
            tt_free(w);
        }
    if (h->service) h->service_plugin->close(h->service);
    tt_free(h->maps_dir);
}

/* ---- weigh ---- */

static weighed **bucket_of(tt_modelhost *h, const tt_digest *d)
{
    uint32_t v;
    memcpy(&v, d->bytes, sizeof v);
    return &h->weighed[v % THING_BUCKETS];
}

static tt_digest identity_of(const tt_text *text)
{
    tt_buf b = {0};
    tt_put_texts(&b, 1, text);
    tt_digest d = tt_sha256_of(b.data, b.size);
    tt_buf_free(&b);
    return d;
}

/* The entry of a text; a new one has NaN for weights. NULL: out of memory. */
static weighed *entry_of(tt_modelhost *h, const tt_text *text, bool *is_new)
{
    tt_digest identity = identity_of(text);
    weighed **bucket = bucket_of(h, &identity);
    for (weighed *w = *bucket; w; w = w->next)
        if (memcmp(w->identity.bytes, identity.bytes, sizeof identity.bytes) == 0) {
            *is_new = false; /* unless a failed call left it behind */
            for (size_t k = 0; k < w->n; k++)
                *is_new |= isnan(w->weights[k]) != 0;
            return w;
        }
    weighed *w = tt_alloc_zero(sizeof *w + text->n_pieces * sizeof(double));
    if (!w) return NULL;
    w->identity = identity;
    w->n = text->n_pieces;
    w->next = *bucket;
    *bucket = w;
    for (size_t k = 0; k < w->n; k++)
        w->weights[k] = (double)NAN;
    *is_new = w->n > 0;
    return w;
}

static tt_status check_weights(const weighed *w, tt_error *err)
{
    for (size_t k = 0; k < w->n; k++)
        if (!isfinite(w->weights[k]))
            return tt_fail(err, TT_ERR_INVALID,
                           "the service gave a word a weight that is not a finite number");
    return TT_OK;
}

/* Entries of all texts; those that are new, with room for their weights, in fresh and room [*n_fresh]. */
static tt_status find_entries(tt_modelhost *h, uint32_t n, const tt_text *texts, weighed **entries,
                              tt_text *fresh, double **room, uint32_t *n_fresh, tt_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        bool is_new;
        entries[i] = entry_of(h, &texts[i], &is_new);
        if (!entries[i]) return tt_fail(err, TT_ERR_MEMORY, "out of memory for words");
        for (uint32_t k = 0; k < *n_fresh && is_new; k++)
            is_new = room[k] != entries[i]->weights; /* twice in one call */
        if (!is_new) continue;
        fresh[*n_fresh] = texts[i];
        room[(*n_fresh)++] = entries[i]->weights;
    }
    return TT_OK;
}

/* Asks the plugin; maps are on disk before anybody hears of the weights, so that a row in a journal has its
 * maps. */
static tt_status weigh_fresh(tt_modelhost *h, uint32_t n, const tt_text *texts, double *const *weights,
                             tt_arena *arena, uint64_t *evaluations, tt_error *err)
{
    const tt_service_plugin *table = h->service_plugin;
    if (!h->maps_dir) return table->weigh(h->service, n, texts, weights, evaluations, err);
    size_t plane = (size_t)h->map_side * h->map_side;
    float **maps = tt_arena_alloc_array(arena, n + 1, sizeof(float *));
    tt_status s = maps ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
    for (uint32_t i = 0; i < n && !s; i++) {
        maps[i] = tt_arena_alloc_array(arena, (texts[i].n_pieces + 1) * plane, sizeof **maps);
        if (!maps[i]) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
    }
    if (!s) s = table->weigh_maps(h->service, n, texts, weights, maps, evaluations, err);
    for (uint32_t i = 0; i < n && !s; i++)
        s = tt_word_maps_write(h->maps_dir, &texts[i], weights[i], h->map_side, maps[i], err);
    return s;
}

tt_status tt_modelhost_weigh(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                             tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    uint32_t n = 0, n_fresh = 0;
    uint64_t each = 0;
    tt_text *texts = NULL;
    tt_status s =
        arena ? tt_get_texts(in, arena, &n, &texts, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (!s && !h->service_plugin->weigh)
        s = tt_fail(err, TT_ERR_UNSUPPORTED, "this service does not weigh words");
    tt_text *fresh = s ? NULL : tt_arena_alloc_array(arena, n, sizeof *fresh);
    double **room = s ? NULL : tt_arena_alloc_array(arena, n, sizeof(double *));
    weighed **entries = s ? NULL : tt_arena_alloc_array(arena, n, sizeof(weighed *));
    if (!s && (!fresh || !room || !entries)) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for words");
    if (!s) s = find_entries(h, n, texts, entries, fresh, room, &n_fresh, err);
    if (!s) s = weigh_fresh(h, n_fresh, fresh, room, arena, &each, err);
    if (!s && each > EVALUATIONS_MOST)
        s = tt_fail(err, TT_ERR_INVALID, "the service claims %llu evaluations a text",
                    (unsigned long long)each);
    for (uint32_t i = 0; i < n && !s; i++) {
        s = check_weights(entries[i], err);
        if (!s) tt_put_bytes(out, entries[i]->weights, entries[i]->n * sizeof(double));
    }
    if (!s) {
        c->meters.attributed.service_texts += n;
        c->meters.attributed.service_predictions += n * each;
        c->meters.executed.service_texts += n_fresh;
        c->meters.executed.service_predictions += n_fresh * each;
    }
    tt_arena_destroy(arena);
    return s;
}

/* ---- the attack's end ---- */

typedef struct client {
    tt_service service; /* first: a tt_service * is a client * */
    tt_port *port;
    char *name;
} client;

static tt_status client_weigh(tt_service *service, uint32_t n, const tt_text *texts, double *const *weights,
                              tt_error *err)
{
    client *c = (client *)(void *)service;
    tt_buf request = {0};
    tt_reply reply;
    tt_put_texts(&request, n, texts);
    tt_status s = tt_port_call(c->port, TT_MSG_SERVICE_WEIGH, &request, -1, &reply, err);
    tt_buf_free(&request);
    if (s) return tt_fail_in(err, "service %s", c->name);
    bool fits = true;
    for (uint32_t i = 0; i < n; i++) {
        size_t bytes;
        const void *values = tt_get_bytes(&reply.in, &bytes);
        fits = fits && bytes == texts[i].n_pieces * sizeof(double);
        if (fits && bytes) memcpy(weights[i], values, bytes);
    }
    s = tt_reply_end(&reply, err);
    return !s && !fits ? tt_fail(err, TT_ERR_FORMAT, "weights of another number than words") : s;
}

tt_status tt_service_client_create(tt_port *port, const char *name, tt_service **service, tt_error *err)
{
    client *c = tt_alloc_zero(sizeof *c);
    if (c) c->name = tt_strdup(name);
    if (!c || !c->name) {
        tt_free(c);
        tt_port_close(port);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for a service handle");
    }
    c->port = port;
    c->service = (tt_service){.size = sizeof c->service, .name = c->name, .self = c, .weigh = client_weigh};
    *service = &c->service;
    return TT_OK;
}

void tt_service_client_destroy(tt_service *service)
{
    if (!service) return;
    client *c = (client *)(void *)service;
    tt_port_close(c->port);
    tt_free(c->name);
    tt_free(c);
}
