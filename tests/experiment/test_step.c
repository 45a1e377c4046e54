/* What the keys of measure steps are made of. */
#include "base/file.h"
#include "experiment/step.h"
#include "runtime/describe.h"
#include "support/test.h"

#include <string.h>

static tt_error err;
static tt_registry *registry;

static const char text[] =
    "version: 1\n"
    "data: {faces: {plugin: faces, splits: {seen: 5, held_out: 5}}}\n"
    "models: {target: {plugin: sd15, path: " TT_SOURCE_DIR "/configs/models/embedded/target}}\n"
    "members: faces.seen\n"
    "nonmembers: faces.held_out\n"
    "threat_model: {access: grey-box}\n"
    "attacks: {loss: {timesteps: [450]}}\n"
    "device: reference\n"
    "controls: off\n";

static void setup(void)
{
    err = (tt_error){0};
    tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
}

static void teardown(void)
{
    tt_registry_close(registry);
}

/* The key of the loss step with this override, in this environment. */
static void key_of(const char *override, const char *environment, char key[65])
{
    static const char *const columns[] = {"L"};
    const tt_plugin_source source = tt_plugin_source_registry(registry);
    char path[512];
    tt_spec *spec;
    snprintf(path, sizeof path, "%s/s.yaml", tt_test_dir());
    tt_ok(tt_file_write(path, text, sizeof text - 1, &err), &err);
    tt_ok(tt_spec_load(path, &override, override != NULL, &source, &spec, &err), &err);
    const tt_attack_plan plan = {.size = sizeof plan,
                                 .roles = {{.role = "target", .capabilities = TT_CAP_PREDICT}},
                                 .n_roles = 1,
                                 .n_columns = 1,
                                 .columns = columns};
    const tt_universe universe = {.n = 10, .members = 5};
    const char *const digests[] = {"00"};
    const tt_step_context context = {.spec = spec, .model_digests = digests, .environment = environment};
    tt_measure_step step = {.spec = spec, .plan = &plan, .universe = &universe, .batch = 16};
    tt_ok(tt_step_identify(&context, &step, &err), &err);
    memcpy(key, step.key, 65);
    tt_free(step.description);
    tt_spec_free(spec);
}

START_TEST(the_batch_of_a_model_is_part_of_keys_only_where_bits_depend_on_it)
{
    char a[65], b[65];
    const char *invariant = "cpu 1", *of_batch = "gpu 1" TT_ENVIRONMENT_OF_BATCH;
    key_of("models.target.batch=2", invariant, a);
    key_of("models.target.batch=4", invariant, b);
    ck_assert_str_eq(a, b);
    key_of("models.target.batch=2", of_batch, a);
    key_of("models.target.batch=4", of_batch, b);
    ck_assert_str_ne(a, b);
    key_of("models.target.batch=2", of_batch, b);
    ck_assert_str_eq(a, b);
}
END_TEST

START_TEST(the_environment_and_the_arithmetic_are_part_of_keys)
{
    char a[65], b[65];
    key_of(NULL, "cpu 1", a);
    key_of(NULL, "cpu 2", b);
    ck_assert_str_ne(a, b);
    key_of("models.target.dtype=bf16", "cpu 1", b);
    ck_assert_str_ne(a, b);
    key_of("models.target.dtype=f32", "cpu 1", b);
    ck_assert_str_eq(a, b);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("step");
    TCase *tc = tcase_create("step");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_batch_of_a_model_is_part_of_keys_only_where_bits_depend_on_it);
    tcase_add_test(tc, the_environment_and_the_arithmetic_are_part_of_keys);
    suite_add_tcase(suite, tc);
    return suite;
}
