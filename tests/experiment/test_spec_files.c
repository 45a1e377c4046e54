/* The spec as files and texts: bases, overrides, references, and all mistakes at once. */
#include "base/file.h"
#include "experiment/spec.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_problems problems;
static tt_registry *registry;
static tt_plugin_source source;
static tt_spec *spec;

static void setup(void)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/tests/fixtures"};
    err = (tt_error){0};
    tt_ok(tt_registry_open(dirs, 1, &registry, &err), &err);
    source = tt_plugin_source_registry(registry);
    spec = NULL;
}

static void teardown(void)
{
    tt_spec_free(spec);
    tt_problems_free(&problems);
    tt_registry_close(registry);
}

static const char *write_file(const char *name, const char *text)
{
    static char path[512], dir[512];
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), name);
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    tt_ok(tt_dir_create(dir, &err), &err);
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
    return path;
}

static tt_status load(const char *name, const char *text, const char *override)
{
    tt_spec_free(spec);
    spec = NULL;
    tt_problems_free(&problems);
    err = (tt_error){0};
    tt_spec_request request = {write_file(name, text), &override, override != NULL};
    return tt_spec_load_all(&request, &source, &problems, &spec, &err);
}

static void holds(const char *part)
{
    ck_assert_msg(strstr(spec->resolved, part) != NULL, "'%s' is not in %s", part, spec->resolved);
}

static void has_problem(const char *part)
{
    for (size_t i = 0; i < problems.n; i++)
        if (strstr(problems.list[i].message, part)) return;
    ck_abort_msg("no problem says '%s'; the first is '%s'", part, problems.n ? problems.list[0].message : "");
}

#define GOOD                                                                                                 \
    "data:\n"                                                                                                \
    "  faces: {plugin: faces, splits: {seen: 20, held_out: 20}}\n"                                           \
    "models:\n"                                                                                              \
    "  target: {plugin: toy}\n"                                                                              \
    "members: faces.seen\n"                                                                                  \
    "nonmembers: faces.held_out\n"                                                                           \
    "threat_model: {access: [encode, text, predict]}\n"                                                      \
    "attacks:\n"                                                                                             \
    "  loss: {timesteps: [450]}\n"                                                                           \
    "  clid: {alpha: 0.25}\n"                                                                                \
    "device: {backend: reference}\n"                                                                         \
    "controls: off\n"

static const char good[] = "version: 1\n" GOOD;

START_TEST(a_base_gives_what_the_spec_does_not_say)
{
    write_file("common/base.yaml", good);
    tt_ok(load("s.yaml", "base: common/base.yaml\nseed: 5\nattacks: {loss: {timesteps: [300]}}\n", NULL),
          &err);
    ck_assert_uint_eq(spec->seed, 5);
    ck_assert_uint_eq(spec->n_attacks, 2);
    ck_assert_str_eq(spec->attacks[0].name, "loss");
    holds("\"timesteps\":[300]");
    holds("\"alpha\":0.25");
    /* stored whole: nothing of the files is needed to read it again */
    ck_assert_ptr_null(strstr(spec->resolved, "base.yaml"));
    char *resolved = strdup(spec->resolved);
    tt_ok(load("again.yaml", resolved, NULL), &err);
    ck_assert_str_eq(spec->resolved, resolved);
    free(resolved);
}
END_TEST

START_TEST(files_that_a_base_names_start_there_also_where_the_base_is_named_in_full)
{
    static const char table[] = "table,dataset,setting,method,attack,queries,unit,asr,auc,tpr_at_1,tpr_at_01,"
                                "tpr_as,half_width,note\n1,COCO,here,Loss,loss,1,percent,1,2,3,,,,\n";
    char text[600];
    write_file("common/table.csv", table);
    write_file("common/base.yaml",
               "version: 1\npublished: {file: table.csv, table: 1, dataset: COCO}\n" GOOD);
    tt_ok(load("s.yaml", "base: common/base.yaml\n", NULL), &err);
    snprintf(text, sizeof text, "base: %s/common/base.yaml\n", tt_test_dir());
    tt_ok(load("s.yaml", text, NULL), &err);
    snprintf(text, sizeof text, "%s/common/table.csv", tt_test_dir());
    ck_assert_str_eq(spec->published.file, text);
}
END_TEST

