#include "formats/yaml.h"
#include "base/file.h"
#include "formats/json.h"
#include "support/test.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static tt_arena *arena;
static tt_error err;

static void set_up(void)
{
    arena = tt_arena_create(0);
    err = (tt_error){0};
}

static void tear_down(void)
{
    tt_arena_destroy(arena);
}

static tt_status parse(const char *text, tt_node **root)
{
    return tt_yaml_parse(arena, "a.yaml", text, strlen(text), root, &err);
}

static tt_node *read(const char *text)
{
    tt_node *root = NULL;
    tt_ok(parse(text, &root), &err);
    return root;
}

#define refused(text, part)                                                                                  \
    do {                                                                                                     \
        tt_node *root_;                                                                                      \
        tt_fails(parse(text, &root_), TT_ERR_INVALID, part, &err);                                           \
    } while (0)

static void is(const char *text, const char *canonical)
{
    tt_buf out = {0};
    ck_assert(tt_node_canonical(read(text), &out));
    ck_assert_str_eq(out.data, canonical);
    tt_buf_free(&out);
}

START_TEST(scalars_follow_the_core_schema)
{
    is("[~, null, Null, NULL, '']", "[null,null,null,null,\"\"]");
    is("a:\n", "{\"a\":null}");
    is("[true, True, FALSE, tRue]", "[true,true,false,\"tRue\"]");
    is("[0, -7, +12, 0x1F, 0o17, 007, 9223372036854775807]", "[0,-7,12,31,15,7,9223372036854775807]");
    is("[1.0, .5, 5., -1e-5, 1E+3, 0.1]", "[1.0,0.5,5.0,-1e-05,1e+03,0.1]");
    is("[.inf, -.Inf, +.INF, .nan]",
       "[{\"$float\":\"inf\"},{\"$float\":\"-inf\"},{\"$float\":\"inf\"},{\"$float\":\"nan\"}]");
    is("[., e5, 1e, 0x, 0o8, 1_000, 1:30, 2001-01-01]",
       "[\".\",\"e5\",\"1e\",\"0x\",\"0o8\",\"1_000\",\"1:30\",\"2001-01-01\"]");
}
END_TEST

START_TEST(yes_no_on_off_are_strings)
{
    is("[yes, no, on, off, y, n, Yes, NO]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"Yes\",\"NO\"]");
}
END_TEST

START_TEST(a_quoted_scalar_is_a_string)
{
    tt_node *root = read("a: '1'\nb: \"true\"\nc: |\n  7\n");
    for (const tt_node *n = root->children; n; n = n->next) {
        ck_assert_int_eq(n->kind, TT_NODE_STRING);
        ck_assert(n->quoted);
    }
    ck_assert_str_eq(tt_node_get(root, "c")->text, "7\n");
}
END_TEST

START_TEST(an_integer_too_large_is_a_float_and_a_float_too_large_is_refused)
{
    tt_node *n = read("18446744073709551616");
    ck_assert_int_eq(n->kind, TT_NODE_FLOAT);
    ck_assert(n->value.real == 18446744073709551616.0);
    refused("a: 1e999", "a.yaml:1:4: 1e999 is beyond the range");
}
END_TEST

START_TEST(every_node_knows_its_place)
{
    tt_node *root = read("first: 1\nlist:\n  - é: x\n    z: 2\n");
    ck_assert_int_eq(root->line, 1);
    tt_node *list = tt_node_get(root, "list");
    ck_assert_int_eq(list->key_line, 2);
    ck_assert_int_eq(list->key_column, 1);
    ck_assert_uint_eq(list->n_children, 1);
    tt_node *z = tt_node_get(list->children, "z");
    ck_assert_int_eq(z->line, 4);
    ck_assert_int_eq(z->column, 8);
    ck_assert_int_eq(z->key_column, 5);
    ck_assert_int_eq(tt_node_get(list->children, "é")->column, 8); /* characters, not bytes */
    ck_assert_str_eq(z->text, "2");
    ck_assert_int_eq(tt_node_fail(z, &err, "z is %d", 2), TT_ERR_INVALID);
    ck_assert_str_eq(err.message, "a.yaml:4:8: z is 2");
    ck_assert_ptr_null(tt_node_get(root, "none"));
    ck_assert_ptr_null(tt_node_get(z, "none"));
}
END_TEST

