/* The transforms of captions and of pixels: what they make, that the seed alone decides, what is refused; and
 * the exchange of captions through a manifest. */
#include "base/file.h"
#include "formats/image.h"
#include "plugin/registry.h"
#include "runtime/manifest.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_registry *registry;
static const tt_transform_plugin *plugin;
static tt_params *params;
static void *transform;

static void setup(void)
{
    err = (tt_error){0};
    params = NULL;
    transform = NULL;
    tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
}

static void shut(void)
{
    if (transform) plugin->destroy(transform);
    tt_params_free(params);
    transform = NULL;
    params = NULL;
}

static void teardown(void)
{
    shut();
    tt_registry_close(registry);
}

static tt_status create(const char *name, const char *yaml)
{
    shut();
    err = (tt_error){0};
    const tt_registered *found;
    tt_ok(tt_registry_find(registry, TT_KIND_TRANSFORM, name, &found, &err), &err);
    plugin = found->table;
    tt_arena *arena = tt_arena_create(0);
    tt_node *node;
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &node, &err), &err);
    tt_ok(tt_params_parse(found->info, node, "transforms", tt_test_dir(), NULL, 0, &params, &err), &err);
    tt_status s = plugin->create(params, &transform, &err);
    if (s) transform = NULL;
    tt_arena_destroy(arena);
    return s;
}

/* ---- captions ---- */

static const char *rewritten(uint64_t seed, const char *caption)
{
    static char kept[2][300];
    static int turn;
    char *out = NULL;
    tt_ok(plugin->caption(transform, seed, caption, &out, &err), &err);
    turn = !turn;
    snprintf(kept[turn], sizeof kept[turn], "%s", out);
    tt_free(out);
    return kept[turn];
}

static void phrases(const char *text)
{
    char path[700];
    snprintf(path, sizeof path, "%s/phrases.csv", tt_test_dir());
    tt_ok(tt_file_write(path, text, strlen(text), &err), &err);
}

START_TEST(rephrase_takes_captions_from_its_file)
{
    phrases("original,rephrased\na dog,\"a hound, seated\"\na cat,a tom\n");
    tt_ok(create("rephrase", "{file: phrases.csv}"), &err);
    ck_assert_str_eq(rewritten(1, "a dog"), "a hound, seated");
    char *out = NULL;
    ck_assert_int_eq(plugin->caption(transform, 1, "a cow", &out, &err), TT_ERR_NOT_FOUND);
    ck_assert_msg(strstr(err.message, "\"a cow\""), "%s", err.message);
    tt_ok(create("rephrase", "{file: phrases.csv, missing: keep}"), &err);
    ck_assert_str_eq(rewritten(1, "a cow"), "a cow");
}
END_TEST

START_TEST(rephrase_refuses_a_file_that_it_cannot_follow)
{
    phrases("original,rephrased\na dog,x\na dog,y\n");
    ck_assert_int_ne(create("rephrase", "{file: phrases.csv}"), TT_OK);
    ck_assert_msg(strstr(err.message, "two ways"), "%s", err.message);
    phrases("a,b\na dog,x\n");
    ck_assert_int_ne(create("rephrase", "{file: phrases.csv}"), TT_OK);
    ck_assert_msg(strstr(err.message, "`original` and `rephrased`"), "%s", err.message);
}
END_TEST

static size_t words(const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; p++)
        n += *p != ' ' && (p == text || p[-1] == ' ');
    return n;
}

START_TEST(delete_words_deletes_the_rounded_share_and_keeps_the_order)
{
    static const char *const ten = "zero one two three four five six seven eight nine";
    tt_ok(create("delete_words", "{share: 0.3}"), &err);
    bool gone[10] = {false};
    for (uint64_t seed = 0; seed < 60; seed++) {
        char got[300];
        snprintf(got, sizeof got, "%s", rewritten(seed, ten));
        ck_assert_uint_eq(words(got), 7);
        ck_assert_str_eq(rewritten(seed, ten), got);
        const char *at = ten;
        char copy[300], *rest;
        snprintf(copy, sizeof copy, "%s", got);
        for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            at = strstr(at, word);
            ck_assert_ptr_nonnull(at);
        }
        static const char *const names[] = {"zero", "one", "two",   "three", "four",
                                            "five", "six", "seven", "eight", "nine"};
        for (int i = 0; i < 10; i++)
            gone[i] = gone[i] || !strstr(got, names[i]);
    }
    for (int i = 0; i < 10; i++)
        ck_assert_msg(gone[i], "word %d is never deleted", i);
}
END_TEST

