/* What `telltale plan` says of memory and disk, beside what a run was seen to hold. */
#include "base/mem.h"
#include "formats/json.h"
#include "support/networks.h"
#include "support/shell.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_arena *arena;

static void setup(void)
{
    arena = tt_arena_create(0);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
}

static const char spec[] =
    "version: 1\n"
    "data:\n"
    "  faces: {plugin: faces, splits: {seen: 40, held_out: 40}}\n"
    "models:\n"
    "  target: {plugin: sd15, path: '" TT_SOURCE_DIR "/configs/models/embedded/target'}\n"
    "controls: off\n"
    "members: faces.seen\n"
    "nonmembers: faces.held_out\n"
    "threat_model: {access: grey-box}\n"
    "attacks:\n"
    "  clid:\n"
    "  loss:\n"
    "device: {threads: 1}\n";

/* What `telltale COMMAND` prints for programs goes to out.txt. */
static int embedded(const char *command, const char *more)
{
    write_spec(spec);
    return shell("'" PROGRAM "' %s spec.yaml --out run %s >out.txt", command, more);
}

static const tt_node *read_json(const char *name)
{
    tt_node *root;
    tt_ok(tt_json_read(arena, path_of("%s", name), 1 << 20, &root, &err), &err);
    return root;
}

static double real_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    ck_assert_msg(n != NULL, "no %s", key);
    return n->kind == TT_NODE_INT ? (double)n->value.integer : n->value.real;
}

START_TEST(the_estimate_bounds_what_a_run_of_the_embedded_world_holds)
{
    if (tt_test_too_slow()) return; /* sanitizers hold memory of their own */
    ck_assert_int_eq(embedded("plan", "--json"), 0);
    const tt_node *memory = tt_node_get(read_json("out.txt"), "memory");
    ck_assert_int_eq(embedded("run", ""), 0);
    const tt_node *seen = tt_node_get(read_json("run/run.json"), "memory_mib");
    size_t n = 0;
    for (const tt_node *p = memory->children; p; p = p->next, n++) {
        const char *name = tt_node_get(p, "process")->text;
        double bound = real_of(p, "mib"), held = real_of(seen, name);
        printf("%s: at most %.1f MiB, seen %.1f\n", name, bound, held);
        ck_assert_double_gt(held, 0.5);
        ck_assert_double_le(held, bound);
        if (strncmp(name, "model ", 6) == 0) ck_assert_double_le(bound, 6 * held);
    }
    ck_assert_uint_eq(n, 3); /* the target's host, a worker, the conductor */
}
END_TEST

static double disk_used(const char *what)
{
    ck_assert_int_eq(shell("du -sck run/%s | tail -1", what), 0);
    return atof(output) / 1024;
}

static void near(const char *what, double estimate, double used)
{
    printf("%s: %.3f MiB planned, %.3f used\n", what, estimate, used);
    ck_assert_double_ge(estimate, used / 2);
    ck_assert_double_le(estimate, used * 2);
}

START_TEST(disk_is_planned_as_a_run_takes_it)
{
    ck_assert_int_eq(embedded("plan", "--json"), 0);
    const tt_node *disk = tt_node_get(read_json("out.txt"), "disk");
    ck_assert_int_eq(embedded("run", ""), 0);
    near("images", real_of(disk, "images"), disk_used("store/data-*"));
    near("rows", real_of(disk, "rows"), disk_used("store/measure-*"));
    near("scores", real_of(disk, "scores"), disk_used("store/score-*"));
    near("results", real_of(disk, "results"), disk_used("results.h5"));
}
END_TEST

START_TEST(a_limit_that_the_estimate_exceeds_is_told)
{
    ck_assert_int_eq(embedded("plan", "limits.memory_mib=40"), 0);
    ck_assert_int_eq(shell("cat out.txt"), 0);
    has("memory: model target may grow beyond limits.memory_mib (40)");
    has("memory at most: model target ");
    ck_assert_int_eq(embedded("plan", "limits.memory_mib=4000"), 0);
    ck_assert_int_eq(shell("cat out.txt"), 0);
    lacks("may grow beyond");
}
END_TEST

/* ---- a device with memory of its own: tests/runtime/fixtures/apart_backend.c ---- */

#define APART "--plugin-dir '" TT_BUILD_DIR "/tests/fixtures' device=apart"
/* few evaluations: the device computes as the reference backend does */
#define FEW " 'data.faces.splits={seen: 2, held_out: 2}' 'attacks={loss: }' models.target.batch=2"

static char *planned_text(const char *more)
{
    ck_assert_int_eq(embedded("plan", more), 0);
    return read_file("out.txt", NULL);
}

static void tells(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in:\n%s", part, text);
}

static const tt_node *target_of(const tt_node *root)
{
    const tt_node *first = tt_node_get(root, "memory")->children;
    ck_assert_str_eq(tt_node_get(first, "process")->text, "model target");
    return first;
}

