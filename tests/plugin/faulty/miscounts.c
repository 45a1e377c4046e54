#include "faulty.h"

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    tt_status s = sound_plan(attack, p, err);
    p->predictions = 2;
    return s;
}

FAULTY_PLUGIN("miscounts", sound_init, .create = sound_create, .destroy = sound_destroy, .plan = plan,
              .measure = sound_measure, .score = sound_score);
