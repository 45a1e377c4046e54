#include "experiment/planner.h"
#include "base/string_map.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <string.h>

/* What was answered: a plan, or why there is none. */
typedef struct answer {
    tt_attack_plan plan;
    tt_error failure; /* code TT_OK: none */
} answer;

struct tt_planner {
    tt_workers *workers;
    tt_arena *arena;
    tt_string_map answers; /* by plugin and parameters */
    size_t n_questions;
};

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a plan");
}

tt_planner *tt_planner_create(const tt_launch *launch)
{
    tt_planner *p = tt_alloc_zero(sizeof *p);
    if (!p) return NULL;
    p->arena = tt_arena_create(0);
    p->workers = tt_workers_create(launch);
    if (p->arena && p->workers) return p;
    tt_planner_destroy(p);
    return NULL;
}

void tt_planner_rest(tt_planner *p)
{
    tt_workers_rest(p->workers);
}

void tt_planner_destroy(tt_planner *p)
{
    if (!p) return;
    tt_workers_destroy(p->workers);
    tt_string_map_free(&p->answers);
    tt_arena_destroy(p->arena);
    tt_free(p);
}

tt_workers *tt_planner_workers(const tt_planner *p)
{
    return p->workers;
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

static tt_status ask(tt_planner *p, const tt_spec *spec, size_t attack, tt_attack_plan *plan, tt_error *err)
{
    tt_child *worker = NULL;
    p->n_questions++;
    tt_status s = tt_workers_open(p->workers, spec, attack, "planning", &worker, err);
    if (s) return s;
    tt_reply reply;
    s = tt_child_call(worker, TT_MSG_WORKER_PLAN, NULL, -1, &reply, err);
    if (!s) {
        read_plan(p->arena, &reply.in, plan);
        s = tt_reply_end(&reply, err);
        if (!s) s = check_declared(&spec->attacks[attack], plan, err);
    }
    if (s) tt_workers_drop(p->workers, worker);
    return s;
}

static bool make_key(const tt_spec_attack *a, tt_buf *key)
{
    return tt_workers_put_code(a, key) && tt_params_canonical(a->plugin.params, 0, false, key);
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
