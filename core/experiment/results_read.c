/* results.h5 back into a tt_results. */
#include "base/mem.h"
#include "experiment/heat_maps.h"
#include "experiment/near_duplicates.h"
#include "experiment/results_controls.h"
#include "experiment/results_inference.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA_VERSION 1

typedef struct reading {
    tt_hdf5_reader *h;
    tt_results *r;
    const char *file;
    tt_error *err;
} reading;

static tt_status no_memory(const reading *x)
{
    return tt_fail(x->err, TT_ERR_MEMORY, "%s: out of memory", x->file);
}

static tt_status bad(const reading *x, const char *path, const char *why)
{
    return tt_fail(x->err, TT_ERR_FORMAT, "%s: %s %s", x->file, path, why);
}

static bool digest_from_hex(const char *hex, tt_digest *d)
{
    if (strlen(hex) != 64) return false;
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) return false;
        d->bytes[i] = (uint8_t)byte;
    }
    return true;
}

static tt_status read_samples(reading *x)
{
    static const char *const columns[] = {"/samples/data", "/samples/split", "/samples/id",
                                          "/samples/caption", "/samples/sha256"};
    const char *const *texts[5];
    size_t n[5];
    for (int i = 0; i < 5; i++) {
        tt_status s = tt_hdf5_get_texts(x->h, columns[i], &n[i], &texts[i], x->err);
        if (s) return s;
        if (n[i] != n[0]) return bad(x, columns[i], "has another length than /samples/data");
    }
    tt_results *r = x->r;
    r->samples = tt_arena_alloc_array(r->arena, n[0], sizeof *r->samples);
    if (!r->samples) return no_memory(x);
    for (size_t i = 0; i < n[0]; i++) {
        r->samples[i] = (tt_result_sample){.data = texts[0][i],
                                           .split = texts[1][i],
                                           .id = texts[2][i],
                                           .caption = texts[3][i][0] ? texts[3][i] : NULL};
        if (!digest_from_hex(texts[4][i], &r->samples[i].digest))
            return bad(x, columns[4], "holds no digest");
    }
    r->n_samples = n[0];
    return TT_OK;
}

static tt_status text_of(reading *x, const char *path, const char *name, const char **text)
{
    tt_status s = tt_hdf5_attribute_text(x->h, path, name, text, x->err);
    if (!s && !*text)
        return tt_fail(x->err, TT_ERR_FORMAT, "%s: %s has no attribute %s", x->file, path, name);
    return s;
}

static tt_status number_of(reading *x, const char *path, const char *name, uint64_t *value)
{
    return tt_hdf5_attribute_u64(x->h, path, name, value, x->err);
}

static tt_status real_of(reading *x, const char *path, const char *name, double *value)
{
    return tt_hdf5_attribute_f64(x->h, path, name, value, x->err);
}

static tt_status read_models(reading *x)
{
    tt_results *r = x->r;
    const char *const *roles;
    size_t n;
    tt_status s = tt_hdf5_list(x->h, "/models", &roles, &n, x->err);
    if (s) return s;
    r->models = tt_arena_alloc_array(r->arena, n, sizeof *r->models);
    if (!r->models) return no_memory(x);
    for (size_t i = 0; i < n && !s; i++) {
        tt_result_model *m = &r->models[i];
        char *path = tt_arena_printf(r->arena, "/models/%s", roles[i]);
        uint64_t revision = 0;
        if (!path) return no_memory(x);
        m->role = roles[i];
        s = text_of(x, path, "plugin", &m->plugin);
        if (!s) s = text_of(x, path, "digest", &m->digest);
        if (!s) s = text_of(x, path, "environment", &m->environment);
        if (!s) s = number_of(x, path, "revision", &revision);
        m->revision = (uint32_t)revision;
        r->n_models = i + 1;
    }
    return s;
}

/* Sample indices must be of this file. */
static tt_status check_indices(reading *x, const char *path, size_t n, const uint32_t *sample)
{
    for (size_t i = 0; i < n; i++)
        if (sample[i] >= x->r->n_samples) return bad(x, path, "points at a sample that is not there");
    return TT_OK;
}

