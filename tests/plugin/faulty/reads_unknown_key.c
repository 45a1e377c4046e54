#include "faulty.h"

static tt_status create(const tt_params *params, void **attack, tt_error *err)
{
    (void)host->param_float(params, "gamma");
    return sound_create(params, attack, err);
}

FAULTY_PLUGIN("reads_unknown_key", sound_init, .create = create, .destroy = sound_destroy, .plan = sound_plan,
              .measure = sound_measure, .score = sound_score);
