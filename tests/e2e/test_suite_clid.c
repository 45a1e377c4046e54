/* The CLiD comparison as configs/clid/embedded.yaml runs it, on a fifth of its portraits: every method is
 * measured, calibrated on the shadow model and judged; the queries are those of the paper's table; and what
 * is known of the embedded world (configs/clid/README.md) is found again. */
#include "formats/json.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM "'" TT_BUILD_DIR "/telltale' "
#define SPEC    "'" TT_SOURCE_DIR "/configs/clid/embedded.yaml' "
#define PART                                                                                                 \
    "data.faces.splits.seen=40 data.faces.splits.held_out=40 data.faces.splits.shadow_seen=40 "              \
    "data.faces.splits.shadow_held_out=40 device.threads=2"

static char output[1 << 17];
static tt_error err;

static int shell(const char *line)
{
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t size = fread(output, 1, sizeof output - 1, pipe);
    output[size] = '\0';
    int status = pclose(pipe);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const tt_node *get(const tt_node *map, const char *key)
{
    const tt_node *node = tt_node_get(map, key);
    ck_assert_msg(node != NULL, "the report lacks %s", key);
    return node;
}

static double real(const tt_node *node)
{
    return node->kind == TT_NODE_INT ? (double)node->value.integer : node->value.real;
}

static const struct {
    const char *attack;
    double queries, least; /* AUC on the target: 40 + 40 portraits leave ± .1 */
} suite[] = {
    {"loss", 1, 0.75},  {"pia", 2, 0.75},      {"monte_carlo", 3, 0.75}, {"secmi", 12, 0.5},
    {"pfami", 20, 0.5}, {"clid_th", 15, 0.75}, {"clid_vec", 15, 0.75},
};
enum { SUITE = sizeof suite / sizeof *suite };

static void check(const tt_node *scores, const char *role)
{
    size_t found = 0;
    for (const tt_node *s = scores->children; s; s = s->next) {
        if (strcmp(get(s, "role")->text, role) != 0) continue;
        size_t a = 0;
        while (a < SUITE && strcmp(get(s, "attack")->text, suite[a].attack) != 0)
            a++;
        ck_assert_uint_lt(a, SUITE);
        found++;
        ck_assert_str_eq(get(s, "calibration")->text, "shadow");
        ck_assert_double_eq(real(get(s, "predictions_per_sample")), suite[a].queries);
        double auc = real(get(s, "auc"));
        const tt_node *interval = get(s, "auc_logit");
        if (strcmp(role, "target") == 0)
            ck_assert_msg(auc > suite[a].least, "%s: AUC %g on the target", suite[a].attack, auc);
        else
            ck_assert_msg(real(interval->children) < 0.5 && real(interval->children->next) > 0.5,
                          "%s: AUC %g on the control, whose interval leaves 0.5 out", suite[a].attack, auc);
    }
    ck_assert_uint_eq(found, SUITE);
}

START_TEST(every_method_of_the_comparison_finds_members_in_the_target_and_none_in_the_control)
{
    char line[2048];
    snprintf(line, sizeof line, PROGRAM "run " SPEC PART " --quiet --out '%s/suite' 2>&1", tt_test_dir());
    ck_assert_msg(shell(line) == 0, "%s", output);
    snprintf(line, sizeof line, PROGRAM "report '%s/suite' --json", tt_test_dir());
    ck_assert_int_eq(shell(line), 0);
    tt_arena *arena = tt_arena_create(0);
    tt_node *root;
    tt_ok(tt_json_parse(arena, "report", output, strlen(output), &root, &err), &err);
    check(get(root, "scores"), "target");
    check(get(root, "scores"), "control");
    tt_arena_destroy(arena);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *s = suite_create("clid comparison");
    TCase *tc = tcase_create("clid comparison");
    tcase_set_timeout(tc, 1100);
    tcase_add_test(tc, every_method_of_the_comparison_finds_members_in_the_target_and_none_in_the_control);
    suite_add_tcase(s, tc);
    return s;
}
