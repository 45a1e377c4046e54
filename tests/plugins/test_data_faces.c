#include "base/hash.h"
#include "formats/json.h"
#include "plugin/registry.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define PLUGIN TT_BUILD_DIR "/plugins/data/faces.so"

typedef struct world {
    tt_arena *arena;
    tt_plugin_file *file;
    const tt_plugin_entry *entry;
    const tt_data_plugin *plugin;
    tt_params *params;
    void *data;
} world;

static tt_status world_parse(world *w, const char *yaml, tt_error *err)
{
    tt_node *root;
    w->arena = tt_arena_create(0);
    tt_ok(tt_plugin_file_open(PLUGIN, &w->file, err), err);
    w->entry = tt_plugin_file_entry(w->file);
    w->plugin = w->entry->get(TT_KIND_DATA, "faces");
    ck_assert_ptr_nonnull(w->plugin);
    tt_ok(tt_yaml_parse(w->arena, "test", yaml, strlen(yaml), &root, err), err);
    return tt_params_parse(w->entry->info(0), root, "data.faces", ".", NULL, 0, &w->params, err);
}

static world world_open(const char *yaml, uint64_t run_seed)
{
    world w = {0};
    tt_error err = {0};
    tt_ok(world_parse(&w, yaml, &err), &err);
    tt_ok(w.plugin->open(w.params, run_seed, &w.data, &err), &err);
    return w;
}

static void world_close(world *w)
{
    if (w->data) w->plugin->close(w->data);
    tt_params_free(w->params);
    tt_plugin_file_close(w->file);
    tt_arena_destroy(w->arena);
}

static tt_item item_at(const world *w, const char *split, uint64_t index)
{
    tt_error err = {0};
    tt_item item = {.size = sizeof item};
    for (uint32_t s = 0; s < w->plugin->n_splits(w->data); s++) {
        if (strcmp(w->plugin->split_name(w->data, s), split) != 0) continue;
        tt_ok(w->plugin->item(w->data, s, index, &item, &err), &err);
        return item;
    }
    ck_abort_msg("no split %s", split);
    return item;
}

static void pixels_hex(const tt_item *item, char hex[65])
{
    tt_digest d = tt_sha256_of(item->pixels.rgb, (size_t)item->pixels.width * item->pixels.height * 3);
    tt_digest_hex(&d, hex);
}

