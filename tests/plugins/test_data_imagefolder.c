/* imagefolder, dtu and aau: lists, captions, draws, and what is refused. */
#include "base/file.h"
#include "formats/image.h"
#include "plugin/registry.h"
#include "runtime/manifest.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_registry *registry;
static const tt_data_plugin *plugin;
static tt_params *params;
static void *data;
static char dir[512];

static void setup(void)
{
    err = (tt_error){0};
    tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
    snprintf(dir, sizeof dir, "%s/images", tt_test_dir());
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    tt_ok(tt_dir_create(dir, &err), &err);
    data = NULL;
    params = NULL;
}

static void shut(void)
{
    if (data) plugin->close(data);
    tt_params_free(params);
    data = NULL;
    params = NULL;
}

static void teardown(void)
{
    shut();
    tt_registry_close(registry);
}

static const char *at(const char *name)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    tt_ok(tt_dir_create(path, &err), &err);
    *slash = '/';
    return path;
}

/* An image whose pixels belong to `look`. */
static void image(const char *name, int look)
{
    uint8_t rgb[8 * 8 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)((i * 7 + (size_t)look * 31) % 256);
    tt_pixels p = {8, 8, rgb};
    tt_ok(tt_image_write_png(at(name), &p, &err), &err);
}

static void text(const char *name, const char *content)
{
    tt_ok(tt_file_write(at(name), content, strlen(content), &err), &err);
}

static tt_status open_data(const char *name, const char *more)
{
    shut();
    const tt_registered *found;
    tt_ok(tt_registry_find(registry, TT_KIND_DATA, name, &found, &err), &err);
    plugin = found->table;
    tt_arena *arena = tt_arena_create(0);
    char yaml[2048];
    snprintf(yaml, sizeof yaml, "{path: '%s'%s%s}", dir, more[0] ? ", " : "", more);
    tt_node *node;
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &node, &err), &err);
    tt_ok(tt_params_parse(found->info, node, "data.test", "/", NULL, 0, &params, &err), &err);
    tt_status s = plugin->open(params, 5, &data, &err);
    if (s) data = NULL;
    tt_arena_destroy(arena);
    return s;
}

static const tt_item *item(uint32_t split, uint64_t index)
{
    static tt_item it;
    it = (tt_item){.size = sizeof it};
    tt_ok(plugin->item(data, split, index, &it, &err), &err);
    return &it;
}

static void ten_images(void)
{
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "%02d.png", i);
        image(name, i);
    }
}

START_TEST(captions_come_from_jsonl_csv_and_text_files)
{
    image("a/1.png", 1);
    image("a/2.PNG", 2);
    image("b/3.png", 3);
    image("4.png", 4);
    image(".hidden/5.png", 5);
    text("a/metadata.jsonl", "{\"file_name\": \"1.png\", \"text\": \"one \\u00e9\"}\n\n"
                             "{\"file_name\": \"./2.PNG\", \"caption\": \"two\", \"more\": 3}\n");
    text("metadata.csv", "file_name,text\nb/3.png,\"three, quoted\"\n");
    text("4.txt", "four\n");
    tt_ok(open_data("imagefolder", "splits: {all: 4}"), &err);
    ck_assert_uint_eq(plugin->n_splits(data), 1);
    static const char *const captions[][2] = {
        {"a/1.png", "one \xc3\xa9"}, {"a/2.PNG", "two"}, {"b/3.png", "three, quoted"}, {"4.png", "four"}};
    for (uint64_t i = 0; i < 4; i++) {
        const tt_item *it = item(0, i);
        size_t k = 0;
        while (k < 4 && strcmp(captions[k][0], it->id) != 0)
            k++;
        ck_assert_uint_lt(k, 4);
        ck_assert_str_eq(it->caption, captions[k][1]);
        ck_assert(tt_file_exists(it->path));
    }
}
END_TEST

START_TEST(subfolders_are_splits_when_none_are_named)
{
    image("train/1.png", 1);
    image("train/deep/2.png", 2);
    image("test/3.png", 3);
    tt_ok(open_data("imagefolder", ""), &err);
    ck_assert_uint_eq(plugin->n_splits(data), 2);
    ck_assert_str_eq(plugin->split_name(data, 0), "test");
    ck_assert_str_eq(plugin->split_name(data, 1), "train");
    ck_assert_uint_eq(plugin->split_size(data, 1), 2);
    tt_ok(open_data("imagefolder", "splits: {train: 1}"), &err);
    ck_assert_uint_eq(plugin->split_size(data, 0), 1);
    ck_assert_int_eq(strncmp(item(0, 0)->id, "train/", 6), 0);
    tt_fails(open_data("imagefolder", "splits: {train: 3}"), TT_ERR_INVALID,
             "split train wants 3 images and 2", &err);
    tt_fails(open_data("imagefolder", "splits: {train: 1, other: 1}"), TT_ERR_INVALID,
             "name subfolders only, or none", &err);
}
END_TEST