static char *below(reading *x, const char *group, const char *name)
{
    return tt_arena_printf(x->r->arena, "%s/%s", group, name);
}

static tt_status read_one_features(reading *x, const char *group, tt_result_features *f)
{
    size_t dims[2], n_columns, n_sample;
    double *values;
    uint32_t *sample;
    tt_status s = tt_hdf5_get_f64(x->h, below(x, group, "values"), 2, dims, &values, x->err);
    if (!s) s = tt_hdf5_get_texts(x->h, below(x, group, "columns"), &n_columns, &f->columns, x->err);
    if (!s) s = tt_hdf5_get_u32(x->h, below(x, group, "sample"), &n_sample, &sample, x->err);
    if (!s && (n_columns != dims[1] || n_sample != dims[0]))
        s = bad(x, group, "has parts of different lengths");
    if (!s) s = check_indices(x, group, n_sample, sample);
    if (!s) s = text_of(x, group, "key", &f->key);
    if (!s) s = number_of(x, group, "predictions", &f->attributed.predictions);
    if (!s) s = number_of(x, group, "encodes", &f->attributed.encodes);
    if (!s) s = number_of(x, group, "decodes", &f->attributed.decodes);
    if (!s) s = number_of(x, group, "texts", &f->attributed.texts);
    if (!s) s = number_of(x, group, "images", &f->attributed.images);
    uint64_t bad_samples = 0;
    if (!s) s = number_of(x, group, "bad_samples", &bad_samples);
    if (!s) s = number_of(x, group, "service_texts", &f->attributed.service_texts);
    if (!s) s = number_of(x, group, "service_predictions", &f->attributed.service_predictions);
    if (s) return s;
    f->n = dims[0];
    f->n_bad = (size_t)bad_samples;
    f->n_columns = dims[1];
    f->values = values;
    f->sample = sample;
    return TT_OK;
}

static tt_status read_interval(reading *x, const char *group, const char *name, tt_interval *i)
{
    char key[64];
    snprintf(key, sizeof key, "%s_low", name);
    tt_status s = real_of(x, group, key, &i->low);
    snprintf(key, sizeof key, "%s_high", name);
    return s ? s : real_of(x, group, key, &i->high);
}

static tt_status read_tprs(reading *x, const char *group, tt_result_scores *r)
{
    size_t dims[2];
    double *rows;
    tt_status s = tt_hdf5_get_f64(x->h, below(x, group, "tpr_at_fpr"), 2, dims, &rows, x->err);
    if (s) return s;
    if (dims[0] < TT_EVALUATE_FPRS || dims[0] > TT_EVALUATE_FPRS_MAX || dims[1] != 9)
        return bad(x, group, "has a tpr_at_fpr of another shape");
    tt_evaluation *e = &r->evaluation;
    e->n_tprs = dims[0];
    r->n_fprs = dims[0] - TT_EVALUATE_FPRS;
    for (size_t k = 0; k < e->n_tprs; k++) {
        const double *row = rows + 9 * k;
        e->tpr[k] = (tt_tpr){.fpr_target = row[0],
                             .resolvable = row[1] != 0,
                             .tpr = row[2],
                             .fpr = row[3],
                             .threshold = row[4],
                             .bootstrap = {row[5], row[6]},
                             .interval = {row[7], row[8]}};
        if (k >= TT_EVALUATE_FPRS) r->fprs[k - TT_EVALUATE_FPRS] = row[0];
    }
    return TT_OK;
}

