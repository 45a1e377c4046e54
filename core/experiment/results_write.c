/* Results as HDF5: docs/results-format.md describes what is written here. */
#include "experiment/heat_maps.h"
#include "experiment/near_duplicates.h"
#include "experiment/results_controls.h"
#include "experiment/results_inference.h"

#include <stdio.h>
#include <string.h>

/* Raised when a reader of the last version would misread a file. */
#define SCHEMA_VERSION 1

static void put_texts(tt_hdf5_writer *w, const char *path, size_t n, const char *const *texts)
{
    tt_hdf5_put_texts(w, path, n, texts);
}

static tt_status write_samples(tt_hdf5_writer *w, const tt_results *r, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    const char **column = arena ? tt_arena_alloc_array(arena, r->n_samples, sizeof *column) : NULL;
    if (!column) {
        tt_arena_destroy(arena);
        return tt_fail(err, TT_ERR_MEMORY, "out of memory for the results");
    }
    size_t n = r->n_samples;
    for (size_t i = 0; i < n; i++)
        column[i] = r->samples[i].data;
    put_texts(w, "/samples/data", n, column);
    for (size_t i = 0; i < n; i++)
        column[i] = r->samples[i].split;
    put_texts(w, "/samples/split", n, column);
    for (size_t i = 0; i < n; i++)
        column[i] = r->samples[i].id;
    put_texts(w, "/samples/id", n, column);
    for (size_t i = 0; i < n; i++)
        column[i] = r->samples[i].caption ? r->samples[i].caption : "";
    put_texts(w, "/samples/caption", n, column);
    tt_status s = TT_OK;
    for (size_t i = 0; i < n && !s; i++) {
        char hex[65];
        tt_digest_hex(&r->samples[i].digest, hex);
        column[i] = tt_arena_strdup(arena, hex);
        if (!column[i]) s = tt_fail(err, TT_ERR_MEMORY, "out of memory for the results");
    }
    if (!s) put_texts(w, "/samples/sha256", n, column);
    tt_arena_destroy(arena);
    return s;
}

static void write_models(tt_hdf5_writer *w, const tt_results *r)
{
    tt_hdf5_group(w, "/models");
    for (size_t i = 0; i < r->n_models; i++) {
        const tt_result_model *m = &r->models[i];
        char path[128];
        snprintf(path, sizeof path, "/models/%s", m->role);
        tt_hdf5_group(w, path);
        tt_hdf5_set_text(w, path, "plugin", m->plugin);
        tt_hdf5_set_u64(w, path, "revision", m->revision);
        tt_hdf5_set_text(w, path, "digest", m->digest);
        tt_hdf5_set_text(w, path, "environment", m->environment);
    }
}

static void write_features(tt_hdf5_writer *w, const tt_result_features *f, size_t order)
{
    char group[160], path[200];
    snprintf(group, sizeof group, "/features/%s/%s", f->attack, f->role);
    tt_hdf5_group(w, group);
    snprintf(path, sizeof path, "%s/values", group);
    size_t dims[2] = {f->n, f->n_columns};
    tt_hdf5_put_f64(w, path, 2, dims, f->values);
    snprintf(path, sizeof path, "%s/columns", group);
    put_texts(w, path, f->n_columns, f->columns);
    snprintf(path, sizeof path, "%s/sample", group);
    tt_hdf5_put_u32(w, path, f->n, f->sample);
    tt_hdf5_set_u64(w, group, "order", order);
    tt_hdf5_set_text(w, group, "key", f->key);
    tt_hdf5_set_u64(w, group, "predictions", f->attributed.predictions);
    tt_hdf5_set_u64(w, group, "encodes", f->attributed.encodes);
    tt_hdf5_set_u64(w, group, "decodes", f->attributed.decodes);
    tt_hdf5_set_u64(w, group, "texts", f->attributed.texts);
    tt_hdf5_set_u64(w, group, "images", f->attributed.images);
    tt_hdf5_set_u64(w, group, "bad_samples", f->n_bad);
    tt_hdf5_set_u64(w, group, "service_texts", f->attributed.service_texts);
    tt_hdf5_set_u64(w, group, "service_predictions", f->attributed.service_predictions);
}

