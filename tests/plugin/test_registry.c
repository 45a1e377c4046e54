#include "base/file.h"
#include "plugin/registry.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURES TT_BUILD_DIR "/tests/fixtures/"
#define FAULTY   TT_BUILD_DIR "/tests/faulty/"

static tt_arena *arena;
static tt_registry *registry;

static void setup(void)
{
    arena = tt_arena_create(0);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
    tt_registry_close(registry);
    registry = NULL;
}

static void refused(const char *path, const char *part)
{
    tt_error err = {0};
    tt_plugin_file *file;
    ck_assert_msg(tt_plugin_file_open(path, &file, &err) != TT_OK, "opened: %s", path);
    ck_assert_msg(strstr(err.message, part), "'%s' lacks '%s'", err.message, part);
    ck_assert_msg(strstr(err.message, path), "'%s' does not name the file", err.message);
}

START_TEST(a_good_plugin_opens_and_says_what_it_offers)
{
    tt_error err = {0};
    tt_plugin_file *file;
    tt_ok(tt_plugin_file_open(FIXTURES "good.so", &file, &err), &err);
    ck_assert_uint_eq(tt_plugin_file_entry(file)->abi, TT_ABI_VERSION);
    tt_plugin_file_close(file);
}
END_TEST

START_TEST(broken_files_are_refused_with_what_to_do)
{
    refused(FIXTURES "wrong_abi.so", "ABI 8");
    refused(FIXTURES "missing_symbol.so", "tt_plugin");
    refused(TT_SOURCE_DIR "/README.md", "not a shared object");
    refused("/nowhere/plugin.so", "cannot open");
    refused("/tmp", "/tmp");
    char path[512];
    snprintf(path, sizeof path, "%s/cut.so", tt_test_dir());
    char *data;
    size_t size;
    tt_error err = {0};
    tt_ok(tt_file_read(FIXTURES "good.so", 1 << 26, &data, &size, &err), &err);
    tt_ok(tt_file_write(path, data, 2000, &err), &err);
    tt_free(data);
    refused(path, path);
}
END_TEST

START_TEST(a_folder_of_good_and_broken_files_gives_plugins_and_problems)
{
    const char *dirs[] = {FIXTURES};
    tt_error err = {0};
    tt_registry *r;
    tt_ok(tt_registry_open(dirs, 1, &r, &err), &err);
    const tt_registered *found;
    tt_ok(tt_registry_find(r, TT_KIND_ATTACK, "fixture", &found, &err), &err);
    ck_assert_ptr_nonnull(found->table);
    tt_ok(tt_registry_find(r, TT_KIND_BACKEND, "reference", &found, &err), &err);
    ck_assert_uint_ge(tt_registry_problem_count(r), 2);
    tt_fails(tt_registry_find(r, TT_KIND_ATTACK, "fixtrue", &found, &err), TT_ERR_NOT_FOUND,
             "did you mean 'fixture'?", &err);
    tt_registry_close(r);
}
END_TEST

static void copy_fixture(const char *to)
{
    char *data;
    size_t size;
    tt_error err = {0};
    tt_ok(tt_file_read(FIXTURES "good.so", 1 << 26, &data, &size, &err), &err);
    tt_ok(tt_file_write(to, data, size, &err), &err);
    tt_free(data);
}

START_TEST(of_two_with_one_name_the_first_is_used_and_the_other_reported)
{
    char first[300], second[300], path[700];
    snprintf(first, sizeof first, "%s/one", tt_test_dir());
    snprintf(second, sizeof second, "%s/two", tt_test_dir());
    tt_error err = {0};
    tt_ok(tt_dir_create(first, &err), &err);
    tt_ok(tt_dir_create(second, &err), &err);
    snprintf(path, sizeof path, "%s/a.so", first);
    copy_fixture(path);
    snprintf(path, sizeof path, "%s/b.so", second);
    copy_fixture(path);
    setenv("TELLTALE_PLUGIN_PATH", second, 1);
    const char *dirs[] = {first};
    tt_registry *r;
    tt_ok(tt_registry_open(dirs, 1, &r, &err), &err);
    const tt_registered *found;
    tt_ok(tt_registry_find(r, TT_KIND_ATTACK, "fixture", &found, &err), &err);
    ck_assert_ptr_nonnull(strstr(found->path, "/one/a.so"));
    ck_assert_uint_eq(tt_registry_problem_count(r), 1);
    ck_assert_ptr_nonnull(strstr(tt_registry_problem(r, 0), "/two/b.so"));
    tt_registry_close(r);
    unsetenv("TELLTALE_PLUGIN_PATH");
}
END_TEST

