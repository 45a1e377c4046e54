/* PyTorch checkpoints written by PyTorch (tools/make_torch_samples.py), and what is refused. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/safetensors.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN TT_SOURCE_DIR "/tests/golden/torch/"

static tt_error err;
static tt_tensor_file *file;

static void setup(void)
{
    err = (tt_error){0};
    file = NULL;
}

static void teardown(void)
{
    if (file) tt_tensor_file_close(file);
}

static void open_golden(const char *name)
{
    char path[1024];
    if (file) tt_tensor_file_close(file);
    file = NULL;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    tt_ok(tt_torch_open(path, &file, &err), &err);
}

static char *read_golden(const char *name, size_t *size)
{
    char path[1024], *data;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    tt_ok(tt_file_read(path, 1 << 20, &data, size, &err), &err);
    return data;
}

static const char *spoiled_path(void)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/spoiled.pth", tt_test_dir());
    return path;
}

static tt_status open_bytes(const void *data, size_t size)
{
    tt_error write_error = {0};
    tt_ok(tt_file_write(spoiled_path(), data, size, &write_error), &write_error);
    if (file) tt_tensor_file_close(file);
    file = NULL;
    tt_status s = tt_torch_open(spoiled_path(), &file, &err);
    if (s) file = NULL;
    return s;
}

static const tt_tensor_view *tensor(const char *prefix, const char *name, const char *dtype, int rank,
                                    const int64_t *shape)
{
    char full[200];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const tt_tensor_view *v = tt_tensor_file_find(file, full);
    ck_assert_msg(v != NULL, "no tensor %s", full);
    ck_assert_msg(strcmp(v->dtype, dtype) == 0, "%s is %s", full, v->dtype);
    ck_assert_msg(v->rank == rank, "%s has rank %d", full, v->rank);
    for (int i = 0; i < rank; i++)
        ck_assert_int_eq(v->shape[i], shape[i]);
    return v;
}

/* Element i of the script's base, 0..23, at [2][3][4]. */
static void expect_floats(const tt_tensor_view *v, size_t n, const float *values)
{
    ck_assert_uint_eq(v->size_bytes, n * sizeof(float));
    ck_assert_msg(memcmp(v->data, values, n * sizeof(float)) == 0, "%s has other values", v->name);
}

static void expect_strided(const char *prefix)
{
    float dense[24], transposed[24], slice[8];
    for (int i = 0; i < 24; i++)
        dense[i] = (float)i;
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 3; j++)
                transposed[(k * 2 + i) * 3 + j] = (float)(i * 12 + j * 4 + k);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < 2; k++)
                slice[(i * 2 + j) * 2 + k] = (float)(i * 12 + (j + 1) * 4 + 2 * k);
    expect_floats(tensor(prefix, "dense", "F32", 3, (const int64_t[]){2, 3, 4}), 24, dense);
    expect_floats(tensor(prefix, "transposed", "F32", 3, (const int64_t[]){4, 2, 3}), 24, transposed);
    expect_floats(tensor(prefix, "slice", "F32", 3, (const int64_t[]){2, 2, 2}), 8, slice);
    expect_floats(tensor(prefix, "expanded", "F32", 2, (const int64_t[]){2, 3}), 6,
                  (const float[]){1.5f, 1.5f, 1.5f, -2.5f, -2.5f, -2.5f});
    expect_floats(tensor(prefix, "parameter", "F32", 1, (const int64_t[]){2}), 2, (const float[]){3, 4});
}

static void expect_bytes(const char *prefix, const char *name, const char *dtype, int64_t n,
                         const void *bytes, size_t size)
{
    const tt_tensor_view *v = tensor(prefix, name, dtype, 1, &n);
    ck_assert_uint_eq(v->size_bytes, size);
    ck_assert_msg(memcmp(v->data, bytes, size) == 0, "%s has other bytes", name);
}

