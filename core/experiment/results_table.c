/* The table of a run, for people. */
#include "experiment/results_controls.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Characters, not bytes: ± and – are several. */
static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void cell(tt_buf *out, int width, const char *format, ...) TT_PRINTF(3, 4);

static void cell(tt_buf *out, int width, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int n = characters(text);
    tt_buf_printf(out, "  %s%*s", text, n < width ? width - n : 0, "");
}

enum { NAME = 14, WIDE = 20, RATE = 16, SHORT = 7 };

static const char *heading(const char *role)
{
    if (strcmp(role, "control") == 0) return "control (never saw the data)";
    return role;
}

/* The first scores of a role that there are: all of a run have the same FPRs. */
static const tt_evaluation *first_of(const tt_results *r, const char *role)
{
    for (size_t i = 0; i < r->n_scores; i++)
        if (!r->scores[i].failure && strcmp(r->scores[i].role, role) == 0) return &r->scores[i].evaluation;
    return NULL;
}

static void head(tt_buf *out, const char *role, const tt_evaluation *e)
{
    tt_buf_printf(out, "%s\n", heading(role));
    cell(out, NAME, "attack");
    cell(out, WIDE, "AUC");
    cell(out, WIDE, "ASR");
    cell(out, RATE, "TPR@1%%FPR");
    cell(out, RATE, "TPR@0.1%%FPR");
    for (size_t k = TT_EVALUATE_FPRS; e && k < e->n_tprs; k++)
        cell(out, RATE, "TPR@%g%%FPR", 100 * e->tpr[k].fpr_target);
    cell(out, SHORT, "queries");
    cell(out, SHORT, "seconds");
    cell(out, 0, "calibration");
    tt_buf_printf(out, "\n");
}

static void asr(const tt_result_scores *r, tt_buf *out)
{
    if (r->has_threshold)
        cell(out, WIDE, "%.3f [%.3f, %.3f]", r->asr.accuracy, r->asr_fitted.low, r->asr_fitted.high);
    else if (tt_result_too_few(r))
        cell(out, WIDE, "not resolvable");
    else
        cell(out, WIDE, "%.3f (optimistic)", r->evaluation.best.accuracy);
}

static void rate(tt_buf *out, const tt_tpr *t)
{
    if (t->resolvable)
        cell(out, RATE, "%.3f [%.2f, %.2f]", t->tpr, t->bootstrap.low, t->bootstrap.high);
    else
        cell(out, RATE, "not resolvable");
}

static void line(const tt_result_scores *r, const tt_run_info *info, tt_buf *out)
{
    cell(out, NAME, "%s", r->attack);
    if (r->failure) {
        tt_buf_printf(out, "  failed\n");
        return;
    }
    const tt_evaluation *e = &r->evaluation;
    cell(out, WIDE, "%.3f [%.3f, %.3f]", e->auc.auc, e->auc.logit.low, e->auc.logit.high);
    asr(r, out);
    for (size_t k = 1; k < e->n_tprs; k++)
        rate(out, &e->tpr[k]);
    cell(out, SHORT, "%.4g", r->predictions);
    const tt_run_step *step = tt_run_step_of(info, r->attack, r->role);
    if (step)
        cell(out, SHORT, "%.1f", step->seconds);
    else
        cell(out, SHORT, "-");
    cell(out, 0, "%s%s%s%.80s", r->calibration,
         strcmp(r->calibration, "split") == 0 || strcmp(r->calibration, "cross") == 0
             ? " (stronger attacker: labels of the target's own data)"
             : "",
         r->fitted[0] ? ": " : "", r->fitted);
    tt_buf_printf(out, "\n");
}

static void comparisons(const tt_results *r, const char *role, tt_buf *out)
{
    for (size_t i = 0; i < r->n_comparisons; i++) {
        const tt_result_comparison *c = &r->comparisons[i];
        if (strcmp(c->role, role) != 0) continue;
        tt_buf_printf(
            out, "  %s against %s: AUC %+.3f [%+.3f, %+.3f], z %.2f, p %.2g, %.2g by Holm (paired DeLong)\n",
            c->attack_a, c->attack_b, c->delong.difference, c->delong.interval.low, c->delong.interval.high,
            c->delong.z, c->delong.p, c->p_holm);
    }
}

