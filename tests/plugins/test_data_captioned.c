/* coco, flickr, pokemon and laion_mi: their lists in every form, draws, captions, and what is refused. */
#include "base/file.h"
#include "base/hash.h"
#include "formats/image.h"
#include "plugin/registry.h"
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
    snprintf(dir, sizeof dir, "%s/captioned", tt_test_dir());
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

static void text(const char *name, const char *content)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    tt_ok(tt_file_write(path, content, strlen(content), &err), &err);
}

static void image(const char *name, int look)
{
    char path[700];
    uint8_t rgb[8 * 8 * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)((i * 7 + (size_t)look * 31) % 256);
    tt_pixels p = {8, 8, rgb};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    tt_ok(tt_image_write_png(path, &p, &err), &err);
}

/* `yaml`: the parameters, paths relative to the test's folder. */
static tt_status open_data(const char *name, const char *yaml)
{
    shut();
    const tt_registered *found;
    tt_ok(tt_registry_find(registry, TT_KIND_DATA, name, &found, &err), &err);
    plugin = found->table;
    tt_arena *arena = tt_arena_create(0);
    tt_node *node;
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &node, &err), &err);
    tt_ok(tt_params_parse(found->info, node, "data.test", dir, NULL, 0, &params, &err), &err);
    tt_status s = plugin->open(params, 5, &data, &err);
    if (s) data = NULL;
    tt_arena_destroy(arena);
    return s;
}

static void refused(const char *name, const char *yaml, const char *says)
{
    err = (tt_error){0};
    ck_assert_int_ne(open_data(name, yaml), TT_OK);
    ck_assert_msg(strstr(err.message, says), "%s", err.message);
    err = (tt_error){0};
}

/* The caption of an image, wherever it was drawn; NULL: it was not. */
static const char *caption_of(const char *id)
{
    static char kept[200];
    for (uint32_t k = 0; k < plugin->n_splits(data); k++)
        for (uint64_t i = 0; i < plugin->split_size(data, k); i++) {
            tt_item it = {.size = sizeof it};
            tt_ok(plugin->item(data, k, i, &it, &err), &err);
            if (strcmp(it.id, id) != 0) continue;
            snprintf(kept, sizeof kept, "%s", it.caption ? it.caption : "(none)");
            return kept;
        }
    return NULL;
}

static uint64_t drawn(void)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < plugin->n_splits(data); k++)
        n += plugin->split_size(data, k);
    return n;
}

/* ---- coco ---- */

#define COCO_IMAGES                                                                                          \
    "{\"info\": {\"year\": 2017}, \"licenses\": [], \"images\": [{\"license\": 4, \"file_name\": "           \
    "\"b.png\", "                                                                                            \
    "\"id\": 20}, {\"file_name\": \"a.png\", \"id\": 10}, {\"id\": 30, \"file_name\": \"c.png\"}], "

static void coco_file(void)
{
    text("captions.json",
         COCO_IMAGES "\"annotations\": [{\"image_id\": 20, \"id\": 7, \"caption\": \"a later dog \\n\"}, "
                     "{\"image_id\": 20, \"id\": 3, \"caption\": \"A dog.\"}, "
                     "{\"image_id\": 10, \"id\": 4, \"caption\": \"A cat\"}, "
                     "{\"caption\": \"A longer cow\", \"id\": 9, \"image_id\": 30}]}");
}

START_TEST(coco_takes_captions_in_the_order_of_their_ids)
{
    coco_file();
    tt_ok(open_data("coco", "{path: '.', annotations: captions.json, splits: {seen: 2, held_out: 1}}"), &err);
    ck_assert_uint_eq(drawn(), 3);
    ck_assert_str_eq(caption_of("a.png"), "A cat");
    ck_assert_str_eq(caption_of("b.png"), "A dog.");
    tt_ok(open_data("coco", "{path: '.', annotations: captions.json, splits: {all: 3}, caption: longest}"),
          &err);
    ck_assert_str_eq(caption_of("b.png"), "a later dog");
}
END_TEST

