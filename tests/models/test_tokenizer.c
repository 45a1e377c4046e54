/* Vectors of CLIP's tokenizer, the "fast" variant (specs: models-clip 3.5), with OpenAI's published merges.
 */
#include "base/file.h"
#include "base/mem.h"
#include "models/tokenizer.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const struct {
    const char *text;
    int32_t ids[80];
    size_t n;
} vectors[] = {
    {"", {0}, 0},
    {"a photo of a cat", {320, 1125, 539, 320, 2368}, 5},
    {"A photo of a DOG.", {320, 1125, 539, 320, 1929, 269}, 6},
    {"hello world!", {3306, 1002, 256}, 3},
    {"a diagram", {320, 22697}, 2},
    {"it's John's cat, they're, we've, I'm, you'll, he'd, don't",
     {585, 568, 1742, 568, 2368, 267, 889, 982,  267, 649, 1200, 267,
      328, 880, 267,  592, 1342, 267, 797, 1896, 267, 847, 713},
     23},
    {"100,000 photos of 2024", {272, 271, 271, 267, 271, 271, 271, 2479, 539, 273, 271, 273, 275}, 13},
    {"A\012'll 11p223RF\342\230\206ho!!to?'d'd''d of a cat to-$''d.",
     {320, 1342, 272,  272, 335, 273, 273,  274, 16368, 13439, 2971, 748, 531, 13610,
      323, 1896, 8445, 323, 539, 320, 2368, 531, 12,    3,     8445, 323, 269},
     27},
    {"xa\314\203y x\303\243y", {87, 19339, 344, 87, 19339, 344}, 6},
    {"caf\303\251 na\303\257ve Z\303\274rich", {15304, 1097, 35689, 563, 89, 6522, 4021}, 7},
    {"\346\227\245\346\234\254\350\252\236\343\201\256\343\203\206\343\202\255\343\202\271\343\203\210",
     {39121, 44353, 34002, 252, 21575, 2429, 228, 47121, 32421, 486},
     10},
    {"\344\275\240\345\245\275,\344\270\226\347\225\214",
     {47466, 254, 29290, 377, 267, 19759, 244, 163, 243, 490},
     10},
    {"\320\277\321\200\320\270\320\262\320\265\321\202 \320\274\320\270\321\200",
     {26302, 16370, 29503, 110, 22176, 141, 480, 38018, 16701, 141, 478},
     11},
    {"\360\237\230\200\360\237\216\211 party", {12832, 3986, 1580}, 3},
    {"a  b\011\011c\302\240d\343\200\200e", {320, 321, 322, 323, 324}, 5},
    {"\342\200\234smart\342\200\235 \342\200\230quotes\342\200\231 \342\200\224 em\342\200\246",
     {728, 506, 4115, 728, 507, 728, 502, 5808, 728, 503, 2005, 2270, 959},
     13},
    {"AT&amp;T &lt;b&gt;", {536, 261, 6259, 282, 339, 261, 3333, 282, 321, 261, 4725, 282}, 12},
    {"\357\254\201ne \357\254\202ower \302\275 \302\262 \342\205\247",
     {171, 105, 223, 1422, 171, 105, 224, 2032, 528, 33613, 41175, 158, 227, 371},
     14},
    {"\316\243\316\221\316\243 \316\237\316\224\316\237\316\243",
     {139, 225, 138, 109, 139, 481, 138, 123, 138, 112, 138, 123, 139, 481},
     14},
    {"\304\260stanbul \304\261I", {328, 16384, 11231, 18562, 328}, 5},
    {"supercalifragilisticexpialidocious", {1642, 2857, 13093, 2076, 5868, 26850, 835, 639, 38466}, 9},
    {"<|startoftext|>hi<|endoftext|>", {49406, 1883, 49407}, 3},
    {"sch\303\203\302\266n", {844, 127, 352, 126, 370, 333}, 6},
    {"e\314\201clair", {3459, 14039}, 2},
    {"http://example.com/?q=1&x=a_b#frag",
     {15066, 12441, 6228, 269, 2464, 14, 286, 336, 284, 272, 261, 343, 284, 320, 318, 321, 258, 3368, 326},
     19},
    {"$9.99 50% off!!!", {259, 280, 269, 280, 280, 276, 271, 260, 1007, 995}, 10},
    {"\342\200\213zero\342\200\215width", {9844, 5848, 728, 491, 23571}, 5},
    {"DVD-R/CD_ROM (x64) [v1.5] {a:b}",
     {7170, 268, 337, 270, 4480, 318, 19205, 263, 343, 277, 275, 264,
      314,  341, 272, 269, 276,  316, 346,   320, 281, 321, 348},
     23},
    {"\357\274\246\357\274\265\357\274\254\357\274\254\343\200\200\357\275\227\357\275\211\357\275\204\357"
     "\275\224\357\275\210",
     {171, 121, 228, 171, 121, 243, 171, 121, 234, 171, 121, 490, 171, 121,
      245, 171, 121, 231, 171, 121, 226, 171, 121, 242, 171, 121, 486},
     27},
    {"\307\204 \303\237 \341\272\236", {131, 484, 127, 509, 127, 509}, 6},
    {"x\302\205y", {343, 344}, 2},
};

