#include "formats/safetensors.h"
#include "base/file.h"
#include "base/mem.h"
#include "support/test.h"

#include <string.h>
#include <time.h>

static tt_error err;

static const char *in_dir(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", tt_test_dir(), name);
    return path;
}

/* A file whose length field says `length`, with this header and n bytes of data 0, 1, 2, … */
static const char *make_long(const char *name, uint64_t length, const char *header, size_t n)
{
    tt_buf b = {0};
    for (int i = 0; i < 8; i++) {
        char byte = (char)(length >> 8 * i & 0xff);
        tt_buf_append(&b, &byte, 1);
    }
    tt_buf_append(&b, header, strlen(header));
    for (size_t i = 0; i < n; i++) {
        char byte = (char)i;
        tt_buf_append(&b, &byte, 1);
    }
    const char *path = in_dir(name);
    tt_ok(tt_file_write(path, b.data, b.size, &err), &err);
    tt_buf_free(&b);
    return path;
}

static const char *make(const char *header, size_t n)
{
    return make_long("a.safetensors", strlen(header), header, n);
}

static tt_tensor_file *opened(const char *path)
{
    tt_tensor_file *file = NULL;
    tt_ok(tt_safetensors_open(path, &file, &err), &err);
    return file;
}

static void path_refused(const char *path, const char *part)
{
    tt_tensor_file *file;
    tt_fails(tt_safetensors_open(path, &file, &err), TT_ERR_FORMAT, part, &err);
    ck_assert_ptr_nonnull(strstr(err.message, path));
}

static void refused(const char *header, size_t n, const char *part)
{
    path_refused(make(header, n), part);
}

#define F32_2(name, begin, end)                                                                              \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"

START_TEST(tensors_are_views_of_the_file)
{
    tt_tensor_file *file =
        opened(make("{\"__metadata__\":{\"format\":\"pt\"}," F32_2(
                        "b", 0, 8) ","
                                   "\"a\":{\"data_offsets\":[8,11],\"shape\":[1,3],\"dtype\":\"U8\"}}   ",
                    11));
    ck_assert_uint_eq(tt_tensor_file_count(file), 2);
    const tt_tensor_view *a = tt_tensor_file_find(file, "a");
    ck_assert_ptr_nonnull(a);
    ck_assert_str_eq(a->dtype, "U8");
    ck_assert_int_eq(a->type, TT_U8);
    ck_assert_int_eq(a->rank, 2);
    ck_assert_int_eq(a->shape[1], 3);
    ck_assert_uint_eq(a->size_bytes, 3);
    ck_assert_mem_eq(a->data, "\x08\x09\x0a", 3);
    ck_assert_str_eq(tt_tensor_file_at(file, 0)->name, "b"); /* the header's order */
    ck_assert_ptr_null(tt_tensor_file_at(file, 2));
    ck_assert_ptr_null(tt_tensor_file_find(file, "c"));
    ck_assert_ptr_null(tt_tensor_file_find(file, "__metadata__"));
    ck_assert_str_eq(tt_tensor_file_metadata(file, "format"), "pt");
    ck_assert_ptr_null(tt_tensor_file_metadata(file, "none"));
    tt_tensor_file_give_back(file, a);
    ck_assert_mem_eq(a->data, "\x08\x09\x0a", 3); /* read again from the file */
    tt_tensor_file_close(file);
}
END_TEST

