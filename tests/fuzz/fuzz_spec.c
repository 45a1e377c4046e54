/* Specs, read and checked whole. Every plugin of any name has one table with a parameter of each type, so
 * that no plugin need be loaded. A first line "#! KEY=VALUE" is an override. */
#include "experiment/sweep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A real file: a spec's folder is asked for, which memory has not. */
static char folder[] = "/tmp/telltale-fuzz-XXXXXX", path[64], base[64];

static void remove_folder(void)
{
    unlink(path);
    unlink(base);
    rmdir(folder);
}

static void put_file(const char *name, const void *data, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    close(fd);
}

/* The first cells, where it is a sweep. */
static void load_cells(const tt_spec_request *request, const tt_plugin_source *source)
{
    tt_problems problems = {0};
    tt_sweep *sweep = NULL;
    tt_error err = {0};
    if (tt_sweep_open(request, &problems, &sweep, &err) != TT_OK && err.message[0] == '\0') abort();
    for (size_t i = 0; sweep && i < sweep->n && i < 4; i++) {
        tt_spec *spec = NULL;
        tt_problems own = {0};
        if (tt_sweep_cell(sweep, i, source, &own, &spec, &err) == TT_OK) tt_spec_free(spec);
        tt_problems_free(&own);
    }
    tt_sweep_free(sweep);
    tt_problems_free(&problems);
}

static tt_status load(const void *data, size_t size, const char *override)
{
    put_file(path, data, size);
    tt_plugin_source source = {.find = find};
    tt_spec *spec = NULL;
    tt_error err = {0};
    tt_spec_request request = {path, &override, override[0] != '\0'};
    load_cells(&request, &source);
    tt_status s = tt_spec_load(path, &override, override[0] != '\0', &source, &spec, &err);
    if (s) {
        if (err.message[0] == '\0') abort(); /* every refusal says something */
        return s;
    }
    volatile size_t used = strlen(spec->resolved);
    (void)used;
    tt_spec_free(spec);
    return s;
}

/* Were a sound spec refused, all the fuzzing would be of that refusal. */
static void start(void)
{
    static const char sound[] = "version: 1\ndata: {a: {plugin: any, splits: {s: 2, t: 3}}}\n"
                                "models: {target: {plugin: any}}\nmembers: a.s\nnonmembers: a.t\n"
                                "threat_model: {access: grey-box, captions: known}\n"
                                "attacks: {loss: {calibration: none}}\n";
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/s.yaml", folder);
    snprintf(base, sizeof base, "%s/base.yaml", folder);
    setenv("WORD", "a word", 1);
    atexit(remove_folder);
    if (load(sound, sizeof sound - 1, "batch=2") != TT_OK) abort();
    put_file(base, sound, sizeof sound - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char first[256] = "";
    if (path[0] == '\0') start();
    size_t n = 0;
    while (n < size && n < sizeof first - 1 && data[n] != '\n' && data[n] != '\0')
        n++;
    if (n > 3 && memcmp(data, "#! ", 3) == 0) memcpy(first, data + 3, n - 3);
    load(data, size, first);
    return 0;
}
