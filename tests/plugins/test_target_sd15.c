/* The target sd15 on a tiny model with hash weights: the same bits however its files are laid out, whatever
 * shares a batch, in a host process or by a direct call. */
#include "base/file.h"
#include "base/rng.h"
#include "formats/image.h"
#include "runtime/protocol.h"
#include "runtime/spawn.h"
#include "support/checkpoints.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LATENT = 4 * 8 * 8, SIDE = 32, TOKENS = 16, WIDTH = 24, SAMPLES = 3, SEED = 11 };

static tt_error err;
static const char *const prompts[] = {"a portrait of a woman", "", "blue shirt"};

/* ---- helpers ---- */

static const char *model_dir(const char *name, const tt_test_layout *layout)
{
    static char dir[512];
    snprintf(dir, sizeof dir, "%s/%s", tt_test_dir(), name);
    tt_test_checkpoint(TT_TEST_CONFIGS, dir, layout);
    return dir;
}

static void open_target(tt_test_target *t, const char *dir, const char *more, const char *backend)
{
    char json[1024];
    snprintf(json, sizeof json, "{\"path\": \"%s\"%s}", dir, more);
    tt_ok(tt_test_target_open(t, json, backend, 1, &err), &err);
}

static void digest_of(const tt_test_target *t, char hex[65])
{
    tt_ok(t->plugin->digest(t->params, hex, &err), &err);
}

static tt_pixels picture(uint32_t seed, uint32_t side)
{
    tt_pixels p = {side, side, malloc(3 * (size_t)side * side)};
    for (uint32_t i = 0; i < 3 * side * side; i++)
        p.rgb[i] = (uint8_t)(i * (seed + 3) % 251);
    return p;
}

static void make_conditions(tt_test_target *t, void *conditions[3])
{
    tt_text_piece pieces[3];
    tt_text texts[3];
    for (int i = 0; i < 3; i++) {
        pieces[i] = (tt_text_piece){.text = prompts[i]};
        texts[i] = (tt_text){&pieces[i], 1};
    }
    tt_ok(t->plugin->text(t->self, 3, texts, conditions, &err), &err);
}

/* All that a target computes, in one row of numbers: states of a text, a mean latent, its image, an ε. */
enum { NUMBERS = TOKENS * WIDTH + LATENT + 3 * SIDE * SIDE + LATENT };

static void compute_all(tt_test_target *t, float *out)
{
    void *conditions[3];
    float *latent = out + TOKENS * WIDTH, *image = latent + LATENT, *eps = image + 3 * SIDE * SIDE;
    int32_t timestep = 481;
    make_conditions(t, conditions);
    tt_ok(t->plugin->condition_get(t->self, conditions[0], out, TOKENS * WIDTH, &err), &err);
    tt_pixels p = picture(1, SIDE), decoded;
    tt_ok(t->plugin->encode(t->self, 1, &p, NULL, latent, &err), &err);
    tt_ok(t->plugin->decode(t->self, 1, latent, &decoded, &err), &err);
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        image[i] = decoded.rgb[i];
    tt_ok(t->plugin->predict(t->self, 1, latent, &timestep, conditions, eps, &err), &err);
    for (int i = 0; i < 3; i++)
        t->plugin->condition_free(t->self, conditions[i]);
    tt_free(decoded.rgb);
    free(p.rgb);
}

static float *numbers_of(const char *dir, const char *more, char hex[65])
{
    tt_test_target t;
    float *out = malloc(NUMBERS * sizeof *out);
    open_target(&t, dir, more, "reference");
    compute_all(&t, out);
    if (hex) digest_of(&t, hex);
    tt_test_target_close(&t);
    return out;
}