static tt_status read_metrics(reading *x, const char *group, tt_result_scores *r)
{
    tt_evaluation *e = &r->evaluation;
    uint64_t degenerate = 0, has_threshold = 0;
    e->seed = (int64_t)x->r->seed;
    for (size_t i = 0; i < r->n; i++)
        e->members += r->member[i];
    e->nonmembers = r->n - e->members;
    tt_status s = real_of(x, group, "auc", &e->auc.auc);
    if (!s) s = real_of(x, group, "auc_variance", &e->auc.variance);
    if (!s) s = number_of(x, group, "auc_degenerate", &degenerate);
    if (!s) s = read_interval(x, group, "auc_logit", &e->auc.logit);
    if (!s) s = read_interval(x, group, "auc_plain", &e->auc.plain);
    if (!s) s = real_of(x, group, "best_accuracy", &e->best.accuracy);
    if (!s) s = real_of(x, group, "best_balanced_accuracy", &e->best.balanced);
    if (!s) s = real_of(x, group, "best_threshold", &e->best.threshold);
    if (!s) s = read_interval(x, group, "best_accuracy", &e->best.interval);
    if (!s) s = real_of(x, group, "tpr_clid_compat", &r->tpr_clid_compat);
    if (!s) s = number_of(x, group, "has_threshold", &has_threshold);
    e->auc.degenerate = degenerate != 0;
    r->has_threshold = has_threshold != 0;
    if (!s) s = read_tprs(x, group, r);
    if (s || !r->has_threshold) return s;
    s = real_of(x, group, "threshold", &r->threshold);
    if (!s) s = real_of(x, group, "asr", &r->asr.accuracy);
    if (!s) s = real_of(x, group, "asr_balanced", &r->asr.balanced);
    if (!s) s = read_interval(x, group, "asr", &r->asr.interval);
    r->asr.threshold = r->threshold;
    return s ? s : read_interval(x, group, "asr_fitted", &r->asr_fitted);
}

static tt_status read_roc(reading *x, const char *group, tt_result_scores *r)
{
    size_t dims[2];
    double *points;
    tt_status s = tt_hdf5_get_f64(x->h, below(x, group, "roc"), 2, dims, &points, x->err);
    if (s) return s;
    if (dims[1] != 3) return bad(x, group, "has a roc of another shape");
    r->roc = tt_alloc_array(dims[0], sizeof *r->roc);
    if (!r->roc) return no_memory(x);
    for (size_t i = 0; i < dims[0]; i++)
        r->roc[i] = (tt_roc_point){points[3 * i], points[3 * i + 1], points[3 * i + 2]};
    r->n_roc = dims[0];
    return TT_OK;
}

static tt_status read_rows(reading *x, const char *group, tt_result_scores *r)
{
    size_t n_member, n_sample;
    double *scores;
    uint8_t *member;
    uint32_t *sample;
    tt_status s = tt_hdf5_get_f64(x->h, below(x, group, "score"), 1, &r->n, &scores, x->err);
    if (!s) s = tt_hdf5_get_u8(x->h, below(x, group, "member"), &n_member, &member, x->err);
    if (!s) s = tt_hdf5_get_u32(x->h, below(x, group, "sample"), &n_sample, &sample, x->err);
    if (!s && (n_member != r->n || n_sample != r->n)) s = bad(x, group, "has parts of different lengths");
    if (!s) s = check_indices(x, group, n_sample, sample);
    if (s) return s;
    for (size_t i = 0; i < r->n; i++)
        if (member[i] > 1) return bad(x, group, "has a label other than 0 and 1");
    r->scores = scores;
    r->member = member;
    r->sample = sample;
    return TT_OK;
}

