#include "experiment/prepare.h"
#include "base/file.h"
#include "experiment/prepare_cache.h"
#include "experiment/quantities.h"

#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a run");
}

static void mark_used(tt_prepared *p)
{
    for (size_t i = 0; i < p->plan.n_measures; i++) {
        const tt_plan_measure *m = &p->plan.measures[i];
        const tt_attack_plan *plan = &p->plan.attacks[m->attack];
        for (uint32_t k = 0; k < plan->n_roles; k++) {
            const tt_spec_model *model = tt_plan_role(p->spec, m->model, plan->roles[k].role);
            if (model) p->used[model - p->spec->models] = true; /* not of the role images */
        }
    }
}

static tt_status digest_models(tt_prepared *p, tt_error *err)
{
    const tt_spec *spec = p->spec;
    tt_status s = TT_OK;
    for (size_t m = 0; m < spec->n_models && !s; m++) {
        if (!p->used[m]) continue;
        s = tt_cached_digest(p->cache, &spec->models[m].plugin, &p->model_digests[m], err);
        if (s) tt_fail_in(err, "models.%s", spec->models[m].role);
    }
    return s;
}

static tt_status digest_services(tt_prepared *p, tt_error *err)
{
    const tt_spec *spec = p->spec;
    tt_status s = TT_OK;
    for (size_t a = 0; a < spec->n_attacks; a++)
        for (uint32_t i = 0; i < p->plan.attacks[a].n_services && !s; i++) {
            const tt_spec_service *service = tt_spec_service_of(spec, p->plan.attacks[a].services[i]);
            s = tt_cached_digest(p->cache, &service->plugin, &p->service_digests[service - spec->services],
                                 err);
            if (s) tt_fail_in(err, "services.%s", service->name);
        }
    return s;
}

static tt_status load_samples(tt_prepared *p, tt_error *err)
{
    const tt_spec *spec = p->spec;
    bool needs_captions = false;
    for (size_t i = 0; i < spec->n_attacks; i++)
        needs_captions |= p->plan.attacks[i].needs_captions && !spec->attacks[i].control;
    /* what is measured on a model needs its samples; models in other roles see the same ones */
    bool *measured = tt_arena_alloc_array(p->arena, spec->n_models, sizeof *measured);
    p->data_artifacts = tt_arena_alloc_array(p->arena, spec->n_data, sizeof(char *));
    if (!measured || !p->data_artifacts) return no_memory(err);
    for (size_t i = 0; i < p->plan.n_measures; i++)
        measured[p->plan.measures[i].model] = true;
    tt_status s = tt_cached_samples_take(p->cache, spec, p->store, measured, needs_captions, &p->held, err);
    if (!s) p->samples = *tt_cached_samples_of(p->held);
    for (size_t d = 0; d < spec->n_data && !s; d++) {
        if (p->samples.manifests[d].n == 0) continue;
        char *dir = tt_samples_manifest_dir(spec, &spec->data[d], p->store);
        p->data_artifacts[d] = dir ? tt_arena_strdup(p->arena, strrchr(dir, '/') + 1) : NULL;
        tt_free(dir);
        if (!p->data_artifacts[d]) s = no_memory(err);
    }
    return s;
}

/* Captions that every attack on these samples can work with. */
static tt_status check_words(const tt_prepared *p, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->plan.n_measures && !s && p->spec->captions_known; i++) {
        const tt_plan_measure *m = &p->plan.measures[i];
        uint32_t least = p->plan.attacks[m->attack].min_words;
        if (least && !p->spec->attacks[m->attack].control)
            s = tt_samples_check_words(&p->samples.universes[m->model], &p->spec->attacks[m->attack], least,
                                       err);
    }
    return s;
}

static tt_status identify_steps(tt_prepared *p, tt_error *err)
{
    tt_step_context context = {p->spec, p->model_digests, p->environment, p->store, p->service_digests};
    p->steps = tt_arena_alloc_array(p->arena, p->plan.n_measures, sizeof *p->steps);
    if (!p->steps) return no_memory(err);
    for (size_t i = 0; i < p->plan.n_measures; i++) {
        const tt_plan_measure *m = &p->plan.measures[i];
        tt_measure_step *step = &p->steps[i];
        *step = (tt_measure_step){.spec = p->spec,
                                  .attack = m->attack,
                                  .model = m->model,
                                  .plan = &p->plan.attacks[m->attack],
                                  .universe = &p->samples.universes[m->model],
                                  .batch = p->spec->batch,
                                  .same_as = i};
        p->n_steps = i + 1;
        tt_status s = tt_step_identify(&context, step, err);
        for (size_t k = 0; k < i && !s && step->same_as == i; k++)
            if (strcmp(p->steps[k].key, step->key) == 0) step->same_as = k;
        if (s) return s;
    }
    return TT_OK;
}

/* A control that nobody asked for is left out where it cannot be. */
static void check_controls(tt_prepared *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        tt_measure_step *step = &p->steps[i];
        const tt_spec_attack *a = &p->spec->attacks[step->attack];
        if (!a->control || a->fixed_caption || !step->plan->needs_captions) continue;
        for (size_t k = 0; k < step->universe->n && !step->failure.code; k++)
            if (!step->universe->refs[k].item->caption)
                tt_fail(&step->failure, TT_ERR_UNSUPPORTED, "not every image has a caption");
    }
}

