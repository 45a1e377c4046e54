/* The target sd15 over the emulated GPU: what it holds of the device's memory lies within what it says that
 * it will need. */
#include "support/checkpoints.h"
#include "support/cuda/fake.h"
#include "support/test.h"
#include "telltale/plugin.h"

#include <stdlib.h>
#include <string.h>

enum { LATENT = 4 * 8 * 8, SIDE = 32, BATCH = 2 };

static tt_error err;

static size_t held(void)
{
    size_t now, most;
    cuda_emulated()->held(&now, &most);
    return now;
}

static size_t most_held(void)
{
    size_t now, most;
    cuda_emulated()->held(&now, &most);
    return most;
}

typedef struct opened {
    tt_registry *registry;
    tt_params *params;
    const tt_target_plugin *plugin;
    tt_memory_need need;
    void *self;
} opened;

static opened open_model(void)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/plugins"};
    const tt_target_context context = {
        .size = sizeof context, .backend = cuda_emulated(), .device = {.size = sizeof context.device}};
    const tt_registered *found;
    opened o = {0};
    char dir[512], json[600];
    snprintf(dir, sizeof dir, "%s/model", tt_test_dir());
    tt_test_checkpoint(TT_TEST_CONFIGS, dir, NULL);
    snprintf(json, sizeof json, "{\"path\": \"%s\", \"batch\": %d}", dir, BATCH);
    tt_ok(tt_registry_open(dirs, 1, &o.registry, &err), &err);
    tt_ok(tt_registry_find(o.registry, TT_KIND_TARGET, "sd15", &found, &err), &err);
    tt_ok(tt_params_parse_json(found->info, json, &o.params, &err), &err);
    o.plugin = found->table;
    tt_ok(o.plugin->memory(o.params, &context, &o.need, &err), &err);
    ck_assert_uint_eq(held(), 0); /* the device that was asked is closed */
    tt_ok(o.plugin->open(o.params, &context, &o.self, &err), &err);
    return o;
}

/* As attacks do: latents, texts, batches of predictions; the third of one shape is a replay. */
static void work(opened *o)
{
    static float latents[BATCH * LATENT], eps[BATCH * LATENT];
    static uint8_t rgb[3 * SIDE * SIDE];
    const tt_pixels image = {SIDE, SIDE, rgb}, images[BATCH] = {image, image};
    const tt_text_piece piece = {.text = "a portrait"};
    const tt_text texts[BATCH] = {{&piece, 1}, {&piece, 1}};
    const int32_t timesteps[BATCH] = {481, 20};
    void *conditions[BATCH];
    tt_pixels decoded;
    tt_ok(o->plugin->encode(o->self, BATCH, images, NULL, latents, &err), &err);
    tt_ok(o->plugin->text(o->self, BATCH, texts, conditions, &err), &err);
    for (int i = 0; i < 3; i++)
        tt_ok(o->plugin->predict(o->self, BATCH, latents, timesteps, conditions, eps, &err), &err);
    tt_ok(o->plugin->decode(o->self, 1, latents, &decoded, &err), &err);
    tt_free(decoded.rgb);
    for (int i = 0; i < BATCH; i++)
        o->plugin->condition_free(o->self, conditions[i]);
}

START_TEST(what_is_held_of_the_device_lies_within_what_was_said)
{
    opened o = open_model();
    size_t free_bytes, total_bytes, open = held();
    const tt_memory_amounts *need = &o.need.device;
    const size_t workspace = (size_t)32 << 20; /* cuBLASLt's */
    printf("open: %zu kB beside the workspace, said %llu\n", (open - workspace) >> 10,
           (unsigned long long)need->weights >> 10);
    ck_assert_uint_le(open - workspace, need->weights);
    ck_assert_uint_ge(open - workspace, need->weights / 2);
    work(&o);
    uint64_t bound = need->weights + need->predict + need->encode + need->decode + BATCH * need->evaluation;
    printf("at most: %zu kB beside it, said %llu\n", (most_held() - workspace) >> 10,
           (unsigned long long)bound >> 10);
    ck_assert_uint_le(most_held() - workspace, bound);
    ck_assert_uint_ge(most_held() - workspace, bound / 2);
    ck_assert_uint_ge(cuda_emulated()->device_bytes, workspace);
    /* what is counted is what is gone from the device */
    void *device;
    const tt_device_options options = {.size = sizeof options};
    tt_ok(cuda_emulated()->open(&options, &device, &err), &err);
    tt_ok(cuda_emulated()->memory(device, &free_bytes, &total_bytes, &err), &err);
    ck_assert_uint_eq(total_bytes - free_bytes, held());
    cuda_emulated()->close(device);
    o.plugin->close(o.self);
    ck_assert_uint_eq(held(), 0);
    tt_params_free(o.params);
    tt_registry_close(o.registry);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("sd15_on_cuda");
    TCase *tc = tcase_create("sd15_on_cuda");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, fake_cuda_reset, NULL);
    tcase_add_test(tc, what_is_held_of_the_device_lies_within_what_was_said);
    suite_add_tcase(suite, tc);
    return suite;
}
