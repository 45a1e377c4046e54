/* Images of a tiny Stable Diffusion with hash weights, for one seed equal to those that diffusers made of it
 * (tests/golden/pipeline, by tools/make_pipeline_golden.py): all samplers, guidance, negative prompts, sizes,
 * image to image and in-painting. */
#include "base/file.h"
#include "formats/image.h"
#include "support/checkpoints.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static tt_error err;
static tt_test_target t;
static const char *golden, *prompt_text;
static uint32_t steps;

static void open_model(const char *more)
{
    char json[4096], dir[512];
    err = (tt_error){0};
    golden = TT_TEST_CONFIGS;
    prompt_text = "a portrait of a woman";
    steps = 10;
    snprintf(dir, sizeof dir, "%s/model", tt_test_dir());
    tt_test_checkpoint(TT_TEST_CONFIGS, dir, NULL);
    snprintf(json, sizeof json, "{\"path\": \"%s\"%s}", dir, more);
    tt_ok(tt_test_target_open(&t, json, tt_test_backend(), 1, &err), &err);
}

static void setup(void)
{
    open_model("");
}

static void teardown(void)
{
    tt_test_target_close(&t);
}

static tt_pixels read_png(const char *name)
{
    char path[512];
    tt_pixels p;
    snprintf(path, sizeof path, "%s/%s.png", golden, name);
    tt_ok(tt_image_read(path, NULL, &p, NULL, &err), &err);
    return p;
}

/* Image `index` of the request against <name>.png. f32 leaves differences near 1e-5 of a level, so that only
 * a value at the edge between two levels may go to the other side. */
static void expect(const char *name, tt_generate request, uint32_t index)
{
    tt_text_piece prompt = {.text = prompt_text};
    tt_pixels images[3] = {0}, want = read_png(name);
    request.size = sizeof request;
    request.prompt = (tt_text){&prompt, 1};
    request.steps = steps;
    if (request.guidance == 0) request.guidance = 7.5;
    if (request.images == 0) request.images = 1;
    tt_ok(t.plugin->generate(t.self, &request, images, NULL, NULL, &err), &err);
    const tt_pixels *got = &images[index];
    ck_assert_msg(got->width == want.width && got->height == want.height, "%s: %ux%u, expected %ux%u", name,
                  got->width, got->height, want.width, want.height);
    int worst = 0, differ = 0, n = (int)(3 * want.width * want.height);
    for (int i = 0; i < n; i++) {
        int d = abs(got->rgb[i] - want.rgb[i]);
        worst = d > worst ? d : worst;
        differ += d != 0;
    }
    printf("%s: %d of %d values differ, by at most %d\n", name, differ, n, worst);
    ck_assert_msg(worst <= 1 && differ <= n / 100, "%s: %d of %d values differ, by up to %d", name, differ, n,
                  worst);
    for (uint32_t i = 0; i < request.images; i++)
        tt_free(images[i].rgb);
    tt_free(want.rgb);
}

START_TEST(every_sampler_gives_diffusers_image)
{
    expect("pndm", (tt_generate){.seed = 1}, 0);
    expect("ddim", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_DDIM}, 0);
    expect("dpmpp_2m", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_DPMPP_2M}, 0);
    expect("euler", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_EULER}, 0);
    expect("euler_karras", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_EULER, .karras = true}, 0);
}
END_TEST

START_TEST(guidance_negative_prompt_several_images_and_size_are_diffusers)
{
    static tt_text_piece negative = {.text = "blue shirt"};
    expect("third_of_three_negative",
           (tt_generate){.seed = 2, .guidance = 3, .negative = {&negative, 1}, .images = 3}, 2);
    expect("unguided", (tt_generate){.seed = 5, .guidance = 1}, 0);
    expect("wide", (tt_generate){.seed = 6, .width = 40, .height = 24}, 0);
}
END_TEST

START_TEST(image_to_image_is_diffusers)
{
    tt_pixels init = read_png("init");
    expect("vary", (tt_generate){.seed = 3, .init = &init, .strength = 0.6, .images = 2}, 1);
    expect("vary_ddim", (tt_generate){.seed = 3, .init = &init, .strength = 0.6, .sampler = TT_SAMPLER_DDIM},
           0);
    tt_free(init.rgb);
}
END_TEST

START_TEST(in_painting_is_diffusers)
{
    tt_pixels init = read_png("init"), mask = read_png("mask");
    expect("repaint", (tt_generate){.seed = 4, .init = &init, .mask = &mask, .strength = 1}, 0);
    expect("repaint_0_7", (tt_generate){.seed = 4, .init = &init, .mask = &mask, .strength = 0.7}, 0);
    tt_free(init.rgb);
    tt_free(mask.rgb);
}
END_TEST

START_TEST(a_lora_of_both_networks_at_half_strength_is_diffusers)
{
    tt_test_target_close(&t);
    open_model(", \"lora\": [\"" TT_TEST_CONFIGS "/lora.safetensors@0.5\"]");
    expect("lora", (tt_generate){.seed = 1}, 0);
}
END_TEST

/* The embedded world's target, trained and in f16, as a person would use it. */
START_TEST(images_of_the_embedded_target_are_diffusers)
{
    const char model[] = TT_SOURCE_DIR "/configs/models/embedded/target";
    if (!tt_dir_exists(model)) {
        printf("skipped: %s is not there\n", model);
        return;
    }
    tt_test_target_close(&t);
    tt_ok(tt_test_target_open(&t, "{\"path\": \"" TT_SOURCE_DIR "/configs/models/embedded/target\"}",
                              tt_test_backend(), 1, &err),
          &err);
    golden = TT_SOURCE_DIR "/tests/golden/embedded"; /* by tools/make_embedded_golden.py: to be run again when
                                                        the model changes */
    prompt_text = "a north headshot of clara berg, happy young, long face, dark skin, tied brown hair, green "
                  "background";
    steps = 20;
    expect("ddim", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_DDIM}, 0);
    expect("pndm", (tt_generate){.seed = 1}, 0);
    expect("euler", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_EULER}, 0);
    expect("dpmpp_2m", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_DPMPP_2M}, 0);
    tt_pixels init = read_png("ddim"), mask = read_png("mask");
    expect("vary", (tt_generate){.seed = 1, .sampler = TT_SAMPLER_DDIM, .init = &init, .strength = 0.6}, 0);
    expect("repaint",
           (tt_generate){.seed = 1, .sampler = TT_SAMPLER_DDIM, .init = &init, .mask = &mask, .strength = 1},
           0);
    tt_free(init.rgb);
    tt_free(mask.rgb);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("pipeline");
    TCase *tc = tcase_create("pipeline");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_sampler_gives_diffusers_image);
    tcase_add_test(tc, guidance_negative_prompt_several_images_and_size_are_diffusers);
    tcase_add_test(tc, image_to_image_is_diffusers);
    tcase_add_test(tc, in_painting_is_diffusers);
    tcase_add_test(tc, a_lora_of_both_networks_at_half_strength_is_diffusers);
    tcase_add_test(tc, images_of_the_embedded_target_are_diffusers);
    suite_add_tcase(suite, tc);
    return suite;
}
