#include "experiment/results_controls.h"
#include "experiment/near_duplicates.h"
#include "stats/cross.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- metrics ---- */

tt_status tt_control_evaluate(tt_result_scores *r, tt_error *err)
{
    tt_auc *auc = &r->evaluation.auc;
    tt_status s = r->n_folds ? tt_auc_folds(r->n, r->scores, r->member, r->fold, auc, err)
                             : tt_auc_compute(r->n, r->scores, r->member, auc, err);
    for (size_t i = 0; i < r->n; i++)
        r->evaluation.members += r->member[i];
    r->evaluation.nonmembers = r->n - r->evaluation.members;
    if (s || r->n_calibration == 0 || tt_result_too_few(r)) return s;
    tt_accuracy fitted;
    s = tt_best_accuracy(r->n_calibration, r->calibration_scores, r->calibration_member, &fitted, err);
    r->has_threshold = !s;
    r->threshold = fitted.threshold;
    return s ? s : tt_accuracy_at(r->n, r->scores, r->member, r->threshold, &r->asr, err);
}

/* The blind classifier of this role, a control or an attack of the spec; NULL: there is none. */
static const tt_result_scores *blind_of(const tt_results *r, const char *role)
{
    for (size_t i = 0; i < r->n_controls; i++)
        if (strcmp(r->controls[i].control, "blind") == 0 && !r->controls[i].failure &&
            strcmp(r->controls[i].role, role) == 0)
            return &r->controls[i];
    for (size_t i = 0; i < r->n_scores; i++)
        if (strcmp(r->scores[i].plugin, "blind") == 0 && r->scores[i].n_folds && !r->scores[i].failure &&
            strcmp(r->scores[i].role, role) == 0)
            return &r->scores[i];
    return NULL;
}

typedef struct paired {
    double *attack, *blind;
    uint8_t *member;
    uint32_t *fold;
} paired;

static tt_status gain_of(tt_result_scores *a, const tt_result_scores *blind, const size_t *place, paired *p,
                         tt_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        size_t k = place[a->sample[i]];
        if (k == SIZE_MAX) continue;
        p->attack[n] = a->scores[i];
        p->blind[n] = blind->scores[k];
        p->member[n] = a->member[i];
        p->fold[n++] = blind->fold[k];
    }
    tt_error why = {0};
    tt_status s = tt_gain_over_folds(n, p->attack, p->blind, p->member, p->fold, &a->gain, &why);
    if (s == TT_ERR_MEMORY) return tt_fail(err, s, "%s", why.message);
    a->has_gain = !s; /* too few common samples in a fold: there is none */
    return TT_OK;
}

static tt_status gains_of_role(tt_results *r, const char *role, const tt_result_scores *blind, tt_error *err)
{
    size_t *place = tt_alloc_array(r->n_samples, sizeof *place), most = 0;
    for (size_t i = 0; i < r->n_scores; i++)
        if (r->scores[i].n > most) most = r->scores[i].n;
    paired p = {tt_alloc_array(most, sizeof(double)), tt_alloc_array(most, sizeof(double)),
                tt_alloc_array(most, 1), tt_alloc_array(most, sizeof(uint32_t))};
    bool good = place && p.attack && p.blind && p.member && p.fold;
    tt_status s = good ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for controls");
    for (size_t i = 0; i < r->n_samples && !s; i++)
        place[i] = SIZE_MAX;
    for (size_t i = 0; i < blind->n && !s; i++)
        place[blind->sample[i]] = i;
    for (size_t i = 0; i < r->n_scores && !s; i++) {
        tt_result_scores *a = &r->scores[i];
        if (a == blind || a->failure || strcmp(a->role, role) != 0) continue;
        s = gain_of(a, blind, place, &p, err);
    }
    tt_free(place);
    tt_free(p.attack);
    tt_free(p.blind);
    tt_free(p.member);
    tt_free(p.fold);
    return s;
}

tt_status tt_controls_gains(tt_results *r, tt_error *err)
{
    const tt_result_scores *blind = blind_of(r, "target");
    return blind ? gains_of_role(r, "target", blind, err) : TT_OK;
}