START_TEST(of_several_bases_the_later_wins_and_bases_have_bases)
{
    write_file("a/one.yaml", "base: deeper/two.yaml\nseed: 1\nbatch: 8\n");
    write_file("a/deeper/two.yaml", good);
    write_file("three.yaml", "seed: 3\n");
    tt_ok(load("s.yaml", "base: [a/one.yaml, three.yaml]\n", NULL), &err);
    ck_assert_uint_eq(spec->seed, 3);
    ck_assert_uint_eq(spec->batch, 8);
}
END_TEST

START_TEST(another_plugin_in_the_spec_replaces_the_whole_map_of_the_base)
{
    write_file("base.yaml", good);
    tt_ok(load("s.yaml", "base: base.yaml\nattacks: {clid: {plugin: loss}}\n", NULL), &err);
    ck_assert_str_eq(spec->attacks[1].plugin.info->name, "loss");
    ck_assert_ptr_null(strstr(spec->resolved, "0.25"));
}
END_TEST

START_TEST(a_cycle_of_bases_is_refused_with_its_chain)
{
    write_file("b.yaml", "base: c.yaml\n");
    write_file("c.yaml", "base: ./s.yaml\n");
    tt_fails(load("s.yaml", "base: b.yaml\n", NULL), TT_ERR_INVALID, "c.yaml:1:7: base: ", &err);
    has_problem("s.yaml is its own base: ");
    has_problem("s.yaml, which is the base of ");
    tt_fails(load("s.yaml", "base: s.yaml\n", NULL), TT_ERR_INVALID, "is its own base", &err);
}
END_TEST

START_TEST(a_base_that_is_wrong_is_told_where_it_is_wrong)
{
    write_file("base.yaml", "version: 1\nseed: many\nbach: 4\n");
    ck_assert_int_eq(load("s.yaml", "base: base.yaml\nbatch: 0\n" GOOD, NULL), TT_ERR_INVALID);
    has_problem("base.yaml:2:7: seed is many: must be");
    has_problem("base.yaml:3:1: bach is no key of a spec: did you mean 'batch'?");
    has_problem("s.yaml:2:8: batch is 0: must be");
    ck_assert_uint_eq(problems.n, 3);
    write_file("broken.yaml", "seed: [1\n");
    ck_assert_int_ne(load("s.yaml", "base: [nowhere.yaml, broken.yaml, 7]\nversion: 1\n" GOOD, NULL), TT_OK);
    has_problem("s.yaml:1:8: base: ");
    has_problem("broken.yaml:");
    has_problem("s.yaml:1:35: base must be the path of a spec");
}
END_TEST

START_TEST(the_environment_gives_values_with_their_types_or_a_default)
{
    setenv("TELLTALE_TEST_SEED", "17", 1);
    setenv("TELLTALE_TEST_STEPS", "[100, 200]", 1);
    setenv("TELLTALE_TEST_WORD", "fac", 1);
    unsetenv("TELLTALE_TEST_UNSET");
    char text[2048];
    snprintf(text, sizeof text,
             "version: 1\nseed: ${TELLTALE_TEST_SEED}\nbatch: ${TELLTALE_TEST_UNSET:-32}\n%s", GOOD);
    tt_ok(load("s.yaml", text, "attacks.loss.timesteps=${TELLTALE_TEST_STEPS}"), &err);
    ck_assert_uint_eq(spec->seed, 17);
    ck_assert_uint_eq(spec->batch, 32);
    holds("\"timesteps\":[100,200]");
    tt_ok(load("s.yaml", good, "members=${TELLTALE_TEST_WORD}es.${TELLTALE_TEST_UNSET:-seen}"), &err);
    ck_assert_str_eq(spec->members.split, "seen");
}
END_TEST