START_TEST(scalars_and_empty_tensors_are_legal)
{
    tt_tensor_file *file = opened(make("{\"e\":{\"dtype\":\"F32\",\"shape\":[2,0],\"data_offsets\":[4,4]},"
                                       "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                       "\"d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                                       4));
    ck_assert_int_eq(tt_tensor_file_find(file, "s")->rank, 0);
    ck_assert_uint_eq(tt_tensor_file_find(file, "e")->size_bytes, 0);
    tt_tensor_file_close(file);
    tt_tensor_file_close(opened(make("{}", 0)));
}
END_TEST

START_TEST(types_we_do_not_have_keep_their_names)
{
    tt_tensor_file *file = opened(make("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                       "\"b\":{\"dtype\":\"F4\",\"shape\":[3,2],\"data_offsets\":[3,6]},"
                                       "\"c\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[6,9]}}",
                                       9));
    ck_assert_int_eq(tt_tensor_file_find(file, "a")->type, -1);
    ck_assert_str_eq(tt_tensor_file_find(file, "b")->dtype, "F4");
    tt_tensor_file_close(file);
}
END_TEST

START_TEST(a_file_that_is_cut_short_is_refused)
{
    path_refused(make_long("a", 0, "", 0), "does not begin with '{'");
    tt_ok(tt_file_write(in_dir("short"), "1234567", 7, &err), &err);
    path_refused(in_dir("short"), "too short");
    tt_ok(tt_file_write(in_dir("short"), "", 0, &err), &err);
    path_refused(in_dir("short"), "too short");
    path_refused(make_long("a", 3, "{}", 0), "cut short");
    refused("{" F32_2("a", 0, 8) "}", 7, "ends at byte 8 of 7: cut short");
    tt_tensor_file *file;
    tt_fails(tt_safetensors_open(in_dir("none"), &file, &err), TT_ERR_NOT_FOUND, "none", &err);
}
END_TEST

START_TEST(a_header_length_that_lies_is_refused)
{
    path_refused(make_long("a", 100000001, "{}", 0), "not safetensors");
    path_refused(make_long("a", UINT64_MAX, "{}", 0), "not safetensors");
    path_refused(make_long("a", UINT64_MAX - 7, "{}", 0), "not safetensors");
    path_refused(make_long("a", 99999999, "{}", 0), "cut short");
    path_refused(make_long("a", 1, "{}", 0), "too early");
}
END_TEST

START_TEST(a_header_that_is_not_the_format_is_refused)
{
    refused("[]", 0, "does not begin with '{'");
    refused(" {}", 0, "does not begin with '{'");
    refused("{}\n", 0, "only spaces");
    refused("{} {}", 0, "only spaces");
    refused("{\"a\":1}", 0, "header:1:6: the description of a tensor is missing");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "is missing");
    refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "is missing");
    refused("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "is missing");
    refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "twice");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "unknown");
    refused("{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype is missing");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "shape is missing");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "number is missing");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "whole number");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "whole number");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "two numbers");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8, "more than 2");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[]}}", 8, "two numbers");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "before it begins");
    refused("{\"__metadata__\":{\"a\":1}}", 0, "a string in __metadata__");
    refused("{\"__metadata__\":[]}", 0, "__metadata__");
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    refused("{\"\xff\":1}", 0, "not UTF-8");
    refused("{", 0, "too early");
}
END_TEST

START_TEST(an_unknown_dtype_is_refused)
{
    refused("{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown dtype F33");
    refused("{\"a\":{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown dtype f32");
    refused("{\"a\":{\"dtype\":\"\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown dtype");
}
END_TEST

START_TEST(overlaps_holes_and_trailing_bytes_are_refused)
{
    refused("{" F32_2("a", 0, 8) "," F32_2("b", 4, 12) "}", 12, "overlaps");
    refused("{" F32_2("a", 0, 8) "," F32_2("b", 0, 8) "}", 8, "overlaps");
    refused("{" F32_2("a", 0, 8) "," F32_2("b", 12, 20) "}", 20, "hole");
    refused("{" F32_2("a", 4, 12) "}", 12, "hole");
    refused("{" F32_2("a", 0, 8) "}", 9, "1 bytes behind the last tensor");
    refused("{}", 1, "1 bytes behind");
}
END_TEST