START_TEST(a_draw_is_exact_seeded_and_stable_when_images_are_added)
{
    ten_images();
    char first[3][32];
    tt_ok(open_data("imagefolder", "splits: {seen: 3, held_out: 7}"), &err);
    ck_assert_uint_eq(plugin->split_size(data, 1), 7);
    for (uint64_t i = 0; i < 3; i++)
        snprintf(first[i], sizeof first[i], "%s", item(0, i)->id);
    tt_ok(open_data("imagefolder", "splits: {seen: 3}"), &err);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_str_eq(item(0, i)->id, first[i]);
    bool differs = false;
    tt_ok(open_data("imagefolder", "splits: {seen: 3}, split_seed: 1"), &err);
    for (uint64_t i = 0; i < 3; i++)
        differs |= strcmp(item(0, i)->id, first[i]) != 0;
    ck_assert(differs);
    tt_fails(open_data("imagefolder", "splits: {seen: 8, held_out: 3}"), TT_ERR_INVALID,
             "split held_out wants 3 images and 2 are left of 10", &err);
}
END_TEST

START_TEST(with_identities_no_person_is_in_two_splits)
{
    ten_images();
    char lines[1024] = "";
    for (int i = 0; i < 10; i++)
        sprintf(lines + strlen(lines), "{\"file_name\": \"%02d.png\", \"who\": \"p%d\"}\n", i, i / 3);
    text("metadata.jsonl", lines);
    tt_ok(open_data("imagefolder", "splits: {a: 4, b: 3}, identity_column: who"), &err);
    for (uint64_t i = 0; i < 4; i++) {
        char who[8];
        snprintf(who, sizeof who, "%s", item(0, i)->identity);
        for (uint64_t k = 0; k < 3; k++)
            ck_assert_str_ne(who, item(1, k)->identity);
    }
    tt_fails(open_data("imagefolder", "splits: {a: 4, b: 6}, identity_column: who"), TT_ERR_INVALID,
             "drawn by whole persons", &err);
    text("metadata.jsonl", "{\"file_name\": \"00.png\", \"who\": \"p\"}\n");
    tt_fails(open_data("imagefolder", "splits: {a: 4}, identity_column: who"), TT_ERR_INVALID,
             "no identity is known", &err);
}
END_TEST

