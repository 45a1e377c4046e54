#include "experiment/plan.h"
#include "base/thread.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <string.h>

static const char *const capability_names[] = {"generate",   "seed",        "vary",    "encode",
                                               "decode",     "text",        "predict", "attention",
                                               "grad_input", "grad_weights"};

void tt_capabilities_text(uint32_t capabilities, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof capability_names / sizeof *capability_names; i++)
        if (capabilities & 1u << i && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", capability_names[i]);
}

bool tt_plan_judged(const tt_spec_model *model)
{
    return strcmp(model->role, "target") == 0 || strcmp(model->role, "control") == 0;
}

bool tt_plan_uses_model(const tt_attack_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_roles; i++)
        if (strcmp(plan->roles[i].role, TT_ROLE_IMAGES) != 0) return true;
    return false;
}

const tt_spec_model *tt_plan_role(const tt_spec *spec, size_t m, const char *role)
{
    return strcmp(role, "target") == 0 ? &spec->models[m] : tt_spec_model_of(spec, role);
}

double tt_plan_query_price(const tt_attack_plan *plan, const tt_spec_model *model)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < plan->n_roles; i++)
        if (strcmp(plan->roles[i].role, "target") == 0) used = plan->roles[i].capabilities;
    double price = used & TT_CAP_PREDICT ? model->price.prediction : 0;
    bool makes = used & (TT_CAP_GENERATE | TT_CAP_VARY);
    return makes && model->price.image > price ? model->price.image : price;
}

/* ---- an attack's worker ---- */

static tt_status send_open(const tt_spec *spec, size_t attack, tt_child *worker, tt_error *err)
{
    const tt_spec_attack *a = &spec->attacks[attack];
    tt_buf params = {0}, request = {0};
    if (!tt_params_canonical(a->plugin.params, 0, false, &params)) {
        tt_buf_free(&params);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for an attack's parameters");
    }
    tt_put_text(&request, a->plugin.info->name);
    tt_put_text(&request, params.data);
    tt_put_u64(&request, spec->seed);
    tt_put_i32(&request, spec->device.threads);
    tt_buf_free(&params);
    tt_reply reply;
    tt_status s = tt_child_call(worker, TT_MSG_WORKER_OPEN, &request, -1, &reply, err);
    if (!s) tt_reply_free(&reply);
    tt_buf_free(&request);
    return s;
}

static void name_worker(const tt_spec *spec, size_t attack, const char *use, char name[64])
{
    snprintf(name, 64, "attack %.32s, %s", spec->attacks[attack].name, use);
}

/* Paths of the spec's data, models and services that no attack may see. */
static void list_paths(const tt_params *params, const char **list, size_t *n)
{
    for (uint32_t i = 0; params && i < params->n; i++)
        if (params->values[i].type == TT_PARAM_PATH && params->values[i].node)
            list[(*n)++] = params->values[i].node->text;
}

static size_t most_paths(const tt_spec *spec)
{
    size_t n = 1;
    for (size_t i = 0; i < spec->n_data; i++) {
        n += spec->data[i].plugin.params->n;
        for (size_t k = 0; k < spec->data[i].n_transforms; k++)
            n += spec->data[i].transforms[k].params->n;
    }
    for (size_t i = 0; i < spec->n_models; i++)
        n += spec->models[i].plugin.params->n;
    for (size_t i = 0; i < spec->n_services; i++)
        n += spec->services[i].plugin.params->n;
    return n;
}

tt_status tt_plan_confinement(const tt_spec *spec, size_t attack, tt_arena *arena, tt_confine_need *need,
                              tt_error *err)
{
    const tt_spec_plugin *plugin = &spec->attacks[attack].plugin;
    const char **hidden = tt_arena_alloc_array(arena, most_paths(spec), sizeof *hidden);
    const char **readable = tt_arena_alloc_array(arena, plugin->params->n + 1, sizeof *readable);
    *need = (tt_confine_need){.program = plugin->program, .readable = readable, .hidden = hidden};
    if (!hidden || !readable) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a worker's confinement");
    list_paths(plugin->params, readable, &need->n_readable);
    for (size_t i = 0; i < spec->n_data; i++) {
        list_paths(spec->data[i].plugin.params, hidden, &need->n_hidden);
        for (size_t k = 0; k < spec->data[i].n_transforms; k++)
            list_paths(spec->data[i].transforms[k].params, hidden, &need->n_hidden);
    }
    for (size_t i = 0; i < spec->n_models; i++)
        list_paths(spec->models[i].plugin.params, hidden, &need->n_hidden);
    for (size_t i = 0; i < spec->n_services; i++)
        list_paths(spec->services[i].plugin.params, hidden, &need->n_hidden);
    return TT_OK;
}

static tt_status start_confined(const tt_spec *spec, const tt_launch *launch, size_t attack, const char *name,
                                tt_child *worker, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    tt_confine_need need;
    tt_status s = arena ? tt_plan_confinement(spec, attack, arena, &need, err)
                        : tt_fail(err, TT_ERR_MEMORY, "out of memory for a worker");
    if (!s) s = tt_child_start_attack(launch, &need, name, worker, err);
    tt_arena_destroy(arena);
    return s;
}

