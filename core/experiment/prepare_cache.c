#include "experiment/prepare_cache.h"
#include "plugin/params.h"

#include <string.h>

/* Samples that are kept although no spec at hand uses them: about 200 MB at 100 bytes each. */
#define KEPT_SAMPLES_MAX ((size_t)1 << 20)

/* What was answered: a text, or why there is none. */
typedef struct answer {
    const char *text;
    tt_error failure; /* code TT_OK: none */
} answer;

struct tt_cached_samples {
    tt_samples samples;
    bool loaded;
    size_t users, n;
    tt_error failure;
};

struct tt_prepare_cache {
    const tt_launch *launch;
    tt_describer *describer;
    tt_planner *planner;
    tt_arena *arena;
    tt_string_map answers;   /* digests and environments */
    tt_string_map samples;   /* tt_cached_samples by what they depend on */
    tt_string_map manifests; /* that were built here */
    tt_string_map names;     /* of data sets: a spec's own do not live as long as its samples */
    size_t n_kept;
    tt_prepare_counts counts;
};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a run");
}

tt_prepare_cache *tt_prepare_cache_create(const tt_launch *launch, tt_describer *describer)
{
    tt_prepare_cache *c = tt_alloc_zero(sizeof *c);
    if (!c) return NULL;
    c->launch = launch;
    c->describer = describer;
    c->arena = tt_arena_create(0);
    c->planner = tt_planner_create(launch);
    if (c->arena && c->planner) return c;
    tt_prepare_cache_destroy(c);
    return NULL;
}

static void drop_samples(void *user, void *value)
{
    tt_prepare_cache *c = user;
    tt_cached_samples *entry = value;
    if (!entry->loaded || entry->users) return;
    tt_samples_free(&entry->samples);
    entry->loaded = false;
    c->n_kept -= entry->n;
}

void tt_prepare_cache_destroy(tt_prepare_cache *c)
{
    if (!c) return;
    tt_string_map_visit(&c->samples, drop_samples, c);
    tt_string_map_free(&c->answers);
    tt_string_map_free(&c->samples);
    tt_string_map_free(&c->manifests);
    tt_string_map_free(&c->names);
    tt_planner_destroy(c->planner);
    tt_arena_destroy(c->arena);
    tt_free(c);
}

tt_prepare_counts tt_prepare_cache_counts(const tt_prepare_cache *c)
{
    tt_prepare_counts counts = c->counts;
    counts.plan_workers = tt_workers_started(tt_planner_workers(c->planner));
    counts.plans = tt_planner_questions(c->planner);
    return counts;
}

void tt_prepare_cache_rest(tt_prepare_cache *c)
{
    tt_planner_rest(c->planner);
    tt_describer_rest(c->describer);
}

tt_planner *tt_prepare_cache_planner(tt_prepare_cache *c)
{
    return c->planner;
}

/* Interruption and want of memory are not what the question is answered with. */
static bool is_answer(tt_status s)
{
    return s != TT_ERR_INTERRUPTED && s != TT_ERR_MEMORY;
}

/* ---- models and backends ---- */

/* Keeps what was answered and gives it; `text` NULL: the failure. */
static tt_status keep(tt_prepare_cache *c, const tt_buf *key, tt_status s, const char *text,
                      const tt_error *why, answer **out)
{
    answer *a = tt_arena_alloc(c->arena, sizeof *a);
    if (!a) return TT_ERR_MEMORY;
    if (s)
        a->failure = *why;
    else
        a->text = tt_arena_strdup(c->arena, text);
    a->failure.code = s;
    *out = a;
    return (s || a->text) && tt_string_map_put(&c->answers, key->data, a) ? TT_OK : TT_ERR_MEMORY;
}

static tt_status give(const answer *a, const char **text, tt_error *err)
{
    if (a->failure.code) return tt_fail(err, a->failure.code, "%s", a->failure.message);
    *text = a->text;
    return TT_OK;
}

tt_status tt_cached_digest(tt_prepare_cache *c, const tt_spec_plugin *target, const char **hex, tt_error *err)
{
    tt_buf key = {0}, params = {0};
    bool good = tt_params_canonical(target->params, 0, false, &params) &&
                tt_buf_printf(&key, "%s %s %s", tt_plugin_kind_name(target->info->kind), target->info->name,
                              params.data);
    answer *known = good ? tt_string_map_get(&c->answers, key.data) : NULL;
    tt_status s = good ? TT_OK : no_memory(err);
    if (good && !known) {
        char text[65];
        tt_error why = {0};
        s = tt_describe_target(c->describer, target->info->kind, target->info->name, params.data, text, &why);
        c->counts.digests++;
        if (!is_answer(s))
            tt_fail(err, s, "%s", why.message);
        else
            s = keep(c, &key, s, text, &why, &known) ? no_memory(err) : TT_OK;
    }
    tt_buf_free(&key);
    tt_buf_free(&params);
    return s ? s : give(known, hex, err);
}

tt_status tt_cached_memory(tt_prepare_cache *c, const tt_spec *spec, const tt_spec_plugin *target,
                           bool *known, tt_memory_need *need, tt_error *err)
{
    tt_buf params = {0};
    bool good = tt_params_canonical(target->params, 0, false, &params);
    tt_status s = good ? tt_describe_memory(c->describer, target->info->name, params.data,
                                            spec->backend.info->name, &spec->device, known, need, err)
                       : no_memory(err);
    tt_buf_free(&params);
    return s;
}