START_TEST(delete_words_never_deletes_the_last_word)
{
    tt_ok(create("delete_words", "{share: 1}"), &err);
    ck_assert_uint_eq(words(rewritten(3, "a  red dog")), 1);
    ck_assert_str_eq(rewritten(3, "dog"), "dog");
    ck_assert_str_eq(rewritten(3, ""), "");
    tt_ok(create("delete_words", "{}"), &err);
    ck_assert_str_eq(rewritten(3, "four words stay here"), "four words stay here");
}
END_TEST

START_TEST(shuffle_moves_exactly_its_share_and_nothing_stays_where_it_was)
{
    tt_ok(create("shuffle_captions", "{share: 0.5}"), &err);
    uint64_t from[2][101], times[101] = {0};
    size_t moved = 0;
    for (int k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < 101; i++)
            from[k][i] = i;
        tt_ok(plugin->exchange(transform, 11, 101, from[k], &err), &err);
    }
    ck_assert_mem_eq(from[0], from[1], sizeof from[0]);
    for (uint64_t i = 0; i < 101; i++) {
        ck_assert_uint_lt(from[0][i], 101);
        times[from[0][i]]++;
        moved += from[0][i] != i;
    }
    ck_assert_uint_eq(moved, 50); /* 50.5 rounds to the even 50 */
    for (int i = 0; i < 101; i++)
        ck_assert_uint_eq(times[i], 1);
    uint64_t alone = 0;
    tt_ok(plugin->exchange(transform, 11, 1, &alone, &err), &err);
    ck_assert_uint_eq(alone, 0);
}
END_TEST

/* ---- a data set of four pixels and captions, to see a manifest exchange them ---- */

static tt_status four_open(const tt_params *p, uint64_t seed, void **data, tt_error *e)
{
    (void)p, (void)seed, (void)e;
    *data = NULL;
    return TT_OK;
}

static void four_close(void *data)
{
    (void)data;
}

static uint32_t four_splits(void *data)
{
    (void)data;
    return 2;
}

static const char *four_name(void *data, uint32_t split)
{
    (void)data;
    return split ? "b" : "a";
}

static uint64_t four_size(void *data, uint32_t split)
{
    (void)data, (void)split;
    return 4;
}

static tt_status four_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *e)
{
    (void)data, (void)e;
    static uint8_t rgb[3];
    static char id[8];
    snprintf(id, sizeof id, "%u%u", split, (unsigned)index);
    rgb[0] = (uint8_t)(split * 4 + index);
    item->id = id;
    item->pixels = (tt_pixels){1, 1, rgb};
    item->caption = index == 3 ? NULL : id;
    return TT_OK;
}

START_TEST(a_manifest_exchanges_captions_within_a_split_and_among_those_that_have_one)
{
    static const tt_data_plugin four = {.size = sizeof four,
                                        .open = four_open,
                                        .close = four_close,
                                        .n_splits = four_splits,
                                        .split_name = four_name,
                                        .split_size = four_size,
                                        .item = four_item};
    tt_ok(create("shuffle_captions", "{share: 1}"), &err);
    tt_manifest_options options = {
        .seed = 3, .transforms = &plugin, .transform_selves = &transform, .n_transforms = 1};
    char dir[700];
    snprintf(dir, sizeof dir, "%s/manifest", tt_test_dir());
    tt_ok(tt_manifest_build(&four, NULL, &options, dir, NULL, &err), &err);
    tt_manifest m;
    tt_ok(tt_manifest_load(dir, &m, &err), &err);
    ck_assert_uint_eq(m.n, 8);
    for (size_t i = 0; i < m.n; i++) {
        if (i % 4 == 3) {
            ck_assert_ptr_null(m.items[i].caption);
            continue;
        }
        ck_assert_str_ne(m.items[i].caption, m.items[i].id);
        ck_assert_int_eq(m.items[i].caption[0], m.items[i].id[0]);
    }
    tt_manifest_free(&m);
}
END_TEST

/* ---- pixels ---- */

/* The pattern of tools/make_transform_golden.py. */
static tt_pixels subject(uint32_t width, uint32_t height)
{
    tt_pixels p = {width, height, tt_alloc((size_t)width * height * 3)};
    ck_assert_ptr_nonnull(p.rgb);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++)
                p.rgb[((size_t)y * width + x) * 3 + c] = (uint8_t)(x * 2 + y * 3 + c * 85 + ((x * y) >> 4));
    return p;
}

