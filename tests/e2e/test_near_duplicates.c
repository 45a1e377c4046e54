/* Images of two sets that look alike: planted ones are found and told in every form of the report, others are
 * not, and nothing else changes. */
#include "base/file.h"
#include "base/mem.h"
#include "experiment/results.h"
#include "formats/image.h"
#include "support/shell.h"

#include <math.h>

enum { SIDE = 96, IMAGES = 12 };

static tt_error err;

/* Waves whose directions, lengths and phases come from `seed`: no two look alike. */
static tt_pixels picture(unsigned seed)
{
    tt_pixels p = {.width = SIDE, .height = SIDE, .rgb = tt_alloc((size_t)3 * SIDE * SIDE)};
    unsigned state = seed * 2654435761u + 12345u;
    double wave[3][4];
    for (int i = 0; i < 12; i++) {
        state = state * 1664525u + 1013904223u;
        wave[i / 4][i % 4] = (double)(state >> 8) / (1 << 24);
    }
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        for (size_t c = 0; c < 3; c++) {
            double x = (double)(i % SIDE) / SIDE, y = (double)(i / SIDE) / SIDE, v = 0;
            for (int k = 0; k < 3; k++)
                v += sin(6.2831853 * ((2 + 6 * wave[k][0]) * x + 8 * (wave[k][1] - 0.5) * y + wave[k][2]));
            p.rgb[3 * i + c] = (uint8_t)(128 + 30 * v + 5 * (double)c);
        }
    return p;
}

static void write_caption(const char *split, const char *name)
{
    tt_ok(tt_file_write(path_of("portraits/%s/%s.txt", split, name), "waves", 5, &err), &err);
}

/* SPLIT/NAME.png, every value raised by `brighter` */
static void write_png(const char *split, unsigned seed, const char *name, int brighter)
{
    tt_pixels p = picture(seed);
    for (size_t i = 0; i < (size_t)3 * SIDE * SIDE; i++)
        p.rgb[i] = (uint8_t)(p.rgb[i] + brighter);
    tt_ok(tt_image_write_png(path_of("portraits/%s/%s.png", split, name), &p, &err), &err);
    write_caption(split, name);
    tt_free(p.rgb);
}

static void write_jpeg(const char *split, unsigned seed, const char *name, int quality)
{
    tt_pixels p = picture(seed);
    tt_buf jpeg = {0};
    tt_ok(tt_image_encode_jpeg(&p, quality, true, &jpeg, &err), &err);
    tt_ok(tt_file_write(path_of("portraits/%s/%s.jpg", split, name), jpeg.data, jpeg.size, &err), &err);
    write_caption(split, name);
    tt_buf_free(&jpeg);
    tt_free(p.rgb);
}

static void write_images(void)
{
    ck_assert_int_eq(shell("mkdir -p 'portraits/seen' 'portraits/held_out'"), 0);
    for (unsigned i = 0; i < IMAGES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02u", i);
        write_png("seen", i, name, 0);
        write_png("held_out", 100 + i, name, 0);
    }
}

static int run(const char *dir, const char *more)
{
    static const char spec[] = "version: 1\n"
                               "data: {mine: {plugin: imagefolder, path: portraits/}}\n"
                               "models: {target: {plugin: toy}}\n"
                               "members: mine.seen\n"
                               "nonmembers: mine.held_out\n"
                               "threat_model: {access: grey-box, captions: known}\n"
                               "device: {backend: reference, threads: 1}\n"
                               "controls: {blind: false, captions_only: false}\n"
                               "attacks: {loss: {calibration: none}}\n";
    return telltale("run", spec, dir, more);
}

START_TEST(copies_across_sets_are_listed_the_closest_first)
{
    write_images();
    write_png("held_out", 3, "brighter", 9);       /* a copy of seen/03 */
    write_jpeg("held_out", 7, "recompressed", 80); /* of seen/07 */
    write_png("seen", 5, "within", 4);             /* of seen/05, in the same set: that is no leak */
    ck_assert_msg(run("planted", "") == 0, "%s", output);
    has("near duplicates across sets          2 pairs within 16 of 256 bits:");
    has("bits: mine held_out/brighter.png ~ mine seen/03.png (0); ");
    has("mine held_out/recompressed.jpg ~ mine seen/07.png (");
    lacks("within.png");
    ck_assert_int_eq(report("planted", "--format markdown"), 0);
    has("near duplicates across sets");
    has("| mine held\\_out/brighter.png | mine seen/03.png | 0 |");
    ck_assert_int_eq(report("planted", "--json"), 0);
    has("\"near_duplicates\": {\"within\": 16, \"pairs\": 2, \"closest\": [");

    ck_assert_int_eq(shell("cd 'planted' && '" PROGRAM "' report . --format html && "
                           "sed -n '/side by side/,/section>/p' report.html | sed 's/base64,[^\"]*//g'"),
                     0);
    has("The closest 2 of 2.");
    has("<figure class=\"pair\"><img alt=\"held_out/brighter.png\" src=\"data:image/jpeg;\"><img "
        "alt=\"seen/03.png\" src=\"data:image/jpeg;\"><figcaption>mine held_out/brighter.png and mine "
        "seen/03.png: 0 "
        "of 256 bits</figcaption></figure>");

    tt_results r;
    tt_ok(tt_results_read(path_of("planted/results.h5"), &r, &err), &err);
    ck_assert_uint_eq(r.near_duplicates.n_listed, 2);
    ck_assert_uint_eq(r.near_duplicates.pairs[0].distance, 0);
    ck_assert_str_eq(r.samples[r.near_duplicates.pairs[0].a].split, "held_out");
    tt_results_free(&r);
}
END_TEST

START_TEST(images_that_differ_are_not_listed_and_the_search_can_be_left_out)
{
    write_images();
    ck_assert_msg(run("clean", "") == 0, "%s", output);
    has("near duplicates across sets          none within 16 of 256 bits");
    ck_assert_int_eq(run("wide", "controls.near_duplicates=64"), 0);
    has("64 of 256 bits");
    ck_assert_int_eq(run("out", "controls.near_duplicates=0"), 0);
    lacks("near duplicates");
    ck_assert_int_eq(run("off", "controls=off"), 0);
    lacks("near duplicates");
    ck_assert_int_eq(run("bad", "controls.near_duplicates=65"), 2);
    has("controls.near_duplicates");
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("near duplicates");
    TCase *tc = tcase_create("near duplicates");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, copies_across_sets_are_listed_the_closest_first);
    tcase_add_test(tc, images_that_differ_are_not_listed_and_the_search_can_be_left_out);
    suite_add_tcase(suite, tc);
    return suite;
}
