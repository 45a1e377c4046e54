#include "faulty.h"

#include <stdlib.h>

static tt_status crash(const tt_host *h, const char *path, tt_error *err)
{
    (void)h, (void)path, (void)err;
    abort();
}

FAULTY_PLUGIN("crashes_in_init", crash, .create = sound_create, .destroy = sound_destroy, .plan = sound_plan,
              .measure = sound_measure, .score = sound_score);