/* bf16 of 3e38 is 0x7f62: 3e38 = 1.7632415 · 2^127, whose nearest 7-bit fraction is 98/128. */
static void expect_types(const char *prefix)
{
    expect_bytes(prefix, "half", "F16", 3, (const uint16_t[]){0x3c00, 0xb800, 0x7bff}, 6);
    expect_bytes(prefix, "bfloat16", "BF16", 3, (const uint16_t[]){0x3f80, 0xbf00, 0x7f62}, 6);
    expect_bytes(prefix, "double", "F64", 2, (const double[]){0.1, -1e300}, 16);
    expect_bytes(prefix, "int", "I32", 2, (const int32_t[]){-1, 2}, 8);
    expect_bytes(prefix, "short", "I16", 2, (const int16_t[]){-1, 2}, 4);
    expect_bytes(prefix, "char", "I8", 2, (const int8_t[]){-1, 2}, 2);
    expect_bytes(prefix, "byte", "U8", 2, (const uint8_t[]){255, 2}, 2);
    expect_bytes(prefix, "bool", "BOOL", 2, (const uint8_t[]){1, 0}, 2);
    const tt_tensor_view *scalar = tensor(prefix, "scalar", "I64", 0, NULL);
    ck_assert_uint_eq(scalar->size_bytes, 8);
    ck_assert_mem_eq(scalar->data, (&(const int64_t){7}), 8);
    ck_assert_uint_eq(tensor(prefix, "empty", "F32", 2, (const int64_t[]){0, 3})->size_bytes, 0);
}

START_TEST(both_containers_give_pytorchs_tensors)
{
    static const struct {
        const char *name, *prefix;
        size_t n;
    } files[] = {{"state.pth", "", 15},
                 {"state-legacy.pth", "", 15},
                 {"nested.ckpt", "model.", 16},
                 {"nested-legacy.ckpt", "model.", 16}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        open_golden(files[i].name);
        ck_assert_uint_eq(tt_tensor_file_count(file), files[i].n);
        expect_strided(files[i].prefix);
        expect_types(files[i].prefix);
    }
    expect_floats(tensor("", "plain", "F32", 1, (const int64_t[]){1}), 1, (const float[]){1});
}
END_TEST

START_TEST(every_type_keeps_its_bytes)
{
    static const struct {
        const char *name, *dtype;
        int64_t n;
    } types[] = {{"uint16", "U16", 4},
                 {"uint32", "U32", 2},
                 {"uint64", "U64", 1},
                 {"float8_e4m3fn", "F8_E4M3", 8},
                 {"float8_e5m2", "F8_E5M2", 8},
                 {"float8_e4m3fnuz", "F8_E4M3FNUZ", 8},
                 {"float8_e5m2fnuz", "F8_E5M2FNUZ", 8},
                 {"float8_e8m0fnu", "F8_E8M0", 8},
                 {"complex64", "C64", 1}};
    open_golden("types.pth");
    ck_assert_uint_eq(tt_tensor_file_count(file), sizeof types / sizeof *types);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        expect_bytes("", types[i].name, types[i].dtype, types[i].n, "\1\2\3\4\5\6\7\10", 8);
    tt_tensor_file_close(file);
    tt_fails(tt_torch_open(GOLDEN "complex128.pth", &file, &err), TT_ERR_UNSUPPORTED,
             "torch.ComplexDoubleStorage are not read: convert them", &err);
    file = NULL;
}
END_TEST

START_TEST(tensors_of_one_storage_share_its_bytes)
{
    static const char *const names[] = {"shared.pth", "shared-legacy.pth"};
    for (size_t i = 0; i < 2; i++) {
        open_golden(names[i]);
        ck_assert_uint_eq(tt_tensor_file_count(file), 5);
        const tt_tensor_view *in = tensor("", "in", "F32", 2, (const int64_t[]){2, 2});
        expect_floats(in, 4, (const float[]){1, 2, 3, 4});
        ck_assert_ptr_eq(tensor("", "out", "F32", 2, (const int64_t[]){2, 2})->data, in->data);
        ck_assert_ptr_eq(tensor("", "row", "F32", 1, (const int64_t[]){2})->data,
                         (const float *)in->data + 2);
        expect_floats(tensor("", "transposed", "F32", 2, (const int64_t[]){2, 2}), 4,
                      (const float[]){1, 3, 2, 4});
        ck_assert_uint_eq(tensor("", "nothing", "F32", 2, (const int64_t[]){0, 2})->size_bytes, 0);
    }
}
END_TEST

