#include "experiment/survey.h"
#include "base/file.h"
#include "experiment/measure.h"
#include "formats/json.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A step that the store holds, of this plan or another. */
typedef struct stored_step {
    struct stored_step *next;
    const char *artifact;
    tt_node *description;
    size_t n_done;
    uint64_t predictions;
    double seconds;
} stored_step;

/* A part of the key in which two descriptions differ. */
typedef struct difference {
    tt_buf *text;   /* NULL: only counted */
    size_t n, most; /* at most so many are written */
} difference;

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a plan");
}

/* ---- what is stored ---- */

static tt_status read_stored(tt_arena *arena, const char *store, const char *name, stored_step **list,
                             tt_error *err)
{
    char *dir = tt_path_join(store, name);
    if (!dir) return no_memory(err);
    tt_step_stored found = {0};
    tt_error why = {0};
    bool measured = strncmp(name, "measure-", 8) == 0;
    tt_status s = measured ? tt_step_peek(dir, &found, &why)
                           : tt_step_peek_header(dir, &found.description, &found.n_done, &why);
    stored_step *one = tt_arena_alloc(arena, sizeof *one);
    if (!one) {
        s = no_memory(err);
    } else if (!s) {
        *one = (stored_step){.next = *list,
                             .artifact = tt_arena_strdup(arena, name),
                             .n_done = found.n_done,
                             .predictions = found.meters.attributed.predictions,
                             .seconds = found.seconds};
        size_t size = strlen(found.description);
        if (tt_json_parse(arena, name, found.description, size, &one->description, &why) == TT_OK)
            *list = one;
    }
    tt_free(found.description);
    tt_free(dir);
    return s == TT_ERR_MEMORY ? s : TT_OK; /* a folder that cannot be read counts as not there */
}

static tt_status list_stored(tt_arena *arena, const char *store, stored_step **list, tt_error *err)
{
    *list = NULL;
    DIR *dir = opendir(store);
    if (!dir) return TT_OK; /* nothing was ever run here */
    tt_status s = TT_OK;
    for (struct dirent *e = readdir(dir); e && !s; e = readdir(dir))
        if (strncmp(e->d_name, "measure-", 8) == 0 || strncmp(e->d_name, "score-", 6) == 0)
            s = read_stored(arena, store, e->d_name, list, err);
    closedir(dir);
    return s;
}

/* ---- differences ---- */

static void show(tt_buf *out, const tt_node *node)
{
    if (!node) {
        tt_buf_printf(out, "(nothing)");
        return;
    }
    tt_buf text = {0};
    if (tt_node_canonical(node, &text))
        tt_buf_printf(out, text.size > 72 ? "%.69s..." : "%s", text.data);
    else
        out->failed = true;
    tt_buf_free(&text);
}

static void note(difference *d, const char *path, const tt_node *before, const tt_node *now)
{
    if (d->n++ >= d->most || !d->text) return;
    tt_buf_printf(d->text, "%s%s: ", d->n > 1 ? "\n" : "", path);
    show(d->text, before);
    tt_buf_printf(d->text, " -> ");
    show(d->text, now);
}

static bool same(const tt_node *a, const tt_node *b)
{
    tt_buf x = {0}, y = {0};
    bool equal = tt_node_canonical(a, &x) && tt_node_canonical(b, &y) && x.size == y.size &&
                 memcmp(x.data, y.data, x.size) == 0;
    tt_buf_free(&x);
    tt_buf_free(&y);
    return equal;
}

/* Models are a list in the order of roles: an entry is named by its role. */
static const char *entry_name(const tt_node *entry)
{
    const tt_node *role = tt_node_get(entry, "role");
    return role && role->text ? role->text : "entry";
}

static void compare(difference *d, const char *path, const tt_node *before, const tt_node *now)
{
    char inner[256];
    if (before && now && before->kind == TT_NODE_MAP && now->kind == TT_NODE_MAP) {
        for (const tt_node *child = now->children; child; child = child->next) {
            snprintf(inner, sizeof inner, "%s%s%s", path, path[0] ? "." : "", child->key);
            compare(d, inner, tt_node_get(before, child->key), child);
        }
        for (const tt_node *child = before->children; child; child = child->next) {
            if (tt_node_get(now, child->key)) continue;
            snprintf(inner, sizeof inner, "%s%s%s", path, path[0] ? "." : "", child->key);
            note(d, inner, child, NULL);
        }
        return;
    }
    bool lists = before && now && before->kind == TT_NODE_LIST && now->kind == TT_NODE_LIST &&
                 before->n_children == now->n_children && now->children && now->children->kind == TT_NODE_MAP;
    if (!lists) {
        if (!before || !now || !same(before, now)) note(d, path, before, now);
        return;
    }
    const tt_node *a = before->children;
    for (const tt_node *b = now->children; b; b = b->next, a = a->next) {
        snprintf(inner, sizeof inner, "%s.%s", path, entry_name(b));
        compare(d, inner, a, b);
    }
}