START_TEST(an_unset_variable_without_default_is_told_with_its_place_and_once)
{
    unsetenv("TELLTALE_TEST_UNSET");
    char text[2048];
    snprintf(text, sizeof text,
             "version: 1\nseed: ${TELLTALE_TEST_UNSET}\nbatch: ${TELLTALE TEST}\nlimits: ${open\n%s", GOOD);
    ck_assert_int_eq(load("s.yaml", text, NULL), TT_ERR_INVALID);
    has_problem("s.yaml:2:7: TELLTALE_TEST_UNSET is not set in the environment: set it, or give a default, "
                "${TELLTALE_TEST_UNSET:-default}");
    has_problem("s.yaml:3:8: ${TELLTALE TEST} is no reference");
    has_problem("s.yaml:4:9: a reference is not closed");
    ck_assert_uint_eq(problems.n, 3);
}
END_TEST

START_TEST(a_value_may_be_another_part_of_the_spec)
{
    char text[2048];
    snprintf(text, sizeof text, "version: 1\nseed: ${spec.batch}\nbatch: 8\n%s", GOOD);
    tt_ok(load("s.yaml", text, "attacks.second={plugin: loss, timesteps: '${spec.attacks.loss.timesteps}'}"),
          &err);
    ck_assert_uint_eq(spec->seed, 8);
    ck_assert_ptr_nonnull(strstr(strstr(spec->resolved, "\"second\""), "\"timesteps\":[450]"));
    /* overrides come first: what refers to them follows */
    tt_ok(load("s.yaml", text, "batch=9"), &err);
    ck_assert_uint_eq(spec->seed, 9);
    /* within a text, and a plain dollar */
    tt_ok(load("s.yaml", text, "members=${spec.data.faces.plugin}.seen"), &err);
    ck_assert_str_eq(spec->members.split, "seen");
    tt_fails(load("s.yaml", text, "members=$${seen}"), TT_ERR_INVALID, "members is ${seen}", &err);
}
END_TEST

START_TEST(a_reference_that_leads_nowhere_or_back_is_refused)
{
    char text[2048];
    snprintf(text, sizeof text, "version: 1\nseed: ${spec.batch}\nbatch: ${spec.seed}\n%s", GOOD);
    ck_assert_int_eq(load("s.yaml", text, NULL), TT_ERR_INVALID);
    has_problem("s.yaml:3:8: ${spec.seed} refers to itself, asked for by ${spec.batch}");
    tt_fails(load("s.yaml", good, "models.target=${spec.models}"), TT_ERR_INVALID, "refers to itself", &err);
    tt_fails(load("s.yaml", good, "members=${spec.nonmember}"), TT_ERR_INVALID,
             "override members=${spec.nonmember}:1:1: ${spec.nonmember}: the spec has no 'nonmember' there: "
             "did you mean 'nonmembers'?",
             &err);
    tt_fails(load("s.yaml", good, "members=x${spec.models}"), TT_ERR_INVALID, "cannot stand within a text",
             &err);
}
END_TEST

START_TEST(references_cannot_make_a_spec_explode)
{
    char text[8192];
    int n = snprintf(text, sizeof text, "version: 1\n%sbomb0: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n", GOOD);
    for (int i = 1; i < 12; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "bomb%d: [", i);
        for (int k = 0; k < 10; k++)
            n += snprintf(text + n, sizeof text - (size_t)n, "'${spec.bomb%d}',", i - 1);
        n += snprintf(text + n, sizeof text - (size_t)n, "]\n");
    }
    ck_assert_int_eq(load("s.yaml", text, NULL), TT_ERR_INVALID);
    has_problem("the spec grows too large");
}
END_TEST

