#include "base/file.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "support/test.h"

#include <string.h>

static tt_arena *arena;

static void setup(void)
{
    arena = tt_arena_create(0);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
}

static tt_node *yaml(const char *text)
{
    tt_error err = {0};
    tt_node *root = NULL;
    tt_ok(tt_yaml_parse(arena, "a.yaml", text, strlen(text), &root, &err), &err);
    return root;
}

static void refused(const char *text, const char *part)
{
    tt_error err = {0};
    tt_node *root = NULL;
    ck_assert_msg(tt_yaml_parse(arena, "a.yaml", text, strlen(text), &root, &err) != TT_OK, "accepted: %s",
                  text);
    ck_assert_msg(strstr(err.message, part), "'%s' lacks '%s'", err.message, part);
}

START_TEST(scalars_have_the_types_of_the_core_schema)
{
    tt_node *n = yaml("i: 42\nf: 1.5\ne: 1e-3\nt: true\nz: null\ns: yes\nq: \"42\"\n");
    ck_assert_int_eq(tt_node_get(n, "i")->kind, TT_NODE_INT);
    ck_assert_int_eq(tt_node_get(n, "i")->value.integer, 42);
    ck_assert_int_eq(tt_node_get(n, "f")->kind, TT_NODE_FLOAT);
    ck_assert_double_eq(tt_node_get(n, "e")->value.real, 1e-3);
    ck_assert_int_eq(tt_node_get(n, "t")->kind, TT_NODE_BOOL);
    ck_assert_int_eq(tt_node_get(n, "z")->kind, TT_NODE_NULL);
    ck_assert_int_eq(tt_node_get(n, "s")->kind, TT_NODE_STRING); /* YAML 1.1's "yes" is a word here */
    ck_assert_int_eq(tt_node_get(n, "q")->kind, TT_NODE_STRING);
}
END_TEST

START_TEST(every_node_knows_its_place)
{
    tt_node *n = yaml("a: 1\nattacks:\n  clid:\n    alpha: 1.4\n");
    tt_node *alpha = tt_node_get(tt_node_get(tt_node_get(n, "attacks"), "clid"), "alpha");
    ck_assert_int_eq(alpha->line, 4);
    ck_assert_int_eq(alpha->column, 12);
    ck_assert_int_eq(alpha->key_column, 5);
    tt_error err = {0};
    ck_assert_int_eq(tt_node_fail(alpha, &err, "must be between %d and %d", 0, 1), TT_ERR_INVALID);
    ck_assert_str_eq(err.message, "a.yaml:4:12: must be between 0 and 1");
}
END_TEST

START_TEST(an_alias_stands_for_its_anchor)
{
    tt_node *n = yaml("a: &x {k: [1, 2]}\nb: *x\n");
    tt_node *list = tt_node_get(tt_node_get(n, "b"), "k");
    ck_assert_uint_eq(list->n_children, 2);
    ck_assert_int_eq(list->children->next->value.integer, 2);
}
END_TEST

START_TEST(what_specs_may_not_hold_is_refused)
{
    refused("a: 1\na: 2\n", "a.yaml:2");
    refused("a: !!python/object:os.system x\n", "tag");
    refused("--- 1\n--- 2\n", "document");
    refused("a: [1, 2\n", "a.yaml:");
    refused("a: *nowhere\n", "nowhere");
    refused("a: \xff\n", "UTF-8");
    refused("a: {b: {<<: 1}}\n", "<<");
}
END_TEST

START_TEST(an_alias_bomb_is_refused_before_it_grows)
{
    tt_buf text = {0};
    tt_buf_printf(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        tt_buf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            tt_buf_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
        tt_buf_printf(&text, "]\n");
    }
    refused(text.data, "alias");
    tt_buf_free(&text);
}
END_TEST