tt_status tt_plan_open_attack(const tt_spec *spec, const tt_launch *launch, size_t attack, const char *use,
                              tt_child *worker, tt_error *err)
{
    char name[64];
    name_worker(spec, attack, use, name);
    tt_status s = start_confined(spec, launch, attack, name, worker, err);
    if (s) return s;
    s = send_open(spec, attack, worker, err);
    if (s) tt_child_stop(worker);
    return s;
}

tt_status tt_plan_reopen_attack(const tt_spec *spec, size_t attack, const char *use, tt_child *worker,
                                tt_error *err)
{
    name_worker(spec, attack, use, worker->name);
    return send_open(spec, attack, worker, err);
}

/* ---- checks ---- */

static tt_status check_access(const tt_spec *spec, const tt_spec_attack *a, const tt_attack_plan *p,
                              tt_error *err)
{
    for (uint32_t i = 0; i < p->n_roles; i++) {
        const tt_role_need *need = &p->roles[i];
        if (strcmp(need->role, TT_ROLE_IMAGES) == 0) continue;
        if (strcmp(need->role, "target") != 0) {
            if (!tt_spec_model_of(spec, need->role))
                return tt_node_fail(a->plugin.node, err,
                                    "attacks.%s needs a model with the role %s: add models.%s", a->name,
                                    need->role, need->role);
            continue; /* the attacker's own models are not the threat model's to grant */
        }
        uint32_t missing = need->capabilities & ~spec->access;
        if (!missing) continue;
        char text[160], all[160];
        tt_capabilities_text(missing, text, sizeof text);
        tt_capabilities_text(need->capabilities, all, sizeof all);
        tt_node_fail(
            a->plugin.node, err,
            "attacks.%s needs %s, which threat_model.access does not grant (it needs %s in all): grant "
            "it or remove the attack",
            a->name, text, all);
        err->code = TT_ERR_REFUSED;
        return TT_ERR_REFUSED;
    }
    if (p->needs_captions && !spec->captions_known) {
        tt_node_fail(a->plugin.node, err,
                     "attacks.%s needs the captions, and threat_model.captions is unknown: grant them "
                     "(captions: known) or remove the attack",
                     a->name);
        err->code = TT_ERR_REFUSED;
        return TT_ERR_REFUSED;
    }
    return TT_OK;
}

static tt_status check_budget(const tt_spec *spec, const tt_spec_attack *a, const tt_attack_plan *p,
                              tt_error *err)
{
    int64_t budget = spec->budgets.queries_per_sample;
    if (budget == 0 || p->predictions <= budget || !tt_plan_uses_model(p)) return TT_OK;
    tt_node_fail(a->plugin.node, err,
                 "attacks.%s asks %u queries a sample, and budgets.queries_per_sample is %lld: give it "
                 "parameters that ask fewer, raise the budget, or leave it out",
                 a->name, p->predictions, (long long)budget);
    err->code = TT_ERR_REFUSED;
    return TT_ERR_REFUSED;
}

static tt_status check_services(const tt_spec *spec, const tt_spec_attack *a, const tt_attack_plan *p,
                                tt_error *err)
{
    for (uint32_t i = 0; i < p->n_services; i++) {
        const char *name = p->services[i] ? p->services[i] : "";
        if (!tt_spec_service_of(spec, name))
            return tt_node_fail(
                a->plugin.node, err,
                "attacks.%s asks the service %s, which is the attacker's own: add services.%s", a->name, name,
                name);
    }
    return TT_OK;
}

/* Data that a step uses beside the candidates: those of a model that the attack is calibrated on. */
static tt_status check_auxiliary(const tt_spec *spec, const tt_spec_attack *a, tt_error *err)
{
    const tt_spec_model *shadow = tt_spec_model_of(spec, "shadow");
    if (a->calibration != TT_CALIBRATION_SHADOW) return TT_OK;
    const tt_spec_set *used[2] = {&shadow->members, &shadow->nonmembers};
    for (int k = 0; k < 2; k++) {
        if (tt_spec_has_auxiliary(spec, used[k])) continue;
        tt_node_fail(a->plugin.node, err,
                     "attacks.%s is calibrated on models.shadow: the step 'measure %s on shadow' uses %s.%s, "
                     "which threat_model.auxiliary does not name: add it, or say calibration: none",
                     a->name, a->name, used[k]->data->name, used[k]->split);
        err->code = TT_ERR_REFUSED;
        return TT_ERR_REFUSED;
    }
    return TT_OK;
}

static tt_status check_attack(const tt_spec *spec, size_t attack, const tt_plan *plan, tt_error *err)
{
    const tt_spec_attack *a = &spec->attacks[attack];
    const tt_spec_model *shadow = tt_spec_model_of(spec, "shadow");
    if (a->calibration == TT_CALIBRATION_SHADOW && (!shadow || !shadow->members.data))
        return tt_node_fail(a->plugin.node, err,
                            "attacks.%s is calibrated on a shadow model: add models.shadow with members and "
                            "nonmembers, or say calibration: split or none",
                            a->name);
    tt_status s = check_auxiliary(spec, a, err);
    if (!s) s = check_services(spec, a, &plan->attacks[attack], err);
    if (!s) s = check_budget(spec, a, &plan->attacks[attack], err);
    return s ? s : check_access(spec, a, &plan->attacks[attack], err);
}