START_TEST(only_files_that_may_offer_what_is_looked_for_are_opened)
{
    const char *dirs[] = {FAULTY}; /* one of them aborts when it is loaded */
    tt_error err = {0};
    tt_registry *r;
    tt_ok(tt_registry_open(dirs, 1, &r, &err), &err);
    const tt_registered *found;
    tt_ok(tt_registry_find(r, TT_KIND_ATTACK, "sound", &found, &err), &err);
    ck_assert_str_eq(found->info->name, "sound");
    size_t excluded = 0;
    for (size_t i = 0; i < tt_registry_file_count(r); i++)
        if (strstr(tt_registry_file(r, i), "crashes_in_init")) {
            tt_ok(tt_registry_exclude(r, i, "it crashes", &err), &err);
            excluded++;
        }
    ck_assert_uint_eq(excluded, 1);
    size_t n = tt_registry_count(r), problems = 0;
    for (size_t i = 0; i < n; i++)
        ck_assert_str_ne(tt_registry_at(r, i)->info->name, "crashes_in_init");
    for (size_t i = 0; i < tt_registry_problem_count(r); i++)
        problems += strstr(tt_registry_problem(r, i), "crashes_in_init.so: it crashes") != NULL;
    ck_assert_uint_eq(problems, 1);
    ck_assert_str_eq(found->info->name, "sound"); /* what was found stays where it is */
    tt_fails(tt_registry_find(r, TT_KIND_ATTACK, "lacks_score", &found, &err), TT_ERR_NOT_FOUND, "`score`",
             &err);
    tt_registry_close(r);
}
END_TEST

START_TEST(in_one_folder_the_file_that_bears_the_name_comes_first)
{
    char dir[300], path[700];
    snprintf(dir, sizeof dir, "%s/both", tt_test_dir());
    tt_error err = {0};
    tt_ok(tt_dir_create(dir, &err), &err);
    snprintf(path, sizeof path, "%s/a.so", dir);
    copy_fixture(path);
    snprintf(path, sizeof path, "%s/fixture.so", dir);
    copy_fixture(path);
    const char *dirs[] = {dir};
    for (int all_first = 0; all_first < 2; all_first++) {
        tt_registry *r;
        tt_ok(tt_registry_open(dirs, 1, &r, &err), &err);
        if (all_first) ck_assert_uint_ge(tt_registry_count(r), 1);
        const tt_registered *found;
        tt_ok(tt_registry_find(r, TT_KIND_ATTACK, "fixture", &found, &err), &err);
        ck_assert_ptr_nonnull(strstr(found->path, "/both/fixture.so"));
        ck_assert_uint_eq(tt_registry_problem_count(r), 1);
        ck_assert_ptr_nonnull(strstr(tt_registry_problem(r, 0), "/both/a.so"));
        ck_assert_ptr_nonnull(strstr(tt_registry_problem(r, 0), "rename or remove"));
        tt_registry_close(r);
    }
}
END_TEST

static void write_absence(const char *tree, const char *file, const char *why)
{
    char path[700];
    tt_error err = {0};
    snprintf(path, sizeof path, "%s/%s", tree, file);
    tt_ok(tt_file_write(path, why, strlen(why), &err), &err);
}

START_TEST(a_plugin_that_was_not_built_is_refused_with_the_reason_unless_another_folder_has_it)
{
    char tree[300], other[300], path[700];
    snprintf(tree, sizeof tree, "%s/left-out", tt_test_dir());
    snprintf(other, sizeof other, "%s/has-it", tt_test_dir());
    tt_error err = {0};
    snprintf(path, sizeof path, "%s/backends", tree);
    tt_ok(tt_dir_create(path, &err), &err);
    snprintf(path, sizeof path, "%s/attacks", tree);
    tt_ok(tt_dir_create(path, &err), &err);
    tt_ok(tt_dir_create(other, &err), &err);
    write_absence(tree, "backends/faraway.absent", "its library is missing (install it)\nmore\n");
    write_absence(tree, "attacks/fixture.absent", "not today\n");
    snprintf(path, sizeof path, "%s/fixture.so", other);
    copy_fixture(path);
    const char *dirs[] = {tree, other};
    tt_registry *r;
    const tt_registered *found;
    tt_ok(tt_registry_open(dirs, 1, &r, &err), &err);
    tt_fails(tt_registry_find(r, TT_KIND_BACKEND, "faraway", &found, &err), TT_ERR_NOT_FOUND,
             "backend 'faraway' was not built: its library is missing (install it)", &err);
    ck_assert_ptr_null(strstr(err.message, "more"));
    tt_fails(tt_registry_find(r, TT_KIND_ATTACK, "fixture", &found, &err), TT_ERR_NOT_FOUND, "not today",
             &err);
    size_t n = tt_registry_absent_count(r); /* this build may have left out some of its own */
    ck_assert_uint_ge(n, 2);
    ck_assert_ptr_null(tt_registry_absent(r, n));
    tt_registry_close(r);
    tt_ok(tt_registry_open(dirs, 2, &r, &err), &err);
    tt_ok(tt_registry_find(r, TT_KIND_ATTACK, "fixture", &found, &err), &err);
    ck_assert_uint_eq(tt_registry_absent_count(r), n - 1);
    tt_registry_close(r);
}
END_TEST

