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

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("plan memory");
    TCase *tc = tcase_create("plan memory");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_estimate_bounds_what_a_run_of_the_embedded_world_holds);
    tcase_add_test(tc, disk_is_planned_as_a_run_takes_it);
    tcase_add_test(tc, a_limit_that_the_estimate_exceeds_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}
