/* The skeleton builds out of tree against the build folder and against an installation, and passes the check.
 */
#include "base/mem.h"
#include "base/file.h"
#include "runtime/plugin_check.h"
#include "support/shell.h"

#define SOURCE TT_SOURCE_DIR "/tools/skeleton/attack"

static void print_line(void *user, tt_check_outcome outcome, const char *step, const char *text)
{
    size_t *oks = user;
    if (outcome == TT_CHECK_OK) ++*oks;
    if (outcome == TT_CHECK_FAILED) printf("FAILED %s: %s\n", step, text);
}

static void build_and_check(const char *package, const char *program)
{
    ck_assert_msg(shell("cmake -S '" SOURCE "' -B skeleton -Dtelltale_DIR='%s' "
                        "-DCMAKE_C_FLAGS='-Wall -Wextra -Werror' && cmake --build skeleton",
                        package) == 0,
                  "%s", output);
    tt_check_options options = {.program = program};
    size_t failures, oks = 0;
    tt_error err = {0};
    tt_ok(tt_plugin_check(path_of("skeleton/skeleton.so"), &options, print_line, &oks, &failures, &err),
          &err);
    ck_assert_uint_eq(failures, 0);
    ck_assert_uint_ge(oks, 8); /* load, parameters, create, plan, measure twice, score, destroy, … */
}

START_TEST(it_is_at_most_sixty_lines)
{
    char *text;
    size_t size, lines = 0;
    tt_error err = {0};
    tt_ok(tt_file_read(SOURCE "/skeleton.c", 1 << 16, &text, &size, &err), &err);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    tt_free(text);
    ck_assert_uint_le(lines, 60);
}
END_TEST

START_TEST(it_builds_against_the_build_folder_and_has_no_fault)
{
    build_and_check(TT_BUILD_DIR, TT_BUILD_DIR "/telltale");
}
END_TEST

START_TEST(it_builds_against_an_installation_and_is_found_by_the_installed_program)
{
    char package[500];
    ck_assert_msg(shell("cmake --install '" TT_BUILD_DIR "' --prefix \"$PWD/installed\"") == 0, "%s", output);
    ck_assert_int_eq(shell("find \"$PWD/installed\" -name telltale-config.cmake -printf %%h"), 0);
    snprintf(package, sizeof package, "%.499s", output);
    ck_assert_msg(package[0] == '/', "no telltale-config.cmake in installed");
    build_and_check(package, path_of("installed/bin/telltale"));
    ck_assert_int_eq(
        shell("installed/bin/telltale ls attack --plugin-dir skeleton | grep -q '^attack *skeleton'"), 0);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("skeleton");
    TCase *tc = tcase_create("skeleton");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, it_is_at_most_sixty_lines);
    tcase_add_test(tc, it_builds_against_the_build_folder_and_has_no_fault);
    tcase_add_test(tc, it_builds_against_an_installation_and_is_found_by_the_installed_program);
    suite_add_tcase(suite, tc);
    return suite;
}
