/* A bundle checked: metrics from its scores, scores from its features. */
#include "experiment/bundle.h"
#include "formats/json.h"
#include "plugin/params.h"

#include <math.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a verification");
}

/* ---- agreement ---- */

typedef struct agreement {
    bool bits, near;
    double largest;
} agreement;

static void compare(agreement *a, double x, double y)
{
    uint64_t bits_x, bits_y;
    memcpy(&bits_x, &x, sizeof x);
    memcpy(&bits_y, &y, sizeof y);
    if (bits_x == bits_y || (isnan(x) && isnan(y))) return;
    a->bits = false;
    double difference = fabs(x - y);
    if (isnan(difference)) difference = INFINITY;
    if (difference > a->largest) a->largest = difference;
    if (!(difference <= 1e-9 * fmax(1, fabs(x)))) a->near = false;
}

static void compare_interval(agreement *a, tt_interval x, tt_interval y)
{
    compare(a, x.low, y.low);
    compare(a, x.high, y.high);
}

static tt_agreement word(const agreement *a)
{
    return a->bits ? TT_AGREES_TO_THE_BIT : a->near ? TT_AGREES_NEARLY : TT_DIFFERS;
}

static void compare_inference(agreement *a, const tt_inference *x, const tt_inference *y)
{
    compare_interval(a, x->auc_bootstrap, y->auc_bootstrap);
    for (size_t k = 0; k < TT_PARTIAL_AUCS; k++) {
        compare(a, x->partial[k].standardised, y->partial[k].standardised);
        compare_interval(a, x->partial[k].interval, y->partial[k].interval);
    }
    for (size_t k = 0; k < TT_PRECISIONS; k++)
        compare(a, x->precision[k].precision, y->precision[k].precision);
    compare(a, x->set.test.welch_p, y->set.test.welch_p);
    compare(a, x->set.test.mann_whitney_p, y->set.test.mann_whitney_p);
    for (size_t k = 0; k < x->n_variants && k < y->n_variants; k++)
        compare(a, x->variants[k], y->variants[k]);
}

static tt_status check_metrics(const tt_result_scores *stored, uint64_t seed, tt_verified *out, tt_error *err)
{
    tt_result_scores again = *stored;
    again.roc = NULL;
    again.has_threshold = again.has_inference = false;
    tt_status s = tt_result_evaluate(&again, seed, err);
    if (s) return s;
    agreement a = {true, true, 0};
    const tt_evaluation *x = &stored->evaluation, *y = &again.evaluation;
    compare(&a, x->auc.auc, y->auc.auc);
    compare(&a, x->auc.variance, y->auc.variance);
    compare_interval(&a, x->auc.logit, y->auc.logit);
    compare(&a, x->best.accuracy, y->best.accuracy);
    for (size_t k = 0; k < x->n_tprs && k < y->n_tprs; k++) {
        compare(&a, x->tpr[k].tpr, y->tpr[k].tpr);
        compare(&a, x->tpr[k].threshold, y->tpr[k].threshold);
        compare_interval(&a, x->tpr[k].bootstrap, y->tpr[k].bootstrap);
    }
    compare(&a, stored->has_threshold, again.has_threshold);
    if (stored->has_threshold && again.has_threshold) {
        compare(&a, stored->threshold, again.threshold);
        compare(&a, stored->asr.accuracy, again.asr.accuracy);
        compare_interval(&a, stored->asr_fitted, again.asr_fitted);
    }
    if (stored->has_inference) compare_inference(&a, &stored->inference, &again.inference);
    out->metrics = word(&a);
    out->largest_metric = a.largest;
    tt_free(again.roc);
    return TT_OK;
}

/* ---- scores from features ---- */

static const tt_result_features *features_of(const tt_results *r, const char *attack, const char *role)
{
    for (size_t i = 0; i < r->n_features; i++)
        if (strcmp(r->features[i].attack, attack) == 0 && strcmp(r->features[i].role, role) == 0)
            return &r->features[i];
    return NULL;
}