static void set_interval(tt_hdf5_writer *w, const char *group, const char *name, tt_interval i)
{
    char key[64];
    snprintf(key, sizeof key, "%s_low", name);
    tt_hdf5_set_f64(w, group, key, i.low);
    snprintf(key, sizeof key, "%s_high", name);
    tt_hdf5_set_f64(w, group, key, i.high);
}

static void write_roc(tt_hdf5_writer *w, const tt_result_scores *r, const char *group)
{
    char path[200];
    snprintf(path, sizeof path, "%s/roc", group);
    double *points = tt_alloc_array(r->n_roc, 3 * sizeof *points);
    size_t dims[2] = {r->n_roc, 3};
    for (size_t i = 0; points && i < r->n_roc; i++) {
        points[3 * i] = r->roc[i].threshold;
        points[3 * i + 1] = r->roc[i].fpr;
        points[3 * i + 2] = r->roc[i].tpr;
    }
    if (points) tt_hdf5_put_f64(w, path, 2, dims, points);
    tt_free(points);
}

static void write_metrics(tt_hdf5_writer *w, const tt_result_scores *r, const char *group)
{
    const tt_evaluation *e = &r->evaluation;
    tt_hdf5_set_f64(w, group, "auc", e->auc.auc);
    tt_hdf5_set_f64(w, group, "auc_variance", e->auc.variance);
    tt_hdf5_set_u64(w, group, "auc_degenerate", e->auc.degenerate);
    set_interval(w, group, "auc_logit", e->auc.logit);
    set_interval(w, group, "auc_plain", e->auc.plain);
    tt_hdf5_set_f64(w, group, "best_accuracy", e->best.accuracy);
    tt_hdf5_set_f64(w, group, "best_balanced_accuracy", e->best.balanced);
    tt_hdf5_set_f64(w, group, "best_threshold", e->best.threshold);
    set_interval(w, group, "best_accuracy", e->best.interval);
    tt_hdf5_set_f64(w, group, "tpr_clid_compat", r->tpr_clid_compat);
    tt_hdf5_set_u64(w, group, "has_threshold", r->has_threshold);
    if (r->has_threshold) {
        tt_hdf5_set_f64(w, group, "threshold", r->threshold);
        tt_hdf5_set_f64(w, group, "asr", r->asr.accuracy);
        tt_hdf5_set_f64(w, group, "asr_balanced", r->asr.balanced);
        set_interval(w, group, "asr", r->asr.interval);
        set_interval(w, group, "asr_fitted", r->asr_fitted);
    }
    /* TPR at FPR: a row each of target, resolvable, TPR, FPR reached, threshold, bootstrap, Clopper-Pearson
     */
    double rows[TT_EVALUATE_FPRS_MAX][9];
    for (size_t k = 0; k < e->n_tprs; k++) {
        const tt_tpr *t = &e->tpr[k];
        const double row[9] = {
            t->fpr_target,    t->resolvable,     t->tpr,          t->fpr,          t->threshold,
            t->bootstrap.low, t->bootstrap.high, t->interval.low, t->interval.high};
        memcpy(rows[k], row, sizeof row);
    }
    char path[200];
    snprintf(path, sizeof path, "%s/tpr_at_fpr", group);
    size_t dims[2] = {e->n_tprs, 9};
    tt_hdf5_put_f64(w, path, 2, dims, &rows[0][0]);
}

