/* Specs, read and checked whole. Every plugin of any name has one table with a parameter of each type, so
 * that no plugin need be loaded. A first line "#! KEY=VALUE" is an override. */
#include "experiment/spec.h"
#include "memory_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const tt_param params[] = {
    {"flag", TT_PARAM_BOOL, "true", 0, 0, NULL, "a switch", 0},
    {"number", TT_PARAM_INT, "3", -5, 1000, NULL, "an integer", 0},
    {"alpha", TT_PARAM_FLOAT, "0.5", 0, 1, NULL, "a number", TT_PARAM_SCORE},
    {"name", TT_PARAM_STRING, NULL, 0, 0, NULL, "a text", 0},
    {"kind", TT_PARAM_CHOICE, "a", 0, 0, "a|b", "a choice", 0},
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "a file", 0},
    {"timesteps", TT_PARAM_INTS, "[440, 450]", 0, 999, NULL, "integers", 0},
    {"weights", TT_PARAM_FLOATS, NULL, 0, 0, NULL, "numbers", 0},
    {"words", TT_PARAM_STRINGS, NULL, 0, 0, NULL, "texts", 0},
    {"splits", TT_PARAM_COUNTS, NULL, 0, 0, NULL, "names and counts", 0},
};

static tt_status find(void *user, tt_plugin_kind kind, const char *name, const tt_plugin_info **info,
                      tt_error *err)
{
    (void)user;
    static tt_plugin_info found[TT_KIND_BACKEND + 1];
    if (strcmp(name, "none") == 0) return tt_fail(err, TT_ERR_NOT_FOUND, "there is no plugin '%s'", name);
    found[kind] = (tt_plugin_info){.size = sizeof found[0],
                                   .kind = kind,
                                   .name = "any",
                                   .revision = 1,
                                   .version = "1",
                                   .summary = "any",
                                   .params = params,
                                   .n_params = sizeof params / sizeof *params};
    *info = &found[kind];
    return TT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], first[256] = "";
    size_t n = 0;
    while (n < size && n < sizeof first - 1 && data[n] != '\n' && data[n] != '\0')
        n++;
    if (n > 3 && memcmp(data, "#! ", 3) == 0) memcpy(first, data + 3, n - 3);
    int fd = memory_file(data, size, path);
    if (fd < 0) return 0;
    tt_plugin_source source = {find, NULL};
    const char *overrides[] = {first};
    tt_spec *spec = NULL;
    tt_error err = {0};
    if (tt_spec_load(path, overrides, first[0] != '\0', &source, &spec, &err) == TT_OK) {
        volatile size_t used = strlen(spec->resolved);
        (void)used;
        tt_spec_free(spec);
    }
    close(fd);
    return 0;
}