START_TEST(a_value_that_was_made_fails_without_a_place)
{
    tt_node made = {.kind = TT_NODE_INT};
    tt_node_fail(&made, &err, "bad");
    ck_assert_str_eq(err.message, "bad");
    made.file = "default";
    tt_node_fail(&made, &err, "bad");
    ck_assert_str_eq(err.message, "default: bad");
}
END_TEST

START_TEST(duplicate_keys_are_refused_with_both_lines)
{
    refused("a: 1\nb: 2\n'a': 3\n", "a.yaml:3:1: key 'a' is there twice, first in line 1");
    refused("x: {k: 1, k: 2}", "a.yaml:1:11: key 'k'");
}
END_TEST

START_TEST(what_yaml_could_mean_otherwise_is_refused)
{
    refused("a: !!str 1", "a.yaml:1:4: tags");
    refused("a: !x {}", "tags");
    refused("!!map {a: 1}", "tags");
    refused("a: &x {b: 1}\nc:\n  <<: *x\n", "a.yaml:3:3: merge keys");
    refused("a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document");
    refused("? [1, 2]\n: x\n", "a key must be");
    refused("&k a: 1\n", "anchor");
    refused("a: *k\n", "a.yaml:1:4: alias *k has no anchor");
    refused("?\n: 1\n", "a key is missing");
    refused("a: \"x\\0y\"", "NUL");
    refused("a: 'x\nb: 1", "a.yaml:");
    refused("a: [1, 2", "a.yaml:");
    refused("a:\n\t- 1", "a.yaml:2:1");
    refused("a: \xff", "a.yaml:1:4: not UTF-8");
    refused("a: \xed\xa0\x80", "not UTF-8");
}
END_TEST

START_TEST(a_quoted_merge_key_is_a_key)
{
    is("'<<': 1", "{\"<<\":1}");
}
END_TEST

START_TEST(aliases_copy)
{
    is("a: &x {b: [1, 2]}\nc: *x\n", "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]}}");
    is("[&a 1, *a, &a 2, *a]", "[1,1,2,2]"); /* the latest anchor of a name counts */
    tt_node *root = read("a: &x {b: 1}\nc: *x\n"), *c = tt_node_get(root, "c");
    ck_assert_int_eq(c->line, 2);
    ck_assert_int_eq(tt_node_get(c, "b")->line, 1);
}
END_TEST

START_TEST(an_alias_inside_its_own_anchor_is_refused)
{
    refused("&x [*x]", "has no anchor");
}
END_TEST

START_TEST(an_alias_bomb_is_refused)
{
    refused("a: &a [0,0,0,0,0,0,0,0,0]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
            "expand to more than 1000");
}
END_TEST

START_TEST(depth_is_limited_and_aliases_do_not_get_around_it)
{
    char text[600];
    size_t n = 0;
    for (int i = 0; i < 64; i++)
        text[n++] = '[';
    for (int i = 0; i < 64; i++)
        text[n++] = ']';
    text[n] = '\0';
    read(text);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    refused(text, "a.yaml:1:65: nested deeper than 64");
    n = (size_t)sprintf(text, "- &a ");
    for (int i = 0; i < 40; i++)
        text[n++] = '[';
    for (int i = 0; i < 40; i++)
        text[n++] = ']';
    n += (size_t)sprintf(text + n, "\n- ");
    for (int i = 0; i < 40; i++)
        text[n++] = '[';
    n += (size_t)sprintf(text + n, "*a");
    for (int i = 0; i < 40; i++)
        text[n++] = ']';
    text[n] = '\0';
    refused(text, "nested deeper");
}
END_TEST

START_TEST(a_large_file_is_refused_before_it_is_read)
{
    char path[300];
    snprintf(path, sizeof path, "%s/large.yaml", tt_test_dir());
    size_t size = (size_t)20 << 20;
    char *data = tt_alloc(size);
    memset(data, '#', size);
    tt_ok(tt_file_write(path, data, size, &err), &err);
    tt_node *root;
    ck_assert_int_ne(tt_yaml_read(arena, path, &root, &err), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "larger than the limit"));
    tt_fails(tt_yaml_parse(arena, "a.yaml", data, size, &root, &err), TT_ERR_INVALID, "larger", &err);
    tt_free(data);
}
END_TEST

START_TEST(too_many_values_are_refused)
{
    size_t n = 100001;
    char *text = tt_alloc(4 * n + 10), *p = text;
    *p++ = '[';
    for (size_t i = 0; i < n; i++) {
        *p++ = '1';
        *p++ = ',';
    }
    strcpy(p, "]");
    refused(text, "more than 100000 values");
    tt_free(text);
}
END_TEST