/* Rows of the features in their order: those that are judged, or (split) the others, which calibrate. */
static size_t select_rows(const tt_result_features *f, const tt_result_scores *s, bool judged, double *values)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        bool scored = false;
        for (size_t k = 0; k < s->n && !scored; k++)
            scored = s->sample[k] == f->sample[i];
        if (scored != judged) continue;
        memcpy(values + n * f->n_columns, f->values + i * f->n_columns, f->n_columns * sizeof *values);
        n++;
    }
    return n;
}

typedef struct rescoring {
    const tt_attack_plugin *plugin;
    void *attack;
    tt_params *params;            /* the attack may hold their strings */
    double *judged, *calibrating; /* rows */
    uint8_t *state;
    size_t state_size;
    double *scores;
} rescoring;

static void end_rescoring(rescoring *x)
{
    if (x->attack) x->plugin->destroy(x->attack);
    tt_params_free(x->params);
    tt_host_table()->free(x->state);
    tt_free(x->judged);
    tt_free(x->calibrating);
    tt_free(x->scores);
}

/* Fits and scores as a run does; *why where that cannot be done from what a bundle has. */
static tt_status rescore(const tt_results *r, const tt_result_scores *s, rescoring *x, const char **why,
                         tt_error *err)
{
    const tt_result_features *f = features_of(r, s->attack, s->role);
    bool split = strcmp(s->calibration, "split") == 0;
    const tt_result_features *c = strcmp(s->calibration, "shadow") == 0 ? features_of(r, s->attack, "shadow")
                                  : split                               ? f
                                                                        : NULL;
    if (!f || (strcmp(s->calibration, "none") != 0 && !c))
        return *why = "its features are not in the bundle", TT_OK;
    x->judged = tt_alloc_array(f->n + 1, (f->n_columns + 1) * sizeof *x->judged);
    x->calibrating = c ? tt_alloc_array(c->n + 1, (c->n_columns + 1) * sizeof *x->calibrating) : NULL;
    x->scores = tt_alloc_array(s->n + 1, sizeof *x->scores);
    if (!x->judged || (c && !x->calibrating) || !x->scores) return no_memory(err);
    tt_rows judged = {select_rows(f, s, true, x->judged), f->n_columns, x->judged}, rows = {0};
    if (split) rows = (tt_rows){select_rows(f, s, false, x->calibrating), f->n_columns, x->calibrating};
    if (c && !split) {
        memcpy(x->calibrating, c->values, c->n * c->n_columns * sizeof *c->values);
        rows = (tt_rows){c->n, c->n_columns, x->calibrating};
    }
    if (judged.n != s->n || rows.n != s->n_calibration) return *why = "its rows do not fit its scores", TT_OK;
    tt_status status = TT_OK;
    if (c && x->plugin->fit)
        status = x->plugin->fit(x->attack, &rows, s->calibration_member, &x->state, &x->state_size, err);
    if (!status) status = x->plugin->score(x->attack, &judged, x->state, x->state_size, x->scores, err);
    return status;
}

