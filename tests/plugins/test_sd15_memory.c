/* What the target sd15 says that a host of its model will need, on a processor and on a device with memory of
 * its own. */
#include "base/file.h"
#include "support/checkpoints.h"
#include "support/test.h"

#include <string.h>

static tt_error err;
static tt_backend apart; /* the reference backend, as if its memory were not the process's */

static tt_status device_memory(void *self, size_t *free_bytes, size_t *total_bytes, tt_error *e)
{
    (void)self, (void)e;
    *free_bytes = *total_bytes = (size_t)1 << 36;
    return TT_OK;
}

static tt_status record_begin(void *self, tt_error *e)
{
    (void)self, (void)e;
    return TT_OK;
}

static int64_t fill(void *self)
{
    (void)self;
    return (int64_t)64 * 64 * 64 * 320;
}

static void setup(void)
{
    apart = *tt_backend_reference();
    apart.memory = device_memory;
}

static tt_memory_need need_of(const char *json, const tt_backend *backend)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/plugins"};
    const tt_target_context context = {
        .size = sizeof context, .backend = backend, .device = {.size = sizeof context.device, .threads = 1}};
    tt_registry *registry;
    const tt_registered *found;
    tt_params *params;
    tt_memory_need need;
    tt_ok(tt_registry_open(dirs, 1, &registry, &err), &err);
    tt_ok(tt_registry_find(registry, TT_KIND_TARGET, "sd15", &found, &err), &err);
    tt_ok(tt_params_parse_json(found->info, json, &params, &err), &err);
    tt_ok(((const tt_target_plugin *)found->table)->memory(params, &context, &need, &err), &err);
    tt_params_free(params);
    tt_registry_close(registry);
    return need;
}

/* The small models' tokenizer, beside a file that takes 77 tokens. */
static void put_tokenizer(void)
{
    static const char *const files[] = {"vocab.json", "merges.txt", "tokenizer_config.json"};
    char from[512], to[512], *text;
    size_t size;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(from, sizeof from, TT_TEST_CONFIGS "/tokenizer/%s", files[i]);
        snprintf(to, sizeof to, "%s/tokenizer/%s", tt_test_dir(), files[i]);
        tt_test_copy(from, to);
    }
    tt_ok(tt_file_read(to, 1 << 16, &text, &size, &err), &err);
    char *length = strstr(strstr(text, "model_max_length"), "16");
    ck_assert_ptr_nonnull(length);
    length[0] = length[1] = '7';
    tt_ok(tt_file_write(to, text, size, &err), &err);
    tt_free(text);
}

/* SD1.5 itself, with zeros for weights. */
static const char *sd15(const char *more)
{
    static char json[1024];
    static char path[512];
    if (!path[0]) {
        snprintf(path, sizeof path, "%s/sd15.safetensors", tt_test_dir());
        tt_test_compvis(path);
        put_tokenizer();
    }
    snprintf(json, sizeof json, "{\"path\": \"%s\"%s}", path, more);
    return json;
}

/* Values of SD1.5's UNet, VAE and text encoder, and of one text's keys and values: 77 tokens, 16 layers of
 * cross-attention of 5·320, 5·640 and 6·1280 channels. */
enum { UNET = 859520964, VAE = 83653863, CLIP = 123060480, TEXT = 2 * 77 * (5 * 320 + 5 * 640 + 6 * 1280) };

static void about(uint64_t got, double expected)
{
    ck_assert_msg((double)got >= 0.999 * expected && (double)got <= 1.001 * expected, "%llu, not %.0f",
                  (unsigned long long)got, expected);
}

START_TEST(on_a_processor_all_of_it_is_the_process_s)
{
    tt_memory_need need = need_of(sd15(", \"batch\": 8"), tt_backend_reference());
    const tt_memory_amounts none = {0};
    ck_assert_mem_eq(&need.device, &none, sizeof none);
    ck_assert_uint_eq(need.batch, 8);
    about(need.host.weights, 1.02 * 4 * ((double)UNET + VAE + CLIP));
    about(need.host.predict, 8.0 * 4 * (36 * 4096 * 320 + 24 * 77 * 768));
    about(need.host.evaluation, 4.0 * TEXT + 4.0 * 77 * 768 + 8.0 * 4 * 4096);
}
END_TEST

START_TEST(on_a_device_the_process_holds_what_goes_in_and_out)
{
    tt_memory_need cpu = need_of(sd15(", \"batch\": 8"), tt_backend_reference());
    tt_memory_need need = need_of(sd15(", \"batch\": 8"), &apart);
    ck_assert_uint_eq(need.device.weights, cpu.host.weights);
    ck_assert_uint_gt(need.device.predict, cpu.host.predict); /* scratch */
    ck_assert_uint_gt(need.device.encode, cpu.host.encode);
    ck_assert_uint_gt(need.device.decode, cpu.host.decode);
    ck_assert_uint_lt(need.host.weights, (uint64_t)256 << 20);
    /* 8 latents of 4×64×64: x, noise and ε as floats, x and ε once more in the network's layout */
    ck_assert_uint_eq(need.host.predict, 8 * 5 * 4 * 16384);
    about(need.device.evaluation, 4.0 * TEXT);
    ck_assert_uint_eq(need.host.evaluation, 4 * 77 * 768 + 8 * 16384);
    ck_assert_uint_eq(need.device.evaluation + need.host.evaluation, cpu.host.evaluation);
}
END_TEST

START_TEST(bf16_halves_and_a_recording_adds_its_texts)
{
    tt_memory_need f32 = need_of(sd15(", \"batch\": 8"), &apart);
    tt_memory_need bf16 = need_of(sd15(", \"batch\": 8, \"dtype\": \"bf16\""), &apart);
    about(bf16.device.weights, 1.02 * (2.0 * UNET + 4 * ((double)VAE + CLIP)));
    ck_assert_uint_lt(bf16.device.predict, f32.device.predict * 51 / 100 + 8 * 4 * 24 * 77 * 768);
    apart.record_begin = record_begin;
    tt_memory_need recorded = need_of(sd15(", \"batch\": 8"), &apart);
    ck_assert_uint_eq(recorded.device.predict - f32.device.predict, (uint64_t)8 * 4 * TEXT);
    ck_assert_uint_eq(recorded.host.predict, f32.host.predict);
}
END_TEST

START_TEST(an_open_batch_is_the_device_s_own)
{
    ck_assert_uint_eq(need_of(sd15(""), tt_backend_reference()).batch, 4);
    apart.fill = fill;
    tt_memory_need need = need_of(sd15(""), &apart), asked = need_of(sd15(", \"batch\": 64"), &apart);
    ck_assert_uint_eq(need.batch, 64);
    ck_assert_mem_eq(&need.device, &asked.device, sizeof need.device);
    ck_assert_uint_eq(need_of(sd15(", \"batch\": 16"), &apart).device.predict, need.device.predict / 4);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("sd15_memory");
    TCase *tc = tcase_create("sd15_memory");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, on_a_processor_all_of_it_is_the_process_s);
    tcase_add_test(tc, on_a_device_the_process_holds_what_goes_in_and_out);
    tcase_add_test(tc, bf16_halves_and_a_recording_adds_its_texts);
    tcase_add_test(tc, an_open_batch_is_the_device_s_own);
    suite_add_tcase(suite, tc);
    return suite;
}