static tt_tokenizer *openai(void)
{
    const char *path = tt_shared_data("clip-bpe/bpe_simple_vocab_16e6.txt.gz");
    if (!path) return NULL;
    gzFile f = gzopen(path, "rb");
    static char text[8 << 20];
    int n = gzread(f, text, sizeof text);
    gzclose(f);
    ck_assert_int_gt(n, 1000000);
    tt_error err = {0};
    tt_tokenizer *t;
    tt_ok(tt_tokenizer_from_merges("merges", text, (size_t)n, &t, &err), &err);
    return t;
}

START_TEST(texts_get_the_published_ids)
{
    tt_tokenizer *t = openai();
    if (!t) return;
    ck_assert_int_eq(tt_tokenizer_bos(t), 49406);
    ck_assert_int_eq(tt_tokenizer_eos(t), 49407);
    ck_assert_int_eq(tt_tokenizer_pad(t), 49407);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        tt_error err = {0};
        int32_t *ids;
        size_t n;
        tt_ok(tt_tokenizer_body(t, vectors[i].text, strlen(vectors[i].text), true, &ids, &n, &err), &err);
        bool same = n == vectors[i].n && (n == 0 || memcmp(ids, vectors[i].ids, n * sizeof *ids) == 0);
        ck_assert_msg(same, "'%s': %zu ids, expected %zu", vectors[i].text, n, vectors[i].n);
        tt_free(ids);
    }
    tt_tokenizer_close(t);
}
END_TEST

START_TEST(encoding_frames_cuts_and_pads)
{
    tt_tokenizer *t = openai();
    if (!t) return;
    tt_error err = {0};
    int32_t ids[77];
    tt_text_piece pieces[] = {{"a photo", 0}, {NULL, 49407}, {"of a cat", 0}};
    tt_ok(tt_tokenizer_encode(t, &(tt_text){pieces, 3}, false, ids, &err), &err);
    const int32_t want[] = {49406, 320, 1125, 49407, 539, 320, 2368, 49407, 49407};
    ck_assert_mem_eq(ids, want, sizeof want);
    ck_assert_int_eq(ids[76], 49407);
    tt_buf many = {0};
    for (int i = 0; i < 10000; i++)
        tt_buf_printf(&many, "cat ");
    tt_text_piece one = {many.data, 0};
    tt_ok(tt_tokenizer_encode(t, &(tt_text){&one, 1}, false, ids, &err), &err);
    ck_assert_int_eq(ids[75], 2368);
    ck_assert_int_eq(ids[76], 49407);
    tt_buf_free(&many);
    tt_tokenizer_close(t);
}
END_TEST

START_TEST(a_literal_special_in_a_text_is_text_unless_asked_for)
{
    tt_tokenizer *t = openai();
    if (!t) return;
    tt_error err = {0};
    int32_t *ids;
    size_t n;
    tt_ok(tt_tokenizer_body(t, "<|endoftext|>", 13, false, &ids, &n, &err), &err);
    ck_assert_uint_gt(n, 1);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_lt(ids[i], 49406);
    tt_free(ids);
    tt_tokenizer_close(t);
}
END_TEST

