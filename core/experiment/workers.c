#include "experiment/workers.h"
#include "base/string_map.h"
#include "experiment/plan.h"

typedef struct kept_worker {
    struct kept_worker *next;
    tt_child child;
    bool running;
} kept_worker;

struct tt_workers {
    const tt_launch *launch;
    tt_arena *arena;
    tt_string_map by_code;
    kept_worker *first;
    size_t n_started;
};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for workers");
}

tt_workers *tt_workers_create(const tt_launch *launch)
{
    tt_workers *w = tt_alloc_zero(sizeof *w);
    if (!w) return NULL;
    w->launch = launch;
    w->arena = tt_arena_create(0);
    if (w->arena) return w;
    tt_free(w);
    return NULL;
}

void tt_workers_rest(tt_workers *w)
{
    for (kept_worker *k = w->first; k; k = k->next) {
        if (k->running) tt_child_stop(&k->child);
        k->running = false;
    }
}

void tt_workers_destroy(tt_workers *w)
{
    if (!w) return;
    tt_workers_rest(w);
    tt_string_map_free(&w->by_code);
    tt_arena_destroy(w->arena);
    tt_free(w);
}

size_t tt_workers_started(const tt_workers *w)
{
    return w->n_started;
}

bool tt_workers_put_code(const tt_spec_attack *a, tt_buf *out)
{
    const tt_program *program = a->plugin.program;
    return program ? tt_buf_printf(out, "%s %s ", program->digest, program->path)
                   : tt_buf_printf(out, "%s ", a->plugin.info->name);
}

/* A worker's confinement cannot be loosened, so another one asks for another worker. */
static bool put_rules(const tt_workers *w, const tt_spec *spec, size_t attack, tt_buf *out)
{
    tt_arena *arena = tt_arena_create(0);
    tt_confine_need need;
    tt_buf rules = {0};
    bool good = arena && tt_plan_confinement(spec, attack, arena, &need, NULL) == TT_OK &&
                tt_child_rules(w->launch, &need, &rules, NULL) == TT_OK;
    tt_digest digest = tt_sha256_of(rules.data, rules.size);
    char hex[65];
    tt_digest_hex(&digest, hex);
    tt_buf_free(&rules);
    tt_arena_destroy(arena);
    return good && tt_buf_printf(out, "%s", hex);
}

/* The place of this code's worker, running or not; NULL: out of memory. */
static kept_worker *place_of(tt_workers *w, const tt_spec *spec, size_t attack)
{
    tt_buf code = {0};
    bool good = tt_workers_put_code(&spec->attacks[attack], &code) && put_rules(w, spec, attack, &code);
    kept_worker *k = good ? tt_string_map_get(&w->by_code, code.data) : NULL;
    if (good && !k) {
        k = tt_arena_alloc(w->arena, sizeof *k);
        if (k && tt_string_map_put(&w->by_code, code.data, k)) {
            k->next = w->first;
            w->first = k;
        } else {
            k = NULL;
        }
    }
    tt_buf_free(&code);
    return k;
}

tt_status tt_workers_open(tt_workers *w, const tt_spec *spec, size_t attack, const char *use,
                          tt_child **worker, tt_error *err)
{
    kept_worker *k = place_of(w, spec, attack);
    if (!k) return no_memory(err);
    tt_status s;
    if (k->running) {
        if (k->child.control) tt_port_set_time_limit(k->child.control, w->launch->time_limit_s);
        s = tt_plan_reopen_attack(spec, attack, use, &k->child, err);
        if (s) tt_workers_drop(w, &k->child);
    } else {
        s = tt_plan_open_attack(spec, w->launch, attack, use, &k->child, err);
        w->n_started++;
        k->running = s == TT_OK;
    }
    *worker = &k->child;
    return s;
}

void tt_workers_drop(tt_workers *w, tt_child *worker)
{
    for (kept_worker *k = w->first; k; k = k->next)
        if (&k->child == worker && k->running) {
            tt_child_stop(worker);
            k->running = false;
        }
}