/* ---- results.h5 ---- */

void tt_gain_write(tt_hdf5_writer *w, const char *group, const tt_result_scores *r)
{
    if (!r->has_gain) return;
    tt_hdf5_set_f64(w, group, "gain", r->gain.difference);
    tt_hdf5_set_f64(w, group, "gain_low", r->gain.interval.low);
    tt_hdf5_set_f64(w, group, "gain_high", r->gain.interval.high);
    tt_hdf5_set_f64(w, group, "gain_p", r->gain.p);
    tt_hdf5_set_f64(w, group, "gain_blind_auc", r->gain.auc_b);
}

tt_status tt_gain_read(tt_hdf5_reader *h, const char *group, tt_result_scores *r)
{
    tt_error absent = {0};
    tt_delong_paired *g = &r->gain;
    tt_status s = tt_hdf5_attribute_f64(h, group, "gain", &g->difference, &absent);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "gain_low", &g->interval.low, &absent);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "gain_high", &g->interval.high, &absent);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "gain_p", &g->p, &absent);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "gain_blind_auc", &g->auc_b, &absent);
    r->has_gain = !s;
    return TT_OK;
}

static void write_control(tt_hdf5_writer *w, const tt_result_scores *r, size_t order)
{
    char group[160], path[200];
    snprintf(group, sizeof group, "/controls/%s", r->attack);
    tt_hdf5_group(w, group);
    tt_hdf5_set_u64(w, group, "order", order);
    tt_hdf5_set_text(w, group, "control", r->control);
    tt_hdf5_set_text(w, group, "of", r->of ? r->of : "");
    tt_hdf5_set_text(w, group, "role", r->role);
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
    tt_hdf5_set_f64(w, group, "auc", r->evaluation.auc.auc);
    tt_hdf5_set_f64(w, group, "auc_logit_low", r->evaluation.auc.logit.low);
    tt_hdf5_set_f64(w, group, "auc_logit_high", r->evaluation.auc.logit.high);
    if (r->has_threshold) tt_hdf5_set_f64(w, group, "threshold", r->threshold);
    if (r->has_threshold) tt_hdf5_set_f64(w, group, "asr", r->asr.accuracy);
    snprintf(path, sizeof path, "%s/score", group);
    tt_hdf5_put_f64(w, path, 1, &r->n, r->scores);
    snprintf(path, sizeof path, "%s/member", group);
    tt_hdf5_put_u8(w, path, r->n, r->member);
    snprintf(path, sizeof path, "%s/sample", group);
    tt_hdf5_put_u32(w, path, r->n, r->sample);
    if (r->n_folds == 0) return;
    snprintf(path, sizeof path, "%s/fold", group);
    tt_hdf5_put_u32(w, path, r->n, r->fold);
}

void tt_controls_write(tt_hdf5_writer *w, const tt_results *r)
{
    tt_hdf5_group(w, "/controls");
    tt_hdf5_set_text(w, "/controls", "asked", r->controls_off ? "off" : "on");
    for (size_t i = 0; i < r->n_controls; i++)
        write_control(w, &r->controls[i], i);
}

static tt_status read_control(tt_hdf5_reader *h, const char *group, tt_result_scores *c, tt_error *err)
{
    const char *failure = NULL;
    tt_status s = tt_hdf5_attribute_text(h, group, "control", &c->control, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "of", &c->of, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "role", &c->role, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "plugin", &c->plugin, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "params", &c->params, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "calibration", &c->calibration, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "fitted", &c->fitted, err);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "predictions_per_sample", &c->predictions, err);
    if (!s) s = tt_hdf5_attribute_text(h, group, "failure", &failure, err);
    if (s) return s;
    if (!c->control || !c->of || !c->role || !c->plugin || !c->params || !c->calibration || !c->fitted)
        return tt_fail(err, TT_ERR_FORMAT, "%s lacks an attribute of a control", group);
    c->failure = failure;
    if (failure) return TT_OK;
    tt_auc *auc = &c->evaluation.auc;
    s = tt_hdf5_attribute_f64(h, group, "auc", &auc->auc, err);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "auc_logit_low", &auc->logit.low, err);
    if (!s) s = tt_hdf5_attribute_f64(h, group, "auc_logit_high", &auc->logit.high, err);
    tt_error absent = {0};
    c->has_threshold = !s && tt_hdf5_attribute_f64(h, group, "asr", &c->asr.accuracy, &absent) == TT_OK;
    return s;
}

