/* watermark against Pillow's bytes (tools/make_watermark_golden.py), and what it refuses. */
#include "base/file.h"
#include "formats/image.h"
#include "plugin/registry.h"
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

static tt_status create(const char *yaml)
{
    shut();
    const tt_registered *found;
    tt_ok(tt_registry_find(registry, TT_KIND_TRANSFORM, "watermark", &found, &err), &err);
    plugin = found->table;
    tt_arena *arena = tt_arena_create(0);
    tt_node *node;
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &node, &err), &err);
    tt_ok(tt_params_parse(found->info, node, "transforms", "/", NULL, 0, &params, &err), &err);
    tt_status s = plugin->create(params, &transform, &err);
    if (s) transform = NULL;
    tt_arena_destroy(arena);
    return s;
}

/* The pattern of the script's subject(). */
static tt_pixels subject(uint32_t width, uint32_t height)
{
    tt_pixels p = {width, height, tt_alloc((size_t)width * height * 3)};
    ck_assert_ptr_nonnull(p.rgb);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++)
                p.rgb[((size_t)y * width + x) * 3 + c] = (uint8_t)(x * 7 + y * 13 + c * 85 + ((x * y) >> 4));
    return p;
}

static tt_pixels marked(const tt_pixels *in)
{
    tt_pixels out = {0};
    tt_ok(plugin->image(transform, 3, in, &out, &err), &err);
    ck_assert_uint_eq(out.width, in->width);
    ck_assert_uint_eq(out.height, in->height);
    return out;
}

static void expect_case(char *const *field)
{
    char yaml[1200], mark[1024] = "", width[32] = "", hex[65];
    if (strcmp(field[1], "odd") == 0)
        snprintf(mark, sizeof mark, ", mark: '%s/tests/golden/watermark/mark.png'", TT_SOURCE_DIR);
    if (strcmp(field[4], "0") != 0) snprintf(width, sizeof width, ", width: %s", field[4]);
    snprintf(yaml, sizeof yaml, "{variant: %s, corner: %s%s%s}", field[2], field[3], width, mark);
    tt_ok(create(yaml), &err);
    tt_pixels in = subject((uint32_t)atoi(field[5]), (uint32_t)atoi(field[6])), out = marked(&in);
    tt_digest digest = tt_sha256_of(out.rgb, (size_t)out.width * out.height * 3);
    tt_digest_hex(&digest, hex);
    ck_assert_msg(strcmp(hex, field[7]) == 0, "%s on %s × %s: %s, expected %s", yaml, field[5], field[6], hex,
                  field[7]);
    tt_free(in.rgb);
    tt_free(out.rgb);
}

START_TEST(marks_are_pillows_bytes)
{
    char *text, *rest;
    size_t size, cases = 0;
    tt_ok(tt_file_read(TT_SOURCE_DIR "/tests/golden/watermark/expected.csv", 1 << 20, &text, &size, &err),
          &err);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *field[8], *end = line;
        size_t n = 0;
        while (n < 8 && end)
            field[n++] = strsep(&end, ",");
        if (n < 8 || strcmp(field[0], "case") != 0) continue;
        expect_case(field);
        cases++;
    }
    ck_assert_uint_eq(cases, 7);
    tt_free(text);
}
END_TEST

START_TEST(a_hidden_mark_changes_grey_by_at_most_two_levels_on_29_percent)
{
    tt_ok(create("{variant: hidden}"), &err);
    tt_pixels in = subject(512, 512);
    memset(in.rgb, 128, 512 * 512 * 3);
    tt_pixels out = marked(&in);
    size_t changed = 0;
    for (size_t i = 0; i < 512 * 512; i++) {
        changed += memcmp(out.rgb + 3 * i, in.rgb + 3 * i, 3) != 0;
        ck_assert_uint_ge(out.rgb[3 * i], 128);
        ck_assert_uint_le(out.rgb[3 * i], 130);
        ck_assert_uint_ge(out.rgb[3 * i + 1], 126);
    }
    ck_assert_uint_gt(changed, 28 * 512 * 512 / 100);
    ck_assert_uint_lt(changed, 30 * 512 * 512 / 100);
    tt_free(in.rgb);
    tt_free(out.rgb);
}
END_TEST

START_TEST(an_image_that_is_too_small_and_a_bad_mark_are_refused)
{
    tt_ok(create("{}"), &err);
    tt_pixels in = subject(64, 64), out = {0};
    tt_fails(plugin->image(transform, 0, &in, &out, &err), TT_ERR_INVALID, "set a smaller `width`", &err);
    ck_assert_ptr_null(out.rgb);
    tt_free(in.rgb);
    ck_assert_int_ne(create("{mark: '/nowhere/mark.png'}"), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "/nowhere/mark.png"));
    ck_assert_int_ne(create("{mark: '" TT_SOURCE_DIR "/tests/golden/images/truncated.png'}"), TT_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "truncated.png"));
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("transform watermark");
    TCase *c = tcase_create("watermark");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, marks_are_pillows_bytes);
    tcase_add_test(c, a_hidden_mark_changes_grey_by_at_most_two_levels_on_29_percent);
    tcase_add_test(c, an_image_that_is_too_small_and_a_bad_mark_are_refused);
    suite_add_tcase(suite, c);
    return suite;
}