START_TEST(depth_and_size_are_bounded)
{
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 199);
    deep[399] = '\0';
    refused(deep, "deep");
    char path[512];
    snprintf(path, sizeof path, "%s/large.yaml", tt_test_dir());
    static char large[20 << 20];
    memset(large, ' ', sizeof large);
    tt_error err = {0};
    tt_ok(tt_file_write(path, large, sizeof large, &err), &err);
    tt_node *root;
    ck_assert_int_ne(tt_yaml_read(arena, path, &root, &err), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "larger than the limit"));
}
END_TEST

START_TEST(a_near_miss_is_named_and_a_far_one_is_not)
{
    static const char *const names[] = {"attacks", "models", "members", "nonmembers"};
    ck_assert_str_eq(tt_nearest("atacks", names, 4), "attacks");
    ck_assert_str_eq(tt_nearest("member", names, 4), "members");
    ck_assert_ptr_null(tt_nearest("zzzzzz", names, 4));
}
END_TEST

START_TEST(canonical_text_depends_on_the_value_alone)
{
    tt_buf a = {0}, b = {0};
    ck_assert(tt_node_canonical(yaml("b: 1.50\na: [true, 'x\"y']\n"), &a));
    ck_assert(tt_node_canonical(yaml("{a: [true, \"x\\\"y\"], b: 1.5}"), &b));
    ck_assert_str_eq(a.data, b.data);
    tt_buf_free(&a);
    tt_buf_free(&b);
}
END_TEST

START_TEST(json_is_strict)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"{\"a\":1,\"a\":2}", "a"}, {"[1,]", "x.json:1"},
        {"{'a':1}", "x.json:1"},    {"[01]", "x.json:1"},
        {"[1] 2", "x.json:1"},      {"\"\\ud800\"", "x.json:1"},
        {"[NaN]", "x.json:1"},      {"", "x.json"},
        {"\"\t\"", "x.json:1"},     {"[1e999]", "x.json:1"},
        {"\"\xc0\x80\"", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tt_error err = {0};
        tt_node *root;
        tt_status s = tt_json_parse(arena, "x.json", bad[i].text, strlen(bad[i].text), &root, &err);
        ck_assert_msg(s != TT_OK, "accepted: %s", bad[i].text);
        ck_assert_msg(strstr(err.message, bad[i].part), "%s: %s", bad[i].text, err.message);
    }
}
END_TEST

START_TEST(json_values_and_escapes_are_read)
{
    const char *text = "{\"n\": -12, \"f\": 2.0, \"s\": \"\\u00e9\\ud83d\\ude00\\n\", \"l\": [null, false]}";
    tt_error err = {0};
    tt_node *n;
    tt_ok(tt_json_parse(arena, "x.json", text, strlen(text), &n, &err), &err);
    ck_assert_int_eq(tt_node_get(n, "n")->value.integer, -12);
    ck_assert_int_eq(tt_node_get(n, "f")->kind, TT_NODE_FLOAT);
    ck_assert_str_eq(tt_node_get(n, "s")->text, "\xc3\xa9\xf0\x9f\x98\x80\n");
    ck_assert_uint_eq(tt_node_get(n, "l")->n_children, 2);
    tt_buf out = {0};
    tt_json_quote(&out, "a\"\\\n\x01");
    ck_assert_str_eq(out.data, "\"a\\\"\\\\\\n\\u0001\"");
    tt_buf_free(&out);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("yaml and json");
    TCase *tc = tcase_create("yaml and json");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, scalars_have_the_types_of_the_core_schema);
    tcase_add_test(tc, every_node_knows_its_place);
    tcase_add_test(tc, an_alias_stands_for_its_anchor);
    tcase_add_test(tc, what_specs_may_not_hold_is_refused);
    tcase_add_test(tc, an_alias_bomb_is_refused_before_it_grows);
    tcase_add_test(tc, depth_and_size_are_bounded);
    tcase_add_test(tc, a_near_miss_is_named_and_a_far_one_is_not);
    tcase_add_test(tc, canonical_text_depends_on_the_value_alone);
    tcase_add_test(tc, json_is_strict);
    tcase_add_test(tc, json_values_and_escapes_are_read);
    suite_add_tcase(suite, tc);
    return suite;
}
