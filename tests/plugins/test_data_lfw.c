/* lfw: folder and archive, lists, splits by whole persons, and what is refused. */
#include "base/file.h"
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

static void shell(const char *format, const char *a, const char *b)
{
    char command[4096];
    snprintf(command, sizeof command, format, a, b);
    ck_assert_int_eq(system(command), 0);
}

static const char *at(const char *name)
{
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void text(const char *name, const char *content)
{
    tt_ok(tt_file_write(at(name), content, strlen(content), &err), &err);
}

/* Images 1..n of a person. The plugin decodes nothing: any bytes do. */
static void person(const char *name, int n)
{
    char file[400];
    snprintf(file, sizeof file, "lfw/%s", name);
    tt_ok(tt_dir_create(at(file), &err), &err);
    for (int i = 1; i <= n; i++) {
        char bytes[100];
        snprintf(file, sizeof file, "lfw/%s/%s_%04d.jpg", name, name, i);
        snprintf(bytes, sizeof bytes, "image %d of %s", i, name);
        text(file, bytes);
    }
}

static void setup(void)
{
    err = (tt_error){0};
    data = NULL;
    params = NULL;
    tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
    snprintf(dir, sizeof dir, "%s/faces", tt_test_dir());
    shell("rm -rf '%s' && mkdir -p '%s/lfw'", dir, dir);
    person("Ann_Lee", 3);
    person("Ann_Lee_Jones", 1);
    person("Bob", 5);
    person("Cy_Young", 2);
    person("Di", 4);
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

static tt_status open_lfw(const char *path, const char *more)
{
    shut();
    const tt_registered *found;
    tt_ok(tt_registry_find(registry, TT_KIND_DATA, "lfw", &found, &err), &err);
    plugin = found->table;
    tt_arena *arena = tt_arena_create(0);
    char yaml[2048];
    snprintf(yaml, sizeof yaml, "{path: '%s'%s%s}", path, more[0] ? ", " : "", more);
    tt_node *node;
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &node, &err), &err);
    tt_ok(tt_params_parse(found->info, node, "data.test", dir, NULL, 0, &params, &err), &err);
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

static const char *archive(void)
{
    static char path[1200];
    snprintf(path, sizeof path, "%s/lfw.tgz", dir);
    shell("tar -C '%s' -czf '%s' lfw", dir, path);
    return path;
}

START_TEST(archive_and_folder_give_the_same_images_in_the_same_order)
{
    char folder_ids[15][300];
    tt_ok(open_lfw(at("lfw"), "complete: false"), &err);
    ck_assert_uint_eq(plugin->n_splits(data), 1);
    ck_assert_str_eq(plugin->split_name(data, 0), "all");
    ck_assert_uint_eq(plugin->split_size(data, 0), 15);
    for (uint64_t i = 0; i < 15; i++) {
        const tt_item *it = item(0, i);
        ck_assert(tt_file_exists(it->path));
        snprintf(folder_ids[i], sizeof folder_ids[i], "%s", it->id);
    }
    tt_ok(open_lfw(archive(), "complete: false"), &err);
    ck_assert_uint_eq(plugin->split_size(data, 0), 15);
    for (uint64_t i = 0; i < 15; i++) {
        const tt_item *it = item(0, i);
        ck_assert_str_eq(it->id, folder_ids[i]);
        ck_assert_ptr_null(it->path);
        char name[100], bytes[200];
        snprintf(name, sizeof name, "%s", it->identity);
        snprintf(bytes, sizeof bytes, "image %d of %s", atoi(strrchr(it->id, '_') + 1), name);
        ck_assert_uint_eq(it->encoded_size, strlen(bytes));
        ck_assert_mem_eq(it->encoded, bytes, it->encoded_size);
        ck_assert_ptr_null(it->caption);
    }
}
END_TEST

START_TEST(the_number_of_images_and_people_is_checked)
{
    tt_fails(open_lfw(at("lfw"), ""), TT_ERR_INVALID,
             "holds 15 images of 5 people, and LFW has 13,233 of 5,749", &err);
    tt_fails(open_lfw(at("lfw"), "complete: false, first: 16"), TT_ERR_INVALID, "fewer than `first`", &err);
}
END_TEST

START_TEST(first_takes_images_in_sorted_order)
{
    /* '/' sorts before '_': all of Ann_Lee, then Ann_Lee_Jones, then Bob */
    tt_ok(open_lfw(at("lfw"), "complete: false, first: 5"), &err);
    ck_assert_uint_eq(plugin->split_size(data, 0), 5);
    int bob = 0;
    for (uint64_t i = 0; i < 5; i++) {
        const tt_item *it = item(0, i);
        ck_assert_int_eq(strncmp(it->id, "Ann_Lee", 7) == 0 || strcmp(it->id, "Bob/Bob_0001.jpg") == 0, 1);
        bob += strcmp(it->identity, "Bob") == 0;
    }
    ck_assert_int_eq(bob, 1);
}
END_TEST

START_TEST(splits_share_no_person)
{
    for (int seed = 0; seed < 20; seed++) {
        char more[100];
        snprintf(more, sizeof more, "complete: false, split_seed: %d, splits: {a: 3, b: 3}", seed);
        tt_ok(open_lfw(at("lfw"), more), &err);
        for (uint64_t i = 0; i < 3; i++) {
            char who[100];
            snprintf(who, sizeof who, "%s", item(0, i)->identity);
            for (uint64_t k = 0; k < 3; k++)
                ck_assert_str_ne(item(1, k)->identity, who);
        }
    }
    tt_fails(open_lfw(at("lfw"), "complete: false, splits: {a: 12, b: 6}"), TT_ERR_INVALID, "whole persons",
             &err);
    tt_ok(open_lfw(at("lfw"), "complete: false, by_person: false, splits: {a: 12, b: 3}"), &err);
}
END_TEST

START_TEST(captions_name_the_person)
{
    tt_ok(open_lfw(at("lfw"), "complete: false, first: 3, caption: 'a photo of {person}, smiling'"), &err);
    ck_assert_str_eq(item(0, 0)->caption, "a photo of Ann Lee, smiling");
}
END_TEST

START_TEST(people_lists_give_folds_and_restrict)
{
    text("people.txt", "2\n1\nBob\t5\n2\nDi\t4\nCy_Young\t2\n");
    tt_ok(open_lfw(at("lfw"), "complete: false, people: people.txt"), &err);
    ck_assert_uint_eq(plugin->n_splits(data), 2);
    ck_assert_str_eq(plugin->split_name(data, 1), "fold_2");
    ck_assert_uint_eq(plugin->split_size(data, 0), 5);
    ck_assert_uint_eq(plugin->split_size(data, 1), 6);
    text("people.txt", "2\nBob\t5\nCy_Young\t2\n");
    tt_ok(open_lfw(at("lfw"), "complete: false, people: people.txt"), &err);
    ck_assert_str_eq(plugin->split_name(data, 0), "people");
    ck_assert_uint_eq(plugin->split_size(data, 0), 7);
    tt_ok(open_lfw(at("lfw"), "complete: false, people: people.txt, splits: {x: 2}"), &err);
    ck_assert_str_ne(item(0, 0)->identity, "Di");
}
END_TEST

START_TEST(pairs_are_extra_facts_of_their_images)
{
    text("pairs.txt", "1\t1\nBob\t1\t3\nAnn_Lee\t2\tDi\t4\n");
    tt_ok(open_lfw(at("lfw"), "complete: false, pairs: pairs.txt"), &err);
    ck_assert_str_eq(plugin->split_name(data, 0), "pairs");
    ck_assert_uint_eq(plugin->split_size(data, 0), 4);
    bool seen = false;
    for (uint64_t i = 0; i < 4; i++) {
        const tt_item *it = item(0, i);
        if (strcmp(it->id, "Bob/Bob_0003.jpg") != 0) continue;
        seen = true;
        ck_assert_str_eq(it->extra,
                         "{\"pairs\": [{\"fold\": 1, \"same\": true, \"with\": \"Bob/Bob_0001.jpg\"}]}");
    }
    ck_assert(seen);
}
END_TEST

START_TEST(damaged_lists_are_refused_with_their_line)
{
    static const char *const people[][2] = {
        {"", "must begin with the number"},
        {"x\nBob\t5\n", "people.txt:1: must begin"},
        {"2\nBob\t5\n", "ends after 1 of 2 people"},
        {"1\nBob\t5\nDi\t4\n", "people.txt:3: a line more"},
        {"1\nBob\t4\n", "people.txt:2: Bob has 4 images by this list, and 5 are there"},
        {"1\nEve\t1\n", "people.txt:2: there is no image 1"},
        {"2\nBob\t5\nBob\t5\n", "people.txt:3: this person is in the list already"},
        {"1\nBob\tfive\n", "people.txt:2: a line must be"},
        {"99\n1\nBob\t5\n", "more than 32 folds"},
    };
    for (size_t i = 0; i < sizeof people / sizeof *people; i++) {
        text("people.txt", people[i][0]);
        tt_fails(open_lfw(at("lfw"), "complete: false, people: people.txt"), TT_ERR_INVALID, people[i][1],
                 &err);
    }
    static const char *const pairs[][2] = {
        {"1\nBob\t1\t9\nBob\t1\tDi\t1\n", "pairs.txt:2: its second image is not there"},
        {"1\nBob\t1\t2\n", "ends after 1 of 2 pairs"},
        {"1\nBob\t1\t1\nBob\t1\tDi\t1\n", "pairs.txt:2: a pair of one image"},
        {"1\nBob\t1\t2\nBob\t1\tBob\t2\n", "pairs.txt:3: a mismatched pair of one person"},
        {"1\nBob\t1\t2\nBob\t1\tDi\t1\textra\n", "pairs.txt:3: a mismatched pair must be"},
        {"1\nBob\t1\t2\nBob\t1\tDi\t1\nBob\t1\t2\n", "pairs.txt:4: a line more"},
        {"10\t0\n", "pairs.txt:1: must begin"},
        {"1\nBob\t-1\t2\n", "pairs.txt:2: the number of an image"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        text("pairs.txt", pairs[i][0]);
        tt_fails(open_lfw(at("lfw"), "complete: false, pairs: pairs.txt"), TT_ERR_INVALID, pairs[i][1], &err);
    }
    tt_fails(open_lfw(at("lfw"), "complete: false, people: people.txt, pairs: pairs.txt"), TT_ERR_INVALID,
             "not both", &err);
}
END_TEST

START_TEST(damaged_archives_and_strange_names_are_refused)
{
    const char *whole = archive();
    shell("head -c 200 '%s' > '%s/cut.tgz'", whole, dir);
    tt_fails(open_lfw(at("cut.tgz"), "complete: false"), TT_ERR_INVALID, "not a whole .tar or .tgz", &err);
    text("text.tgz", "this is no archive");
    tt_fails(open_lfw(at("text.tgz"), "complete: false"), TT_ERR_INVALID, "not a whole .tar or .tgz", &err);
    shell("cd '%s' && tar -cf '%s/twice.tar' lfw/Bob/Bob_0001.jpg lfw/Bob/Bob_0001.jpg --hard-dereference",
          dir, dir);
    tt_fails(open_lfw(at("twice.tar"), "complete: false"), TT_ERR_INVALID, "Bob/Bob_0001.jpg is in it twice",
             &err);
    text("lfw/stray.jpg", "x");
    tt_fails(open_lfw(at("lfw"), "complete: false"), TT_ERR_INVALID, "stray.jpg: not named as LFW", &err);
    shell("rm '%s/%s'", dir, "lfw/stray.jpg");
    tt_fails(open_lfw(dir, "complete: false"), TT_ERR_INVALID, "not named as LFW", &err);
    tt_fails(open_lfw(at("nowhere"), "complete: false"), TT_ERR_NOT_FOUND, "nowhere", &err);
}
END_TEST

START_TEST(links_and_paths_that_leave_the_archive_harm_nothing)
{
    shell("mkdir '%s/x' && ln -s /etc/passwd '%s/x/x_0001.jpg'", dir, dir);
    shell("cd '%s/lfw' && tar -P -cf '%s/odd.tar' ../x Bob --transform 's,^Bob,../../Bob,'", dir, dir);
    tt_ok(open_lfw(at("odd.tar"), "complete: false"), &err);
    ck_assert_uint_eq(plugin->split_size(data, 0), 5);
    for (uint64_t i = 0; i < 5; i++)
        ck_assert_int_eq(strncmp(item(0, i)->id, "Bob/Bob_", 8), 0);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("data lfw");
    TCase *c = tcase_create("lfw");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, archive_and_folder_give_the_same_images_in_the_same_order);
    tcase_add_test(c, the_number_of_images_and_people_is_checked);
    tcase_add_test(c, first_takes_images_in_sorted_order);
    tcase_add_test(c, splits_share_no_person);
    tcase_add_test(c, captions_name_the_person);
    tcase_add_test(c, people_lists_give_folds_and_restrict);
    tcase_add_test(c, pairs_are_extra_facts_of_their_images);
    tcase_add_test(c, damaged_lists_are_refused_with_their_line);
    tcase_add_test(c, damaged_archives_and_strange_names_are_refused);
    tcase_add_test(c, links_and_paths_that_leave_the_archive_harm_nothing);
    suite_add_tcase(suite, c);
    return suite;
}