START_TEST(a_file_saved_without_checksums_is_read)
{
    open_golden("no-checksums.pth");
    expect_floats(tensor("", "in", "F32", 2, (const int64_t[]){2, 2}), 4, (const float[]){1, 2, 3, 4});
}
END_TEST

START_TEST(modules_optimizers_and_lists_are_flattened_to_dotted_names)
{
    static const int64_t one[] = {1};
    open_golden("module.pth");
    ck_assert_uint_eq(tt_tensor_file_count(file), 7);
    expect_floats(tensor("", "1.running_var", "F32", 1, (const int64_t[]){2}), 2, (const float[]){0, 1});
    open_golden("optimizer.pth");
    expect_floats(tensor("", "state.0.exp_avg", "F32", 1, one), 1, (const float[]){1});
    open_golden("list.pth");
    expect_floats(tensor("", "1.a", "F32", 1, one), 1, (const float[]){2});
    expect_floats(tensor("", "2.0", "F32", 1, one), 1, (const float[]){3});
    open_golden("numpy-scalar.pth");
    ck_assert_uint_eq(tt_tensor_file_count(file), 1);
}
END_TEST

START_TEST(a_name_that_could_run_code_is_refused_by_name)
{
    static const char *const files[][2] = {{"evil.pth", "posix.system"},
                                           {"evil-legacy.pth", "posix.system"},
                                           {"eval.pth", "__builtin__.eval"},
                                           {"whole-module.pth", "torch.nn.modules.linear.Linear"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[1024];
        snprintf(path, sizeof path, GOLDEN "%s", files[i][0]);
        tt_fails(tt_torch_open(path, &file, &err), TT_ERR_REFUSED, files[i][1], &err);
        ck_assert_ptr_nonnull(strstr(err.message, "save the state dict alone"));
        file = NULL;
    }
}
END_TEST

START_TEST(another_pickle_protocol_is_refused_with_its_number)
{
    tt_fails(tt_torch_open(GOLDEN "protocol4.pth", &file, &err), TT_ERR_UNSUPPORTED, "pickle protocol 4",
             &err);
    file = NULL;
}
END_TEST

START_TEST(a_checkpoint_cut_anywhere_is_refused)
{
    static const char *const names[] = {"state.pth", "state-legacy.pth"};
    for (size_t k = 0; k < 2; k++) {
        size_t size;
        char *data = read_golden(names[k], &size);
        for (size_t n = 0; n < size; n += n < 64 || n + 64 > size ? 1 : 37) {
            tt_status s = open_bytes(data, n);
            ck_assert_msg(s != TT_OK, "%s cut to %zu of %zu bytes was read", names[k], n, size);
            ck_assert_ptr_nonnull(strstr(err.message, "spoiled.pth"));
        }
        tt_free(data);
    }
}
END_TEST

START_TEST(every_flipped_byte_is_refused_or_changes_values_alone)
{
    size_t size;
    char *data = read_golden("state.pth", &size);
    for (size_t i = 0; i < size; i += 3) {
        data[i] = (char)(data[i] ^ 0x41);
        if (open_bytes(data, size) == TT_OK)
            for (size_t k = 0; k < tt_tensor_file_count(file); k++) {
                const tt_tensor_view *v = tt_tensor_file_at(file, k);
                unsigned sum = 0; /* the sanitizer build checks that all of it may be read */
                for (size_t b = 0; b < v->size_bytes; b++)
                    sum += ((const uint8_t *)v->data)[b];
                ck_assert_uint_le(sum, 255 * v->size_bytes);
            }
        else
            ck_assert_uint_gt(strlen(err.message), 0);
        data[i] = (char)(data[i] ^ 0x41);
    }
    tt_free(data);
}
END_TEST

/* A legacy file: magic number, protocol, system info, then `pickle` as the object. */
static tt_status open_legacy(const char *pickle, size_t size)
{
    static const char head[] =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
        "\x80\x02M\xe9\x03."
        "\x80\x02}q\x00(X\x10\0\0\0protocol_versionM\xe9\x03X\x0d\0\0\0little_endian\x88u.";
    tt_buf out = {0};
    ck_assert(tt_buf_append(&out, head, sizeof head - 1) && tt_buf_append(&out, pickle, size));
    tt_status s = open_bytes(out.data, out.size);
    tt_buf_free(&out);
    return s;
}

START_TEST(hostile_pickles_are_refused)
{
#define PICKLE(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } cases[] = {
        {PICKLE("\x80\x02."), "pickle"},      /* nothing on the stack */
        {PICKLE("\x80\x02N"), "pickle"},      /* no end */
        {PICKLE("\x80\x02h\x05."), "pickle"}, /* a memo that nothing was put in */
        {PICKLE("\x80\x02t."), "pickle"},     /* a tuple without its mark */
        {PICKLE("\x80\x02X\xff\xff\xff\x7f"
                "abc."),
         "pickle"},                                          /* a string beyond the end */
        {PICKLE("\x80\x02\x8b\xff\xff\xff\x7f."), "pickle"}, /* a number beyond the end */
        {PICKLE("\x80\x02"
                "cos\nsystem\n."),
         "os.system"}, /* called or not */
        {PICKLE("\x80\x02"
                "cbuiltins\nexec\n(tR."),
         "builtins.exec"},
        {PICKLE("\x80\x02"
                "ctorch._utils\n_rebuild_tensor_v2\n)R."),
         "pickle"},                                       /* too few arguments */
        {PICKLE("\x80\x02r\xff\xff\xff\xff."), "pickle"}, /* a memo of four thousand million */
        {PICKLE("\x80\x02"
                "ios\nsystem\n."),
         "os.system"}, /* INST */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_status s = open_legacy(cases[i].bytes, cases[i].size);
        ck_assert_msg(s == TT_ERR_FORMAT || s == TT_ERR_REFUSED, "case %zu: status %d: %s", i, s,
                      err.message);
        ck_assert_msg(strstr(err.message, cases[i].part) != NULL, "case %zu: %s", i, err.message);
    }
}
END_TEST

