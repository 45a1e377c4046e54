/* Pickles that name, call, nest or remember what a state dict does not. */
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

static tt_status open_pickle(const char *bytes, size_t size)
{
    tt_buf all = {0};
    made_legacy_head(&all);
    made_put(&all, bytes, size);
    return made_open(&all, &file, &err);
}

START_TEST(every_name_that_is_not_of_the_list_is_refused_by_name)
{
    static const char *const names[][2] = {{"os", "system"},
                                           {"posix", "system"},
                                           {"nt", "system"},
                                           {"subprocess", "Popen"},
                                           {"builtins", "eval"},
                                           {"builtins", "exec"},
                                           {"builtins", "getattr"},
                                           {"builtins", "__import__"},
                                           {"__builtin__", "eval"},
                                           {"sys", "exit"},
                                           {"runpy", "_run_code"},
                                           {"torch", "load"},
                                           {"torch.hub", "load"},
                                           {"torch._utils", "_rebuild"},
                                           {"torch.storage", "_load_from_bytes"},
                                           {"numpy", "load"},
                                           {"operator", "attrgetter"},
                                           {"webbrowser", "open"},
                                           {"collections", "deque"},
                                           {"", ""},
                                           {"collections.OrderedDict", ""},
                                           {"torch", "OrderedDict"}};
    /* named alone, called, and called in the way of protocol 0 */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int k = 0; k < 3; k++) {
            char pickle[200], wanted[100];
            int n = snprintf(pickle, sizeof pickle, "\x80\x02}%s%s\n%s\n%s", k == 2 ? "(i" : "c", names[i][0],
                             names[i][1], k == 1 ? "(K\1tRs." : ".");
            snprintf(wanted, sizeof wanted, "the file wants %s.%s, which could run code", names[i][0],
                     names[i][1]);
            tt_fails(open_pickle(pickle, (size_t)n), TT_ERR_REFUSED, wanted, &err);
            ck_assert_ptr_nonnull(strstr(err.message, "save the state dict alone"));
        }
        /* a name of the list in a place where it is not called as torch.save does */
#define PICKLE(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } misused[] = {
        {PICKLE("\x80\x02}(icollections\nOrderedDict\n."), "protocol 0"},
        {PICKLE("\x80\x02"
                "ctorch\nFloatStorage\n)R."),
         "cannot be called"},
        {PICKLE("\x80\x02"
                "ctorch\nfloat32\n)R."),
         "cannot be called"},
        {PICKLE("\x80\x02"
                "ctorch._utils\n_rebuild_parameter\n)R."),
         "without a tensor"},
        {PICKLE("\x80\x02"
                "ctorch\nSize\n)\x81."),
         "class that is not made"},
        {PICKLE("\x80\x02"
                "K\1)R."),
         "cannot be called"},
        {PICKLE("\x80\x02"
                "K\1}b."),
         "state for what has none"},
        {PICKLE("\x80\x02"
                "K\1Q."),
         "no storage"},
        {PICKLE("\x80\x02"
                "\x93."),
         "opcode 0x93"},
        {PICKLE("\x80\x02}cos"), "ends too early"},
    };
    for (size_t i = 0; i < sizeof misused / sizeof *misused; i++) {
        ck_assert_msg(open_pickle(misused[i].bytes, misused[i].size) != TT_OK, "case %zu was read", i);
        ck_assert_msg(strstr(err.message, misused[i].part), "case %zu: '%s'", i, err.message);
    }
}
END_TEST

/* An object and the empty list of storages behind it. */
static tt_status open_object(tt_buf *object)
{
    made_put_text(object, "\x80\x02].");
    tt_status s = open_pickle((const char *)object->data, object->size);
    tt_buf_free(object);
    return s;
}

START_TEST(what_holds_itself_or_multiplies_is_refused_soon)
{
    tt_buf b = {0};
    made_put(&b, "\x80\x02]q\0h\0a.", 9); /* a list whose item is itself */
    tt_fails(open_object(&b), TT_ERR_FORMAT, "nested deeper than 32", &err);

    b = (tt_buf){0};
    made_put(&b, "\x80\x02}q\0U\1ah\0s.", 12); /* a dict likewise */
    tt_fails(open_object(&b), TT_ERR_FORMAT, "nested deeper than 32", &err);

    b = (tt_buf){0}; /* 30 lists, each of ten times the one before: 10^30 leaves */
    made_put(&b, "\x80\x02(]q\0", 6);
    for (int i = 1; i <= 30; i++) {
        made_put(&b, "](", 2);
        for (int k = 0; k < 10; k++)
            made_put(&b, (char[]){'h', (char)(i - 1)}, 2);
        made_put(&b, (char[]){'e', 'q', (char)i}, 3);
    }
    made_put_text(&b, "t.");
    tt_fails(open_object(&b), TT_ERR_FORMAT, "too many values", &err);
}
END_TEST

START_TEST(the_memo_gives_only_what_was_put_and_no_index_costs_memory)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } cases[] = {
        {PICKLE("\x80\x02}q\5h\4."), "unknown memo index"},
        {PICKLE("\x80\x02}j\xff\xff\xff\xff."), "unknown memo index"},
        {PICKLE("\x80\x02}r\xff\xff\xff\xff."), "memo index that is too large"},
        {PICKLE("\x80\x02}r\0\0\1\0."), "memo index that is too large"},
        {PICKLE("\x80\x02q\0."), "stack is empty"},
        {PICKLE("\x80\x02}(h\0."), "unknown memo index"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        tt_fails(open_pickle(cases[i].bytes, cases[i].size), TT_ERR_FORMAT, cases[i].part, &err);
    tt_buf b = {0};
    made_put(&b, "\x80\x02K\1.", 5); /* no container at all */
    tt_fails(open_object(&b), TT_ERR_FORMAT, "holds no dict of tensors", &err);
    b = (tt_buf){0};
    made_put(&b, "\x80\x02}q\0q\0h\0\x86.", 11); /* put twice, taken once: not a dict, but sound */
    tt_ok(open_object(&b), &err);
    ck_assert_uint_eq(tt_tensor_file_count(file), 0);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("torch_pickle");
    TCase *c = tcase_create("torch_pickle");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_name_that_is_not_of_the_list_is_refused_by_name);
    tcase_add_test(c, what_holds_itself_or_multiplies_is_refused_soon);
    tcase_add_test(c, the_memo_gives_only_what_was_put_and_no_index_costs_memory);
    suite_add_tcase(suite, c);
    return suite;
}
