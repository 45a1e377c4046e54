#include "formats/json.h"
#include "base/file.h"
#include "support/test.h"

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
    return tt_json_parse(arena, "a.json", text, strlen(text), root, &err);
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
        tt_fails(parse(text, &root_), TT_ERR_FORMAT, part, &err);                                            \
    } while (0)

START_TEST(values_have_their_kinds)
{
    tt_node *n = read(" [null, true, false, 7, 7.0, \"7\", {}, [] ] ")->children;
    static const tt_node_kind kinds[] = {TT_NODE_NULL,  TT_NODE_BOOL,   TT_NODE_BOOL, TT_NODE_INT,
                                         TT_NODE_FLOAT, TT_NODE_STRING, TT_NODE_MAP,  TT_NODE_LIST};
    for (size_t i = 0; i < 8; i++, n = n->next)
        ck_assert_int_eq(n->kind, kinds[i]);
    ck_assert_ptr_null(n);
}
END_TEST

START_TEST(integers_are_exact_and_others_are_floats)
{
    ck_assert_int_eq(read("9223372036854775807")->value.integer, INT64_MAX);
    ck_assert_int_eq(read("-9223372036854775808")->value.integer, INT64_MIN);
    ck_assert(read("9223372036854775808")->value.real == 9223372036854775808.0);
    ck_assert(read("0.1")->value.real == 0.1);
    ck_assert(read("1E+2")->value.real == 100.0);
    ck_assert(signbit(read("-0")->value.real));
    ck_assert_str_eq(read("1.50")->text, "1.50");
}
END_TEST