START_TEST(a_pickle_of_ten_thousand_nested_lists_is_no_deep_recursion)
{
    tt_buf out = {0};
    tt_buf_append(&out, "\x80\x02", 2);
    for (int i = 0; i < 10000; i++)
        tt_buf_append(&out, "]", 1);
    for (int i = 0; i < 9999; i++)
        tt_buf_append(&out, "a", 1);
    tt_buf_append(&out, ".", 1);
    ck_assert(!out.failed);
    ck_assert_int_eq(open_legacy(out.data, out.size), TT_ERR_FORMAT);
    tt_buf_free(&out);
}
END_TEST

/* Replaces `from` in a legacy file, whose tensors no checksum guards. */
static tt_status open_edited(const char *from, size_t n, const char *to)
{
    size_t size;
    char *data = read_golden("state-legacy.pth", &size);
    char *at = memmem(data, size, from, n);
    ck_assert_ptr_nonnull(at);
    memcpy(at, to, n);
    tt_status s = open_bytes(data, size);
    tt_free(data);
    return s;
}

START_TEST(a_tensor_outside_its_storage_is_refused)
{
    /* dense: offset 0, shape (2, 3, 4): K\0 K\2 K\3 K\4 \x87 */
    static const char dense[] = "K\0K\2K\3K\4\x87", far[] = "K\1K\2K\3K\4\x87",
                      large[] = "K\0K\xffK\3K\4\x87";
    ck_assert_int_eq(open_edited(dense, sizeof dense - 1, far), TT_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "spoiled.pth"));
    ck_assert_int_eq(open_edited(dense, sizeof dense - 1, large), TT_ERR_FORMAT);
    tt_fails(open_edited("little_endian", 13, "little_indian"), TT_ERR_UNSUPPORTED, "big-endian", &err);
}
END_TEST