static double distance(const float *a, const float *b, int from, int n)
{
    double d = 0, norm = 0;
    for (int i = from; i < from + n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(d / norm);
}

/* ---- facts ---- */

START_TEST(facts_come_from_the_configs)
{
    tt_test_target t;
    open_target(&t, model_dir("plain", NULL), "", "reference");
    ck_assert_uint_eq(t.info.resolution, SIDE);
    ck_assert_uint_eq(t.info.latent_channels * t.info.latent_height * t.info.latent_width, LATENT);
    ck_assert_uint_eq(t.info.text_tokens, TOKENS);
    ck_assert_uint_eq(t.info.text_width, WIDTH);
    ck_assert_uint_eq(t.info.train_timesteps, 1000);
    ck_assert_int_eq(t.info.end_token, 513);
    ck_assert_uint_eq(t.info.capabilities, TT_CAP_GREY_BOX | TT_CAP_ATTENTION);
    ck_assert_double_eq_tol(t.info.alpha_bar[500], 0.276332498, 1e-6);
    ck_assert_double_eq(t.info.alpha_bar_f32[500], (double)0x1.1af6e8p-2f);
    tt_test_target_close(&t);
}
END_TEST

START_TEST(what_the_model_cannot_take_is_refused_with_its_sizes)
{
    tt_test_target t;
    float latent[LATENT] = {0}, eps[LATENT];
    void *conditions[3];
    open_target(&t, model_dir("plain", NULL), "", "reference");
    make_conditions(&t, conditions);
    tt_pixels p = picture(1, 40), out;
    tt_fails(t.plugin->encode(t.self, 1, &p, NULL, latent, &err), TT_ERR_INVALID,
             "40x40, the model takes 32x32", &err);
    tt_fails(t.plugin->predict(t.self, 1, latent, &(int32_t){1000}, conditions, eps, &err), TT_ERR_INVALID,
             "timestep 1000: must be 0..999", &err);
    tt_fails(t.plugin->condition_get(t.self, conditions[0], latent, 7, &err), TT_ERR_INVALID, "16", &err);
    tt_generate g = {.size = sizeof g, .images = 1, .width = 30, .steps = 2, .guidance = 1};
    tt_fails(t.plugin->generate(t.self, &g, &out, NULL, NULL, &err), TT_ERR_INVALID, "multiples of 4", &err);
    g = (tt_generate){
        .size = sizeof g, .images = 1, .init = &p, .strength = 0.01, .steps = 10, .sampler = TT_SAMPLER_DDIM};
    tt_fails(t.plugin->generate(t.self, &g, &out, NULL, NULL, &err), TT_ERR_INVALID, "leaves no step", &err);
    for (int i = 0; i < 3; i++)
        t.plugin->condition_free(t.self, conditions[i]);
    free(p.rgb);
    tt_test_target_close(&t);
}
END_TEST

/* ---- files ---- */

START_TEST(the_layout_of_the_files_changes_no_bit)
{
    static const tt_test_layout layouts[] = {{.bare_text = true}, {.old_vae = true}, {.unet_sharded = true}};
    char first[65], other[65];
    float *want = numbers_of(model_dir("plain", NULL), "", first);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        float *got = numbers_of(model_dir((char[]){(char)('a' + i), 0}, &layouts[i]), "", other);
        ck_assert_msg(memcmp(got, want, NUMBERS * sizeof *got) == 0, "layout %zu", i);
        ck_assert_str_ne(first, other); /* other files: another digest */
        free(got);
    }
    free(want);
}
END_TEST

/* Half precision in the file moves each weight by up to 2^-12 (f16) or 2^-9 (bf16) of itself; some forty
 * layers in a row on random weights make ten times that of it. */
START_TEST(weights_may_be_stored_in_any_float_type)
{
    float *want = numbers_of(model_dir("plain", NULL), "", NULL);
    static const struct {
        tt_type type;
        double bound;
    } stored[] = {{TT_F64, 0}, {TT_F16, 5e-3}, {TT_BF16, 4e-2}};
    for (size_t i = 0; i < 3; i++) {
        float *got = numbers_of(
            model_dir((char[]){(char)('a' + i), 0}, &(tt_test_layout){.type = stored[i].type}), "", NULL);
        double eps = distance(got, want, NUMBERS - LATENT, LATENT),
               text = distance(got, want, 0, TOKENS * WIDTH);
        printf("stored as %s: ε differs by %.1e, text by %.1e\n", tt_type_name(stored[i].type), eps, text);
        ck_assert_double_le(eps, stored[i].bound);
        ck_assert_double_le(text, stored[i].bound);
        ck_assert(stored[i].bound == 0 || eps > 0);
        free(got);
    }
    free(want);
}
END_TEST

/* bf16 has 8 bits: each of the network's roundings adds up to 2^-9 of a value, as bf16 weights in a file do.
 */
