/* What a reader of results must be told besides numbers. */
#include "experiment/results.h"

#include <stdio.h>
#include <string.h>

enum { WARNING_MAX = 400 };

static bool put(const tt_auc *auc, const tt_result_scores *r, const char *where, char *text)
{
    if (!(auc->logit.high < 0.5)) return false;
    snprintf(text, WARNING_MAX,
             "direction: %s on %s: AUC %.3f [%.3f, %.3f]%s: its scores are lower for members, and an attack "
             "declares higher = member. Nothing was turned round",
             r->attack, r->role, auc->auc, auc->logit.low, auc->logit.high, where);
    return true;
}

bool tt_result_direction(const tt_result_scores *r, char text[400])
{
    tt_auc calibration;
    tt_error err = {0};
    if (r->failure || strcmp(r->role, "target") != 0) return false;
    if (put(&r->evaluation.auc, r, "", text)) return true;
    return r->n_calibration && r->calibration_scores &&
           tt_auc_compute(r->n_calibration, r->calibration_scores, r->calibration_member, &calibration,
                          &err) == TT_OK &&
           put(&calibration, r, " on its calibration", text);
}

bool tt_result_bad_samples(const tt_result_features *f, char text[400])
{
    if (f->n_bad == 0) return false;
    snprintf(text, WARNING_MAX,
             "%s on %s: %zu of %zu samples have a feature that is not a finite number: they are left out",
             f->attack, f->role, f->n_bad, f->n);
    return true;
}