START_TEST(on_a_device_with_its_own_memory_the_process_keeps_little)
{
    ck_assert_int_eq(embedded("plan", "--json device=reference"), 0);
    const tt_node *plain = read_json("out.txt"), *host = target_of(plain);
    ck_assert_ptr_null(tt_node_get(plain, "device_memory"));
    ck_assert_ptr_null(tt_node_get(host, "device_mib"));
    ck_assert_int_eq(embedded("plan", "--json " APART), 0);
    const tt_node *root = read_json("out.txt"), *there = target_of(root);
    ck_assert_double_lt(real_of(there, "mib"), real_of(host, "mib") / 2);
    ck_assert_double_eq_tol(real_of(there, "device_weights_mib"), real_of(host, "weights_mib"), 1e-6);
    ck_assert_double_gt(real_of(there, "device_mib"), 16 + real_of(there, "device_weights_mib"));
    ck_assert_double_eq(real_of(there, "batch"), 32);
    const tt_node *device = tt_node_get(root, "device_memory");
    ck_assert_str_eq(tt_node_get(device, "device")->text, "apart:0");
    ck_assert_double_eq_tol(real_of(device, "at_once_mib"), real_of(there, "device_mib"), 1e-6);
    ck_assert_double_eq(real_of(device, "total_mib"), 65536);
    ck_assert_double_eq(real_of(device, "free_mib"), 32768);
    ck_assert_int_eq(tt_node_get(device, "may_not_fit")->value.boolean, false);
    ck_assert_int_eq(tt_node_get(device, "remedy")->kind, TT_NODE_NULL);
}
END_TEST

START_TEST(a_model_that_may_not_fit_is_told_with_the_remedy)
{
    char *out = planned_text(APART ":1");
    tells(out, "memory of apart:1 at most: model target ");
    tells(out, " of 48 free (96 in all)\n");
    tells(out,
          "memory: that may be more than apart:1 has free; less is needed with models.target.batch below "
          "32, models.target.dtype: bf16\n");
    tt_free(out);
    out = planned_text(APART ":1 models.target.dtype=bf16 models.target.batch=1");
    ck_assert_ptr_null(strstr(out, "has free;"));
    tt_free(out);
}
END_TEST

START_TEST(models_measured_at_once_add_up)
{
    const char *two = "models.control.plugin=sd15 "
                      "models.control.path='" TT_SOURCE_DIR "/configs/models/embedded/base' --json " APART;
    char more[512];
    ck_assert_int_eq(embedded("plan", two), 0);
    double one = real_of(tt_node_get(read_json("out.txt"), "device_memory"), "at_once_mib");
    snprintf(more, sizeof more, "%s --jobs 2", two);
    ck_assert_int_eq(embedded("plan", more), 0);
    const tt_node *root = read_json("out.txt");
    double both = real_of(tt_node_get(root, "device_memory"), "at_once_mib");
    ck_assert_double_eq_tol(both, 2 * one, 1e-3);
    ck_assert_double_eq(real_of(root, "jobs"), 2);
    snprintf(more, sizeof more, "%s --jobs 3", two); /* there are but two */
    ck_assert_int_eq(embedded("plan", more), 0);
    ck_assert_double_eq_tol(real_of(tt_node_get(read_json("out.txt"), "device_memory"), "at_once_mib"), both,
                            1e-6);
}
END_TEST

START_TEST(a_run_tells_what_its_hosts_held_of_the_device)
{
    ck_assert_int_eq(embedded("plan", "--json " APART FEW), 0);
    double bound = real_of(target_of(read_json("out.txt")), "device_mib");
    ck_assert_int_eq(embedded("run", APART FEW), 0);
    const tt_node *info = read_json("run/run.json"), *held = tt_node_get(info, "device_memory_mib");
    ck_assert_ptr_nonnull(held);
    ck_assert_uint_eq(held->n_children, 1); /* hosts alone, of which there is one */
    double seen = real_of(held, "model target");
    printf("on the device: at most %.1f MiB, seen %.1f\n", bound, seen);
    ck_assert_double_gt(seen, 0.1);
    ck_assert_double_le(seen, bound);
    /* nothing is measured now, and what was seen stays */
    ck_assert_int_eq(embedded("run", APART FEW), 0);
    const tt_node *again = tt_node_get(read_json("run/run.json"), "device_memory_mib");
    ck_assert_double_eq(real_of(again, "model target"), seen);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("plan memory");
    TCase *tc = tcase_create("plan memory");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_estimate_bounds_what_a_run_of_the_embedded_world_holds);
    tcase_add_test(tc, disk_is_planned_as_a_run_takes_it);
    tcase_add_test(tc, a_limit_that_the_estimate_exceeds_is_told);
    tcase_add_test(tc, on_a_device_with_its_own_memory_the_process_keeps_little);
    tcase_add_test(tc, a_model_that_may_not_fit_is_told_with_the_remedy);
    tcase_add_test(tc, models_measured_at_once_add_up);
    tcase_add_test(tc, a_run_tells_what_its_hosts_held_of_the_device);
    suite_add_tcase(suite, tc);
    return suite;
}
