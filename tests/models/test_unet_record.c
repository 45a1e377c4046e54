/* The UNet on a device that records: the same bits as without, whatever happens between two batches. */
#include "formats/json.h"
#include "models/unet.h"
#include "models/weights.h"
#include "support/recorder.h"
#include "support/test.h"

#include <string.h>

#ifdef TT_SANITIZE
enum { SIDE = 4 }; /* the same passes on fewer elements */
#else
enum { SIDE = 8 };
#endif
enum { TOKENS = 7, MOST = 3, LATENT = 4 * SIDE * SIDE };

typedef struct network {
    tt_device *device;
    tt_unet *unet;
} network;

static tt_arena *arena;
static tt_unet_config config;
static tt_weight_source *weights;
static network plain, recorded;
static tt_recorder_counts before;
static tt_error err;

static network open_network(const tt_backend *backend)
{
    network n;
    tt_ok(tt_device_open(backend, NULL, &n.device, &err), &err);
    tt_ok(tt_unet_create(n.device, &config, TT_F32, weights, &n.unet, &err), &err);
    return n;
}

static void setup(void)
{
    tt_node *golden;
    err = (tt_error){0};
    arena = tt_arena_create(0);
    tt_ok(tt_json_read(arena, TT_SOURCE_DIR "/tests/golden/networks/small.json", 1 << 20, &golden, &err),
          &err);
    tt_ok(tt_unet_config_parse(tt_node_get(tt_node_get(golden, "unet")->children, "config"), &config, &err),
          &err);
    weights = tt_weights_hash();
    plain = open_network(tt_backend_reference());
    recorded = open_network(tt_test_recorder());
    before = tt_test_recorder_counts();
}

static void close_network(network *n)
{
    tt_unet_destroy(n->unet);
    ck_assert_uint_eq(tt_device_live_bytes(n->device), 0);
    tt_device_close(n->device);
}

static void teardown(void)
{
    close_network(&plain);
    close_network(&recorded);
    weights->destroy(weights);
    tt_arena_destroy(arena);
    tt_recorder_counts now = tt_test_recorder_counts();
    ck_assert_int_eq(now.freed - before.freed, now.recordings - before.recordings);
}

/* Batch `which` of n samples: its texts, latents and timesteps are its own. From the pass's allocation number
 * `memory` on there is none; 0: there is enough. */
static tt_status forward(const network *net, int which, int n, int tokens, int memory, float *y)
{
    char name[32];
    float x[MOST * LATENT], states[TOKENS * 64], timesteps[MOST];
    tt_unet_text *texts[MOST];
    ck_assert_int_le(config.cross_attention_dim, 64);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "states.%d.%d", which, i);
        tt_hash_input(name, states, (size_t)(tokens * config.cross_attention_dim));
        tt_ok(tt_unet_text_create(net->unet, states, tokens, &texts[i], &err), &err);
        timesteps[i] = (float)(10 * which + 100 * i);
    }
    snprintf(name, sizeof name, "latents.%d", which);
    tt_hash_input(name, x, (size_t)n * LATENT);
    tt_test_recorder_fail_allocation(memory);
    tt_status s = tt_unet_forward(net->unet, n, SIDE, SIDE, x, timesteps, texts, y, &err);
    tt_test_recorder_fail_allocation(0);
    for (int i = 0; i < n; i++)
        tt_unet_text_destroy(texts[i]);
    return s;
}

static void expect_equal(int which, int n, int tokens)
{
    float want[MOST * LATENT], got[MOST * LATENT];
    tt_ok(forward(&plain, which, n, tokens, 0, want), &err);
    tt_ok(forward(&recorded, which, n, tokens, 0, got), &err);
    ck_assert_mem_eq(want, got, (size_t)n * LATENT * sizeof *got);
}

START_TEST(batches_of_one_shape_are_recorded_once_and_replayed_with_their_own_values)
{
    for (int which = 0; which < 5; which++)
        expect_equal(which, MOST, TOKENS);
    tt_recorder_counts now = tt_test_recorder_counts();
    ck_assert_int_eq(now.recordings - before.recordings, 1);
    ck_assert_int_eq(now.replays - before.replays, 4);
}
END_TEST

START_TEST(a_shape_that_comes_once_is_not_recorded)
{
    expect_equal(0, 2, TOKENS);
    expect_equal(1, 1, TOKENS);
    ck_assert_int_eq(tt_test_recorder_counts().recordings, before.recordings);
}
END_TEST

START_TEST(shapes_in_turn_keep_apart_and_the_longest_unused_makes_room)
{
    for (int round = 0; round < 3; round++)
        for (int n = 1; n <= MOST; n++)
            for (int tokens = TOKENS - 1; tokens <= TOKENS; tokens++)
                if (n < MOST || tokens == TOKENS) expect_equal(round, n, tokens);
    for (int round = 3; round < 5; round++) /* two shapes that fit */
        for (int n = 1; n <= 2; n++)
            expect_equal(round, n, TOKENS);
    ck_assert_int_ge(tt_test_recorder_counts().replays - before.replays, 4);
}
END_TEST

/* What the device keeps for reuse between two replays must not be what a recording writes to. */
START_TEST(memory_taken_between_replays_is_not_the_recording_s)
{
    float held[256], back[256];
    tt_hash_input("held", held, 256);
    for (int which = 0; which < 3; which++)
        expect_equal(which, MOST, TOKENS);
    tt_scope *scope;
    tt_tensor t[24];
    tt_ok(tt_scope_open(recorded.device, &scope, &err), &err);
    for (int i = 0; i < 24; i++) {
        tt_ok(tt_tensor_create(scope, TT_F32, 1, (const int64_t[]){256}, &t[i], &err), &err);
        tt_ok(tt_tensor_upload_f32(recorded.device, &t[i], held, &err), &err);
    }
    tt_device_trim(recorded.device);
    expect_equal(3, MOST, TOKENS);
    for (int i = 0; i < 24; i++) {
        tt_ok(tt_tensor_download_f32(recorded.device, &t[i], back, &err), &err);
        ck_assert_mem_eq(held, back, sizeof held);
    }
    tt_scope_close(scope);
}
END_TEST

START_TEST(out_of_memory_is_an_error_and_leaves_the_network_usable)
{
    float y[LATENT];
    int failures[2] = {0};
    for (int batch = 0; batch < 2; batch++) /* computed; recorded */
        for (int memory = 1; memory <= 16; memory *= 4) {
            const network kept = recorded;
            recorded = open_network(tt_test_recorder());
            for (int which = 0; which < batch; which++)
                expect_equal(which, 1, TOKENS);
            tt_status s = forward(&recorded, 4, 1, TOKENS, memory, y);
            ck_assert(!s || s == TT_ERR_MEMORY);
            failures[batch] += s != TT_OK;
            for (int which = 5; which < 7; which++)
                expect_equal(which, 1, TOKENS);
            close_network(&recorded);
            recorded = kept;
        }
    ck_assert_int_ge(failures[0], 2);
    ck_assert_int_ge(failures[1], 1); /* all that a recording takes is one region */
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("unet record");
    TCase *tc = tcase_create("unet record");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, batches_of_one_shape_are_recorded_once_and_replayed_with_their_own_values);
    tcase_add_test(tc, a_shape_that_comes_once_is_not_recorded);
    tcase_add_test(tc, shapes_in_turn_keep_apart_and_the_longest_unused_makes_room);
    tcase_add_test(tc, memory_taken_between_replays_is_not_the_recording_s);
    tcase_add_test(tc, out_of_memory_is_an_error_and_leaves_the_network_usable);
    suite_add_tcase(suite, tc);
    return suite;
}