static void failures(const tt_results *r, tt_buf *out)
{
    bool any = false;
    for (size_t i = 0; i < r->n_scores; i++) {
        const tt_result_scores *s = &r->scores[i];
        if (!s->failure) continue;
        tt_buf_printf(out, "%s  %s on %s: %s\n", any ? "" : "\nfailed:\n", s->attack, s->role, s->failure);
        any = true;
    }
}

/* One block for each judged model, in the order of the scores. */
static void blocks(const tt_results *r, const tt_run_info *info, tt_buf *out)
{
    for (size_t i = 0; i < r->n_scores; i++) {
        const char *role = r->scores[i].role;
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(r->scores[k].role, role) == 0;
        if (seen) continue;
        if (i) tt_buf_printf(out, "\n");
        head(out, role, first_of(r, role));
        for (size_t k = i; k < r->n_scores; k++)
            if (strcmp(r->scores[k].role, role) == 0) line(&r->scores[k], info, out);
        comparisons(r, role, out);
        tt_controls_table(r, role, out);
    }
}

static void counts(const tt_results *r, tt_buf *out)
{
    for (size_t i = 0; i < r->n_scores; i++) {
        const tt_evaluation *e = &r->scores[i].evaluation;
        if (r->scores[i].failure) continue;
        tt_buf_printf(out, "\n%zu members, %zu non-members. ", e->members, e->nonmembers);
        for (size_t k = 0; k < e->n_tprs; k++)
            if (!e->tpr[k].resolvable)
                tt_buf_printf(out, "TPR@%g%%FPR is not resolvable with %zu non-members: it needs %.0f. ",
                              100 * e->tpr[k].fpr_target, e->nonmembers,
                              ceil(1 / e->tpr[k].fpr_target - 1e-9));
        break;
    }
    for (size_t i = 0; i < r->n_scores; i++)
        if (!r->scores[i].failure && tt_result_too_few(&r->scores[i]))
            tt_buf_printf(
                out,
                "ASR of %s on %s is not resolvable: a threshold needs %d members and %d non-members "
                "in the calibration, which has %zu in all. ",
                r->scores[i].attack, r->scores[i].role, TT_CALIBRATION_LEAST, TT_CALIBRATION_LEAST,
                r->scores[i].n_calibration);
    tt_buf_printf(out, "Intervals 95 %%: AUC DeLong (logit), the rest two-class bootstrap.\n"
                       "ASR: accuracy at the threshold fitted on the calibration; \"optimistic\": the best "
                       "threshold on these very data.\n");
}

static void warnings(const tt_results *r, tt_buf *out)
{
    char text[400];
    bool any = false;
    for (size_t i = 0; i < r->n_scores; i++) {
        if (!tt_result_direction(&r->scores[i], text)) continue;
        tt_buf_printf(out, "%s  %s\n", any ? "" : "\nwarnings:\n", text);
        any = true;
    }
    for (size_t i = 0; i < r->n_features; i++) {
        if (!tt_result_bad_samples(&r->features[i], text)) continue;
        tt_buf_printf(out, "%s  %s\n", any ? "" : "\nwarnings:\n", text);
        any = true;
    }
}

bool tt_results_table(const tt_results *r, const tt_run_info *info, tt_buf *out)
{
    char text[96];
    const char *confinement = info ? tt_run_confinement(info, text) : NULL;
    blocks(r, info, out);
    counts(r, out);
    tt_results_counts_text(r, info, out);
    tt_results_identity_text(r, out);
    if (confinement) tt_buf_printf(out, "%s\n", confinement);
    const char *money = info ? tt_run_money(info, text) : NULL;
    if (money) tt_buf_printf(out, "%s\n", money);
    warnings(r, out);
    failures(r, out);
    return !out->failed;
}
