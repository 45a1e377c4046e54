#include "faulty.h"

#include <unistd.h>

static tt_status hang(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                      double *rows, tt_error *err)
{
    (void)attack, (void)context, (void)n, (void)rows, (void)err;
    while (samples)
        pause();
    return TT_OK;
}

FAULTY_PLUGIN("hangs_in_measure", sound_init, .create = sound_create, .destroy = sound_destroy,
              .plan = sound_plan, .measure = hang, .score = sound_score);
