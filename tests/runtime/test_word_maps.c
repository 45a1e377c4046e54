/* Heat maps of words as files: what is kept of a map, how a caption finds its file, files that are damaged.
 */
#include "runtime/word_maps.h"
#include "base/file.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_arena *arena;

static void setup(void)
{
    arena = tt_arena_create(0);
}

static void teardown(void)
{
    tt_arena_destroy(arena);
}

START_TEST(maps_of_more_than_16_a_side_are_averaged_and_scaled_to_their_peak)
{
    enum { SIDE = 40 }; /* squares of 3, the last ones of 1 */
    static float maps[2][SIDE][SIDE];
    const tt_text_piece pieces[2] = {{"red", 0}, {"hat", 0}};
    const double weights[2] = {0.5, 0};
    tt_word_maps m;
    maps[0][0][0] = 9;   /* 1 on average */
    maps[0][39][39] = 4; /* alone in its square: the peak */
    tt_ok(tt_word_maps_write(tt_test_dir(), &(tt_text){pieces, 2}, weights, SIDE, &maps[0][0][0], &err),
          &err);
    tt_ok(tt_word_maps_read(tt_test_dir(), "red\n hat ", arena, &m, &err), &err);
    ck_assert_uint_eq(m.n, 2);
    ck_assert_uint_eq(m.side, 14);
    ck_assert_str_eq(m.words[0], "red");
    ck_assert_double_eq(m.weights[0], 0.5);
    ck_assert_double_eq(m.peaks[0], 4);
    ck_assert_uint_eq(m.cells[0], 64); /* 255 / 4 */
    ck_assert_uint_eq(m.cells[14 * 14 - 1], 255);
    ck_assert_uint_eq(m.cells[1], 0);
    ck_assert_double_eq(m.peaks[1], 0);
    for (int i = 14 * 14; i < 2 * 14 * 14; i++)
        ck_assert_uint_eq(m.cells[i], 0);
}
END_TEST

START_TEST(values_below_0_or_not_finite_are_refused_and_special_tokens_are_no_caption)
{
    const tt_text_piece word = {"hat", 0}, special = {NULL, 7};
    const double weight = 1;
    tt_word_maps m;
    for (int i = 0; i < 3; i++) {
        float map = i == 0 ? -1.0f : i == 1 ? NAN : INFINITY;
        tt_fails(tt_word_maps_write(tt_test_dir(), &(tt_text){&word, 1}, &weight, 1, &map, &err),
                 TT_ERR_INVALID, "below 0", &err);
    }
    float map = 1;
    tt_ok(tt_word_maps_write(tt_test_dir(), &(tt_text){&special, 1}, &weight, 1, &map, &err), &err);
    tt_fails(tt_word_maps_read(tt_test_dir(), "", arena, &m, &err), TT_ERR_NOT_FOUND, "no heat maps", &err);
}
END_TEST

START_TEST(a_damaged_file_is_named_at_every_length)
{
    const tt_text_piece word = {"hat", 0};
    const double weight = 1;
    const float map[4] = {1, 2, 3, 4};
    char line[600], path[600], *data = NULL;
    size_t size = 0;
    tt_word_maps m;
    tt_ok(tt_word_maps_write(tt_test_dir(), &(tt_text){&word, 1}, &weight, 2, map, &err), &err);
    snprintf(line, sizeof line, "ls '%s' | head -n 1", tt_test_dir());
    FILE *pipe = popen(line, "r");
    char name[80] = "";
    ck_assert_ptr_nonnull(fgets(name, sizeof name, pipe));
    pclose(pipe);
    name[strcspn(name, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/%s", tt_test_dir(), name);
    tt_ok(tt_file_read(path, 4096, &data, &size, &err), &err);
    for (size_t n = 0; n < size; n++) {
        tt_ok(tt_file_write(path, data, n, &err), &err);
        tt_fails(tt_word_maps_read(tt_test_dir(), "hat", arena, &m, &err), TT_ERR_FORMAT, name, &err);
    }
    for (size_t i = 0; i < 12; i++) { /* magic, side, number of words */
        char kept = data[i];
        data[i] = (char)0xee;
        tt_ok(tt_file_write(path, data, size, &err), &err);
        tt_fails(tt_word_maps_read(tt_test_dir(), "hat", arena, &m, &err), TT_ERR_FORMAT, name, &err);
        data[i] = kept;
    }
    tt_free(data);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("word_maps");
    TCase *tc = tcase_create("word_maps");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, maps_of_more_than_16_a_side_are_averaged_and_scaled_to_their_peak);
    tcase_add_test(tc, values_below_0_or_not_finite_are_refused_and_special_tokens_are_no_caption);
    tcase_add_test(tc, a_damaged_file_is_named_at_every_length);
    suite_add_tcase(suite, tc);
    return suite;
}
