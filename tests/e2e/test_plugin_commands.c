/* ls, describe and plugin check as a person runs them. */
#include "base/mem.h"
#include "formats/json.h"
#include "support/shell.h"

#include <string.h>

#define FIXTURES TT_BUILD_DIR "/tests/fixtures"
#define FAULTY   TT_BUILD_DIR "/tests/faulty"

START_TEST(ls_survives_a_plugin_that_crashes_and_names_every_file_that_cannot_be_used)
{
    ck_assert_int_eq(shell("'" PROGRAM "' ls --plugin-dir '" FAULTY "' --plugin-dir='" FIXTURES "'"), 0);
    has("attack     sound ");
    has("attack     fixture ");
    has("backend    reference ");
    has("(built in)");
    has("crashes_in_init.so: crashes");
    has("missing_symbol.so: no plugin");
    has("wrong_abi.so: it was built for plugin ABI");
    ck_assert_int_eq(shell("'" PROGRAM "' ls backend --plugin-dir '" FIXTURES "'"), 0);
    lacks("attack     ");
    ck_assert_int_eq(shell("'" PROGRAM "' ls gadget"), 2);
    has("'gadget' is no kind of plugin");
}
END_TEST

START_TEST(the_environment_names_folders_too)
{
    ck_assert_int_eq(shell("TELLTALE_PLUGIN_PATH='/nowhere:" FIXTURES "' '" PROGRAM "' describe fixture"), 0);
    has("attack fixture, revision 1");
    has("timestep");
    has("integer, 0 to 999; default 450");
    has("diffusion timestep of the loss");
    has("needs of target    encode text predict");
    has("queries a sample  1 predictions");
}
END_TEST

START_TEST(describe_gives_json_that_a_parser_accepts)
{
    ck_assert_int_eq(shell("'" PROGRAM "' describe attack/fixture --json --plugin-dir '" FIXTURES "'"), 0);
    tt_arena *arena = tt_arena_create(0);
    tt_node *root;
    tt_error err = {0};
    tt_ok(tt_json_parse(arena, "output", output, strlen(output), &root, &err), &err);
    ck_assert_str_eq(tt_node_get(root, "kind")->text, "attack");
    ck_assert_uint_eq(tt_node_get(root, "parameters")->n_children, 4);
    ck_assert_str_eq(tt_node_get(tt_node_get(root, "parameters")->children, "key")->text, "timestep");
    ck_assert_int_eq(tt_node_get(tt_node_get(root, "plan"), "predictions")->value.integer, 1);
    ck_assert_str_eq(tt_node_get(tt_node_get(root, "plan"), "columns")->children->text, "L");
    tt_arena_destroy(arena);
}
END_TEST

START_TEST(a_wrong_name_is_answered_with_the_nearest)
{
    ck_assert_int_eq(shell("'" PROGRAM "' describe fixtrue --plugin-dir '" FIXTURES "'"), 2);
    has("did you mean 'fixture'");
    ck_assert_int_eq(shell("'" PROGRAM "' describe gadget/fixture"), 2);
    has("'gadget' is no kind of plugin");
}
END_TEST

START_TEST(plugin_check_prints_each_step_and_its_exit_code_says_whether_there_are_faults)
{
    ck_assert_int_eq(shell("'" PROGRAM "' plugin check '" FAULTY "/sound.so'"), 0);
    has("ok       attack sound: measure: 5 samples, 5 predictions");
    has("no fault found");
    ck_assert_int_eq(shell("'" PROGRAM "' plugin check '" FAULTY "/hangs_in_measure.so' --time-limit 0.3"),
                     1);
    has("FAILED   attack hangs_in_measure: measure: hangs");
    has("1 fault\n");
    ck_assert_int_eq(shell("'" PROGRAM "' plugin check"), 2);
    ck_assert_int_eq(shell("'" PROGRAM "' plugin check x --time-limit soon"), 2);
    has("usage:");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("plugin commands");
    TCase *tc = tcase_create("plugin commands");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, ls_survives_a_plugin_that_crashes_and_names_every_file_that_cannot_be_used);
    tcase_add_test(tc, the_environment_names_folders_too);
    tcase_add_test(tc, describe_gives_json_that_a_parser_accepts);
    tcase_add_test(tc, a_wrong_name_is_answered_with_the_nearest);
    tcase_add_test(tc, plugin_check_prints_each_step_and_its_exit_code_says_whether_there_are_faults);
    suite_add_tcase(suite, tc);
    return suite;
}
