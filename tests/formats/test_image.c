#include "base/file.h"
#include "base/mem.h"
#include "formats/image.h"
#include "formats/json.h"
#include "support/test.h"

#include <string.h>

#define GOLDEN TT_SOURCE_DIR "/tests/golden/images/"

static tt_arena *arena;
static tt_node *expected;

static void setup(void)
{
    tt_error err = {0};
    arena = tt_arena_create(0);
    tt_ok(tt_json_read(arena, GOLDEN "expected.json", 1 << 20, &expected, &err), &err);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
}

static void read_golden(const char *name, bool upright, tt_pixels *p, tt_image_facts *facts)
{
    char path[1024];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    tt_error err = {0};
    tt_image_options options = {.apply_orientation = upright};
    tt_ok(tt_image_read(path, &options, p, facts, &err), &err);
}

static void expect_digest(const tt_pixels *p, const tt_node *hex, const char *what)
{
    tt_digest d = tt_image_digest(p);
    char got[65];
    tt_digest_hex(&d, got);
    ck_assert_msg(strcmp(got, hex->text) == 0, "%s: other pixels than Pillow's", what);
}

START_TEST(every_kind_of_file_gives_pillow_s_pixels)
{
    size_t n = 0;
    for (const tt_node *f = tt_node_get(expected, "decoded")->children; f; f = f->next, n++) {
        tt_pixels p;
        read_golden(f->key, false, &p, NULL);
        expect_digest(&p, tt_node_get(f, "plain"), f->key);
        tt_free(p.rgb);
        read_golden(f->key, true, &p, NULL);
        expect_digest(&p, tt_node_get(f, "upright"), f->key);
        tt_free(p.rgb);
    }
    ck_assert_uint_ge(n, 20);
}
END_TEST

START_TEST(facts_tell_what_was_stored)
{
    tt_pixels p;
    tt_image_facts f;
    read_golden("orientation-6.jpg", false, &p, &f);
    tt_free(p.rgb);
    ck_assert_int_eq(f.exif_orientation, 6);
    ck_assert_str_eq(f.format, "jpeg");
    read_golden("cmyk.jpg", false, &p, &f);
    tt_free(p.rgb);
    ck_assert(f.was_cmyk);
    read_golden("animated.webp", false, &p, &f);
    tt_free(p.rgb);
    ck_assert(f.was_animated);
    read_golden("alpha.png", false, &p, &f);
    tt_free(p.rgb);
    ck_assert(f.had_alpha);
    read_golden("palette.png", false, &p, &f);
    tt_free(p.rgb);
    ck_assert(f.was_palette);
    ck_assert_uint_eq(f.stored_width, 37);
    ck_assert_uint_eq(f.stored_height, 29);
}
END_TEST

static tt_filter filter_of(const char *name)
{
    static const char *const names[] = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"};
    for (int i = 0; i < 6; i++)
        if (strcmp(name, names[i]) == 0) return (tt_filter)i;
    ck_abort_msg("filter %s", name);
    return TT_FILTER_BOX;
}

START_TEST(every_resize_is_pillow_s_bit_for_bit)
{
    tt_pixels in;
    read_golden("rgb.png", false, &in, NULL);
    tt_error err = {0};
    for (const tt_node *c = tt_node_get(expected, "resized")->children; c; c = c->next) {
        tt_pixels out;
        uint32_t width = (uint32_t)tt_node_get(c, "width")->value.integer;
        uint32_t height = (uint32_t)tt_node_get(c, "height")->value.integer;
        const char *filter = tt_node_get(c, "filter")->text;
        tt_ok(tt_pixels_resize(&in, width, height, filter_of(filter), &out, &err), &err);
        char what[80];
        snprintf(what, sizeof what, "%s to %ux%u", filter, width, height);
        expect_digest(&out, tt_node_get(c, "rgb"), what);
        tt_free(out.rgb);
    }
    tt_free(in.rgb);
}
END_TEST

static const uint8_t table[20] = {0,   37,  74,  111, 148, 185, 222, 3,   40,  77,
                                  114, 151, 188, 225, 6,   43,  80,  117, 154, 191};

