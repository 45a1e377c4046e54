#include "experiment/fitting.h"
#include "base/file.h"
#include "base/log.h"
#include "experiment/prepare_cache.h"
#include "formats/json.h"
#include "plugin/params.h"

#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 22)

/* A model on a device, by its parameters without the batch. */
typedef struct known {
    struct known *next;
    const char *key, *target, *environment;
    uint32_t batch;
} known;

struct tt_fitting {
    tt_arena *arena;
    char *path;
    known *first, **tail; /* in the order of their discovery */
};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for batches");
}

/* ---- what is known ---- */

static known *find(const tt_fitting *f, const char *key)
{
    known *k = f->first;
    while (k && strcmp(k->key, key) != 0)
        k = k->next;
    return k;
}

static tt_status add(tt_fitting *f, const char *key, const char *target, const char *environment,
                     uint32_t batch, tt_error *err)
{
    known *k = tt_arena_alloc(f->arena, sizeof *k);
    if (!k) return no_memory(err);
    *k = (known){.key = tt_arena_strdup(f->arena, key),
                 .target = tt_arena_strdup(f->arena, target),
                 .environment = tt_arena_strdup(f->arena, environment),
                 .batch = batch};
    if (!k->key || !k->target || !k->environment) return no_memory(err);
    *f->tail = k;
    f->tail = &k->next;
    return TT_OK;
}

static const char *text_of(const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    return node && node->kind == TT_NODE_STRING ? node->text : NULL;
}

static tt_status read_file(tt_fitting *f, tt_error *err)
{
    tt_node *root = NULL;
    tt_status s = tt_json_read(f->arena, f->path, FILE_MAX, &root, err);
    const tt_node *list = s ? NULL : tt_node_get(root, "batches");
    for (const tt_node *n = list ? list->children : NULL; n && !s; n = n->next) {
        const char *key = text_of(n, "key"), *target = text_of(n, "target"), *device = text_of(n, "device");
        const tt_node *batch = tt_node_get(n, "batch");
        bool good = key && target && device && batch && batch->kind == TT_NODE_INT &&
                    batch->value.integer >= 1 && batch->value.integer <= UINT32_MAX;
        s = good ? add(f, key, target, device, (uint32_t)batch->value.integer, err)
                 : tt_node_fail(n, err,
                                "is no batch of telltale's: remove the file to have batches found anew");
    }
    if (!s && !list)
        s = tt_fail(err, TT_ERR_FORMAT, "%s: is no list of batches: remove it to have them found anew",
                    f->path);
    return s;
}

static tt_status write_file(const tt_fitting *f, tt_error *err)
{
    tt_buf out = {0};
    tt_buf_printf(&out, "{\n  \"version\": 1,\n  \"batches\": [");
    for (const known *k = f->first; k; k = k->next) {
        tt_buf_printf(&out, "%s\n    {\"batch\": %u, \"target\": ", k == f->first ? "" : ",", k->batch);
        tt_json_quote(&out, k->target);
        tt_buf_printf(&out, ", \"device\": ");
        tt_json_quote(&out, k->environment);
        tt_buf_printf(&out, ", \"key\": ");
        tt_json_quote(&out, k->key);
        tt_buf_printf(&out, "}");
    }
    tt_buf_printf(&out, "\n  ]\n}\n");
    tt_status s = out.failed ? no_memory(err) : tt_file_write(f->path, out.data, out.size, err);
    tt_buf_free(&out);
    return s;
}

tt_status tt_fitting_open(const char *dir, tt_fitting **fitting, tt_error *err)
{
    tt_fitting *f = tt_alloc_zero(sizeof *f);
    if (!f) return no_memory(err);
    f->tail = &f->first;
    f->arena = tt_arena_create(0);
    f->path = tt_path_join(dir, "batches.json");
    tt_status s = f->arena && f->path ? TT_OK : no_memory(err);
    if (!s && tt_file_exists(f->path)) s = read_file(f, err);
    if (s)
        tt_fitting_close(f);
    else
        *fitting = f;
    return s;
}

void tt_fitting_close(tt_fitting *f)
{
    if (!f) return;
    tt_arena_destroy(f->arena);
    tt_free(f->path);
    tt_free(f);
}

/* ---- models ---- */

/* Is `batch` a parameter of this model that the spec leaves to the target? */
static bool is_open(const tt_spec_model *model)
{
    const tt_params *params = model->plugin.params;
    for (uint32_t i = 0; i < params->n; i++) {
        const tt_param_value *v = &params->values[i];
        if (strcmp(v->key, "batch") == 0 && v->type == TT_PARAM_INT && (v->flags & TT_PARAM_SPEED))
            return !v->node || v->node->value.integer == 0;
    }
    return false;
}

/* Its override begins like this. */
static int begin(const tt_spec_model *model, char text[96])
{
    return snprintf(text, 96, "models.%s.batch=", model->role);
}

