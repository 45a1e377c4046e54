/* `telltale generate` as a person runs it, on a tiny model with hash weights. */
#include "base/file.h"
#include "formats/image.h"
#include "support/checkpoints.h"
#include "support/shell.h"

#include <stdlib.h>
#include <sys/wait.h>

#define GOLDEN TT_SOURCE_DIR "/tests/golden/pipeline"

static tt_error err;

static void setup(void)
{
    err = (tt_error){0};
    tt_test_checkpoint(TT_TEST_CONFIGS, path_of("model"), NULL);
}

/* The exit code of `before` PROGRAM `arguments`, run where the model is. */
static int run(const char *before, const char *arguments)
{
    return shell("%s '" PROGRAM "' generate %s", before, arguments);
}

/* Files of the test's folder and of the golden ones; ≤ 1 level: see golden/test_pipeline.c */
static void same_image(const char *made, const char *golden)
{
    char path[1024];
    tt_pixels a, b;
    tt_ok(tt_image_read(path_of("%s", made), NULL, &a, NULL, &err), &err);
    snprintf(path, sizeof path, GOLDEN "/%s", golden);
    tt_ok(tt_image_read(path, NULL, &b, NULL, &err), &err);
    ck_assert(a.width == b.width && a.height == b.height);
    for (size_t i = 0; i < 3 * (size_t)a.width * a.height; i++)
        ck_assert_int_le(abs(a.rgb[i] - b.rgb[i]), 1);
    tt_free(a.rgb);
    tt_free(b.rgb);
}

#define COMMON "model --device reference --threads 1 --quiet --steps 10 --prompt 'a portrait of a woman' "

START_TEST(it_makes_varies_and_repaints_images)
{
    ck_assert_int_eq(run("", COMMON "--sampler ddim --seed 1 --out one.png"), 0);
    ck_assert_str_eq(output, "");
    same_image("one.png", "ddim.png");
    ck_assert_int_eq(run("", COMMON "--negative 'blue shirt' --seed 2 --guidance 3 --images 3 --out x.png"),
                     0);
    same_image("x-3.png", "third_of_three_negative.png");
    ck_assert_int_eq(
        run("", COMMON "--init " GOLDEN "/init.png --strength 0.6 --seed 3 --images 2 --out v.png"), 0);
    same_image("v-2.png", "vary.png");
    ck_assert_int_eq(
        run("", COMMON "--init " GOLDEN "/init.png --mask " GOLDEN "/mask.png --seed 4 --out r.png"), 0);
    same_image("r.png", "repaint.png");
    ck_assert_int_eq(run("", COMMON "--lora " GOLDEN "/lora.safetensors@0.5 --seed 1 --out l.png"), 0);
    same_image("l.png", "lora.png");
}
END_TEST

START_TEST(help_and_wrong_options_say_what_to_do)
{
    ck_assert_int_eq(run("", "--help"), 0);
    has("usage: telltale generate MODEL");
    has("--strength S");
    static const char *const wrong[][2] = {
        {"model --out x.png", "needs a model, --prompt and --out"},
        {COMMON "--out x.png --stepps 5", "does not know --stepps"},
        {COMMON "--out x.png --steps many", "--steps 'many': must be a whole number of 1..999"},
        {COMMON "--out x.png --sampler dpm", "pndm, ddim, dpmpp_2m, euler"},
        {COMMON "--out x.png --mask m.png", "--mask needs --init"},
        {COMMON "--out x.png --seed", "--seed needs a value"},
        {COMMON "--out x.png --seed -1", "--seed '-1'"},
        {COMMON "--out x.png --width 30", "multiples of 4"},
        {COMMON "--out x.png --init nowhere.png", "nowhere.png"},
        {COMMON "--out x.png --device nothing", "nothing"},
        {COMMON "--out x.png --variant fp16", "variant 'fp16'"},
        {"nowhere --prompt x --out x.png --device reference", "nowhere: no such model"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(run("", wrong[i][0]), 2);
        has(wrong[i][1]);
    }
}
END_TEST

START_TEST(interrupted_it_stops_at_the_next_step_and_leaves_no_file)
{
    /* --foreground: without it timeout signals the command and then its group, and the second SIGINT kills */
    ck_assert_int_eq(run("timeout --foreground --preserve-status -s INT 1",
                         "model --device reference --steps 900 --prompt x --out late.png"),
                     4);
    has("interrupted");
    ck_assert(!tt_file_exists(path_of("late.png")));
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("generate");
    TCase *tc = tcase_create("generate");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, it_makes_varies_and_repaints_images);
    tcase_add_test(tc, help_and_wrong_options_say_what_to_do);
    tcase_add_test(tc, interrupted_it_stops_at_the_next_step_and_leaves_no_file);
    suite_add_tcase(suite, tc);
    return suite;
}