START_TEST(an_empty_document_is_null)
{
    ck_assert_int_eq(read("")->kind, TT_NODE_NULL);
    ck_assert_int_eq(read("# nothing\n")->kind, TT_NODE_NULL);
    ck_assert_int_eq(read("\xef\xbb\xbf"
                          "7")
                         ->kind,
                     TT_NODE_INT); /* a byte-order mark */
}
END_TEST

START_TEST(the_nearest_name_is_near)
{
    static const char *const names[] = {"alpha", "timesteps", "reduction", "lr", "seed"};
    ck_assert_str_eq(tt_nearest("alhpa", names, 5), "alpha");
    ck_assert_str_eq(tt_nearest("timestep", names, 5), "timesteps");
    ck_assert_str_eq(tt_nearest("reducton", names, 5), "reduction");
    ck_assert_str_eq(tt_nearest("rl", names, 5), "lr");
    ck_assert_ptr_null(tt_nearest("x", names, 5));
    ck_assert_ptr_null(tt_nearest("prompt", names, 5));
    ck_assert_ptr_null(tt_nearest("", names, 5));
    ck_assert_ptr_null(tt_nearest("alpha", NULL, 0));
}
END_TEST

START_TEST(canonical_text_does_not_depend_on_order_or_spelling)
{
    is("b: 1\na: {d: 0x10, c: 'x\"\\n'}", "{\"a\":{\"c\":\"x\\\"\\\\n\",\"d\":16},\"b\":1}");
    is("{a: {c: \"x\\\"\\\\n\", d: 16}, b: 1}", "{\"a\":{\"c\":\"x\\\"\\\\n\",\"d\":16},\"b\":1}");
    is("[0.30000000000000004, 1e22, 5e-324, -0.0]", "[0.30000000000000004,1e+22,5e-324,-0.0]");
}
END_TEST

START_TEST(numbers_do_not_depend_on_the_locale)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) { /* a comma for a point, where it is installed */
        printf("skipped: locale de_DE.UTF-8 is not there\n");
        return;
    }
    is("[1.5]", "[1.5]");
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(out_of_memory_is_an_error_not_a_crash)
{
    const char *text = "a: &x [1, {b: 2.5}]\nc: *x\nd: {e: text, f: null}\n";
    bool done = false;
    for (long n = 0; !done; n++) {
        ck_assert_int_lt(n, 100);
        tt_arena *small = tt_arena_create(0);
        tt_node *root;
        tt_mem_fail_after(n);
        tt_status s = tt_yaml_parse(small, "a.yaml", text, strlen(text), &root, &err);
        tt_mem_fail_after(-1);
        ck_assert(s == TT_OK || s == TT_ERR_MEMORY);
        done = s == TT_OK;
        tt_arena_destroy(small);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("yaml");
    TCase *tc = tcase_create("yaml");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, scalars_follow_the_core_schema);
    tcase_add_test(tc, yes_no_on_off_are_strings);
    tcase_add_test(tc, a_quoted_scalar_is_a_string);
    tcase_add_test(tc, an_integer_too_large_is_a_float_and_a_float_too_large_is_refused);
    tcase_add_test(tc, every_node_knows_its_place);
    tcase_add_test(tc, a_value_that_was_made_fails_without_a_place);
    tcase_add_test(tc, duplicate_keys_are_refused_with_both_lines);
    tcase_add_test(tc, what_yaml_could_mean_otherwise_is_refused);
    tcase_add_test(tc, a_quoted_merge_key_is_a_key);
    tcase_add_test(tc, aliases_copy);
    tcase_add_test(tc, an_alias_inside_its_own_anchor_is_refused);
    tcase_add_test(tc, an_alias_bomb_is_refused);
    tcase_add_test(tc, depth_is_limited_and_aliases_do_not_get_around_it);
    tcase_add_test(tc, a_large_file_is_refused_before_it_is_read);
    tcase_add_test(tc, too_many_values_are_refused);
    tcase_add_test(tc, an_empty_document_is_null);
    tcase_add_test(tc, the_nearest_name_is_near);
    tcase_add_test(tc, canonical_text_does_not_depend_on_order_or_spelling);
    tcase_add_test(tc, numbers_do_not_depend_on_the_locale);
    tcase_add_test(tc, out_of_memory_is_an_error_not_a_crash);
    suite_add_tcase(suite, tc);
    return suite;
}
