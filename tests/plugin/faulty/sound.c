#include "faulty.h"

FAULTY_PLUGIN("sound", sound_init, .create = sound_create, .destroy = sound_destroy, .plan = sound_plan,
              .measure = sound_measure, .score = sound_score);
