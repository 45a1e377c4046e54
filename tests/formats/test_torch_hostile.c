/* PyTorch checkpoints made by hand: what no torch.save writes. Each lie is one change to a file that is read,
 * so that nothing else can be what is refused. */
#include "support/test.h"
#include "support/torch_bytes.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_tensor_file *file;

static void setup(void)
{
    err = (tt_error){0};
    file = NULL;
}

static void teardown(void)
{
    tt_tensor_file_close(file);
}

static tt_status open_tensor(const made_tensor *t)
{
    tt_buf pickle = made_dict(t, "");
    made_entry entries[] = {{.name = "a/data.pkl", .data = pickle.data, .size = pickle.size},
                            {.name = "a/data/0", .data = made_values, .size = 24}};
    tt_buf zip = made_archive(entries, 2, false, 0);
    tt_buf_free(&pickle);
    return made_open(&zip, &file, &err);
}

START_TEST(the_file_that_is_spoiled_below_is_sound)
{
    tt_ok(open_tensor(&made_sound), &err);
    const tt_tensor_view *w = tt_tensor_file_find(file, "w");
    ck_assert_ptr_nonnull(w);
    ck_assert_uint_eq(w->size_bytes, 24);
    ck_assert_mem_eq(w->data, made_values, 24);
}
END_TEST

