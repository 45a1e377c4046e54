/* All networks on one device that records, in turn: bytes are those of a device that does not, whether a
 * batch was computed, recorded or replayed. On the recorder, on cuda over an emulated device, or on the
 * backend that TELLTALE_TEST_BACKEND names. */
#include "formats/json.h"
#include "models/clip.h"
#include "models/unet.h"
#include "models/vae.h"
#include "models/weights.h"
#include "support/networks.h"
#include "support/recorder.h"
#include "support/test.h"
#include "telltale/backend.h"
#ifdef TT_CUDA_FAKE
#include "support/cuda/fake.h"
#endif

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 12, WIDTH = 32, SIDE = 4, PIXELS = 4 * SIDE, TEXTS = 3, SAMPLES = 2 };

typedef struct machine {
    const char *name;
    const tt_backend *backend;
    int (*replays)(void);           /* so far; NULL: unknown */
    void (*set_free)(size_t bytes); /* memory that is left; SIZE_MAX: enough. NULL: cannot be set */
} machine;

typedef struct host {
    tt_backend backend;
    tt_device *device;
    tt_unet *unet;
    tt_vae *vae;
    tt_clip_text *clip;
} host;

static tt_error err;
static tt_arena *arena;
static tt_unet_config unet_config;
static tt_vae_config vae_config;
static tt_clip_text_config clip_config;
static machine m;
static host plain, recorded;

/* ---- machines ---- */

static int recorder_replays(void)
{
    return tt_test_recorder_counts().replays;
}

static void recorder_set_free(size_t bytes)
{
    tt_test_recorder_memory(bytes == SIZE_MAX ? 0 : tt_test_recorder_counts().held + bytes);
}

#ifdef TT_CUDA_FAKE
static int cuda_replays(void)
{
    return fake_cuda_called("cudaGraphLaunch");
}

static void cuda_set_free(size_t bytes)
{
    size_t unused, total;
    if (bytes == SIZE_MAX) {
        fake_cuda.memory = (size_t)4 << 30;
        return;
    }
    tt_ok(m.backend->memory(tt_device_self(recorded.device), &unused, &total, &err), &err);
    fake_cuda.memory = total - unused + bytes;
}
#endif

static machine choose(int i)
{
    static const machine none = {0};
    if (getenv("TELLTALE_TEST_BACKEND")) {
        tt_device *device = i == 0 ? tt_test_device(NULL) : NULL;
        machine one = none;
        if (device) one = (machine){getenv("TELLTALE_TEST_BACKEND"), tt_device_backend(device), NULL, NULL};
        tt_device_close(device);
        return one;
    }
    if (i == 0) return (machine){"recorder", tt_test_recorder(), recorder_replays, recorder_set_free};
#ifdef TT_CUDA_FAKE
    if (i == 1) return (machine){"emulated cuda", cuda_emulated(), cuda_replays, cuda_set_free};
#endif
    return none;
}

/* ---- hosts ---- */

static tt_weight_source *weights;

static void open_networks(host *h, tt_type type)
{
    tt_ok(tt_unet_create(h->device, &unet_config, type, weights, &h->unet, &err), &err);
    tt_ok(tt_vae_create(h->device, &vae_config, type, weights, &h->vae, &err), &err);
    tt_ok(tt_clip_text_create(h->device, &clip_config, type, weights, &h->clip, &err), &err);
}

static void close_networks(host *h)
{
    tt_unet_destroy(h->unet);
    tt_vae_destroy(h->vae);
    tt_clip_text_destroy(h->clip);
    ck_assert_uint_eq(tt_device_live_bytes(h->device), 0);
}

static bool open_hosts(int i, tt_type type)
{
    m = choose(i);
    if (!m.backend) return false;
    plain.backend = recorded.backend = *m.backend;
    plain.backend.record_begin = NULL;
    tt_ok(tt_device_open(&plain.backend, NULL, &plain.device, &err), &err);
    tt_ok(tt_device_open(&recorded.backend, NULL, &recorded.device, &err), &err);
    open_networks(&plain, type);
    open_networks(&recorded, type);
    return true;
}