START_TEST(malformed_folders_are_refused_with_file_and_line)
{
    tt_fails(open_data("imagefolder", ""), TT_ERR_INVALID, "no .jpg, .jpeg, .png or .webp", &err);
    ten_images();
    static const struct {
        const char *file, *content, *message;
    } cases[] = {
        {"metadata.jsonl", "{\"file_name\": \"00.png\"}\n{\"file_name\": \"nobody.png\"}\n",
         "metadata.jsonl:2: there is no image nobody.png"},
        {"metadata.jsonl", "{\"file_name\": \"00.png\"}\n{\"file_name\": \"00.png\"}\n",
         ":2: 00.png has a row already"},
        {"metadata.jsonl", "{\"file_name\": \"../00.png\"}\n", ":1: file_name '../00.png' leaves the folder"},
        {"metadata.jsonl", "{\"file_name\": \"/etc/passwd\"}\n", "leaves the folder"},
        {"metadata.jsonl", "{\"file_name\": 7}\n", "'file_name' is a"},
        {"metadata.jsonl", "{\"text\": \"x\"}\n", "no 'file_name' in this line"},
        {"metadata.jsonl", "{\"file_name\": \"00.png\", \"text\": 5}\n", "'text' is a"},
        {"metadata.jsonl", "[1]\n", ":1: not a JSON object"},
        {"metadata.jsonl", "{\"file_name\": \"00.png\", \"text\": \"\xff\"}\n", "metadata.jsonl:1:"},
        {"metadata.csv", "name,text\n00.png,x\n", "no column 'file_name'"},
        {"metadata.csv", "file_name,text\n00.png\n", "metadata.csv:2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text(cases[i].file, cases[i].content);
        tt_status s = open_data("imagefolder", "splits: {a: 2}");
        ck_assert_msg(s != TT_OK && strstr(err.message, cases[i].message), "case %zu: %d '%s'", i, s,
                      err.message);
        ck_assert_int_eq(remove(at(cases[i].file)), 0);
    }
    text("metadata.csv", "file_name,text\n00.png,x\n");
    tt_fails(open_data("imagefolder", "caption_column: words"), TT_ERR_INVALID, "no column 'words'", &err);
    snprintf(dir, sizeof dir, "%s/nowhere", tt_test_dir());
    tt_fails(open_data("imagefolder", ""), TT_ERR_NOT_FOUND, "no such folder", &err);
}
END_TEST

START_TEST(a_caption_of_ten_thousand_words_goes_through_and_broken_images_are_named)
{
    ten_images();
    char *caption = tt_alloc(60001);
    for (size_t i = 0; i < 60000; i++)
        caption[i] = "words "[i % 6];
    caption[60000] = '\0';
    text("00.txt", caption);
    tt_free(caption);
    char out[600];
    snprintf(out, sizeof out, "%s/manifest", tt_test_dir());
    tt_manifest_options options = {.apply_orientation = true};
    tt_ok(open_data("imagefolder", ""), &err);
    tt_ok(tt_manifest_build(plugin, data, &options, out, NULL, &err), &err);
    text("05.png", "");
    tt_ok(open_data("imagefolder", ""), &err);
    tt_fails(tt_manifest_build(plugin, data, &options, out, NULL, &err), TT_ERR_FORMAT, "05.png", &err);
    image("05.png", 6); /* the pixels of another one, in the same split */
    tt_ok(open_data("imagefolder", ""), &err);
    tt_fails(tt_manifest_build(plugin, data, &options, out, NULL, &err), TT_ERR_INVALID, "are the same image",
             &err);
    image("05.png", 5);
    text("07.txt", "caf\xe9");
    tt_ok(open_data("imagefolder", ""), &err);
    tt_fails(tt_manifest_build(plugin, data, &options, out, NULL, &err), TT_ERR_INVALID, "not UTF-8", &err);
}
END_TEST

START_TEST(dtu_and_aau_are_1120_seen_and_the_rest_unseen_of_exactly_the_studys_number)
{
    ten_images();
    tt_fails(open_data("dtu", ""), TT_ERR_INVALID, "holds 10 portraits, and `total` says 2223", &err);
    tt_fails(open_data("aau", ""), TT_ERR_INVALID, "`total` says 2098", &err);
    tt_fails(open_data("dtu", "total: 0"), TT_ERR_INVALID, "too few for 1120 seen", &err);
    tt_ok(open_data("aau", "total: 10, seen: 6"), &err);
    ck_assert_uint_eq(plugin->n_splits(data), 2);
    ck_assert_str_eq(plugin->split_name(data, 0), "seen");
    ck_assert_uint_eq(plugin->split_size(data, 0), 6);
    ck_assert_str_eq(plugin->split_name(data, 1), "unseen");
    ck_assert_uint_eq(plugin->split_size(data, 1), 4);
    ck_assert_str_eq(item(1, 3)->identity, item(1, 3)->id);
}
END_TEST

START_TEST(the_full_size_is_exact)
{
    for (int i = 0; i < 2223; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%04d.png", i);
        text(name, "x"); /* opened only when a manifest is built */
    }
    tt_ok(open_data("dtu", ""), &err);
    ck_assert_uint_eq(plugin->split_size(data, 0), 1120);
    ck_assert_uint_eq(plugin->split_size(data, 1), 1103);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("imagefolder");
    TCase *tc = tcase_create("imagefolder");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, captions_come_from_jsonl_csv_and_text_files);
    tcase_add_test(tc, subfolders_are_splits_when_none_are_named);
    tcase_add_test(tc, a_draw_is_exact_seeded_and_stable_when_images_are_added);
    tcase_add_test(tc, with_identities_no_person_is_in_two_splits);
    tcase_add_test(tc, malformed_folders_are_refused_with_file_and_line);
    tcase_add_test(tc, a_caption_of_ten_thousand_words_goes_through_and_broken_images_are_named);
    tcase_add_test(tc, dtu_and_aau_are_1120_seen_and_the_rest_unseen_of_exactly_the_studys_number);
    tcase_add_test(tc, the_full_size_is_exact);
    suite_add_tcase(suite, tc);
    return suite;
}