START_TEST(jpeg_and_resize_are_pillows_bytes)
{
    static const struct {
        const char *name, *yaml;
        uint32_t width, height;
        const char *sha256;
    } cases[] = {
        {"jpeg", "{quality: 30}", 97, 61, "4327fd84c3761ecd08a2fa58d5211b87750c82ea5c3484425c07ec70ce8a79fc"},
        {"jpeg", "{quality: 90, colours: full}", 97, 61,
         "ecfe33ac8da94f8f2f69f438b7e62e4d73e42b5d19236351138e6172e42cdd45"},
        {"resize", "{side: 32}", 50, 32, "a7b4ec2d66b4bf58f857023de385d7873164b67199a94851891ee8e0be433945"},
        {"resize", "{side: 20, filter: lanczos, back: true}", 97, 61,
         "02412c9d500a2a45d485dc3948a45837228bd611eee69383b42fa675335dbddc"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_ok(create(cases[i].name, cases[i].yaml), &err);
        tt_pixels in = subject(97, 61), out = {0};
        tt_ok(plugin->image(transform, 0, &in, &out, &err), &err);
        ck_assert_uint_eq(out.width, cases[i].width);
        ck_assert_uint_eq(out.height, cases[i].height);
        tt_digest digest = tt_sha256_of(out.rgb, (size_t)out.width * out.height * 3);
        char hex[65];
        tt_digest_hex(&digest, hex);
        ck_assert_msg(strcmp(hex, cases[i].sha256) == 0, "%s %s: %s", cases[i].name, cases[i].yaml, hex);
        tt_free(in.rgb);
        tt_free(out.rgb);
    }
}
END_TEST

START_TEST(crop_takes_the_middle_or_a_place_of_the_seed)
{
    tt_pixels in = subject(20, 30), out = {0};
    tt_ok(create("crop", "{share: 0.5}"), &err);
    tt_ok(plugin->image(transform, 1, &in, &out, &err), &err);
    ck_assert_uint_eq(out.width, 10);
    ck_assert_uint_eq(out.height, 15);
    ck_assert_mem_eq(out.rgb, in.rgb + (8 * 20 + 5) * 3, 30); /* (30-15)/2 = 7.5, to the even 8 */
    tt_free(out.rgb);
    tt_ok(create("crop", "{size: 12, where: random}"), &err);
    bool places[9][19] = {{false}};
    size_t different = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        tt_ok(plugin->image(transform, seed, &in, &out, &err), &err);
        ck_assert_uint_eq(out.width, 12);
        uint32_t left = 0, top = 0;
        bool found = false;
        for (top = 0; top <= 18 && !found; top++)
            for (left = 0; left <= 8 && !found; left++)
                found = memcmp(out.rgb, in.rgb + ((size_t)top * 20 + left) * 3, 36) == 0;
        ck_assert(found);
        different += !places[left - 1][top - 1];
        places[left - 1][top - 1] = true;
        tt_free(out.rgb);
    }
    ck_assert_uint_gt(different, 20);
    tt_ok(create("crop", "{size: 21}"), &err);
    ck_assert_int_ne(plugin->image(transform, 1, &in, &out, &err), TT_OK);
    ck_assert_msg(strstr(err.message, "does not fit"), "%s", err.message);
    tt_free(in.rgb);
}
END_TEST

START_TEST(flip_mirrors_as_often_as_it_says)
{
    tt_pixels in = subject(7, 2), out = {0};
    size_t flipped = 0;
    tt_ok(create("flip", "{probability: 0.3}"), &err);
    for (uint64_t seed = 0; seed < 400; seed++) {
        tt_ok(plugin->image(transform, seed, &in, &out, &err), &err);
        if (memcmp(out.rgb, in.rgb, 42) != 0) {
            flipped++;
            for (size_t y = 0; y < 2; y++)
                for (size_t x = 0; x < 7; x++)
                    ck_assert_mem_eq(out.rgb + (y * 7 + x) * 3, in.rgb + (y * 7 + 6 - x) * 3, 3);
        }
        tt_free(out.rgb);
    }
    ck_assert_uint_gt(flipped, 80); /* 120 expected, standard deviation 9.2 */
    ck_assert_uint_lt(flipped, 160);
    tt_free(in.rgb);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("transforms");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, rephrase_takes_captions_from_its_file);
    tcase_add_test(cases, rephrase_refuses_a_file_that_it_cannot_follow);
    tcase_add_test(cases, delete_words_deletes_the_rounded_share_and_keeps_the_order);
    tcase_add_test(cases, delete_words_never_deletes_the_last_word);
    tcase_add_test(cases, shuffle_moves_exactly_its_share_and_nothing_stays_where_it_was);
    tcase_add_test(cases, a_manifest_exchanges_captions_within_a_split_and_among_those_that_have_one);
    tcase_add_test(cases, jpeg_and_resize_are_pillows_bytes);
    tcase_add_test(cases, crop_takes_the_middle_or_a_place_of_the_seed);
    tcase_add_test(cases, flip_mirrors_as_often_as_it_says);
    suite_add_tcase(suite, cases);
    return suite;
}