START_TEST(a_random_caption_depends_on_seed_and_name_and_reaches_all_of_them)
{
    coco_file();
    bool seen[2] = {false, false};
    for (int seed = 0; seed < 12; seed++) {
        char yaml[200], first[200];
        snprintf(yaml, sizeof yaml,
                 "{path: '.', annotations: captions.json, splits: {all: 3}, caption: random, split_seed: %d}",
                 seed);
        tt_ok(open_data("coco", yaml), &err);
        snprintf(first, sizeof first, "%s", caption_of("b.png"));
        tt_ok(open_data("coco", yaml), &err);
        ck_assert_str_eq(caption_of("b.png"), first);
        seen[strcmp(first, "A dog.") == 0] = true;
    }
    ck_assert(seen[0] && seen[1]);
}
END_TEST

START_TEST(coco_refuses_files_that_are_not_its_captions)
{
    static const char *const yaml = "{path: '.', annotations: captions.json, splits: {all: 3}}";
    text("captions.json", "[]");
    refused("coco", yaml, "`images` and `annotations`");
    text("captions.json", COCO_IMAGES "\"annotations\": []}");
    refused("coco", yaml, "annotations with captions");
    text("captions.json",
         COCO_IMAGES "\"annotations\": [{\"image_id\": 99, \"id\": 1, \"caption\": \"x\"}]}");
    refused("coco", yaml, "image 99");
    text("captions.json", COCO_IMAGES "\"annotations\": [{\"image_id\": \"x\", \"id\": 1}]}");
    refused("coco", yaml, "image_id must be an integer");
    text("captions.json", "{\"images\": [{\"id\": 1, \"file_name\": \"../x.png\"}], "
                          "\"annotations\": [{\"image_id\": 1, \"id\": 1, \"caption\": \"x\"}]}");
    refused("coco", yaml, "leaves the folder");
    coco_file();
    refused("coco", "{path: '.', annotations: captions.json}", "wants 2500 images");
    refused("coco", "{path: '.', annotations: none.json}", "none.json");
}
END_TEST

/* ---- flickr ---- */

static const char *const flickr_yaml = "{path: '.', captions: list.txt, splits: {all: 2}}";

START_TEST(flickr_reads_every_form_of_its_captions)
{
    static const char *const forms[] = {
        "1.jpg#0\tTwo men .\n1.jpg#1\tMen\r\n2.jpg#0\tA dog runs\n",
        "image_name| comment_number| comment\n1.jpg| 0| Two men .\n1.jpg| 1| Men\n2.jpg| 4   A dog runs\n",
        ("raw,sentids,split,filename,img_id\n\"[\"\"Two men .\"\", \"\"Men\"\"]\",0,train,1.jpg,0\n"
         "\"[\"\"A dog runs\"\"]\",1,test,2.jpg,1\n"),
        "image,caption\n1.jpg,Two men .\n2.jpg,\" A dog runs\"\n1.jpg,Men\n"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        text("list.txt", forms[i]);
        tt_ok(open_data("flickr", flickr_yaml), &err);
        ck_assert_str_eq(caption_of("1.jpg"), "Two men .");
        ck_assert_str_eq(caption_of("2.jpg"), "A dog runs");
    }
}
END_TEST

START_TEST(flickr_names_the_line_that_it_cannot_read)
{
    text("list.txt", "1.jpg#0\tTwo men\n2.jpg A dog\n");
    refused("flickr", flickr_yaml, "list.txt:2: the line must be IMAGE#NUMBER");
    text("list.txt", "image_name| comment_number| comment\n1.jpg Two\n");
    refused("flickr", flickr_yaml, "list.txt:2");
    text("list.txt", "filename,raw\n1.jpg,no list\n");
    refused("flickr", flickr_yaml, "list.txt:2");
    text("list.txt", "a,b\n1,2\n");
    refused("flickr", flickr_yaml, "no known form");
    text("list.txt", "");
    refused("flickr", flickr_yaml, "list.txt");
}
END_TEST

/* ---- pokemon ---- */

START_TEST(pokemon_is_halved_unless_told_otherwise)
{
    text("metadata.csv", "file_name,text\n1.png,a blue bird\n2.png,a red fish\n");
    image("1.png", 1);
    image("2.png", 2);
    refused("pokemon", "{path: '.'}", "split seen wants 416 images");
    tt_ok(open_data("pokemon", "{path: '.', splits: {seen: 1, held_out: 1}}"), &err);
    ck_assert_str_eq(caption_of("2.png"), "a red fish");
    ck_assert_uint_eq(drawn(), 2);
}
END_TEST

/* ---- laion_mi ---- */

