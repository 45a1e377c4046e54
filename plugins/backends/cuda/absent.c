/* Stands for the backend in builds without it, so that `telltale ls backends` and specs that name it can say
 * why it is not there. */
#include "telltale/backend.h"
#include "telltale/plugin.h"

#include <string.h>

static tt_backend absent;

static const char *unavailable(void)
{
    return "not in this build: " TT_CUDA_ABSENT;
}

static tt_status init(const tt_host *host, const char *path, tt_error *err)
{
    (void)host, (void)path, (void)err;
    absent = *tt_backend_reference(); /* a whole table; `unavailable` keeps everybody from the rest of it */
    absent.name = "cuda";
    absent.unavailable = unavailable;
    return TT_OK;
}

static void deinit(void)
{
}

static const tt_plugin_info *info(uint32_t index)
{
    static const tt_plugin_info cuda_info = {
        .size = sizeof cuda_info,
        .kind = TT_KIND_BACKEND,
        .name = "cuda",
        .revision = 1,
        .version = "1",
        .summary = "NVIDIA GPUs",
    };
    return index == 0 ? &cuda_info : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    return kind == TT_KIND_BACKEND && strcmp(name, "cuda") == 0 ? &absent : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {.abi = TT_ABI_VERSION,
                                             .size = sizeof tt_plugin,
                                             .init = init,
                                             .deinit = deinit,
                                             .info = info,
                                             .get = get};
