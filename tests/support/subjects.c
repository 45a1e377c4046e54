#include "support/subjects.h"

#include "plugin/registry.h"
#include "support/test.h"
#ifdef TT_CUDA_FAKE
#include "support/cuda/fake.h"
#endif

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *backend, *isa;
} subjects[SUBJECTS] = {{"cpu", "amx_bf16"},      {"cpu", "avx512_bf16"}, {"cpu", "avx512"},
                        {"cpu", "avx2"},          {"cpu", "generic"},     {"cuda", NULL},
                        {"cuda (emulated)", NULL}};

static tt_registry *registry;
static tt_error err;

static tt_device *skipped(int i, const char *why)
{
    printf("skipped: backend %s %s: %s\n", subjects[i].backend, subjects[i].isa ? subjects[i].isa : "", why);
    return NULL;
}

static bool describes(const tt_device *device, const char *isa)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "(%s,", isa);
    return strstr(tt_device_backend(device)->describe(tt_device_self(device)), wanted) != NULL;
}

tt_device *subject_open(int i, int threads)
{
    tt_device_options options = {.size = sizeof options, .threads = threads};
    tt_device *device;
    const char *only = getenv("TELLTALE_TEST_BACKEND");
    if (only && strcmp(only, subjects[i].backend) != 0) return NULL;
#ifdef TT_CUDA_FAKE
    if (i == SUBJECT_EMULATED) {
        tt_ok(tt_device_open(cuda_emulated(), &options, &device, &err), &err);
        return device;
    }
#endif
    const tt_registered *found;
    if (subjects[i].isa) setenv("TELLTALE_CPU_ISA", subjects[i].isa, 1);
    if (!registry) tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
    if (tt_registry_find(registry, TT_KIND_BACKEND, subjects[i].backend, &found, &err))
        return skipped(i, "not built");
    const tt_backend *b = found->table;
    if (b->unavailable && b->unavailable()) return skipped(i, b->unavailable());
    tt_ok(tt_device_open(b, &options, &device, &err), &err);
    if (!subjects[i].isa || describes(device, subjects[i].isa)) return device;
    tt_device_close(device);
    return skipped(i, "the processor lacks the instructions");
}

bool subject_is_best(const tt_device *device)
{
    if (strcmp(tt_device_backend(device)->name, "cpu") != 0) return true;
    unsetenv("TELLTALE_CPU_ISA");
    tt_device *best;
    tt_ok(tt_device_open(tt_device_backend(device), NULL, &best, &err), &err);
    bool is = false;
    for (int i = 0; i < SUBJECTS; i++)
        is =
            is || (subjects[i].isa && describes(best, subjects[i].isa) && describes(device, subjects[i].isa));
    tt_device_close(best);
    return is;
}

float subject_noise(uint64_t stream, uint64_t i)
{
    uint64_t x = stream * 0x9e3779b97f4a7c15u + i;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    float u = ((float)(x >> 40) * 0x1p-24f - 0.5f) * 3.4641016f;
    return (x & 4095) == 0 ? 8 * u : u;
}
