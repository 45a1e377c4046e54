#include "experiment/replication.h"
#include "experiment/sweep_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double usual_fprs[TT_EVALUATE_FPRS] = {0.1, 0.01, 0.001};

const char *tt_replicated_title(const tt_replicated_list *list, size_t metric, char text[40])
{
    static const char *const titles[TT_REPLICATED_RATES] = {"AUC", "gain over blind", "ASR"};
    if (metric < TT_REPLICATED_RATES) return titles[metric];
    snprintf(text, 40, "TPR@%g%%FPR", 100 * list->fprs[metric - TT_REPLICATED_RATES]);
    return text;
}

const char *tt_replicated_name(const tt_replicated_list *list, size_t metric, char text[40])
{
    static const char *const names[TT_REPLICATED_RATES] = {"auc", "gain_over_blind", "asr"};
    if (metric < TT_REPLICATED_RATES) return names[metric];
    snprintf(text, 40, "tpr_at_fpr_%g", list->fprs[metric - TT_REPLICATED_RATES]);
    return text;
}

/* NaN: not resolvable, or there is none. */
static double metric_of(const tt_replicated_list *list, const tt_result_scores *r, size_t metric)
{
    const tt_evaluation *e = &r->evaluation;
    if (metric == 0) return e->auc.auc;
    if (metric == 1) return r->has_gain ? r->gain.difference : (double)NAN;
    if (metric == 2) return r->has_threshold ? r->asr.accuracy : (double)NAN;
    double fpr = list->fprs[metric - TT_REPLICATED_RATES];
    for (size_t k = 0; k < e->n_tprs; k++)
        if (e->tpr[k].fpr_target == fpr && e->tpr[k].resolvable) return e->tpr[k].tpr;
    return (double)NAN;
}

const char *tt_replicated_claim(tt_sweep_level level)
{
    static const char *const claims[] = {"", "this model and these samples, the attack's draws anew",
                                         "this model, other samples of the same source",
                                         "other models that are trained in the same way"};
    return claims[level];
}

tt_replication_level tt_replicated_level(const tt_replication *r, tt_sweep_level level)
{
    return level == TT_LEVEL_ATTACK ? r->attacks : level == TT_LEVEL_SPLIT ? r->splits : r->trainings;
}

/* ---- reading ---- */

typedef struct row {
    tt_replicated r;
    tt_replicate *values[TT_REPLICATED_METRICS_MAX]; /* [cells of the setting] */
    size_t n[TT_REPLICATED_METRICS_MAX];
    struct row *next;
} row;

typedef struct reading {
    const tt_sweep_index *index;
    tt_arena *arena;
    tt_replicated_list *list;
    tt_string_map rows; /* by "setting\nrole\nattack" */
    row *first, **tail;
    size_t n, per_setting;
    const tt_sweep_index_axis *trainings; /* NULL: not repeated */
    size_t training_axis;
    const char **digests; /* [n of trainings] of the target's weights; NULL: no results yet */
} reading;

static char *setting_of(const reading *x, const size_t *choice)
{
    tt_buf text = {0};
    tt_buf_printf(&text, "%s", "");
    for (size_t a = 0; a < x->index->n_axes; a++) {
        const tt_sweep_index_axis *axis = &x->index->axes[a];
        if (axis->level) continue;
        tt_buf_printf(&text, "%s%s%s%s", text.size ? "," : "", axis->variants ? "" : axis->label,
                      axis->variants ? "" : "=", axis->labels[choice[a]]);
    }
    char *setting = text.failed ? NULL : tt_arena_strdup(x->arena, text.data);
    tt_buf_free(&text);
    return setting;
}

static row *row_of(reading *x, const char *setting, const tt_result_scores *scores)
{
    char *key = tt_arena_printf(x->arena, "%s\n%s\n%s", setting, scores->role, scores->attack);
    row *r = key ? tt_string_map_get(&x->rows, key) : NULL;
    if (r || !key) return r;
    r = tt_arena_alloc(x->arena, sizeof *r);
    if (!r) return NULL;
    r->r.setting = setting;
    r->r.role = tt_arena_strdup(x->arena, scores->role);
    r->r.attack = tt_arena_strdup(x->arena, scores->attack);
    bool good = r->r.role && r->r.attack;
    for (size_t m = 0; m < TT_REPLICATED_METRICS_MAX; m++) {
        r->values[m] = tt_arena_alloc_array(x->arena, x->per_setting, sizeof *r->values[m]);
        good = good && r->values[m];
    }
    if (!good || !tt_string_map_put(&x->rows, key, r)) return NULL;
    *x->tail = r;
    x->tail = &r->next;
    x->n++;
    return r;
}

/* What the spec asks for beside the usual ones; cells may differ in that. */
static void add_fprs(tt_replicated_list *list, const double *fprs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t known = list->n_metrics - TT_REPLICATED_RATES, k = 0;
        while (k < known && list->fprs[k] != fprs[i])
            k++;
        if (k < known || known == TT_EVALUATE_FPRS_MAX) continue;
        list->fprs[known] = fprs[i];
        list->n_metrics++;
    }
}