START_TEST(zip_entries_that_lie_are_refused)
{
    size_t size;
    char *data = read_golden("state.pth", &size);
    /* the central directory: signature PK\1\2, method at 10, CRC at 16, sizes at 20 and 24, offset at 42 */
    char *entry = memmem(data, size, "PK\1\2", 4);
    ck_assert_ptr_nonnull(entry);
    static const struct {
        size_t at;
        uint8_t byte;
    } lies[] = {{8, 0x01},  {10, 0x08}, {16, 0x5a}, {20, 0x77},
                {24, 0x77}, {23, 0x7f}, {42, 0x99}, {45, 0x7f}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        char kept = entry[lies[i].at];
        entry[lies[i].at] = (char)(kept ^ (char)lies[i].byte);
        ck_assert_msg(open_bytes(data, size) != TT_OK, "a lie at %zu was believed", lies[i].at);
        entry[lies[i].at] = kept;
    }
    tt_ok(open_bytes(data, size), &err);
    tt_free(data);
}
END_TEST

START_TEST(what_is_no_checkpoint_is_refused)
{
    static const char *const texts[] = {"", "x", "PK\3\4", "{\"a\": 1}", "\x80\x02}q\0."};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_int_ne(open_bytes(texts[i], strlen(texts[i])), TT_OK);
        ck_assert_ptr_nonnull(strstr(err.message, "spoiled.pth"));
    }
    tt_fails(tt_torch_open("/nowhere/a.pth", &file, &err), TT_ERR_NOT_FOUND, "/nowhere/a.pth", &err);
    file = NULL;
}
END_TEST

START_TEST(out_of_memory_is_an_error_not_a_crash)
{
    static const char *const names[] = {GOLDEN "nested.ckpt", GOLDEN "nested-legacy.ckpt"};
    for (size_t k = 0; k < 2; k++) {
        tt_status s = TT_ERR_MEMORY;
        for (long n = 0; s == TT_ERR_MEMORY && n < 10000; n++) {
            tt_mem_fail_after(n);
            s = tt_torch_open(names[k], &file, &err);
            tt_mem_fail_after(-1);
        }
        tt_ok(s, &err);
        tt_tensor_file_close(file);
        file = NULL;
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("torch");
    TCase *c = tcase_create("torch");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, both_containers_give_pytorchs_tensors);
    tcase_add_test(c, every_type_keeps_its_bytes);
    tcase_add_test(c, tensors_of_one_storage_share_its_bytes);
    tcase_add_test(c, a_file_saved_without_checksums_is_read);
    tcase_add_test(c, modules_optimizers_and_lists_are_flattened_to_dotted_names);
    tcase_add_test(c, a_name_that_could_run_code_is_refused_by_name);
    tcase_add_test(c, another_pickle_protocol_is_refused_with_its_number);
    tcase_add_test(c, a_checkpoint_cut_anywhere_is_refused);
    tcase_add_test(c, every_flipped_byte_is_refused_or_changes_values_alone);
    tcase_add_test(c, hostile_pickles_are_refused);
    tcase_add_test(c, a_pickle_of_ten_thousand_nested_lists_is_no_deep_recursion);
    tcase_add_test(c, a_tensor_outside_its_storage_is_refused);
    tcase_add_test(c, zip_entries_that_lie_are_refused);
    tcase_add_test(c, what_is_no_checkpoint_is_refused);
    tcase_add_test(c, out_of_memory_is_an_error_not_a_crash);
    suite_add_tcase(suite, c);
    return suite;
}