START_TEST(bf16_arithmetic_is_near_f32)
{
    const char *dir = model_dir("plain", NULL);
    float *want = numbers_of(dir, "", NULL);
    float *got =
        numbers_of(dir, ", \"dtype\": \"bf16\", \"vae_dtype\": \"bf16\", \"text_dtype\": \"bf16\"", NULL);
    const int parts[][2] = {{0, TOKENS * WIDTH}, {TOKENS * WIDTH, LATENT}, {NUMBERS - LATENT, LATENT}};
    for (size_t i = 0; i < 3; i++) {
        double d = distance(got, want, parts[i][0], parts[i][1]);
        printf("bf16, part %zu: %.1e\n", i, d);
        ck_assert(d > 1e-4 && d < 4e-2);
    }
    free(got);
    free(want);
}
END_TEST

/* The network's output is taken as v or as the clean latent where the scheduler's config says so
 * (models-sampling 7.2): ε = √ᾱ·v + √(1−ᾱ)·x, ε = (x − √ᾱ·z)/√(1−ᾱ). */
START_TEST(epsilon_follows_from_v_and_from_the_clean_latent)
{
    static const char *const types[] = {"v_prediction", "sample"};
    const char *dir = model_dir("plain", NULL);
    char path[600], config[512], hex[65];
    float *raw = numbers_of(dir, "", hex), *x = raw + TOKENS * WIDTH, *y = raw + NUMBERS - LATENT;
    snprintf(path, sizeof path, "%s/scheduler/scheduler_config.json", dir);
    for (int k = 0; k < 2; k++) {
        snprintf(
            config, sizeof config,
            "{\"_class_name\": \"PNDMScheduler\", \"beta_start\": 0.00085, \"beta_end\": 0.012, "
            "\"beta_schedule\": \"scaled_linear\", \"skip_prk_steps\": true, \"prediction_type\": \"%s\"}",
            types[k]);
        tt_ok(tt_file_write(path, config, strlen(config), &err), &err);
        tt_test_target t;
        open_target(&t, dir, "", "reference");
        double a = sqrt(t.info.alpha_bar[481]), b = sqrt(1 - t.info.alpha_bar[481]);
        tt_test_target_close(&t);
        float *got = numbers_of(dir, "", hex);
        for (int i = 0; i < LATENT; i++) {
            double want =
                k == 0 ? a * (double)y[i] + b * (double)x[i] : ((double)x[i] - a * (double)y[i]) / b;
            ck_assert_double_eq_tol((double)got[NUMBERS - LATENT + i], want, 1e-6); /* one rounding to f32 */
        }
        free(got);
    }
    free(raw);
}
END_TEST

START_TEST(a_pytorch_file_gives_the_bits_of_safetensors)
{
    const char *dir = model_dir("half", &(tt_test_layout){.type = TT_F16});
    char path[600];
    float *want = numbers_of(dir, "", NULL);
    snprintf(path, sizeof path, "%s/text_encoder/model.safetensors", dir);
    ck_assert_int_eq(unlink(path), 0);
    snprintf(path, sizeof path, "%s/text_encoder/pytorch_model.bin", dir);
    tt_test_copy(TT_TEST_CONFIGS "/text_encoder.bin", path);
    float *got = numbers_of(dir, "", NULL);
    ck_assert_mem_eq(got, want, NUMBERS * sizeof *got);
    free(got);
    free(want);
}
END_TEST

START_TEST(a_lora_of_scale_0_changes_nothing_and_of_scale_1_something)
{
    const char *dir = model_dir("plain", NULL);
    static const char of_0[] = ", \"lora\": [\"" TT_TEST_CONFIGS "/lora.safetensors@0\"]";
    static const char of_1[] = ", \"lora\": [\"" TT_TEST_CONFIGS "/lora.safetensors\"]";
    char plain[65], zero[65], one[65];
    float *want = numbers_of(dir, "", plain), *same = numbers_of(dir, of_0, zero),
          *other = numbers_of(dir, of_1, one);
    ck_assert_mem_eq(same, want, NUMBERS * sizeof *same);
    ck_assert_double_gt(distance(other, want, 0, TOKENS * WIDTH), 1e-3);
    ck_assert_double_gt(distance(other, want, NUMBERS - LATENT, LATENT), 1e-3);
    ck_assert_str_ne(plain, zero);
    ck_assert_str_ne(zero, one);
    tt_test_target t;
    char json[1024];
    snprintf(json, sizeof json, "{\"path\": \"%s\", \"lora\": [\"x.safetensors@much\"]}", dir);
    tt_fails(tt_test_target_open(&t, json, "reference", 1, &err), TT_ERR_INVALID, "behind @ comes a number",
             &err);
    snprintf(json, sizeof json, "{\"path\": \"%s\", \"lora\": [\"x.safetensors\"]}", dir);
    tt_fails(tt_test_target_open(&t, json, "reference", 1, &err), TT_ERR_NOT_FOUND, "x.safetensors", &err);
    free(want);
    free(same);
    free(other);
}
END_TEST