static void close_hosts(void)
{
    close_networks(&plain);
    close_networks(&recorded);
    tt_device_close(plain.device);
    tt_device_close(recorded.device);
}

static int replays(void)
{
    return m.replays ? m.replays() : 0;
}

static void setup(void)
{
    tt_node *golden;
    err = (tt_error){0};
    arena = tt_arena_create(0);
    weights = tt_weights_hash();
    tt_ok(tt_json_read(arena, TT_SOURCE_DIR "/tests/golden/networks/small.json", 1 << 20, &golden, &err),
          &err);
    const tt_node *unet = tt_node_get(golden, "unet")->children, *vae = tt_node_get(golden, "vae"),
                  *clip = tt_node_get(golden, "clip");
    tt_ok(tt_unet_config_parse(tt_node_get(unet, "config"), &unet_config, &err), &err);
    tt_ok(tt_vae_config_parse(tt_node_get(vae, "config"), &vae_config, &err), &err);
    tt_ok(tt_clip_text_config_parse(tt_node_get(clip, "config"), &clip_config, &err), &err);
    ck_assert(clip_config.tokens == TOKENS && clip_config.hidden == WIDTH &&
              unet_config.cross_attention_dim == WIDTH);
}

static void teardown(void)
{
    weights->destroy(weights);
    tt_arena_destroy(arena);
}

/* ---- calls: `which` chooses the values ---- */

static float *values(const char *name, int which, size_t n)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%d", name, which);
    return tt_test_input(key, n, true);
}

static void read_texts(const host *h, int which, int skip, float *states)
{
    int32_t ids[TEXTS * TOKENS];
    for (int i = 0; i < TEXTS * TOKENS; i++)
        ids[i] = (i * 7 + which * 5) % clip_config.vocabulary;
    tt_ok(tt_clip_text_forward(h->clip, TEXTS, ids, skip, states, &err), &err);
}

static void encode(const host *h, int which, int height, int width, float *moments)
{
    size_t latent = (size_t)(4 * (height / 4) * (width / 4));
    float *image = values("image", which, (size_t)(3 * height * width));
    tt_ok(tt_vae_encode(h->vae, 1, height, width, image, moments, moments + latent, &err), &err);
    free(image);
}

static void decode(const host *h, int which, int height, int width, float *image)
{
    float *latent = values("latent", which, (size_t)(4 * height * width));
    tt_ok(tt_vae_decode(h->vae, 1, height, width, latent, image, &err), &err);
    free(latent);
}

static void predict(const host *h, int which, float *eps)
{
    tt_unet_text *texts[SAMPLES];
    float *states = values("states", which, TOKENS * WIDTH), timesteps[SAMPLES];
    float *x = values("x", which, SAMPLES * 4 * SIDE * SIDE);
    for (int i = 0; i < SAMPLES; i++) {
        timesteps[i] = (float)(which * 100 + i);
        tt_ok(tt_unet_text_create(h->unet, states, TOKENS, &texts[i], &err), &err);
    }
    tt_ok(tt_unet_forward(h->unet, SAMPLES, SIDE, SIDE, x, timesteps, texts, eps, &err), &err);
    for (int i = 0; i < SAMPLES; i++)
        tt_unet_text_destroy(texts[i]);
    free(x);
    free(states);
}

typedef struct results {
    float states[TEXTS * TOKENS * WIDTH], moments[2 * 4 * SIDE * SIDE], image[3 * PIXELS * PIXELS],
        eps[SAMPLES * 4 * SIDE * SIDE];
} results;

static void run_all(const host *h, int which, results *r)
{
    memset(r, 0, sizeof *r);
    read_texts(h, which, 0, r->states);
    encode(h, which, PIXELS, PIXELS, r->moments);
    predict(h, which, r->eps);
    decode(h, which, SIDE, SIDE, r->image);
}

static void expect_equal(int which)
{
    static results want, got;
    run_all(&plain, which, &want);
    run_all(&recorded, which, &got);
    ck_assert_mem_eq(got.states, want.states, sizeof want.states);
    ck_assert_mem_eq(got.moments, want.moments, sizeof want.moments);
    ck_assert_mem_eq(got.eps, want.eps, sizeof want.eps);
    ck_assert_mem_eq(got.image, want.image, sizeof want.image);
}

