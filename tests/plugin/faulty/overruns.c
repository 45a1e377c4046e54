#include "faulty.h"

/* writes one value more than its rows have */
static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    tt_status s = sound_measure(attack, context, n, samples, rows, err);
    rows[n] = 0;
    return s;
}

FAULTY_PLUGIN("overruns", sound_init, .create = sound_create, .destroy = sound_destroy, .plan = sound_plan,
              .measure = measure, .score = sound_score);