START_TEST(a_name_that_is_there_twice_is_refused)
{
    refused("{" F32_2("a", 0, 8) "," F32_2("a", 8, 16) "}", 16, "tensor a is there twice");
    refused("{" F32_2("a", 0, 8) "," F32_2("\\u0061", 8, 16) "}", 16, "tensor a is there twice");
}
END_TEST

START_TEST(shapes_that_overflow_or_do_not_fit_are_refused)
{
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
            "take 12 bytes, data_offsets 8");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
            "too large");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
            "too large");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,0]}}", 0, "2^63-1");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]}}", 0,
            "2^64-1");
    refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "no whole bytes");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
            "more than 8");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[18446744073709551615,0]}}", 1,
            "before it begins");
}
END_TEST

START_TEST(an_overlong_name_is_refused)
{
    tt_buf b = {0};
    tt_buf_append(&b, "{\"", 2);
    for (int i = 0; i < 5000; i++)
        tt_buf_append(&b, "x", 1);
    tt_buf_printf(&b, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    refused(b.data, 1, "name of 5000 bytes");
    tt_buf_free(&b);
}
END_TEST

START_TEST(a_hundred_thousand_names_are_found_in_no_time)
{
    tt_buf b = {0};
    const int n = 100000;
    tt_buf_append(&b, "{", 1);
    for (int i = 0; i < n; i++)
        tt_buf_printf(
            &b, "%s\"model.layers.%d.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
            i ? "," : "", i, i, i + 1);
    tt_buf_append(&b, "}", 1);
    tt_tensor_file *file = opened(make(b.data, (size_t)n));
    clock_t begin = clock();
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.%d.weight", i);
        const tt_tensor_view *view = tt_tensor_file_find(file, name);
        ck_assert_ptr_nonnull(view);
        ck_assert_uint_eq(*(const uint8_t *)view->data, (uint8_t)i);
    }
    /* a linear search takes minutes; the bound leaves room for sanitizers on a busy machine */
    ck_assert_double_lt((double)(clock() - begin) / CLOCKS_PER_SEC, 5.0);
    tt_tensor_file_close(file);
    tt_buf_free(&b);
}
END_TEST

/* ---- sharded sets ---- */

static const char *make_index(const char *text)
{
    const char *path = in_dir("m.safetensors.index.json");
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
    return path;
}

static void make_shards(void)
{
    const char *one = "{" F32_2("a", 0, 8) "," F32_2("b", 8, 16) "}", *two = "{" F32_2("c", 0, 8) "}";
    make_long("m-1.safetensors", strlen(one), one, 16);
    make_long("m-2.safetensors", strlen(two), two, 8);
}

static void index_refused(const char *text, tt_status status, const char *part)
{
    tt_tensor_file *file;
    tt_fails(tt_safetensors_open_index(make_index(text), &file, &err), status, part, &err);
}

#define ONE "\"m-1.safetensors\""
#define TWO "\"m-2.safetensors\""

START_TEST(a_sharded_set_is_one_bag)
{
    make_shards();
    tt_tensor_file *file;
    tt_ok(tt_safetensors_open_index(make_index("{\"metadata\":{\"total_size\":24},\"weight_map\":{\"c\":" TWO
                                               ",\"a\":" ONE ",\"b\":" ONE "}}"),
                                    &file, &err),
          &err);
    ck_assert_uint_eq(tt_tensor_file_count(file), 3);
    const tt_tensor_view *b = tt_tensor_file_find(file, "b");
    ck_assert_mem_eq(b->data, "\x08\x09\x0a\x0b", 4);
    ck_assert_mem_eq(tt_tensor_file_find(file, "c")->data, "\x00\x01\x02\x03", 4);
    tt_tensor_file_give_back(file, b);
    ck_assert_mem_eq(b->data, "\x08\x09\x0a\x0b", 4);
    tt_tensor_file_close(file);
}
END_TEST