static tt_status read_one_scores(reading *x, const char *group, tt_result_scores *r)
{
    uint64_t revision = 0;
    tt_status s = text_of(x, group, "plugin", &r->plugin);
    if (!s) s = number_of(x, group, "revision", &revision);
    if (!s) s = text_of(x, group, "params", &r->params);
    if (!s) s = text_of(x, group, "calibration", &r->calibration);
    if (!s) s = text_of(x, group, "fitted", &r->fitted);
    if (!s) s = real_of(x, group, "predictions_per_sample", &r->predictions);
    if (!s) s = tt_hdf5_attribute_text(x->h, group, "failure", &r->failure, x->err);
    r->revision = (uint32_t)revision;
    if (s || r->failure) return s;
    s = read_rows(x, group, r);
    if (!s) s = read_roc(x, group, r);
    if (!s) s = read_metrics(x, group, r);
    if (!s) s = tt_gain_read(x->h, group, r);
    if (!s) s = tt_inference_read(x->h, group, &r->inference, &r->has_inference, x->err);
    char *path = below(x, group, "fold");
    if (!s && path && tt_hdf5_has(x->h, path)) {
        size_t n_fold;
        uint32_t *fold;
        s = tt_hdf5_get_u32(x->h, path, &n_fold, &fold, x->err);
        if (!s && n_fold != r->n) s = bad(x, group, "has parts of different lengths");
        r->fold = fold;
        for (size_t i = 0; i < r->n && !s; i++)
            if (fold[i] >= r->n_folds) r->n_folds = fold[i] + 1;
    }
    path = below(x, group, "calibration_score");
    if (s || !path || !tt_hdf5_has(x->h, path)) return s;
    double *scores;
    uint8_t *member;
    size_t n;
    s = tt_hdf5_get_f64(x->h, path, 1, &r->n_calibration, &scores, x->err);
    if (!s) s = tt_hdf5_get_u8(x->h, below(x, group, "calibration_member"), &n, &member, x->err);
    if (!s && n != r->n_calibration) s = bad(x, group, "has a calibration of different lengths");
    if (s) return s;
    r->calibration_scores = scores;
    r->calibration_member = member;
    return TT_OK;
}

typedef tt_status (*visitor)(reading *x, const char *group, const char *attack, const char *role);

/* Calls visit for TOP/ATTACK/ROLE, in the order of the spec: `order` of each group. */
static tt_status visit_all(reading *x, const char *top, size_t *count, visitor visit)
{
    const char *const *attacks, *const *roles;
    size_t n_attacks, n_roles;
    tt_status s = tt_hdf5_list(x->h, top, &attacks, &n_attacks, x->err);
    for (size_t i = 0; i < n_attacks && !s; i++) {
        char *group = below(x, top, attacks[i]);
        s = group ? tt_hdf5_list(x->h, group, &roles, &n_roles, x->err) : no_memory(x);
        for (size_t k = 0; k < n_roles && !s; k++) {
            char *inner = below(x, group, roles[k]);
            if (count) (*count)++;
            if (visit) s = inner ? visit(x, inner, attacks[i], roles[k]) : no_memory(x);
        }
    }
    return s;
}

/* Things lie in the file by name; `order` is their place in the spec. */
static tt_status place_of(reading *x, const char *group, size_t n, size_t *place)
{
    uint64_t order = 0;
    tt_status s = number_of(x, group, "order", &order);
    if (!s && order >= n) s = bad(x, group, "has an order beyond the others");
    *place = (size_t)order;
    return s;
}

static tt_status visit_features(reading *x, const char *group, const char *attack, const char *role)
{
    size_t place;
    tt_status s = place_of(x, group, x->r->n_features, &place);
    if (s) return s;
    x->r->features[place].attack = attack;
    x->r->features[place].role = role;
    return read_one_features(x, group, &x->r->features[place]);
}

static tt_status visit_scores(reading *x, const char *group, const char *attack, const char *role)
{
    size_t place;
    tt_status s = place_of(x, group, x->r->n_scores, &place);
    if (s) return s;
    if (x->r->scores[place].attack) return bad(x, group, "has the order of another");
    x->r->scores[place].attack = attack;
    x->r->scores[place].role = role;
    return read_one_scores(x, group, &x->r->scores[place]);
}

static tt_status read_tables(reading *x)
{
    tt_results *r = x->r;
    tt_status s = visit_all(x, "/features", &r->n_features, NULL);
    if (!s) s = visit_all(x, "/scores", &r->n_scores, NULL);
    if (s) return s;
    r->features = tt_arena_alloc_array(r->arena, r->n_features, sizeof *r->features);
    r->scores = tt_arena_alloc_array(r->arena, r->n_scores, sizeof *r->scores);
    if (!r->features || !r->scores) return no_memory(x);
    s = visit_all(x, "/features", NULL, visit_features);
    return s ? s : visit_all(x, "/scores", NULL, visit_scores);
}