START_TEST(a_word_of_a_megabyte_costs_no_square)
{
    tt_tokenizer *t = openai();
    if (!t) return;
    static char word[1 << 20];
    for (size_t i = 0; i < sizeof word; i++)
        word[i] = (char)('a' + i * 7 % 26);
    tt_error err = {0};
    int32_t *ids;
    size_t n;
    tt_ok(tt_tokenizer_body(t, word, sizeof word, false, &ids, &n, &err), &err);
    ck_assert_uint_gt(n, 100000);
    tt_free(ids);
    tt_tokenizer_close(t);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
    tt_tokenizer *t = openai();
    if (!t) return;
    tt_error err = {0};
    int32_t *ids;
    size_t n;
    tt_fails(tt_tokenizer_body(t, "a\xff", 2, false, &ids, &n, &err), TT_ERR_INVALID, "not UTF-8 (byte 1)",
             &err);
    tt_tokenizer_close(t);
}
END_TEST

/* A tiny vocabulary in both layouts of a tokenizer folder. */
static const char vocab[] = "{\"a\": 0, \"b\": 1, \"a</w>\": 2, \"b</w>\": 3, \"ab\": 4, \"ab</w>\": 5, "
                            "\"<|startoftext|>\": 6, \"<|endoftext|>\": 7, \"!\": 8}";

static const char *put_file(const char *dir, const char *name, const char *text)
{
    static char path[700];
    tt_error err = {0};
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), dir);
    tt_ok(tt_dir_create(path, &err), &err);
    snprintf(path, sizeof path, "%s/%s/%s", tt_test_dir(), dir, name);
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), dir);
    return path;
}

static void expect_tiny(const char *dir, int32_t pad)
{
    tt_error err = {0};
    tt_tokenizer *t;
    tt_ok(tt_tokenizer_open(dir, &t, &err), &err);
    ck_assert_int_eq(tt_tokenizer_length(t), 8);
    int32_t ids[8];
    tt_text_piece piece = {"AB  a", 0};
    tt_ok(tt_tokenizer_encode(t, &(tt_text){&piece, 1}, false, ids, &err), &err);
    const int32_t want[8] = {6, 5, 2, 7, pad, pad, pad, pad};
    ck_assert_mem_eq(ids, want, sizeof want);
    piece.text = "c";
    tt_fails(tt_tokenizer_encode(t, &(tt_text){&piece, 1}, false, ids, &err), TT_ERR_FORMAT,
             "lacks byte 0x63", &err);
    tt_tokenizer_close(t);
}

START_TEST(both_layouts_of_a_folder_are_read)
{
    static char single[2000];
    static const char config[] = "{\"model_max_length\": 8, \"pad_token\": {\"content\": \"!\"}}";
    put_file("pair", "vocab.json", vocab);
    put_file("pair", "merges.txt", "#version: 0.2\na b\na b</w>\n");
    expect_tiny(put_file("pair", "tokenizer_config.json", config), 8);
    snprintf(single, sizeof single, "{\"model\": {\"vocab\": %s, \"merges\": [\"a b\", [\"a\", \"b</w>\"]]}}",
             vocab);
    put_file("single", "tokenizer.json", single);
    expect_tiny(put_file("single", "tokenizer_config.json", "{\"model_max_length\": 8}"), 7);
}
END_TEST

START_TEST(broken_folders_are_refused_with_the_file)
{
    tt_error err = {0};
    tt_tokenizer *t;
    tt_fails(tt_tokenizer_open("/nowhere", &t, &err), TT_ERR_NOT_FOUND, "tokenizer.json", &err);
    put_file("bad", "vocab.json", vocab);
    tt_fails(tt_tokenizer_open(put_file("bad", "merges.txt", "a z\n"), &t, &err), TT_ERR_FORMAT, "merge 1",
             &err);
    put_file("bad", "vocab.json", "{\"a\": 0}");
    tt_fails(tt_tokenizer_open(put_file("bad", "merges.txt", "#version\n"), &t, &err), TT_ERR_FORMAT,
             "startoftext", &err);
    put_file("bad", "vocab.json", "{\"a\": \"x\"}");
    ck_assert_int_ne(tt_tokenizer_open(put_file("bad", "merges.txt", "#version\n"), &t, &err), TT_OK);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tc = tcase_create("tokenizer");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, texts_get_the_published_ids);
    tcase_add_test(tc, encoding_frames_cuts_and_pads);
    tcase_add_test(tc, a_literal_special_in_a_text_is_text_unless_asked_for);
    tcase_add_test(tc, a_word_of_a_megabyte_costs_no_square);
    tcase_add_test(tc, text_that_is_not_utf8_is_refused);
    tcase_add_test(tc, both_layouts_of_a_folder_are_read);
    tcase_add_test(tc, broken_folders_are_refused_with_the_file);
    suite_add_tcase(suite, tc);
    return suite;
}