/* ---- parameters ---- */

static const tt_plugin_info *fixture(tt_error *err)
{
    const char *dirs[] = {FIXTURES};
    const tt_registered *found;
    if (!registry) tt_ok(tt_registry_open(dirs, 1, &registry, err), err);
    tt_ok(tt_registry_find(registry, TT_KIND_ATTACK, "fixture", &found, err), err);
    return found->info;
}

static tt_status parse(const char *yaml, tt_params **params, tt_error *err)
{
    tt_node *map;
    tt_status s = tt_yaml_parse(arena, "s.yaml", yaml, strlen(yaml), &map, err);
    return s ? s : tt_params_parse(fixture(err), map, "attacks.mine", "/base", NULL, 0, params, err);
}

START_TEST(parameters_have_defaults_and_are_read_through_the_host_s_table)
{
    tt_error err = {0};
    tt_params *p;
    tt_ok(parse("{timestep: 300, mode: mean}", &p, &err), &err);
    const tt_host *host = tt_host_table();
    ck_assert_int_eq(host->param_int(p, "timestep"), 300);
    ck_assert_double_eq(host->param_float(p, "alpha"), 0.5);
    ck_assert_str_eq(host->param_string(p, "mode"), "mean");
    const double *steps;
    ck_assert_uint_eq(host->param_list(p, "steps", &steps), 2);
    ck_assert_double_eq(steps[1], 450);
    tt_params_free(p);
}
END_TEST

START_TEST(equal_values_have_equal_canonical_text_and_score_keys_can_be_left_out)
{
    tt_error err = {0};
    tt_params *a, *b;
    tt_buf ta = {0}, tb = {0};
    tt_ok(parse("{alpha: 1, timestep: 450}", &a, &err), &err);
    tt_ok(parse("{alpha: 1.0}", &b, &err), &err);
    ck_assert(tt_params_canonical(a, 0, false, &ta) && tt_params_canonical(b, 0, false, &tb));
    ck_assert_str_eq(ta.data, tb.data);
    ta.size = 0;
    ck_assert(tt_params_canonical(a, TT_PARAM_SCORE, true, &ta));
    ck_assert_ptr_null(strstr(ta.data, "alpha"));
    tt_buf_free(&ta);
    tt_buf_free(&tb);
    tt_params_free(a);
    tt_params_free(b);
}
END_TEST

START_TEST(wrong_parameters_are_refused_with_place_range_and_the_nearest_key)
{
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"{alpha: 1.4}", "s.yaml:1:9: attacks.mine.alpha is 1.4: must be between 0 and 1"},
        {"{timestep: x}", "s.yaml:1:12: attacks.mine.timestep"},
        {"{timestep: 1000}", "999"},
        {"{timestepp: 4}", "did you mean 'timestep'"},
        {"{mode: median}", "sample"},
        {"{steps: [1, 2000]}", "2000"},
        {"{steps: 4}", "attacks.mine.steps"},
        {"[1]", "attacks.mine"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_error err = {0};
        tt_params *p;
        ck_assert_msg(parse(cases[i].yaml, &p, &err) != TT_OK, "accepted %s", cases[i].yaml);
        ck_assert_msg(strstr(err.message, cases[i].part), "%s: '%s'", cases[i].yaml, err.message);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("registry");
    TCase *tc = tcase_create("registry");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_good_plugin_opens_and_says_what_it_offers);
    tcase_add_test(tc, broken_files_are_refused_with_what_to_do);
    tcase_add_test(tc, a_folder_of_good_and_broken_files_gives_plugins_and_problems);
    tcase_add_test(tc, of_two_with_one_name_the_first_is_used_and_the_other_reported);
    tcase_add_test(tc, only_files_that_may_offer_what_is_looked_for_are_opened);
    tcase_add_test(tc, in_one_folder_the_file_that_bears_the_name_comes_first);
    tcase_add_test(tc, a_plugin_that_was_not_built_is_refused_with_the_reason_unless_another_folder_has_it);
    tcase_add_test(tc, parameters_have_defaults_and_are_read_through_the_host_s_table);
    tcase_add_test(tc, equal_values_have_equal_canonical_text_and_score_keys_can_be_left_out);
    tcase_add_test(tc, wrong_parameters_are_refused_with_place_range_and_the_nearest_key);
    suite_add_tcase(suite, tc);
    return suite;
}