START_TEST(a_shard_outside_the_folder_is_refused)
{
    static const char *const names[] = {"../m-1.safetensors", "/etc/passwd", "a/b", "..", ".", "", "a\\\\b"};
    make_shards();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", names[i]);
        index_refused(text, TT_ERR_INVALID, "must be the name of a file in the index's own folder");
    }
    index_refused("{\"weight_map\":{\"a\":1}}", TT_ERR_INVALID, "must be the name");
}
END_TEST

START_TEST(an_index_that_does_not_fit_its_shards_is_refused)
{
    make_shards();
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":\"m-3.safetensors\"}}",
                  TT_ERR_NOT_FOUND, "m-3.safetensors");
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO ",\"d\":" TWO "}}",
                  TT_ERR_INVALID, "tensor d is not in m-2.safetensors");
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"c\":" TWO "}}", TT_ERR_FORMAT, "also has tensor b");
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"b\":" TWO ",\"c\":" TWO "}}", TT_ERR_INVALID,
                  "tensor b is not in m-2.safetensors");
    index_refused("{}", TT_ERR_FORMAT, "weight_map");
    index_refused("{\"weight_map\":[]}", TT_ERR_FORMAT, "weight_map");
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"a\":" ONE "}}", TT_ERR_FORMAT, "twice");
    make_long("m-2.safetensors", 2, "{", 0);
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO "}}", TT_ERR_FORMAT,
                  "m-2.safetensors");
    /* one name in two shards, and the index takes each shard for something */
    const char *two = "{" F32_2("a", 0, 8) "," F32_2("c", 8, 16) "}";
    make_long("m-2.safetensors", strlen(two), two, 16);
    index_refused("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO "}}", TT_ERR_FORMAT,
                  "also has tensor a");
}
END_TEST

/* ---- writer ---- */

START_TEST(what_was_written_reads_back)
{
    float f[3] = {1, 2, 3};
    uint8_t u[5] = {9, 8, 7, 6, 5};
    tt_tensor_view views[] = {
        {.name = "a\"é", .dtype = "U8", .rank = 1, .shape = {5}, .data = u, .size_bytes = 5},
        {.name = "z", .dtype = "F32", .rank = 2, .shape = {3, 1}, .data = f, .size_bytes = 12},
        {.name = "b", .dtype = "F32", .rank = 0, .data = f, .size_bytes = 4},
        {.name = "empty", .dtype = "F16", .rank = 1, .shape = {0}, .data = NULL, .size_bytes = 0},
    };
    const char *metadata[] = {"format", "pt", "note", "x\"y", NULL};
    const char *path = in_dir("w.safetensors");
    tt_ok(tt_safetensors_write(path, views, 4, metadata, &err), &err);
    tt_tensor_file *file = opened(path);
    static const char *const order[] = {"b", "z", "empty", "a\"é"}; /* wider types first, then by name */
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(tt_tensor_file_at(file, i)->name, order[i]);
    ck_assert_mem_eq(tt_tensor_file_find(file, "z")->data, f, 12);
    ck_assert_mem_eq(tt_tensor_file_find(file, "a\"é")->data, u, 5);
    ck_assert_uint_eq((uintptr_t)tt_tensor_file_at(file, 0)->data % 8, 0);
    tt_tensor_file_close(file);
}
END_TEST

START_TEST(the_reference_writers_bytes_are_reproduced)
{
    const char *golden = TT_SOURCE_DIR "/tests/golden/safetensors/mixed.safetensors", *copy = in_dir("copy");
    tt_tensor_file *file = opened(golden);
    size_t n = tt_tensor_file_count(file);
    ck_assert_uint_eq(n, 23);
    tt_tensor_view *views = tt_alloc_array(n, sizeof *views);
    for (size_t i = 0; i < n; i++)
        views[i] = *tt_tensor_file_at(file, n - 1 - i); /* the order given does not matter */
    const char *metadata[] = {"format", "pt", NULL};
    tt_ok(tt_safetensors_write(copy, views, n, metadata, &err), &err);
    char *a, *b;
    size_t a_size, b_size;
    tt_ok(tt_file_read(golden, 1 << 20, &a, &a_size, &err), &err);
    tt_ok(tt_file_read(copy, 1 << 20, &b, &b_size, &err), &err);
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    tt_free(a);
    tt_free(b);
    tt_free(views);
    tt_tensor_file_close(file);
}
END_TEST