/* One step that alone needs more than the whole budget; what several share is known when it is computed. */
static tt_status check_budgets(const tt_prepared *p, tt_error *err)
{
    int64_t budget = p->spec->budgets.predictions;
    for (size_t i = 0; i < p->n_steps && budget; i++) {
        const tt_measure_step *step = &p->steps[i];
        uint64_t asked = (uint64_t)step->universe->n * step->plan->predictions;
        if (strcmp(p->spec->models[step->model].role, "target") != 0 || asked <= (uint64_t)budget) continue;
        return tt_fail(
            err, TT_ERR_REFUSED,
            "attacks.%s asks the target %llu predictions for %zu samples, and budgets.predictions is "
            "%lld: raise it, or judge fewer samples",
            p->spec->attacks[step->attack].name, (unsigned long long)asked, step->universe->n,
            (long long)budget);
    }
    return TT_OK;
}

/* What measuring needs at least: of each model its dearest step. Equal evaluations of others are free. */
static tt_status check_money(const tt_prepared *p, tt_error *err)
{
    const tt_spec *spec = p->spec;
    double least = 0, budget = spec->budgets.money;
    for (size_t m = 0; m < spec->n_models && budget > 0; m++) {
        double dearest = 0;
        for (size_t i = 0; i < p->n_steps; i++) {
            const tt_measure_step *step = &p->steps[i];
            double money = (double)step->universe->n * step->plan->predictions *
                           tt_plan_query_price(step->plan, &spec->models[m]);
            if (step->model == m && money > dearest) dearest = money;
        }
        least += dearest;
    }
    if (budget <= 0 || least <= budget * (1 + 1e-12)) return TT_OK;
    return tt_fail(
        err, TT_ERR_REFUSED,
        "the attacks ask for %.6g %s at least, and budgets.money is %.6g: raise it, or judge fewer "
        "samples",
        least, spec->currency, budget);
}

static tt_status identify_scores(tt_prepared *p, tt_error *err)
{
    tt_step_context context = {p->spec, p->model_digests, p->environment, p->store, p->service_digests};
    p->scores = tt_arena_alloc_array(p->arena, p->plan.n_scores, sizeof *p->scores);
    if (!p->scores) return no_memory(err);
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->plan.n_scores && !s; i++) {
        const tt_plan_score *score = &p->plan.scores[i];
        const tt_measure_step *rows = &p->steps[p->steps[score->measure].same_as];
        const tt_measure_step *calibration = &p->steps[p->steps[score->calibration].same_as];
        if (p->spec->attacks[score->attack].calibration == TT_CALIBRATION_NONE) calibration = NULL;
        s = tt_score_identify(&context, score->attack, &p->plan.attacks[score->attack], rows, calibration,
                              &p->scores[i], err);
    }
    return s;
}

tt_status tt_prepare_with(const tt_spec *spec, tt_prepare_cache *cache, const char *store, tt_prepared *p,
                          tt_error *err)
{
    *p = (tt_prepared){.spec = spec, .store = store, .arena = tt_arena_create(0), .cache = cache};
    tt_planner *planner = tt_prepare_cache_planner(cache);
    tt_status s = p->arena ? tt_plan_make_with(spec, planner, &p->plan, err) : no_memory(err);
    if (s) return s;
    p->used = tt_arena_alloc_array(p->arena, spec->n_models, sizeof *p->used);
    p->model_digests = tt_arena_alloc_array(p->arena, spec->n_models, sizeof(char *));
    p->service_digests = tt_arena_alloc_array(p->arena, spec->n_services, sizeof(char *));
    if (!p->used || !p->model_digests || !p->service_digests) return no_memory(err);
    mark_used(p);
    s = digest_models(p, err);
    if (!s) s = digest_services(p, err);
    if (!s) s = tt_cached_environment(cache, spec, &p->environment, err);
    if (!s) s = load_samples(p, err);
    if (!s) s = check_words(p, err);
    if (!s) s = identify_steps(p, err);
    if (!s) check_controls(p);
    if (!s) s = tt_quantities_check(p, err);
    if (!s) s = check_budgets(p, err);
    if (!s) s = check_money(p, err);
    return s ? s : identify_scores(p, err);
}

tt_status tt_prepare(const tt_spec *spec, const tt_launch *launch, tt_describer *describer, const char *store,
                     tt_prepared *p, tt_error *err)
{
    tt_prepare_cache *cache = tt_prepare_cache_create(launch, describer);
    *p = (tt_prepared){0};
    if (!cache) return no_memory(err);
    tt_status s = tt_prepare_with(spec, cache, store, p, err);
    tt_prepare_cache_rest(cache); /* no process stays that has nothing to do */
    p->own_cache = cache;
    return s;
}

void tt_prepared_free(tt_prepared *p)
{
    for (size_t i = 0; i < p->n_steps; i++)
        tt_step_free(&p->steps[i]);
    for (size_t i = 0; p->scores && i < p->plan.n_scores; i++)
        tt_free(p->scores[i].description);
    tt_cached_samples_give(p->held);
    tt_plan_free(&p->plan);
    tt_arena_destroy(p->arena);
    tt_prepare_cache_destroy(p->own_cache);
    *p = (tt_prepared){0};
}