tt_status tt_cached_device(tt_prepare_cache *c, const tt_spec *spec, tt_device_facts *facts, tt_error *err)
{
    return tt_describe_device(c->describer, spec->backend.info->name, &spec->device, facts, err);
}

tt_status tt_cached_environment(tt_prepare_cache *c, const tt_spec *spec, const char **text, tt_error *err)
{
    tt_buf key = {0};
    const char *backend = spec->backend.info->name;
    bool good = tt_buf_printf(&key, "backend %s %d %d %u", backend, spec->device.threads, spec->device.index,
                              spec->device.flags);
    answer *known = good ? tt_string_map_get(&c->answers, key.data) : NULL;
    tt_status s = good ? TT_OK : no_memory(err);
    if (good && !known) {
        const char *found = NULL;
        tt_error why = {0};
        s = tt_describe_backend(c->describer, backend, &spec->device, &found, &why);
        c->counts.environments++;
        if (!is_answer(s))
            tt_fail(err, s, "%s", why.message);
        else
            s = keep(c, &key, s, found, &why, &known) ? no_memory(err) : TT_OK;
    }
    tt_buf_free(&key);
    return s ? s : give(known, text, err);
}

/* ---- samples ---- */

static void put_set(tt_buf *key, const tt_spec *spec, const tt_spec_set *set)
{
    tt_buf_printf(key, " %zu.%zu.%s", (size_t)(set->data - spec->data), strlen(set->split), set->split);
}

/* All that tt_samples_load reads of a spec. A manifest's folder is named after all that it depends on. */
static bool make_key(const tt_spec *spec, const char *store, const bool *measured, bool needs_captions,
                     tt_buf *key)
{
    tt_buf_printf(key, "%s %llu %d %zu %zu", store, (unsigned long long)spec->seed, needs_captions,
                  spec->n_data, spec->n_models);
    for (size_t d = 0; d < spec->n_data; d++) {
        char *dir = tt_samples_manifest_dir(spec, &spec->data[d], "");
        tt_buf_printf(key, " %s %s %d", spec->data[d].name, dir ? dir : "", spec->data[d].apply_orientation);
        if (!dir) key->failed = true;
        tt_free(dir);
    }
    for (size_t m = 0; m < spec->n_models; m++) {
        tt_buf_printf(key, " %d", measured[m]);
        if (!measured[m]) continue;
        put_set(key, spec, &spec->models[m].members);
        put_set(key, spec, &spec->models[m].nonmembers);
    }
    return !key->failed;
}

/* The samples outlive the spec: their data sets' names must, too. */
static bool keep_names(tt_prepare_cache *c, tt_samples *samples)
{
    for (size_t m = 0; m < samples->n_models; m++)
        for (size_t i = 0; i < samples->universes[m].n; i++) {
            tt_sample_ref *r = &samples->universes[m].refs[i];
            char *name = tt_string_map_get(&c->names, r->data);
            if (!name) {
                name = tt_arena_strdup(c->arena, r->data);
                if (!name || !tt_string_map_put(&c->names, r->data, name)) return false;
            }
            r->data = name;
        }
    return true;
}

static tt_status load(tt_prepare_cache *c, const tt_spec *spec, const char *store, const bool *measured,
                      bool needs_captions, tt_cached_samples *entry, tt_error *err)
{
    tt_error why = {0};
    tt_status s = tt_samples_load(spec, c->launch, store, measured, needs_captions, &c->manifests,
                                  &entry->samples, &why);
    c->counts.samples++;
    if (!s && !keep_names(c, &entry->samples)) {
        tt_samples_free(&entry->samples);
        s = no_memory(&why);
    }
    if (s) {
        if (is_answer(s)) entry->failure = why;
        entry->failure.code = is_answer(s) ? s : TT_OK;
        return tt_fail(err, s, "%s", why.message);
    }
    entry->loaded = true;
    entry->n = 0;
    for (size_t d = 0; d < entry->samples.n_data; d++)
        entry->n += entry->samples.manifests[d].n;
    c->n_kept += entry->n;
    return TT_OK;
}

tt_status tt_cached_samples_take(tt_prepare_cache *c, const tt_spec *spec, const char *store,
                                 const bool *measured, bool needs_captions, tt_cached_samples **held,
                                 tt_error *err)
{
    tt_buf key = {0};
    tt_status s = make_key(spec, store, measured, needs_captions, &key) ? TT_OK : no_memory(err);
    tt_cached_samples *entry = s ? NULL : tt_string_map_get(&c->samples, key.data);
    if (!s && !entry) {
        entry = tt_arena_alloc(c->arena, sizeof *entry);
        if (!entry || !tt_string_map_put(&c->samples, key.data, entry)) s = no_memory(err);
    }
    tt_buf_free(&key);
    if (s) return s;
    if (entry->failure.code) return tt_fail(err, entry->failure.code, "%s", entry->failure.message);
    if (!entry->loaded) {
        if (c->n_kept > KEPT_SAMPLES_MAX) tt_string_map_visit(&c->samples, drop_samples, c);
        s = load(c, spec, store, measured, needs_captions, entry, err);
    }
    if (s) return s;
    entry->users++;
    *held = entry;
    return TT_OK;
}

const tt_samples *tt_cached_samples_of(const tt_cached_samples *held)
{
    return &held->samples;
}

void tt_cached_samples_give(tt_cached_samples *held)
{
    if (held) held->users--;
}
