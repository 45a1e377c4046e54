#include "faulty.h"

#include <string.h>

static tt_status plan(void *attack, tt_attack_plan *p, tt_error *err)
{
    tt_status s = sound_plan(attack, p, err);
    p->can_fit = true;
    return s;
}

static tt_status fit(void *attack, const tt_rows *rows, const uint8_t *member, uint8_t **state, size_t *size,
                     tt_error *err)
{
    (void)attack, (void)rows, (void)member, (void)err;
    *size = 16;
    *state = host->alloc(*size);
    memset(*state, 1, *size);
    return TT_OK;
}

FAULTY_PLUGIN("trusts_state", sound_init, .create = sound_create, .destroy = sound_destroy, .plan = plan,
              .measure = sound_measure, .fit = fit, .score = sound_score);