static tt_status open_attack(const tt_result_scores *s, tt_registry *registry, rescoring *x, const char **why,
                             tt_error *err)
{
    const tt_registered *found;
    tt_error missing = {0};
    if (tt_registry_find(registry, TT_KIND_ATTACK, s->plugin, &found, &missing) != TT_OK)
        return *why = "its plugin is not here", TT_OK;
    if (found->info->revision != s->revision) return *why = "its plugin has another revision here", TT_OK;
    for (uint32_t i = 0; i < found->info->n_params; i++)
        if (found->info->params[i].type == TT_PARAM_PATH &&
            (found->info->params[i].flags & TT_PARAM_REQUIRED))
            return *why = "its plugin needs a file that no bundle holds", TT_OK;
    tt_arena *arena = tt_arena_create(0);
    tt_node *map;
    x->plugin = found->table;
    tt_status status =
        arena ? tt_json_parse(arena, "params", s->params, strlen(s->params), &map, err) : no_memory(err);
    if (!status) {
        /* unset parameters are null there: left out, they take their defaults, which is the same */
        for (tt_node **at = &map->children; *at;)
            if ((*at)->kind == TT_NODE_NULL) {
                *at = (*at)->next;
                map->n_children--;
            } else {
                at = &(*at)->next;
            }
        status = tt_params_parse(found->info, map, s->attack, "", NULL, 0, &x->params, err);
    }
    if (!status) status = x->plugin->create(x->params, &x->attack, err);
    if (status) x->attack = NULL;
    tt_arena_destroy(arena);
    return status;
}

static void check_scores(const tt_results *r, const tt_result_scores *s, tt_registry *registry,
                         tt_arena *arena, tt_verified *out)
{
    rescoring x = {0};
    tt_error err = {0};
    const char *why = NULL;
    agreement a = {true, true, 0};
    out->scores = TT_NOT_CHECKED;
    tt_status status = open_attack(s, registry, &x, &why, &err);
    if (!status && !why) status = rescore(r, s, &x, &why, &err);
    if (status) why = err.message;
    if (!why) {
        for (size_t i = 0; i < s->n; i++)
            compare(&a, s->scores[i], x.scores[i]);
        out->scores = word(&a);
        out->largest_score = a.largest;
    }
    out->why = why ? tt_arena_strdup(arena, why) : NULL;
    end_rescoring(&x);
}

tt_status tt_bundle_verify(const tt_bundle *bundle, tt_registry *registry, tt_verification *out,
                           tt_error *err)
{
    const tt_results *r = &bundle->results;
    *out = (tt_verification){.arena = tt_arena_create(0)};
    out->scores = out->arena ? tt_arena_alloc_array(out->arena, r->n_scores + 1, sizeof *out->scores) : NULL;
    tt_status s = out->scores ? TT_OK : no_memory(err);
    for (size_t i = 0; i < r->n_scores && !s; i++) {
        const tt_result_scores *scores = &r->scores[i];
        if (scores->failure) continue;
        tt_verified *v = &out->scores[out->n++];
        *v = (tt_verified){.attack = scores->attack, .role = scores->role};
        s = check_metrics(scores, r->seed, v, err);
        if (!s) check_scores(r, scores, registry, out->arena, v);
        out->differ += v->metrics == TT_DIFFERS || v->scores == TT_DIFFERS;
    }
    if (s) tt_verification_free(out);
    return s;
}

void tt_verification_free(tt_verification *v)
{
    tt_arena_destroy(v->arena);
    *v = (tt_verification){0};
}

/* ---- for people ---- */

static void put(tt_buf *out, const char *what, tt_agreement a, double largest)
{
    if (a == TT_AGREES_TO_THE_BIT)
        tt_buf_printf(out, "%s agree to the bit", what);
    else
        tt_buf_printf(out, "%s %s, by at most %.2g", what, a == TT_AGREES_NEARLY ? "agree nearly" : "DIFFER",
                      largest);
}

bool tt_verification_text(const tt_verification *v, tt_buf *out)
{
    for (size_t i = 0; i < v->n; i++) {
        const tt_verified *x = &v->scores[i];
        tt_buf_printf(out, "%-12s %-10s ", x->attack, x->role);
        put(out, "metrics", x->metrics, x->largest_metric);
        tt_buf_printf(out, "; ");
        if (x->scores == TT_NOT_CHECKED)
            tt_buf_printf(out, "scores not fitted again: %s", x->why ? x->why : "");
        else
            put(out, "scores fitted again from features", x->scores, x->largest_score);
        tt_buf_printf(out, "\n");
    }
    return !out->failed;
}