static void write_scores(tt_hdf5_writer *w, const tt_result_scores *r, size_t order)
{
    char group[160], path[200];
    snprintf(group, sizeof group, "/scores/%s/%s", r->attack, r->role);
    tt_hdf5_group(w, group);
    tt_hdf5_set_u64(w, group, "order", order);
    tt_hdf5_set_text(w, group, "plugin", r->plugin);
    tt_hdf5_set_u64(w, group, "revision", r->revision);
    tt_hdf5_set_text(w, group, "params", r->params);
    tt_hdf5_set_text(w, group, "calibration", r->calibration);
    tt_hdf5_set_text(w, group, "fitted", r->fitted ? r->fitted : "");
    tt_hdf5_set_f64(w, group, "predictions_per_sample", r->predictions);
    if (r->failure) {
        tt_hdf5_set_text(w, group, "failure", r->failure);
        return;
    }
    snprintf(path, sizeof path, "%s/score", group);
    tt_hdf5_put_f64(w, path, 1, &r->n, r->scores);
    snprintf(path, sizeof path, "%s/member", group);
    tt_hdf5_put_u8(w, path, r->n, r->member);
    snprintf(path, sizeof path, "%s/sample", group);
    tt_hdf5_put_u32(w, path, r->n, r->sample);
    tt_hdf5_set_u64(w, group, "folds", r->n_folds);
    if (r->n_folds) {
        snprintf(path, sizeof path, "%s/fold", group);
        tt_hdf5_put_u32(w, path, r->n, r->fold);
    }
    if (r->n_calibration) {
        snprintf(path, sizeof path, "%s/calibration_score", group);
        tt_hdf5_put_f64(w, path, 1, &r->n_calibration, r->calibration_scores);
        snprintf(path, sizeof path, "%s/calibration_member", group);
        tt_hdf5_put_u8(w, path, r->n_calibration, r->calibration_member);
    }
    write_roc(w, r, group);
    write_metrics(w, r, group);
    tt_gain_write(w, group, r);
    if (r->has_inference) tt_inference_write(w, &r->inference, group);
}

static void write_comparisons(tt_hdf5_writer *w, const tt_results *r)
{
    tt_hdf5_group(w, "/comparisons");
    for (size_t i = 0; i < r->n_comparisons; i++) {
        const tt_result_comparison *c = &r->comparisons[i];
        char group[64];
        snprintf(group, sizeof group, "/comparisons/%04zu", i);
        tt_hdf5_group(w, group);
        tt_hdf5_set_text(w, group, "role", c->role);
        tt_hdf5_set_text(w, group, "attack_a", c->attack_a);
        tt_hdf5_set_text(w, group, "attack_b", c->attack_b);
        tt_hdf5_set_f64(w, group, "auc_a", c->delong.auc_a);
        tt_hdf5_set_f64(w, group, "auc_b", c->delong.auc_b);
        tt_hdf5_set_f64(w, group, "difference", c->delong.difference);
        set_interval(w, group, "difference", c->delong.interval);
        tt_hdf5_set_f64(w, group, "z", c->delong.z);
        tt_hdf5_set_f64(w, group, "p", c->delong.p);
        tt_hdf5_set_f64(w, group, "p_holm", c->p_holm);
    }
}

tt_status tt_results_write(const tt_results *r, const char *path, tt_error *err)
{
    tt_hdf5_writer *w = tt_hdf5_create();
    if (!w) return tt_fail(err, TT_ERR_MEMORY, "out of memory for the results");
    tt_hdf5_set_u64(w, "/", "schema_version", SCHEMA_VERSION);
    tt_hdf5_set_text(w, "/", "telltale_version", r->version);
    tt_hdf5_set_u64(w, "/", "seed", r->seed);
    put_texts(w, "/spec", 1, &r->spec);
    tt_error why = {0};
    tt_status s = write_samples(w, r, &why);
    write_models(w, r);
    tt_variants_write(w);
    if (!s) s = tt_published_write(w, &r->published, &why);
    tt_hdf5_group(w, "/features");
    for (size_t i = 0; i < r->n_features; i++)
        write_features(w, &r->features[i], i);
    tt_hdf5_group(w, "/scores");
    for (size_t i = 0; i < r->n_scores; i++)
        write_scores(w, &r->scores[i], i);
    write_comparisons(w, r);
    tt_controls_write(w, r);
    tt_near_duplicates_write(w, &r->near_duplicates);
    tt_heat_maps_write(w, r);
    tt_status written = tt_hdf5_write(w, path, err);
    return s ? tt_fail(err, s, "%s", why.message) : written;
}