START_TEST(the_tokenizer_may_be_tokenizer_json_alone)
{
    const char *dir = model_dir("plain", NULL);
    char path[600], first[65], other[65];
    float *want = numbers_of(dir, "", first);
    snprintf(path, sizeof path, "%s/tokenizer/tokenizer.json", dir);
    tt_test_copy(TT_TEST_CONFIGS "/tokenizer-5/tokenizer.json", path);
    static const char *const old[] = {"vocab.json", "merges.txt"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/tokenizer/%s", dir, old[i]);
        ck_assert_int_eq(unlink(path), 0);
    }
    float *got = numbers_of(dir, "", other);
    ck_assert_mem_eq(got, want, NUMBERS * sizeof *got);
    ck_assert_str_ne(first, other);
    free(got);
    free(want);
}
END_TEST

/* ---- batches ---- */

static void batch_invariance(const char *backend)
{
    enum { N = 5 };
    tt_test_target t;
    void *conditions[3];
    open_target(&t, model_dir("plain", NULL), "", backend);
    ck_assert_uint_ge(t.info.batch, N);
    make_conditions(&t, conditions);
    float *x = malloc(N * LATENT * sizeof *x), *all = malloc(N * LATENT * sizeof *all), one[LATENT];
    tt_torch_cpu stream;
    tt_torch_cpu_seed(&stream, 1);
    tt_torch_cpu_randn(&stream, x, N * LATENT);
    const int32_t timesteps[N] = {1, 981, 500, 500, 20};
    void *const texts[N] = {conditions[0], conditions[1], conditions[2], conditions[0], conditions[0]};
    tt_ok(t.plugin->predict(t.self, N, x, timesteps, texts, all, &err), &err);
    for (int i = 0; i < N; i++) { /* alone, and behind the others in another order */
        tt_ok(t.plugin->predict(t.self, 1, x + i * LATENT, &timesteps[i], &texts[i], one, &err), &err);
        ck_assert_msg(memcmp(one, all + i * LATENT, sizeof one) == 0, "%s: row %d alone", backend, i);
    }
    float y[2 * LATENT], pair[2 * LATENT];
    memcpy(y, x + 3 * LATENT, LATENT * sizeof *y);
    memcpy(y + LATENT, x, LATENT * sizeof *y);
    tt_ok(t.plugin->predict(t.self, 2, y, (int32_t[]){500, 1}, (void *[]){conditions[0], conditions[0]}, pair,
                            &err),
          &err);
    ck_assert_mem_eq(pair, all + 3 * LATENT, LATENT * sizeof *pair);
    ck_assert_mem_eq(pair + LATENT, all, LATENT * sizeof *pair);

    /* images and texts */
    tt_pixels p[3] = {picture(1, SIDE), picture(2, SIDE), picture(3, SIDE)};
    float three[3 * LATENT], states[2][TOKENS * WIDTH];
    tt_ok(t.plugin->encode(t.self, 3, p, x, three, &err), &err);
    tt_ok(t.plugin->encode(t.self, 1, &p[2], x + 2 * LATENT, one, &err), &err);
    ck_assert_mem_eq(one, three + 2 * LATENT, sizeof one);
    void *alone;
    tt_text_piece piece = {.text = prompts[2]};
    tt_ok(t.plugin->text(t.self, 1, &(tt_text){&piece, 1}, &alone, &err), &err);
    tt_ok(t.plugin->condition_get(t.self, conditions[2], states[0], TOKENS * WIDTH, &err), &err);
    tt_ok(t.plugin->condition_get(t.self, alone, states[1], TOKENS * WIDTH, &err), &err);
    ck_assert_mem_eq(states[0], states[1], sizeof states[0]);

    t.plugin->condition_free(t.self, alone);
    for (int i = 0; i < 3; i++) {
        t.plugin->condition_free(t.self, conditions[i]);
        free(p[i].rgb);
    }
    free(x);
    free(all);
    tt_test_target_close(&t);
}

