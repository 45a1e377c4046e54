/* The allow list of a confined worker; what the kernel makes of it is in e2e/test_planted_faults.c. */
#include "base/file.h"
#include "runtime/confine.h"
#include "runtime/wire.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static tt_error err;
static char root[512];

static const char *at(const char *name)
{
    static char paths[16][700];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void make(const char *name)
{
    tt_ok(tt_file_write(at(name), "x", 1, &err), &err);
}

/* attack/{mine.py, helper.py, out/store/rows, weights/unet}, data/a.png */
static void setup(void)
{
    static const char *const folders[] = {"attack/out/store", "attack/weights", "data"};
    char *real = realpath(tt_test_dir(), NULL);
    snprintf(root, sizeof root, "%s", real);
    free(real);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        tt_ok(tt_dir_create(at(folders[i]), &err), &err);
    make("attack/mine.py");
    make("attack/helper.py");
    make("attack/out/note");
    make("attack/out/store/rows");
    make("attack/weights/unet");
    make("data/a.png");
    unlink(at("attack/link"));
    ck_assert_int_eq(symlink(at("data"), at("attack/link")), 0);
}

/* May this be read by the rules? */
static bool allows(const tt_buf *rules, const char *path)
{
    tt_reader in = tt_reader_over(rules->data, rules->size);
    while (!tt_reader_done(&in)) {
        uint32_t rights = tt_get_u32(&in);
        const char *above = tt_get_text(&in);
        ck_assert_ptr_nonnull(above);
        size_t n = strlen(above);
        if (rights & TT_CONFINE_READ && strncmp(path, above, n) == 0 && (path[n] == '\0' || path[n] == '/'))
            return true;
    }
    return false;
}

START_TEST(a_program_sees_its_folder_without_what_is_hidden_there)
{
    const tt_program program = {.path = at("attack/mine.py")};
    const char *const hidden[] = {at("attack/out/store"), at("attack/weights"), at("absent"), NULL};
    const tt_confine_need need = {.program = &program, .hidden = hidden, .n_hidden = 4};
    tt_buf rules = {0};
    tt_ok(tt_confine_rules(&need, &rules, &err), &err);
    ck_assert(allows(&rules, at("attack/mine.py")));
    ck_assert(allows(&rules, at("attack/helper.py")));
    ck_assert(allows(&rules, at("attack/out/note")));
    ck_assert(!allows(&rules, at("attack/out/store/rows")));
    ck_assert(!allows(&rules, at("attack/weights/unet")));
    ck_assert(!allows(&rules, at("attack/link")));
    ck_assert(!allows(&rules, at("data/a.png")));
    ck_assert(allows(&rules, "/usr/lib"));
    ck_assert(allows(&rules, "/dev/null"));
    ck_assert(!allows(&rules, "/etc/shadow"));
    tt_buf_free(&rules);
}
END_TEST

START_TEST(in_a_hidden_folder_only_what_is_named_is_seen)
{
    const tt_program program = {.path = at("attack/mine.py")};
    const char *const hidden[] = {at("attack"), at("data")}, *const readable[] = {at("data/a.png")};
    const tt_confine_need need = {
        .program = &program, .hidden = hidden, .n_hidden = 2, .readable = readable, .n_readable = 1};
    tt_buf rules = {0};
    tt_ok(tt_confine_rules(&need, &rules, &err), &err);
    ck_assert(allows(&rules, at("attack/mine.py")));
    ck_assert(!allows(&rules, at("attack/helper.py")));
    ck_assert(allows(&rules, at("data/a.png")));
    tt_buf_free(&rules);
}
END_TEST

START_TEST(a_plugin_sees_plugin_folders_and_no_working_folder)
{
    const char *const dirs[] = {at("data")};
    const tt_confine_need need = {.plugin_dirs = dirs, .n_plugin_dirs = 1};
    char here[600];
    tt_buf rules = {0};
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    tt_ok(tt_confine_rules(&need, &rules, &err), &err);
    ck_assert(allows(&rules, at("data/a.png")));
    ck_assert(allows(&rules, TT_BUILD_DIR "/plugins/attacks/loss.so"));
    ck_assert(!allows(&rules, here));
    ck_assert(!allows(&rules, at("attack/mine.py")));
    tt_buf_free(&rules);
}
END_TEST

START_TEST(rules_that_are_no_rules_are_an_error)
{
    if (tt_confine_abi() == 0) {
        printf("skipped: the kernel has no Landlock\n");
        return;
    }
    tt_fails(tt_confine_enter("\1\2\3\4\5", 5, &err), TT_ERR_FORMAT, "malformed rules", &err);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("confinement");
    TCase *tc = tcase_create("rules");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_program_sees_its_folder_without_what_is_hidden_there);
    tcase_add_test(tc, in_a_hidden_folder_only_what_is_named_is_seen);
    tcase_add_test(tc, a_plugin_sees_plugin_folders_and_no_working_folder);
    tcase_add_test(tc, rules_that_are_no_rules_are_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
