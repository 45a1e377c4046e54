/* The procedural portraits: deterministic, described by their captions, disjoint between splits. */
#include "base/file.h"
#include "formats/image.h"
#include "plugin/registry.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static tt_registry *registry;
static tt_params *params;
static const tt_data_plugin *plugin;
static void *data;
static tt_error err;

static void open_faces(const char *yaml)
{
    tt_arena *arena = tt_arena_create(0);
    tt_node *map;
    const tt_registered *found;
    err = (tt_error){0};
    tt_ok(tt_registry_open(NULL, 0, &registry, &err), &err);
    tt_ok(tt_registry_find(registry, TT_KIND_DATA, "faces", &found, &err), &err);
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &map, &err), &err);
    tt_ok(tt_params_parse(found->info, map, "faces", "/", NULL, 0, &params, &err), &err);
    tt_arena_destroy(arena);
    plugin = found->table;
    tt_ok(plugin->open(params, 1, &data, &err), &err);
}

static void close_faces(void)
{
    if (data) plugin->close(data);
    data = NULL;
    tt_params_free(params);
    tt_registry_close(registry);
}

static tt_digest digest_of(uint32_t split, uint64_t index, char *caption, size_t size)
{
    tt_item item = {.size = sizeof item};
    tt_ok(plugin->item(data, split, index, &item, &err), &err);
    ck_assert_ptr_nonnull(item.pixels.rgb);
    ck_assert_ptr_nonnull(item.caption);
    if (caption) snprintf(caption, size, "%s", item.caption);
    return tt_image_digest(&item.pixels);
}

START_TEST(a_portrait_depends_on_world_split_and_index_alone)
{
    open_faces("{splits: {seen: 20, held_out: 20}}");
    char caption[1000], again[1000];
    tt_digest a = digest_of(0, 7, caption, sizeof caption), b;
    for (int i = 0; i < 3; i++) {
        digest_of(1, (uint64_t)i, NULL, 0);
        b = digest_of(0, 7, again, sizeof again);
        ck_assert_mem_eq(&a, &b, sizeof a);
        ck_assert_str_eq(caption, again);
    }
    close_faces();
    open_faces("{splits: {other: 5, seen: 400}}"); /* more splits, larger ones: the same portrait */
    uint32_t seen = strcmp(plugin->split_name(data, 0), "seen") == 0 ? 0 : 1;
    b = digest_of(seen, 7, NULL, 0);
    ck_assert_mem_eq(&a, &b, sizeof a);
    close_faces();
}
END_TEST

START_TEST(captions_and_pixels_are_all_but_unique)
{
    enum { N = 200 };
    static char captions[2 * N][600];
    static tt_digest digests[2 * N];
    open_faces("{splits: {seen: 200, held_out: 200}}");
    for (uint32_t i = 0; i < 2 * N; i++)
        digests[i] = digest_of(i / N, i % N, captions[i], sizeof captions[i]);
    for (int i = 0; i < 2 * N; i++)
        for (int k = 0; k < i; k++) {
            ck_assert_mem_ne(&digests[i], &digests[k], sizeof *digests);
            ck_assert_str_ne(captions[i], captions[k]);
        }
    close_faces();
}
END_TEST

START_TEST(sizes_are_what_was_asked)
{
    static const uint32_t sizes[] = {16, 64, 512};
    for (size_t i = 0; i < 3; i++) {
        char yaml[80];
        snprintf(yaml, sizeof yaml, "{size: %u, splits: {seen: 3}}", sizes[i]);
        open_faces(yaml);
        tt_item item = {.size = sizeof item};
        tt_ok(plugin->item(data, 0, 2, &item, &err), &err);
        ck_assert_uint_eq(item.pixels.width, sizes[i]);
        ck_assert_uint_eq(item.pixels.height, sizes[i]);
        const char *sample = getenv("TT_KEEP_FACES"); /* to look at them */
        if (sample) {
            char path[600];
            snprintf(path, sizeof path, "%s/face-%u.png", sample, sizes[i]);
            tt_ok(tt_image_write_png(path, &item.pixels, &err), &err);
        }
        close_faces();
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("faces");
    TCase *tc = tcase_create("faces");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_portrait_depends_on_world_split_and_index_alone);
    tcase_add_test(tc, captions_and_pixels_are_all_but_unique);
    tcase_add_test(tc, sizes_are_what_was_asked);
    suite_add_tcase(suite, tc);
    return suite;
}