/* ---- steps ---- */

static size_t add_measure(tt_plan *plan, size_t attack, size_t model)
{
    for (size_t i = 0; i < plan->n_measures; i++)
        if (plan->measures[i].attack == attack && plan->measures[i].model == model) return i;
    plan->measures[plan->n_measures] = (tt_plan_measure){attack, model};
    return plan->n_measures++;
}

static void add_steps(const tt_spec *spec, tt_plan *plan, size_t attack)
{
    const tt_spec_attack *a = &spec->attacks[attack];
    const tt_attack_plan *declared = &plan->attacks[attack];
    if (a->control == TT_CONTROL_PERMUTED && !declared->can_fit) return;
    if (a->control == TT_CONTROL_FIXED_CAPTION && !declared->needs_captions) return;
    for (size_t m = 0; m < spec->n_models; m++) {
        if (!tt_plan_judged(&spec->models[m])) continue;
        if (a->control && strcmp(spec->models[m].role, "target") != 0) continue;
        if (!tt_plan_uses_model(&plan->attacks[attack]) && strcmp(spec->models[m].role, "target") != 0)
            continue;
        tt_plan_score *score = &plan->scores[plan->n_scores++];
        *score = (tt_plan_score){.attack = attack, .model = m, .measure = add_measure(plan, attack, m)};
        score->calibration = score->measure;
        if (a->calibration == TT_CALIBRATION_SHADOW)
            score->calibration =
                add_measure(plan, attack, (size_t)(tt_spec_model_of(spec, "shadow") - spec->models));
    }
}

tt_status tt_plan_make(const tt_spec *spec, const tt_launch *launch, tt_plan *plan, tt_error *err)
{
    tt_planner *planner = tt_planner_create(launch);
    *plan = (tt_plan){0};
    tt_status s = planner ? tt_plan_make_with(spec, planner, plan, err)
                          : tt_fail(err, TT_ERR_MEMORY, "out of memory for a plan");
    if (planner) tt_planner_rest(planner);
    if (s)
        tt_planner_destroy(planner);
    else
        plan->own_planner = planner;
    return s;
}

tt_status tt_plan_make_with(const tt_spec *spec, tt_planner *planner, tt_plan *plan, tt_error *err)
{
    *plan = (tt_plan){.arena = tt_arena_create(0)};
    size_t most = spec->n_attacks * spec->n_models;
    if (plan->arena) {
        plan->attacks = tt_arena_alloc_array(plan->arena, spec->n_attacks, sizeof *plan->attacks);
        plan->measures = tt_arena_alloc_array(plan->arena, most, sizeof *plan->measures);
        plan->scores = tt_arena_alloc_array(plan->arena, most, sizeof *plan->scores);
    }
    tt_status s = TT_OK;
    if (!plan->arena || !plan->attacks || !plan->measures || !plan->scores)
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a plan");
    for (size_t i = 0; i < spec->n_attacks && !s; i++) {
        s = tt_planner_ask(planner, spec, i, &plan->attacks[i], err);
        if (!s) s = check_attack(spec, i, plan, err);
        if (!s) add_steps(spec, plan, i);
    }
    if (s) tt_plan_free(plan);
    return s;
}

void tt_plan_free(tt_plan *plan)
{
    tt_arena_destroy(plan->arena);
    tt_planner_destroy(plan->own_planner);
    *plan = (tt_plan){0};
}

/* ---- for people ---- */

bool tt_plan_text(const tt_spec *spec, const tt_plan *plan, tt_buf *out)
{
    for (size_t i = 0; i < spec->n_attacks; i++) {
        const tt_spec_attack *a = &spec->attacks[i];
        const tt_attack_plan *p = &plan->attacks[i];
        char needs[160];
        tt_capabilities_text(p->roles[0].capabilities, needs, sizeof needs);
        if (!tt_plan_uses_model(p)) snprintf(needs, sizeof needs, p->n_roles ? "the images" : "no model");
        tt_buf_printf(out, "%-16s %u quer%s a sample, %u feature%s; needs %s%s; calibration: %s\n", a->name,
                      p->predictions, p->predictions == 1 ? "y" : "ies", p->n_columns,
                      p->n_columns == 1 ? "" : "s", needs, p->needs_captions ? " and captions" : "",
                      tt_calibration_name(a->calibration));
    }
    tt_buf_printf(out, "measured:");
    for (size_t i = 0; i < plan->n_measures; i++)
        tt_buf_printf(out, "%s %s on %s", i ? "," : "", spec->attacks[plan->measures[i].attack].name,
                      spec->models[plan->measures[i].model].role);
    return tt_buf_printf(out, "\n") && !out->failed;
}