#define LAION(more) "{path: '.', members: m.csv, nonmembers: n.csv, " more "}"

START_TEST(laion_finds_images_by_name_or_by_what_img2dataset_wrote)
{
    image("1.png", 1);
    image("2.png", 2);
    text("m.csv", "url,caption,file\nhttp://a/1,one,1.png\n");
    text("n.csv", "url,text\nhttp://a/2,two\n");
    text("2.json", "{\"url\": \"http://a/2\", \"status\": \"success\"}");
    tt_ok(open_data("laion_mi", LAION("seen: 1, held_out: 1")), &err);
    ck_assert_str_eq(plugin->split_name(data, 0), "seen");
    tt_item it = {.size = sizeof it};
    tt_ok(plugin->item(data, 0, 0, &it, &err), &err);
    ck_assert_str_eq(it.id, "1.png");
    tt_ok(plugin->item(data, 1, 0, &it, &err), &err);
    ck_assert_str_eq(it.id, "2.png");
    ck_assert_str_eq(it.caption, "two");
}
END_TEST

START_TEST(laion_refuses_a_file_with_another_hash)
{
    char rows[400], hex[65], path[700];
    tt_digest digest;
    image("1.png", 1);
    image("2.png", 2);
    snprintf(path, sizeof path, "%s/1.png", dir);
    tt_ok(tt_sha256_of_file(path, &digest, &err), &err);
    tt_digest_hex(&digest, hex);
    snprintf(rows, sizeof rows, "url,caption,file,sha256\nu1,one,1.png,%s\n", hex);
    text("m.csv", rows);
    snprintf(rows, sizeof rows, "url,caption,file,sha256\nu2,two,2.png,%s\n", hex);
    text("n.csv", rows);
    tt_ok(open_data("laion_mi", LAION("seen: 1, held_out: 1")), &err);
    tt_item it = {.size = sizeof it};
    tt_ok(plugin->item(data, 0, 0, &it, &err), &err);
    ck_assert_int_ne(plugin->item(data, 1, 0, &it, &err), TT_OK);
    ck_assert_msg(strstr(err.message, "is not the image that was listed"), "%s", err.message);
}
END_TEST

START_TEST(laion_says_what_is_not_there_and_leaves_it_out_only_when_asked)
{
    image("1.png", 1);
    image("2.png", 2);
    text("m.csv", "url,caption,file\nu1,one,1.png\nu3,three,3.png\nu4,\xc3\xa9t\xc3\xa9,2.png\n");
    text("n.csv", "url,caption,file\nu2,two,2.png\n");
    refused("laion_mi", LAION("seen: 1, held_out: 1"), "m.csv:3: the image of u3");
    tt_ok(open_data("laion_mi", LAION("seen: 1, held_out: 1, missing: skip")), &err);
    refused("laion_mi", LAION("seen: 2, held_out: 1, missing: skip"), "wants 2 images");
    refused("laion_mi", LAION("seen: 1, held_out: 1, missing: skip, ascii_captions: false"), "two rows");
    text("m.csv", "url,caption,file\nu1,one,../1.png\n");
    refused("laion_mi", LAION("seen: 1, held_out: 1"), "leaves the folder");
    text("m.csv", "link,caption\nu1,one\n");
    refused("laion_mi", LAION("seen: 1, held_out: 1"), "columns `url` and `caption`");
    text("m.csv", "url,caption\nu1,one\n");
    refused("laion_mi", LAION("seen: 1, held_out: 1"), "img2dataset");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("data_captioned");
    TCase *cases = tcase_create("lists");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, coco_takes_captions_in_the_order_of_their_ids);
    tcase_add_test(cases, a_random_caption_depends_on_seed_and_name_and_reaches_all_of_them);
    tcase_add_test(cases, coco_refuses_files_that_are_not_its_captions);
    tcase_add_test(cases, flickr_reads_every_form_of_its_captions);
    tcase_add_test(cases, flickr_names_the_line_that_it_cannot_read);
    tcase_add_test(cases, pokemon_is_halved_unless_told_otherwise);
    tcase_add_test(cases, laion_finds_images_by_name_or_by_what_img2dataset_wrote);
    tcase_add_test(cases, laion_refuses_a_file_with_another_hash);
    tcase_add_test(cases, laion_says_what_is_not_there_and_leaves_it_out_only_when_asked);
    suite_add_tcase(suite, cases);
    return suite;
}
