#include "experiment/planner.h"
#include "base/string_map.h"
#include "experiment/plan.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <string.h>

typedef struct plan_worker {
    struct plan_worker *next;
    tt_child child;
    bool running;
} plan_worker;

/* What was answered: a plan, or why there is none. */
typedef struct answer {
    tt_attack_plan plan;
    tt_error failure; /* code TT_OK: none */
} answer;

struct tt_planner {
    const tt_launch *launch;
    tt_arena *arena;
    tt_string_map answers; /* by plugin and parameters */
    tt_string_map workers; /* by plugin */
    plan_worker *first;
    size_t n_workers, n_questions;
};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a plan");
}

tt_planner *tt_planner_create(const tt_launch *launch)
{
    tt_planner *p = tt_alloc_zero(sizeof *p);
    if (!p) return NULL;
    p->launch = launch;
    p->arena = tt_arena_create(0);
    if (p->arena) return p;
    tt_free(p);
    return NULL;
}

void tt_planner_rest(tt_planner *p)
{
    for (plan_worker *w = p->first; w; w = w->next) {
        if (w->running) tt_child_stop(&w->child);
        w->running = false;
    }
}

void tt_planner_destroy(tt_planner *p)
{
    if (!p) return;
    tt_planner_rest(p);
    tt_string_map_free(&p->answers);
    tt_string_map_free(&p->workers);
    tt_arena_destroy(p->arena);
    tt_free(p);
}

size_t tt_planner_workers(const tt_planner *p)
{
    return p->n_workers;
}

size_t tt_planner_questions(const tt_planner *p)
{
    return p->n_questions;
}

/* ---- a plan on the wire ---- */

static const char *keep_text(tt_arena *arena, tt_reader *in)
{
    const char *text = tt_get_text(in);
    if (!text) return NULL;
    char *kept = tt_arena_strdup(arena, text);
    if (!kept) in->failed = true;
    return kept;
}

static void read_plan(tt_arena *arena, tt_reader *in, tt_attack_plan *p)
{
    *p = (tt_attack_plan){.size = sizeof *p, .n_roles = tt_get_u32(in)};
    if (p->n_roles > TT_ATTACK_MAX_ROLES) in->failed = true;
    for (uint32_t i = 0; i < p->n_roles && !in->failed; i++) {
        p->roles[i].role = keep_text(arena, in);
        p->roles[i].capabilities = tt_get_u32(in);
    }
    p->needs_captions = tt_get_u8(in);
    p->can_fit = tt_get_u8(in);
    p->n_columns = tt_get_count(in, 8);
    const char **columns = tt_arena_alloc_array(arena, p->n_columns, sizeof *columns);
    if (!columns) in->failed = true;
    for (uint32_t i = 0; i < p->n_columns && !in->failed; i++)
        columns[i] = keep_text(arena, in);
    p->columns = columns;
    p->paper_reduction = keep_text(arena, in);
    p->predictions = tt_get_u32(in);
    p->measure_identity = keep_text(arena, in);
    p->n_services = tt_get_u32(in);
    if (p->n_services > TT_ATTACK_MAX_SERVICES) in->failed = true;
    for (uint32_t i = 0; i < p->n_services && !in->failed; i++)
        p->services[i] = keep_text(arena, in);
    p->min_words = tt_get_u32(in);
}

/* Attacks may be anybody's programs: what they declare is checked here, whatever their workers checked. */
static tt_status check_declared(const tt_spec_attack *a, const tt_attack_plan *p, tt_error *err)
{
    if (p->n_columns == 0 || p->n_columns > 65536)
        return tt_fail(err, TT_ERR_INVALID, "attack %s: its plan needs 1 to 65536 features", a->name);
    for (uint32_t i = 0; i < p->n_roles; i++)
        if (!p->roles[i].role || !p->roles[i].role[0] ||
            p->roles[i].capabilities & ~(uint32_t)TT_CAP_WHITE_BOX)
            return tt_fail(err, TT_ERR_INVALID,
                           "attack %s: its plan has a role without a name or with unknown capabilities",
                           a->name);
    for (uint32_t i = 0; i < p->n_roles; i++)
        if (strcmp(p->roles[i].role, TT_ROLE_IMAGES) == 0 && p->roles[i].capabilities)
            return tt_fail(err, TT_ERR_INVALID,
                           "attack %s: the role images has no model: it can have no capabilities", a->name);
    for (uint32_t i = 0; i < p->n_columns; i++)
        if (!p->columns[i] || !p->columns[i][0])
            return tt_fail(err, TT_ERR_INVALID, "attack %s: feature %u of its plan has no name", a->name, i);
    return TT_OK;
}