START_TEST(a_row_s_bits_depend_on_no_slot_and_no_neighbour)
{
    batch_invariance("reference");
    if (strcmp(tt_test_backend(), "reference") != 0) batch_invariance(tt_test_backend());
}
END_TEST

START_TEST(images_made_together_are_the_images_made_alone)
{
    tt_test_target t;
    tt_text_piece piece = {.text = prompts[0]};
    tt_pixels two[2], one;
    open_target(&t, model_dir("plain", NULL), "", tt_test_backend());
    tt_generate g = {.size = sizeof g,
                     .prompt = {&piece, 1},
                     .stream = TT_STREAM_KEYED,
                     .seed = 5,
                     .steps = 3,
                     .guidance = 4,
                     .images = 2};
    tt_ok(t.plugin->generate(t.self, &g, two, NULL, NULL, &err), &err);
    g.images = 1;
    tt_ok(t.plugin->generate(t.self, &g, &one, NULL, NULL, &err), &err);
    ck_assert_mem_eq(one.rgb, two[0].rgb, 3 * SIDE * SIDE);
    ck_assert_int_ne(memcmp(two[0].rgb, two[1].rgb, 3 * SIDE * SIDE), 0);
    tt_free(one.rgb);
    tt_free(two[0].rgb);
    tt_free(two[1].rgb);
    tt_test_target_close(&t);
}
END_TEST

/* ---- in a host ---- */

typedef struct hosted {
    tt_child host;
    tt_model *model;
    tt_host_sample samples[SAMPLES];
    char paths[SAMPLES][600];
} hosted;

static void call(tt_child *child, uint16_t type, tt_buf *request)
{
    tt_reply reply;
    tt_ok(tt_child_call(child, type, request, -1, &reply, &err), &err);
    tt_reply_free(&reply);
    tt_buf_free(request);
}

static void start_host(hosted *h, const char *dir, bool in_process)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/plugins"};
    const tt_launch launch = {.in_process = in_process,
                              .program = TT_BUILD_DIR "/telltale",
                              .plugin_dirs = dirs,
                              .n_plugin_dirs = 1,
                              .time_limit_s = 60};
    char json[600];
    tt_buf b = {0};
    tt_reply reply;
    int fds[2] = {-1, -1};
    tt_ok(tt_child_start(&launch, TT_CHILD_HOST, "host target", &h->host, &err), &err);
    snprintf(json, sizeof json, "{\"path\": \"%s\", \"batch\": 4}", dir);
    tt_put_text(&b, "sd15");
    tt_put_text(&b, json);
    tt_put_device(&b, "reference", &(tt_device_options){.threads = 1});
    tt_put_u64(&b, SEED);
    tt_put_u8(&b, false);
    call(&h->host, TT_MSG_HOST_OPEN, &b);
    tt_put_u32(&b, SAMPLES);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        tt_pixels p = picture(i, SIDE);
        snprintf(h->paths[i], sizeof h->paths[i], "%s/%u.png", tt_test_dir(), i);
        tt_ok(tt_image_write_png(h->paths[i], &p, &err), &err);
        h->samples[i] = (tt_host_sample){.id = 70 + i, .path = h->paths[i], .digest = tt_image_digest(&p)};
        free(p.rgb);
        tt_put_u64(&b, h->samples[i].id);
        tt_put_text(&b, h->samples[i].path);
        tt_put_digest(&b, &h->samples[i].digest);
    }
    call(&h->host, TT_MSG_HOST_SAMPLES, &b);
    tt_put_u32(&b, TT_CAP_GREY_BOX);
    if (!in_process) tt_ok(tt_channel_pair(fds, &err), &err);
    tt_ok(tt_child_call(&h->host, TT_MSG_HOST_CONNECT, &b, fds[0], &reply, &err), &err);
    tt_reply_free(&reply);
    tt_buf_free(&b);
    if (fds[0] >= 0) close(fds[0]);
    tt_port *port = in_process ? tt_port_direct(tt_modelhost_request, h->host.host,
                                                tt_modelhost_connection_at(h->host.host, 0), "target")
                               : tt_port_over_channel(fds[1], "target");
    tt_ok(tt_model_client_create(port, "target", &h->model, &err), &err);
}