START_TEST(a_tensor_that_its_storage_cannot_hold_is_refused)
{
    const int64_t huge = INT64_MAX, half = (int64_t)1 << 62;
    const struct {
        made_tensor t;
        const char *part;
    } cases[] = {
        {{"FloatStorage", "0", 6, 1, {2, 3}, {3, 1}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, 6, {1, 1}, {1, 1}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, huge, {2, 3}, {3, 1}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, -1, {2, 3}, {3, 1}, 0, 0}, "without storage and offset"},
        {{"FloatStorage", "0", 6, 0, {2, 4}, {3, 1}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, 0, {2, 3}, {4, 1}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, 0, {3, 3}, {half, 1}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, 0, {2, 3}, {huge, huge}, 0, 0}, "behind its storage"},
        {{"FloatStorage", "0", 6, 0, {-2, 3}, {3, 1}, 0, 0}, "negative"},
        {{"FloatStorage", "0", 6, 0, {2, 3}, {-3, 1}, 0, 0}, "negative"},
        {{"FloatStorage", "0", 6, 0, {half, 8}, {0, 0}, 0, 0}, "too large"},
        {{"FloatStorage", "0", 6, 0, {huge, 1}, {0, 0}, 0, 0}, "too large"},
        {{"FloatStorage", "0", 6, 0, {100000, 100000}, {0, 0}, 0, 0}, "far larger than what the file holds"},
        {{"FloatStorage", "0", 6, 0, {2, 3}, {3, 1}, 9, 9}, "more than 8 dimensions"},
        {{"FloatStorage", "0", 6, 0, {2, 3}, {3, 1}, 2, 3}, "malformed"},
        {{"FloatStorage", "0", 7, 0, {2, 3}, {3, 1}, 0, 0}, "a/data/0 has 24 bytes"},
        {{"FloatStorage", "0", 5, 0, {1, 3}, {3, 1}, 0, 0}, "a/data/0 has 24 bytes"},
        {{"DoubleStorage", "0", 6, 0, {2, 3}, {3, 1}, 0, 0}, "a/data/0 has 24 bytes"},
        {{"FloatStorage", "0", half + 6, 0, {2, 3}, {3, 1}, 0, 0}, "a/data/0 has 24 bytes"},
        {{"FloatStorage", "0", -6, 0, {2, 3}, {3, 1}, 0, 0}, "no storage"},
        {{"FloatStorage", "1", 6, 0, {2, 3}, {3, 1}, 0, 0}, "storage a/data/1 is missing"},
        {{"FloatStorage", "../data/0", 6, 0, {2, 3}, {3, 1}, 0, 0}, "is missing"},
        {{"ComplexDoubleStorage", "0", 6, 0, {2, 3}, {3, 1}, 0, 0},
         "torch.ComplexDoubleStorage are not read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(open_tensor(&cases[i].t) != TT_OK, "case %zu was read", i);
        ck_assert_msg(strstr(err.message, cases[i].part), "case %zu: '%s'", i, err.message);
    }
    /* what looks alike and is no lie: no elements, one element at any stride */
    tt_ok(open_tensor(&(made_tensor){"FloatStorage", "0", 6, huge, {0, 3}, {3, 1}, 0, 0}), &err);
    tt_ok(open_tensor(&(made_tensor){"FloatStorage", "0", 6, 2, {1, 2}, {huge, 3}, 0, 0}), &err);
    ck_assert_mem_eq(tt_tensor_file_at(file, 0)->data, ((float[]){2, 5}), 8);
}
END_TEST

START_TEST(an_archive_that_lies_is_refused)
{
    tt_buf pickle = made_dict(&made_sound, "");
    const made_entry p = {.name = "a/data.pkl", .data = pickle.data, .size = pickle.size},
                     d = {.name = "a/data/0", .data = made_values, .size = 24};
    /* the sound archive of p and d, one of which is changed in what is not 0 here */
    static const struct {
        int which;
        made_entry change;
        const char *part;
    } cases[] = {
        {0, {.name = "a/data.pickle"}, "no data.pkl"},
        {0, {.method = 8}, "compressed"},
        {1, {.method = 8}, "compressed"},
        {1, {.flags = 1}, "encrypted"},
        {0, {.crc_error = 1}, "data.pkl is damaged"},
        {1, {.name = "../../etc/passwd"}, "leads elsewhere"},
        {1, {.name = "/etc/passwd"}, "leads elsewhere"},
        {1, {.name = "a\\data\\0"}, "leads elsewhere"},
        {1, {.local_name = "a/data/1"}, "two names"},
        {1, {.local_shift = 1}, "header is not where"},
        {1, {.local_shift = 1 << 30}, "header is not where"},
        {1, {.name = "b/data/0"}, "storage a/data/0 is missing"},
        {1, {.size = 20}, "has 20 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made_entry entries[] = {p, d}, *e = &entries[cases[i].which];
        const made_entry *change = &cases[i].change;
        if (change->name) e->name = change->name;
        if (change->size) e->size = change->size;
        e->local_name = change->local_name;
        e->method = change->method;
        e->flags = change->flags;
        e->crc_error = change->crc_error;
        e->local_shift = change->local_shift;
        tt_buf zip = made_archive(entries, 2, false, 0);
        ck_assert_msg(made_open(&zip, &file, &err) != TT_OK, "case %zu was read", i);
        ck_assert_msg(strstr(err.message, cases[i].part), "case %zu: '%s'", i, err.message);
    }
    tt_buf_free(&pickle);
}
END_TEST

START_TEST(entries_too_many_or_one_upon_another_are_refused)
{
    tt_buf pickle = made_dict(&made_sound, "");
    const made_entry p = {.name = "a/data.pkl", .data = pickle.data, .size = pickle.size},
                     d = {.name = "a/data/0", .data = made_values, .size = 24};
    made_entry q = p, upon = d, order = {.name = "a/byteorder", .data = "big", .size = 3};
    q.name = "b/data.pkl";
    upon.local_shift = -(long)(30 + strlen(d.name) + d.size); /* to the header of the one before */
    tt_buf zip = made_archive((made_entry[]){p, q, d}, 3, false, 0);
    tt_fails(made_open(&zip, &file, &err), TT_ERR_FORMAT, "two data.pkl", &err);
    zip = made_archive((made_entry[]){p, d, d}, 3, false, 0);
    tt_fails(made_open(&zip, &file, &err), TT_ERR_FORMAT, "two entries of one name", &err);
    zip = made_archive((made_entry[]){p, d, upon}, 3, false, 0);
    tt_fails(made_open(&zip, &file, &err), TT_ERR_FORMAT, "entries overlap", &err);
    zip = made_archive((made_entry[]){p, d, order}, 3, false, 0);
    tt_fails(made_open(&zip, &file, &err), TT_ERR_UNSUPPORTED, "big-endian", &err);
    order = (made_entry){.name = "a/byteorder", .data = "little", .size = 6};
    zip = made_archive((made_entry[]){p, d, order}, 3, false, 0);
    tt_ok(made_open(&zip, &file, &err), &err);
    tt_buf_free(&pickle);
}
END_TEST

START_TEST(the_64_bit_end_record_is_read_where_the_locator_says)
{
    tt_buf pickle = made_dict(&made_sound, "");
    const made_entry entries[] = {{.name = "a/data.pkl", .data = pickle.data, .size = pickle.size},
                                  {.name = "a/data/0", .data = made_values, .size = 24}};
    tt_buf zip = made_archive(entries, 2, true, 0);
    tt_ok(made_open(&zip, &file, &err), &err);
    ck_assert_mem_eq(tt_tensor_file_at(file, 0)->data, made_values, 24);
    static const long shifts[] = {1, -1, 1000, -1000000};
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        zip = made_archive(entries, 2, true, shifts[i]);
        tt_fails(made_open(&zip, &file, &err), TT_ERR_FORMAT, "64-bit end record", &err);
    }
    tt_buf_free(&pickle);
}
END_TEST

START_TEST(storages_of_the_old_format_that_lie_are_refused)
{
    static const struct {
        const char *keys, *view;
        uint64_t count;
        size_t present;
        const char *part; /* NULL: it is sound */
    } cases[] = {
        {"0", "N", 6, 6, NULL},
        {"0", "", 6, 6, NULL},
        {"0", "N", 7, 7, "two sizes"},
        {"0", "N", UINT64_MAX, 6, "two sizes"},
        {"0", "N", 6, 5, "cut short"},
        {"", "N", 6, 6, "tensor w has no storage"},
        {"1", "N", 6, 6, "no tensor uses"},
        {"00", "N", 6, 6, "there twice"},
        {"0", "(U\1xK\1K\1t", 6, 6, "views another"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_buf object = made_dict(&made_sound, cases[i].view);
        tt_buf rest = made_storages(cases[i].keys, cases[i].count, cases[i].present), all = {0};
        made_legacy_head(&all);
        made_put(&all, object.data, object.size);
        made_put(&all, rest.data, rest.size);
        tt_status s = made_open(&all, &file, &err);
        ck_assert_msg(cases[i].part ? s != TT_OK && strstr(err.message, cases[i].part) : s == TT_OK,
                      "case %zu: '%s'", i, err.message);
        tt_buf_free(&object);
        tt_buf_free(&rest);
    }
    tt_buf tar = {0};
    for (int i = 0; i < 1024; i++)
        made_put(&tar, i >= 257 && i < 262 ? &"ustar"[i - 257] : "x", 1);
    tt_fails(made_open(&tar, &file, &err), TT_ERR_UNSUPPORTED, "tar format", &err);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("torch_hostile");
    TCase *c = tcase_create("torch_hostile");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_file_that_is_spoiled_below_is_sound);
    tcase_add_test(c, a_tensor_that_its_storage_cannot_hold_is_refused);
    tcase_add_test(c, an_archive_that_lies_is_refused);
    tcase_add_test(c, entries_too_many_or_one_upon_another_are_refused);
    tcase_add_test(c, the_64_bit_end_record_is_read_where_the_locator_says);
    tcase_add_test(c, storages_of_the_old_format_that_lie_are_refused);
    suite_add_tcase(suite, c);
    return suite;
}
