#include "faulty.h"

static const tt_plugin_info *info(uint32_t index)
{
    static const tt_plugin_info offer = {.size = sizeof offer,
                                         .kind = TT_KIND_ATTACK,
                                         .name = "twice",
                                         .revision = 1,
                                         .version = "1.0",
                                         .summary = "one name two times"};
    return index < 2 ? &offer : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_attack_plugin table = {.size = sizeof table,
                                           .create = sound_create,
                                           .destroy = sound_destroy,
                                           .plan = sound_plan,
                                           .measure = sound_measure,
                                           .score = sound_score};
    (void)kind, (void)name;
    return &table;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), sound_init, sound_deinit, info, get,
};