static void stop_host(hosted *h)
{
    tt_model_client_destroy(h->model);
    tt_child_stop(&h->host);
}

/* Six predictions of three samples in the host, whose batch holds four: one full batch and one padded. */
static void predict_in_host(hosted *h, double losses[6], float *eps, float *latents)
{
    tt_model *m = h->model;
    tt_encode encodes[SAMPLES];
    tt_handle z[SAMPLES], c[2];
    tt_text_piece pieces[2] = {{.text = prompts[0]}, {.text = prompts[1]}};
    const tt_text texts[2] = {{&pieces[0], 1}, {&pieces[1], 1}};
    tt_predict requests[6];
    tt_prediction results[6];
    for (int i = 0; i < SAMPLES; i++)
        encodes[i] = (tt_encode){.sample = h->samples[i].id, .noise = {.role = "vae", .timestep = -1}};
    tt_ok(m->encode(m, SAMPLES, encodes, z, &err), &err);
    tt_ok(m->text(m, 2, texts, c, &err), &err);
    for (int i = 0; i < 6; i++)
        requests[i] = (tt_predict){.latent = z[i % 3],
                                   .condition = c[i / 3],
                                   .timestep = 100 + 50 * i,
                                   .want = TT_WANT_LOSS | TT_WANT_PREDICTION,
                                   .sample = h->samples[i % 3].id,
                                   .noise = {.role = "eps", .timestep = 100 + 50 * i, .draw = 1}};
    tt_ok(m->predict(m, 6, requests, results, &err), &err);
    for (int i = 0; i < 6; i++) {
        losses[i] = results[i].loss;
        tt_ok(m->get(m, results[i].prediction, eps + i * LATENT, LATENT, &err), &err);
    }
    for (int i = 0; i < SAMPLES; i++)
        tt_ok(m->get(m, z[i], latents + i * LATENT, LATENT, &err), &err);
}

/* The same by hand: latents with keyed noise, x_t in double, one row at a time. */
static void predict_directly(hosted *h, const char *dir, double losses[6], float *eps, float *latents)
{
    tt_test_target t;
    void *conditions[3];
    float noise[LATENT], x[LATENT];
    open_target(&t, dir, "", "reference");
    make_conditions(&t, conditions);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        tt_pixels p = picture(i, SIDE);
        tt_stream_key key = tt_noise_key(SEED, &h->samples[i].digest, "vae", -1, 0);
        tt_keyed_normals(&key, 0, noise, LATENT);
        tt_ok(t.plugin->encode(t.self, 1, &p, noise, latents + i * LATENT, &err), &err);
        free(p.rgb);
    }
    for (int i = 0; i < 6; i++) {
        const int32_t timestep = 100 + 50 * i;
        const double a = t.info.alpha_bar[timestep];
        tt_stream_key key = tt_noise_key(SEED, &h->samples[i % 3].digest, "eps", timestep, 1);
        tt_keyed_normals(&key, 0, noise, LATENT);
        for (int k = 0; k < LATENT; k++)
            x[k] = (float)(sqrt(a) * (double)latents[i % 3 * LATENT + k] + sqrt(1 - a) * (double)noise[k]);
        tt_ok(t.plugin->predict(t.self, 1, x, &timestep, &conditions[i / 3], eps + i * LATENT, &err), &err);
        losses[i] = 0;
        for (int k = 0; k < LATENT; k++) {
            double d = (double)noise[k] - (double)eps[i * LATENT + k];
            losses[i] += d * d;
        }
        losses[i] /= LATENT;
    }
    for (int i = 0; i < 3; i++)
        t.plugin->condition_free(t.self, conditions[i]);
    tt_test_target_close(&t);
}

START_TEST(a_host_gives_what_the_direct_call_gives)
{
    static float eps[3][6 * LATENT], latents[3][SAMPLES * LATENT];
    double losses[3][6];
    const char *dir = model_dir("plain", NULL);
    hosted h;
    for (int in_process = 0; in_process < 2; in_process++) {
        start_host(&h, dir, in_process);
        predict_in_host(&h, losses[in_process], eps[in_process], latents[in_process]);
        stop_host(&h);
    }
    predict_directly(&h, dir, losses[2], eps[2], latents[2]);
    for (int way = 0; way < 2; way++) {
        ck_assert_mem_eq(latents[way], latents[2], sizeof latents[2]);
        ck_assert_mem_eq(eps[way], eps[2], sizeof eps[2]);
        ck_assert_mem_eq(losses[way], losses[2], sizeof losses[2]);
    }
}
END_TEST

