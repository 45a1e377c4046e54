#include "support/sweeps.h"
#include "support/shell.h"

#include <string.h>

tt_sweep *sweep;
tt_problems problems;
tt_plugin_source source;
tt_error sweep_error;
static tt_registry *registry;
static const char *head, *gone;

void sweeps_setup(const char *front, const char *key)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/tests/fixtures"};
    sweep_error = (tt_error){0};
    tt_ok(tt_registry_open(dirs, 1, &registry, &sweep_error), &sweep_error);
    source = tt_plugin_source_registry(registry);
    sweep = NULL;
    head = front;
    gone = key;
}

void sweeps_teardown(void)
{
    tt_sweep_free(sweep);
    tt_problems_free(&problems);
    tt_registry_close(registry);
}

tt_status open_with(const char *text, const char *override)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "%s%s", head, text);
    write_text("s.yaml", whole);
    tt_sweep_free(sweep);
    sweep = NULL;
    tt_problems_free(&problems);
    sweep_error = (tt_error){0};
    tt_spec_request request = {path_of("s.yaml"), &override, override != NULL};
    return tt_sweep_open(&request, &problems, &sweep, &sweep_error);
}

tt_status check(const char *text)
{
    tt_status s = open_with(text, NULL);
    return s ? s : tt_sweep_check(sweep, &source, NULL, &problems, &sweep_error);
}

void refused(const char *text, const char *part)
{
    ck_assert_int_ne(open_with(text, NULL), TT_OK);
    has_problem(part);
}

void has_problem(const char *part)
{
    for (size_t i = 0; i < problems.n; i++)
        if (strstr(problems.list[i].message, part)) return;
    ck_abort_msg("no problem says '%s'; the first is '%s'", part, problems.n ? problems.list[0].message : "");
}

void cell_says(const char *name, const char *part)
{
    size_t cell;
    tt_spec *spec = NULL;
    tt_problems own = {0};
    tt_ok(tt_sweep_find(sweep, name, &cell, &sweep_error), &sweep_error);
    tt_ok(tt_sweep_cell(sweep, cell, &source, &own, &spec, &sweep_error), &sweep_error);
    ck_assert_msg(strstr(spec->resolved, part) != NULL, "'%s' is not in %s", part, spec->resolved);
    ck_assert_ptr_null(strstr(spec->resolved, gone));
    tt_spec_free(spec);
    tt_problems_free(&own);
}