static bool add_scores(reading *x, const char *setting, const size_t *choice, const tt_result_scores *scores)
{
    row *r = row_of(x, setting, scores);
    if (!r) return false;
    if (scores->failure) return true;
    tt_replicate one = {0};
    for (size_t a = 0; a < x->index->n_axes; a++) {
        uint32_t at = (uint32_t)choice[a];
        if (x->index->axes[a].level == TT_LEVEL_TRAINING) one.training = at;
        if (x->index->axes[a].level == TT_LEVEL_SPLIT) one.split = at;
        if (x->index->axes[a].level == TT_LEVEL_ATTACK) one.attack = at;
    }
    add_fprs(x->list, scores->fprs, scores->n_fprs);
    if (r->r.n == x->per_setting) return true; /* an index that lists a cell twice */
    r->r.n++;
    for (size_t m = 0; m < x->list->n_metrics; m++) {
        one.value = metric_of(x->list, scores, m);
        if (isfinite(one.value)) r->values[m][r->n[m]++] = one;
    }
    return true;
}

static bool note_weights(reading *x, const size_t *choice, const tt_results *results)
{
    if (!x->trainings) return true;
    const char **digest = &x->digests[choice[x->training_axis]];
    for (size_t m = 0; m < results->n_models && !*digest; m++)
        if (strcmp(results->models[m].role, "target") == 0) {
            *digest = tt_arena_strdup(x->arena, results->models[m].digest);
            if (!*digest) return false;
        }
    return true;
}

/* Two folders with the same weights would make the spread over trainings too small. */
static bool compare_weights(const reading *x, tt_replicated_list *list)
{
    for (size_t i = 1; x->trainings && i < x->trainings->n; i++)
        for (size_t k = 0; k < i; k++) {
            if (!x->digests[i] || !x->digests[k] || strcmp(x->digests[i], x->digests[k]) != 0) continue;
            list->warning = tt_arena_printf(x->arena, "trainings %s and %s have the same weights",
                                            x->trainings->labels[k], x->trainings->labels[i]);
            return list->warning != NULL;
        }
    return true;
}

static tt_status add_cell(reading *x, size_t cell, tt_error *err)
{
    const size_t *choice = x->index->cells[cell].choice;
    tt_results results = {0};
    tt_status s = tt_sweep_index_results(x->index, cell, &results, err);
    if (s == TT_ERR_NOT_FOUND) return TT_OK;
    if (s) return s;
    char *setting = setting_of(x, choice);
    bool good = setting != NULL && note_weights(x, choice, &results);
    for (size_t i = 0; i < results.n_scores && good; i++)
        good = add_scores(x, setting, choice, &results.scores[i]);
    tt_results_free(&results);
    return good ? TT_OK : tt_sweep_no_memory(err);
}

static tt_status sum_up(reading *x, tt_replicated_list *list, tt_error *err)
{
    list->rows = tt_arena_alloc_array(x->arena, x->n + 1, sizeof *list->rows);
    tt_status s = list->rows ? TT_OK : tt_sweep_no_memory(err);
    for (row *r = x->first; r && !s; r = r->next) {
        r->r.missing = x->per_setting - r->r.n;
        for (size_t m = 0; m < list->n_metrics && !s; m++) {
            /* a mean over those replicates alone that can be resolved would be another quantity */
            r->r.known[m] = r->n[m] > 0 && r->n[m] == r->r.n;
            if (r->r.known[m]) s = tt_replication_of(r->n[m], r->values[m], &r->r.of[m], err);
        }
        list->rows[list->n++] = r->r;
    }
    return s;
}

tt_status tt_replicated_read(const tt_sweep_index *index, tt_replicated_list *list, tt_error *err)
{
    *list = (tt_replicated_list){.arena = tt_arena_create(0)};
    reading x = {.index = index, .arena = list->arena, .list = list, .per_setting = 1};
    x.tail = &x.first;
    list->n_metrics = TT_REPLICATED_RATES;
    add_fprs(list, usual_fprs, TT_EVALUATE_FPRS);
    bool any = false;
    for (size_t a = 0; a < index->n_axes; a++) {
        const tt_sweep_index_axis *axis = &index->axes[a];
        if (!axis->level) continue;
        any = list->levels[axis->level] = true;
        x.per_setting *= axis->n;
        if (axis->level != TT_LEVEL_TRAINING) continue;
        x.trainings = axis;
        x.training_axis = a;
    }
    if (x.per_setting > index->n) x.per_setting = index->n; /* an index may say anything */
    if (list->arena && x.trainings)
        x.digests = tt_arena_alloc_array(list->arena, x.trainings->n, sizeof *x.digests);
    tt_status s = list->arena && (x.digests || !x.trainings) ? TT_OK : tt_sweep_no_memory(err);
    for (size_t i = 0; i < index->n && any && !s; i++)
        s = add_cell(&x, i, err);
    if (!s && any) s = sum_up(&x, list, err);
    if (!s && !compare_weights(&x, list)) s = tt_sweep_no_memory(err);
    tt_string_map_free(&x.rows);
    if (s) tt_replicated_free(list);
    return s;
}

void tt_replicated_free(tt_replicated_list *list)
{
    tt_arena_destroy(list->arena);
    *list = (tt_replicated_list){0};
}