START_TEST(a_host_generates_varies_decodes_and_gives_conditions)
{
    hosted h;
    tt_test_target t;
    const char *dir = model_dir("plain", NULL);
    start_host(&h, dir, false);
    open_target(&t, dir, "", "reference");
    tt_model *m = h.model;
    tt_text_piece piece = {.text = prompts[0]};
    tt_pixels init = picture(7, SIDE), want;
    float *got = malloc(3 * SIDE * SIDE * sizeof *got), states[2][TOKENS * WIDTH];
    tt_handle image, condition, latent;
    for (int vary = 0; vary < 2; vary++) {
        tt_generate g = {.size = sizeof g,
                         .prompt = {&piece, 1},
                         .steps = 4,
                         .seed = 9,
                         .images = 1,
                         .guidance = 5,
                         .init = vary ? &init : NULL,
                         .strength = 0.5};
        tt_ok(t.plugin->generate(t.self, &g, &want, NULL, NULL, &err), &err);
        tt_ok((vary ? m->vary : m->generate)(m, &g, &image, &err), &err);
        tt_ok(m->get(m, image, got, 3 * SIDE * SIDE, &err), &err);
        for (int c = 0; c < 3; c++)
            for (int k = 0; k < SIDE * SIDE; k++)
                ck_assert_int_eq(lrintf(255 * got[c * SIDE * SIDE + k]), want.rgb[3 * k + c]);
        tt_free(want.rgb);
    }
    /* decode */
    float z[LATENT];
    tt_torch_cpu stream;
    tt_torch_cpu_seed(&stream, 3);
    tt_torch_cpu_randn(&stream, z, LATENT);
    tt_ok(t.plugin->decode(t.self, 1, z, &want, &err), &err);
    tt_ok(m->put(m, 4, 8, 8, z, &latent, &err), &err);
    tt_ok(m->decode(m, 1, &latent, &image, &err), &err);
    tt_ok(m->get(m, image, got, 3 * SIDE * SIDE, &err), &err);
    ck_assert_int_eq(lrintf(255 * got[SIDE * SIDE + 5]), want.rgb[3 * 5 + 1]);
    /* a condition's states */
    void *direct;
    tt_ok(m->text(m, 1, &(tt_text){&piece, 1}, &condition, &err), &err);
    tt_ok(m->get(m, condition, states[0], TOKENS * WIDTH, &err), &err);
    tt_ok(t.plugin->text(t.self, 1, &(tt_text){&piece, 1}, &direct, &err), &err);
    tt_ok(t.plugin->condition_get(t.self, direct, states[1], TOKENS * WIDTH, &err), &err);
    ck_assert_mem_eq(states[0], states[1], sizeof states[0]);
    t.plugin->condition_free(t.self, direct);
    tt_free(want.rgb);
    free(init.rgb);
    free(got);
    tt_test_target_close(&t);
    stop_host(&h);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("target_sd15");
    TCase *tc = tcase_create("target_sd15");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, facts_come_from_the_configs);
    tcase_add_test(tc, what_the_model_cannot_take_is_refused_with_its_sizes);
    tcase_add_test(tc, the_layout_of_the_files_changes_no_bit);
    tcase_add_test(tc, weights_may_be_stored_in_any_float_type);
    tcase_add_test(tc, bf16_arithmetic_is_near_f32);
    tcase_add_test(tc, epsilon_follows_from_v_and_from_the_clean_latent);
    tcase_add_test(tc, a_pytorch_file_gives_the_bits_of_safetensors);
    tcase_add_test(tc, a_lora_of_scale_0_changes_nothing_and_of_scale_1_something);
    tcase_add_test(tc, the_tokenizer_may_be_tokenizer_json_alone);
    tcase_add_test(tc, a_row_s_bits_depend_on_no_slot_and_no_neighbour);
    tcase_add_test(tc, images_made_together_are_the_images_made_alone);
    tcase_add_test(tc, a_host_gives_what_the_direct_call_gives);
    tcase_add_test(tc, a_host_generates_varies_decodes_and_gives_conditions);
    suite_add_tcase(suite, tc);
    return suite;
}