/* ---- tests ---- */

static const struct {
    int machine;
    tt_type type;
} cases[] = {{0, TT_F32}, {1, TT_F32}, {0, TT_BF16}, {1, TT_BF16}};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(networks_in_turn_give_the_bytes_of_a_device_that_does_not_record)
{
    if (!open_hosts(cases[_i].machine, cases[_i].type)) return;
    for (int which = 0; which < 3; which++)
        expect_equal(which);
    int before = replays();
    for (int which = 3; which < 5; which++)
        expect_equal(which);
    if (m.replays) ck_assert_int_eq(replays() - before, 2 * 4);
    close_hosts();
}
END_TEST

START_TEST(more_shapes_than_are_kept_do_not_mix)
{
    enum { SHAPES = 6, MOST = 3 * 16 * 36 };
    static float want[MOST], got[MOST];
    if (!open_hosts(cases[_i].machine, cases[_i].type)) return;
    for (int round = 0; round < 4; round++)
        for (int shape = 0; shape < (round < 2 ? SHAPES : 3); shape++) {
            int which = 10 * round + shape, width = 16 + 4 * shape, skip = shape % 2;
            memset(want, 0, sizeof want);
            memset(got, 0, sizeof got);
            encode(&plain, which, 16, width, want);
            encode(&recorded, which, 16, width, got);
            ck_assert_mem_eq(want, got, sizeof want);
            decode(&plain, which, 4, width / 4, want);
            decode(&recorded, which, 4, width / 4, got);
            ck_assert_mem_eq(want, got, sizeof want);
            read_texts(&plain, which, skip, want);
            read_texts(&recorded, which, skip, got);
            ck_assert_mem_eq(want, got, sizeof want);
        }
    close_hosts();
}
END_TEST

/* as with a LoRA merged: the same shapes, other weights, at other addresses */
START_TEST(networks_made_again_forget_what_was_recorded_with_their_old_weights)
{
    results *old = malloc(sizeof *old), *now = malloc(sizeof *now);
    if (!open_hosts(cases[_i].machine, cases[_i].type)) goto done;
    for (int which = 0; which < 3; which++)
        expect_equal(which);
    run_all(&recorded, 7, old);
    host *const hosts[] = {&plain, &recorded};
    for (int k = 0; k < 2; k++) {
        close_networks(hosts[k]);
        tt_device_trim(hosts[k]->device);
        vae_config.norm_num_groups = 4;
        unet_config.norm_num_groups = 4;
        clip_config.activation = TT_ACT_GELU;
        open_networks(hosts[k], cases[_i].type);
    }
    for (int which = 0; which < 3; which++)
        expect_equal(which);
    run_all(&recorded, 7, now);
    ck_assert(memcmp(old->eps, now->eps, sizeof now->eps) != 0);
    close_hosts();
done:
    free(old);
    free(now);
}
END_TEST

START_TEST(out_of_memory_for_recordings_leaves_networks_as_they_are)
{
    if (!open_hosts(cases[_i].machine, cases[_i].type)) return;
    if (m.set_free)
        for (size_t bytes = 0; bytes < 1 << 20; bytes = 8 * bytes + 4096) {
            expect_equal(0);
            m.set_free(bytes); /* beside what the first run keeps, which a recording may use */
            for (int which = 1; which < 4; which++)
                expect_equal(which);
            m.set_free(SIZE_MAX);
            close_networks(&recorded);
            tt_device_trim(recorded.device);
            open_networks(&recorded, cases[_i].type);
        }
    close_hosts();
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("networks record");
    TCase *tc = tcase_create("networks record");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, networks_in_turn_give_the_bytes_of_a_device_that_does_not_record, 0, CASES);
    tcase_add_loop_test(tc, more_shapes_than_are_kept_do_not_mix, 0, CASES);
    tcase_add_loop_test(tc, networks_made_again_forget_what_was_recorded_with_their_old_weights, 0, 2);
    tcase_add_loop_test(tc, out_of_memory_for_recordings_leaves_networks_as_they_are, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