START_TEST(strings_are_decoded)
{
    ck_assert_str_eq(read("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"")->text, "a\"\\/\b\f\n\r\t");
    ck_assert_str_eq(read("\"\\u00e9\\u20AC\\ud83d\\ude00x\"")->text, "é€😀x");
    ck_assert_str_eq(read("\"é€😀\"")->text, "é€😀");
    ck_assert_str_eq(read("\"\"")->text, "");
    ck_assert_str_eq(read("{\"\\u0041\":1}")->children->key, "A");
}
END_TEST

START_TEST(every_node_knows_its_place)
{
    tt_node *root = read("{\n  \"é\": 1, \"b\": [\n    true]\n}");
    tt_node *b = tt_node_get(root, "b");
    ck_assert_int_eq(tt_node_get(root, "é")->column, 8);
    ck_assert_int_eq(b->key_line, 2);
    ck_assert_int_eq(b->key_column, 11);
    ck_assert_int_eq(b->column, 16);
    ck_assert_int_eq(b->children->line, 3);
    ck_assert_int_eq(b->children->column, 5);
}
END_TEST

START_TEST(what_is_not_json_is_refused_with_its_place)
{
    refused("", "a.json:1:1: the text ends too early");
    refused("{\"a\": 1,\n \"a\": 2}", "a.json:2:2: key 'a' is there twice, first in line 1");
    refused("{\"a\": 1,}", "a.json:1:9: a key in quotes is missing");
    refused("[1,]", "not a JSON value");
    refused("[1 2]", "a.json:1:4: ',' or ']'");
    refused("{\"a\" 1}", "':' is missing");
    refused("{\"a\": 1 \"b\": 2}", "',' or '}'");
    refused("{a: 1}", "a key in quotes");
    refused("[1] x", "a.json:1:5: text behind the value");
    refused("1 2", "text behind");
    refused("01", "malformed number");
    refused("1.", "malformed number");
    refused(".5", "not a JSON value");
    refused("1e", "malformed number");
    refused("-", "malformed number");
    refused("+1", "not a JSON value");
    refused("1e400", "beyond the range");
    refused("NaN", "not a JSON value");
    refused("nul", "not a JSON value");
    refused("\"a", "without an end");
    refused("\"a\\", "without an end");
    refused("\"\\x\"", "unknown escape");
    refused("\"\\u12\"", "hexadecimal");
    refused("\"\\u0000\"", "NUL");
    refused("\"\\ud800\"", "surrogate");
    refused("\"\\ud800\\u0041\"", "surrogate");
    refused("\"\\udc00\"", "surrogate");
    refused("\"a\nb\"", "control character");
    refused("\"\xc3\"", "a.json:1:2: not UTF-8");
    refused("\"\xc0\x80\"", "not UTF-8");
    refused("[", "too early");
    refused("{\"a\":", "too early");
    refused("]", "not a JSON value");
    refused("[}", "not a JSON value");
    refused("// x\n1", "not a JSON value");
}
END_TEST

START_TEST(a_nul_byte_is_no_end)
{
    tt_node *root;
    tt_fails(tt_json_parse(arena, "a.json", "[1]\0x", 5, &root, &err), TT_ERR_FORMAT, "behind", &err);
    tt_fails(tt_json_parse(arena, "a.json", "\"a\0b\"", 5, &root, &err), TT_ERR_FORMAT, "control", &err);
    tt_fails(tt_json_parse(arena, "a.json", "\"\\\0\"", 4, &root, &err), TT_ERR_FORMAT, "escape", &err);
}
END_TEST

START_TEST(depth_is_limited)
{
    char text[200];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    read(text);
    memset(text, '[', 65);
    text[65] = '\0';
    refused(text, "a.json:1:65: nested deeper than 64");
}
END_TEST

START_TEST(too_many_values_are_refused)
{
    size_t n = 2000002;
    char *text = tt_alloc(2 * n + 2), *p = text;
    *p++ = '[';
    for (size_t i = 0; i < n; i++) {
        *p++ = '1';
        *p++ = ',';
    }
    *p = '\0';
    refused(text, "more than 2000000 values");
    tt_free(text);
}
END_TEST

START_TEST(a_map_of_many_keys_is_read_in_no_time)
{
    tt_buf text = {0};
    tt_buf_append(&text, "{", 1);
    for (int i = 0; i < 200000; i++)
        tt_buf_printf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
    tt_buf_append(&text, "}", 1);
    tt_node *root;
    tt_ok(tt_json_parse(arena, "a.json", text.data, text.size, &root, &err), &err);
    ck_assert_uint_eq(root->n_children, 200000);
    tt_buf_free(&text);
}
END_TEST

START_TEST(a_file_beyond_the_callers_limit_is_refused)
{
    char path[300];
    snprintf(path, sizeof path, "%s/a.json", tt_test_dir());
    tt_ok(tt_file_write(path, "[1,2]", 5, &err), &err);
    tt_node *root;
    tt_fails(tt_json_read(arena, path, 4, &root, &err), TT_ERR_FORMAT, "larger than the limit of 4", &err);
    tt_ok(tt_json_read(arena, path, 5, &root, &err), &err);
}
END_TEST

START_TEST(quoting_gives_json_that_reads_back)
{
    const char *text = "a\"b\\c\n\t\x01é/\x7f";
    tt_buf out = {0};
    ck_assert(tt_json_quote(&out, text));
    ck_assert_str_eq(out.data, "\"a\\\"b\\\\c\\n\\t\\u0001é/\x7f\"");
    ck_assert_str_eq(read(out.data)->text, text);
    tt_buf_free(&out);
}
END_TEST

START_TEST(quoting_replaces_bytes_that_are_not_utf8)
{
    tt_buf out = {0};
    ck_assert(tt_json_quote(&out, "\xff"
                                  "a\xc3\xc3\xa9\xe2\x82"));
    ck_assert_str_eq(read(out.data)->text, "\xef\xbf\xbd"
                                           "a\xef\xbf\xbd"
                                           "é\xef\xbf\xbd\xef\xbf\xbd");
    tt_buf_free(&out);
}
END_TEST

START_TEST(out_of_memory_is_an_error_not_a_crash)
{
    const char *text = "{\"a\\n\": [1, {\"b\": 2.5}], \"d\": {\"e\": \"t\\u00e9\", \"f\": null}}";
    bool done = false;
    for (long n = 0; !done; n++) {
        ck_assert_int_lt(n, 100);
        tt_arena *small = tt_arena_create(0);
        tt_node *root;
        tt_mem_fail_after(n);
        tt_status s = small ? tt_json_parse(small, "a.json", text, strlen(text), &root, &err) : TT_ERR_MEMORY;
        tt_mem_fail_after(-1);
        ck_assert(s == TT_OK || s == TT_ERR_MEMORY);
        done = s == TT_OK;
        tt_arena_destroy(small);
    }
}
END_TEST

static void check_indented(const char *text, const char *wanted)
{
    tt_buf out = {0};
    ck_assert(tt_json_indent(text, &out));
    ck_assert_str_eq(out.data, wanted);
    tt_buf_free(&out);
}

START_TEST(indenting_breaks_what_is_nested_or_long_and_changes_no_string)
{
    check_indented(
        "{\"a\":{\"b\":[1,2],\"c\":{}},\"d\":\"x, {y}: \\\"z\\\\\"}",
        "{\n  \"a\": {\n    \"b\": [1, 2],\n    \"c\": {}\n  },\n  \"d\": \"x, {y}: \\\"z\\\\\"\n}");
    check_indented("[ {\"a\" : 1} ,\n2 ]", "[\n  {\"a\": 1},\n  2\n]");
    check_indented(
        "[\"012345678901234567890123456789012345678901234567890123456789\",\"01234567890123456789012345\"]",
        "[\n  \"012345678901234567890123456789012345678901234567890123456789\",\n  "
        "\"01234567890123456789012345\"\n]");
}
END_TEST

START_TEST(indented_json_reads_back_the_same)
{
    static const char text[] = "{\"list\":[[],[1,[2,{\"x\":\"\\u00e9]\"}]],true,null],\"empty\":{},\"deep\":{"
                               "\"a\":{\"b\":{\"c\":[0.5]}}}}";
    tt_buf once = {0}, twice = {0};
    ck_assert(tt_json_indent(text, &once));
    ck_assert(tt_json_indent(once.data, &twice));
    ck_assert_str_eq(once.data, twice.data);
    const tt_node *list = tt_node_get(read(once.data), "list");
    ck_assert_uint_eq(list->n_children, 4);
    tt_buf_free(&once);
    tt_buf_free(&twice);
}
END_TEST

START_TEST(indenting_ends_on_text_that_is_no_json)
{
    static const char *const texts[] = {"", "\"", "\"\\", "[", "]]]}", "{\"a", "[[[", "{,}:"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tt_buf out = {0};
        ck_assert(tt_json_indent(texts[i], &out));
        tt_buf_free(&out);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, values_have_their_kinds);
    tcase_add_test(tc, integers_are_exact_and_others_are_floats);
    tcase_add_test(tc, strings_are_decoded);
    tcase_add_test(tc, every_node_knows_its_place);
    tcase_add_test(tc, what_is_not_json_is_refused_with_its_place);
    tcase_add_test(tc, a_nul_byte_is_no_end);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, too_many_values_are_refused);
    tcase_add_test(tc, a_map_of_many_keys_is_read_in_no_time);
    tcase_add_test(tc, a_file_beyond_the_callers_limit_is_refused);
    tcase_add_test(tc, quoting_gives_json_that_reads_back);
    tcase_add_test(tc, quoting_replaces_bytes_that_are_not_utf8);
    tcase_add_test(tc, indenting_breaks_what_is_nested_or_long_and_changes_no_string);
    tcase_add_test(tc, indented_json_reads_back_the_same);
    tcase_add_test(tc, indenting_ends_on_text_that_is_no_json);
    tcase_add_test(tc, out_of_memory_is_an_error_not_a_crash);
    suite_add_tcase(suite, tc);
    return suite;
}