static bool text_equal(const tt_node *a, const tt_node *b, const char *key)
{
    const tt_node *x = tt_node_get(a, key), *y = tt_node_get(b, key);
    return x && y && same(x, y);
}

/* The stored step of the same kind and attack that differs in the fewest parts; NULL: there is none. */
static const stored_step *nearest(const stored_step *list, const tt_node *description, const char *not_this)
{
    const stored_step *best = NULL;
    size_t fewest = SIZE_MAX;
    for (const stored_step *one = list; one; one = one->next) {
        if (strcmp(one->artifact, not_this) == 0 || !text_equal(one->description, description, "kind") ||
            !text_equal(one->description, description, "attack"))
            continue;
        difference d = {0};
        compare(&d, "", one->description, description);
        /* equally near ones: the choice must not hang on the folder's order */
        if (d.n < fewest || (d.n == fewest && strcmp(one->artifact, best->artifact) < 0)) {
            best = one;
            fewest = d.n;
        }
    }
    return best;
}

/* ---- cost ---- */

static const char *first_target(const tt_node *description, const char *key)
{
    const tt_node *models = tt_node_get(description, "models");
    const tt_node *value = models && models->children ? tt_node_get(models->children, key) : NULL;
    return value && value->text ? value->text : "";
}

/* Seconds a prediction (a sample, for attacks without any) as measured on the same model, else on the same
 * kind of model, in the same environment; NaN: never. */
static double rate(const stored_step *list, const tt_node *description)
{
    for (int strict = 1; strict >= 0; strict--) {
        double seconds = 0, count = 0;
        for (const stored_step *one = list; one; one = one->next) {
            const char *key = strict ? "digest" : "target";
            if (!one->n_done || !text_equal(one->description, description, "environment") ||
                strcmp(first_target(one->description, key), first_target(description, key)) != 0 ||
                !text_equal(one->description, description, "kind"))
                continue;
            seconds += one->seconds;
            count += one->predictions ? (double)one->predictions : (double)one->n_done;
        }
        if (count > 0) return seconds / count;
    }
    return (double)NAN;
}

/* ---- steps ---- */

static tt_status explain_briefly(tt_arena *arena, const stored_step *list, tt_survey_step *step,
                                 const tt_node *description, tt_error *err)
{
    const stored_step *near = nearest(list, description, step->artifact);
    tt_buf text = {0};
    if (step->stored == TT_STORED_PART) {
        tt_buf_printf(&text, "was stopped after %zu of %zu samples", step->n_done, step->n);
    } else if (!near) {
        tt_buf_printf(&text, "never run here");
    } else {
        difference d = {&text, 0, 1};
        compare(&d, "", near->description, description);
        if (d.n > 1) tt_buf_printf(&text, " (and %zu more)", d.n - 1);
    }
    step->why = text.failed ? NULL : tt_arena_strdup(arena, text.data ? text.data : "");
    tt_buf_free(&text);
    return step->why ? TT_OK : no_memory(err);
}

static tt_status survey_one(tt_survey *v, const stored_step *list, tt_survey_step *step, uint64_t weight,
                            tt_error *err)
{
    tt_node *description;
    tt_status s = tt_json_parse(v->arena, step->artifact, step->description, strlen(step->description),
                                &description, err);
    if (s) return s;
    for (const stored_step *one = list; one; one = one->next) {
        if (strcmp(one->artifact, step->artifact) != 0) continue;
        step->n_done = one->n_done;
        if (step->model)
            step->stored = one->n_done == step->n ? TT_STORED_WHOLE : TT_STORED_PART;
        else if (one->n_done)
            step->stored = TT_STORED_WHOLE;
    }
    if (step->stored == TT_STORED_WHOLE) return TT_OK;
    if (step->model) {
        step->predictions_left = (step->n - step->n_done) * weight;
        uint64_t units = weight ? step->predictions_left : step->n - step->n_done;
        step->seconds_left = rate(list, description) * (double)units;
    }
    return explain_briefly(v->arena, list, step, description, err);
}