START_TEST(the_specification_s_table_comes_out)
{
    static const struct {
        tt_filter filter;
        uint32_t width, height, n;
        uint8_t values[14];
    } cases[] = {
        {TT_FILTER_BICUBIC, 3, 2, 6, {114, 79, 93, 108, 149, 129}},
        {TT_FILTER_BILINEAR, 3, 2, 6, {112, 84, 97, 110, 139, 127}},
        {TT_FILTER_LANCZOS, 3, 2, 6, {117, 81, 88, 111, 153, 127}},
        {TT_FILTER_BICUBIC, 7, 6, 14, {0, 5, 40, 79, 105, 135, 155, 90, 118, 106, 30, 51, 92, 121}},
        {TT_FILTER_BILINEAR, 7, 6, 14, {0, 21, 48, 74, 100, 127, 148, 93, 114, 104, 39, 65, 92, 113}},
        {TT_FILTER_LANCZOS, 7, 6, 14, {0, 0, 39, 86, 113, 139, 154, 85, 121, 103, 22, 31, 97, 130}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_error err = {0};
        uint8_t *out;
        tt_ok(tt_image_resize(table, 5, 4, 1, cases[i].width, cases[i].height, cases[i].filter, &out, &err),
              &err);
        ck_assert_mem_eq(out, cases[i].values, cases[i].n);
        tt_free(out);
    }
}
END_TEST

START_TEST(damaged_and_foreign_files_are_refused_clearly)
{
    static const struct {
        const char *name, *part;
    } cases[] = {{"truncated.jpg", "truncated JPEG"},
                 {"truncated.png", "truncated PNG"},
                 {"truncated.webp", "WebP"},
                 {"deep.png", "16-bit"},
                 {"expected.json", "not a JPEG, PNG or WebP"},
                 {"missing.png", "missing.png"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[1024];
        snprintf(path, sizeof path, GOLDEN "%s", cases[i].name);
        tt_error err = {0};
        tt_pixels p;
        ck_assert_int_ne(tt_image_read(path, NULL, &p, NULL, &err), TT_OK);
        ck_assert_ptr_null(p.rgb);
        ck_assert_msg(strstr(err.message, cases[i].part), "%s", err.message);
    }
    tt_error err = {0};
    tt_pixels p;
    tt_fails(tt_image_decode("x", table, 0, NULL, &p, NULL, &err), TT_ERR_FORMAT, "empty", &err);
}
END_TEST

START_TEST(a_header_that_announces_a_huge_image_costs_nothing)
{
    /* IHDR of 50,000 × 50,000, with its checksum */
    static const uint8_t png[] = {0x89, 'P',  'N', 'G', '\r', '\n', 0x1a, '\n', 0,    0,    0,
                                  13,   'I',  'H', 'D', 'R',  0,    0,    0xc3, 0x50, 0,    0,
                                  0xc3, 0x50, 8,   2,   0,    0,    0x00, 0xb6, 0xbc, 0xda, 0xf6};
    tt_error err = {0};
    tt_pixels p;
    tt_status s = tt_image_decode("huge.png", png, sizeof png, NULL, &p, NULL, &err);
    ck_assert_int_ne(s, TT_OK);
    ck_assert_ptr_null(p.rgb);
}
END_TEST

START_TEST(a_png_written_and_read_is_the_same_and_the_same_bytes_each_time)
{
    tt_pixels in, back;
    read_golden("rgb.png", false, &in, NULL);
    char a[512], b[512];
    snprintf(a, sizeof a, "%s/a.png", tt_test_dir());
    snprintf(b, sizeof b, "%s/b.png", tt_test_dir());
    tt_error err = {0};
    tt_ok(tt_image_write_png(a, &in, &err), &err);
    tt_ok(tt_image_write_png(b, &in, &err), &err);
    tt_digest da, db;
    tt_ok(tt_sha256_of_file(a, &da, &err), &err);
    tt_ok(tt_sha256_of_file(b, &db, &err), &err);
    ck_assert_mem_eq(&da, &db, sizeof da);
    tt_ok(tt_image_read(a, NULL, &back, NULL, &err), &err);
    ck_assert_mem_eq(in.rgb, back.rgb, (size_t)in.width * in.height * 3);
    tt_free(in.rgb);
    tt_free(back.rgb);
}
END_TEST

START_TEST(a_png_with_alpha_comes_back_as_it_was)
{
    tt_error err = {0};
    uint8_t rgba[3 * 2 * 4], *back;
    uint32_t width, height;
    for (size_t i = 0; i < sizeof rgba; i++)
        rgba[i] = (uint8_t)(11 * i);
    tt_buf png = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/alpha.png", tt_test_dir());
    tt_ok(tt_image_encode_png_rgba(rgba, 3, 2, &png, &err), &err);
    tt_ok(tt_file_write(path, png.data, png.size, &err), &err);
    tt_ok(tt_image_read_rgba(path, &width, &height, &back, &err), &err);
    ck_assert(width == 3 && height == 2);
    ck_assert_mem_eq(back, rgba, sizeof rgba);
    tt_free(back);
    tt_buf_free(&png);
}
END_TEST

START_TEST(resize_and_crop_follow_torchvision)
{
    tt_pixels in = {.width = 400, .height = 300}, out;
    in.rgb = tt_alloc_zero(400 * 300 * 3);
    tt_error err = {0};
    tt_ok(tt_pixels_resize_crop(&in, 224, TT_FILTER_BILINEAR, &out, &err), &err);
    ck_assert_uint_eq(out.width, 224);
    ck_assert_uint_eq(out.height, 224);
    tt_free(out.rgb);
    tt_free(in.rgb);
}
END_TEST

/* A picture of 34 × 32 whose columns darken to the right but for one rise: of 2 × 2 pixels is a cell. */
START_TEST(a_look_has_a_bit_for_each_cell_that_is_darker_than_the_next)
{
    enum { WIDTH = 34, HEIGHT = 32 };
    uint8_t rgb[3 * WIDTH * HEIGHT];
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        int column = i % WIDTH / 2, row = i / WIDTH / 2;
        uint8_t grey = (uint8_t)(200 - 5 * column + (row == 3 && column == 9 ? 20 : 0));
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = grey;
    }
    const tt_pixels p = {.width = WIDTH, .height = HEIGHT, .rgb = rgb};
    tt_image_look look = tt_image_look_of(&p), other = {{0}}, read;
    ck_assert_uint_eq(look.bits[0], (uint64_t)1 << (3 * 16 + 8));
    ck_assert_uint_eq(look.bits[1] | look.bits[2] | look.bits[3], 0);
    other.bits[3] = 5;
    ck_assert_uint_eq(tt_image_look_distance(&look, &other), 3);
    char hex[65];
    tt_image_look_hex(&other, hex);
    ck_assert(tt_image_look_from_hex(hex, &read));
    ck_assert_uint_eq(tt_image_look_distance(&read, &other), 0);
    ck_assert(!tt_image_look_from_hex("12", &read));
    hex[7] = 'g';
    ck_assert(!tt_image_look_from_hex(hex, &read));
}
END_TEST

/* What is flat stays without bits, whatever a codec leaves there; one pixel has a look too. */
START_TEST(flat_and_tiny_images_have_an_empty_look)
{
    uint8_t rgb[3 * 50 * 40];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(100 + i / 3 % 2);
    const tt_pixels flat = {.width = 50, .height = 40, .rgb = rgb},
                    one = {.width = 1, .height = 1, .rgb = rgb};
    const tt_image_look none = {{0}}, a = tt_image_look_of(&flat), b = tt_image_look_of(&one);
    ck_assert_uint_eq(tt_image_look_distance(&a, &none), 0);
    ck_assert_uint_eq(tt_image_look_distance(&b, &none), 0);
}
END_TEST

START_TEST(floats_and_bytes_round_trip)
{
    tt_pixels in, out = {.width = 37, .height = 29};
    read_golden("rgb.png", false, &in, NULL);
    static float chw[3 * 37 * 29];
    tt_pixels_to_chw(&in, chw);
    ck_assert_float_eq(chw[0], ((float)in.rgb[0] / 255.0f - 0.5f) / 0.5f);
    ck_assert_float_eq(chw[37 * 29], ((float)in.rgb[1] / 255.0f - 0.5f) / 0.5f);
    out.rgb = tt_alloc(3 * 37 * 29);
    tt_pixels_from_chw(chw, &out);
    ck_assert_mem_eq(in.rgb, out.rgb, 3 * 37 * 29);
    tt_free(in.rgb);
    tt_free(out.rgb);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("image");
    TCase *tc = tcase_create("image");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_kind_of_file_gives_pillow_s_pixels);
    tcase_add_test(tc, facts_tell_what_was_stored);
    tcase_add_test(tc, every_resize_is_pillow_s_bit_for_bit);
    tcase_add_test(tc, the_specification_s_table_comes_out);
    tcase_add_test(tc, damaged_and_foreign_files_are_refused_clearly);
    tcase_add_test(tc, a_header_that_announces_a_huge_image_costs_nothing);
    tcase_add_test(tc, a_png_written_and_read_is_the_same_and_the_same_bytes_each_time);
    tcase_add_test(tc, a_png_with_alpha_comes_back_as_it_was);
    tcase_add_test(tc, resize_and_crop_follow_torchvision);
    tcase_add_test(tc, a_look_has_a_bit_for_each_cell_that_is_darker_than_the_next);
    tcase_add_test(tc, flat_and_tiny_images_have_an_empty_look);
    tcase_add_test(tc, floats_and_bytes_round_trip);
    suite_add_tcase(suite, tc);
    return suite;
}
