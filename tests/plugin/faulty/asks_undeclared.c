#include "faulty.h"

/* its measure calls predict */
static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    tt_status s = sound_plan(attack, p, err);
    p->roles[0].capabilities = TT_CAP_ENCODE | TT_CAP_TEXT;
    return s;
}

FAULTY_PLUGIN("asks_undeclared", sound_init, .create = sound_create, .destroy = sound_destroy, .plan = plan,
              .measure = sound_measure, .score = sound_score);