tt_status tt_controls_read(tt_hdf5_reader *h, tt_results *r, tt_error *err)
{
    if (!tt_hdf5_has(h, "/controls")) return TT_OK;
    const char *asked = NULL, *const * names;
    size_t n;
    tt_status s = tt_hdf5_attribute_text(h, "/controls", "asked", &asked, err);
    if (!s) s = tt_hdf5_list(h, "/controls", &names, &n, err);
    if (s) return s;
    r->controls_off = asked && strcmp(asked, "off") == 0;
    r->controls = tt_arena_alloc_array(r->arena, n, sizeof *r->controls);
    if (!r->controls) return tt_fail(err, TT_ERR_MEMORY, "out of memory for controls");
    for (size_t i = 0; i < n && !s; i++) {
        const char *group = tt_arena_printf(r->arena, "/controls/%s", names[i]);
        uint64_t order = 0;
        s = group ? tt_hdf5_attribute_u64(h, group, "order", &order, err)
                  : tt_fail(err, TT_ERR_MEMORY, "out of memory for controls");
        if (!s && (order >= n || r->controls[order].attack))
            s = tt_fail(err, TT_ERR_FORMAT, "%s has the order of another", group);
        if (s) return s;
        r->controls[order].attack = names[i];
        s = read_control(h, group, &r->controls[order], err);
    }
    r->n_controls = s ? 0 : n;
    return s;
}

/* ---- for people ---- */

bool tt_control_title(const tt_result_scores *c, tt_buf *out)
{
    if (strcmp(c->control, "blind") == 0) return tt_buf_printf(out, "the images alone");
    if (strcmp(c->control, "captions_only") == 0) return tt_buf_printf(out, "the captions alone");
    if (strcmp(c->control, "permuted_labels") == 0)
        return tt_buf_printf(out, "%s, fitted on permuted labels", c->of);
    return tt_buf_printf(out, "%s, one caption for all", c->of);
}

static void control_line(const tt_result_scores *c, tt_buf *out)
{
    tt_buf title = {0};
    tt_control_title(c, &title);
    tt_buf_printf(out, "    %-36s ", title.data ? title.data : "");
    tt_buf_free(&title);
    if (c->failure) {
        tt_buf_printf(out, "none: %s\n", c->failure);
        return;
    }
    const tt_auc *auc = &c->evaluation.auc;
    tt_buf_printf(out, "AUC %.3f [%.3f, %.3f]", auc->auc, auc->logit.low, auc->logit.high);
    if (c->has_threshold) tt_buf_printf(out, ", ASR %.3f", c->asr.accuracy);
    tt_buf_printf(out, "%s%s\n", c->fitted[0] ? "; " : "", c->fitted);
}

void tt_controls_table(const tt_results *r, const char *role, tt_buf *out)
{
    if (strcmp(role, "target") != 0) return;
    if (r->controls_off) tt_buf_printf(out, "  controls: off, as the spec asks\n");
    if (r->n_controls || r->near_duplicates.within) tt_buf_printf(out, "  controls\n");
    for (size_t i = 0; i < r->n_controls; i++)
        if (strcmp(r->controls[i].role, role) == 0) control_line(&r->controls[i], out);
    tt_near_duplicates_text(r, out);
    bool any = false;
    for (size_t i = 0; i < r->n_scores; i++) {
        const tt_result_scores *a = &r->scores[i];
        if (!a->has_gain || strcmp(a->role, role) != 0) continue;
        tt_buf_printf(out, "%s%s %+.3f [%+.3f, %+.3f]",
                      any ? "; " : "    AUC beyond the images alone: ", a->attack, a->gain.difference,
                      a->gain.interval.low, a->gain.interval.high);
        any = true;
    }
    if (any) tt_buf_printf(out, "\n");
}