/* Files of before have none. */
static double holm_of(reading *x, const char *group)
{
    double p;
    tt_error absent = {0};
    return tt_hdf5_attribute_f64(x->h, group, "p_holm", &p, &absent) == TT_OK ? p : NAN;
}

static tt_status read_comparisons(reading *x)
{
    tt_results *r = x->r;
    const char *const *names;
    size_t n;
    tt_status s = tt_hdf5_list(x->h, "/comparisons", &names, &n, x->err);
    if (s) return s;
    r->comparisons = tt_alloc_array(n, sizeof *r->comparisons);
    if (!r->comparisons) return no_memory(x);
    for (size_t i = 0; i < n && !s; i++) {
        tt_result_comparison *c = &r->comparisons[i];
        char *group = below(x, "/comparisons", names[i]);
        if (!group) return no_memory(x);
        *c = (tt_result_comparison){0};
        s = text_of(x, group, "role", &c->role);
        if (!s) s = text_of(x, group, "attack_a", &c->attack_a);
        if (!s) s = text_of(x, group, "attack_b", &c->attack_b);
        if (!s) s = real_of(x, group, "auc_a", &c->delong.auc_a);
        if (!s) s = real_of(x, group, "auc_b", &c->delong.auc_b);
        if (!s) s = real_of(x, group, "difference", &c->delong.difference);
        if (!s) s = read_interval(x, group, "difference", &c->delong.interval);
        if (!s) s = real_of(x, group, "z", &c->delong.z);
        if (!s) s = real_of(x, group, "p", &c->delong.p);
        if (!s) c->p_holm = holm_of(x, group);
        r->n_comparisons = i + 1;
    }
    return s;
}

static tt_status read_head(reading *x)
{
    uint64_t version;
    tt_status s = number_of(x, "/", "schema_version", &version);
    if (s) return bad(x, "/", "has no schema_version: no results of telltale");
    if (version != SCHEMA_VERSION)
        return tt_fail(x->err, TT_ERR_UNSUPPORTED,
                       "%s: schema version %llu; this telltale reads version %d: use a newer one", x->file,
                       (unsigned long long)version, SCHEMA_VERSION);
    const char *const *spec;
    size_t n;
    s = text_of(x, "/", "telltale_version", &x->r->version);
    if (!s) s = number_of(x, "/", "seed", &x->r->seed);
    if (!s) s = tt_hdf5_get_texts(x->h, "/spec", &n, &spec, x->err);
    if (!s && n != 1) s = bad(x, "/spec", "is not one text");
    if (!s) x->r->spec = spec[0];
    return s;
}

tt_status tt_results_read(const char *path, tt_results *r, tt_error *err)
{
    *r = (tt_results){.arena = tt_arena_create(0)};
    reading x = {.r = r, .file = path, .err = err};
    tt_status s = r->arena ? tt_hdf5_open(path, r->arena, &x.h, err) : no_memory(&x);
    if (!s) s = read_head(&x);
    if (!s) s = read_samples(&x);
    if (!s) s = read_models(&x);
    if (!s) s = read_tables(&x);
    if (!s) s = read_comparisons(&x);
    if (!s) s = tt_controls_read(x.h, r, err);
    if (!s) s = tt_near_duplicates_read(x.h, r, err);
    if (!s) s = tt_heat_maps_read(x.h, r, err);
    if (!s) s = tt_published_get(x.h, r->arena, &r->published, err);
    tt_hdf5_close(x.h);
    if (s) tt_results_free(r);
    return s;
}

void tt_results_free(tt_results *r)
{
    for (size_t i = 0; r->scores && i < r->n_scores; i++)
        tt_free(r->scores[i].roc);
    tt_free(r->comparisons);
    tt_arena_destroy(r->arena);
    *r = (tt_results){0};
}
