#include "faulty.h"

#include <stdlib.h>

static tt_status leave(const tt_params *params, void **attack, tt_error *err)
{
    (void)params, (void)attack, (void)err;
    exit(7);
}

FAULTY_PLUGIN("exits", sound_init, .create = leave, .destroy = sound_destroy, .plan = sound_plan,
              .measure = sound_measure, .score = sound_score);