/* ---- asking ---- */

/* Which code answers: a plugin's name, or a program's file and content. */
static bool put_code(const tt_spec_attack *a, tt_buf *out)
{
    const tt_program *program = a->plugin.program;
    return program ? tt_buf_printf(out, "%s %s ", program->digest, program->path)
                   : tt_buf_printf(out, "%s ", a->plugin.info->name);
}

/* The plugin's worker with this attack open in it. */
static tt_status open_attack(tt_planner *p, const tt_spec *spec, size_t attack, plan_worker **out,
                             tt_error *err)
{
    tt_buf code = {0};
    bool good = put_code(&spec->attacks[attack], &code);
    plan_worker *w = good ? tt_string_map_get(&p->workers, code.data) : NULL;
    if (good && !w) {
        w = tt_arena_alloc(p->arena, sizeof *w);
        good = w && tt_string_map_put(&p->workers, code.data, w);
        if (good) w->next = p->first;
        if (good) p->first = w;
    }
    tt_buf_free(&code);
    if (!good) return no_memory(err);
    *out = w;
    tt_status s;
    if (w->running) {
        s = tt_plan_reopen_attack(spec, attack, "planning", &w->child, err);
    } else {
        s = tt_plan_open_attack(spec, p->launch, attack, "planning", &w->child, err);
        p->n_workers++;
        w->running = s == TT_OK;
    }
    return s;
}

static tt_status ask(tt_planner *p, const tt_spec *spec, size_t attack, tt_attack_plan *plan, tt_error *err)
{
    plan_worker *w = NULL;
    tt_status s = open_attack(p, spec, attack, &w, err);
    p->n_questions++;
    tt_reply reply;
    if (!s) s = tt_child_call(&w->child, TT_MSG_WORKER_PLAN, NULL, -1, &reply, err);
    if (!s) {
        read_plan(p->arena, &reply.in, plan);
        s = tt_reply_end(&reply, err);
        if (!s) s = check_declared(&spec->attacks[attack], plan, err);
    }
    if (s && w && w->running) { /* a fresh one for the next question */
        tt_child_stop(&w->child);
        w->running = false;
    }
    return s;
}

static bool make_key(const tt_spec_attack *a, tt_buf *key)
{
    return put_code(a, key) && tt_params_canonical(a->plugin.params, 0, false, key);
}

tt_status tt_planner_ask(tt_planner *p, const tt_spec *spec, size_t attack, tt_attack_plan *plan,
                         tt_error *err)
{
    tt_buf key = {0};
    tt_status s = make_key(&spec->attacks[attack], &key) ? TT_OK : no_memory(err);
    answer *known = s ? NULL : tt_string_map_get(&p->answers, key.data);
    if (!s && !known) {
        known = tt_arena_alloc(p->arena, sizeof *known);
        tt_error why = {0};
        s = known ? ask(p, spec, attack, &known->plan, &why) : no_memory(&why);
        if (s == TT_ERR_INTERRUPTED || s == TT_ERR_MEMORY) {
            tt_fail(err, s, "%s", why.message);
        } else {
            known->failure = why;
            known->failure.code = s;
            s = tt_string_map_put(&p->answers, key.data, known) ? TT_OK : no_memory(err);
        }
    }
    tt_buf_free(&key);
    if (s) return s;
    if (known->failure.code) return tt_fail(err, known->failure.code, "%s", known->failure.message);
    *plan = known->plan;
    return TT_OK;
}