START_TEST(all_mistakes_of_a_spec_are_told_at_once)
{
    static const char text[] = "version: 2\n"
                               "sede: 4\n"
                               "data:\n"
                               "  faces: {plugin: faces, splits: {seen: -1}, size: big, colour: 1}\n"
                               "models:\n"
                               "  target: {plugin: toi}\n"
                               "  shadow: {plugin: toy, members: faces.a, nonmembers: faces.b}\n"
                               "members: facs.seen\n"
                               "nonmembers: faces.held_out\n"
                               "threat_model: {access: [encode, txt, predikt], captions: 7}\n"
                               "attacks:\n"
                               "  loss: {timesteps: soon, calibration: shadow}\n"
                               "  clid: {alpha: 2, calibration_part: 5}\n"
                               "device: {backend: reference, threads: -1}\n"
                               "limits: {answer: 3}\n";
    ck_assert_int_ne(load("s.yaml", text, NULL), TT_OK);
    static const char *const parts[] = {
        "s.yaml:1:10: version is 2",      "s.yaml:2:1: sede is no key",
        "s.yaml:4:41: data.faces.splits", "s.yaml:4:52: data.faces.size is big",
        "s.yaml:4:57: data.faces.colour", "s.yaml:6:20: models.target: ",
        "s.yaml:8:10: members: there is", "s.yaml:10:33: threat_model.access is txt",
        "s.yaml:10:38: threat_model",     "s.yaml:10:58: threat_model.captions is 7",
        "s.yaml:12:21: attacks.loss.",    "s.yaml:13:17: attacks.clid.alpha is 2",
        "s.yaml:13:38: attacks.clid.",    "s.yaml:14:39: device.threads",
        "s.yaml:15:10: limits.answer",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        has_problem(parts[i]);
    ck_assert_uint_eq(problems.n, sizeof parts / sizeof *parts);
    ck_assert_ptr_nonnull(strstr(err.message, "version is 2"));
    ck_assert_ptr_nonnull(strchr(err.message, '\n'));
}
END_TEST

START_TEST(an_override_of_a_misspelt_name_is_refused_with_the_nearest)
{
    tt_fails(load("s.yaml", good, "attacks.clyd.alpha=0.5"), TT_ERR_INVALID,
             "override attacks.clyd.alpha=0.5: the spec has no attacks.clyd: did you mean 'clid'?", &err);
    tt_fails(load("s.yaml", good, "data.face.splits.seen=21"), TT_ERR_INVALID, "did you mean 'faces'?", &err);
    tt_fails(load("s.yaml", good, "attacks.clid.alhpa=0.5"), TT_ERR_INVALID, "did you mean 'alpha'?", &err);
    tt_fails(load("s.yaml", good, "theat_model.captions=known"), TT_ERR_INVALID,
             "did you mean 'threat_model'?", &err);
    tt_ok(load("s.yaml", good, "attacks.other={plugin: loss}"), &err);
    ck_assert_uint_eq(spec->n_attacks, 3);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("spec_files");
    TCase *tc = tcase_create("spec_files");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_base_gives_what_the_spec_does_not_say);
    tcase_add_test(tc, files_that_a_base_names_start_there_also_where_the_base_is_named_in_full);
    tcase_add_test(tc, of_several_bases_the_later_wins_and_bases_have_bases);
    tcase_add_test(tc, another_plugin_in_the_spec_replaces_the_whole_map_of_the_base);
    tcase_add_test(tc, a_cycle_of_bases_is_refused_with_its_chain);
    tcase_add_test(tc, a_base_that_is_wrong_is_told_where_it_is_wrong);
    tcase_add_test(tc, the_environment_gives_values_with_their_types_or_a_default);
    tcase_add_test(tc, an_unset_variable_without_default_is_told_with_its_place_and_once);
    tcase_add_test(tc, a_value_may_be_another_part_of_the_spec);
    tcase_add_test(tc, a_reference_that_leads_nowhere_or_back_is_refused);
    tcase_add_test(tc, references_cannot_make_a_spec_explode);
    tcase_add_test(tc, all_mistakes_of_a_spec_are_told_at_once);
    tcase_add_test(tc, an_override_of_a_misspelt_name_is_refused_with_the_nearest);
    suite_add_tcase(suite, tc);
    return suite;
}