/* The embedded models learnt these very bytes: when this test fails, they no longer know their members. */
START_TEST(portraits_are_the_same_bytes_everywhere)
{
    static const struct {
        const char *yaml, *split;
        uint64_t index;
        const char *hex;
    } rows[] = {
        {"{splits: {seen: 200}}", "seen", 0,
         "9781e326dba257c13d6d4e3584912b85316247464d18dc923a152ef3509ff8a8"},
        {"{splits: {seen: 200}}", "seen", 199,
         "a64194360be1382b87c9b2b48ee565e901147655686f955d0f5ab228659357d9"},
        {"{splits: {shadow_seen: 200}}", "shadow_seen", 17,
         "abc167140bf16aea6c47453971a23eb5c6bb110bd13b1350f7683d496d0d83ed"},
        {"{splits: {base: 8000}, institution: all}", "base", 7999,
         "09fbd69a0d0fb69f535b1a7acb399af2f57ba3d88e21ad9f54a6537a06b79afe"},
        {"{splits: {seen: 1}, size: 256, blur: 0}", "seen", 0,
         "ff423dadf8db0684e833e4eb89e3455f6755070d701fb702ab4329625e1f678d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char hex[65];
        world w = world_open(rows[i].yaml, i);
        tt_item item = item_at(&w, rows[i].split, rows[i].index);
        pixels_hex(&item, hex);
        ck_assert_msg(strcmp(hex, rows[i].hex) == 0, "%s %zu: %s, expected %s", rows[i].split,
                      (size_t)rows[i].index, hex, rows[i].hex);
        world_close(&w);
    }
}
END_TEST

START_TEST(a_portrait_depends_on_world_split_name_and_index_alone)
{
    char one[65], other[65];
    world a = world_open("{splits: {seen: 5, held_out: 5}}", 1);
    world b = world_open("{splits: {zebra: 9, held_out: 3, seen: 40}}", 2);
    tt_item item = item_at(&a, "seen", 4);
    pixels_hex(&item, one);
    item_at(&b, "zebra", 8);
    item = item_at(&b, "seen", 4);
    pixels_hex(&item, other);
    ck_assert_str_eq(one, other);
    ck_assert_str_eq(item.id, "seen/000004");
    item = item_at(&a, "held_out", 4);
    pixels_hex(&item, other);
    ck_assert_str_ne(one, other);
    world c = world_open("{splits: {seen: 5}, world_seed: 2}", 1);
    item = item_at(&c, "seen", 4);
    pixels_hex(&item, other);
    ck_assert_str_ne(one, other);
    world_close(&a);
    world_close(&b);
    world_close(&c);
}
END_TEST

START_TEST(institutions_alternate_or_are_chosen)
{
    static const struct {
        const char *yaml, *openings[4];
    } rows[] = {
        {"{splits: {s: 4}, size: 16}", {"a north", "a south", "a north", "a south"}},
        {"{splits: {s: 4}, size: 16, institution: all}", {"a north", "a south", "a street", "a street"}},
        {"{splits: {s: 4}, size: 16, institution: south}", {"a south", "a south", "a south", "a south"}},
        {"{splits: {s: 4}, size: 16, institution: wild}", {"a street", "a street", "a street", "a street"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world w = world_open(rows[i].yaml, 0);
        for (uint64_t k = 0; k < 4; k++) {
            const char *opening = rows[i].openings[k];
            ck_assert_int_eq(strncmp(item_at(&w, "s", k).caption, opening, strlen(opening)), 0);
        }
        world_close(&w);
    }
}
END_TEST

/* "none" is not said; a hat's colour is said with the hat; hair is told as style and colour. */
static void caption_names_every_attribute(const char *caption, const tt_node *attributes)
{
    ck_assert_uint_ge(attributes->n_children, 17);
    for (const tt_node *a = attributes->children; a; a = a->next) {
        if (strcmp(a->text, "none") == 0) continue;
        const char *said = strcmp(a->text, "wild") == 0 ? "street" : a->text;
        ck_assert_msg(strstr(caption, said), "'%s' does not say %s: %s", caption, a->key, a->text);
    }
}

START_TEST(captions_name_every_attribute)
{
    world w = world_open("{splits: {s: 300}, size: 16, institution: all}", 0);
    tt_error err = {0};
    for (uint64_t k = 0; k < 300; k++) {
        tt_item item = item_at(&w, "s", k);
        tt_node *root;
        tt_ok(tt_json_parse(w.arena, "extra", item.extra, strlen(item.extra), &root, &err), &err);
        caption_names_every_attribute(item.caption, tt_node_get(root, "attributes"));
    }
    world_close(&w);
}
END_TEST

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

START_TEST(captions_are_unique)
{
    enum { N = 2000 };
    static char *captions[2 * N];
    world w = world_open("{splits: {seen: 2000, held_out: 2000}, size: 16}", 0);
    for (uint64_t k = 0; k < N; k++) {
        captions[2 * k] = tt_arena_strdup(w.arena, item_at(&w, "seen", k).caption);
        captions[2 * k + 1] = tt_arena_strdup(w.arena, item_at(&w, "held_out", k).caption);
    }
    qsort(captions, 2 * N, sizeof captions[0], compare_text);
    for (size_t k = 1; k < 2 * N; k++)
        ck_assert_str_ne(captions[k - 1], captions[k]);
    world_close(&w);
}
END_TEST

enum { ROWS = 3000, COLUMNS = 18, LEVELS = 16 };
static int levels[ROWS][COLUMNS];
static char keys[COLUMNS][32];

/* Words become small numbers; names, of which there are many, are folded. */
static int level_of(const char *word, char known[LEVELS][32], int *n)
{
    if (strcmp(word, "none") == 0) return 0;
    for (int i = 0; i < *n; i++) {
        if (strcmp(known[i], word) == 0) return 1 + i;
    }
    if (*n == LEVELS - 1) {
        tt_digest d = tt_sha256_of(word, strlen(word));
        return 1 + d.bytes[0] % (LEVELS - 1);
    }
    snprintf(known[*n], sizeof known[0], "%s", word);
    return 1 + (*n)++;
}

/* (χ² − degrees of freedom)/√(2 degrees of freedom): about standard normal for independent columns */
static double dependence(int a, int b, int where)
{
    double table[LEVELS][LEVELS] = {{0}}, row[LEVELS] = {0}, column[LEVELS] = {0}, n = 0, sum = 0;
    int rows = 0, columns = 0;
    for (int i = 0; i < ROWS; i++) {
        if (where >= 0 && levels[i][where] == 0) continue;
        table[levels[i][a]][levels[i][b]]++;
        row[levels[i][a]]++;
        column[levels[i][b]]++;
        n++;
    }
    for (int i = 0; i < LEVELS; i++) {
        rows += row[i] > 0;
        columns += column[i] > 0;
        for (int j = 0; j < LEVELS; j++) {
            double expected = row[i] * column[j] / n;
            if (expected > 0) sum += (table[i][j] - expected) * (table[i][j] - expected) / expected;
        }
    }
    double freedom = (rows - 1) * (columns - 1);
    return (sum - freedom) / __builtin_sqrt(2 * freedom);
}

START_TEST(attributes_are_independent_of_each_other)
{
    static char known[COLUMNS][LEVELS][32];
    int n_known[COLUMNS] = {0}, hat_colour = -1;
    tt_error err = {0};
    world w = world_open("{splits: {s: 3000}, size: 16}", 0);
    for (uint64_t k = 0; k < ROWS; k++) {
        tt_item item = item_at(&w, "s", k);
        tt_node *root;
        tt_ok(tt_json_parse(w.arena, "extra", item.extra, strlen(item.extra), &root, &err), &err);
        int c = 0;
        for (const tt_node *a = tt_node_get(root, "attributes")->children; a && c < COLUMNS;
             a = a->next, c++) {
            snprintf(keys[c], sizeof keys[c], "%s", a->key);
            if (strcmp(a->key, "headwear_colour") == 0) hat_colour = c;
            levels[k][c] = level_of(a->text, known[c], &n_known[c]);
        }
        ck_assert_int_eq(c, COLUMNS);
    }
    ck_assert_int_ge(hat_colour, 1);
    for (int a = 0; a < COLUMNS; a++) {
        for (int b = 0; b < a; b++) {
            /* a hat that is not there has no colour: look at hats alone */
            double z = dependence(a, b, a == hat_colour || b == hat_colour ? hat_colour : -1);
            /* 153 pairs; 5 is passed by chance once in 20,000 such tests */
            ck_assert_msg(z < 5, "%s and %s depend on each other: z = %.1f", keys[a], keys[b], z);
        }
    }
    world_close(&w);
}
END_TEST

static int64_t number_at(const tt_node *list, int i)
{
    const tt_node *n = list->children;
    while (i-- > 0)
        n = n->next;
    return n->value.integer;
}

START_TEST(the_face_box_lies_in_the_image_and_scales_with_it)
{
    static const char *const specs[] = {"{splits: {s: 100}, size: 64, institution: wild}",
                                        "{splits: {s: 100}, size: 128, institution: wild, blur: 0}"};
    int64_t boxes[2][100][4];
    tt_error err = {0};
    for (int scale = 0; scale < 2; scale++) {
        world w = world_open(specs[scale], 0);
        for (uint64_t k = 0; k < 100; k++) {
            tt_item item = item_at(&w, "s", k);
            tt_node *root;
            tt_ok(tt_json_parse(w.arena, "extra", item.extra, strlen(item.extra), &root, &err), &err);
            const tt_node *box = tt_node_get(root, "boxes")->children;
            ck_assert_int_eq(number_at(tt_node_get(root, "size"), 0), item.pixels.width);
            for (int i = 0; i < 4; i++)
                boxes[scale][k][i] = number_at(box, i);
            int64_t *b = boxes[scale][k];
            ck_assert(b[0] >= 0 && b[1] >= 0 && b[2] > item.pixels.width / 5 && b[3] > b[2]);
            ck_assert(b[0] + b[2] <= item.pixels.width && b[1] + b[3] <= item.pixels.height);
        }
        world_close(&w);
    }
    for (int k = 0; k < 100; k++) {
        for (int i = 0; i < 4; i++) /* both ends are rounded outwards, by less than a pixel each */
            ck_assert_int_le(llabs(boxes[1][k][i] - 2 * boxes[0][k][i]), 4);
    }
}
END_TEST

START_TEST(softening_takes_detail_away_and_keeps_the_mean)
{
    double mean[2] = {0}, roughness[2] = {0};
    static const char *const specs[] = {"{splits: {s: 1}, blur: 0}", "{splits: {s: 1}, blur: 0.9}"};
    for (int i = 0; i < 2; i++) {
        world w = world_open(specs[i], 0);
        tt_item item = item_at(&w, "s", 0);
        for (int k = 0; k < 64 * 64 * 3; k++) {
            mean[i] += item.pixels.rgb[k] / (64.0 * 64 * 3);
            if (k >= 3) roughness[i] += abs(item.pixels.rgb[k] - item.pixels.rgb[k - 3]);
        }
        world_close(&w);
    }
    ck_assert_double_eq_tol(mean[0], mean[1], 0.5); /* rounding to bytes, and edges repeated */
    ck_assert_double_lt(roughness[1], 0.8 * roughness[0]);
}
END_TEST

START_TEST(the_largest_image_can_be_drawn)
{
    world w = world_open("{splits: {s: 1}, size: 1024, blur: 2.5}", 0);
    tt_item item = item_at(&w, "s", 0);
    ck_assert_uint_eq(item.pixels.width, 1024);
    ck_assert_uint_eq(item.pixels.height, 1024);
    world_close(&w);
}
END_TEST

START_TEST(bad_splits_are_refused)
{
    static const struct {
        const char *yaml, *part;
    } rows[] = {
        {"{size: 64}", "splits"},
        {"{splits: {}}", "splits"},
        {"{splits: {s: -1}}", "splits"},
        {"{splits: {s: 1}, size: 8}", "size"},
        {"{splits: {s: 1}, institution: moon}", "institution"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world w = {0};
        tt_error err = {0};
        tt_status status = world_parse(&w, rows[i].yaml, &err);
        if (!status) status = w.plugin->open(w.params, 0, &w.data, &err);
        ck_assert_msg(status != TT_OK, "accepted: %s", rows[i].yaml);
        ck_assert_msg(strstr(err.message, rows[i].part), "'%s' lacks '%s'", err.message, rows[i].part);
        world_close(&w);
    }
}
END_TEST

START_TEST(an_image_behind_the_last_is_refused)
{
    world w = world_open("{splits: {s: 2}, size: 16}", 0);
    tt_error err = {0};
    tt_item item = {.size = sizeof item};
    tt_fails(w.plugin->item(w.data, 0, 2, &item, &err), TT_ERR_INVALID, "no image 2", &err);
    tt_fails(w.plugin->item(w.data, 1, 0, &item, &err), TT_ERR_INVALID, "split 1", &err);
    world_close(&w);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("faces");
    TCase *tc = tcase_create("faces");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, portraits_are_the_same_bytes_everywhere);
    tcase_add_test(tc, a_portrait_depends_on_world_split_name_and_index_alone);
    tcase_add_test(tc, institutions_alternate_or_are_chosen);
    tcase_add_test(tc, captions_name_every_attribute);
    tcase_add_test(tc, captions_are_unique);
    tcase_add_test(tc, attributes_are_independent_of_each_other);
    tcase_add_test(tc, the_face_box_lies_in_the_image_and_scales_with_it);
    tcase_add_test(tc, softening_takes_detail_away_and_keeps_the_mean);
    tcase_add_test(tc, the_largest_image_can_be_drawn);
    tcase_add_test(tc, bad_splits_are_refused);
    tcase_add_test(tc, an_image_behind_the_last_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