START_TEST(what_cannot_be_written_is_refused_and_leaves_no_file)
{
    float f[2] = {1, 2};
    tt_tensor_view good = {.name = "a", .dtype = "F32", .rank = 1, .shape = {2}, .data = f, .size_bytes = 8};
    tt_tensor_view bad[2] = {good, good};
    const char *path = in_dir("bad.safetensors");
    tt_fails(tt_safetensors_write(path, bad, 2, NULL, &err), TT_ERR_INVALID, "given twice", &err);
    bad[1].dtype = "I32"; /* another type, the same name */
    tt_fails(tt_safetensors_write(path, bad, 2, NULL, &err), TT_ERR_INVALID, "given twice", &err);
    bad[0].size_bytes = 7;
    tt_fails(tt_safetensors_write(path, bad, 1, NULL, &err), TT_ERR_INVALID, "do not fit", &err);
    bad[0] = good;
    bad[0].dtype = "F31";
    tt_fails(tt_safetensors_write(path, bad, 1, NULL, &err), TT_ERR_INVALID, "unknown dtype", &err);
    bad[0] = good;
    bad[0].name = "__metadata__";
    tt_fails(tt_safetensors_write(path, bad, 1, NULL, &err), TT_ERR_INVALID, "cannot be named", &err);
    ck_assert(!tt_file_exists(path));
}
END_TEST

START_TEST(out_of_memory_is_an_error_not_a_crash)
{
    make_shards();
    const char *path = make_index("{\"weight_map\":{\"a\":" ONE ",\"b\":" ONE ",\"c\":" TWO "}}");
    bool done = false;
    for (long n = 0; !done; n++) {
        ck_assert_int_lt(n, 300);
        tt_tensor_file *file = NULL;
        tt_mem_fail_after(n);
        tt_status s = tt_safetensors_open_index(path, &file, &err);
        tt_mem_fail_after(-1);
        ck_assert_msg(s == TT_OK || s == TT_ERR_MEMORY, "%d: %s", s, err.message);
        done = s == TT_OK;
        if (done) tt_tensor_file_close(file);
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, tensors_are_views_of_the_file);
    tcase_add_test(tc, scalars_and_empty_tensors_are_legal);
    tcase_add_test(tc, types_we_do_not_have_keep_their_names);
    tcase_add_test(tc, a_file_that_is_cut_short_is_refused);
    tcase_add_test(tc, a_header_length_that_lies_is_refused);
    tcase_add_test(tc, a_header_that_is_not_the_format_is_refused);
    tcase_add_test(tc, an_unknown_dtype_is_refused);
    tcase_add_test(tc, overlaps_holes_and_trailing_bytes_are_refused);
    tcase_add_test(tc, a_name_that_is_there_twice_is_refused);
    tcase_add_test(tc, shapes_that_overflow_or_do_not_fit_are_refused);
    tcase_add_test(tc, an_overlong_name_is_refused);
    tcase_add_test(tc, a_hundred_thousand_names_are_found_in_no_time);
    tcase_add_test(tc, a_sharded_set_is_one_bag);
    tcase_add_test(tc, a_shard_outside_the_folder_is_refused);
    tcase_add_test(tc, an_index_that_does_not_fit_its_shards_is_refused);
    tcase_add_test(tc, what_was_written_reads_back);
    tcase_add_test(tc, the_reference_writers_bytes_are_reproduced);
    tcase_add_test(tc, what_cannot_be_written_is_refused_and_leaves_no_file);
    tcase_add_test(tc, out_of_memory_is_an_error_not_a_crash);
    suite_add_tcase(suite, tc);
    return suite;
}