static tt_status add_measures(tt_survey *v, const stored_step *list, size_t *index, tt_error *err)
{
    const tt_prepared *p = v->prepared;
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->n_steps && !s; i++) {
        const tt_measure_step *m = &p->steps[i];
        index[i] = m->same_as == i ? v->n : index[m->same_as];
        if (m->same_as != i) continue;
        tt_survey_step *step = &v->steps[v->n++];
        char name[TT_STEP_NAME_MAX];
        tt_step_name(m, name);
        *step = (tt_survey_step){.name = tt_arena_printf(v->arena, "measure %s on %s",
                                                         p->spec->attacks[m->attack].name,
                                                         p->spec->models[m->model].role),
                                 .artifact = tt_arena_strdup(v->arena, name),
                                 .description = m->description,
                                 .n = m->universe->n,
                                 .model = &p->spec->models[m->model]};
        s = step->name && step->artifact ? survey_one(v, list, step, m->plan->predictions, err)
                                         : no_memory(err);
        step->money_left = (double)step->predictions_left * tt_plan_query_price(m->plan, step->model);
    }
    return s;
}

static tt_status add_scores(tt_survey *v, const stored_step *list, const size_t *index, tt_error *err)
{
    const tt_prepared *p = v->prepared;
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->plan.n_scores && !s; i++) {
        const tt_plan_score *score = &p->plan.scores[i];
        const tt_spec_attack *a = &p->spec->attacks[score->attack];
        size_t *inputs = tt_arena_alloc_array(v->arena, 2, sizeof *inputs);
        tt_survey_step *step = &v->steps[v->n++];
        *step = (tt_survey_step){
            .name = tt_arena_printf(v->arena, "score %s on %s", a->name, p->spec->models[score->model].role),
            .artifact = p->scores[i].name,
            .description = p->scores[i].description,
            .inputs = inputs};
        if (!inputs || !step->name) return no_memory(err);
        inputs[step->n_inputs++] = index[score->measure];
        if (a->calibration == TT_CALIBRATION_SHADOW && index[score->calibration] != inputs[0])
            inputs[step->n_inputs++] = index[score->calibration];
        s = survey_one(v, list, step, 0, err);
    }
    return s;
}

tt_status tt_survey_make(const tt_prepared *p, unsigned jobs, tt_survey *v, tt_error *err)
{
    *v = (tt_survey){.arena = tt_arena_create(0), .prepared = p, .jobs = jobs ? jobs : 1};
    size_t *index = NULL;
    if (v->arena) {
        v->steps = tt_arena_alloc_array(v->arena, p->n_steps + p->plan.n_scores, sizeof *v->steps);
        index = tt_arena_alloc_array(v->arena, p->n_steps, sizeof *index);
    }
    stored_step *list = NULL;
    tt_status s = v->steps && index ? list_stored(v->arena, p->store, &list, err) : no_memory(err);
    if (!s) s = add_measures(v, list, index, err);
    if (!s) s = add_scores(v, list, index, err);
    if (!s) s = tt_survey_memory(v, err);
    if (s) tt_survey_free(v);
    return s;
}

void tt_survey_free(tt_survey *v)
{
    tt_arena_destroy(v->arena);
    *v = (tt_survey){0};
}

/* ---- for people ---- */

static void put_time(tt_buf *out, double seconds)
{
    if (isnan(seconds))
        tt_buf_printf(out, "time unknown: nothing was measured here yet");
    else if (seconds < 120)
        tt_buf_printf(out, "about %.0f s", ceil(seconds));
    else if (seconds < 7200)
        tt_buf_printf(out, "about %.0f min", ceil(seconds / 60));
    else
        tt_buf_printf(out, "about %.1f h", seconds / 3600);
}

static void put_step(tt_buf *out, const tt_survey_step *step, bool again, int indent)
{
    tt_buf_printf(out, "%*s%-*s %.20s  ", indent, "", 34 - indent, step->name, step->artifact);
    if (again) {
        tt_buf_printf(out, "(above)\n");
    } else if (step->stored == TT_STORED_WHOLE) {
        tt_buf_printf(out, "stored\n");
    } else {
        tt_buf_printf(out, "to do");
        if (step->model) {
            tt_buf_printf(out, ": %zu samples, %llu predictions, ", step->n - step->n_done,
                          (unsigned long long)step->predictions_left);
            put_time(out, step->seconds_left);
        }
        tt_buf_printf(out, "; %s\n", step->why);
    }
}

