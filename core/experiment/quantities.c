#include "experiment/quantities.h"
#include "experiment/score.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* By class: [0] non-members, [1] members. */
typedef struct class_counts {
    size_t judged[2], calibrating[2];
} class_counts;

static size_t smaller(const size_t n[2])
{
    return n[0] < n[1] ? n[0] : n[1];
}

static class_counts count(const tt_prepared *p, const tt_plan_score *score)
{
    const tt_spec_attack *a = &p->spec->attacks[score->attack];
    const tt_universe *u = p->steps[score->measure].universe, *c = p->steps[score->calibration].universe;
    class_counts n = {.judged = {u->n - u->members, u->members}};
    for (int k = 0; k < 2; k++)
        if (a->calibration == TT_CALIBRATION_SPLIT) {
            n.calibrating[k] = tt_calibration_share(a->calibration_part, n.judged[k]);
            n.judged[k] -= n.calibrating[k];
        } else if (a->calibration == TT_CALIBRATION_SHADOW) {
            n.calibrating[k] = k ? c->members : c->n - c->members;
        }
    return n;
}

/* ---- refusals ---- */

static tt_status check_rates(const tt_prepared *p, const tt_plan_score *score, size_t nonmembers,
                             tt_error *err)
{
    const tt_spec_report *asked = &p->spec->report;
    for (size_t k = 0; k < asked->n_fprs; k++)
        if (!tt_tpr_resolvable(nonmembers, asked->fprs[k]))
            return tt_node_fail(asked->node, err,
                                "report.tpr_at_fpr asks for %g, which needs %.0f non-members: attacks.%s is "
                                "judged on %zu of models.%s; give it more, or do not ask for it",
                                asked->fprs[k], ceil(1 / asked->fprs[k] - 1e-9),
                                p->spec->attacks[score->attack].name, nonmembers,
                                p->spec->models[score->model].role);
    return TT_OK;
}

static tt_status check_threshold(const tt_prepared *p, const tt_plan_score *score, const class_counts *n,
                                 tt_error *err)
{
    const tt_spec_attack *a = &p->spec->attacks[score->attack];
    if (!p->spec->report.asr || smaller(n->calibrating) >= TT_CALIBRATION_LEAST) return TT_OK;
    if (a->calibration == TT_CALIBRATION_NONE || a->calibration == TT_CALIBRATION_CROSS)
        return tt_node_fail(p->spec->report.node, err,
                            "report.asr asks for the accuracy at a fitted threshold, and attacks.%s has "
                            "calibration: %s, which fits none: say shadow or split",
                            a->name, tt_calibration_name(a->calibration));
    return tt_node_fail(p->spec->report.node, err,
                        "report.asr asks for the accuracy at a fitted threshold, which needs %d members and "
                        "%d non-members in the calibration: attacks.%s has %zu and %zu",
                        TT_CALIBRATION_LEAST, TT_CALIBRATION_LEAST, a->name, n->calibrating[1],
                        n->calibrating[0]);
}

/* What could not even be scored. */
static tt_status check_calibration(const tt_spec_attack *a, const class_counts *n, tt_error *err)
{
    if (a->calibration == TT_CALIBRATION_SPLIT && (!smaller(n->calibrating) || !smaller(n->judged)))
        return tt_node_fail(a->plugin.node, err,
                            "attacks.%s: calibration: split leaves %zu members and %zu non-members to "
                            "calibrate, %zu and %zu to judge: choose another calibration_part",
                            a->name, n->calibrating[1], n->calibrating[0], n->judged[1], n->judged[0]);
    if (a->calibration == TT_CALIBRATION_CROSS && smaller(n->judged) < TT_CALIBRATION_LEAST)
        return tt_node_fail(a->plugin.node, err,
                            "attacks.%s: calibration: cross needs at least %d members and %d non-members: "
                            "there are %zu and %zu",
                            a->name, TT_CALIBRATION_LEAST, TT_CALIBRATION_LEAST, n->judged[1], n->judged[0]);
    return TT_OK;
}

tt_status tt_quantities_check(const tt_prepared *p, tt_error *err)
{
    tt_status s = TT_OK;
    for (size_t i = 0; i < p->plan.n_scores && !s; i++) {
        const tt_plan_score *score = &p->plan.scores[i];
        const tt_spec_attack *a = &p->spec->attacks[score->attack];
        if (a->control) continue;
        class_counts n = count(p, score);
        s = check_calibration(a, &n, err);
        if (!s) s = check_rates(p, score, n.judged[0], err);
        if (!s) s = check_threshold(p, score, &n, err);
    }
    if (s && err) err->code = TT_ERR_REFUSED;
    return s ? TT_ERR_REFUSED : TT_OK;
}

/* ---- for people ---- */

/* The same said of several attacks, and of a control's samples, is said once. */
static void tell_once(tt_buf *out, size_t from, const char *line)
{
    if (!out->data || !strstr(out->data + from, line)) tt_buf_printf(out, "%s", line);
}

void tt_quantities_tell(const tt_prepared *p, tt_buf *out)
{
    static const double fprs[] = {0.1, 0.01, 0.001};
    size_t from = out->size;
    char line[256];
    for (size_t i = 0; i < p->plan.n_scores; i++) {
        const tt_plan_score *score = &p->plan.scores[i];
        const tt_spec_attack *a = &p->spec->attacks[score->attack];
        if (a->control) continue;
        class_counts n = count(p, score);
        for (size_t k = 0; k < sizeof fprs / sizeof *fprs; k++) {
            if (tt_tpr_resolvable(n.judged[0], fprs[k])) continue;
            snprintf(line, sizeof line,
                     "TPR@%g%%FPR will not be resolvable with %zu non-members: it needs %.0f\n",
                     100 * fprs[k], n.judged[0], ceil(1 / fprs[k] - 1e-9));
            tell_once(out, from, line);
        }
        if (smaller(n.calibrating) >= TT_CALIBRATION_LEAST || !(n.calibrating[0] + n.calibrating[1]))
            continue;
        snprintf(line, sizeof line,
                 "ASR of %s will not be resolvable: it calibrates on %zu members and %zu non-members, and a "
                 "threshold needs %d each\n",
                 a->name, n.calibrating[1], n.calibrating[0], TT_CALIBRATION_LEAST);
        tell_once(out, from, line);
    }
}