static bool is_ours(const tt_fitted *fitted, const tt_spec_model *model)
{
    char beginning[96];
    int n = begin(model, beginning);
    for (size_t i = 0; i < fitted->n; i++)
        if (n > 0 && strncmp(fitted->text[i], beginning, (size_t)n) == 0) return true;
    return false;
}

/* What only changes speed or memory, the batch too, is no part. */
static bool identify(const tt_spec_model *model, const char *environment, char key[65])
{
    tt_buf text = {0};
    bool good = tt_buf_printf(&text, "%s\n%s\n", model->plugin.info->name, environment) &&
                tt_params_canonical(model->plugin.params, TT_PARAM_SPEED, false, &text);
    if (good) {
        tt_digest digest = tt_sha256_of(text.data, text.size);
        tt_digest_hex(&digest, key);
    }
    tt_buf_free(&text);
    return good;
}

/* ---- loading ---- */

/* Adds the overrides of models whose batch is open and known. */
static tt_status add_known(const tt_fitting *f, tt_prepare_cache *cache, const tt_spec *spec,
                           tt_fitted *fitted, tt_error *err)
{
    const char *environment = NULL;
    for (size_t m = 0; m < spec->n_models && f->first; m++) {
        const tt_spec_model *model = &spec->models[m];
        char key[65];
        if (!is_open(model) || is_ours(fitted, model) || fitted->n == TT_FITTED_MAX) continue;
        tt_status s = environment ? TT_OK : tt_cached_environment(cache, spec, &environment, err);
        if (s) return s;
        if (!identify(model, environment, key)) return no_memory(err);
        const known *k = find(f, key);
        char *text = fitted->text[fitted->n];
        int n = k ? begin(model, text) : 0;
        if (n <= 0 || n > 80) continue; /* a role of such a length has no room for a number */
        snprintf(text + n, 96 - (size_t)n, "%u", k->batch);
        fitted->list[fitted->n++] = text;
    }
    return TT_OK;
}

tt_status tt_fitting_load(const tt_fitting *f, tt_prepare_cache *cache, tt_fitting_loader load, void *user,
                          tt_fitted *fitted, tt_spec **spec, tt_error *err)
{
    for (;;) {
        size_t before = fitted->n;
        tt_status s = load(user, fitted->list, fitted->n, spec, err);
        if (s) return s;
        s = add_known(f, cache, *spec, fitted, err);
        if (!s && fitted->n == before) return TT_OK;
        tt_spec_free(*spec);
        *spec = NULL;
        if (s) return s;
    }
}

tt_status tt_fitting_prepare(const char *dir, tt_launch *launch, tt_prepare_cache *cache,
                             tt_fitting_loader load, void *user, tt_spec **spec, tt_prepared *p,
                             tt_error *err)
{
    tt_fitted fitted = {0};
    tt_fitting *f = NULL;
    *spec = NULL;
    *p = (tt_prepared){0};
    char *store = tt_path_join(dir, "store");
    tt_status s = store ? tt_dir_create(store, err) : no_memory(err);
    if (!s) s = tt_fitting_open(dir, &f, err);
    if (!s) s = tt_fitting_load(f, cache, load, user, &fitted, spec, err);
    if (!s) {
        launch->time_limit_s = (*spec)->time_limit_s;
        launch->memory_limit_mib = (uint64_t)(*spec)->memory_limit_mib;
        s = tt_prepare_with(*spec, cache, store, p, err);
        if (p->arena) p->store = tt_arena_strdup(p->arena, store);
        if (!s && !p->store) s = no_memory(err);
    }
    tt_fitting_close(f);
    tt_free(store);
    return s;
}

/* ---- learning ---- */

static tt_status learn_one(tt_fitting *f, const tt_prepared *p, const tt_measure_step *step, bool *learnt,
                           tt_error *err)
{
    const tt_spec_model *model = &p->spec->models[step->fitting_model];
    char key[65];
    if (!identify(model, p->environment, key)) return no_memory(err);
    known *k = find(f, key);
    if (k && k->batch <= step->fitting_batch) return TT_OK; /* another step has learnt it */
    *learnt = true;
    tt_log(TT_LOG_WARNING,
           "the device's memory is too small: starting again with models.%s.batch=%u, which keys name",
           model->role, step->fitting_batch);
    if (!k) return add(f, key, model->plugin.info->name, p->environment, step->fitting_batch, err);
    k->batch = step->fitting_batch;
    return TT_OK;
}

tt_status tt_fitting_learn(tt_fitting *f, const tt_prepared *p, const tt_fitted *fitted, bool *learnt,
                           tt_error *err)
{
    *learnt = false;
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->n_steps && !s; i++) {
        const tt_measure_step *step = &p->steps[i];
        if (!step->failure.code || !step->fitting_batch) continue;
        const tt_spec_model *model = &p->spec->models[step->fitting_model];
        if (is_open(model) || is_ours(fitted, model)) s = learn_one(f, p, step, learnt, err);
    }
    return s || !*learnt ? s : write_file(f, err);
}