bool tt_survey_text(const tt_survey *v, tt_buf *out)
{
    bool *told = tt_alloc_zero((v->n + 1) * sizeof *told);
    if (!told) return false;
    size_t stored = 0;
    uint64_t predictions = 0;
    double seconds = 0;
    for (size_t i = 0; i < v->n; i++) {
        const tt_survey_step *step = &v->steps[i];
        stored += step->stored == TT_STORED_WHOLE;
        predictions += step->predictions_left;
        if (step->model && step->stored != TT_STORED_WHOLE) seconds += step->seconds_left;
        if (step->model) continue;
        put_step(out, step, false, 0);
        for (size_t k = 0; k < step->n_inputs; k++) {
            put_step(out, &v->steps[step->inputs[k]], told[step->inputs[k]], 2);
            told[step->inputs[k]] = true;
        }
    }
    tt_free(told);
    tt_buf_printf(out, "%zu steps, %zu stored, %zu to do", v->n, stored, v->n - stored);
    if (predictions) {
        tt_buf_printf(out, ": at most %llu predictions, ", (unsigned long long)predictions);
        put_time(out, seconds);
    }
    return tt_buf_printf(out, "\n") && tt_survey_costs(v, out);
}

static tt_status explain_one(const tt_survey *v, const stored_step *list, const tt_survey_step *step,
                             tt_buf *out, tt_error *err)
{
    static const char *const states[] = {"not there", "begun", "whole"};
    tt_node *description;
    tt_status s = tt_json_parse(v->arena, step->artifact, step->description, strlen(step->description),
                                &description, err);
    if (s) return s;
    tt_buf_printf(out, "%s\n  artifact: %s, %s", step->name, step->artifact, states[step->stored]);
    if (step->model) tt_buf_printf(out, " (%zu of %zu samples)", step->n_done, step->n);
    tt_buf_printf(out, "\n");
    for (size_t k = 0; k < step->n_inputs; k++)
        tt_buf_printf(out, "  needs: %s, %s\n", v->steps[step->inputs[k]].name,
                      states[v->steps[step->inputs[k]].stored]);
    const stored_step *near = nearest(list, description, step->artifact);
    if (step->stored == TT_STORED_WHOLE) {
        tt_buf_printf(out, "  nothing is computed: the store has it\n");
    } else if (step->stored == TT_STORED_PART) {
        tt_buf_printf(out, "  the rest is computed: %s\n", step->why);
    } else if (!near) {
        tt_buf_printf(out, "  is computed: the store has no such step of this attack\n");
    } else {
        tt_buf text = {0};
        difference d = {&text, 0, 32};
        compare(&d, "", near->description, description);
        tt_buf_printf(out, "  is computed: it differs from what is stored (nearest: %s) in\n",
                      near->artifact);
        for (char *line = text.data, *end; line; line = end ? end + 1 : NULL) {
            end = strchr(line, '\n');
            tt_buf_printf(out, "    %.*s\n", end ? (int)(end - line) : (int)strlen(line), line);
        }
        if (text.failed) out->failed = true;
        tt_buf_free(&text);
    }
    return TT_OK;
}

tt_status tt_survey_explain(const tt_survey *v, const char *name, tt_buf *out, tt_error *err)
{
    stored_step *list;
    tt_status s = list_stored(v->arena, v->prepared->store, &list, err);
    size_t found = 0;
    for (size_t i = 0; i < v->n && !s; i++) {
        if (!strstr(v->steps[i].name, name)) continue;
        found++;
        s = explain_one(v, list, &v->steps[i], out, err);
    }
    if (s) return s;
    if (found) return out->failed ? no_memory(err) : TT_OK;
    tt_buf names = {0};
    for (size_t i = 0; i < v->n; i++)
        tt_buf_printf(&names, "%s'%s'", i ? ", " : "", v->steps[i].name);
    s = tt_fail(err, TT_ERR_NOT_FOUND, "no step is called '%.80s'; there are %.700s", name,
                names.data ? names.data : "none");
    tt_buf_free(&names);
    return s;
}
