/* The skeleton builds out of tree against the build folder and against an installation, and passes the check.
 */
#include "base/mem.h"
#include "base/file.h"
#include "runtime/plugin_check.h"
#include "support/test.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE TT_SOURCE_DIR "/tools/skeleton/attack"

static void run(const char *format, ...) TT_PRINTF(1, 2);
static void run(const char *format, ...)
{
    char command[3000], quiet[3200];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    /* what it prints is shown when it fails */
    snprintf(quiet, sizeof quiet, "out=$(%s 2>&1) || { printf '%%s\\n' \"$out\"; exit 1; }", command);
    ck_assert_msg(system(quiet) == 0, "failed: %s", command);
}

static void print_line(void *user, tt_check_outcome outcome, const char *step, const char *text)
{
    size_t *oks = user;
    if (outcome == TT_CHECK_OK) ++*oks;
    if (outcome == TT_CHECK_FAILED) printf("FAILED %s: %s\n", step, text);
}

static void build_and_check(const char *package, const char *program)
{
    char build[400], path[500];
    snprintf(build, sizeof build, "%s/skeleton", tt_test_dir());
    run("cmake -S '%s' -B '%s' -Dtelltale_DIR='%s' -DCMAKE_C_FLAGS='-Wall -Wextra -Werror'", SOURCE, build,
        package);
    run("cmake --build '%s'", build);
    snprintf(path, sizeof path, "%s/skeleton.so", build);
    tt_check_options options = {.program = program};
    size_t failures, oks = 0;
    tt_error err = {0};
    tt_ok(tt_plugin_check(path, &options, print_line, &oks, &failures, &err), &err);
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
    char prefix[400], package[500], program[500], found[500];
    snprintf(prefix, sizeof prefix, "%s/installed", tt_test_dir());
    run("cmake --install '%s' --prefix '%s'", TT_BUILD_DIR, prefix);
    snprintf(found, sizeof found, "%s/found", tt_test_dir());
    run("find '%s' -name telltale-config.cmake -printf %%h > '%s'", prefix, found);
    char *text;
    size_t size;
    tt_error err = {0};
    tt_ok(tt_file_read(found, 4096, &text, &size, &err), &err);
    snprintf(package, sizeof package, "%s", text);
    tt_free(text);
    ck_assert_msg(package[0] == '/', "no telltale-config.cmake in %s", prefix);
    snprintf(program, sizeof program, "%s/bin/telltale", prefix);
    build_and_check(package, program);
    run("'%s' ls attack --plugin-dir '%s/skeleton' | grep -q '^attack *skeleton'", program, tt_test_dir());
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
