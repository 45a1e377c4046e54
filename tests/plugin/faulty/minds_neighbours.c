#include "faulty.h"

/* centres the batch, so that a row depends on the others */
static tt_status measure(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err)
{
    tt_status s = sound_measure(attack, context, n, samples, rows, err);
    double mean = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += rows[i] / n;
    for (uint32_t i = 0; i < n; i++)
        rows[i] -= mean;
    return s;
}

FAULTY_PLUGIN("minds_neighbours", sound_init, .create = sound_create, .destroy = sound_destroy,
              .plan = sound_plan, .measure = measure, .score = sound_score);
